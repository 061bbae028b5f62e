"""Gathers offers for rigid jobs, which start on all their places at once or not at all.

Offers come one by one, so what a gang has found so far must be held until the rest comes. Two who hold what the other
lacks would wait for ever. Therefore no offer is held for longer than ``hold_s``: the gang that held it gives back all
it has and rests, longer each time and never as long as another, so that one of the two finds everything free.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from mesos_py.errors import UserError
from mesos_py.types.ids import AgentID, OfferID
from mesos_py.types.offers import Offer
from mesos_py.types.resources import EMPTY, Resources

__all__ = ["Assembly", "Gang", "GangLaunch", "GangPolicy", "GangShare", "Gangs"]


class Gang(Struct, frozen=True, kw_only=True):
    """So many members that start together. Resources are given unreserved."""

    key: str
    count: int
    member: Resources
    """Of each member."""
    per_agent: Resources = EMPTY
    """Needed once besides on each agent that has members, such as for an executor."""
    most: Mapping[AgentID, int] | None = None
    """Only on these agents, and at most so many on each; None: anywhere."""

    def taken(self, count: int) -> Resources:
        """What so many members take on one agent."""
        return Resources.sum([self.member] * count) + self.per_agent


class GangPolicy(Struct, frozen=True, kw_only=True):
    """How long to hold what does not suffice, and how long to rest after giving it back. Raises UserError."""

    hold_s: float = 10.0
    rest_s: float = 1.0
    """After the first time in vain; doubled after each further one, and spread by half of it either way."""
    cap_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.hold_s > 0 or not self.rest_s > 0 or not self.cap_s >= self.rest_s:
            raise UserError("a gang policy needs times above zero, and a cap that is no less than the first rest")


class GangShare(Struct, frozen=True, kw_only=True):
    """The members of one gang on one agent."""

    key: str
    count: int
    resources: Resources
    """Of all of them together, with ``per_agent``, as ``Gang.taken``."""


class GangLaunch(Struct, frozen=True, kw_only=True):
    """Offers of one agent and role, and whose members to launch on them, in one call."""

    offers: list[Offer]
    shares: list[GangShare]


class Assembly(Struct, frozen=True, kw_only=True):
    """What to do now."""

    started: list[str] = field(default_factory=list)
    """Gangs that have all their places."""
    launches: list[GangLaunch] = field(default_factory=list)
    unused: list[Offer] = field(default_factory=list)
    """Of no use to any gang, or held for long enough: decline them."""


class _Wait(Struct):
    claims: set[OfferID] = field(default_factory=set)
    in_vain: int = 0
    rests_until: float = 0.0


class _Bin:
    """Offers of one agent and role, and what is left of them."""

    def __init__(self) -> None:
        self.offers: list[Offer] = []
        self.left = EMPTY
        self.shares: list[GangShare] = []
        self.claimed = False

    def room(self, gang: Gang, wanted: int) -> int:
        """How many members it could hold."""
        agent_id = self.offers[0].agent_id
        most = wanted if gang.most is None else min(wanted, gang.most.get(agent_id, 0))
        left, count = self.left.flatten().less(gang.per_agent), 0
        while left is not None and count < most and (left := left.less(gang.member)) is not None:
            count += 1
        return count

    def take(self, gang: Gang, count: int) -> GangShare:
        resources = gang.taken(count)
        found = self.left.find(resources)
        assert found is not None
        self.left -= found
        return GangShare(key=gang.key, count=count, resources=resources)


class Gangs:
    """Holds offers for gangs, each for at most ``policy.hold_s``.

    >>> gangs = Gangs(GangPolicy(hold_s=10), seed="batch")
    >>> gangs.offered(offers, now)
    >>> assembly = gangs.assemble([Gang(key="wide", count=4, member=Resources.of(cpus=2))], now)
    >>> for launch in assembly.launches:
    ...     framework.launch(launch.offers, tasks_of(launch.shares))
    >>> framework.decline(assembly.unused)
    """

    def __init__(self, policy: GangPolicy | None = None, *, seed: str = "") -> None:
        """``seed`` makes our rests differ from those of others; a framework's id is one."""
        self._policy = policy or GangPolicy()
        self._seed = seed
        self._held: dict[OfferID, tuple[Offer, float]] = {}
        self._waits: dict[str, _Wait] = {}

    def offered(self, offers: Iterable[Offer], now: float) -> None:
        """These came; ``assemble`` says what to do with them."""
        for offer in offers:
            self._held[offer.offer_id] = offer, now

    def lost(self, offers: Iterable[Offer] | None = None) -> None:
        """These were rescinded; by default all, as after a change of masters."""
        for offer_id in list(self._held) if offers is None else [offer.offer_id for offer in offers]:
            self._held.pop(offer_id, None)

    @property
    def held(self) -> list[Offer]:
        """What is held now."""
        return [offer for offer, _ in self._held.values()]

    def next_deadline(self) -> float | None:
        """When to call ``assemble`` if nothing else happens first."""
        ends = [since + self._policy.hold_s for _, since in self._held.values()]
        return min(ends + [wait.rests_until for wait in self._waits.values() if wait.rests_until], default=None)

    def assemble(self, gangs: Sequence[Gang], now: float) -> Assembly:
        """Start what has all its places, in this order; hold for the others what may still do.

        A gang that is not named any more is forgotten. An earlier one's claims come first.
        """
        self._waits = {gang.key: self._waits.get(gang.key) or _Wait() for gang in gangs}
        expired = {offer_id for offer_id, (_, since) in self._held.items() if now - since >= self._policy.hold_s}
        bins = self._bins()
        started = []
        for gang in gangs:
            wait = self._waits[gang.key]
            if wait.rests_until > now:
                continue
            wait.rests_until = 0.0
            places = _places(gang, bins)
            if sum(count for _, count in places) == gang.count:
                for bin_, count in places:
                    bin_.shares.append(bin_.take(gang, count))
                started.append(gang.key)
                del self._waits[gang.key]
            elif wait.claims & expired:
                self._give_up(gang, wait, now)
            else:
                self._claim(gang, wait, places, expired)
        return self._settle(bins, started, expired)

    def _bins(self) -> list[_Bin]:
        bins: dict[tuple[str, str], _Bin] = {}
        for offer, _ in self._held.values():
            bin_ = bins.setdefault((offer.agent_id, offer.role), _Bin())
            bin_.offers.append(offer)
            bin_.left += offer.resources
        return list(bins.values())

    def _give_up(self, gang: Gang, wait: _Wait, now: float) -> None:
        policy = self._policy
        wait.claims = set()
        wait.in_vain += 1
        rest_s = min(policy.cap_s, policy.rest_s * 2.0 ** min(wait.in_vain - 1, 32))
        spread = zlib.crc32(f"{self._seed}/{gang.key}/{wait.in_vain}".encode()) / 2**32
        wait.rests_until = now + rest_s * (0.5 + spread)

    @staticmethod
    def _claim(gang: Gang, wait: _Wait, places: Sequence[tuple[_Bin, int]], expired: set[OfferID]) -> None:
        wait.claims = set()
        for bin_, count in places:
            offer_ids = {offer.offer_id for offer in bin_.offers}
            if not offer_ids & expired:
                bin_.take(gang, count)
                bin_.claimed = True
                wait.claims |= offer_ids

    def _settle(self, bins: Iterable[_Bin], started: list[str], expired: set[OfferID]) -> Assembly:
        launches, unused = [], []
        for bin_ in bins:
            if bin_.shares:
                launches.append(GangLaunch(offers=bin_.offers, shares=bin_.shares))
            elif not bin_.claimed:
                unused.extend(bin_.offers)
            else:
                continue
            self.lost(bin_.offers)
        assert not expired & self._held.keys()
        return Assembly(started=started, launches=launches, unused=unused)


def _places(gang: Gang, bins: Iterable[_Bin]) -> list[tuple[_Bin, int]]:
    """Where its members could go, as many as there is room for."""
    places, missing = [], gang.count
    for bin_ in bins:
        if missing and (count := bin_.room(gang, missing)):
            places.append((bin_, count))
            missing -= count
    return places
