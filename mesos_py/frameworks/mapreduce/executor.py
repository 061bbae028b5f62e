"""The executor: one per agent and job. It runs attempts, keeps what maps put out, and serves it to reduces.

::

    files/NAME               what was shipped with the job, fetched once
    cache/NUMBER             inputs that were fetched whole
    attempts/ATTEMPT/work    where the programs run, with links to the files
    attempts/ATTEMPT/out     its output; stderr beside it
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from mesos_py import Executor, KillPolicy, TaskInfo, TaskState
from mesos_py.errors import MesosError, UserError
from mesos_py.frameworks.mapreduce.orders import Order, Outcome
from mesos_py.frameworks.mapreduce.transfer import Part, Server, download, opened
from mesos_py.messages.executor import ExecutorSubscribed

__all__ = ["AttemptRunner", "main"]


class AttemptRunner:
    """Runs attempts in processes of their own; ``done`` is called from other threads."""

    def __init__(self, root: Path, host: str = "") -> None:
        """Everything goes below ``root``."""
        self._root = root
        self._host = host
        self._secret = secrets.token_hex(16)
        self._server = Server(self._secret, self._find)
        self._lock = threading.Lock()
        self._ready: set[Path] = set()
        self._ends: dict[str, list[int]] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: set[str] = set()

    def run(self, order: Order, tell: Callable[[bytes], None] = lambda _line: None) -> Outcome:
        """Carry it out; blocks."""
        try:
            split = order.split
            if split is not None and split.url:
                order = replace(order, split=replace(split, path=str(self._cached(split.url))))
            elif split is not None and split.pinned:
                order = replace(order, split=replace(split, path=split.pinned[self._host]))
            directory = self._prepare(order)
            outcome = self._work(order, directory, tell)
        except (OSError, MesosError, KeyError, ValueError) as error:
            return Outcome(failure=f"{type(error).__name__}: {error}")
        if not outcome.failure:
            self._ends[order.attempt] = outcome.ends
        return replace(outcome, url=self._url(order.base), ends=[])

    def kill(self, attempt: str) -> None:
        """End it and all it has started."""
        self.killed.add(attempt)
        process = self._processes.get(attempt)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Serve no more."""
        self._server.close()

    def _work(self, order: Order, directory: Path, tell: Callable[[bytes], None]) -> Outcome:
        written = directory.parent / "order.json"
        written.write_bytes(msgspec.json.encode(order))
        argv = [sys.executable, "-m", "mesos_py.frameworks.mapreduce.worker", str(written), str(directory)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as process:
            self._processes[order.attempt] = process
            if order.attempt in self.killed:
                self.kill(order.attempt)
            assert process.stdout is not None
            last = b""
            for line in process.stdout:
                if line.startswith(b'{"attempt"'):
                    tell(line)
                else:
                    last = line
        del self._processes[order.attempt]
        try:
            return msgspec.json.decode(last, type=Outcome)
        except msgspec.DecodeError:
            return Outcome(failure=f"the attempt's process ended with {process.returncode}, and said nothing")

    def _prepare(self, order: Order) -> Path:
        files = self._root / "files"
        with self._lock:
            files.mkdir(parents=True, exist_ok=True)
            for number, shipped in enumerate(order.job.files):
                target = files / shipped.name
                if target in self._ready:
                    continue
                fetched = self._root / f"fetched{number}{''.join(Path(shipped.path).suffixes[-2:])}"
                download(f"{order.base}/files/{number}", fetched)
                if shipped.archive:
                    _unpack(fetched, target)
                else:
                    fetched.chmod(0o755)
                    fetched.rename(target)
                self._ready.add(target)
        work = self._root / "attempts" / order.attempt / "work"
        shutil.rmtree(work.parent, ignore_errors=True)
        work.mkdir(parents=True)
        for shipped in order.job.files:
            (work / shipped.name).symlink_to(files / shipped.name)
        return work

    def _cached(self, url: str) -> Path:
        path = self._root / "cache" / hashlib.sha256(url.encode()).hexdigest()
        with self._lock:
            if path not in self._ready:
                path.parent.mkdir(parents=True, exist_ok=True)
                download(url, path)
                self._ready.add(path)
        return path

    def _url(self, base: str) -> str:
        """Under the address from which we reach the job's server, which others reach in turn."""
        where = urlsplit(base)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((where.hostname or "127.0.0.1", where.port or 80))
            return f"http://{probe.getsockname()[0]}:{self._server.port}/{self._secret}"

    def _find(self, path: str) -> Part | None:
        attempt, _, partition = path.partition("/")
        ends = self._ends.get(attempt)
        if ends is None:
            return None
        out = str(self._root / "attempts" / attempt / "out")
        if not partition.isdigit():
            return Part(out)
        number = int(partition)
        start = ends[number - 1] if number else 0
        return Part(out, start, ends[number] - start)


def _unpack(archive: Path, target: Path) -> None:
    """Nothing may be unpacked to elsewhere; zip files never are."""
    if archive.suffix in (".zip", ".jar"):
        shutil.unpack_archive(archive, target, "zip")
    else:
        shutil.unpack_archive(archive, target, filter="data")


class _Session:
    """Between the agent and the attempts."""

    def __init__(self) -> None:
        self._base = ""
        self._runner: AttemptRunner | None = None
        self.executor = executor = Executor()
        executor.on_registered(self._on_registered)
        executor.on_launch(self._on_launch)
        executor.on_kill(self._on_kill)
        executor.on_shutdown(lambda _grace_s: executor.stop())

    def _on_registered(self, subscribed: ExecutorSubscribed) -> None:
        if self._runner is None:
            self._base = subscribed.executor.data.decode()
            self._runner = AttemptRunner(Path.cwd(), subscribed.hostname)

    def _on_launch(self, task: TaskInfo) -> None:
        self.executor.update(task.task_id, TaskState.RUNNING)
        threading.Thread(target=self._work, args=(task.task_id, self._runner), daemon=True).start()

    def _on_kill(self, task_id: str, _policy: KillPolicy | None) -> None:
        if self._runner is not None:
            self._runner.kill(task_id)

    def _work(self, attempt: str, runner: AttemptRunner) -> None:
        try:
            with opened(f"{self._base}/orders/{attempt}") as answer:
                order = msgspec.json.decode(answer.read(), type=Order)
            outcome = runner.run(order, self._tell)
        except MesosError as error:
            outcome = Outcome(failure=str(error))
        if attempt in runner.killed:
            state = TaskState.KILLED
        else:
            state = TaskState.FAILED if outcome.failure else TaskState.FINISHED
        self.executor.update(attempt, state, message=outcome.failure[:1000], data=msgspec.json.encode(outcome))

    def _tell(self, line: bytes) -> None:
        with contextlib.suppress(UserError):  # the agent is away
            self.executor.message(line)


def main() -> None:
    """Run as the agent's child."""
    _Session().executor.run()


if __name__ == "__main__":
    main()
