"""Where it is noted which containers began and how they ended, so that it is known after the agent was away.

::

    <directory>/1718000000-1.log        began F1-C7 4711 338571
                                        ended F1-C7 0

The agent writes ``began`` (container, supervisor's pid, its start time), the supervisor itself ``ended`` (container,
exit status as a shell gives it), each as one short append. A line counts when its newline is there. One file serves
thousands of containers: on most file systems making a file costs more than all else that a supervisor does. A file
goes when a minute has passed since the last of its containers ended.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from mesos_py.types.ids import ContainerID

__all__ = ["RunLog", "RunSegment", "read_run_log"]

_CONTAINERS_PER_SEGMENT: Final = 10_000
_KEEP_S: Final = 60.0
_READ: Final = 65_536


class RunSegment:
    """One file of a run log."""

    def __init__(self, path: Path, fd: int) -> None:
        """Made by RunLog."""
        self.path = path
        self.fd = fd
        """Given to supervisors as their stdout."""
        self.live = 0
        self.taken = 0
        self._statuses: dict[str, str] = {}
        self._offset = 0
        self._partial = b""

    def began(self, container_id: ContainerID, pid: int, start_time: int) -> None:
        """Note a container's supervisor."""
        os.write(self.fd, f"began {container_id} {pid} {start_time}\n".encode())

    def status(self, container_id: ContainerID) -> str | None:
        """What its supervisor noted when the command ended; None if nothing. Can be asked once."""
        if container_id not in self._statuses:
            self._read_on()
        return self._statuses.pop(container_id, None)

    def _read_on(self) -> None:
        while piece := os.pread(self.fd, _READ, self._offset):
            self._offset += len(piece)
            *lines, self._partial = (self._partial + piece).split(b"\n")
            for line in lines:
                words = line.decode(errors="replace").split(" ")
                if len(words) == 3 and words[0] == "ended":
                    self._statuses[words[1]] = words[2]


class RunLog:
    """The run log of one agent process; opens a new file whenever one has served enough containers."""

    def __init__(self, directory: Path, containers_per_segment: int = _CONTAINERS_PER_SEGMENT) -> None:
        """``open`` makes the first file."""
        self._directory = directory
        self._per_segment = containers_per_segment
        self._current: RunSegment | None = None
        self._old: list[RunSegment] = []
        self._finished: list[tuple[float, Path]] = []
        self._number = 0

    def open(self) -> None:
        """Make the first file. Raises OSError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._current = self._new()

    def take(self) -> RunSegment:
        """The file for one more container. Raises OSError."""
        assert self._current is not None, "open() comes first"
        if self._current.taken >= self._per_segment:
            fresh = self._new()
            self._old.append(self._current)
            self._current = fresh
            self._retire()
            self._sweep(time.monotonic() - _KEEP_S)
        self._current.taken += 1
        self._current.live += 1
        return self._current

    def give_back(self, segment: RunSegment) -> None:
        """A container that took it has ended."""
        segment.live -= 1
        if segment.live == 0 and segment is not self._current:
            self._retire()

    def close(self) -> None:
        """Close the files; those that nobody needs any more go now."""
        segments = [*self._old, *([self._current] if self._current else [])]
        self._old, self._current = [], None
        for segment in segments:
            os.close(segment.fd)
            if segment.taken == 0:
                segment.path.unlink(missing_ok=True)

    def _new(self) -> RunSegment:
        self._number += 1
        path = self._directory / f"{time.time_ns()}-{self._number}.log"
        return RunSegment(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600))

    def _retire(self) -> None:
        for segment in [s for s in self._old if s.live == 0]:
            self._old.remove(segment)
            os.close(segment.fd)
            self._finished.append((time.monotonic(), segment.path))

    def _sweep(self, before: float) -> None:
        while self._finished and self._finished[0][0] <= before:
            with contextlib.suppress(OSError):
                self._finished.pop(0)[1].unlink()


def read_run_log(directory: Path) -> tuple[dict[ContainerID, tuple[int, int]], dict[ContainerID, str]]:
    """All that the files of earlier agents hold: who began (pid, start time), and how it ended. Raises OSError."""
    began: dict[ContainerID, tuple[int, int]] = {}
    ended: dict[ContainerID, str] = {}
    for path in sorted(directory.glob("*.log")):
        text, _newline, _torn = path.read_bytes().decode(errors="replace").rpartition("\n")
        for line in text.split("\n"):
            match line.split(" "):
                case ["began", container, pid, ticks] if pid.isdigit() and ticks.isdigit():
                    began[ContainerID(container)] = (int(pid), int(ticks))
                case ["ended", container, status]:
                    ended[ContainerID(container)] = status
                case _:
                    pass  # a supervisor that could not finish its line
    return began, ended
