"""How a status looks that we make ourselves, because no master can say it or need say it."""

from collections.abc import Iterator

from mesos_py.scheduler.tasks import TaskBook
from mesos_py.types.ids import AgentID, FrameworkID, TaskID
from mesos_py.types.tasks import Reason, Source, TaskState, TaskStatus

__all__ = ["ends_of_removed", "own_status"]


def own_status(
    task_id: TaskID, state: TaskState, reason: Reason, why: str, now: float, agent_id: AgentID | None = None
) -> TaskStatus:
    """As a master would make it; without an ``update_id``, for there is nothing to acknowledge."""
    return TaskStatus(
        task_id=task_id,
        state=state,
        source=Source.MASTER,
        timestamp=now,
        reason=reason,
        message=why,
        agent_id=agent_id,
    )


def ends_of_removed(tasks: TaskBook, framework_id: FrameworkID | None, now: float) -> Iterator[TaskStatus]:
    """The framework was removed, and its tasks with it: the end of each, and nothing is known of any afterwards.

    Of one that was only asked for we cannot say what became of it.
    """
    reason, why = Reason.FRAMEWORK_REMOVED, f"framework {framework_id} was removed by the master, and its tasks with it"
    asked_for = [task_id for task_id in tasks.wanted() if not tasks.is_live(task_id)]
    for task_id, agent_id in tasks.forget():
        yield own_status(task_id, TaskState.KILLED, reason, why, now, agent_id)
    for task_id in asked_for:
        yield own_status(task_id, TaskState.UNKNOWN, reason, why, now)
