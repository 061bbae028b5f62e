"""Records back to state: what an agent knew when its process ended.

The state is that of the moment when the last record was written, as far as it outlives a process: nobody is connected
or registered, no timer runs. A task that was taken on and has no process on record may or may not have been asked for;
it is PREPARING, and whoever runs the containers knows. A task of an executor that said nothing about it counts as
handed over: it is handed over again when the executor is back, and the executor knows whether it has it.

Where records are missing, because they were spoiled or come from another release, those that follow from nothing are
skipped and counted, and the others give a state that is sound. What was lost with them is found out by the master,
which asks after every task it knows of.
"""

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from mesos_py.agent.checkpoint import (
    AgentDescribed,
    AgentNamed,
    ContainerPid,
    DrainEnded,
    DrainOrdered,
    ExecutorEnded,
    ExecutorLaunched,
    ExecutorSeen,
    FrameworkSeen,
    FrameworkShutdown,
    KillOrdered,
    Record,
    SequenceSeen,
    ShutdownOrdered,
    TaskCompleted,
    TaskForgotten,
    TaskLaunched,
    UpdateAcked,
    UpdateMade,
)
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.state import AgentState, Executor, Group, Stage, Task
from mesos_py.errors import ConfigError
from mesos_py.types.ids import FrameworkID, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo
from mesos_py.types.tasks import TERMINAL, TaskState

__all__ = ["ERRORS", "described", "recover"]

ERRORS = "recovery_errors"
"""The counter of what could not be used."""


def described(records: Iterable[Record]) -> AgentInfo | None:
    """What the agent said of itself when these were written, if that is known."""
    found = None
    for record in records:
        if isinstance(record, AgentDescribed):
            found = record.info
    return found


def recover(config: AgentCoreConfig, records: Iterable[Record], *, strict: bool = False) -> AgentState:
    """The state after these records. With ``strict``, raises ConfigError if one follows from nothing before it."""
    replay = _Replay(config, strict=strict)
    for record in records:
        try:
            replay.apply(record)
        except (KeyError, _HoleError):
            replay.hole(f"{type(record).__name__} follows from nothing")
    replay.finish()
    return replay.state


class _HoleError(Exception):
    """A record does not fit to what was before it."""


def _expect(holds: bool) -> None:
    if not holds:
        raise _HoleError


class _Replay:
    """Each record is applied as a whole or, raising KeyError or _HoleError, not at all."""

    def __init__(self, config: AgentCoreConfig, *, strict: bool) -> None:
        self.state = AgentState(config)
        self._strict = strict
        self._groups: dict[str, tuple[Group, int]] = {}

    def hole(self, what: str) -> None:
        if self._strict:
            raise ConfigError(f"the records are not whole: {what}")
        self.state.count(ERRORS)

    def apply(self, record: Record) -> None:
        match record:
            case UpdateMade():
                self._update(record)
            case UpdateAcked() | TaskForgotten() | KillOrdered():
                self._of_task(record, self._task(record.framework_id, record.task_id))
            case TaskLaunched():
                self._task_launched(record)
            case TaskCompleted():
                self._task_completed(record)
            case AgentDescribed() | AgentNamed() | SequenceSeen() | DrainOrdered() | DrainEnded():
                self._agent(record)
            case FrameworkSeen():
                self._framework_seen(record)
            case FrameworkShutdown():
                self._framework_shutdown(record)
            case ExecutorLaunched():
                self._executor_launched(record)
            case ContainerPid() | ExecutorSeen():
                self._container(record)
            case ShutdownOrdered() | ExecutorEnded():
                self._of_executor(record)
            case _:
                assert_never(record)

    def finish(self) -> None:
        """Forget what the records were about to say and did not."""
        state = self.state
        for task in list(state.tasks()):
            if task.stage is Stage.ENDED and not task.updates:
                del task.framework.tasks[task.info.task_id]
            if task.updates:
                task.sent_id = task.updates[0].update_id or 0
                task.status_state = task.updates[0].state
            else:
                task.sent_id = task.next_update_id - 1
            task.stable_id = task.next_update_id - 1
        for group, size in self._groups.values():
            # Its records are written one after the other: where one is missing, the process ended right there.
            group.partial = len(group.tasks) < size and not state.counters.get(ERRORS)
            group.broken = any(task.state in TERMINAL - {TaskState.FINISHED} for task in group.tasks)
        for framework in list(state.frameworks.values()):
            state.drop_if_empty(framework)

    # The agent and its frameworks

    def _agent(self, record: AgentDescribed | AgentNamed | SequenceSeen | DrainOrdered | DrainEnded) -> None:
        state = self.state
        match record:
            case AgentDescribed():
                pass  # it is read before all others, see ``described``
            case AgentNamed():
                state.agent_id = record.agent_id
            case SequenceSeen():
                state.epoch, state.sequence, state.master_id = record.epoch, record.sequence, record.master_id
            case DrainOrdered():
                state.drain = record
            case DrainEnded():
                state.drain = None
            case _:
                assert_never(record)

    def _framework_seen(self, record: FrameworkSeen) -> None:
        state = self.state
        _expect(state.agent_id is not None)
        framework = state.frameworks.get(record.framework_id)
        if framework is None:
            state.add_framework(record.framework_id, record.framework)
        else:
            _expect(not framework.removed)
            framework.info = record.framework

    def _framework_shutdown(self, record: FrameworkShutdown) -> None:
        framework = self.state.frameworks[record.framework_id]
        framework.removed = True
        for task in framework.tasks.values():
            task.updates.clear()

    # Tasks

    def _task(self, framework_id: FrameworkID, task_id: TaskID) -> Task:
        return self.state.frameworks[framework_id].tasks[task_id]

    def _task_launched(self, record: TaskLaunched) -> None:
        state = self.state
        framework = state.frameworks[record.framework_id]
        known = framework.tasks.get(record.task.task_id)
        _expect(known is None or known.stage is Stage.ENDED)
        task = Task(framework, record.task, record.role)
        task.container_id, task.sandbox = record.container_id, record.sandbox
        lives = record.container_id is not None and not record.ended
        if lives:
            _expect(state.has_room_for([record.task.resources]))
            if record.executor_id is None:
                self._take_command(task)
            else:
                self._take_for_executor(task, framework.executors[record.executor_id])
        else:
            task.stage = Stage.ENDED
        framework.tasks[record.task.task_id] = task
        if record.group:
            group, _ = self._groups.setdefault(record.group, (Group(record.group), record.group_size))
            task.group = group
            group.tasks.append(task)

    def _take_command(self, task: Task) -> None:
        assert task.container_id is not None
        _expect(task.container_id not in self.state.containers and task.info.command is not None)
        self.state.containers[task.container_id] = task
        self.state.take(task.info.resources)
        task.stage = Stage.PREPARING

    def _take_for_executor(self, task: Task, executor: Executor) -> None:
        _expect(task.container_id == executor.container_id)
        self.state.take(task.info.resources)
        task.executor = executor
        task.stage = Stage.DELIVERED
        executor.delivered_any = True
        executor.tasks[task.info.task_id] = task
        executor.need += task.info.resources
        executor.has_limits = executor.has_limits or bool(task.info.limits)

    def _of_task(self, record: UpdateAcked | TaskForgotten | KillOrdered, task: Task) -> None:
        match record:
            case UpdateAcked():
                while task.updates and (task.updates[0].update_id or 0) <= record.update_id:
                    task.status_state = task.updates.pop(0).state
            case TaskForgotten():
                self._task_ended(task, None)
                if task.state not in TERMINAL:
                    task.state = TaskState.KILLED  # its framework was removed, and nobody asked for more
                task.updates.clear()
                self.state.forget_task(task)
            case KillOrdered():
                _expect(task.stage is not Stage.ENDED)
                task.ending = record.ending
                task.kill_deadline, task.kill_grace_s = record.deadline, record.grace_period_s
            case _:
                assert_never(record)

    def _task_completed(self, record: TaskCompleted) -> None:
        state = self.state
        _expect(state.agent_id is not None)
        framework = state.frameworks.get(record.framework_id)
        if framework is None:
            framework = state.make_framework(record.framework_id, FrameworkInfo(name=""))
        task = Task(framework, record.task, record.role)
        task.container_id, task.sandbox = record.container_id, record.sandbox
        task.stage, task.state, task.newest = Stage.ENDED, record.state, record.status
        state.remember(task)

    def _update(self, record: UpdateMade) -> None:
        status = record.status
        task = self._task(record.framework_id, status.task_id)
        update_id = status.update_id or 0
        _expect(task.state not in TERMINAL and not task.framework.removed and update_id >= task.next_update_id)
        self._close_gap(task, update_id)
        task.next_update_id += 1
        task.updates.append(status)
        task.newest = status
        task.state = status.state
        if record.number is not None:
            task.number = record.number
        if status.state in TERMINAL:
            self._task_ended(task, record.number)

    def _close_gap(self, task: Task, update_id: int) -> None:
        """Let the stream go on with this update."""
        before = task.newest
        if before is None:
            task.next_update_id = update_id  # a journal that was written anew begins with what is not acknowledged
        elif task.next_update_id < update_id:
            self.hole(f"updates of task {task.info.task_id!r} are missing")
            _expect(update_id - task.next_update_id <= _LONGEST_GAP)
            for missing in range(task.next_update_id, update_id):  # the framework counts them
                task.updates.append(replace(before, update_id=missing))
            task.next_update_id = update_id

    def _task_ended(self, task: Task, number: int | None) -> None:
        if task.stage is Stage.ENDED:
            return
        task.stage = Stage.ENDED
        self.state.give_back(task.info.resources)
        executor = task.executor
        if executor is not None:
            executor.need -= task.info.resources
            if number is not None:
                executor.note_finished(task.info.task_id, number)
            del executor.tasks[task.info.task_id]
        elif task.container_id is not None:
            del self.state.containers[task.container_id]

    # Executors and containers

    def _executor_launched(self, record: ExecutorLaunched) -> None:
        state = self.state
        framework = state.frameworks[record.framework_id]
        _expect(record.executor.executor_id not in framework.executors and record.container_id not in state.containers)
        _expect(state.has_room_for([record.executor.resources]))
        executor = Executor(framework, record.executor, record.role, record.container_id, record.sandbox)
        executor.stage = Stage.PREPARING
        executor.finished.update(record.finished)
        executor.delivered_any = bool(record.finished)
        framework.executors[record.executor.executor_id] = executor
        state.containers[record.container_id] = executor
        state.take(record.executor.resources)

    def _container(self, record: ContainerPid | ExecutorSeen) -> None:
        owner = self.state.containers[record.container_id]
        if isinstance(record, ContainerPid):
            owner.stage = Stage.UP
            owner.pid, owner.began = record.pid, record.at
        else:
            if not isinstance(owner, Executor):
                raise _HoleError
            owner.seen = True

    def _of_executor(self, record: ShutdownOrdered | ExecutorEnded) -> None:
        state = self.state
        framework = state.frameworks[record.framework_id]
        executor = framework.executors[record.executor_id]
        if isinstance(record, ShutdownOrdered):
            executor.shutting_down = True
            executor.ending, executor.kill_deadline = record.ending, record.deadline
            return
        _expect(not executor.tasks)
        del framework.executors[record.executor_id]
        executor.stage = Stage.ENDED
        del state.containers[executor.container_id]
        state.give_back(executor.info.resources)
        state.completed_executors.append((executor, None))
        state.drop_if_empty(framework)


_LONGEST_GAP = 1000
"""Updates that a stream can be mended for."""
