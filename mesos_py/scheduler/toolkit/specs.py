"""What waits for a place: a task, and what it asks of the place."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from mesos_py.errors import UserError
from mesos_py.scheduler.toolkit.constraints import Constraint
from mesos_py.types.ids import Role, TaskID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, TaskInfo

__all__ = ["TaskSpec", "command_task"]


class TaskSpec(Struct, frozen=True, kw_only=True, gc=False):
    """A task that waits for a place. ``task.resources`` are given unreserved; packing picks the actual ones."""

    task: TaskInfo
    ports: int = 0
    """How many ports to choose from the offer. They are added to the task's resources, and a command finds them in
    its environment: PORT (the first), PORT0, PORT1, ..., PORTS (all, with commas)."""
    constraints: list[Constraint] = field(default_factory=list)
    """All must allow the place."""
    group: str = ""
    """Constraints look at the other tasks of the same group."""
    priority: int = 0
    """Higher goes first."""
    role: Role | None = None
    """Only offers of this role; None for any."""
    hosts: list[str] = field(default_factory=list)
    """Where its data are; ``delay_fit`` goes by that. None: it is at home anywhere."""

    @property
    def task_id(self) -> TaskID:
        """Of the task."""
        return self.task.task_id


def command_task(
    task_id: str,
    command: str | Iterable[str],
    *,
    cpus: float = 0.0,
    mem: float = 0.0,
    disk: float = 0.0,
    gpus: float = 0.0,
    environment: Mapping[str, str] | None = None,
    name: str = "",
) -> TaskInfo:
    """A task that runs a shell line, or an argument vector without a shell; memory and disk in MB. Raises UserError.

    >>> command_task("hello-1", "echo hello", cpus=0.1, mem=32).resources
    Resources('cpus:0.1;mem:32')
    """
    variables = dict(environment or {})
    if isinstance(command, str):
        info = CommandInfo(value=command, environment=variables)
    else:
        info = CommandInfo(argv=list(command), environment=variables)
    resources = Resources.of(cpus=cpus, mem=mem, disk=disk, gpus=gpus)
    if not resources:
        raise UserError(f"task {task_id!r} needs resources")
    return TaskInfo(task_id=TaskID(task_id), name=name, command=info, resources=resources)
