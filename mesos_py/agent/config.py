"""What an agent's core is configured with."""

from msgspec import Struct, field

from mesos_py.types.infos import AgentInfo

__all__ = ["AgentCoreConfig"]


class AgentCoreConfig(Struct, frozen=True, kw_only=True):
    """Fixed for the life of a process."""

    info: AgentInfo
    work_dir: str
    incarnation: str
    """Unique among all processes that ever served this agent: container ids are made under it."""
    jitter: float = 0.0
    """At random in [0, 1), drawn outside: keeps the agents of a cluster from acting in step."""
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    """What every task and executor starts with; nothing of the agent's own."""
    registration_backoff_s: float = 1.0
    """Doubled with every attempt. An agent that was never admitted waits for a random part of it first; one that
    comes back, for a random part of what the beacon says."""
    registration_backoff_cap_s: float = 60.0
    master_timeout_factor: float = 5.0
    """After this many missed beacons the master counts as lost."""
    executor_registration_timeout_s: float = 60.0
    """An executor must have connected this long after its container was asked for."""
    executor_reregistration_timeout_s: float = 2.0
    """After a restart of the agent an executor that had connected before must be back this soon."""
    cleanup: bool = False
    """End all that an earlier process left, and stop."""
    update_retry_s: float = 10.0
    """Doubled with every repetition of a status update."""
    update_retry_cap_s: float = 600.0
    update_hurry_s: float = 5.0
    """When a task ends while an earlier update of it waits, that update is repeated so soon, with the latest state:
    the master frees the task's resources by it."""
    leave_timeout_s: float = 10.0
    """How long a leaving agent, all its tasks ended, waits for their updates to be acknowledged."""
    completed_tasks: int = 1000
    """How many ended tasks are remembered, for the operator and for late questions of the master."""
    completed_executors: int = 150
    """The same for custom executors."""
