"""Deadlines that are mostly cancelled: a heap whose dead entries are swept out before they outnumber the living."""

import heapq
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Timer", "Timers"]

T = TypeVar("T")

_SWEEP_FROM = 64


class Timer:
    """One deadline; made by Timers."""

    __slots__ = ("alive", "deadline", "deed", "subject")

    def __init__(self, deadline: float, deed: Callable[[Any, float], None], subject: Any) -> None:
        self.deadline = deadline
        self.deed = deed
        self.subject = subject
        self.alive = True


class Timers:
    """Runs deeds when their time has come, earliest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._made = 0
        self._dead = 0

    def __len__(self) -> int:
        """How many entries are kept, dead ones included."""
        return len(self._heap)

    def set(self, deadline: float, deed: Callable[[T, float], None], subject: T) -> Timer:
        """Call ``deed(subject, time)`` at the first tick not before ``deadline``."""
        timer = Timer(deadline, deed, subject)
        self._made += 1
        heapq.heappush(self._heap, (deadline, self._made, timer))
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Forget a timer; nothing if it has run or was cancelled."""
        if timer is None or not timer.alive:
            return
        timer.alive = False
        timer.subject = None
        self._dead += 1
        if self._dead > _SWEEP_FROM and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].alive]
            heapq.heapify(self._heap)
            self._dead = 0

    def next_deadline(self) -> float | None:
        """Of the earliest timer."""
        heap = self._heap
        while heap and not heap[0][2].alive:
            heapq.heappop(heap)
            self._dead -= 1
        return heap[0][0] if heap else None

    def run_due(self, now: float) -> None:
        """Run and forget every timer whose deadline is not after ``now``."""
        while (due := self.next_deadline()) is not None and due <= now:
            timer = heapq.heappop(self._heap)[2]
            timer.alive = False
            timer.deed(timer.subject, now)
