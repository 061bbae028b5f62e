"""Reads and writes the times, sizes and ranges of PBS: ``01:30:00``, ``2gb``, ``1-10,15%2``."""

import re
from typing import Final

from mesos_py.errors import UserError

__all__ = ["LONGEST_S", "MAX_ARRAY", "format_time", "parse_array", "parse_mem", "parse_time"]

MAX_ARRAY: Final = 10_000
"""Jobs in one array."""
LONGEST_S: Final = 365 * 24 * 3600
"""Walltime of a job."""

_UNITS: Final = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_SIZE: Final = re.compile(r"(\d{1,12})(b|kb|mb|gb|tb|k|m|g|t)?", re.IGNORECASE)
_RANGE: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def parse_time(text: str) -> int:
    """Seconds of ``[[[DD:]HH:]MM:]SS``. Raises UserError."""
    parts = text.split(":")
    if not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts) or len(parts) > 4:
        raise UserError(f"{text!r} is no time: [[DD:]HH:]MM:SS or seconds, such as 01:30:00")
    seconds = sum(int(part) * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False))
    if not 0 < seconds <= LONGEST_S:
        raise UserError(f"{text!r} is no time for a job: from one second to a year")
    return seconds


def format_time(seconds: float) -> str:
    """``01:30:00``; hours may be many."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def parse_mem(text: str) -> int:
    """Megabytes, rounded up, of ``512mb`` or ``2gb``; plain numbers are bytes. Raises UserError."""
    found = _SIZE.fullmatch(text)
    if found is None or not int(found[1]):
        raise UserError(f"{text!r} is no size: a number and b, kb, mb, gb or tb, such as 512mb")
    unit = (found[2] or "b").lower()
    return -(-int(found[1]) * _UNITS[unit if unit.endswith("b") else f"{unit}b"] // (1 << 20))


def parse_array(text: str) -> tuple[list[int], int]:
    """The indices of ``1-10,15`` and how many of them may run at once (``%2``; 0: all). Raises UserError."""
    ranges, percent, slots = text.partition("%")
    if percent and not (slots.isascii() and slots.isdigit() and len(slots) < 9 and int(slots) > 0):
        raise UserError(f"{text!r} is no array: after % comes how many may run at once")
    indices: set[int] = set()
    for part in ranges.split(","):
        found = _RANGE.fullmatch(part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found is not None else (1, 0)
        if first > last:
            raise UserError(f"{text!r} is no array: numbers and ranges, such as 1-10,15")
        if last - first >= MAX_ARRAY or len(indices) + last - first >= MAX_ARRAY:
            raise UserError(f"{text!r} is too large an array: at most {MAX_ARRAY} jobs")
        indices.update(range(first, last + 1))
    return sorted(indices), int(slots) if percent else 0
