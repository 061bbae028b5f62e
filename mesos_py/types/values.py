"""The three kinds of value a resource or attribute can have: scalar, ranges, set; exact, immutable, ordered.

A **scalar** is an int in thousandths (1.5 is 1500): sums never drift. **Ranges** are a sorted tuple of inclusive,
disjoint, non-adjacent pairs. A **set** is a frozenset of strings. Semantics as in Mesos
(``docs/attributes-resources.md``): ranges and sets add by union and subtract by difference.
"""

import math
import re
from collections.abc import Iterable

from mesos_py.errors import UserError

__all__ = [
    "Ranges",
    "Value",
    "format_scalar",
    "format_value",
    "normal_ranges",
    "parse_value",
    "ranges_contain",
    "ranges_minus",
    "scalar_from",
    "scalar_to_number",
    "value_from_wire",
    "value_to_wire",
]

Ranges = tuple[tuple[int, int], ...]
Value = int | Ranges | frozenset[str]

MAX_SCALAR = 10**15
"""In thousandths; more than this is a mistake, and keeps sums far from where floats on the wire lose thousandths."""
_MAX_RANGE_END = 2**63 - 1
_RANGE = re.compile(r"\s*(\d{1,19})\s*-\s*(\d{1,19})\s*")


def scalar_from(number: float) -> int:
    """Thousandths of a number, rounded to the nearest; UserError if negative, not finite or absurdly large."""
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
        raise UserError(f"{number!r} is not a number")
    thousandths = round(number * 1000)
    if thousandths < 0:
        raise UserError(f"{number!r} is negative")
    if thousandths > MAX_SCALAR:
        raise UserError(f"{number!r} is too large")
    return thousandths


def scalar_to_number(thousandths: int) -> float:
    """The decimal number for the wire: an int when whole."""
    whole, rest = divmod(thousandths, 1000)
    return thousandths / 1000 if rest else whole


def format_scalar(thousandths: int) -> str:
    """``1500`` as ``1.5``, ``2000`` as ``2``."""
    whole, rest = divmod(thousandths, 1000)
    return f"{whole}.{rest:03}".rstrip("0") if rest else str(whole)


def normal_ranges(pairs: Iterable[Iterable[int]]) -> Ranges:
    """Sorted, merged ranges from inclusive (begin, end) pairs in any order; UserError if one runs backwards."""
    checked: list[tuple[int, int]] = []
    for pair in pairs:
        if isinstance(pair, (str, bytes)):
            raise UserError(f"{pair!r} is not a range [begin, end]")
        items = tuple(pair)
        if len(items) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) for n in items):
            raise UserError(f"{items!r} is not a range [begin, end] of whole numbers")
        begin, end = items
        if not 0 <= begin <= end <= _MAX_RANGE_END:
            raise UserError(f"{begin}-{end} is not a range: it must run upwards from 0 or more")
        checked.append((begin, end))
    checked.sort()
    merged: list[tuple[int, int]] = []
    for begin, end in checked:
        if merged and begin <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)


def ranges_minus(left: Ranges, right: Ranges) -> Ranges:
    """What ``left`` holds and ``right`` does not."""
    result: list[tuple[int, int]] = []
    for begin, end in left:
        rest = begin
        for cut_begin, cut_end in right:
            if cut_end < rest or cut_begin > end:
                continue
            if cut_begin > rest:
                result.append((rest, cut_begin - 1))
            rest = cut_end + 1
        if rest <= end:
            result.append((rest, end))
    return tuple(result)


def ranges_contain(left: Ranges, right: Ranges) -> bool:
    """True if every number of ``right`` is in ``left``."""
    return all(any(a <= begin and end <= b for a, b in left) for begin, end in right)


def parse_value(text: str) -> Value | str:
    """Read Mesos's text form: ``1.5``, ``[1-5, 8-9]``, ``{a,b}``; anything else is text and comes back as it is.

    Raises UserError for a value that begins as a range, set or number and does not end as one.
    """
    text = text.strip()
    if text.startswith("["):
        if not text.endswith("]"):
            raise UserError(f"{text!r} has no closing ']'")
        parts = [_RANGE.fullmatch(part) for part in text[1:-1].split(",") if part.strip()]
        if any(part is None for part in parts):
            raise UserError(f"{text!r} is not a list of ranges such as [1000-1999,3000-3999]")
        return normal_ranges((int(m[1]), int(m[2])) for m in parts if m)
    if text.startswith("{"):
        if not text.endswith("}"):
            raise UserError(f"{text!r} has no closing '}}'")
        return frozenset(part.strip() for part in text[1:-1].split(",") if part.strip())
    try:
        number = float(text)
    except ValueError:
        return text
    return scalar_from(number) if math.isfinite(number) else text


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


def value_to_wire(value: Value) -> float | list[list[int]] | list[str]:
    """A number, a list of [begin, end] pairs, or a list of strings."""
    match value:
        case int():
            return scalar_to_number(value)
        case tuple():
            return [[begin, end] for begin, end in value]
        case frozenset():
            return sorted(value)


def value_from_wire(value: object) -> Value:
    """The inverse of value_to_wire; an empty list is empty ranges. Raises UserError."""
    if isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            return frozenset(value)
        return normal_ranges(value)
    return scalar_from(value)  # type: ignore[arg-type]  # scalar_from itself refuses what is no number
