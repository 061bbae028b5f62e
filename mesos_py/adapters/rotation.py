"""Keeps the output files of running containers small: copy what is new, then cut the file to nothing.

Supervisors open the files for appending, so the next line lands at the beginning. What a task writes between the
copy and the cut is lost. The sandbox may belong to somebody who wants to mislead the agent: no link is followed, and
only a plain file of the sandbox's own user is touched.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mesos_py.runtime.loop import Loop

__all__ = ["OutputRotation", "rotate"]

_NAMES: Final = ("stdout", "stderr")
_PIECE: Final = 1 << 20


class OutputRotation:
    """Looks at the sandboxes from time to time, in a thread of its own."""

    def __init__(
        self,
        loop: Loop,
        sandboxes: Callable[[], Iterable[str]],
        *,
        max_bytes: int = 10_000_000,
        interval_s: float = 10.0,
    ) -> None:
        """``sandboxes`` gives those of running containers; a file larger than ``max_bytes`` is rotated."""
        self._loop = loop
        self._sandboxes = sandboxes
        self._max_bytes = max_bytes
        self._interval_s = interval_s
        self._worker: ThreadPoolExecutor | None = None
        self._next: float | None = None

    def open(self) -> None:
        """Begin."""
        self._worker = ThreadPoolExecutor(1, "rotation")
        self._next = self._loop.clock() + self._interval_s
        self._loop.add(self)

    def close(self) -> None:
        """End, after the look that is under way."""
        self._loop.remove(self)
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._next

    def run_due(self, now: float) -> None:
        """Part of Resident."""
        assert self._worker is not None, "open() comes first"
        self._next = None
        self._worker.submit(self._look, list(self._sandboxes()), now)

    def _look(self, sandboxes: list[str], now: float) -> None:
        try:
            for sandbox in sandboxes:
                with contextlib.suppress(OSError):  # gone, or its disk is full: the next look may do better
                    rotate(sandbox, self._max_bytes)
        finally:
            self._loop.post(lambda: self._look_again(now))

    def _look_again(self, now: float) -> None:
        self._next = now + self._interval_s


def rotate(sandbox: str, max_bytes: int) -> None:
    """Move the newest ``max_bytes`` of each output file that is larger to a file ``.1`` beside it. Raises OSError."""
    directory = os.open(sandbox, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        owner = os.fstat(directory)
        for name in _NAMES:
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and found.st_size > max_bytes:
                    _rotate_file(directory, name, owner, max_bytes)
    finally:
        os.close(directory)


def _rotate_file(directory: int, name: str, owner: os.stat_result, max_bytes: int) -> None:
    fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != owner.st_uid:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{name}.1", dir_fd=directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        copy = os.open(f"{name}.1", flags, stat.S_IMODE(found.st_mode) & 0o666, dir_fd=directory)
        try:
            os.fchown(copy, found.st_uid, found.st_gid)
            at = max(0, found.st_size - max_bytes)
            end = found.st_size + max_bytes  # nobody writes so fast that this would never end
            while at < end and (piece := os.pread(fd, _PIECE, at)):
                at += os.write(copy, piece)
            os.ftruncate(fd, 0)
        finally:
            os.close(copy)
    finally:
        os.close(fd)
