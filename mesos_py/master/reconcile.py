"""Answers what a framework asks about its tasks (Mesos ``docs/reconciliation.md``).

An answer is an update without ``update_id``. The six cases of an explicit question:

1. the task is known: its newest forwarded state;
2. it is not, but its agent is admitted and not connected, or just returning (it may yet report the task), or the
   agent is not named and some agent is so: silence, ask again;
3. it is not, and its agent is connected: GONE, it would have reported it;
4. its agent was given up: UNREACHABLE;
5. its agent was declared gone by an operator: GONE_BY_OPERATOR;
6. nothing is known: UNKNOWN.
"""

from collections.abc import Iterator

from mesos_py.master.state import Framework, MasterState, Task
from mesos_py.messages.scheduler import Reconcile, TaskToReconcile
from mesos_py.types.ids import AgentID, TaskID
from mesos_py.types.tasks import TERMINAL, Reason, Source, TaskState, TaskStatus

__all__ = ["answer_one", "answers"]


def answers(state: MasterState, framework: Framework, call: Reconcile, now: float) -> Iterator[TaskStatus]:
    """The statuses to send: for the tasks asked about, or for all that are held if none is named."""
    if not call.tasks:
        for task in framework.tasks.values():
            yield _known(task, now)
        return
    for wanted in call.tasks:
        if (status := answer_one(state, framework, wanted, now)) is not None:
            yield status


def answer_one(state: MasterState, framework: Framework, wanted: TaskToReconcile, now: float) -> TaskStatus | None:
    """The status of one task, or None for silence."""
    task_id, agent_id = wanted.task_id, wanted.agent_id
    if (task := framework.tasks.get(task_id)) is not None:
        return _known(task, now)
    if (lost := framework.unreachable.get(task_id)) is not None:
        if lost.state in TERMINAL:
            return _known(lost, now)
        agent_id = lost.agent_id
    registry = state.registry
    if agent_id is None:
        if state.absent or state.returning:
            return None
        return _status(task_id, None, TaskState.UNKNOWN, "no agent and no record of this task", now)
    if agent_id in state.absent or agent_id in state.returning:
        return None
    if agent_id in state.agents:
        return _status(task_id, agent_id, TaskState.GONE, "its agent is connected and does not have it", now)
    if agent_id in registry.unreachable:
        since = registry.unreachable[agent_id]
        return _status(
            task_id, agent_id, TaskState.UNREACHABLE, "its agent is silent; the task may still run", now, since
        )
    if agent_id in registry.gone:
        return _status(task_id, agent_id, TaskState.GONE_BY_OPERATOR, "an operator declared its agent gone", now)
    return _status(task_id, agent_id, TaskState.UNKNOWN, "neither the task nor its agent is known", now)


def _known(task: Task, now: float) -> TaskStatus:
    status = task.status
    return TaskStatus(
        task_id=task.info.task_id,
        state=status.state if status is not None else task.state,
        source=Source.MASTER,
        reason=Reason.RECONCILIATION,
        message="the newest state the master has passed on",
        timestamp=now,
        agent_id=task.agent_id,
        executor_id=task.executor_id,
        container_id=status.container_id if status is not None else None,
        healthy=status.healthy if status is not None else None,
        exit_code=status.exit_code if status is not None else None,
    )


def _status(
    task_id: TaskID,
    agent_id: AgentID | None,
    state: TaskState,
    message: str,
    now: float,
    unreachable_time: float | None = None,
) -> TaskStatus:
    return TaskStatus(
        task_id=task_id,
        state=state,
        source=Source.MASTER,
        reason=Reason.RECONCILIATION,
        message=message,
        timestamp=now,
        agent_id=agent_id,
        unreachable_time=unreachable_time,
    )
