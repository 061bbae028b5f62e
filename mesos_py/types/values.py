"""The three kinds of value a resource or attribute can have: scalar, ranges, set; exact, immutable, ordered.

A **scalar** is an int in thousandths (1.5 is 1500): sums never drift. **Ranges** are a sorted tuple of inclusive,
disjoint, non-adjacent pairs. A **set** is a frozenset of strings. Semantics as in Mesos
(``docs/attributes-resources.md``): ranges and sets add by union and subtract by difference. A value that is false
(0, no ranges, the empty set) is nothing of any kind.
"""

import re
from collections.abc import Iterable
from typing import Final

from mesos_py.errors import UserError

__all__ = [
    "MAX_PIECES",
    "MAX_SCALAR",
    "Ranges",
    "Value",
    "format_scalar",
    "format_value",
    "normal_ranges",
    "parse_value",
    "ranges_common",
    "ranges_contain",
    "ranges_minus",
    "scalar_from",
    "scalar_to_number",
    "signed_scalar_from",
    "value_common",
    "value_contains",
    "value_from_wire",
    "value_minus",
    "value_plus",
    "value_to_wire",
]

Ranges = tuple[tuple[int, int], ...]
Value = int | Ranges | frozenset[str]

MAX_SCALAR: Final = 10**15
"""In thousandths; more than this is a mistake, and keeps sums far from where floats on the wire lose thousandths."""
MAX_PIECES: Final = 4096
"""Ranges in ranges, or strings in a set: bounds the work that one value from a stranger can cause."""
_MAX_RANGE_END = 2**63 - 1
_RANGE = re.compile(r"\s*(\d{1,19})\s*-\s*(\d{1,19})\s*", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


# Scalars


def signed_scalar_from(number: float) -> int:
    """Thousandths of a number, rounded to the nearest; UserError if not finite or absurdly large."""
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise UserError(f"{number!r:.100} is not a number")
    thousandths = number * 1000
    if not -MAX_SCALAR <= thousandths <= MAX_SCALAR:
        raise UserError(f"{number!r:.40} is too large or not finite")
    return round(thousandths)


def scalar_from(number: float) -> int:
    """As signed_scalar_from, and UserError if negative."""
    thousandths = signed_scalar_from(number)
    if thousandths < 0:
        raise UserError(f"{number!r} is negative")
    return thousandths


def scalar_to_number(thousandths: int) -> float:
    """The decimal number for the wire: an int when whole."""
    return thousandths / 1000 if thousandths % 1000 else thousandths // 1000


def format_scalar(thousandths: int) -> str:
    """``1500`` as ``1.5``, ``2000`` as ``2``."""
    whole, rest = divmod(abs(thousandths), 1000)
    text = f"{whole}.{rest:03}".rstrip("0") if rest else str(whole)
    return f"-{text}" if thousandths < 0 else text


# Ranges


def normal_ranges(pairs: Iterable[Iterable[int]]) -> Ranges:
    """Sorted, merged ranges from inclusive (begin, end) pairs in any order; UserError if one runs backwards."""
    return _merged(sorted(_checked_range(pair) for pair in pairs))


def _checked_range(pair: Iterable[int]) -> tuple[int, int]:
    numbers = tuple(pair) if isinstance(pair, (list, tuple)) else ()
    if len(numbers) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise UserError(f"{pair!r:.100} is not a range [begin, end] of whole numbers")
    begin, end = numbers
    if not 0 <= begin <= end <= _MAX_RANGE_END:
        raise UserError(f"{f'{begin}-{end}':.100} is not a range: it must run upwards from 0 or more")
    return begin, end


def _merged(in_order: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for begin, end in in_order:
        if merged and begin <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)


def ranges_minus(left: Ranges, right: Ranges) -> Ranges:
    """What ``left`` holds and ``right`` does not."""
    result: list[tuple[int, int]] = []
    first = 0  # of the cuts that can still matter: both sides are in order, so each is walked once
    for begin, end in left:
        rest = begin
        while first < len(right) and right[first][1] < begin:
            first += 1
        for cut_begin, cut_end in right[first:]:
            if cut_begin > end:
                break
            if cut_begin > rest:
                result.append((rest, cut_begin - 1))
            rest = cut_end + 1
        if rest <= end:
            result.append((rest, end))
    return tuple(result)


def ranges_common(left: Ranges, right: Ranges) -> Ranges:
    """What both hold."""
    return ranges_minus(left, ranges_minus(left, right))


def ranges_contain(left: Ranges, right: Ranges) -> bool:
    """True if every number of ``right`` is in ``left``."""
    return not ranges_minus(right, left)


# Arithmetic over all kinds


def value_plus(left: Value, right: Value) -> Value:
    """The sum or union; UserError if they are not of one kind."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return _merged(sorted(left + right))
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left | right
    raise UserError(f"{format_value(left)} and {format_value(right)} are not of one kind")


def value_contains(left: Value, right: Value) -> bool:
    """True if ``right`` can be taken out of ``left``; never if they are not of one kind."""
    if isinstance(left, int) and isinstance(right, int):
        return left >= right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return ranges_contain(left, right)
    return isinstance(left, frozenset) and isinstance(right, frozenset) and left >= right


def value_minus(left: Value, right: Value) -> Value:
    """The difference of two values of which the first contains the second."""
    if isinstance(left, int) and isinstance(right, int):
        return left - right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return ranges_minus(left, right)
    assert isinstance(left, frozenset)
    assert isinstance(right, frozenset)
    return left - right


def value_common(left: Value, right: Value) -> Value:
    """What both hold: the lesser number or the intersection; nothing if they are not of one kind."""
    if isinstance(left, int) and isinstance(right, int):
        return min(left, right)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return ranges_common(left, right)
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left & right
    return 0


# Text


def parse_value(text: str) -> Value | str:
    """Read Mesos's text form: ``1.5``, ``[1-5, 8-9]``, ``{a,b}``; anything else is text and comes back as it is.

    Raises UserError for a value that begins as a range or set and does not end as one, and for a number too large.
    """
    text = text.strip()
    if text.startswith("["):
        if not text.endswith("]"):
            raise UserError(f"{text!r:.100} has no closing ']'")
        parts = [_RANGE.fullmatch(part) for part in text[1:-1].split(",") if part.strip()]
        if None in parts:
            raise UserError(f"{text!r:.100} is not a list of ranges such as [1000-1999,3000-3999]")
        return normal_ranges((int(match[1]), int(match[2])) for match in parts if match)
    if text.startswith("{"):
        if not text.endswith("}"):
            raise UserError(f"{text!r:.100} has no closing '}}'")
        return _checked_set(part.strip() for part in text[1:-1].split(",") if part.strip())
    return signed_scalar_from(float(text)) if _NUMBER.fullmatch(text) else text


def format_value(value: Value | str) -> str:
    """The inverse of parse_value; sets in alphabetical order."""
    match value:
        case str():
            return value
        case int():
            return format_scalar(value)
        case tuple():
            return "[" + ",".join(f"{begin}-{end}" for begin, end in value) + "]"
        case frozenset():
            return "{" + ",".join(sorted(value)) + "}"


def _checked_set(items: Iterable[str]) -> frozenset[str]:
    checked = frozenset(items)
    for item in checked:
        if not item or item != item.strip() or not item.isprintable() or any(c in ",;{}" for c in item):
            raise UserError(f"{item!r:.100} cannot be in a set")
    return checked


# Wire


def value_to_wire(value: Value) -> float | list[list[int]] | list[str]:
    """A number, a list of [begin, end] pairs, or a list of strings."""
    if isinstance(value, int):
        return value / 1000 if value % 1000 else value // 1000
    if isinstance(value, tuple):
        return [[begin, end] for begin, end in value]
    return sorted(value)


def value_from_wire(value: object) -> Value:
    """The inverse of value_to_wire; an empty list is empty ranges. Raises UserError."""
    if isinstance(value, list):
        if len(value) > MAX_PIECES:
            raise UserError(f"{len(value)} pieces are more than the {MAX_PIECES} a value can have")
        if value and all(isinstance(item, str) for item in value):
            return _checked_set(value)
        return normal_ranges(value)
    return scalar_from(value)  # type: ignore[arg-type]  # scalar_from itself refuses what is no number
