"""What can happen to an agent."""

from msgspec import Struct

from mesos_py.messages.agent import ToAgent
from mesos_py.messages.executor import ExecutorCall, ExecutorUpdate
from mesos_py.types.containers import ContainerExit, ContainerFate
from mesos_py.types.ids import ContainerID
from mesos_py.types.tasks import Reason

__all__ = [
    "AgentEvent",
    "BrokerConnected",
    "BrokerLost",
    "Checkpointed",
    "ContainerEnded",
    "ContainerFailed",
    "ContainerStarted",
    "ExecutorConnected",
    "ExecutorDisconnected",
    "ExecutorSaid",
    "HealthChecked",
    "LeaveOrdered",
    "MasterSaid",
    "OrdersMissed",
    "Recovered",
    "Ticked",
]


class Ticked(Struct, frozen=True, tag=True, gc=False):
    """Time has passed."""


class BrokerConnected(Struct, frozen=True, tag=True, gc=False):
    """Messages can be sent (again)."""


class BrokerLost(Struct, frozen=True, tag=True, gc=False):
    """Nothing sent arrives until BrokerConnected."""


class MasterSaid(Struct, frozen=True, tag=True, gc=False):
    """A message from a master; ``epoch`` is its sender's."""

    epoch: int
    message: ToAgent


class OrdersMissed(Struct, frozen=True, tag=True, gc=False):
    """Some of what the master of this epoch has sent to us never came."""

    epoch: int


class ContainerStarted(Struct, frozen=True, tag=True, gc=False):
    """Answers StartContainer."""

    container_id: ContainerID
    pid: int


class ContainerFailed(Struct, frozen=True, tag=True, gc=False):
    """Answers StartContainer: it never ran."""

    container_id: ContainerID
    reason: Reason
    message: str


class ContainerEnded(Struct, frozen=True, tag=True, gc=False):
    """A started container is no more."""

    container_id: ContainerID
    exit: ContainerExit


class ExecutorConnected(Struct, frozen=True, tag=True, gc=False):
    """A custom executor has shown its token, for the first time or again."""

    container_id: ContainerID
    updates: list[ExecutorUpdate]


class ExecutorSaid(Struct, frozen=True, tag=True, gc=False):
    """A call of a connected custom executor."""

    container_id: ContainerID
    call: ExecutorCall


class ExecutorDisconnected(Struct, frozen=True, tag=True, gc=False):
    """Its connection ended."""

    container_id: ContainerID


class HealthChecked(Struct, frozen=True, tag=True, gc=False):
    """Answers CheckHealth."""

    container_id: ContainerID
    healthy: bool
    message: str


class Checkpointed(Struct, frozen=True, tag=True, gc=False):
    """Answers Checkpoint: every record up to this serial is durable."""

    serial: int


class Recovered(Struct, frozen=True, tag=True, gc=False):
    """The first event of an agent that was made from the records of an earlier process; see ``Agent.recovered_specs``.

    A container that is not among the fates ended nobody knows how.
    """

    fates: dict[ContainerID, ContainerFate]


class LeaveOrdered(Struct, frozen=True, tag=True, gc=False):
    """The operator wants this agent to kill its tasks, unregister and stop."""


AgentEvent = (
    Ticked
    | BrokerConnected
    | BrokerLost
    | MasterSaid
    | OrdersMissed
    | ContainerStarted
    | ContainerFailed
    | ContainerEnded
    | ExecutorConnected
    | ExecutorSaid
    | ExecutorDisconnected
    | HealthChecked
    | Checkpointed
    | Recovered
    | LeaveOrdered
)
"""Whatever an agent's core can be told."""
