"""The project's files, for tests about them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def python_files(*directories: str) -> list[Path]:
    return [file for directory in directories for file in sorted((ROOT / directory).rglob("*.py"))]


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def calls_of(file: Path, module: str, name: str) -> Iterator[int]:
    """Lines where ``module.name`` is used, however it is imported."""
    tree = tree_of(file)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute) if (owner, attribute) == (module, name):
                yield node.lineno
            case ast.ImportFrom(module=source, names=names) if source == module:
                yield from (node.lineno for alias in names if alias.name == name)


def documents() -> list[Path]:
    """What is written for people."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])


def code_of(document: Path) -> Iterator[str]:
    """Lines of code blocks, and code within sentences."""
    fenced = False
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line
        else:
            yield from re.findall(r"`([^`]+)`", line)
