"""Which files of an agent can be read over HTTP: those in sandboxes, and nothing else.

Paths are virtual, whatever agent id a sandbox was made under::

    /frameworks/<framework id>/tasks/<task id>/<container id>/<file>
    /frameworks/<framework id>/executors/<executor id>/<container id>/<file>

``latest`` stands for the newest container. A sandbox belongs to its task, which may put links into it or change it
under our hands: a path is followed only as far as it stays in its sandbox, and then opened part by part without links.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from msgspec import Struct

from mesos_py.agent.paths import agent_sandboxes
from mesos_py.errors import MesosError
from mesos_py.types.ids import AgentID

__all__ = ["FileEntry", "FileError", "ForbiddenPathError", "GrowingFile", "NoSuchFileError", "OpenFile", "Sandboxes"]

_PIECE: Final = 64 * 1024
_LATEST: Final = "latest"
_SANDBOX: Final = 5
"""How many parts of a virtual path name the sandbox."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FileError(MesosError):
    """A path that cannot be read as was asked."""


class NoSuchFileError(FileError):
    """There is nothing under this path."""


class ForbiddenPathError(FileError):
    """The path leads out of its sandbox."""


class FileEntry(Struct, frozen=True, kw_only=True):
    """One thing in a directory."""

    name: str
    path: str
    """To ask for it."""
    kind: str
    """file, directory, link or other."""
    size: int
    modified: float
    """Seconds since the epoch."""
    mode: str
    """As ls shows it."""


class OpenFile:
    """A regular file opened for reading."""

    def __init__(self, fd: int, name: str) -> None:
        """Takes over the descriptor; it is given back at the latest when nobody has the object any more."""
        self._file = os.fdopen(fd, "rb", buffering=0)
        self._fd = fd
        self.name = name

    @property
    def size(self) -> int:
        """At this moment."""
        return os.fstat(self._fd).st_size

    @property
    def identity(self) -> tuple[int, int]:
        """The same for two descriptors of one file."""
        status = os.fstat(self._fd)
        return status.st_dev, status.st_ino

    def read(self, offset: int, length: int = _PIECE) -> bytes:
        """At most ``length`` bytes."""
        return os.pread(self._fd, length, offset)

    def close(self) -> None:
        """Give back the descriptor."""
        self._file.close()


class GrowingFile:
    """Reads a log as it grows, also when it is truncated or another file takes its place."""

    def __init__(self, open_file: Callable[[], OpenFile], offset: int) -> None:
        """``offset`` is where to begin; if negative, at the present end. Raises FileError."""
        self._open = open_file
        self._file = open_file()
        self.offset = self._file.size if offset < 0 else offset
        """Of the next byte."""

    def close(self) -> None:
        """No more."""
        self._file.close()

    def next_piece(self) -> bytes:
        """What is new, b"" if nothing."""
        if self._file.size < self.offset:
            self.offset = 0
        return self._read() or self._read_successor()

    def _read(self) -> bytes:
        data = self._file.read(self.offset)
        self.offset += len(data)
        return data

    def _read_successor(self) -> bytes:
        try:
            newest = self._open()
        except FileError:
            return b""  # between two files, or the last is gone
        if newest.identity == self._file.identity:
            newest.close()
            return b""
        if rest := self._read():  # written after the last look and before the change
            newest.close()
            return rest
        self._file.close()
        self._file, self.offset = newest, 0
        return self._read()


class Sandboxes:
    """The sandboxes below one agent's work directory."""

    def __init__(self, work_dir: str) -> None:
        """Nothing needs to be there yet."""
        self._root = os.path.realpath(agent_sandboxes(work_dir, AgentID("")))

    def entries(self, path: str) -> list[FileEntry]:
        """What is in a directory, by name. Raises FileError."""
        parts = _parts(path)
        if not parts:
            found: dict[str, os.stat_result | None] = {"frameworks": None}
        elif len(parts) < _SANDBOX:
            found = self._list_above_sandboxes(path, parts)
        else:
            with (
                _explained(path),
                self._directory(self._resolve(path, parts)) as directory,
                os.scandir(directory) as inside,
            ):
                found = dict(_statuses(inside))
        return [_entry(parts, name, found[name]) for name in sorted(found)]

    def open(self, path: str) -> OpenFile:
        """Open a file. Raises FileError."""
        parts = _parts(path)
        if len(parts) <= _SANDBOX:
            raise FileError(f"{path} is not a file in a sandbox")
        above, name = os.path.split(self._resolve(path, parts))
        with _explained(path), self._directory(above) as directory:
            found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                kind = _kind(os.fstat(found).st_mode)
                if kind != "file":
                    raise FileError(f"{path} is not a file but a {kind}")
                # only now opened for reading: with a pipe or a device even that can do something
                return OpenFile(os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC), parts[-1])
            finally:
                os.close(found)

    def sandbox(self, path: str) -> str:
        """The real path of the sandbox that a virtual path leads into. Raises FileError."""
        *above, container = _parts(path)[:_SANDBOX]
        if len(above) != _SANDBOX - 1:
            raise FileError(f"{path} is not in a sandbox")
        containers = [os.path.join(place, name) for place in self._places(above) for name in _directories(place)]
        if container != _LATEST:
            containers = [each for each in containers if os.path.basename(each) == container]
        if not containers:
            raise NoSuchFileError(f"there is no {path}")
        return max(containers, key=_modified)

    def _list_above_sandboxes(self, path: str, parts: list[str]) -> dict[str, os.stat_result | None]:
        places = self._places(parts)
        if not places and parts != ["frameworks"]:
            raise NoSuchFileError(f"there is no {path}")
        found: dict[str, os.stat_result | None] = {name: None for place in places for name in _directories(place)}
        if len(parts) == _SANDBOX - 1 and found:
            found[_LATEST] = None
        return found

    def _places(self, parts: list[str]) -> list[str]:
        """The real directories, of several agent ids perhaps, that together are one above the sandboxes."""
        if parts[0] != "frameworks":
            return []
        places = [os.path.join(self._root, agent, *parts[1:]) for agent in _directories(self._root)]
        return [place for place in places if os.path.isdir(place)]

    def _resolve(self, path: str, parts: list[str]) -> str:
        """The real path of something in a sandbox, links followed."""
        sandbox = self.sandbox(path)
        with _explained(path):  # it fails if a link becomes something else under its eyes
            real = os.path.realpath(os.path.join(sandbox, *parts[_SANDBOX:]))
        if real != sandbox and not real.startswith(sandbox + "/"):
            raise ForbiddenPathError(f"{path} leads out of its sandbox")
        return real

    @contextmanager
    def _directory(self, real: str) -> Iterator[int]:
        """A directory below the root, opened part by part: no link may have come in since it was resolved."""
        fd = os.open(self._root, _DIRECTORY)
        try:
            for part in os.path.relpath(real, self._root).split("/"):
                above, fd = fd, os.open(part, _DIRECTORY, dir_fd=fd)
                os.close(above)
            yield fd
        finally:
            os.close(fd)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ForbiddenPathError("a path may not hold '..'")
    if "\0" in path:
        raise FileError("a path may not hold a zero byte")
    return parts


def _directories(place: str) -> list[str]:
    try:
        with os.scandir(place) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _statuses(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[str, os.stat_result]]:
    for entry in entries:
        with suppress(FileNotFoundError):  # removed meanwhile
            yield entry.name, entry.stat(follow_symlinks=False)


def _modified(place: str) -> int:
    try:
        return os.stat(place).st_mtime_ns
    except FileNotFoundError:
        return 0


def _entry(above: list[str], name: str, status: os.stat_result | None) -> FileEntry:
    readable = os.fsencode(name).decode(errors="replace")
    return FileEntry(
        name=readable,
        path="/".join(["", *above, readable]),
        kind="directory" if status is None else _kind(status.st_mode),
        size=0 if status is None else status.st_size,
        modified=0.0 if status is None else status.st_mtime,
        mode="" if status is None else stat.filemode(status.st_mode),
    )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "pipe"}
    return kinds.get(stat.S_IFMT(mode), "device or socket")


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NoSuchFileError(f"there is no {path}") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ForbiddenPathError(f"{path} was replaced by a link") from None
        raise FileError(f"{path}: {error.strerror}") from None
