"""The reducer `aggregate` of Hadoop Streaming: a mapper says ``LongValueSum:word`` as key, and this adds up the values.

It is a program as any other: sorted lines of ``FUNCTION:key``, a tab and a value come in, ``key``, a tab and the result
go out. The functions are those of Hadoop's package ``aggregate``.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final

__all__ = ["FUNCTIONS", "aggregated", "main"]


def _histogram(values: Iterable[str]) -> str:
    """How many different values, and of how often each came: least, median, most, mean, standard deviation."""
    counts: Counter[str] = Counter()
    for value in values:
        name, tab, count = value.rpartition("\t")
        counts[name if tab else value] += int(count) if tab else 1
    often = sorted(counts.values())
    mean = sum(often) / len(often)
    deviation = math.sqrt(sum((count - mean) ** 2 for count in often) / len(often))
    return "\t".join(
        str(figure) for figure in (len(often), often[0], often[len(often) // 2], often[-1], mean, deviation)
    )


FUNCTIONS: Final[dict[str, Callable[[Iterable[str]], object]]] = {
    "DoubleValueSum": lambda values: sum(map(float, values)),
    "LongValueMax": lambda values: max(map(int, values)),
    "LongValueMin": lambda values: min(map(int, values)),
    "LongValueSum": lambda values: sum(map(int, values)),
    "StringValueMax": max,
    "StringValueMin": min,
    "UniqValueCount": lambda values: len(set(values)),
    "ValueHistogram": _histogram,
}


def aggregated(lines: Iterable[str]) -> Iterator[str]:
    """A line for each key of sorted ones. Raises ValueError if they are not what a mapper for this says."""
    rows = (line.rstrip("\n").partition("\t")[::2] for line in lines)
    for named, group in groupby(rows, key=lambda row: row[0]):
        function, colon, key = named.partition(":")
        if not colon or function not in FUNCTIONS:
            raise ValueError(f"the key {named!r} does not begin with one of {', '.join(FUNCTIONS)} and a colon")
        yield f"{key}\t{FUNCTIONS[function](value for _, value in group)}\n"


def main() -> int:
    """From stdin to stdout."""
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")  # type: ignore[union-attr]
    try:
        sys.stdout.writelines(aggregated(sys.stdin))
    except ValueError as error:
        print(f"aggregate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
