"""Unpacks archives that may want to harm: nothing is ever written outside the directory, nor without bound.

Every directory on the way to a file is opened without following links, so no link in the archive leads anywhere while
it is unpacked. A link is only made if it cannot lead out later either: its target goes up first, at most to the
directory, and then only down. Devices, owners and set-user bits are not taken over.
"""

import contextlib
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

__all__ = ["UnpackError", "is_archive", "unpack"]

_TARS: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MOST_ENTRIES: Final = 200_000
_PIECE: Final = 1 << 20
_LONGEST_HEADER: Final = 64 * 1024
"""Bytes of what a tar says of one member: tarfile reads it at once, whatever size it claims."""
_MOST_HEADERS: Final = 2 * _MOST_ENTRIES
_LONGEST_HEADERS: Final = 64 << 20
"""Bytes of what a tar says of all its members, those of global headers for each: tarfile keeps all that."""
_LONGEST_DIRECTORY: Final = 32 << 20
"""Bytes of a zip's directory: zipfile reads it all before it tells of the first member."""
_ZIP64: Final = b"PK\x06\x06", 76
"""How the end of a long zip's directory begins, and how many bytes that takes."""
_HEADERS: Final = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_BAD_ARCHIVE: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,  # an encrypted zip
    ValueError,
    gzip.BadGzipFile,
)


class UnpackError(Exception):
    """An archive cannot be unpacked; the text says why."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def is_archive(name: str) -> bool:
    """True if a file of this name can be unpacked."""
    return name.lower().endswith((*_TARS, ".zip", ".gz"))


def unpack(archive: Path, directory: Path, max_bytes: int, cancelled: Callable[[], bool]) -> None:
    """Unpack into the directory, which must exist, at most so many bytes. Raises UnpackError or OSError."""
    name = archive.name.lower()
    with _Into(directory, max_bytes, cancelled) as into:
        try:
            if name.endswith(_TARS):
                _unpack_tar(archive, into)
            elif name.endswith(".zip"):
                _unpack_zip(archive, into)
            else:
                with gzip.open(archive) as file:
                    into.file(archive.name[: -len(".gz")], file, 0o644)
        except _BAD_ARCHIVE as error:
            first_line = str(error).partition("\n")[0].rstrip(":")
            raise UnpackError(f"it is no sound archive: {first_line or type(error).__name__}") from None


def _unpack_tar(archive: Path, into: "_Into") -> None:
    with _Tar.open(archive) as tar:
        for member in tar:
            if member.isdir():
                into.directory(member.name)
            elif member.issym():
                into.link(member.name, member.linkname)
            elif member.islnk():
                into.second_name(member.name, member.linkname)
            elif member.isfile():
                file = tar.extractfile(member)
                if file is not None:
                    into.file(member.name, file, member.mode)
            else:
                raise UnpackError(f"it contains {member.name!r:.200}, neither file, directory nor link")


def _unpack_zip(archive: Path, into: "_Into") -> None:
    with open(archive, "rb") as file:
        _look_at_directory(file)
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                into.directory(info.filename)
            elif stat.S_ISLNK(mode):
                into.link(info.filename, os.fsdecode(zipped.read(info)) if info.file_size < 4096 else "/")
            else:
                with zipped.open(info) as file:
                    into.file(info.filename, file, mode or 0o644)


def _look_at_directory(file: BinaryIO) -> None:
    """Raises UnpackError if it is too long, for zipfile looks at it in the same way and takes it as it is."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # noqa: SLF001 - what ZipFile will go by
    if end is None:
        return
    kind, entries, size, at = end[0], end[4], end[5], end[9]
    if size > _LONGEST_DIRECTORY:
        raise UnpackError(f"its directory has more than {_LONGEST_DIRECTORY} bytes")
    file.seek(max(0, at - size - (_ZIP64[1] if kind == _ZIP64[0] else 0)))
    if max(entries, file.read(size).count(zipfile.stringCentralDir)) > _MOST_ENTRIES:  # type: ignore[attr-defined]
        raise UnpackError(f"it has more than {_MOST_ENTRIES} members")


class _Member(tarfile.TarInfo):
    """Takes no headers that fill the memory; tarfile calls these methods before it reads any."""

    def _proc_member(self, tar: "_Tar") -> tarfile.TarInfo:
        if self.size < 0 or (self.type in _HEADERS and self.size > _LONGEST_HEADER):
            raise UnpackError(f"it has a header of {self.size} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise UnpackError("it contains a sparse file")
        tar.count(self)
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]

    def _proc_gnusparse_10(self, *_args: object) -> None:
        raise UnpackError("it contains a sparse file")


class _Tar(tarfile.TarFile):
    """Counts its headers."""

    tarinfo = _Member
    _headers = 0
    _size = 0
    _global_size = 0

    def count(self, member: _Member) -> None:
        """Raises UnpackError when there are too many."""
        if member.type in _HEADERS:
            self._headers += 1
            self._size += member.size
        else:
            self._size += self._global_size
        if member.type == tarfile.XGLTYPE:
            self._global_size += member.size
        if self._headers > _MOST_HEADERS or self._size > _LONGEST_HEADERS:
            raise UnpackError(f"it has more than {_MOST_HEADERS} headers, or {_LONGEST_HEADERS} bytes of them")


class _Into:
    """A directory that nothing gets out of."""

    def __init__(self, directory: Path, max_bytes: int, cancelled: Callable[[], bool]) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._entries = 0
        self._cancelled = cancelled
        self._root = -1

    def __enter__(self) -> Self:
        self._root = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._root)

    def directory(self, name: str) -> None:
        parts = self._parts(name)
        with self._opened(parts, name):
            pass

    def file(self, name: str, file: _Readable, mode: int) -> None:
        with self._parent(name) as (parent, last):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(last, dir_fd=parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            fd = os.open(last, flags, mode & 0o755 | 0o600, dir_fd=parent)
            try:
                while piece := file.read(_PIECE):
                    self._take(len(piece))
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(fd, view) :]
            finally:
                os.close(fd)

    def link(self, name: str, target: str) -> None:
        depth = len(self._parts(name)) - 1
        steps = [step for step in target.split("/") if step not in ("", ".")]
        ups = next((n for n, step in enumerate(steps) if step != ".."), len(steps))
        if target.startswith("/") or ups > depth or ".." in steps[ups:] or not target:
            raise UnpackError(f"its link {name!r:.200} leads to {target!r:.200}, which may be outside the sandbox")
        with self._parent(name) as (parent, last):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(last, dir_fd=parent)
            os.symlink(target, last, dir_fd=parent)

    def second_name(self, name: str, target: str) -> None:
        with self._parent(target) as (source, old), self._parent(name) as (parent, last):
            if not stat.S_ISREG(os.stat(old, dir_fd=source, follow_symlinks=False).st_mode):
                raise UnpackError(f"its hard link {name!r:.200} does not lead to a file")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(last, dir_fd=parent)
            os.link(old, last, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)

    def _parts(self, name: str) -> list[str]:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise UnpackError(f"its member {name!r:.200} would be outside the sandbox")
        self._entries += 1
        if self._entries > _MOST_ENTRIES:
            raise UnpackError(f"it has more than {_MOST_ENTRIES} members")
        self._stop_if_cancelled()
        return parts

    @contextlib.contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        parts = self._parts(name)
        if not parts:
            raise UnpackError(f"its member {name!r:.200} has no name")
        with self._opened(parts[:-1], name) as parent:
            yield parent, parts[-1]

    @contextlib.contextmanager
    def _opened(self, parts: list[str], name: str) -> Iterator[int]:
        """The directory, made if there is none, reached without following a link."""
        fd = os.dup(self._root)
        try:
            for part in parts:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=fd)
                try:
                    below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                except OSError:
                    raise UnpackError(f"its member {name!r:.200} leads through what is no directory") from None
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise UnpackError(f"unpacked it would be larger than {self._max_bytes} bytes")
        self._stop_if_cancelled()

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise UnpackError("the task was killed")
