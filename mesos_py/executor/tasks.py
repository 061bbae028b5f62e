"""The tasks an executor has, and what it said of them that the agent has not acknowledged.

Every update gets a number that grows per task. It is kept until it is acknowledged and repeated with every
subscription, in the order in which it was made. A task once seen is never launched again, however often it is sent.
"""

from collections import OrderedDict
from typing import Final

from mesos_py.errors import UserError
from mesos_py.executor.events import UserUpdated
from mesos_py.messages.executor import ExecutorAcknowledged, ExecutorUpdate
from mesos_py.types.ids import TaskID
from mesos_py.types.tasks import NEXT_STATES, TERMINAL, TaskInfo, TaskState

__all__ = ["REPORTABLE", "Tasks"]

REPORTABLE: Final = frozenset(
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

_ENDED_KEPT = 10_000
"""Of so many ended tasks the id is remembered."""


class Tasks:
    """All tasks of one executor."""

    def __init__(self) -> None:
        self._live: dict[TaskID, TaskState] = {}
        self._numbers: dict[TaskID, int] = {}
        self._ended: OrderedDict[TaskID, None] = OrderedDict()
        self._unacknowledged: dict[tuple[TaskID, int], ExecutorUpdate] = {}

    def take_new(self, tasks: list[TaskInfo]) -> list[TaskInfo]:
        """Those never seen before; they are the executor's from now on."""
        fresh = [task for task in tasks if task.task_id not in self._live and task.task_id not in self._ended]
        for task in fresh:
            self._live[task.task_id] = TaskState.STAGING
            self._numbers[task.task_id] = 0
        return fresh

    def is_live(self, task_id: TaskID) -> bool:
        """True if the task is here and has not ended."""
        return task_id in self._live

    def update(self, told: UserUpdated) -> ExecutorUpdate:
        """Take in a new state. Raises UserError, and changes nothing, if that cannot follow."""
        state = self._live.get(told.task_id)
        if state is None:
            raise UserError(f"task {told.task_id!r} is not running here")
        if told.state not in REPORTABLE or told.state not in NEXT_STATES[state]:
            raise UserError(f"task {told.task_id!r} cannot go from {state} to {told.state}")
        number = self._numbers[told.task_id]
        update = ExecutorUpdate(
            task_id=told.task_id,
            state=told.state,
            number=number,
            message=told.message,
            data=told.data,
            reason=told.reason,
            healthy=told.healthy,
        )
        self._unacknowledged[told.task_id, number] = update
        if told.state in TERMINAL:
            self._end(told.task_id)
        else:
            self._live[told.task_id] = told.state
            self._numbers[told.task_id] = number + 1
        return update

    def acknowledged(self, acknowledgement: ExecutorAcknowledged) -> None:
        """The agent has stored an update."""
        self._unacknowledged.pop((acknowledgement.task_id, acknowledgement.number), None)

    def unacknowledged(self) -> list[ExecutorUpdate]:
        """In the order in which they were made."""
        return list(self._unacknowledged.values())

    @property
    def idle(self) -> bool:
        """True if nothing runs and everything said was heard."""
        return not self._live and not self._unacknowledged

    def _end(self, task_id: TaskID) -> None:
        del self._live[task_id]
        del self._numbers[task_id]
        self._ended[task_id] = None
        if len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)
