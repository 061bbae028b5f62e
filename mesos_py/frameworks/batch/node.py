"""Our executor on each agent of a job: the first runs the script once all others are held, each starts processes.

Whatever ends, all of it ends: the first holds a connection to each other node. If the script ends, or a node is lost,
the connections end, and with them everything on each node. The walltime is kept here, whether the server lives or not.
"""

import contextlib
import os
import shlex
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec

from mesos_py import Executor, KillPolicy, TaskInfo, TaskState
from mesos_py.errors import MesosError
from mesos_py.frameworks.batch import control, processes
from mesos_py.frameworks.batch.amounts import format_time
from mesos_py.frameworks.batch.endings import FAILED_TO_START, Outcome
from mesos_py.frameworks.batch.order import NodeOrder, Script
from mesos_py.frameworks.batch.surroundings import BINARIES, home, prepare

__all__ = ["main"]

_GATHER_S: Final = 60.0
"""How long to wait for the other nodes of the job."""
_LOSS_S: Final = 1.0
"""A script may fail because a node was lost a moment before we notice."""
_UNHELD_S: Final = _GATHER_S + 30.0
"""A node that nobody holds gives up after this."""


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, node: "Node", port: int) -> None:
        self.node = node
        super().__init__(("", port), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        node = cast("_Server", self.server).node
        connection: socket.socket = self.request
        body = control.accept(connection, node.order.secret)
        match body.get("do") if body is not None else None:
            case "hold":
                connection.sendall(b"OK\n")
                node.is_held.set()
                _wait_for_end(connection)
                node.finish(TaskState.FINISHED, "")
            case "run":
                assert body is not None
                node.run_for(connection, body)
            case _:
                with contextlib.suppress(OSError):
                    connection.sendall(b"not a process of this job\n")


class Node:
    """One share of a job."""

    def __init__(self, executor: Executor, task: TaskInfo) -> None:
        """``begin`` starts it. Raises msgspec.MsgspecError."""
        self.order = msgspec.json.decode(task.data, type=NodeOrder)
        self.is_held = threading.Event()
        self._executor = executor
        self._task_id = task.task_id
        self._sandbox = Path(os.environ["MESOS_SANDBOX"])
        self._variables = prepare(self.order, self._sandbox)
        self._ending = threading.Event()
        self._lost = threading.Event()
        self._reported = threading.Lock()
        self._holds: list[socket.socket] = []
        self._script: subprocess.Popen[bytes] | None = None
        self._comment = ""
        self._was_killed = False
        self._server: _Server

    def begin(self) -> None:
        """Returns at once. Raises OSError if the port is taken."""
        self._server = _Server(self, self.order.peers[self.order.place].port)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        threading.Thread(target=self._lead if self.order.script is not None else self._serve, daemon=True).start()

    def kill(self) -> None:
        """As the agent wants it; returns at once."""
        self._was_killed = True
        self._ending.set()
        if self.order.script is None:
            threading.Thread(target=self.finish, args=(TaskState.KILLED, ""), daemon=True).start()

    def finish(self, state: TaskState, message: str, data: bytes = b"") -> None:
        """End all that runs here and report it; the first report counts."""
        if not self._reported.acquire(blocking=False):
            return
        processes.end_all()
        with contextlib.suppress(OSError):  # the port is another job's as soon as our end is known
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
        self._server.server_close()
        with contextlib.suppress(MesosError):  # then the agent has ended us
            self._executor.update(self._task_id, state, message=message, data=data)
            self._executor.stop()

    # Nodes that wait for the first

    def _serve(self) -> None:
        self._executor.update(self._task_id, TaskState.RUNNING)
        if not self.is_held.wait(_UNHELD_S):
            self.finish(TaskState.FAILED, "the job's first node did not come")

    def run_for(self, connection: socket.socket, body: dict[str, Any]) -> None:
        """Run a process of another node of the job."""
        environment = {str(name): str(value) for name, value in body.get("env", {}).items()}
        environment = self._with_variables(environment)
        argv = ["/bin/sh", "-c", str(body.get("line", ""))]
        try:
            process = processes.start(argv, environment, str(body["cwd"]), subprocess.PIPE, subprocess.PIPE)
        except (OSError, KeyError, ValueError) as error:
            connection.sendall(f"cannot be started: {error}\n".encode())
            return
        connection.sendall(b"OK\n")
        threading.Thread(target=_end_with, args=(connection, process), daemon=True).start()
        lock = threading.Lock()
        readers = [
            threading.Thread(target=_forward, args=(connection, lock, kind, stream))
            for kind, stream in ((control.STDOUT, process.stdout), (control.STDERR, process.stderr))
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        code = process.wait()
        with contextlib.suppress(OSError), lock:
            control.send_frame(connection, control.EXIT, (code if code >= 0 else 128 - code).to_bytes(1, "big"))
            connection.shutdown(socket.SHUT_RDWR)

    def _with_variables(self, environment: dict[str, str]) -> dict[str, str]:
        path = environment.get("PATH") or os.environ.get("PATH") or os.defpath
        return environment | self._variables | {"PATH": f"{self._sandbox / BINARIES}:{path}"}

    # The first node

    def _lead(self) -> None:
        script = self.order.script
        assert script is not None
        try:
            self._gather()
        except control.ControlError as error:
            if self._was_killed:
                self._report(256 + signal.SIGTERM)
            else:
                self._comment = f"the nodes of the job do not come together: {error}"
                self._report(FAILED_TO_START, lost=True)
            return
        self._executor.update(self._task_id, TaskState.RUNNING)
        try:
            status = self._run(script)
        except OSError as error:
            self._comment = f"the script cannot be started: {error.strerror}: {error.filename}"
            status = FAILED_TO_START
        if status:
            self._lost.wait(_LOSS_S if self._holds else 0)
        self._report(status, lost=self._lost.is_set() and status != 0)

    def _gather(self) -> None:
        """Hold all others. Raises ControlError if that fails in time, or we are to end."""
        deadline = time.monotonic() + _GATHER_S
        for peer in self.order.peers[1:]:
            host = control.resolve(peer.hostname, peer.address)
            while True:
                try:
                    hold = control.connect(host, peer.port, self.order.secret, {"do": "hold"})
                    break
                except control.ControlError as error:
                    if time.monotonic() > deadline or self._ending.wait(0.1):
                        raise control.ControlError(f"{peer.hostname}: {error}") from None
            self._holds.append(hold)
            threading.Thread(target=self._watch, args=(hold, peer.hostname), daemon=True).start()

    def _watch(self, hold: socket.socket, hostname: str) -> None:
        _wait_for_end(hold)
        if not self._reported.locked() and not self._ending.is_set():
            self._comment = f"node {hostname} was lost"
            self._lost.set()
            self._ending.set()

    def _run(self, script: Script) -> int:
        """PBS's exit status: the code, or 256 and the signal."""
        sandbox = self._sandbox
        file = sandbox / "script"
        file.write_text(script.text)
        file.chmod(0o700)
        argv = [*(shlex.split(script.shell) or _interpreter(script.text)), str(file)]
        environment = self._with_variables(_base_environment() | script.environment)
        directory = script.start_dir or home()
        with contextlib.ExitStack() as files:
            stdout = self._open(files, script.stdout, sandbox / "stdout")
            stderr = stdout if script.stderr == script.stdout else self._open(files, script.stderr, sandbox / "stderr")
            self._script = process = processes.start(argv, environment, directory, stdout, stderr)
            threading.Thread(target=self._keep_walltime, args=(script, process, stderr), daemon=True).start()
            code = process.wait()
            self._ending.set()
            return code if code >= 0 else 256 - code

    def _open(self, files: contextlib.ExitStack, path: str, otherwise: Path) -> IO[bytes]:
        """The file that the job writes to; one in our sandbox if that cannot be."""
        try:
            return files.enter_context(Path(path).open("ab", buffering=0))
        except OSError as error:
            self._comment = f"{path} cannot be written ({error.strerror}): what goes there is in {otherwise}"
            return files.enter_context(otherwise.open("ab", buffering=0))

    def _keep_walltime(self, script: Script, process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
        """End the script when its time is over, or before that if we are to end."""
        if not self._ending.wait(script.walltime_s):
            self._comment = f"killed: walltime {format_time(script.walltime_s)} is over"
        if process.poll() is not None:
            return
        why = self._comment or "killed"
        with contextlib.suppress(OSError, ValueError):
            stderr.write(f"=>> PBS: job {self.order.job_id} {why}\n".encode())
        processes.end_all()

    def _report(self, status: int, *, lost: bool = False) -> None:
        self._ending.set()
        processes.end_all()  # before the others, so that mpiexec does not complain about them
        cput_s, mem_mb = processes.used()
        outcome = Outcome(exit_status=status, cput_s=cput_s, mem_mb=mem_mb, comment=self._comment, lost=lost)
        for hold in self._holds:
            with contextlib.suppress(OSError):
                hold.shutdown(socket.SHUT_RDWR)
        state = TaskState.FINISHED if status == 0 else TaskState.KILLED if self._was_killed else TaskState.FAILED
        self.finish(state, self._comment or f"exit status {status}", msgspec.json.encode(outcome))


def _base_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "MESOS_TASK_ID") if name in os.environ}
    return kept | {"HOME": home()}


def _interpreter(text: str) -> list[str]:
    first = text.partition("\n")[0]
    return shlex.split(first[2:]) if first.startswith("#!") else ["/bin/sh"]


def _wait_for_end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass


def _end_with(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Nobody follows it any more."""
    _wait_for_end(connection)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(processes.GRACE_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _forward(connection: socket.socket, lock: threading.Lock, kind: int, stream: IO[bytes]) -> None:
    for data in iter(partial(os.read, stream.fileno(), 65536), b""):
        with contextlib.suppress(OSError), lock:
            control.send_frame(connection, kind, data)


def main() -> int:
    """Run until the share has ended."""
    processes.adopt()
    executor = Executor()
    nodes: dict[str, Node] = {}

    @executor.on_launch
    def launch(task: TaskInfo) -> None:
        try:
            node = Node(executor, task)
            node.begin()
        except (OSError, msgspec.MsgspecError) as error:
            outcome = Outcome(exit_status=FAILED_TO_START, comment=f"a node cannot be made ready: {error}", lost=True)
            data = msgspec.json.encode(outcome)
            executor.update(task.task_id, TaskState.FAILED, message=outcome.comment, data=data)
            executor.stop()
        else:
            nodes[task.task_id] = node

    @executor.on_kill
    def kill(task_id: str, policy: KillPolicy | None) -> None:
        del policy
        if task_id in nodes:
            nodes[task_id].kill()

    @executor.on_shutdown
    def shut_down(grace_s: float) -> None:
        del grace_s
        for node in nodes.values():
            node.kill()

    executor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
