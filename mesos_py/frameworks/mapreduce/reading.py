"""Reads a mapper's part of an input: the lines that begin in it, whatever the file's form and wherever it lies."""

import bz2
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Final, cast

from mesos_py.errors import MesosError
from mesos_py.frameworks.mapreduce.job import Split
from mesos_py.frameworks.mapreduce.transfer import opened

__all__ = ["InputError", "lines_within", "numbered", "read_split"]

_PIECE: Final = 1 << 18


class InputError(MesosError):
    """The input cannot be read; trying again is no use."""


def read_split(split: Split, elsewhere: str) -> Iterator[bytes]:
    """The split's lines, in pieces; from this host's file if it has the same one, else from ``elsewhere``, a URL.

    Raises InputError for what is not what its name says, and TransferError.
    """
    if split.codec:
        with closing(_source(split, 0, elsewhere)) as source:
            yield from _decompressed(split, source)
        return
    with closing(_source(split, max(0, split.start - 1), elsewhere)) as source:
        yield from lines_within(source.read, split.start, split.length)


def lines_within(read: Callable[[int], bytes], start: int, length: int) -> Iterator[bytes]:
    """The lines that begin in a part of a file. ``read`` begins one byte before it, if there is one."""
    position, end = max(0, start - 1), start + length
    skipping = start > 0
    while position < end or not skipping:
        piece = read(_PIECE)
        if not piece:
            return
        begin, position = position, position + len(piece)
        if skipping:
            newline = piece.find(b"\n")
            if newline < 0:
                continue
            skipping = False
            piece, begin = piece[newline + 1 :], begin + newline + 1
            if begin >= end:
                return
        last = piece.find(b"\n", max(0, end - 1 - begin)) if position >= end else -1
        if last >= 0:
            yield piece[: last + 1]
            return
        if piece:
            yield piece


def numbered(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    """Each line with the offset at which it begins, and a tab, before it."""
    offset, rest = start, b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield b"%d\t%s\n" % (offset, line)
            offset += len(line) + 1
    if rest:
        yield b"%d\t%s\n" % (offset, rest)


def _source(split: Split, start: int, elsewhere: str) -> IO[bytes]:
    path = Path(split.path)
    if _is_here(path, split):
        file = path.open("rb", buffering=0)
        file.seek(start)
        return cast("IO[bytes]", file)
    if split.pinned or split.url:
        raise InputError(f"input {split.path} is not what it was when the job began")
    return cast("IO[bytes]", opened(f"{elsewhere}/{start}"))


def _is_here(path: Path, split: Split) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    same_time = not split.mtime_ns or status.st_mtime_ns == split.mtime_ns
    return (not split.size or status.st_size == split.size) and same_time and os.access(path, os.R_OK)


def _decompressed(split: Split, source: IO[bytes]) -> Iterator[bytes]:
    plain: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(fileobj=source) if split.codec == "gz" else bz2.BZ2File(source))
    try:
        while piece := plain.read(_PIECE):
            yield piece
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"input {split.path} cannot be unpacked: {error}") from None
