"""When which tasks arrive: all that a stream leaves to chance is drawn from the seed."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from mesos_py.errors import ConfigError, UserError
from mesos_py.testing.simulation.timeline import Dice
from mesos_py.testing.traces.scenario import Duration, TaskStream, seconds
from mesos_py.types.resources import Resources

__all__ = ["Job", "jobs_of"]

_MOST: Final = 10_000_000
"""Tasks that a stream may have; more are a mistake."""
_AMOUNTS: Final = ("cpus", "mem", "disk", "gpus")


class Job(Struct, frozen=True, kw_only=True, gc=False):
    """One task, or a gang of them, which start together or not at all."""

    at: float
    """When it arrives, in seconds from the beginning."""
    resources: Resources
    """Of each task."""
    durations: tuple[float, ...]
    """How long each task runs, in seconds."""


def jobs_of(stream: TaskStream, until: float, dice: Dice, directory: Path) -> list[Job]:
    """All that arrives before ``until``, in order; ``directory`` is where the CSV file is. Raises ConfigError."""
    jobs: list[Job] = []
    tasks = 0
    for at, resources, duration in _read(stream, directory) if stream.csv else _arrivals(stream, until, dice):
        if at < until:
            durations = tuple(duration.draw(tasks + number, dice) for number in range(stream.gang))
            tasks += stream.gang
            jobs.append(Job(at=at, resources=resources, durations=durations))
        if tasks > _MOST:
            raise ConfigError(f"more than {_MOST:,} tasks arrive in one stream")
    return sorted(jobs, key=lambda job: job.at)


_Arrival = tuple[float, Resources, Duration]


def _arrivals(stream: TaskStream, until: float, dice: Dice) -> Iterator[_Arrival]:
    for when in stream.at:
        for _ in range(stream.count or 1):
            yield when, stream.resources, stream.duration
    if stream.every is not None:
        at, left = float(stream.start), stream.count if stream.count is not None else _MOST + 1
        number = 0
        while at < until and number < left:
            yield at, stream.resources, stream.duration
            number += 1
            if stream.poisson:
                at += dice.expovariate(1.0) * stream.every
            else:
                at = stream.start + number * stream.every


def _read(stream: TaskStream, directory: Path) -> Iterator[_Arrival]:
    path = directory / stream.csv
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            unknown = set(rows.fieldnames or ()) - {"at", "duration", "count", *_AMOUNTS}
            if unknown or "at" not in (rows.fieldnames or ()):
                why = f"has an unknown column {min(unknown)!r}" if unknown else "has no column 'at'"
                raise ConfigError(f"{path} {why}; columns are at, duration, count, {', '.join(_AMOUNTS)}")
            for row in rows:
                yield from _read_row(stream, row, f"{path}, line {rows.line_num}")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not CSV: {error}") from None


def _read_row(stream: TaskStream, row: dict[str, str | None], where: str) -> Iterator[_Arrival]:
    if None in row or None in row.values():
        raise ConfigError(f"{where}: has not as many values as there are columns")
    given = {name: text.strip() for name, text in row.items() if text and text.strip()}
    try:
        at = seconds(given.get("at", ""))
        duration = Duration(given["duration"]) if "duration" in given else stream.duration
        amounts = {name: float(given[name]) for name in _AMOUNTS if name in given}
        count = int(given.get("count", "1"))
        rest = {name: value for name, value in stream.resources.items() if name not in amounts}
        resources = Resources(rest) + Resources.from_wire(amounts)
        if not resources or count < 1:
            raise UserError("a task needs resources" if count > 0 else "count is at least 1")
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    for _ in range(count):
        yield at, resources, duration
