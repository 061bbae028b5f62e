"""What each agent has, what of it is promised to whom, and what is free and worth offering.

Every promise and every return goes through here, and from here to the sorter and to the quotas, so that shares and
accounts cannot part ways. An agent's total is what is free and what is charged, nothing else.
"""

from collections.abc import Mapping, Sequence

from mesos_py.allocator.demand import Appetite
from mesos_py.allocator.filters import Site
from mesos_py.allocator.quota import Quotas
from mesos_py.allocator.sorter import Client, Sorter, Vector
from mesos_py.errors import InvariantError
from mesos_py.types.ids import AgentID, FrameworkID, Role
from mesos_py.types.quota import Quota
from mesos_py.types.resources import EMPTY, Resources

__all__ = ["Accounts", "Agent", "Claim", "Size"]


class Size:
    """What agents with the same resources have in common; most offers are of whole agents, and sizes are few."""

    __slots__ = ("agents", "reserved_to", "total", "units", "vector", "worth")

    def __init__(self, total: Resources, worth: bool) -> None:
        self.total = total
        self.reserved_to = sorted(total.roles())
        self.worth = worth
        """Worth offering when all of it is free."""
        self.agents = 0
        """How many there are."""
        self.vector: Vector = []
        """Of the total, in ``units`` of the sorter."""
        self.units: list[int] | None = None


class Agent:
    """The account of one agent."""

    __slots__ = ("active", "agent_id", "charged", "free", "site", "size")

    def __init__(self, agent_id: AgentID, size: Size, site: Site) -> None:
        self.agent_id = agent_id
        self.size = size
        self.site = site
        self.active = True
        self.free = size.total
        """The same object as the total when nothing is charged."""
        self.charged: dict[Claim, Resources] = {}


class Claim(Client):
    """What the allocator knows of a client besides its place in line."""

    __slots__ = ("appetite", "held", "least", "subscribed", "suppressed", "turned_down")

    def __init__(self, framework_id: FrameworkID, role: Role, mask: int) -> None:
        super().__init__(framework_id, role, mask)
        self.subscribed = False
        """Its framework has the role; if not, it is only here for what it still holds."""
        self.suppressed = False
        self.least = EMPTY
        """Too little is not worth an offer."""
        self.appetite: Appetite | None = None
        """None if no demand is stated."""
        self.turned_down = False
        """Since it was last fresh, it did not take what was cut to its demand; another cut it might take."""
        self.held: dict[Agent, None] = {}
        """The agents on which something is charged to it."""

    def minima(self) -> list[Resources]:
        """What an offer must hold at least one of; nothing: it takes whatever there is."""
        if self.appetite is not None:
            return list(self.appetite.wanted())
        return [self.least] if self.least else []


class Accounts:
    """The accounts of all agents."""

    def __init__(self, sorter: Sorter[Claim], min_allocatable: Sequence[Resources]) -> None:
        self._sorter = sorter
        self._min_allocatable = [minimum.quantities() for minimum in min_allocatable]
        self._sizes: dict[Resources, Size] = {}
        self.quotas = Quotas()
        self.agents: dict[AgentID, Agent] = {}
        self.idle: dict[Agent, None] = {}
        """Active, with something free that is worth offering."""

    def open(
        self, agent_id: AgentID, total: Resources, site: Site, charged: dict[Claim, Resources], free: Resources
    ) -> Agent:
        """An agent joins, of which so much is charged already, nowhere nothing, and the rest is free."""
        size = self._sizes.get(total)
        if size is None:
            size = self._sizes[total] = Size(total, self.is_worth_offering(total))
        size.agents += 1
        agent = self.agents[agent_id] = Agent(agent_id, size, site)
        self._sorter.add_total(total)
        if self.quotas.roles:
            self.quotas.join(total)
        if charged:
            agent.charged, agent.free = charged, free
        for claim, resources in charged.items():
            claim.held[agent] = None
            self._sorter.charge(claim, self._vector(agent, resources))
            if self.quotas.roles:
                self.quotas.charge(claim.role, resources, active=True)
        self.sort_out(agent)
        return agent

    def close(self, agent: Agent) -> None:
        """An agent leaves; nothing of it is charged any more."""
        size = agent.size
        size.agents -= 1
        if not size.agents:
            del self._sizes[size.total]
        self._sorter.remove_total(size.total)
        if self.quotas.roles:
            self.quotas.leave(size.total, active=agent.active)
        self.idle.pop(agent, None)
        del self.agents[agent.agent_id]

    def charge(self, agent: Agent, claim: Claim, resources: Resources) -> None:
        """Promise free resources of an agent."""
        free = agent.free
        if resources is free:
            agent.free = EMPTY
            self.idle.pop(agent, None)
        else:
            agent.free = free - resources
            self.sort_out(agent)
        charged = agent.charged
        charged[claim] = charged[claim] + resources if claim in charged else resources
        claim.held[agent] = None
        self._sorter.charge(claim, self._vector(agent, resources))
        if self.quotas.roles:
            self.quotas.charge(claim.role, resources, active=agent.active)

    def release(self, agent: Agent, claim: Claim, resources: Resources) -> None:
        """Free what was promised."""
        charged = agent.charged.get(claim, EMPTY)
        if not charged.contains(resources):
            raise InvariantError(f"{claim.framework_id} gives back {resources} of {charged} on {agent.agent_id}")
        if rest := charged - resources:
            agent.charged[claim] = rest
        else:
            del agent.charged[claim]
            del claim.held[agent]
        agent.free = agent.free + resources if agent.charged else agent.size.total
        self.sort_out(agent)
        self._sorter.release(claim, self._vector(agent, resources))
        if self.quotas.roles:
            self.quotas.release(claim.role, resources, active=agent.active)

    def set_active(self, agent: Agent, active: bool) -> None:
        """Whether its free resources may be offered."""
        if self.quotas.roles and active is not agent.active:
            self.quotas.set_active(agent.free, active=active)
        agent.active = active
        self.sort_out(agent)

    def set_quotas(self, quotas: Mapping[Role, Quota]) -> None:
        """Replace all quotas, and count anew."""
        self.quotas.set(quotas)
        if quotas:
            self._count_for(self.quotas)

    def _count_for(self, quotas: Quotas) -> None:
        for agent in self.agents.values():
            quotas.join(agent.size.total)
            for claim, resources in agent.charged.items():
                quotas.charge(claim.role, resources, active=True)
            if not agent.active:
                quotas.set_active(agent.free, active=False)

    def sort_out(self, agent: Agent) -> None:
        """Tell whether it is idle."""
        free = agent.free
        if agent.active and (agent.size.worth if free is agent.size.total else self.is_worth_offering(free)):
            self.idle[agent] = None
        else:
            self.idle.pop(agent, None)

    def is_worth_offering(self, resources: Resources) -> bool:
        """Holds cpus or memory, and one of the configured minima."""
        amounts = resources.quantities()
        if not (amounts.get("cpus") or amounts.get("mem")):
            return False
        minima = self._min_allocatable
        return not minima or any(all(amounts.get(k, 0) >= v for k, v in minimum.items()) for minimum in minima)

    def check(self) -> None:
        """Raise InvariantError if any agent is promised beyond what it has, or an index is wrong."""
        for agent in self.agents.values():
            promised = Resources.sum(agent.charged.values())
            total = agent.size.total
            if not total.contains(promised) or total - promised != agent.free:
                raise InvariantError(f"{agent.agent_id} has {total}, promised {promised}, and {agent.free} free")
            if (agent in self.idle) != (agent.active and self.is_worth_offering(agent.free)):
                raise InvariantError(f"{agent.agent_id} is wrongly counted as idle or as busy")
        anew = Quotas()
        anew.set({role: standing.quota for role, standing in self.quotas.roles.items()})
        self._count_for(anew)
        if anew.account() != self.quotas.account():
            raise InvariantError(f"consumed is {anew.account()}, counted {self.quotas.account()}")

    def check_claim(self, claim: Claim) -> None:
        """Raise InvariantError if a client is not charged with what it holds."""
        held = [agent.charged.get(claim, EMPTY) for agent in self.agents.values() if claim in agent.charged]
        amounts = {name: amount for name, amount in self._sorter.held(claim).items() if amount}
        wanted: dict[str, int] = {}
        for resources in held:
            for name, amount in resources.quantities().items():
                if not self._sorter.counts(name):
                    continue
                wanted[name] = wanted.get(name, 0) + amount
        if amounts != wanted or len(held) != len(claim.held):
            raise InvariantError(f"{claim.framework_id} in {claim.role} holds {wanted} and is charged with {amounts}")

    def _vector(self, agent: Agent, resources: Resources) -> Vector:
        size = agent.size
        if resources is not size.total:
            return self._sorter.vector(resources)
        if size.units is not self._sorter.units:
            size.units = self._sorter.units
            size.vector = self._sorter.vector(resources)
        return size.vector
