"""How a status looks that we make ourselves, because no master can say it or need say it."""

from mesos_py.types.ids import AgentID, TaskID
from mesos_py.types.tasks import Reason, Source, TaskState, TaskStatus

__all__ = ["own_status"]


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
