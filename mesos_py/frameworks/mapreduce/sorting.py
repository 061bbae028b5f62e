"""Sorts more than fits into memory: sorted runs on disk, merged at the end; one file with an index of partitions."""

import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["Combine", "Run", "Sorter", "lines_of", "merged", "needed"]

Order = Callable[[bytes], Any]
Lines = Iterable[list[bytes]]
"""Lines without their ends, in pieces."""
Combine = Callable[[Lines], Lines]

_PER_LINE: Final = 57
"""What Python needs for a line besides its bytes."""
_PER_BYTE: Final = 16
"""Short lines take so many times their size once they are apart."""
_PIECE: Final = 1 << 20
_SMALLEST_PIECE: Final = 1 << 12
_AT_ONCE: Final = 64
"""Runs that are merged in one go."""


class Run:
    """A file of lines, one partition after the other; ``ends[p]`` is where partition p ends."""

    def __init__(self, path: Path, ends: Sequence[int]) -> None:
        """The file exists."""
        self.path = path
        self.ends = list(ends)

    def range(self, partition: int) -> tuple[int, int]:
        """Where a partition begins, and its length."""
        start = self.ends[partition - 1] if partition else 0
        return start, self.ends[partition] - start

    def lines(self, partition: int, piece: int = _PIECE) -> Iterator[list[bytes]]:
        """A partition's lines, those of so many bytes at a time."""
        return lines_of(self.path, *self.range(partition), piece)

    def count(self) -> int:
        """How many lines there are in all partitions."""
        with self.path.open("rb") as file:
            return sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE), b""))


class Sorter:
    """Takes a mapper's lines, and gives one sorted run."""

    def __init__(
        self,
        directory: Path,
        order: Order,
        partition: Callable[[bytes], int],
        partitions: int,
        limit: int,
        combine: Combine | None = None,
        *,
        key_room: int = 0,
    ) -> None:
        """Run files go below ``directory``; at about ``limit`` bytes of memory the lines go to disk.

        ``key_room`` is how many bytes what ``order`` makes of a line takes; that of one partition is held at a time.
        """
        self._directory = directory
        self._order = order
        self._partition = partition
        self._lines: list[list[bytes]] = [[] for _ in range(partitions)]
        self._limit = limit
        self._key_room = key_room // partitions
        self._combine = combine
        self._held = 0
        self.runs: list[Run] = []

    def add(self, lines: list[bytes], size: int) -> None:
        """More lines, of ``size`` bytes together."""
        if len(self._lines) == 1:
            self._lines[0] += lines
        else:
            partition, parts = self._partition, self._lines
            for line in lines:
                parts[partition(line)].append(line)
        self._held += needed(size, len(lines), self._key_room)
        if self._held >= self._limit:
            self._spill()

    def finish(self) -> Run:
        """All of it in one run."""
        if self._held or not self.runs:
            self._spill()
        if len(self.runs) == 1:
            return self.runs[0]
        count = len(self._lines)
        path = self._directory / "merged"
        partitions = (merged(self.runs, p, self._order, self._directory, self._limit) for p in range(count))
        ends = _write(path, count, partitions)
        for run in self.runs:
            run.path.unlink()
        return Run(path, ends)

    def _spill(self) -> None:
        for lines in self._lines:
            lines.sort(key=self._order)
        if self._combine is not None:
            self._combine_all()
        path = self._directory / f"run{len(self.runs)}"
        ends = _write(path, len(self._lines), ([lines] for lines in self._lines))
        self.runs.append(Run(path, ends))
        self._lines = [[] for _ in self._lines]
        self._held = 0

    def _combine_all(self) -> None:
        """One run of the combiner for all partitions: no key is in two of them."""
        assert self._combine is not None
        combined: list[list[bytes]] = [[] for _ in self._lines]
        given = (lines for lines in self._lines if lines)
        for piece in self._combine(given):
            if len(combined) == 1:
                combined[0] += piece
            else:
                for line in piece:
                    combined[self._partition(line)].append(line)
        for lines in combined:
            lines.sort(key=self._order)  # costs nothing where it is sorted, as it should be
        self._lines = combined


def needed(size: int, lines: int, key_room: int) -> int:
    """Bytes of memory in which lines of this size together can be sorted."""
    return size + lines * (_PER_LINE + key_room)


def lines_of(path: Path, start: int = 0, length: int | None = None, size: int = _PIECE) -> Iterator[list[bytes]]:
    """The lines in a part of a file that begins and ends with whole lines, those of ``size`` bytes at a time."""
    left = os.stat(path).st_size - start if length is None else length
    with path.open("rb") as file:
        file.seek(start)
        rest = b""
        while left > 0 and (piece := file.read(min(size, left))):
            left -= len(piece)
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            yield lines
        if rest:
            yield [rest]


def merged(runs: Sequence[Run], partition: int, order: Order, directory: Path, room: int) -> Lines:
    """A partition's lines of several runs, in order; of equal lines those of earlier runs first.

    It takes about ``room`` bytes of memory, or as little as it can.
    """
    runs = list(runs)
    number = 0
    while len(runs) > _AT_ONCE:
        path = directory / f"merge{partition}.{number}"
        number += 1
        ends = _write(path, 1, [_merge(runs[:_AT_ONCE], partition, order, room)])
        earliest = Run(path, [0] * partition + ends)
        runs = [earliest, *runs[_AT_ONCE:]]
    return _merge(runs, partition, order, room)


def _merge(runs: Sequence[Run], partition: int, order: Order, room: int) -> Lines:
    filled = [run for run in runs if run.range(partition)[1]]
    piece = min(_PIECE, max(_SMALLEST_PIECE, room // _PER_BYTE // (len(filled) + 1)))
    if len(filled) == 1:
        yield from filled[0].lines(partition, piece)
        return
    streams = [_singly(run.lines(partition, piece)) for run in filled]
    held: list[bytes] = []
    size = 0
    for line in heapq.merge(*streams, key=order):
        held.append(line)
        size += len(line)
        if size >= piece:
            yield held
            held, size = [], 0
    if held:
        yield held


def _singly(pieces: Lines) -> Iterator[bytes]:
    for piece in pieces:
        yield from piece


def _write(path: Path, partitions: int, contents: Iterable[Lines]) -> list[int]:
    ends = []
    with path.open("wb") as file:
        for lines_in_pieces in contents:
            for lines in lines_in_pieces:
                if lines:
                    file.write(b"\n".join(lines))
                    file.write(b"\n")
            ends.append(file.tell())
    assert len(ends) == partitions
    return ends
