"""What can happen to a master."""

from typing import Literal

from msgspec import Struct

from mesos_py.messages.agent import FromAgent
from mesos_py.messages.codec import Malformed
from mesos_py.messages.scheduler import Call
from mesos_py.types.acls import Acls
from mesos_py.types.ids import AgentID, FrameworkID, Principal, Role, TaskID
from mesos_py.types.maintenance import Window
from mesos_py.types.quota import Quota

__all__ = [
    "AclsChanged",
    "AgentSaid",
    "BrokerConnected",
    "BrokerLost",
    "EchoHeard",
    "FrameworkSaid",
    "LeadershipResumed",
    "LeadershipSuspended",
    "MasterEvent",
    "OperatorBringUp",
    "OperatorCall",
    "OperatorDeactivate",
    "OperatorDrain",
    "OperatorKill",
    "OperatorMarkGone",
    "OperatorReactivate",
    "OperatorSaid",
    "OperatorSetQuotas",
    "OperatorSetSchedule",
    "OperatorSetWeights",
    "OperatorTakeDown",
    "OperatorTeardown",
    "QueueGone",
    "RegistryWritten",
    "Ticked",
]


class Ticked(Struct, frozen=True, tag=True, gc=False):
    """Time has passed."""


class BrokerConnected(Struct, frozen=True, tag=True, gc=False):
    """The inbox is declared; messages come and go (again)."""


class BrokerLost(Struct, frozen=True, tag=True, gc=False):
    """Nothing we send arrives until BrokerConnected, nor what others send, perhaps: their silence proves nothing."""


class EchoHeard(Struct, frozen=True, tag=True, gc=False):
    """What we sent to our own inbox for agents or frameworks has come: so does what others send there."""

    inbox: Literal["agent", "framework"]
    sent: float


class LeadershipSuspended(Struct, frozen=True, tag=True, gc=False):
    """Another may lead by now: offer and launch nothing until LeadershipResumed."""


class LeadershipResumed(Struct, frozen=True, tag=True, gc=False):
    """We have led all the time, and do."""


class FrameworkSaid(Struct, frozen=True, tag=True, gc=False):
    """A call of a scheduler, or what could not be read of one."""

    principal: Principal
    """Proven by the broker."""
    queue: str
    """Where to answer; belongs to the principal."""
    json: bool
    """The sender writes, and so reads, JSON."""
    call: Call | Malformed


class AgentSaid(Struct, frozen=True, tag=True, gc=False):
    """A message of an agent, or what could not be read of one."""

    principal: Principal
    queue: str
    message: FromAgent | Malformed


class QueueGone(Struct, frozen=True, tag=True, gc=False):
    """The broker found no such queue: its reader is gone."""

    queue: str


class RegistryWritten(Struct, frozen=True, tag=True, gc=False):
    """Answers Persist: every operation up to this serial is durable."""

    serial: int


class OperatorKill(Struct, frozen=True, tag=True, gc=False):
    """Kill a task on behalf of the operator."""

    task_id: TaskID
    framework_id: FrameworkID | None = None
    """Needed only where two frameworks have a task of that id."""


class OperatorTeardown(Struct, frozen=True, tag=True, gc=False):
    """Remove a framework and all it runs."""

    framework_id: FrameworkID


class OperatorMarkGone(Struct, frozen=True, tag=True, gc=False):
    """An agent will never be back: its tasks are GONE_BY_OPERATOR, and it may not join again."""

    agent_id: AgentID


class OperatorSetWeights(Struct, frozen=True, tag=True, gc=False):
    """Weigh roles, all or none of them."""

    weights: dict[Role, float | None]
    """None: as configured."""


class OperatorSetQuotas(Struct, frozen=True, tag=True, gc=False):
    """Set the quotas of roles, all or none of them."""

    quotas: dict[Role, Quota]
    """An empty one takes a quota away."""
    force: bool = False
    """Also if more is guaranteed then than there is, or a role uses more than it may."""


class OperatorDrain(Struct, frozen=True, tag=True, gc=False):
    """Offer an agent no more and end all that runs there; asked again, the newest wishes hold."""

    agent_id: AgentID
    max_grace_period_s: float | None = None
    """No task gets longer than this to end; a shorter grace of its own holds."""
    deadline_s: float | None = None
    """So many seconds from now, what is left is killed without grace."""
    mark_gone: bool = False
    """Once it is empty, declare it gone."""


class OperatorDeactivate(Struct, frozen=True, tag=True, gc=False):
    """Offer an agent no more; what runs there runs on."""

    agent_id: AgentID


class OperatorReactivate(Struct, frozen=True, tag=True, gc=False):
    """Offer an agent again that was deactivated or drained."""

    agent_id: AgentID


class OperatorSetSchedule(Struct, frozen=True, tag=True, gc=False):
    """Plan maintenance: these windows in the place of those there were."""

    windows: list[Window]


class OperatorTakeDown(Struct, frozen=True, tag=True, gc=False):
    """Begin the maintenance of machines on the schedule: their agents are sent away with all that runs there."""

    hosts: list[str]


class OperatorBringUp(Struct, frozen=True, tag=True, gc=False):
    """End the maintenance of machines: their agents may come back."""

    hosts: list[str]


OperatorCall = (
    OperatorKill
    | OperatorTeardown
    | OperatorMarkGone
    | OperatorDrain
    | OperatorDeactivate
    | OperatorReactivate
    | OperatorSetWeights
    | OperatorSetQuotas
    | OperatorSetSchedule
    | OperatorTakeDown
    | OperatorBringUp
)
"""Whatever an operator may ask to be changed."""


class OperatorSaid(Struct, frozen=True, tag=True, gc=False):
    """An operator's request, to be answered with the same ticket."""

    ticket: int
    call: OperatorCall
    principal: Principal | None = None
    """Who asks, if that was proven."""


class AclsChanged(Struct, frozen=True, tag=True, gc=False):
    """Other rules hold from now on; who is subscribed stays so."""

    acls: Acls


MasterEvent = (
    Ticked
    | BrokerConnected
    | BrokerLost
    | EchoHeard
    | LeadershipSuspended
    | LeadershipResumed
    | FrameworkSaid
    | AgentSaid
    | QueueGone
    | RegistryWritten
    | OperatorSaid
    | AclsChanged
)
"""Whatever a master's core can be told."""
