"""Durable records in one file, written by one thread: whatever waits is written together and synced once.

::

    file    "MESOSJ" version(2)  record record ...
    record  marker(4) length(4) crc32 of the payload(4) payload

A record torn by a crash is the last one and was never confirmed, so it is left out silently. A record spoiled in the
middle is skipped up to the next marker, and counted.
"""

import contextlib
import os
import queue
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mesos_py.errors import ConfigError, MesosError
from mesos_py.runtime.loop import Loop

__all__ = ["FileJournal", "MemoryJournal", "read_journal", "rewrite_journal", "sync_directory"]

_HEADER: Final = b"MESOSJ\x00\x01"
_MARKER: Final = b"\xd5MJ\xa3"
_FRAME: Final = struct.Struct("<4sII")


def read_journal(path: Path) -> tuple[list[bytes], int]:
    """All records, and how many places in between could not be read; nothing if there is no file.

    Raises OSError, and ConfigError if the file is no journal or one of a version that we do not know.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    records, corrupt, _end = _parse(text, path)
    return records, corrupt


def rewrite_journal(path: Path, records: Sequence[bytes]) -> None:
    """Put these records in place of all that the file holds; a crash leaves the one or the other. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        try:
            _write(fd, _HEADER + b"".join(map(_framed, records)))
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):  # half a file would take room where there is none
            fresh.unlink()
        raise
    sync_directory(path.parent)


class FileJournal:
    """A Journal in a file. Its thread begins with the first record and ends with ``close``."""

    def __init__(
        self,
        path: Path,
        loop: Loop,
        confirmed: Callable[[int], None],
        on_error: Callable[[str], None] | None = None,
    ) -> None:
        """``confirmed(serial)`` and ``on_error(why)`` are called in the loop's thread.

        After an error nothing more is written or confirmed. Without ``on_error`` it is raised in the loop: whoever
        cannot keep its promises must not go on.
        """
        self._path = path
        self._loop = loop
        self._confirmed = confirmed
        self._on_error = on_error or _stop
        self._waiting: queue.SimpleQueue[tuple[int, bytes] | list[bytes] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._fd = -1
        self._end = 0

    def read(self) -> tuple[list[bytes], int]:
        """Part of Journal. Raises OSError and ConfigError."""
        return read_journal(self._path)

    def append(self, serial: int, record: bytes) -> None:
        """Part of Journal."""
        self._give((serial, record))

    def rewrite(self, records: Sequence[bytes]) -> None:
        """Put these in place of all that was appended so far; what is appended from now on comes after them."""
        self._give(list(records))

    def close(self) -> None:
        """Write what waits, and end. Confirmations that are on their way still arrive."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _give(self, work: tuple[int, bytes] | list[bytes]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()
        self._waiting.put(work)

    # In the journal's thread

    def _run(self) -> None:
        try:
            self._open()
            while self._write_together(self._take_all()):
                pass
        except (OSError, ConfigError) as error:
            why = f"cannot write {self._path}: {error.strerror if isinstance(error, OSError) else error}"
            self._loop.post(lambda: self._on_error(why))
            with contextlib.suppress(OSError):  # so that half a record does not stay in the way
                os.ftruncate(self._fd, self._end)
        finally:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _open(self) -> None:
        """Open, and cut off what a crash has torn. Raises OSError or ConfigError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        _records, _corrupt, end = _parse(self._path.read_bytes(), self._path)
        os.ftruncate(self._fd, end)
        if end == 0:
            _write(self._fd, _HEADER)
            os.fsync(self._fd)
            sync_directory(self._path.parent)
        self._end = max(end, len(_HEADER))

    def _take_all(self) -> list[tuple[int, bytes] | list[bytes] | None]:
        taken = [self._waiting.get()]
        with contextlib.suppress(queue.Empty):
            while True:
                taken.append(self._waiting.get_nowait())
        return taken

    def _write_together(self, taken: list[tuple[int, bytes] | list[bytes] | None]) -> bool:
        """Write, sync once, confirm once; False when it was the last. Raises OSError."""
        frames: list[bytes] = []
        serial: int | None = None
        for work in taken:
            if isinstance(work, tuple):
                serial = work[0]
                frames.append(_framed(work[1]))
            elif work is not None:
                frames.clear()  # they are overtaken, and durable with the file that overtakes them
                self._replace(work)
        if frames:
            text = b"".join(frames)
            _write(self._fd, text)
            os.fdatasync(self._fd)
            self._end += len(text)
        if serial is not None:
            confirm = serial
            self._loop.post(lambda: self._confirmed(confirm))
        return taken[-1] is not None

    def _replace(self, records: list[bytes]) -> None:
        rewrite_journal(self._path, records)
        os.close(self._fd)
        self._fd = -1
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND)
        self._end = os.fstat(self._fd).st_size


class MemoryJournal:
    """A Journal that keeps nothing and confirms at once: for clusters within one process."""

    def __init__(self, loop: Loop, confirmed: Callable[[int], None]) -> None:
        """``confirmed(serial)`` is called in the loop's thread."""
        self._loop = loop
        self._confirmed = confirmed

    def read(self) -> tuple[list[bytes], int]:
        """Part of Journal."""
        return [], 0

    def append(self, serial: int, record: bytes) -> None:
        """Part of Journal."""
        del record
        self._loop.post(lambda: self._confirmed(serial))

    def rewrite(self, records: Sequence[bytes]) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


def _parse(text: bytes, path: Path) -> tuple[list[bytes], int, int]:
    """Records, spoiled places between them, and where the last whole record ends."""
    if not text.startswith(_HEADER):
        if _HEADER.startswith(text):
            return [], 0, 0  # a crash came before the header was whole
        if text[:6] == _HEADER[:6]:
            raise ConfigError(f"{path} was written by another version ({int.from_bytes(text[6:8], 'big')})")
        raise ConfigError(f"{path} is not a journal")
    records: list[bytes] = []
    corrupt, end, at, spoiled = 0, len(_HEADER), len(_HEADER), False
    while (found := text.find(_MARKER, at)) >= 0:
        record = _record_at(text, found)
        if record is None:
            spoiled = True
            at = found + 1
            continue
        if spoiled or found != end:
            corrupt += 1
            spoiled = False
        records.append(record)
        at = end = found + _FRAME.size + len(record)
    return records, corrupt, end


def _record_at(text: bytes, at: int) -> bytes | None:
    if at + _FRAME.size > len(text):
        return None
    _marker, length, crc = _FRAME.unpack_from(text, at)
    payload = text[at + _FRAME.size : at + _FRAME.size + length]
    return payload if len(payload) == length and zlib.crc32(payload) == crc else None


def _framed(record: bytes) -> bytes:
    return _FRAME.pack(_MARKER, len(record), zlib.crc32(record)) + record


def _write(fd: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(directory: Path) -> None:
    """Let what was made or renamed there outlast a loss of power. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _stop(why: str) -> None:
    raise MesosError(why)
