"""Virtual time: what happens when, in an order that depends on nothing but the seed."""

import heapq
import random
from collections.abc import Callable
from typing import Any

__all__ = ["Clock", "Dice", "Timeline"]

_START = 1_000_000.0
"""What an exact clock shows at time 0: some time after 1970, so that epochs of one's clock are not all the same."""


class Timeline:
    """Runs callbacks at their time; those of one time in the order in which they were planned."""

    def __init__(self) -> None:
        """At time 0, in seconds."""
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._planned = 0

    def at(self, when: float, do: Callable[..., None], *args: Any) -> None:
        """Call ``do(*args)`` then, or now if that is past."""
        self._planned += 1
        heapq.heappush(self._heap, (max(self.now, when), self._planned, do, args))

    def after(self, seconds: float, do: Callable[..., None], *args: Any) -> None:
        """Call ``do(*args)`` so much later."""
        self._planned += 1
        heapq.heappush(self._heap, (self.now + seconds, self._planned, do, args))

    def run(self, until: float) -> None:
        """Let time pass."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until:
            self.now, _, do, args = pop(heap)
            do(*args)
        self.now = until


class Dice(random.Random):
    """One source of chance for each who acts, so that what befalls one does not change the luck of the others."""

    def __init__(self, seed: int, name: str) -> None:
        """The same for the same seed and name."""
        super().__init__(f"{seed}/{name}")

    def wait(self, about_s: float) -> float:
        """Some seconds: mostly less, seldom much more, never more than eight times as many."""
        return min(self.expovariate(1.0 / about_s), 8.0 * about_s)


class Clock:
    """A host's own clock: it may be off, and go too fast or too slow, but never back."""

    __slots__ = ("_offset", "_rate")

    def __init__(self) -> None:
        """An exact one."""
        self._offset = _START
        self._rate = 1.0

    def show(self, now: float) -> float:
        """What it shows at a time."""
        return self._offset + self._rate * now

    def when(self, shown: float) -> float:
        """The time at which it shows this."""
        return (shown - self._offset) / self._rate

    def drift(self, now: float, rate: float, ahead_s: float = 0.0) -> None:
        """From now on it goes at this rate, after a jump ahead."""
        self._offset += (self._rate - rate) * now + max(0.0, ahead_s)
        self._rate = rate
