"""Who is offered what of the agents that a pass looks at."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from mesos_py.allocator.accounts import Accounts, Agent, Claim
from mesos_py.allocator.base import Allocation
from mesos_py.allocator.demand import Minima
from mesos_py.allocator.filters import OfferFilters
from mesos_py.allocator.refusals import Refusals
from mesos_py.allocator.sorter import Sorter
from mesos_py.types.ids import AgentID, FrameworkID, Role
from mesos_py.types.resources import EMPTY, Resources

__all__ = ["EVERYBODY", "Server", "merged"]

EVERYBODY = -1
"""As a mask of clients."""

_ANY_OTHER = Role("")
"""Stands for every role that nothing is reserved to and that has no quota."""


class Server:
    """Charges and makes allocations of what is free, client by client in the sorter's order."""

    def __init__(
        self,
        sorter: Sorter[Claim],
        accounts: Accounts,
        filters: OfferFilters,
        minima: Minima,
        refusals: Refusals,
        note_demand: Callable[[Claim, Mapping[Resources, int]], None],
    ) -> None:
        """``note_demand`` is called when what a client wants has changed, with what it wanted before."""
        self._sorter = sorter
        self._accounts = accounts
        self._quotas = accounts.quotas
        self._filters = filters
        self._minima = minima
        self._refusals = refusals
        self._note_demand = note_demand
        self._looked = 0
        """How much had been made when all agents were last looked at for what roles lack."""
        self.withheld: dict[Agent, None] = {}
        """Agents with something free that a quota kept from somebody in line."""

    def serve(self, agents: Collection[Agent], clients: int, made: list[Allocation]) -> None:
        """Offer what is free on these agents to these clients: first what roles lack to their guarantees.

        With quotas, what one of them leaves of an agent is for everybody: it may be open to others only now. And what
        somebody has been offered may let a role take what it lacks where it would not have before: of other slices, or
        without the cpus that its limit kept from it. So before more than that goes to anybody, it is asked again.
        """
        begun: set[Agent] = set()
        self._looked = len(made)
        self._guarantee(agents, clients, begun, made)
        self._offer(agents, clients, EVERYBODY, begun, made)

    def _guarantee(self, agents: Collection[Agent], clients: int, begun: set[Agent], made: list[Allocation]) -> None:
        """Offer to these clients what their roles lack."""
        sure = 0
        for role in self._quotas.hungry():
            sure |= self._sorter.eligible_within(role)
        if sure:
            self._offer(agents, clients & sure, sure, begun, made, sure=True)

    def _guarantee_again(self, agent: Agent, begun: set[Agent], made: list[Allocation]) -> None:
        if self._quotas.roles and len(made) > self._looked:
            self._guarantee([agent], EVERYBODY, begun, made)

    def _offer(
        self,
        agents: Iterable[Agent],
        clients: int,
        everybody: int,
        begun: set[Agent],
        made: list[Allocation],
        *,
        sure: bool = False,
    ) -> None:
        """Stop when none of them is eligible any more; agents that are ``begun`` are for everybody."""
        sorter, idle, quotas = self._sorter, self._accounts.idle, self._quotas
        for agent in agents:
            if not sure:
                self._guarantee_again(agent, begun, made)
            waiting = (everybody if agent in begun else clients) & sorter.eligible()
            if not waiting:
                if begun:
                    continue
                return
            tried = 0
            quotas.cut = False
            while agent in idle and (open_ := self._open(agent, waiting, sure)):
                claim = sorter.first(open_)
                tried |= claim.mask
                waiting &= ~claim.mask
                plain = claim.appetite is None and not agent.size.reserved_to and not quotas.roles
                offer = agent.free if plain else self._portion(agent, claim, sure)
                if offer:
                    self._accounts.charge(agent, claim, offer)
                    made.append(
                        Allocation(
                            framework_id=claim.framework_id,
                            role=claim.role,
                            agent_id=agent.agent_id,
                            resources=offer,
                        )
                    )
                    if quotas.roles:
                        begun.add(agent)
                        if not sure:
                            cut = quotas.cut
                            self._guarantee_again(agent, begun, made)
                            quotas.cut = cut
                        waiting = everybody & sorter.eligible() & ~tried
            if quotas.cut and agent in idle and not sure:
                self.withheld[agent] = None

    def _open(self, agent: Agent, clients: int, sure: bool) -> int:
        """Those of these clients that would take what is free on an agent and open to their role."""
        open_ = clients & ~self._filters.refusing(agent.site)
        roles: Sequence[Role] = agent.size.reserved_to
        if self._quotas.roles and (sure or not self._quotas.is_plenty(agent.free)):
            roles = sorted({*roles, *self._quotas.roles}) if roles else self._quotas.order
        if not roles:
            return self._content(agent, agent.free, open_)
        content = 0
        for role in reversed(roles):  # so that eng/web comes before eng
            within = open_ & self._sorter.eligible_within(role)
            open_ &= ~within
            if within:
                content |= self._content(agent, self._bundle(agent, role, sure), within)
        return content | self._content(agent, self._bundle(agent, _ANY_OTHER, sure), open_) if open_ else content

    def _bundle(self, agent: Agent, role: Role, sure: bool) -> Resources:
        """What is free on an agent and open to a role."""
        bundle = agent.free.available_to(role)
        return self._quotas.most(role, bundle, sure=sure) if self._quotas.roles else bundle

    def _content(self, agent: Agent, bundle: Resources, clients: int) -> int:
        """Those of these clients, all in the same roles as far as this agent cares, that would take this bundle."""
        if bundle is not agent.free and not self._accounts.is_worth_offering(bundle):
            return 0
        return clients & ~(self._minima.unmet(bundle) | self._refusals.refusing(agent.agent_id, bundle))

    def _portion(self, agent: Agent, claim: Claim, sure: bool) -> Resources:
        """What to offer: all that is open to it, or what it wants of that; nothing if it refuses the cut."""
        bundle = self._bundle(agent, claim.role, sure)
        if claim.appetite is None:
            return bundle
        cut, counts = claim.appetite.cut(bundle)
        if not cut:
            return EMPTY
        if not self._is_taken(agent, claim, cut):
            claim.turned_down = True
            return EMPTY
        before = claim.appetite.wanted()
        claim.appetite.offered(counts)
        self._note_demand(claim, before)
        return cut

    def _is_taken(self, agent: Agent, claim: Claim, cut: Resources) -> bool:
        if not self._accounts.is_worth_offering(cut) or not cut.flatten().contains(claim.least):
            return False
        return not self._refusals.refusing(agent.agent_id, cut) & claim.mask


def merged(made: list[Allocation]) -> list[Allocation]:
    """One offer for all that a framework is given on an agent in a role, as part of its guarantee or beyond it."""
    merged: dict[tuple[FrameworkID, Role, AgentID], Allocation] = {}
    for one in made:
        key = (one.framework_id, one.role, one.agent_id)
        before = merged.get(key)
        merged[key] = one if before is None else replace(one, resources=before.resources + one.resources)
    return list(merged.values())
