"""Decides which jobs start now and where, and when the others will: conservative backfill.

Each job in turn gets the earliest time at which all its chunks find room until its walltime is over. What that takes is
taken from all who come behind it. So a small job may pass a wide one, but only where it delays nobody before it, and a
wide one has a time that comes. No clock, no state: the same book gives the same plan.
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct, field

from mesos_py.types.ids import AgentID
from mesos_py.types.resources import Resources

__all__ = ["Plan", "Use", "Wish", "plan", "room"]


class Wish(Struct, frozen=True, kw_only=True):
    """A job that waits: so many chunks, each on one agent, for so long."""

    key: str
    count: int
    chunk: Resources
    per_agent: Resources
    """Needed once besides on each agent."""
    walltime_s: float


class Use(Struct, frozen=True, kw_only=True):
    """What a job that runs has, and until when at the latest."""

    places: Mapping[AgentID, Resources]
    until: float


class Plan(Struct, kw_only=True):
    """When and where jobs start."""

    starts: dict[str, dict[AgentID, int]] = field(default_factory=dict)
    """Now: chunks by agent."""
    later: dict[str, float] = field(default_factory=dict)
    """By then."""
    never: list[str] = field(default_factory=list)
    """Not on these agents, even if all were free."""


class _Segment:
    """What is free from ``begin`` to the next segment."""

    __slots__ = ("begin", "free")

    def __init__(self, begin: float, free: dict[AgentID, Resources]) -> None:
        self.begin = begin
        self.free = free

    def __lt__(self, other: "_Segment") -> bool:
        return self.begin < other.begin


def plan(
    agents: Mapping[AgentID, Resources],
    uses: Iterable[Use],
    wishes: Sequence[Wish],
    now: float,
    preferred: Collection[AgentID] = (),
) -> Plan:
    """The plan for these wishes, the first first.

    Args:
        agents: All that each has, unreserved form.
        uses: Of jobs that run.
        wishes: Of jobs that wait.
        now: Seconds; any clock.
        preferred: Agents to use first where there is a choice, such as those with an offer in hand.
    """
    order = sorted(agents, key=lambda agent_id: agent_id not in preferred)  # stable
    profile = [_Segment(now, {agent_id: agents[agent_id] for agent_id in order})]
    for use in uses:
        _book(profile, use.places, now, max(use.until, now + 1.0))
    result = Plan()
    begins: dict[tuple[int, Resources, Resources, float], float] = {}
    for wish in wishes:
        # what is free only becomes less, so nobody begins before an earlier one that looks alike
        shape = wish.count, wish.chunk, wish.per_agent, wish.walltime_s
        found = _earliest(profile, wish, begins.get(shape, now))
        if found is None:
            result.never.append(wish.key)
            continue
        begin, places = found
        begins[shape] = begin
        taken = {agent_id: _taken(wish, count) for agent_id, count in places.items()}
        _book(profile, taken, begin, begin + wish.walltime_s)
        if begin <= now:
            result.starts[wish.key] = places
        else:
            result.later[wish.key] = begin
    return result


def room(wish: Wish, free: Resources) -> int:
    """How many of its chunks fit."""
    left, count = free.less(wish.per_agent), 0
    while left is not None and count < wish.count and (left := left.less(wish.chunk)) is not None:
        count += 1
    return count


def _taken(wish: Wish, count: int) -> Resources:
    return Resources.sum([wish.chunk] * count) + wish.per_agent


def _earliest(profile: Sequence[_Segment], wish: Wish, not_before: float) -> tuple[float, dict[AgentID, int]] | None:
    profile = profile[bisect_left(profile, _Segment(not_before, {})) :]
    rooms: list[dict[AgentID, int]] = [
        {agent_id: count for agent_id, free in segment.free.items() if (count := room(wish, free))}
        for segment in profile
    ]
    for first, segment in enumerate(profile):
        common = rooms[first]
        for later in range(first + 1, len(profile)):
            if profile[later].begin >= segment.begin + wish.walltime_s or not common:
                break
            there = rooms[later]
            common = {agent_id: min(count, there[agent_id]) for agent_id, count in common.items() if agent_id in there}
        if sum(common.values()) >= wish.count:
            return segment.begin, _spread(common, wish.count)
    return None


def _spread(rooms: Mapping[AgentID, int], count: int) -> dict[AgentID, int]:
    """One on each agent in turn until all have a place."""
    places: dict[AgentID, int] = {}
    while count:
        for agent_id, most in rooms.items():
            if count and places.get(agent_id, 0) < most:
                places[agent_id] = places.get(agent_id, 0) + 1
                count -= 1
    return places


def _book(profile: list[_Segment], places: Mapping[AgentID, Resources], begin: float, end: float) -> None:
    for at in (begin, end):
        before = max((segment for segment in profile if segment.begin <= at), key=lambda segment: segment.begin)
        if before.begin != at:
            insort(profile, _Segment(at, dict(before.free)))
    for segment in profile:
        if begin <= segment.begin < end:
            for agent_id, taken in places.items():
                if (free := segment.free.get(agent_id)) is not None:
                    segment.free[agent_id] = free.less(taken) or Resources()
