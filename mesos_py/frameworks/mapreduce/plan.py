"""Decides what of a job runs next: attempts, second copies of stragglers, what is done again, and when all is done.

Pure: events in, orders out. Maps come first; reduces begin when the output of every map is there. Map output lives on
the agents that made it: when one is lost, its maps run again, unless all reduces are done.
"""

from collections.abc import Iterable
from enum import StrEnum
from statistics import median
from typing import assert_never

from msgspec import Struct, field

from mesos_py.errors import InvariantError

__all__ = [
    "AttemptEnded",
    "AttemptStarted",
    "Commit",
    "Committed",
    "CopyWanted",
    "Finish",
    "GiveUp",
    "JobPlan",
    "Kill",
    "Kind",
    "NotCommitted",
    "PlanPolicy",
    "SiteLost",
    "Start",
    "Unwant",
    "Work",
]


class Kind(StrEnum):
    """What a piece of work does."""

    MAP = "map"
    REDUCE = "reduce"


class Work(Struct, frozen=True, order=True):
    """A piece of work."""

    kind: Kind
    index: int


class PlanPolicy(Struct, frozen=True, kw_only=True):
    """When a job is given up, and when a copy of an attempt is started."""

    attempts: int = 4
    speculative: bool = True
    slow: float = 1.5
    """An attempt that takes so many times as long as others did is slow ..."""
    slow_s: float = 10.0
    """... if it has run for at least so long ..."""
    known: float = 0.5
    """... and so large a share of its kind is done."""


# Events


class AttemptStarted(Struct, frozen=True):
    """It was launched, on a site."""

    attempt: str
    site: str


class AttemptEnded(Struct, frozen=True, kw_only=True):
    """It has ended: well, by a failure of its own, or for no fault of its own."""

    attempt: str
    well: bool = False
    counts: bool = True
    """Whether a failure is the attempt's own."""
    final: bool = False
    """It is no use to try again."""
    why: str = ""
    lost: tuple[int, ...] = ()
    """Maps whose output it could not get."""
    lost_at: tuple[str, ...] = ()
    """The attempts whose output that was."""


class SiteLost(Struct, frozen=True):
    """All that is kept on a site is gone."""

    site: str


class Committed(Struct, frozen=True):
    """The output of an attempt is part of the job's."""

    attempt: str


class NotCommitted(Struct, frozen=True):
    """The output of an attempt could not be had."""

    attempt: str
    why: str


class CopyWanted(Struct, frozen=True):
    """Time has passed: see which attempts are slow."""


Event = AttemptStarted | AttemptEnded | SiteLost | Committed | NotCommitted | CopyWanted

# Orders


class Start(Struct, frozen=True):
    """Find a place for a new attempt, and launch it there; not where its work is being done already."""

    attempt: str
    work: Work
    avoid: tuple[str, ...] = ()


class Unwant(Struct, frozen=True):
    """Look for a place no more."""

    attempt: str


class Kill(Struct, frozen=True):
    """End it: it is not needed."""

    attempt: str


class Commit(Struct, frozen=True):
    """Make the output of an attempt that of the job; answer with Committed or NotCommitted."""

    attempt: str
    work: Work


class Finish(Struct, frozen=True):
    """All is done."""


class GiveUp(Struct, frozen=True):
    """The job has failed."""

    why: str


Order = Start | Unwant | Kill | Commit | Finish | GiveUp


class _Attempt(Struct):
    name: str
    work: Work
    site: str = ""
    """Empty while it waits for a place."""
    since: float = 0.0


class _Progress(Struct):
    tried: int = 0
    failures: int = 0
    live: dict[str, _Attempt] = field(default_factory=dict)
    done: _Attempt | None = None
    """The attempt that ended well."""
    committed: bool = False


class JobPlan:
    """One job's progress."""

    def __init__(self, maps: int, reduces: int, policy: PlanPolicy | None = None) -> None:
        """``begin`` gives the first orders."""
        self._policy = policy or PlanPolicy()
        self._works = {Work(Kind.MAP, index): _Progress() for index in range(maps)}
        self._works |= {Work(Kind.REDUCE, index): _Progress() for index in range(reduces)}
        self._reduces = reduces
        self._attempts: dict[str, _Attempt] = {}
        self._took: dict[Kind, list[float]] = {Kind.MAP: [], Kind.REDUCE: []}
        self.over = False

    def begin(self) -> list[Order]:
        """What to start with."""
        return self._go_on()

    def handle(self, event: Event, now: float) -> list[Order]:
        """What follows from it; nothing once the job is over."""
        if self.over:
            return []
        match event:
            case AttemptStarted():
                attempt = self._attempts.get(event.attempt)
                if attempt is not None:
                    attempt.site, attempt.since = event.site, now
                return []
            case AttemptEnded():
                return self._ended(event, now)
            case SiteLost():
                return self._site_lost(event.site)
            case Committed():
                return self._committed(event.attempt)
            case NotCommitted():
                return self._not_committed(event)
            case CopyWanted():
                return self._copies(now)
            case _:
                assert_never(event)

    # What can be asked

    def done(self, kind: Kind) -> int:
        """How many of a kind are done for now."""
        return sum(each.done is not None for work, each in self._works.items() if work.kind is kind)

    def count(self, kind: Kind) -> int:
        """How many of a kind there are."""
        return sum(work.kind is kind for work in self._works)

    def map_outputs(self) -> list[tuple[int, str]]:
        """Index and attempt of each map that is done."""
        return [
            (work.index, each.done.name)
            for work, each in self._works.items()
            if work.kind is Kind.MAP and each.done is not None
        ]

    def work_of(self, attempt: str) -> Work | None:
        """What a live attempt does."""
        found = self._attempts.get(attempt)
        return found.work if found is not None else None

    def check(self) -> None:
        """Raise InvariantError if this cannot be."""
        for work, each in self._works.items():
            if not self.over and each.done is None and not each.live and self._is_due(work):
                raise InvariantError(f"nobody does {work}")
            if len(each.live) > 2:
                raise InvariantError(f"{work} is done by {list(each.live)}")
            if each.committed and each.done is None:
                raise InvariantError(f"{work} is committed and not done")

    # What happens

    def _ended(self, event: AttemptEnded, now: float) -> list[Order]:
        attempt = self._attempts.pop(event.attempt, None)
        if attempt is None:
            return []
        each = self._works[attempt.work]
        del each.live[attempt.name]
        if event.well and each.done is None:
            return self._well(attempt, each, now)
        if event.well:
            return []
        orders: list[Order] = []
        if event.counts and not event.lost:
            each.failures += 1
            if event.final or each.failures >= self._policy.attempts:
                return self._give_up(attempt.work, each, event.why)
        orders += self._lose(attempt_name for attempt_name in event.lost_at)
        return [*orders, *self._go_on()]

    def _well(self, attempt: _Attempt, each: _Progress, now: float) -> list[Order]:
        each.done = attempt
        self._took[attempt.work.kind].append(now - attempt.since)
        orders = self._drop(each)
        if self._is_output(attempt.work):
            return [*orders, Commit(attempt.name, attempt.work)]
        return [*orders, *self._go_on()]

    def _committed(self, name: str) -> list[Order]:
        for each in self._works.values():
            if each.done is not None and each.done.name == name:
                each.committed = True
        outputs = [each for work, each in self._works.items() if self._is_output(work)]
        if all(each.committed for each in outputs):
            self.over = True
            return [Finish()]
        return []

    def _not_committed(self, event: NotCommitted) -> list[Order]:
        for work, each in self._works.items():
            if each.done is not None and each.done.name == event.attempt and not each.committed:
                each.done = None
                each.failures += 1
                if each.failures >= self._policy.attempts:
                    return self._give_up(work, each, event.why)
        return self._go_on()

    def _site_lost(self, site: str) -> list[Order]:
        """What runs there ends with updates of its own; here it is what was kept there."""
        names = [e.done.name for e in self._works.values() if e.done is not None and e.done.site == site]
        return [*self._lose(names), *self._go_on()]

    def _lose(self, names: Iterable[str]) -> list[Order]:
        """Map outputs are gone; reduces that have no place yet wait until they are there again."""
        gone = set(names)
        again = False
        for work, each in self._works.items():
            kept = each.done is not None and each.done.name in gone
            if kept and work.kind is Kind.MAP and not self._is_output(work):
                each.done = None
                again = True
        orders: list[Order] = []
        for work, each in self._works.items():
            if again and work.kind is Kind.REDUCE:
                for attempt in [a for a in each.live.values() if not a.site]:
                    orders.append(Unwant(attempt.name))
                    del each.live[attempt.name], self._attempts[attempt.name]
        return orders

    def _copies(self, now: float) -> list[Order]:
        if not self._policy.speculative or any(not attempt.site for attempt in self._attempts.values()):
            return []
        orders: list[Order] = []
        for kind, took in self._took.items():
            if not took or len(took) < self._policy.known * self.count(kind):
                continue
            slow_s = max(self._policy.slow_s, self._policy.slow * median(took))
            for work, each in self._works.items():
                if work.kind is kind and len(each.live) == 1 and each.done is None:
                    (attempt,) = each.live.values()
                    if now - attempt.since > slow_s:
                        orders.append(self._start(work, each))
        return orders

    def _go_on(self) -> list[Order]:
        """Start what is due and nobody does."""
        if self.over:
            return []
        if not any(self._is_output(work) for work in self._works):
            self.over = True
            return [Finish()]
        return [
            self._start(work, each)
            for work, each in self._works.items()
            if each.done is None and not each.live and self._is_due(work)
        ]

    def _start(self, work: Work, each: _Progress) -> Start:
        each.tried += 1
        attempt = _Attempt(f"{work.kind}-{work.index}.{each.tried}", work)
        avoid = tuple(other.site for other in each.live.values())
        each.live[attempt.name] = self._attempts[attempt.name] = attempt
        return Start(attempt.name, work, avoid)

    def _drop(self, each: _Progress) -> list[Order]:
        """Others that do the same are not needed."""
        orders: list[Order] = [Kill(a.name) if a.site else Unwant(a.name) for a in each.live.values()]
        for name in each.live:
            del self._attempts[name]
        each.live.clear()
        return orders

    def _give_up(self, work: Work, each: _Progress, why: str) -> list[Order]:
        self.over = True
        times = "" if each.failures <= 1 else f" {each.failures} times"
        return [GiveUp(f"{work.kind} {work.index} failed{times}: {why}")]

    def _is_output(self, work: Work) -> bool:
        return work.kind is Kind.REDUCE or not self._reduces

    def _is_due(self, work: Work) -> bool:
        if work.kind is Kind.MAP:
            return not self._reduces or not self._all_reduced()
        return all(each.done is not None for other, each in self._works.items() if other.kind is Kind.MAP)

    def _all_reduced(self) -> bool:
        return all(each.done is not None for work, each in self._works.items() if work.kind is Kind.REDUCE)
