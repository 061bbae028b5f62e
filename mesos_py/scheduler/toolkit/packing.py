"""Turns waiting tasks and offers into launches, and says what is left of both.

Offers of one agent and role are used together. Reserved resources are used before unreserved ones, so that what
everybody could use stays free. Nothing is ever taken twice: each task leaves the offer smaller.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from msgspec import Struct, field
from msgspec.structs import replace

from mesos_py.scheduler.toolkit.constraints import Place
from mesos_py.scheduler.toolkit.locality import Delay, Locality
from mesos_py.scheduler.toolkit.specs import TaskSpec
from mesos_py.types.ids import TaskID
from mesos_py.types.offers import Offer
from mesos_py.types.resources import EMPTY, Resources
from mesos_py.types.tasks import TaskInfo
from mesos_py.types.values import Ranges

__all__ = ["Launchable", "Packing", "Placement", "best_fit", "delay_fit", "first_fit", "spread"]


class Placement(Struct, frozen=True, kw_only=True, gc=False):
    """A waiting task that found its place."""

    spec: TaskSpec
    task: TaskInfo
    """The spec's task with the resources it takes and the ports it was given."""
    ports: list[int]
    place: Place


class Launchable(Struct, frozen=True, kw_only=True):
    """Offers of one agent and role, and what to launch on them together."""

    offers: list[Offer]
    placements: list[Placement]

    @property
    def tasks(self) -> list[TaskInfo]:
        """The tasks, for ``framework.launch``."""
        return [placement.task for placement in self.placements]


class Packing(Struct, frozen=True, kw_only=True):
    """What to do with offers and waiting tasks.

    >>> packing = first_fit(queue, offers)
    >>> for launch in packing.launches:
    ...     framework.launch(launch.offers, launch.tasks)
    >>> framework.decline(packing.unused)
    """

    launches: list[Launchable] = field(default_factory=list)
    unused: list[Offer] = field(default_factory=list)
    """Offers that nothing was placed on: decline them."""
    waiting: list[TaskSpec] = field(default_factory=list)
    """What found no place, in the order given."""

    def placements(self) -> Iterator[Placement]:
        """All of them."""
        for launch in self.launches:
            yield from launch.placements

    def placed_ids(self) -> list[TaskID]:
        """What waits no more."""
        return [placement.spec.task_id for placement in self.placements()]


def first_fit(
    specs: Iterable[TaskSpec], offers: Iterable[Offer], placed: Mapping[str, Sequence[Place]] | None = None
) -> Packing:
    """Place each task, in order, on the first offer that can hold it: fast, and fills agents one after the other.

    Args:
        specs: What waits, the most urgent first; a TaskQueue is such.
        offers: What is offered.
        placed: Where the running tasks of each group are, for constraints.
    """
    return _pack(specs, offers, placed, _first)


def best_fit(
    specs: Iterable[TaskSpec], offers: Iterable[Offer], placed: Mapping[str, Sequence[Place]] | None = None
) -> Packing:
    """Place each task where the least is left over, so that large offers stay whole for large tasks.

    Arguments as for ``first_fit``; slower, as every offer is looked at for every task.
    """
    return _pack(specs, offers, placed, _tightest)


def spread(
    specs: Iterable[TaskSpec], offers: Iterable[Offer], placed: Mapping[str, Sequence[Place]] | None = None
) -> Packing:
    """Place each task where the fewest of its group are, so that the loss of one host takes few of them.

    Among such hosts, where the most is left over. Arguments as for ``first_fit``; slower, as ``best_fit``.
    """
    return _pack(specs, offers, placed, _emptiest)


def delay_fit(
    specs: Iterable[TaskSpec],
    offers: Iterable[Offer],
    delay: Delay,
    now: float,
    placed: Mapping[str, Sequence[Place]] | None = None,
) -> Packing:
    """Place tasks next to their data (``TaskSpec.hosts``), or as near as ``delay`` allows by now, and tell it.

    Whoever can be next to his data is, before a place goes to somebody who is farther away. Other arguments as for
    ``first_fit``. Ask for offers again at ``delay.next_deadline(now)`` if tasks wait.
    """
    offers = list(offers)
    delay.saw(offers)
    pass_ = _Pass(offers, placed)
    waiting = list(specs)
    # what may be used is decided before the first launch: a wait that was over is over for all of these
    allowed, nearest = delay.allowed(now), None
    for level in Locality:
        if level <= allowed:
            before = sum(bool(spec.hosts) for spec in waiting)
            waiting = pass_.place_all(waiting, partial(_near, delay, level))
            if nearest is None and sum(bool(spec.hosts) for spec in waiting) < before:
                nearest = level
    if nearest is not None:
        delay.launched(nearest, now)
    return pass_.packing(waiting)


class _Bin:
    """Offers of one agent and role, and what is left of them."""

    __slots__ = ("left", "offers", "place", "placements", "size")

    def __init__(self, offer: Offer) -> None:
        self.offers = [offer]
        self.left: Resources = offer.resources
        self.size = EMPTY
        self.place = Place.of(offer)
        self.placements: list[Placement] = []

    def find(self, spec: TaskSpec) -> tuple[Resources, list[int]] | None:
        """What the task would take here, and its ports."""
        executor = spec.task.executor
        left = self.left
        if executor is not None and executor.resources and not self._runs(executor.executor_id):
            if not left.contains(executor.resources):
                return None
            left -= executor.resources
        found = left.find(spec.task.resources)
        if found is None:
            return None
        if not spec.ports:
            return found, []
        chosen = _choose_ports((left - found).ports, spec.ports)
        if chosen is None:
            return None
        ports = (left - found).find(Resources({"ports": _ranges(chosen)}))
        assert ports is not None
        return found + ports, chosen

    def put(self, spec: TaskSpec, taken: Resources, ports: list[int]) -> None:
        executor = spec.task.executor
        if executor is not None and executor.resources and not self._runs(executor.executor_id):
            self.left -= executor.resources
        self.left -= taken
        task = spec.task
        if ports or taken != task.resources:
            task = replace(task, resources=taken)
        if ports and task.command is not None:
            command = task.command
            task = replace(task, command=replace(command, environment=command.environment | _port_variables(ports)))
        self.placements.append(Placement(spec=spec, task=task, ports=ports, place=self.place))

    def leftover(self, taken: Resources) -> float:
        """The mean share of the bin's scalars that would stay free."""
        left = self.left.quantities()
        gone = taken.quantities()
        whole = self.size.quantities()
        shares = [(left.get(name, 0) - gone.get(name, 0)) / all_ for name, all_ in whole.items()]
        return sum(shares) / len(shares) if shares else 0.0

    def _runs(self, executor_id: str) -> bool:
        return any(executor_id in offer.executor_ids for offer in self.offers) or any(
            p.task.executor is not None and p.task.executor.executor_id == executor_id for p in self.placements
        )


_Shape = tuple[Resources, int, object]
_Choose = Callable[["_Pass", TaskSpec], tuple[_Bin, Resources, list[int]] | None]


class _Pass:
    """One packing under way."""

    def __init__(self, offers: Iterable[Offer], placed: Mapping[str, Sequence[Place]] | None) -> None:
        bins: dict[tuple[str, str], _Bin] = {}
        for offer in offers:
            bin_ = bins.get((offer.agent_id, offer.role))
            if bin_ is None:
                bins[offer.agent_id, offer.role] = _Bin(offer)
            else:
                bin_.offers.append(offer)
                bin_.left += offer.resources
        self.bins = list(bins.values())
        for bin_ in self.bins:
            bin_.size = bin_.left
        self.placed: dict[str, list[Place]] = {group: list(places) for group, places in (placed or {}).items()}
        self.exhausted: dict[_Shape, int] = {}
        """For tasks that look alike: how many bins from the first can hold none of them any more."""

    def allows(self, spec: TaskSpec, bin_: _Bin) -> bool:
        if spec.role is not None and bin_.offers[0].role != spec.role:
            return False
        if not spec.constraints:
            return True
        others = self.placed.get(spec.group, ())
        return all(constraint.allows(bin_.place, others) for constraint in spec.constraints)

    def place_all(self, specs: Iterable[TaskSpec], choose: "_Choose") -> list[TaskSpec]:
        """Place what can be placed; what waits still."""
        waiting = []
        for spec in specs:
            choice = choose(self, spec)
            if choice is None:
                waiting.append(spec)
                continue
            bin_, taken, ports = choice
            bin_.put(spec, taken, ports)
            self.placed.setdefault(spec.group, []).append(bin_.place)
        return waiting

    def packing(self, waiting: list[TaskSpec]) -> Packing:
        """How it came out."""
        return Packing(
            launches=[Launchable(offers=b.offers, placements=b.placements) for b in self.bins if b.placements],
            unused=[offer for b in self.bins if not b.placements for offer in b.offers],
            waiting=waiting,
        )


def _pack(
    specs: Iterable[TaskSpec],
    offers: Iterable[Offer],
    placed: Mapping[str, Sequence[Place]] | None,
    choose: _Choose,
) -> Packing:
    pass_ = _Pass(offers, placed)
    return pass_.packing(pass_.place_all(specs, choose))


def _first(pass_: _Pass, spec: TaskSpec) -> tuple[_Bin, Resources, list[int]] | None:
    # Bins only get emptier, so where one task did not fit, its likes do not either: do not look there again.
    shape = (spec.task.resources, spec.ports, spec.role)
    plain = not spec.constraints and spec.task.executor is None
    start = pass_.exhausted.get(shape, 0) if plain else 0
    for index in range(start, len(pass_.bins)):
        bin_ = pass_.bins[index]
        if pass_.allows(spec, bin_) and (found := bin_.find(spec)) is not None:
            if plain:
                pass_.exhausted[shape] = index
            return bin_, *found
    if plain:
        pass_.exhausted[shape] = len(pass_.bins)
    return None


def _tightest(pass_: _Pass, spec: TaskSpec) -> tuple[_Bin, Resources, list[int]] | None:
    best: tuple[float, _Bin, Resources, list[int]] | None = None
    for bin_ in pass_.bins:
        if pass_.allows(spec, bin_) and (found := bin_.find(spec)) is not None:
            leftover = bin_.leftover(found[0])
            if best is None or leftover < best[0]:
                best = leftover, bin_, *found
    return None if best is None else best[1:]


def _emptiest(pass_: _Pass, spec: TaskSpec) -> tuple[_Bin, Resources, list[int]] | None:
    mates = Counter(place.hostname for place in pass_.placed.get(spec.group, ()))
    best: tuple[tuple[int, float], _Bin, Resources, list[int]] | None = None
    for bin_ in pass_.bins:
        if pass_.allows(spec, bin_) and (found := bin_.find(spec)) is not None:
            rank = mates[bin_.place.hostname], -bin_.leftover(found[0])
            if best is None or rank < best[0]:
                best = rank, bin_, *found
    return None if best is None else best[1:]


def _near(delay: Delay, level: Locality, pass_: _Pass, spec: TaskSpec) -> tuple[_Bin, Resources, list[int]] | None:
    for bin_ in pass_.bins:
        near_enough = delay.level_at(spec, bin_.place) <= level
        if near_enough and pass_.allows(spec, bin_) and (found := bin_.find(spec)) is not None:
            return bin_, *found
    return None


def _choose_ports(ranges: Ranges, count: int) -> list[int] | None:
    """The lowest ports of the ranges, or None if there are too few."""
    chosen: list[int] = []
    for begin, end in ranges:
        chosen.extend(range(begin, min(end, begin + count - len(chosen) - 1) + 1))
        if len(chosen) == count:
            return chosen
    return None


def _ranges(ports: Iterable[int]) -> Ranges:
    """Ascending ports as ranges."""
    ranges: list[tuple[int, int]] = []
    for port in ports:
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1] = (ranges[-1][0], port)
        else:
            ranges.append((port, port))
    return tuple(ranges)


def _port_variables(ports: Sequence[int]) -> dict[str, str]:
    numbered = {f"PORT{index}": str(port) for index, port in enumerate(ports)}
    return {"PORT": str(ports[0]), "PORTS": ",".join(map(str, ports)), **numbered}
