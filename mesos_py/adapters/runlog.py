"""What a launcher noted about its containers: read as it grows, or after the agent was away.

``launcher/main.py`` has the form. A line counts when its newline is there.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from mesos_py.types.ids import ContainerID

__all__ = ["Run", "RunLog", "boot_id", "run_logs"]

_READ: Final = 65_536


class Run(Struct):
    """What is noted about one container."""

    notes: dict[str, str] = field(default_factory=dict)
    """What its isolators wanted to remember."""
    pid: int = 0
    """Of its first process; 0 until that is known."""
    started: int = 0
    """That process's start time, in the kernel's ticks."""
    failed: str | None = None
    """Why it could not be started."""
    ended: int | None = None
    """Exit code of its command, or the negative number of the signal that ended it."""
    gone: int | None = None
    """The same for an init that noted no end of its command."""


class RunLog:
    """The notes of one launcher."""

    def __init__(self, path: Path) -> None:
        """Opened when it is first read; it may not exist yet."""
        self.path = path
        self.runs: dict[ContainerID, Run] = {}
        """All that was noted and not forgotten."""
        self.boot = ""
        self._launcher = (0, 0)
        self._fd = -1
        self._partial = b""

    def read_on(self) -> None:
        """Take in what was noted since. Raises OSError."""
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDONLY)
        while piece := os.read(self._fd, _READ):
            *lines, self._partial = (self._partial + piece).split(b"\n")
            for line in lines:
                self._take(line.decode(errors="replace"))

    def forget(self, container_id: ContainerID) -> None:
        """It is dealt with."""
        self.runs.pop(container_id, None)

    def close(self) -> None:
        """The file stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def is_of_this_boot(self) -> bool:
        """False if the host was restarted since; where the log does not say, number and start time must do."""
        return self.boot in ("", boot_id())

    def launcher_lives(self) -> bool:
        """Whether something can still be noted by the launcher itself."""
        pid, started = self._launcher
        return pid > 0 and self.is_of_this_boot and _lives(pid, started)

    @property
    def launcher_pid(self) -> int:
        """As the launcher noted it."""
        return self._launcher[0]

    def is_final(self) -> bool:
        """True if no container will begin any more: nobody holds the lock."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def is_alive(self, run: Run) -> bool:
        """Whether the first process of a container runs."""
        return run.pid > 0 and self.is_of_this_boot and _lives(run.pid, run.started)

    def may_live(self, run: Run) -> bool:
        """Whether a container may go on: its first process runs, or how it ended is just about to be noted."""
        if self.is_alive(run):
            return True
        is_noted = run.failed is not None or run.ended is not None or run.gone is not None
        return run.pid > 0 and not is_noted and self.launcher_lives()

    def _take(self, line: str) -> None:
        words = line.split(" ", 2)
        if len(words) < 3:
            return  # the empty one before each, or what a full disk has torn
        with contextlib.suppress(ValueError):  # a line that a crash has spoiled says nothing
            if words[0] == "launcher":
                started, self.boot = words[2].split(" ")
                self._launcher = (int(words[1]), int(started))
                return
            run = self.runs.setdefault(ContainerID(words[1]), Run())
            match words[0]:
                case "begins":
                    run.notes = json.loads(words[2])
                case "began":
                    run.pid, run.started = map(int, words[2].split(" "))
                case "failed":
                    run.failed = words[2]
                case "ended":
                    run.ended = int(words[2])
                case "gone":
                    run.gone = int(words[2])


def run_logs(directory: Path) -> Iterator[RunLog]:
    """Those of every launcher that ever wrote there, the oldest first. Raises OSError."""
    for path in sorted(directory.glob("*.log")):
        yield RunLog(path)


def boot_id() -> str:
    """Of this start of the host."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _lives(pid: int, started: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            words = file.read(1024).rpartition(b")")[2].split()
    except OSError:
        return False
    return int(words[19]) == started and words[0] not in (b"Z", b"X", b"x")
