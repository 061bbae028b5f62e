"""Prints lists: in colour and fitted on a terminal, whole and aligned for other programs, or as JSON."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from mesos_py.cli.words import STYLES

__all__ = ["Column", "show", "show_json"]

Item = dict[str, Any]


class Column(NamedTuple):
    """One column: its title, what it shows of an item, and how."""

    title: str
    text: Callable[[Item], str]
    right: bool = False
    state: bool = False
    """Coloured by what it says."""


def show_json(items: Sequence[Item]) -> None:
    """One JSON array."""
    click.echo(json.dumps(items, indent=2))


def show(columns: Sequence[Column], items: Sequence[Item], nothing: str) -> None:
    """A table; ``nothing`` is said on stderr if there is none."""
    if not items:
        click.echo(nothing, err=True)
        return
    rows = [[_line(column.text(item)) for column in columns] for item in items]
    used = [n for n, column in enumerate(columns) if n == 0 or any(row[n] for row in rows)]
    columns = [columns[n] for n in used]
    rows = [[row[n] for n in used] for row in rows]
    if sys.stdout.isatty():
        _show_on_terminal(columns, rows)
    else:
        _show_plain(columns, rows)


def _show_on_terminal(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  (needed on terminals only, and slow)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        cells = zip(columns, row, strict=True)
        table.add_row(*(Text(text, style=STYLES.get(text, "") if column.state else "") for column, text in cells))
    Console().print(table)


def _show_plain(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    everything = [[column.title for column in columns], *rows]
    widths = [max(len(row[n]) for row in everything) for n in range(len(columns))]
    for row in everything:
        cells = (
            text.rjust(width) if column.right else text.ljust(width)
            for column, text, width in zip(columns, row, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _line(text: str) -> str:
    """On one line and without control characters: what a task says of itself is shown, not obeyed."""
    return "".join(c if c.isprintable() else " " for c in text)
