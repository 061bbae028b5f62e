"""What an agent can ask for."""

from msgspec import Struct, field

from mesos_py.agent.checkpoint import Record
from mesos_py.messages.agent import FromAgent
from mesos_py.messages.executor import ExecutorEvent
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import HealthCheck

__all__ = [
    "AgentEffect",
    "CheckHealth",
    "Checkpoint",
    "DestroyContainer",
    "ForgetContainer",
    "SendToExecutor",
    "SendToMaster",
    "SignalContainer",
    "StartContainer",
    "StopAgent",
    "UpdateContainer",
]


class SendToMaster(Struct, frozen=True, tag=True, gc=False):
    """Send a message to whoever leads."""

    message: FromAgent


class StartContainer(Struct, frozen=True, tag=True, gc=False):
    """Answered by ContainerStarted or ContainerFailed; a started one later by ContainerEnded."""

    spec: ContainerSpec


class SignalContainer(Struct, frozen=True, tag=True, gc=False):
    """Send a signal to all processes of a container."""

    container_id: ContainerID
    signal: int


class DestroyContainer(Struct, frozen=True, tag=True, gc=False):
    """Kill all of it; answered by ContainerEnded, or ContainerFailed if it was not started yet."""

    container_id: ContainerID


class ForgetContainer(Struct, frozen=True, tag=True, gc=False):
    """That it has ended, and how, is durable: nobody will ask for it again."""

    container_id: ContainerID


class UpdateContainer(Struct, frozen=True, tag=True, gc=False):
    """Change a container's resources, and the limits up to which it may burst."""

    container_id: ContainerID
    resources: Resources
    limits: dict[str, float] = field(default_factory=dict)


class SendToExecutor(Struct, frozen=True, tag=True, gc=False):
    """Send to a connected custom executor."""

    container_id: ContainerID
    event: ExecutorEvent


class CheckHealth(Struct, frozen=True, tag=True, gc=False):
    """Do one health check; answered by HealthChecked."""

    container_id: ContainerID
    health_check: HealthCheck


class Checkpoint(Struct, frozen=True, tag=True, gc=False):
    """Write a record; answered by Checkpointed with this serial or a higher one."""

    serial: int
    record: Record


class StopAgent(Struct, frozen=True, tag=True, gc=False):
    """Exit the process: refused by the master (then ``error``), or left as ordered."""

    error: str = ""


AgentEffect = (
    SendToMaster
    | StartContainer
    | SignalContainer
    | DestroyContainer
    | ForgetContainer
    | UpdateContainer
    | SendToExecutor
    | CheckHealth
    | Checkpoint
    | StopAgent
)
"""Whatever an agent's core can ask for."""
