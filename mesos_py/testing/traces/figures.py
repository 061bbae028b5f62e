"""Keeps the books of a simulated run: who waited how long, and who held how much of the cluster."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil

__all__ = ["Account", "Meter", "mean", "percentile"]


def mean(values: Sequence[float]) -> float | None:
    """None if there are none."""
    return sum(values) / len(values) if values else None


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The least value that so many percent of all do not exceed; None if there are none."""
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)] if values else None


class Meter:
    """A figure that changes in steps, and what it adds up to over time."""

    def __init__(self) -> None:
        """0 at time 0."""
        self.value = 0.0
        self.total = 0.0
        """Of value times seconds, up to the last change."""
        self._since = 0.0

    def set(self, value: float, now: float) -> None:
        """It is this from now on."""
        self.total += self.value * (now - self._since)
        self.value, self._since = value, now

    def until(self, now: float) -> float:
        """What it adds up to until now."""
        return self.total + self.value * (now - self._since)


class Account:
    """Of one framework."""

    def __init__(self, capacity: Mapping[str, int]) -> None:
        """``capacity`` is what the cluster has, in thousandths by name; it is looked up, and may change."""
        self._capacity = capacity
        self.arrived = 0
        self.waiting = 0
        """Tasks that have arrived and do not run."""
        self.running = 0
        self.lost = 0
        """Tasks that ended before their time and were queued again."""
        self.waits: list[float] = []
        """From arrival to running, of each task."""
        self.first_offers: list[float] = []
        """From wanting something, after it wanted nothing, to the next offer."""
        self.first_arrival: float | None = None
        self.last_end: float | None = None
        self.done = 0
        self.used: defaultdict[str, Meter] = defaultdict(Meter)
        """Thousandths by name, by tasks that run."""
        self.share = Meter()
        """Dominant share."""
        self.busy = Meter()
        """1 while there are tasks that are not done."""

    def arrives(self, tasks: int, now: float) -> None:
        """It has more to do."""
        if self.first_arrival is None:
            self.first_arrival = now
        self.arrived += tasks
        self.waiting += tasks
        self.busy.set(1.0, now)

    def starts(self, amounts: Mapping[str, int], now: float) -> None:
        """A task runs."""
        self.waiting -= 1
        self.running += 1
        self._charge(amounts, 1, now)

    def ends(self, amounts: Mapping[str, int], now: float, *, done: bool) -> None:
        """A task runs no more; it waits again unless it is done."""
        self.running -= 1
        self._charge(amounts, -1, now)
        if done:
            self.done += 1
            self.last_end = now
            self.busy.set(float(bool(self.waiting or self.running)), now)
        else:
            self.lost += 1
            self.waiting += 1

    def _charge(self, amounts: Mapping[str, int], sign: int, now: float) -> None:
        for name, amount in amounts.items():
            self.used[name].set(self.used[name].value + sign * amount, now)
        self.measure(now)

    def measure(self, now: float) -> None:
        """What it uses, or what the cluster has, is different now."""
        parts = [used.value / self._capacity[name] for name, used in self.used.items() if self._capacity.get(name)]
        self.share.set(max(parts, default=0.0), now)
