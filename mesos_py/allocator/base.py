"""What the master asks of an allocation policy.

An allocator decides who is offered what. It is pure: it is told what happens, with the time where the time matters,
and answers with the allocations to offer. It owns the account of what is promised (offered or in use) on each agent
to each framework, and never promises more than an agent has.

A policy of one's own is a class that satisfies :class:`Allocator`, made by a factory that is registered as an entry
point in the group ``mesos_py.allocators`` and named in the master's configuration (``--allocator NAME``).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from mesos_py.types.ids import AgentID, FrameworkID, Role
from mesos_py.types.infos import AgentInfo, Demand, OfferFilter
from mesos_py.types.offers import Offer
from mesos_py.types.quota import Quota
from mesos_py.types.resources import Resources

__all__ = ["Allocation", "Allocator", "AllocatorConfig", "AllocatorFactory", "RoleShare"]


class Allocation(Struct, frozen=True, kw_only=True, gc=False):
    """Resources to offer; already charged to the framework when it is returned."""

    framework_id: FrameworkID
    role: Role
    agent_id: AgentID
    resources: Resources


class RoleShare(Struct, frozen=True, kw_only=True, gc=False):
    """How a role stands: for tables and metrics."""

    role: Role
    weight: float
    dominant_share: float
    """0 to 1: its largest share of any resource of the cluster, offered or in use; with the roles below it."""
    allocated: Resources
    """The scalars of that which count, reserved and unreserved together."""
    frameworks: int
    """That subscribe to this very role."""
    quota: Quota = Quota()
    consumed: dict[str, int] = {}
    """Of what the quota speaks of: what counts against it."""


class AllocatorConfig(Struct, frozen=True, kw_only=True):
    """What every policy is configured with."""

    allocation_interval_s: float = 1.0
    """Declined resources wait this long before they are offered again; the shortest life of a refusal."""
    min_allocatable: list[Resources] = field(default_factory=lambda: [Resources.of(cpus=0.01), Resources.of(mem=32)])
    """Offer a bundle only if it holds at least one of these (unreserved form, quantities over all roles)."""
    weights: dict[Role, float] = field(default_factory=dict)
    """By role; 1 where none is given. For ``priority`` a higher weight is a higher priority."""


class Allocator(Protocol):
    """Decides who is offered what.

    Every method but ``allocate`` only changes the account; whatever it frees or allows is given out by the next
    ``allocate``, which is due at ``next_deadline``.
    """

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
        """A framework subscribed for the first time, or is known only from its tasks (then not active)."""

    def update_framework(
        self,
        framework_id: FrameworkID,
        roles: Sequence[Role],
        *,
        filters: Mapping[Role, OfferFilter],
        suppressed: Collection[Role] = (),
    ) -> None:
        """It subscribed again and is active.

        Roles, filters and suppression are replaced; its refusals and demands are forgotten.
        """

    def remove_framework(self, framework_id: FrameworkID) -> None:
        """It is gone; whatever is still charged to it is free."""

    def deactivate_framework(self, framework_id: FrameworkID) -> None:
        """It is disconnected: no more offers, refusals forgotten; what runs stays charged."""

    # Agents

    def add_agent(
        self,
        agent_id: AgentID,
        agent: AgentInfo,
        used: Mapping[tuple[FrameworkID, Role], Resources],
    ) -> None:
        """An agent joined or returned; ``used`` is what already runs there.

        Its frameworks were added before, and all of ``used`` fits in the agent's resources: the caller sees to it.
        """

    def remove_agent(self, agent_id: AgentID) -> None:
        """It is gone, and all that is charged on it: what was used, which is not wanted again.

        Its offers were given back before, by ``recover``: the caller sees to it.
        """

    def set_agent_active(self, agent_id: AgentID, active: bool) -> None:
        """Stop or resume offering it; what runs stays charged."""

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
        """Resources charged to a framework are free again.

        ``refuse_s`` is None when a task ended, or an offer was rescinded or timed out: they may be offered at once.
        A number means declined (or left over by a launch): they wait for the next allocation interval, and if it is
        positive the framework is not offered, for max(``refuse_s``, allocation interval), anything in that role on
        that agent that is contained in ``resources``. ``used`` says that a task or executor held them: what was used
        is not wanted again, whatever the framework's demand. Unknown frameworks and agents are ignored.
        """

    def suppress(self, framework_id: FrameworkID, roles: Collection[Role]) -> None:
        """No more offers for these of its roles."""

    def revive(self, framework_id: FrameworkID, roles: Collection[Role]) -> None:
        """Forget its refusals and suppression for these of its roles."""

    def request(self, framework_id: FrameworkID, role: Role, demands: Sequence[Demand]) -> None:
        """Replace its demand for a role; none: no statement.

        With a demand, offers are cut to whole slices and end when ``count`` of them are offered; what is returned
        unrefused counts as wanted again, up to ``count``. A ``count`` of 0 says that it wants nothing.
        """

    # What operators set

    def set_weight(self, role: Role, weight: float | None) -> None:
        """For allocations from now on; None: as configured."""

    def set_quotas(self, quotas: Mapping[Role, Quota]) -> None:
        """Replace all quotas, which are of top-level roles and hold for them with all roles below.

        From now on no role is allocated beyond its limit, and what roles lack to their guarantees is given to them
        first and to nobody else, as far as it is free.
        """

    def hold_limits(self, held: bool) -> None:
        """While held, allocate nothing that a limit speaks of to its role.

        Agents that may run something of it are still to return.
        """

    def excess(self, offers: Iterable[Offer]) -> list[Offer]:
        """Those of the outstanding offers, given newest first, to take back so that quotas hold.

        Asked before each ``allocate``. What runs is not touched.
        """

    # Allocation

    def next_deadline(self) -> float | None:
        """When ``allocate`` should be called next: a time already past if something can be offered now."""

    def allocate(self, now: float) -> list[Allocation]:
        """Hand out what is free and due, and charge it."""

    # Reading

    def shares(self) -> list[RoleShare]:
        """How every role with a framework stands, in the order in which the next offer would be made.

        Then, by name, those without a framework that have a quota or a weight other than 1.
        """

    def check(self) -> None:
        """Raise InvariantError if the account does not add up, or any agent is promised twice."""


class AllocatorFactory(Protocol):
    """What an entry point in ``mesos_py.allocators`` names."""

    def __call__(self, config: AllocatorConfig) -> Allocator:
        """Make one."""
