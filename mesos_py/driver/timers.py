"""Calls that are to come; apart from sessions, as executors need no broker and start the sooner without its client."""

import heapq
import itertools
from collections.abc import Callable

__all__ = ["Timer", "Timers"]


class Timer:
    """A call that is to come."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Let it not come. Safe from any thread, and when it has come already."""
        self._call = None

    def fire(self) -> None:
        """It has come."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Timers:
    """Calls that are to come; a resident of a loop."""

    def __init__(self, guard: Callable[[Callable[[], object]], None]) -> None:
        """``guard`` makes the calls."""
        self._guard = guard
        self._waiting: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()

    def add(self, due: float, timer: Timer) -> None:
        """In the loop's thread only."""
        heapq.heappush(self._waiting, (due, next(self._numbers), timer))

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._waiting[0][0] if self._waiting else None

    def run_due(self, now: float) -> None:
        """Part of Resident."""
        while self._waiting and self._waiting[0][0] <= now:
            _, _, timer = heapq.heappop(self._waiting)
            self._guard(timer.fire)
