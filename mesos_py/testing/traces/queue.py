"""What a framework still wants to run, and which of it fits on offers: first come, first fit.

Jobs of one size stand in one line. A job that does not fit holds up its own line only: smaller ones may go past it.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from msgspec import Struct

from mesos_py.types.offers import Offer
from mesos_py.types.resources import Resources

__all__ = ["Bin", "JobQueue", "TaskRun", "Wanted"]


class TaskRun(Struct):
    """A task that has arrived."""

    arrived: float
    resources: Resources
    duration: float
    waited: bool = False
    """It has run once, and its wait is known."""


class Wanted(Struct, frozen=True):
    """Tasks that start together, all of one size."""

    tasks: tuple[TaskRun, ...]

    @property
    def size(self) -> tuple[Resources, int]:
        """Of each task, and how many there are."""
        return self.tasks[0].resources, len(self.tasks)


class Bin:
    """An offer that is being filled."""

    __slots__ = ("launches", "offer", "rest", "room")

    def __init__(self, offer: Offer, room: int | None) -> None:
        """``room`` is for so many tasks, or as many as fit."""
        self.offer = offer
        self.rest = offer.resources
        self.room = float("inf") if room is None else room
        self.launches: list[tuple[TaskRun, Resources]] = []
        """Tasks, and what of the offer each takes."""

    def take(self, wanted: Resources) -> Resources | None:
        """Some of the rest, reserved parts first; None if it does not fit."""
        found = self.rest.find(wanted) if self.room > 0 else None
        if found is not None:
            self.rest -= found
            self.room -= 1
        return found

    def give_back(self, taken: Resources) -> None:
        """It is not needed after all."""
        self.rest += taken
        self.room += 1


class JobQueue:
    """Jobs that wait."""

    def __init__(self) -> None:
        """Empty."""
        self._lines: dict[tuple[Resources, int], deque[Wanted]] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, wanted: Wanted) -> None:
        """It waits behind those of its size."""
        self._lines.setdefault(wanted.size, deque()).append(wanted)

    def demands(self) -> Iterator[tuple[Resources, int]]:
        """Sizes of tasks and how many are wanted, those that wait longest first."""
        for (resources, gang), line in self._in_order():
            yield resources, gang * len(line)

    @property
    def has_gangs(self) -> bool:
        """Some wait for more than one place."""
        return any(gang > 1 for _, gang in self._lines)

    def _in_order(self) -> list[tuple[tuple[Resources, int], deque[Wanted]]]:
        return sorted(self._lines.items(), key=lambda entry: entry[1][0].tasks[0].arrived)

    def fill(self, bins: Sequence[Bin]) -> None:
        """Take out what fits, and note it in the bins."""
        for size, line in self._in_order():
            first = 0
            while line:
                places = _places(size, bins, first)
                if places is None:
                    break
                for run, (number, taken) in zip(line.popleft().tasks, places, strict=True):
                    bins[number].launches.append((run, taken))
                first = places[-1][0]  # no bin before it has room for this size any more
            if not line:
                del self._lines[size]


def _places(size: tuple[Resources, int], bins: Sequence[Bin], first: int) -> list[tuple[int, Resources]] | None:
    """A bin, by number, for each of these tasks, and what it takes there; None if not all find one."""
    resources, wanted = size
    places: list[tuple[int, Resources]] = []
    for number in range(first, len(bins)):
        while (taken := bins[number].take(resources)) is not None:
            places.append((number, taken))
            if len(places) == wanted:
                return places
    for number, taken in places:
        bins[number].give_back(taken)
    return None
