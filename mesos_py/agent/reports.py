"""Which of an executor's reports are taken, and how each is answered.

A report is acknowledged once it is durable; a repeated one is acknowledged again. One that cannot be true (a task it
does not have, STAGING, a step that its state does not allow) is answered with an error, and acknowledged too: there
is no point in repeating it.
"""

from mesos_py.agent.effects import SendToExecutor
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.state import AgentState, Executor, Stage, Task
from mesos_py.agent.updates import Updates
from mesos_py.messages.agent import ExecutorToFramework
from mesos_py.messages.executor import ExecutorAcknowledged, ExecutorError, ExecutorUpdate
from mesos_py.types.tasks import NEXT_STATES, TERMINAL, Source, TaskState

__all__ = ["Reports"]

_REPORTABLE = frozenset(
    {
        TaskState.STARTING,
        TaskState.RUNNING,
        TaskState.KILLING,
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.DROPPED,
    }
)
"""What an executor can know of a task."""


class Reports:
    """Takes in what executors say of their tasks."""

    def __init__(self, state: AgentState, out: Outbox, updates: Updates) -> None:
        self._state = state
        self._out = out
        self._updates = updates

    def take(self, executor: Executor, update: ExecutorUpdate, now: float) -> Task | None:
        """Put a report into the task's stream; gives the task if it has ended by it."""
        task = executor.tasks.get(update.task_id)
        last = task.number if task is not None else executor.finished.get(update.task_id, -1)
        if update.number <= last:
            self._acknowledge_when_durable(executor, update, now)
            return None
        if task is None or task.stage is not Stage.DELIVERED:
            self._refuse(executor, update, f"task {update.task_id!r} is not here")
            return None
        if update.state not in _REPORTABLE or update.state not in NEXT_STATES[task.state]:
            why = f"task {update.task_id!r} cannot go from {task.state} to {update.state}"
            self._refuse(executor, update, why)
            return None
        ended = update.state in TERMINAL
        if not ended and self._updates.is_full(task, len(update.data) + len(update.message)):
            self._refuse(executor, update, f"too many updates of task {update.task_id!r} wait for its framework")
            return None
        task.number = update.number
        if ended:
            executor.note_finished(update.task_id, update.number)
            task.stage = Stage.ENDED
        self._updates.add(
            task,
            now,
            update.state,
            Source.EXECUTOR,
            reason=update.reason,
            message=update.message,
            data=update.data,
            healthy=update.healthy,
            number=update.number,
        )
        self._acknowledge_when_durable(executor, update, now)
        return task if ended else None

    def message(self, executor: Executor, data: bytes) -> None:
        """Bytes for the scheduler; best effort."""
        state = self._state
        if not state.registered or state.agent_id is None:
            state.count("executor_messages_dropped")
            return
        self._out.to_master(
            ExecutorToFramework(
                agent_id=state.agent_id,
                framework_id=executor.framework.framework_id,
                executor_id=executor.info.executor_id,
                data=data,
            )
        )

    def _acknowledge_when_durable(self, executor: Executor, update: ExecutorUpdate, now: float) -> None:
        answer = ExecutorAcknowledged(task_id=update.task_id, number=update.number)
        self._out.when_durable(lambda answer, _now: self._answer(executor, answer), answer, now)

    def _refuse(self, executor: Executor, update: ExecutorUpdate, why: str) -> None:
        self._state.count("executor_updates_refused")
        self._answer(executor, ExecutorError(message=why))
        self._answer(executor, ExecutorAcknowledged(task_id=update.task_id, number=update.number))

    def _answer(self, executor: Executor, answer: ExecutorAcknowledged | ExecutorError) -> None:
        if executor.connected:
            self._out.effects.append(SendToExecutor(executor.container_id, answer))
