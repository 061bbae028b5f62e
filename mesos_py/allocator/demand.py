"""How much a framework wants, and the least that is worth offering to it.

A framework that states a demand gets offers cut to whole slices of it, until all are offered; one that states none
gets all that is free on an agent.
"""

from collections.abc import Iterable, Sequence

from mesos_py.types.infos import Demand
from mesos_py.types.resources import EMPTY, Resources

__all__ = ["Appetite", "Minima"]


class _Want:
    __slots__ = ("count", "left", "slice")

    def __init__(self, demand: Demand) -> None:
        self.slice = demand.slice.flatten()
        self.count = demand.count
        self.left = max(0, demand.count)
        """Not yet offered."""


class Appetite:
    """The demands that one client stated, and how much of each is still to be offered."""

    __slots__ = ("_wants",)

    def __init__(self, demands: Sequence[Demand]) -> None:
        self._wants = [_Want(demand) for demand in demands if demand.slice]

    def wanted(self) -> dict[Resources, int]:
        """The slices of which more is wanted, and how many."""
        wanted: dict[Resources, int] = {}
        for want in self._wants:
            if want.left:
                wanted[want.slice] = wanted.get(want.slice, 0) + want.left
        return wanted

    def cut(self, bundle: Resources) -> tuple[Resources, list[int]]:
        """As many whole slices as are wanted and fit, earlier demands first; how many of each."""
        taken, rest = EMPTY, bundle
        counts = []
        for want in self._wants:
            number = _times(want.slice, rest, want.left)
            part = rest.find(_multiple(want.slice, number)) if number else None
            counts.append(number if part else 0)
            if part:
                taken, rest = taken + part, rest - part
        return taken, counts

    def offered(self, counts: Iterable[int]) -> None:
        """So many slices of each demand, from ``cut``, are offered now."""
        for want, number in zip(self._wants, counts, strict=True):
            want.left -= number

    def returned(self, bundle: Resources) -> None:
        """What was offered is free again: want it again, but never more than was stated."""
        rest = bundle.flatten()
        for want in self._wants:
            if number := _times(want.slice, rest, want.count - want.left):
                rest -= _multiple(want.slice, number)
                want.left += number


class Minima:
    """The bundles of which an offer must hold at least one, by client (known by its mask)."""

    def __init__(self) -> None:
        self._of: dict[int, list[Resources]] = {}
        self._content_with: dict[Resources, int] = {}
        """By bundle, the clients to which it is enough."""
        self._limited = 0

    def put(self, client: int, bundles: list[Resources]) -> None:
        """Replace what a client wants at least; nothing: it takes whatever there is."""
        if self._of.get(client, []) == bundles:
            return
        for bundle in self._of.pop(client, ()):
            left = self._content_with[bundle] & ~client
            if left:
                self._content_with[bundle] = left
            else:
                self._content_with.pop(bundle)
        self._limited &= ~client
        if bundles:
            self._of[client] = bundles
            self._limited |= client
            for bundle in self._of[client]:
                self._content_with[bundle] = self._content_with.get(bundle, 0) | client

    def unmet(self, bundle: Resources) -> int:
        """The clients to which this bundle is too little."""
        if not self._limited:
            return 0
        flat = bundle.flatten()
        content = 0
        for least, clients in self._content_with.items():
            if flat.contains(least):
                content |= clients
        return self._limited & ~content


def _times(part: Resources, whole: Resources, most: int) -> int:
    """How often ``part`` (flat) can be taken out of ``whole``; ranges and sets only once, they are not fungible."""
    number = most
    for name, value in part.items():
        number = min(number, whole.scalar(name) // value if isinstance(value, int) else 1)
    return number if number > 0 and whole.flatten().contains(part) else 0


def _multiple(part: Resources, times: int) -> Resources:
    return Resources({name: value * times if isinstance(value, int) else value for name, value in part.items()})
