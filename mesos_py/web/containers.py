"""Which containers run on an agent, whose they are, and what they use."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from mesos_py.agent.views import AgentView
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.ids import ContainerID, ExecutorID, FrameworkID, TaskID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import LIVE

__all__ = ["ContainerView", "container_views"]


class ContainerView(Struct, frozen=True, kw_only=True):
    """A container that runs: a task's own, or a custom executor's with all tasks in it."""

    container_id: ContainerID
    framework_id: FrameworkID
    executor_id: ExecutorID | None
    """Of a custom executor."""
    task_ids: list[TaskID]
    """Those that live in it; none in a custom executor that waits for tasks."""
    resources: Resources
    """What was asked for: the executor's own and its tasks' together."""
    usage: ContainerUsage
    """What is not given is not known here."""
    measured: float
    """When that was, in seconds since 1970."""


class _Owner(Struct):
    framework_id: FrameworkID
    resources: Resources
    executor_id: ExecutorID | None = None


def container_views(view: AgentView, usage: Sequence[ContainerUsage], measured: float) -> list[ContainerView]:
    """Containers in the order of ``usage``; one of which the core knows no owner is left out."""
    owners: dict[ContainerID, _Owner] = {}
    tasks: defaultdict[ContainerID, list[TaskID]] = defaultdict(list)
    for framework in view.frameworks:
        for task in framework.tasks:
            if task.container_id is None:
                continue
            owners[task.container_id] = _Owner(framework.framework_id, task.task.resources)
            if task.state in LIVE:
                tasks[task.container_id].append(task.task_id)
        for executor in framework.executors:
            owners[executor.container_id] = _Owner(
                framework.framework_id, executor.resources, executor.executor.executor_id
            )
    return [
        ContainerView(
            container_id=each.container_id,
            framework_id=owner.framework_id,
            executor_id=owner.executor_id,
            task_ids=tasks[each.container_id],
            resources=owner.resources,
            usage=each,
            measured=measured,
        )
        for each in usage
        if (owner := owners.get(each.container_id)) is not None
    ]
