"""Removes a directory that strangers have filled: bit by bit, whatever its depth, and nothing outside of it.

No link is followed, and nothing that is mounted in it is touched: what the kernel refuses to remove because it is not
empty, rather than because it is busy, is no mount point. A directory in a directory is first moved to the top, so
that only two are open at a time and no path is ever long.
"""

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import Final

from mesos_py.adapters.chores import Chore

__all__ = ["LEFTOVER", "mount_points", "remove_tree"]

LEFTOVER: Final = ".removing"
"""At the end of the name of a directory that is being removed, or was when its agent ended."""

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_EMPTY: Final = (errno.ENOTEMPTY, errno.EEXIST)


def mount_points() -> list[str]:
    """Of this process's mount namespace."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return [os.fsdecode(line.split()[4].decode("unicode_escape").encode("latin-1")) for line in lines]


def remove_tree(path: str) -> Chore[str]:
    """Remove a directory; says why it is still there, or nothing."""
    path = path.removesuffix(LEFTOVER)
    doomed = path + LEFTOVER
    inside = tuple(f"{os.path.realpath(one)}/" for one in (path, doomed))
    if any(f"{point}/".startswith(inside) for point in mount_points()):
        return "something is mounted in it"
    try:
        with contextlib.suppress(FileNotFoundError):  # an earlier attempt came that far
            os.rename(path, doomed)
        problem = yield from _Removal(doomed).run()
        if not problem:
            os.rmdir(doomed)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return problem


class _Removal:
    """One directory that is being emptied."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._prefix = f"{secrets.token_hex(8)}-"
        self._moved = 0
        self._problem = ""
        self._is_root = os.geteuid() == 0

    def run(self) -> Chore[str]:
        """Empty it; says what stood in the way. Raises OSError."""
        if not self._is_root:
            os.chmod(self._path, 0o700)
        top = os.open(self._path, _DIRECTORY)
        try:
            device = os.stat(os.path.dirname(self._path)).st_dev
            if os.fstat(top).st_dev != device:
                return "it is another file system"
            while True:
                self._problem = ""
                if not (yield from self._sweep(top, None)):
                    return self._problem
        finally:
            os.close(top)

    def _sweep(self, directory: int, top: int | None) -> Chore[bool]:
        """Remove what can be removed at once; True if anything could.

        Directories that are not empty are moved to ``top``, or if this is the top, emptied.
        """
        any_gone = False
        with os.scandir(directory) as entries:
            for entry in entries:
                yield
                try:
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.name, dir_fd=directory)
                    elif not _is_removed(directory, entry.name):
                        self._open_up(directory, entry.name)
                        if top is None:
                            any_gone |= yield from self._empty(directory, entry.name)
                            continue
                        self._move(directory, entry.name, top)
                    any_gone = True
                except FileNotFoundError:
                    pass
                except OSError as error:
                    self._note(entry.name, error)
        return any_gone

    def _empty(self, top: int, name: str) -> Chore[bool]:
        """Empty a directory of the top, and remove it; True if anything could be removed. Raises OSError."""
        directory = os.open(name, _DIRECTORY, dir_fd=top)
        try:
            if os.fstat(directory).st_dev != os.fstat(top).st_dev:
                raise OSError(errno.EXDEV, "it is another file system")
            any_gone = yield from self._sweep(directory, top)
        finally:
            os.close(directory)
        if _is_removed(top, name):
            return True
        self._problem = self._problem or f"{name!r:.100}: {os.strerror(errno.ENOTEMPTY)}"
        return any_gone

    def _note(self, name: str, error: OSError) -> None:
        self._problem = self._problem or f"{name!r:.100}: {error.strerror or error}"

    def _move(self, directory: int, name: str, top: int) -> None:
        self._moved += 1
        os.rename(name, f"{self._prefix}{self._moved}", src_dir_fd=directory, dst_dir_fd=top)

    def _open_up(self, directory: int, name: str) -> None:
        """Let ourselves in: only root needs no permission."""
        if not self._is_root:
            os.chmod(name, 0o700, dir_fd=directory)


def _is_removed(directory: int, name: str) -> bool:
    """Remove an empty directory; False if it is not empty. Raises OSError, also for a mount point."""
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError as error:
        if error.errno not in _NOT_EMPTY:
            raise
        return False
    return True
