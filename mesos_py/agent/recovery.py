"""Records back to state: what an agent knew when its process ended.

The state is that of the moment when the last record was written, as far as it outlives a process: nobody is connected
or registered, no timer runs. A task that was taken on and has no process on record may or may not have been asked for;
it is PREPARING, and whoever runs the containers knows. A task of an executor that said nothing about it counts as
handed over: it is handed over again when the executor is back, and the executor knows whether it has it.
"""

from collections.abc import Iterable
from typing import assert_never

from mesos_py.agent.checkpoint import (
    AgentNamed,
    ContainerPid,
    ExecutorEnded,
    ExecutorLaunched,
    FrameworkSeen,
    FrameworkShutdown,
    KillOrdered,
    Record,
    SequenceSeen,
    TaskForgotten,
    TaskLaunched,
    UpdateAcked,
    UpdateMade,
)
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.state import AgentState, Executor, Framework, Group, Stage, Task
from mesos_py.errors import InvariantError
from mesos_py.types.ids import FrameworkID, TaskID
from mesos_py.types.tasks import TERMINAL

__all__ = ["recover"]


def recover(config: AgentCoreConfig, records: Iterable[Record]) -> AgentState:
    """The state after these records. Raises InvariantError if one speaks of something that none before it made."""
    replay = _Replay(config)
    for record in records:
        try:
            replay.apply(record)
        except (KeyError, AssertionError):
            raise InvariantError(f"the records are not whole: {record} follows from nothing") from None
    replay.finish()
    return replay.state


class _Replay:
    def __init__(self, config: AgentCoreConfig) -> None:
        self.state = AgentState(config)
        self._groups: dict[str, Group] = {}

    def apply(self, record: Record) -> None:
        state = self.state
        match record:
            case UpdateMade():
                self._update(record)
            case UpdateAcked():
                task = self._task(record.framework_id, record.task_id)
                while task.updates and (task.updates[0].update_id or 0) <= record.update_id:
                    task.status_state = task.updates.pop(0).state
            case TaskLaunched():
                self._task_launched(record)
            case TaskForgotten():
                task = self._task(record.framework_id, record.task_id)
                self._task_ended(task)
                task.updates.clear()
                state.forget_task(task)
            case ContainerPid():
                state.containers[record.container_id].stage = Stage.UP
            case SequenceSeen():
                state.epoch, state.sequence = record.epoch, record.sequence
            case KillOrdered():
                self._task(record.framework_id, record.task_id).ending = record.ending
            case AgentNamed():
                state.agent_id = record.agent_id
            case FrameworkSeen() | FrameworkShutdown():
                self._framework(record)
            case ExecutorLaunched():
                self._executor_launched(record)
            case ExecutorEnded():
                self._executor_ended(record)
            case _:
                assert_never(record)

    def finish(self) -> None:
        """Forget what the records were about to say and did not."""
        for task in list(self.state.tasks()):
            if task.stage is Stage.ENDED and not task.updates:
                del task.framework.tasks[task.info.task_id]
            if task.updates:
                task.sent_id = task.updates[0].update_id or 0
                task.status_state = task.updates[0].state
            task.stable_id = task.next_update_id - 1
        for framework in list(self.state.frameworks.values()):
            self.state.drop_if_empty(framework)

    def _task(self, framework_id: FrameworkID, task_id: TaskID) -> Task:
        return self.state.frameworks[framework_id].tasks[task_id]

    def _framework(self, record: FrameworkSeen | FrameworkShutdown) -> None:
        state = self.state
        if isinstance(record, FrameworkShutdown):
            framework = state.frameworks[record.framework_id]
            framework.removed = True
            for task in framework.tasks.values():
                task.updates.clear()
        elif record.framework_id in state.frameworks:
            state.frameworks[record.framework_id].info = record.framework
        else:
            state.add_framework(record.framework_id, record.framework)

    def _task_launched(self, record: TaskLaunched) -> None:
        state = self.state
        framework = state.frameworks[record.framework_id]
        task = Task(framework, record.task, record.role)
        framework.tasks[record.task.task_id] = task
        task.container_id = record.container_id
        task.sandbox = record.sandbox
        if record.container_id is None:
            task.stage = Stage.ENDED
            return
        state.take(record.task.resources)
        if record.group:
            task.group = self._groups.setdefault(record.group, Group(record.group))
            task.group.tasks.append(task)
        if record.executor_id is None:
            task.stage = Stage.PREPARING
            state.containers[record.container_id] = task
        else:
            executor = task.executor = framework.executors[record.executor_id]
            task.stage = Stage.DELIVERED
            executor.delivered_any = True
            executor.tasks[record.task.task_id] = task
            executor.need += record.task.resources

    def _update(self, record: UpdateMade) -> None:
        status = record.status
        task = self._task(record.framework_id, status.task_id)
        assert status.update_id == task.next_update_id
        task.next_update_id += 1
        task.updates.append(status)
        task.newest = status
        task.state = status.state
        if record.number is not None:
            task.number = record.number
        if status.state in TERMINAL:
            self._task_ended(task)

    def _task_ended(self, task: Task) -> None:
        if task.stage is Stage.ENDED:
            return
        task.stage = Stage.ENDED
        self.state.give_back(task.info.resources)
        executor = task.executor
        if executor is not None:
            executor.need -= task.info.resources
            executor.finished[task.info.task_id] = task.number
            del executor.tasks[task.info.task_id]
        elif task.container_id is not None:
            del self.state.containers[task.container_id]

    def _executor_launched(self, record: ExecutorLaunched) -> None:
        state = self.state
        framework: Framework = state.frameworks[record.framework_id]
        executor = Executor(framework, record.executor, record.role, record.container_id, record.sandbox)
        executor.stage = Stage.PREPARING
        framework.executors[record.executor.executor_id] = executor
        state.containers[record.container_id] = executor
        state.take(record.executor.resources)

    def _executor_ended(self, record: ExecutorEnded) -> None:
        state = self.state
        framework = state.frameworks[record.framework_id]
        executor = framework.executors.pop(record.executor_id)
        executor.stage = Stage.ENDED
        del state.containers[executor.container_id]
        state.give_back(executor.info.resources)
        state.completed_executors.append((executor, None))
        state.drop_if_empty(framework)
