"""What `mesos run` is asked to do, checked and in our own types."""

from msgspec import Struct

from mesos_py.scheduler.toolkit import Constraint
from mesos_py.types.host import Limit
from mesos_py.types.ids import Role
from mesos_py.types.resources import Resources
from mesos_py.types.roles import ANY_ROLE
from mesos_py.types.tasks import CommandInfo

__all__ = ["RunOptions"]


class RunOptions(Struct, frozen=True, kw_only=True):
    """One command, run once or several times at once."""

    command: CommandInfo
    """With its environment and what to fetch."""
    resources: Resources
    """Of each instance."""
    limits: dict[str, Limit] = {}
    """What each instance may burst to: cpus, mem."""
    name: str
    """Of the framework, and the start of each task's id."""
    instances: int = 1
    role: Role = ANY_ROLE
    constraints: tuple[Constraint, ...] = ()
    """Which agents will do; all must hold."""
    kill_after_s: float | None = None
    """An instance that still runs after this long is killed and counts as failed (TaskInfo.max_completion_time_s)."""
    max_retries: int = 0
    """How often an instance that failed or was lost is started anew."""
    local_agents: int = 0
    """Start an embedded cluster with so many agents for it; 0 uses the one behind ``broker``."""
    broker: str = ""
    """URL of the AMQP broker; empty for an embedded cluster."""
    json: bool = False
    """Print each change as a line of JSON instead of for people."""
