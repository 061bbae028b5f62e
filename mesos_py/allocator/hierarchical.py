"""One allocation pass: which free resources of which agents go to whom.

Every agent's free resources go, whole or cut to demand, to the first client (a framework in one role) in the sorter's
order that does not refuse them. The pass is incremental. It rests on one rule: **between two passes, no eligible
client would take what is free on any agent, except for what is noted as due**. So each change notes what it opens:

- resources come free, or a refusal ends: that agent is due at once (``_due``);
- resources are declined: that agent waits (``_declined``) for its batch, or for a framework to join, revive or request;
- a client joins, revives or wants more: all other agents with something free are due for that client (``_fresh``);
- a quota keeps something from somebody: that agent waits (``withheld``) until more may be given to some role.

A pass looks at nothing else; an agent that nobody wants costs nothing until something about it changes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush

from mesos_py.allocator.accounts import Accounts, Agent, Claim
from mesos_py.allocator.base import Allocation, AllocatorConfig, RoleShare
from mesos_py.allocator.demand import Appetite, Minima
from mesos_py.allocator.filters import OfferFilters
from mesos_py.allocator.refusals import Refusals
from mesos_py.allocator.serving import EVERYBODY, Server, merged
from mesos_py.allocator.sorter import RoleOrder, Sorter
from mesos_py.errors import ConfigError, InvariantError, UserError
from mesos_py.types.ids import AgentID, FrameworkID, Role
from mesos_py.types.infos import AgentInfo, Demand, OfferFilter
from mesos_py.types.offers import Offer
from mesos_py.types.quota import Quota
from mesos_py.types.resources import EMPTY, Resources
from mesos_py.types.roles import why_not_a_weight

__all__ = ["HierarchicalAllocator"]


class _Framework:
    __slots__ = ("active", "claims")

    def __init__(self) -> None:
        self.active = True
        self.claims: dict[Role, Claim] = {}


class HierarchicalAllocator:
    """The policies that share by dominant resource fairness within roles; they differ in how roles compare."""

    def __init__(self, config: AllocatorConfig, order: RoleOrder) -> None:
        self._interval_s = config.allocation_interval_s
        self._weights = config.weights
        self._sorter: Sorter[Claim] = Sorter(order)
        for role, weight in config.weights.items():
            if why := why_not_a_weight(role, weight):
                raise ConfigError(why)
            self._sorter.set_weight(role, weight)
        self._filters = OfferFilters()
        self._minima = Minima()
        self._refusals = Refusals()
        self._frameworks: dict[FrameworkID, _Framework] = {}
        self._accounts = Accounts(self._sorter, config.min_allocatable)
        self._quotas = self._accounts.quotas
        self._server = Server(
            self._sorter, self._accounts, self._filters, self._minima, self._refusals, self._note_demand
        )
        self._due: dict[Agent, None] = {}
        self._declined: dict[Agent, None] = {}
        self._fresh = 0
        self._last_batch = float("-inf")
        self._free_masks: list[int] = []
        self._next_mask = 1

    # Frameworks

    def add_framework(
        self,
        framework_id: FrameworkID,
        roles: Sequence[Role],
        *,
        filters: Mapping[Role, OfferFilter],
        suppressed: Collection[Role] = (),
        active: bool = True,
    ) -> None:
        """See Allocator."""
        if framework_id in self._frameworks:
            raise InvariantError(f"framework {framework_id} is added twice")
        framework = self._frameworks[framework_id] = _Framework()
        framework.active = active
        self._subscribe(framework_id, framework, roles, filters, suppressed)

    def update_framework(
        self,
        framework_id: FrameworkID,
        roles: Sequence[Role],
        *,
        filters: Mapping[Role, OfferFilter],
        suppressed: Collection[Role] = (),
    ) -> None:
        """See Allocator."""
        framework = self._framework(framework_id)
        framework.active = True
        for claim in list(framework.claims.values()):
            self._unsubscribe(framework, claim)
        self._subscribe(framework_id, framework, roles, filters, suppressed)

    def remove_framework(self, framework_id: FrameworkID) -> None:
        """See Allocator."""
        framework = self._framework(framework_id)
        for claim in list(framework.claims.values()):
            for agent in list(claim.held):
                self._accounts.release(agent, claim, agent.charged[claim])
                self._note(self._due, agent)
            self._unsubscribe(framework, claim)
        del self._frameworks[framework_id]

    def deactivate_framework(self, framework_id: FrameworkID) -> None:
        """See Allocator."""
        framework = self._framework(framework_id)
        framework.active = False
        for claim in framework.claims.values():
            self._refusals.forget_client(claim.mask)
            self._settle(framework, claim)

    # Agents

    def add_agent(
        self,
        agent_id: AgentID,
        agent: AgentInfo,
        used: Mapping[tuple[FrameworkID, Role], Resources],
    ) -> None:
        """See Allocator."""
        if agent_id in self._accounts.agents:
            self.remove_agent(agent_id)
        free = agent.resources.without(used.values())
        if free is None:
            raise InvariantError(f"{agent_id} has {agent.resources}, in use there are {used}")
        charged = {self._claim(*user): resources for user, resources in used.items() if resources}
        account = self._accounts.open(agent_id, agent.resources, self._filters.add_site(agent), charged, free)
        self._note(self._due, account)

    def remove_agent(self, agent_id: AgentID) -> None:
        """See Allocator."""
        agent = self._agent(agent_id)
        for claim, resources in list(agent.charged.items()):
            self._accounts.release(agent, claim, resources)
            self._drop_if_done(claim)
        self._due.pop(agent, None)
        self._declined.pop(agent, None)
        self._server.withheld.pop(agent, None)
        self._refusals.forget_agent(agent_id)
        self._filters.remove_site(agent.site)
        self._accounts.close(agent)

    def set_agent_active(self, agent_id: AgentID, active: bool) -> None:
        """See Allocator."""
        agent = self._agent(agent_id)
        self._accounts.set_active(agent, active)
        self._note(self._due, agent)

    # Offers

    def recover(
        self,
        framework_id: FrameworkID,
        role: Role,
        agent_id: AgentID,
        resources: Resources,
        *,
        now: float,
        refuse_s: float | None = None,
        used: bool = False,
    ) -> None:
        """See Allocator."""
        framework = self._frameworks.get(framework_id)
        agent = self._accounts.agents.get(agent_id)
        claim = framework and framework.claims.get(role)
        if not (framework and agent and claim and resources):
            return
        self._accounts.release(agent, claim, resources)
        self._note(self._due if refuse_s is None else self._declined, agent)
        if not refuse_s and not used:
            self._want_again(claim, resources)
        elif refuse_s and claim.subscribed and framework.active:
            self._refusals.add(claim.mask, agent_id, resources, now + max(refuse_s, self._interval_s))
        self._drop_if_done(claim)

    def suppress(self, framework_id: FrameworkID, roles: Collection[Role]) -> None:
        """See Allocator."""
        for framework, claim in self._subscriptions(framework_id, roles):
            claim.suppressed = True
            self._settle(framework, claim)

    def revive(self, framework_id: FrameworkID, roles: Collection[Role]) -> None:
        """See Allocator."""
        for framework, claim in self._subscriptions(framework_id, roles):
            claim.suppressed = False
            for agent_id in self._refusals.forget_client(claim.mask):
                self._note(self._due, self._accounts.agents[agent_id])
            self._settle(framework, claim)
        self._end_waiting()

    def request(self, framework_id: FrameworkID, role: Role, demands: Sequence[Demand]) -> None:
        """See Allocator."""
        for framework, claim in self._subscriptions(framework_id, [role]):
            before = claim.appetite
            claim.appetite = Appetite(demands) if demands else None
            if before is None:
                self._settle(framework, claim)
            else:
                self._note_demand(claim, before.wanted())
        self._end_waiting()

    # What operators set

    def set_weight(self, role: Role, weight: float | None) -> None:
        """See Allocator."""
        weight = self._weights.get(role, 1.0) if weight is None else weight
        if why := why_not_a_weight(role, weight):
            raise UserError(why)
        self._sorter.set_weight(role, weight)

    def set_quotas(self, quotas: Mapping[Role, Quota]) -> None:
        """See Allocator."""
        self._accounts.set_quotas(quotas)
        self._look_everywhere()

    def hold_limits(self, held: bool) -> None:
        """See Allocator."""
        self._quotas.limits_held = held
        if self._quotas.roles:
            self._look_everywhere()

    def excess(self, offers: Iterable[Offer]) -> list[Offer]:
        """See Allocator."""
        return self._quotas.excess(offers)

    # Allocation

    def next_deadline(self) -> float | None:
        """See Allocator."""
        if self._due or (self._fresh and self._accounts.idle) or self._quotas.touched:
            return 0.0
        deadlines = [self._last_batch + self._interval_s] if self._declined else []
        lapse = self._refusals.next_lapse()
        return min(deadlines if lapse is None else [*deadlines, lapse], default=None)

    def allocate(self, now: float) -> list[Allocation]:
        """See Allocator."""
        self._fall_due(now)
        made = self._hand_out()
        return merged(made) if self._quotas.roles else made

    def _fall_due(self, now: float) -> None:
        for agent_id in self._refusals.lapse(now):
            self._note(self._due, self._accounts.agents[agent_id])
        if not self._declined or now >= self._last_batch + self._interval_s:
            self._end_waiting()
            self._last_batch = now

    def _hand_out(self) -> list[Allocation]:
        server = self._server
        due, self._due = self._due, {}
        self._sorter.refresh()
        made: list[Allocation] = []
        server.serve(due, EVERYBODY, made)
        if self._quotas.roles and self._quotas.has_reopened():
            withheld, server.withheld = server.withheld, {}
            server.serve(self._not_declined(withheld), EVERYBODY, made)
        while (fresh := self._fresh) & self._sorter.eligible():
            self._fresh = 0
            server.serve(self._not_declined(self._accounts.idle), fresh, made)
        self._fresh = 0
        if self._quotas.roles:
            self._quotas.note_openness()
        return made

    def _not_declined(self, agents: Iterable[Agent]) -> list[Agent]:
        return [agent for agent in agents if agent not in self._declined]

    # Reading

    def shares(self) -> list[RoleShare]:
        """See Allocator."""
        self._sorter.refresh()
        frameworks: dict[Role, int] = {}
        for framework in self._frameworks.values():
            for role, claim in framework.claims.items():
                frameworks[role] = frameworks.get(role, 0) + claim.subscribed
        roles = [role for role in self._sorter.roles_in_order() if frameworks[role]]
        roles += sorted({*self._quotas.roles, *self._sorter.weighted()} - {*roles})
        return [self._role_share(role, frameworks.get(role, 0)) for role in roles]

    def _role_share(self, role: Role, frameworks: int) -> RoleShare:
        weight, share, amounts = self._sorter.standing(role)
        standing = self._quotas.roles.get(role)
        return RoleShare(
            role=role,
            weight=weight,
            dominant_share=share,
            allocated=Resources(amounts),
            frameworks=frameworks,
            quota=standing.quota if standing else Quota(),
            consumed=dict(standing.consumed) if standing else {},
        )

    def check(self) -> None:
        """See Allocator."""
        self._accounts.check()
        claims = [(framework, claim) for framework in self._frameworks.values() for claim in framework.claims.values()]
        for framework, claim in claims:
            self._accounts.check_claim(claim)
            if claim.eligible != self._may_be_offered(framework, claim) or not (claim.subscribed or claim.held):
                raise InvariantError(f"{claim.framework_id} in {claim.role} is wrongly in line, or out of it")
        if sum(len(agent.charged) for agent in self._accounts.agents.values()) != sum(len(c.held) for _, c in claims):
            raise InvariantError("somebody unknown holds resources")
        self._sorter.check()
        self._refusals.check()

    # Inside: clients

    def _framework(self, framework_id: FrameworkID) -> _Framework:
        framework = self._frameworks.get(framework_id)
        if framework is None:
            raise InvariantError(f"framework {framework_id} was never added")
        return framework

    def _claim(self, framework_id: FrameworkID, role: Role) -> Claim:
        """The claim of a framework in a role; a new one if need be."""
        claims = self._framework(framework_id).claims
        claim = claims.get(role)
        if claim is None:
            mask = heappop(self._free_masks) if self._free_masks else self._next_mask
            self._next_mask = max(self._next_mask, mask << 1)
            claim = claims[role] = Claim(framework_id, role, mask)
            self._sorter.add(claim)
        return claim

    def _drop_if_done(self, claim: Claim) -> None:
        """Forget a claim that neither wants nor holds anything."""
        if claim.subscribed or claim.held:
            return
        del self._frameworks[claim.framework_id].claims[claim.role]
        self._sorter.remove(claim)
        self._fresh &= ~claim.mask
        heappush(self._free_masks, claim.mask)

    def _subscribe(
        self,
        framework_id: FrameworkID,
        framework: _Framework,
        roles: Sequence[Role],
        filters: Mapping[Role, OfferFilter],
        suppressed: Collection[Role],
    ) -> None:
        for role in roles:
            claim = self._claim(framework_id, role)
            claim.subscribed = True
            claim.suppressed = role in suppressed
            if role in filters:
                self._filters.add_client(claim.mask, filters[role])
                claim.least = filters[role].least
            self._fresh |= claim.mask
            self._settle(framework, claim)
        self._end_waiting()

    def _unsubscribe(self, framework: _Framework, claim: Claim) -> None:
        claim.subscribed = False
        claim.appetite = None
        claim.least = EMPTY
        self._refusals.forget_client(claim.mask)
        self._filters.remove_client(claim.mask)
        self._settle(framework, claim)
        self._drop_if_done(claim)

    def _subscriptions(self, framework_id: FrameworkID, roles: Collection[Role]) -> Iterator[tuple[_Framework, Claim]]:
        """Its claims in those of these roles to which it is subscribed."""
        framework = self._framework(framework_id)
        for role in roles:
            claim = framework.claims.get(role)
            if claim is not None and claim.subscribed:
                yield framework, claim

    def _may_be_offered(self, framework: _Framework, claim: Claim) -> bool:
        hungry = claim.appetite is None or bool(claim.appetite.wanted())
        return framework.active and claim.subscribed and not claim.suppressed and hungry

    def _settle(self, framework: _Framework, claim: Claim) -> None:
        """Draw the consequences after something about a client changed."""
        eligible = self._may_be_offered(framework, claim)
        self._minima.put(claim.mask, claim.minima() if eligible else [])
        if eligible != claim.eligible:
            self._sorter.set_eligible(claim, eligible)
            self._fresh |= claim.mask if eligible else 0

    def _want_again(self, claim: Claim, resources: Resources) -> None:
        """Resources are back unrefused: if they meet a demand, that demand is open again."""
        if claim.appetite is not None:
            before = claim.appetite.wanted()
            claim.appetite.returned(resources)
            self._note_demand(claim, before)

    def _note_demand(self, claim: Claim, before: Mapping[Resources, int]) -> None:
        """Its demand changed: it is fresh if it might now take what it would not have taken before.

        That is what holds a slice it did not want. Another number of the same slices opens nothing, unless some cut was
        turned down: too small, or refused. Of a single slice, fewer are not taken, either; of several, fewer of one
        may leave room for another.
        """
        after = claim.appetite.wanted() if claim.appetite is not None else None
        if (
            after is None
            or not after.keys() <= before.keys()
            or (claim.turned_down and (len(before) > 1 or any(after[slice_] > before[slice_] for slice_ in after)))
        ):
            self._fresh |= claim.mask
            claim.turned_down = False
        self._settle(self._frameworks[claim.framework_id], claim)

    # Inside: agents

    def _agent(self, agent_id: AgentID) -> Agent:
        agent = self._accounts.agents.get(agent_id)
        if agent is None:
            raise InvariantError(f"agent {agent_id} was never added")
        return agent

    def _look_everywhere(self) -> None:
        """Make everything due; for what is rare and may open anything."""
        self._end_waiting()
        self._server.withheld = {}
        self._due.update(self._accounts.idle)

    def _end_waiting(self) -> None:
        """Make due what was declined: its interval is over, or somebody asks for offers."""
        self._due.update(self._declined)
        self._declined = {}

    def _note(self, index: dict[Agent, None], agent: Agent) -> None:
        """Visit an agent in the next pass or batch, if there is something to offer."""
        if agent in self._accounts.idle:
            index[agent] = None
