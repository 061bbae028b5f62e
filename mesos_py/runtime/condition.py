"""How a daemon fares, in a word for programs and a line for people: what systemd and the HTTP API are told."""

import time
from collections.abc import Callable

from msgspec import Struct

__all__ = ["Condition", "Outage", "always_ready"]


class Condition(Struct, frozen=True, gc=False):
    """How a daemon fares at one moment."""

    is_ready: bool
    """It does what it is there for: a master leads or stands by, an agent is registered."""
    text: str
    """What it is doing, or what it waits for."""


def always_ready() -> Condition:
    """Of something that waits for nothing."""
    return Condition(is_ready=True, text="ready")


class Outage:
    """Remembers since when something that a daemon needs is out of reach."""

    def __init__(self, what: str, wall_clock: Callable[[], float] = time.time) -> None:
        """``what`` it is, such as "broker". It has not been reached yet."""
        self._what = what
        self._wall_clock = wall_clock
        self.text = f"{what} not reached yet"
        """For people; empty while there is none."""

    def begin(self, how: str, why: str) -> None:
        """It is out of reach; ``how`` in a word, such as "lost"."""
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall_clock()))
        self.text = f"{self._what} {how} since {since}: {why}"

    def end(self) -> None:
        """It is reached."""
        self.text = ""
