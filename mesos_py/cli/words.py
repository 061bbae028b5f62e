"""Numbers, times and states as people read them."""

import time
from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "STYLES",
    "ago",
    "amounts",
    "attributes",
    "cpus",
    "duration",
    "megabytes",
    "of",
    "percent",
    "scalar",
    "size",
    "span",
]

STYLES: Final = {
    "STAGING": "yellow",
    "STARTING": "yellow",
    "RUNNING": "green",
    "KILLING": "yellow",
    "FINISHED": "blue",
    "FAILED": "red",
    "ERROR": "red",
    "KILLED": "magenta",
    "DROPPED": "red",
    "UNREACHABLE": "red",
    "GONE": "red",
    "GONE_BY_OPERATOR": "red",
    "UNKNOWN": "red",
    "connected": "green",
    "disconnected": "red",
    "unreachable": "red",
    "leader": "green",
    "standby": "blue",
    "recovered": "yellow",
    "removed": "dim",
    "SCHEDULED": "yellow",
    "DOWN": "red",
    "DRAINING": "yellow",
    "DRAINED": "blue",
    "DEACTIVATED": "yellow",
}
"""Colours of states."""

_SIZES: Final = ("kB", "MB", "GB", "TB")
_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


def scalar(resources: Mapping[str, Any], name: str) -> float:
    """A resource, reserved and unreserved together."""
    return sum(
        value
        for key, value in resources.items()
        if isinstance(value, (int, float)) and (key == name or key.startswith(f"{name}("))
    )


def cpus(resources: Mapping[str, Any], name: str = "cpus") -> str:
    """A number with as few digits as it needs."""
    return f"{scalar(resources, name):.3f}".rstrip("0").rstrip(".")


def megabytes(resources: Mapping[str, Any], name: str = "mem") -> str:
    """``512 MB``, ``1.5 GB``."""
    return _in_units(scalar(resources, name), "MB")


def amounts(quantities: Mapping[str, float]) -> str:
    """``cpus:4;mem:1024``, as a quota is given."""
    return ";".join(f"{name}:{amount:.10g}" for name, amount in quantities.items())


def size(count: float) -> str:
    """Bytes as ``0 kB``, ``20 kB``, ``1.5 GB``."""
    return _in_units(count / 1024, "kB")


def _in_units(amount: float, first: str) -> str:
    units = _SIZES[_SIZES.index(first) :]
    for unit in units:
        if amount < 1024 or unit == units[-1]:
            return f"{amount:.3g} {unit}" if amount < 999.5 else f"{amount:.0f} {unit}"
        amount /= 1024
    raise AssertionError


def of(part: str, whole: str) -> str:
    """``0.5/8``, and with one unit ``1/4 GB`` where both have it."""
    amount, _, unit = part.partition(" ")
    same_unit = unit and (amount == "0" or whole.endswith(f" {unit}"))
    return f"{amount}/{whole}" if same_unit else f"{part}/{whole}"


def percent(share: float) -> str:
    """``12.5%``."""
    return f"{share * 100:.1f}%"


def span(seconds: float) -> str:
    """``42s``, ``5m``, ``3h``, ``12d``."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}" if seconds < 9.5 * length else f"{seconds // length:.0f}{unit}"
    return "0s"


def duration(seconds: float) -> str:
    """As span, but with what is below a second: ``0.25s``, ``3.1s``."""
    return f"{seconds:.2g}s" if 0 < seconds < 9.5 else span(seconds)


def ago(when: float) -> str:
    """How long ago it was; nothing for no time at all."""
    return span(max(0.0, time.time() - when)) if when else ""


def attributes(values: Mapping[str, Any]) -> str:
    """``rack:r1;zone:west``."""
    return ";".join(f"{name}:{_attribute(value)}" for name, value in sorted(values.items()))


def _attribute(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(f"{begin}-{end}" for begin, end in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
