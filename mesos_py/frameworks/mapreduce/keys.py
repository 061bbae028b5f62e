"""Where a line's key is, how lines are ordered by it, and which reducer gets them."""

import re
import zlib
from collections.abc import Callable
from typing import Any, Final

from mesos_py.frameworks.mapreduce.job import KeyRules, SortKey

__all__ = ["key_room", "order_of", "partition_of", "to_reducers"]

_NUMBER: Final = re.compile(rb"\s*(-?\d*\.?\d*)")


def order_of(rules: KeyRules) -> Callable[[bytes], Any]:
    """What lines are compared by, for ``sort`` and ``merge``."""
    key = _key_of(rules)
    if not rules.sort:
        return key
    inner = rules.inner_separator.encode()
    parts = [_comparable(part, inner) for part in rules.sort]
    return lambda line: tuple(part(k) for k in (key(line),) for part in parts)


def key_room(rules: KeyRules) -> int:
    """Bytes of memory that what ``order_of`` makes of a line takes, besides those of the line."""
    return 56 + 96 * len(rules.sort)


def partition_of(rules: KeyRules, reduces: int) -> Callable[[bytes], int]:
    """Which of the reducers gets a line: the same for the same key, on every host."""
    key, crc32 = _key_of(rules), zlib.crc32
    if not rules.partition:
        return lambda line: crc32(key(line)) % reduces
    inner = rules.inner_separator.encode()
    parts = [_part(part, inner) for part in rules.partition]
    return lambda line: crc32(b"\0".join([part(k) for k in (key(line),) for part in parts])) % reduces


def to_reducers(rules: KeyRules) -> Callable[[bytes], bytes] | None:
    """Puts a tab between key and value, for mappers that use another separator; None if nothing is to be done."""
    separator, fields = rules.separator.encode(), rules.fields
    if separator == b"\t":
        return None

    def rewritten(line: bytes) -> bytes:
        parts = line.split(separator, fields)
        return separator.join(parts[:fields]) + b"\t" + parts[fields] if len(parts) > fields else line

    return rewritten


def _key_of(rules: KeyRules) -> Callable[[bytes], bytes]:
    """Of a line as reducers get it: with a tab after the key, whatever the mapper wrote."""
    fields = rules.fields
    if fields == 1 or rules.separator != "\t":
        return lambda line: line.partition(b"\t")[0]
    return lambda line: b"\t".join(line.split(b"\t", fields)[:fields])


def _part(part: SortKey, separator: bytes) -> Callable[[bytes], bytes]:
    def cut(key: bytes) -> bytes:
        fields = key.split(separator)
        chosen = fields[part.first - 1 : part.last or None]
        if chosen and part.last_char and part.last and len(fields) >= part.last:
            chosen[-1] = chosen[-1][: part.last_char]
        return separator.join(chosen)[part.first_char - 1 :]

    return cut


def _comparable(part: SortKey, separator: bytes) -> Callable[[bytes], Any]:
    cut = _part(part, separator)
    if part.numeric:
        sign = -1 if part.reverse else 1
        return lambda key: sign * _number(cut(key))
    if part.reverse:
        return lambda key: _Reversed(cut(key))
    return cut


def _number(text: bytes) -> float:
    found = _NUMBER.match(text)
    try:
        return float(found[1]) if found is not None else 0.0
    except ValueError:
        return 0.0


class _Reversed:
    """Compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __lt__(self, other: "_Reversed") -> bool:
        return other.value < self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)
