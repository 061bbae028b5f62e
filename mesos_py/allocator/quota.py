"""What roles are sure of and may not exceed: how much of what is free may go to whom, and which offers may not stay.

Quantities of the whole cluster are counted, one resource at a time. A top-level role **consumes** what is reserved to
it or to a role below it, used or idle, and what its frameworks hold besides, offered or in use. It **lacks** what it
consumes less than its guarantee. Of what is free and unreserved, as much as all roles lack is **headroom**: it is kept
for them, also while no framework is there to want it. What is free beyond it is **slack**. So a role may be given, of
each resource, ``min(limit - consumed, lacks + slack)``; one without a quota, the slack.

The same account says when what was kept from somebody must be looked at again: not before more may be given to a role.
"""

from collections.abc import Iterable, Mapping
from operator import gt
from typing import Final

from mesos_py.types.ids import Role
from mesos_py.types.offers import Offer
from mesos_py.types.quota import Quota
from mesos_py.types.resources import EMPTY, Resources
from mesos_py.types.roles import top_of

__all__ = ["Quotas"]

_BASIC: Final = ("cpus", "mem")
_ENDLESS: Final = 1 << 62


class _Standing:
    """How a role with a quota stands."""

    __slots__ = ("consumed", "names", "quota")

    def __init__(self, quota: Quota, consumed: Mapping[str, int] | None = None) -> None:
        self.quota = quota
        self.names: list[str] = []
        """What is not without end for it: what its limit or the guarantee of any role speaks of."""
        self.consumed = dict(consumed or dict.fromkeys([*quota.guarantee, *quota.limit], 0))
        """Only of what the quota speaks of."""

    def add(self, amounts: Mapping[str, int], sign: int) -> None:
        for name, amount in amounts.items():
            if name in self.consumed:
                self.consumed[name] += sign * amount

    def lacks(self, name: str) -> int:
        guarantee = self.quota.guarantee.get(name)
        return 0 if guarantee is None else max(0, guarantee - self.consumed[name])

    def is_hungry(self) -> bool:
        return any(amount > self.consumed[name] for name, amount in self.quota.guarantee.items())

    def spares(self, name: str, amount: int) -> int:
        """How much of this it could give back without lacking it then."""
        guarantee = self.quota.guarantee.get(name)
        return amount if guarantee is None else min(amount, max(0, self.consumed[name] - guarantee))

    def is_over(self, names: Iterable[str]) -> bool:
        limit = self.quota.limit
        return any(self.consumed[name] > limit[name] for name in names if name in limit)


class Quotas:
    """The quotas of all top-level roles; costs nothing while there are none."""

    def __init__(self) -> None:
        self.roles: dict[Role, _Standing] = {}
        """Those with a quota."""
        self.order: list[Role] = []
        """Their names, in order."""
        self.limits_held = False
        """Nobody is given what a limit of its role speaks of: not all that is consumed is known yet."""
        self.touched = False
        """Since the last pass something came free or was lost: more may be given, or offers may be too much."""
        self.cut = False
        """Something was kept from somebody since this was last set to False."""
        self._available: dict[str, int] = {}
        """Free and unreserved on active agents, of what guarantees speak of."""
        self._lacking: dict[str, int] = {}
        """What all roles lack, of the same."""
        self._limits: list[tuple[str, int, dict[str, int]]] = []
        """Every limit, with what its role consumes."""
        self._tightest: list[int] | None = None
        """As open as it was, or less, whenever something was kept from somebody since it was last looked at again."""

    def set(self, quotas: Mapping[Role, Quota]) -> None:
        """Replace all quotas, and forget the account: it must be told again of all agents."""
        self.roles = {role: _Standing(quota) for role, quota in quotas.items()}
        self.order = sorted(quotas)
        self._lacking = {}
        for quota in quotas.values():
            for name, amount in quota.guarantee.items():
                self._lacking[name] = self._lacking.get(name, 0) + amount
        self._available = dict.fromkeys(self._lacking, 0)
        for standing in self.roles.values():
            standing.names = list({**self._lacking, **standing.quota.limit})
        self._limits = [
            (name, limit, standing.consumed)
            for standing in self.roles.values()
            for name, limit in standing.quota.limit.items()
        ]
        self._tightest = None
        self.touched = bool(self.roles)

    # The account

    def join(self, total: Resources) -> None:
        """There is an active agent, and nothing of it is promised to anybody."""
        self._consume_reserved(total, 1)
        self._count_available(total, 1)

    def leave(self, total: Resources, *, active: bool) -> None:
        """An agent is no more; nothing of it was promised any more."""
        self._consume_reserved(total, -1)
        if active:
            self._count_available(total, -1)
        self.touched = True

    def set_active(self, free: Resources, *, active: bool) -> None:
        """What is free on an agent may be offered from now on, or no longer."""
        self._count_available(free, 1 if active else -1)
        self.touched = True

    def charge(self, role: Role, resources: Resources, *, active: bool) -> None:
        """What was free on an agent is promised to a role."""
        self._consume(role, resources, 1)
        if active:
            self._count_available(resources, -1)

    def release(self, role: Role, resources: Resources, *, active: bool) -> None:
        """What was promised is free."""
        self._consume(role, resources, -1)
        if active:
            self._count_available(resources, 1)
        self.touched = True

    def account(self) -> tuple[object, ...]:
        """All that is counted, to be compared."""
        return self._available, self._lacking, {role: standing.consumed for role, standing in self.roles.items()}

    def _consume_reserved(self, total: Resources, sign: int) -> None:
        for role in total.roles():
            self._consume(role, total.reserved(role).flatten(), sign)

    def _consume(self, role: Role, resources: Resources, sign: int) -> None:
        """Of what is named by plain keys; reserved resources have others, and were consumed when their agent came."""
        standing = self.roles.get(top_of(role))
        if standing is None:
            return
        for name in standing.consumed:
            amount = resources.get(name)
            if isinstance(amount, int):
                before = standing.lacks(name)
                standing.consumed[name] += sign * amount
                if name in self._lacking:
                    self._lacking[name] += standing.lacks(name) - before

    def _count_available(self, resources: Resources, sign: int) -> None:
        for name in self._available:
            amount = resources.get(name)
            if isinstance(amount, int):
                self._available[name] += sign * amount

    # Giving

    def hungry(self) -> list[Role]:
        """The roles below their guarantee."""
        return [role for role, standing in self.roles.items() if standing.is_hungry()]

    def is_plenty(self, bundle: Resources) -> bool:
        """True if nothing of this bundle of free resources is kept from anybody; a quick answer for the usual case."""
        for name in self._lacking:
            amount = bundle.get(name)
            if isinstance(amount, int) and amount > self._available[name] - self._lacking[name]:
                return False
        for name, limit, consumed in self._limits:
            amount = bundle.get(name)
            if isinstance(amount, int) and (self.limits_held or amount > limit - consumed[name]):
                return False
        return True

    def most(self, role: Role, bundle: Resources, *, sure: bool) -> Resources:
        """What of a bundle of free resources may go to a role.

        If ``sure``, then only to bring the role nearer to its guarantee: of what it lacks no more than that, and
        nothing if the bundle has none of it. What it lacks nothing of comes along, as much as others might have.
        Nothing goes without cpus or memory where a quota keeps all of them: it would be of no use, and what is kept
        would be neither.
        """
        standing = self.roles.get(top_of(role))
        cut: dict[str, int] = {}
        nearer = False
        for name in self._lacking if standing is None else standing.names:
            amount = bundle.get(name)
            if isinstance(amount, int):
                most = self._most(standing, name, sure=sure)
                if most < amount:
                    cut[name] = most
                nearer = nearer or (sure and most > 0 and standing is not None and standing.lacks(name) > 0)
        if sure and not nearer:
            return EMPTY
        if not cut:
            return bundle
        self.cut = True
        part = Resources({**dict(bundle.items()), **cut})
        return EMPTY if any(bundle.scalar(name) and not part.scalar(name) for name in _BASIC) else part

    def _most(self, standing: _Standing | None, name: str, *, sure: bool) -> int:
        lacks = standing.lacks(name) if standing else 0
        if sure and lacks:
            most = lacks
        elif name in self._lacking:
            most = lacks + self._slack(name)
        else:
            most = _ENDLESS
        if standing and name in standing.quota.limit:
            room = 0 if self.limits_held else standing.quota.limit[name] - standing.consumed[name]
            most = min(most, max(0, room))
        return most

    def _slack(self, name: str) -> int:
        return max(0, self._available[name] - self._lacking[name])

    # Looking again

    def has_reopened(self) -> bool:
        """Whether more may be given to some role than when something was kept from somebody; asked by every pass."""
        self.touched = False
        reopened = self._tightest is not None and any(map(gt, self._openness(), self._tightest))
        if reopened:
            self._tightest = None
        return reopened

    def note_openness(self) -> None:
        """A pass has ended: what is kept now is kept although so much may be given."""
        now = self._openness()
        self._tightest = now if self._tightest is None else list(map(min, now, self._tightest))

    def _openness(self) -> list[int]:
        """Rises in some place whenever more may be given to some role."""
        slack = [self._slack(name) for name in self._lacking]
        return slack + [-amount for standing in self.roles.values() for amount in standing.consumed.values()]

    # Taking back

    def excess(self, offers: Iterable[Offer]) -> list[Offer]:
        """Those of these offers, in this order, that break a limit or hold what is wanting for the headroom."""
        wanting = {name: lacking - self._available[name] for name, lacking in self._lacking.items()}
        wanting = {name: amount for name, amount in wanting.items() if amount > 0}
        if not wanting and not any(standing.is_over(standing.consumed) for standing in self.roles.values()):
            return []
        standings = {role: _Standing(standing.quota, standing.consumed) for role, standing in self.roles.items()}
        excess = []
        for offer in offers:
            standing = standings.get(top_of(offer.role))
            amounts = offer.resources.unreserved().quantities()
            wanted = [name for name in amounts if name in wanting]
            spared = {name: standing.spares(name, amounts[name]) if standing else amounts[name] for name in wanted}
            if any(spared.values()) or (standing and standing.is_over(amounts)):
                excess.append(offer)
                wanting = {name: amount - spared.get(name, 0) for name, amount in wanting.items()}
                wanting = {name: amount for name, amount in wanting.items() if amount > 0}
                if standing:
                    standing.add(amounts, -1)
        return excess
