"""A figure about a daemon as it is exported: read from a core's state when somebody asks, never kept beside it."""

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from mesos_py.types.resources import Resources

__all__ = ["Metric", "counter", "gauge", "of_resources"]

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values by their labels' values."""


class Metric(Struct, frozen=True, gc=False):
    """One figure, once for each combination of its labels. Names are without the prefix that all have."""

    kind: Literal["counter", "gauge"]
    name: str
    help: str
    labels: tuple[str, ...]
    samples: tuple[tuple[tuple[str, ...], float], ...]


def gauge(name: str, text: str, value: float | Samples, *labels: str) -> Metric:
    """What goes up and down; one value, or one for each combination of ``labels``."""
    return Metric("gauge", name, text, labels, _samples(value))


def counter(name: str, text: str, value: float | Samples, *labels: str) -> Metric:
    """What only goes up, from the start of a leadership or of an agent's process."""
    return Metric("counter", name, text, labels, _samples(value))


def _samples(value: float | Samples) -> tuple[tuple[tuple[str, ...], float], ...]:
    return (((), value),) if isinstance(value, (int, float)) else tuple(value)


def of_resources(amounts: Mapping[str, Resources]) -> Samples:
    """Samples by use and resource: numbers as they are, ranges and sets by how many they hold."""
    for use, resources in amounts.items():
        for name, value in resources.flatten().to_wire().items():
            yield (use, name), value if isinstance(value, (int, float)) else _count(value)


def _count(value: list[list[int]] | list[str]) -> int:
    return sum(1 if isinstance(part, str) else part[1] - part[0] + 1 for part in value)
