"""How much disk each container's sandbox takes, by looking from time to time, and what is too much.

Counted as ``du`` counts: allocated blocks, a file with several names once, links not followed, other file systems
(and so volumes) left out. What a task has deleted but still holds open is not seen.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Final

from mesos_py.adapters.chores import Chore, Chores
from mesos_py.adapters.isolators.base import Isolator, Limitation
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerSpec, ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason

__all__ = ["DiskIsolator", "disk_usage"]

_MB: Final = 1024 * 1024
_BLOCK: Final = 512
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_STEP: Final = 1000
"""Characters of a path that are walked at once where the whole is longer than the system takes."""


class _Watched:
    """A running container, at the last look."""

    def __init__(self, sandbox: str, limit: int | None) -> None:
        self.sandbox = sandbox
        self.limit = limit
        """In bytes; None without a disk resource."""
        self.used: int | None = None
        self.is_looked_at = False


class DiskIsolator(Isolator):
    """Measures sandboxes, and ends whoever exceeds its disk resource if it shall."""

    name: ClassVar[str] = "disk"

    def __init__(self, *, enforce: bool = False, interval_s: float = 15.0) -> None:
        """Sandboxes are looked at every ``interval_s`` seconds."""
        self._enforce = enforce
        self._interval_s = interval_s
        self._watched: dict[ContainerID, _Watched] = {}
        self._next: float | None = None
        self._loop: Loop
        self._limited: Callable[[ContainerID, Limitation], None]
        self._chores: Chores

    def describe(self) -> str:
        """Part of Isolator."""
        consequence = "whoever exceeds its disk is ended" if self._enforce else "disk is not limited"
        return f"sandboxes are measured every {self._interval_s:g} s; {consequence}"

    def open(self, loop: Loop, limited: Callable[[ContainerID, Limitation], None]) -> None:
        """Part of Isolator."""
        self._loop = loop
        self._limited = limited
        self._chores = Chores(loop, "disk")
        loop.add(self)

    def close(self) -> None:
        """Part of Isolator."""
        self._loop.remove(self)
        self._chores.close()

    # Containers

    def started(self, spec: ContainerSpec, pid: int) -> None:
        """Part of Isolator."""
        del pid
        self._watched[spec.container_id] = _Watched(spec.sandbox, _limit_of(spec.resources))
        if self._next is None:
            self._next = self._loop.clock() + self._interval_s

    def recovered(self, spec: ContainerSpec, pid: int, notes: Mapping[str, str]) -> None:
        """Part of Isolator."""
        del notes
        self.started(spec, pid)

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Part of Isolator."""
        del limits
        if watched := self._watched.get(container_id):
            watched.limit = _limit_of(resources)

    def measure(self, container_id: ContainerID, usage: ContainerUsage) -> None:
        """Part of Isolator."""
        if watched := self._watched.get(container_id):
            usage.disk_bytes = watched.used

    def ended(self, container_id: ContainerID) -> None:
        """Part of Isolator."""
        self._watched.pop(container_id, None)

    # Looking

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._next

    def run_due(self, now: float) -> None:
        """Part of Resident: look at every sandbox that is not still being looked at."""
        self._next = now + self._interval_s if self._watched else None
        for container_id, watched in self._watched.items():
            if not watched.is_looked_at:
                watched.is_looked_at = True
                self._look(container_id, watched)

    def _look(self, container_id: ContainerID, watched: _Watched) -> None:
        def seen(used: int | None) -> None:
            watched.is_looked_at = False
            if used is not None and self._watched.get(container_id) is watched:
                watched.used = used
                self._judge(container_id, watched, used)

        self._chores.add(disk_usage(watched.sandbox), seen)

    def _judge(self, container_id: ContainerID, watched: _Watched, used: int) -> None:
        if self._enforce and watched.limit is not None and used > watched.limit:
            message = f"its sandbox takes {used / _MB:.1f} MB of disk, more than the {watched.limit / _MB:g} MB it has"
            self._limited(container_id, Limitation(Reason.CONTAINER_LIMITATION_DISK, message))


def _limit_of(resources: Resources) -> int | None:
    thousandths = resources.scalar("disk")
    return thousandths * _MB // 1000 if thousandths else None


# Counting


def disk_usage(path: str) -> Chore[int | None]:
    """Bytes that a directory and all below it take on its own file system; None if it cannot be read."""
    try:
        top = os.lstat(path)
    except OSError:
        return None
    total = top.st_blocks * _BLOCK
    seen: set[int] = set()
    waiting = [path]
    while waiting:
        directory = waiting.pop()
        try:
            fd = _open_directory(directory)
        except OSError:  # gone, or swapped for a link
            continue
        try:
            for name, found in _entries(fd, top.st_dev):
                yield
                if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                    if found.st_ino in seen:
                        continue
                    seen.add(found.st_ino)
                total += found.st_blocks * _BLOCK
                if stat.S_ISDIR(found.st_mode):
                    waiting.append(f"{directory}/{name}")
        finally:
            os.close(fd)
        yield
    return total


def _entries(fd: int, device: int) -> Iterator[tuple[str, os.stat_result]]:
    """What is in a directory, but for what is mounted there."""
    with os.scandir(fd) as entries:
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:  # gone
                continue
            if found.st_dev == device or not stat.S_ISDIR(found.st_mode):  # some file systems number their files apart
                yield entry.name, found


def _open_directory(path: str) -> int:
    """However long the path is: nobody hides anything by depth. Raises OSError."""
    try:
        return os.open(path, _DIRECTORY)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    fd = os.open("/", _DIRECTORY)
    rest = path.strip("/")
    while rest:
        part, rest = _first_step(rest)
        try:
            inner = os.open(part, _DIRECTORY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


def _first_step(path: str) -> tuple[str, str]:
    """The path in two: as many of its parts as the system takes at once, and the rest."""
    if len(path) <= _STEP:
        return path, ""
    cut = path.rfind("/", 1, _STEP)
    return path[:cut], path[cut + 1 :]
