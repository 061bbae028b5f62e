"""Starts containers for an agent, and outlives it: ``main()``, with the agent's socket as stdin.

One line of JSON asks for a container (``isolators/launch.py`` has the form), one line answers::

    {"container_id": "C-1", "argv": ["/bin/true"], ...}  ──▶
                                                         ◀──  {"container_id": "C-1", "pid": 4711, "start_time": 99}
                                                         or   {"container_id": "C-1", "error": "command not found"}

A container with a pid namespace gets an init, a fork of this program, as process 1; the command of any other is our
own child, and where there is nothing to set up not even that fork is made. What happened is noted in LOG, each line by
one append (again, if the disk was full), so that it is known to an agent that was away::

    launcher PID START_TIME BOOT_ID       begins ID NOTES      began ID PID START_TIME
    failed ID WHY                         ended ID CODE        gone ID CODE

``ended`` is the command's exit code (negative: the signal that ended it), ``gone`` that of its first process. Whoever
may still write ``begins`` or ``began`` holds a lock on LOG: once an agent has it, it is final which containers began.
When the agent is gone, nothing more is started, and the program ends with its last container.
"""

import contextlib
import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import sys

from . import system
from .setup import RETRY_MS, LaunchDict, Setup, SetupError, append, cgroup_to_be_born_in, is_plain, line, spawn

__all__ = ["main"]


class Launcher:
    """Starts what the agent asks for, and notes how it ends."""

    def __init__(self, log: str) -> None:
        self._agent = socket.socket(fileno=0)
        self._unread = b""
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._gate = os.open(log, os.O_RDONLY)
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        self._unwritten: list[bytes] = []
        self._null = os.open(os.devnull, os.O_RDWR)
        self._poll = select.poll()
        self._starting: dict[int, tuple[str, int]] = {}
        """By the pipe on which its setup reports: container and pid."""
        self._children: dict[int, tuple[str, bool]] = {}
        """By pid: container, and whether an init notes how its command ends."""
        self._poll.register(self._agent, select.POLLIN)
        self._hears = True
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._poll.register(self._wake, select.POLLIN)
        with open("/proc/sys/kernel/random/boot_id") as file:
            self._note("launcher", str(os.getpid()), str(system.start_time(os.getpid())), file.read().strip())

    def run(self) -> None:
        """Until the agent is gone and the last container has ended."""
        while self._hears or self._starting or self._children or self._unwritten:
            for fd, _ready in self._poll.poll(RETRY_MS if self._unwritten else None):
                if fd == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                    self._reap()
                elif fd in self._starting:
                    self._set_up(fd)
                elif self._hears and fd == self._agent.fileno():
                    self._hear()
            if self._unwritten:
                self._write_on()

    def _note(self, *words: str) -> None:
        """On a full disk, as soon as there is room."""
        self._unwritten.append(line(*words))
        self._write_on()

    def _write_on(self) -> None:
        with contextlib.suppress(OSError):
            while self._unwritten:
                append(self._log, self._unwritten[0])
                del self._unwritten[0]

    # The agent

    def _hear(self) -> None:
        try:
            text = self._agent.recv(1 << 18)
        except OSError:
            text = b""
        if not text:
            self._agent_is_gone()
            return
        *lines, self._unread = (self._unread + text).split(b"\n")
        for text in lines:
            if self._hears:  # not if an answer has just shown that nobody listens
                self._start(json.loads(text))

    def _agent_is_gone(self) -> None:
        if self._hears:
            self._hears = False
            self._poll.unregister(self._agent)
            self._agent.close()
            os.close(self._gate)  # those that are being set up hold it, too

    def _answer(self, **words: object) -> None:
        if self._hears:
            try:
                self._agent.sendall(json.dumps(words).encode() + b"\n")
            except OSError:
                self._agent_is_gone()

    # Starting

    def _start(self, launch: LaunchDict) -> None:
        container_id = launch["container_id"]
        try:
            append(self._log, line("begins", container_id, json.dumps(launch.get("notes", {}))))
            if is_plain(launch):
                self._spawn(launch)
            else:
                self._clone(launch)
        except SetupError as error:
            self._failed(container_id, str(error))
        except OSError as error:
            self._failed(container_id, f"no process could be made for it: {error.strerror}")

    def _spawn(self, launch: LaunchDict) -> None:
        """Without a fork. Raises SetupError or OSError."""
        container_id = launch["container_id"]
        pid = spawn(launch, self._null)
        self._children[pid] = container_id, False
        started = system.start_time(pid)
        self._note("began", container_id, str(pid), str(started))
        self._answer(container_id=container_id, pid=pid, start_time=started)

    def _clone(self, launch: LaunchDict) -> None:
        """By a fork that sets itself up. Raises OSError."""
        namespaces = launch.get("namespaces", ())
        report, setup = os.pipe()
        os.set_blocking(report, False)
        try:
            pid = system.clone(namespaces, cgroup_to_be_born_in(launch.get("cgroups", ())))
        except OSError:
            os.close(report)
            os.close(setup)
            raise
        if pid == 0:
            Setup(launch, self._log, self._gate, self._null, setup).run()
        os.close(setup)
        self._starting[report] = launch["container_id"], pid
        self._children[pid] = launch["container_id"], "pid" in namespaces
        self._poll.register(report, select.POLLIN)

    def _set_up(self, report: int) -> None:
        """The command is being executed, or its setup has said why not."""
        try:
            why = os.read(report, 4096)
        except BlockingIOError:
            return  # another one, which has the descriptor of one just closed
        container_id, pid = self._starting.pop(report)
        self._poll.unregister(report)
        os.close(report)
        if why:
            self._children.pop(pid, None)
            self._failed(container_id, why.decode(errors="replace"))
        else:
            self._answer(container_id=container_id, pid=pid, start_time=system.start_time(pid))

    def _failed(self, container_id: str, why: str) -> None:
        self._note("failed", container_id, why)
        self._answer(container_id=container_id, error=why)

    # Ending

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in (pid for _container, pid in self._starting.values()):
                self._report_of(pid)
            container_id, has_init = self._children.pop(pid, ("", False))
            if container_id:
                code = str(os.waitstatus_to_exitcode(status))
                self._note("gone" if has_init else "ended", container_id, code)

    def _report_of(self, pid: int) -> None:
        """It ended before its report was read: that comes first."""
        for report in [report for report, (_container, child) in self._starting.items() if child == pid]:
            self._set_up(report)


def main() -> None:
    """Serve the agent on stdin; arguments are the log, and how many files containers may open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), hard))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0o022)
    with contextlib.suppress(OSError):
        system.write_file("/proc/self/oom_score_adj", "-999")
    launcher = Launcher(sys.argv[1])
    gc.collect()
    gc.freeze()
    gc.disable()
    launcher.run()
