"""The program that the demonstration's tasks run; it needs nothing but Python.

job.py map FILE...      counts the words of these files into counts.json
job.py reduce FILE...   adds up such counts into counts.json
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

WORD = re.compile(r"[A-Za-z]{3,}")


def count(files: Iterable[str]) -> Counter[str]:
    """How often each word of three letters or more occurs, capitals made small."""
    words: Counter[str] = Counter()
    for file in files:
        words.update(WORD.findall(Path(file).read_text(encoding="utf-8", errors="replace").lower()))
    return words


def add_up(files: Iterable[str]) -> Counter[str]:
    """The sum of counts written by ``map``."""
    words: Counter[str] = Counter()
    for file in files:
        words.update(json.loads(Path(file).read_text(encoding="utf-8")))
    return words


def main() -> None:
    """Count or add up, as told."""
    words = {"map": count, "reduce": add_up}[sys.argv[1]](sys.argv[2:])
    Path("counts.json").write_text(json.dumps(words), encoding="utf-8")
    print(f"{sys.argv[1]}: {words.total()} words, {len(words)} different, from {len(sys.argv) - 2} files")


if __name__ == "__main__":
    main()
