"""Launcher processes and the agent's connections to them.

One launcher serves some thousand containers, then a fresh one takes its place: so no log grows without end, and what
an upgrade brings is used. A launcher that breaks is replaced, too; its containers run on.
"""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from mesos_py.adapters.isolators.launch import Launch
from mesos_py.adapters.lines import LineConnection
from mesos_py.adapters.processes import make_room_for_descriptors, spawn
from mesos_py.adapters.runlog import RunLog
from mesos_py.runtime.loop import READ, Loop
from mesos_py.types.ids import ContainerID

__all__ = ["Launchers"]

_LOOK_S: Final = 0.01
_MOST_ASKED: Final = 32
"""Containers that a launcher is asked for at a time."""
_MOST_BYTES: Final = 4_000_000
"""No more is asked for when the launches that were not answered yet take so much."""
_MAX_BACKLOG: Final = 40_000_000
"""Nothing ever takes so much: a launch has at most 2 MB of command and environment, six times that in JSON."""
_PROGRAM: Final = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); from launcher.main import main; main()"
"""Nothing of ours but the launcher is imported, and what is of the standard library comes first."""


class _Answer(Struct):
    container_id: ContainerID
    pid: int = 0
    start_time: int = 0
    error: str = ""


class _Launcher:
    """One process, while we are connected to it."""

    def __init__(self, log: RunLog, pid: int, pidfd: int) -> None:
        self.log = log
        self.pid = pid
        self.pidfd = pidfd
        self.connection: LineConnection
        self.asked: dict[ContainerID, Launch] = {}
        """Not answered yet."""
        self.bytes_asked = 0
        """Sent since nothing was waited for."""
        self.taken = 0


class Launchers:
    """Has containers started, and knows the logs of all that run."""

    def __init__(
        self,
        loop: Loop,
        directory: Path,
        started: Callable[[ContainerID, int, int, RunLog], None],
        failed: Callable[[ContainerID, str, RunLog | None], None],
        *,
        containers_each: int,
    ) -> None:
        """``directory`` is that of the logs.

        Each launch is answered by ``started(id, pid, start time, log)`` or ``failed(id, why, log)``. What the log
        holds of it is kept until we are ``done_with`` it.
        """
        self._loop = loop
        self._directory = directory
        self._started = started
        self._failed = failed
        self._containers_each = containers_each
        self._current: _Launcher | None = None
        self._lost: list[_Launcher] = []
        self._tried_again: set[ContainerID] = set()
        self._launchers: list[_Launcher] = []
        """Those that are children of this process and not reaped."""
        self._users: dict[RunLog, int] = {}
        self._number = 0
        self._look_at = 0.0
        self._encode = msgspec.json.Encoder().encode
        self._answers = msgspec.json.Decoder(_Answer)

    @property
    def is_busy(self) -> bool:
        """Whether no more should be asked for until something is answered."""
        current = self._current
        return current is not None and (len(current.asked) >= _MOST_ASKED or current.bytes_asked >= _MOST_BYTES)

    def open(self) -> None:
        """Live in the loop. Raises OSError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._loop.add(self)

    def close(self) -> None:
        """Leave the launchers alone: they end with their last container."""
        self._loop.remove(self)
        for launcher in self._launchers:
            self._loop.unregister(launcher.pidfd)
            os.close(launcher.pidfd)
            launcher.connection.close()
        for log in self._users:
            log.close()
        self._launchers.clear()
        self._users.clear()

    def adopt(self, log: RunLog, containers: int) -> None:
        """A log of an earlier agent process, in which so many containers are still of interest."""
        if containers:
            self._users[log] = containers
        else:
            self._finish(log)

    def launch(self, launch: Launch) -> None:
        """Have a container started. Raises OSError, and ValueError for text that cannot be sent."""
        line = self._encode(launch) + b"\n"
        if self._current is None:
            self._current = self._spawn()
        launcher = self._current
        launcher.taken += 1
        launcher.bytes_asked = len(line) + (launcher.bytes_asked if launcher.asked else 0)
        launcher.asked[launch.container_id] = launch
        self._users[launcher.log] += 1
        if launcher.taken >= self._containers_each:
            self._current = None
        if not launcher.connection.send(line):
            self._is_lost(launcher)

    def done_with(self, log: RunLog, container_id: ContainerID) -> None:
        """How a container ended, or that it failed, is written down elsewhere."""
        self._tried_again.discard(container_id)
        log.forget(container_id)
        self._users[log] -= 1
        if self._users[log] == 0 and (self._current is None or self._current.log is not log):
            del self._users[log]
            self._finish(log)

    # Processes

    def _spawn(self) -> _Launcher:
        self._number += 1
        log = RunLog(self._directory / f"{time.time_ns()}-{self._number}.log")
        pid, ours = _start_program(log.path)
        launcher = _Launcher(log, pid, os.pidfd_open(pid))
        launcher.connection = LineConnection(
            self._loop,
            ours,
            partial(self._heard, launcher),
            lambda _why: self._is_lost(launcher),
            max_backlog=_MAX_BACKLOG,
        )
        launcher.connection.start()
        self._loop.register(launcher.pidfd, READ, lambda _ready: self._reap(launcher))
        self._launchers.append(launcher)
        self._users[log] = 0
        return launcher

    def _reap(self, launcher: _Launcher) -> None:
        self._loop.unregister(launcher.pidfd)
        os.close(launcher.pidfd)
        self._launchers.remove(launcher)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(launcher.pid, 0)
        self._is_lost(launcher)

    def _heard(self, launcher: _Launcher, lines: list[bytes]) -> None:
        for line in lines:
            answer = self._answers.decode(line)
            if answer.container_id not in launcher.asked:
                continue
            del launcher.asked[answer.container_id]
            if answer.error:
                self._has_failed(launcher, answer.container_id, answer.error)
            else:
                self._started(answer.container_id, answer.pid, answer.start_time, launcher.log)
        if not launcher.asked:
            launcher.bytes_asked = 0
        if launcher is not self._current and not launcher.asked:
            launcher.connection.close()  # it is not needed but for its containers

    def _is_lost(self, launcher: _Launcher) -> None:
        """Its connection is over, although it should not be; or we have closed it, and asked for nothing more."""
        launcher.connection.close()
        if self._current is launcher:
            self._current = None
            if self._users.get(launcher.log) == 0:
                del self._users[launcher.log]
                self._finish(launcher.log)
        if launcher.asked and launcher not in self._lost:
            self._lost.append(launcher)
            self._look_at = self._loop.clock()

    # Looking after what is left (Resident)

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        if self._lost:
            return self._look_at
        return None

    def run_due(self, now: float) -> None:
        """Part of Resident."""
        self._look_at = now + _LOOK_S
        for launcher in list(self._lost):
            if launcher.log.path.exists() and not launcher.log.is_final():
                continue
            self._lost.remove(launcher)
            self._settle(launcher)

    def _settle(self, launcher: _Launcher) -> None:
        """No container of it will begin any more: answer for those that it did not answer for."""
        with contextlib.suppress(OSError):
            launcher.log.read_on()
        asked = dict(launcher.asked)
        launcher.asked.clear()
        for container_id, launch in asked.items():
            run = launcher.log.runs.get(container_id)
            if run is None and container_id not in self._tried_again:
                self._try_again(launcher, launch)
            elif run is not None and run.pid and run.failed is None:
                self._started(container_id, run.pid, run.started, launcher.log)
            else:
                why = run.failed if run is not None else None
                self._has_failed(launcher, container_id, why or "its launcher ended before it could be started")

    def _try_again(self, launcher: _Launcher, launch: Launch) -> None:
        """Nothing of it was begun; once more, but not for ever."""
        self.done_with(launcher.log, launch.container_id)
        self._tried_again.add(launch.container_id)
        try:
            self.launch(launch)
        except OSError as error:
            self._tried_again.discard(launch.container_id)
            self._failed(launch.container_id, f"no launcher could be started: {error.strerror}", None)

    def _has_failed(self, launcher: _Launcher, container_id: ContainerID, why: str) -> None:
        self._tried_again.discard(container_id)
        self._failed(container_id, why, launcher.log)

    @staticmethod
    def _finish(log: RunLog) -> None:
        log.close()
        with contextlib.suppress(OSError):
            log.path.unlink()


def _start_program(log: Path) -> tuple[int, socket.socket]:
    """The launcher's pid, and our end of its socket. Raises OSError."""
    ours, theirs = socket.socketpair()
    null = os.open(os.devnull, os.O_RDWR)
    try:
        argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(log), str(make_room_for_descriptors())]
        return spawn(argv, {"LC_ALL": "C.UTF-8"}, (theirs.fileno(), null, null)), ours
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
        os.close(null)
