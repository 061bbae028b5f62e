"""State to records: the fewest from which ``recover`` makes the same state again.

A journal that only grows would be read for ever longer. It is written anew with these records at every start of the
agent, and whenever it has grown much larger than they are.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from mesos_py.agent.checkpoint import (
    AgentDescribed,
    AgentNamed,
    ContainerPid,
    ExecutorLaunched,
    ExecutorSeen,
    FrameworkSeen,
    FrameworkShutdown,
    KillOrdered,
    Record,
    SequenceSeen,
    ShutdownOrdered,
    TaskCompleted,
    TaskLaunched,
    UpdateAcked,
    UpdateMade,
)
from mesos_py.agent.state import AgentState, Executor, Framework, Group, Stage, Task
from mesos_py.types.tasks import TaskInfo

__all__ = ["records_of"]


def records_of(state: AgentState) -> Iterator[Record]:
    """What is to be written in place of all that was ever written."""
    yield AgentDescribed(info=state.config.info)
    if state.agent_id is not None:
        yield AgentNamed(agent_id=state.agent_id)
    yield SequenceSeen(epoch=state.epoch, sequence=state.sequence, master_id=state.master_id)
    if state.drain is not None:
        yield state.drain
    for task in state.completed_tasks.values():
        yield _completed(task)
    sizes = _group_sizes(state)
    for framework in state.frameworks.values():
        yield FrameworkSeen(framework_id=framework.framework_id, framework=framework.info)
        for executor in framework.executors.values():
            yield from _executor(executor)
        for task in framework.tasks.values():
            yield from _task(task, sizes)
        if framework.removed:
            yield FrameworkShutdown(framework_id=framework.framework_id)


def _group_sizes(state: AgentState) -> dict[Group, int]:
    sizes: dict[Group, int] = {}
    for task in state.tasks():
        if task.group is not None:
            sizes[task.group] = sizes.get(task.group, 0) + 1
    return {group: size + group.partial for group, size in sizes.items()}


def _completed(task: Task) -> TaskCompleted:
    info = task.info
    return TaskCompleted(
        framework_id=task.framework.framework_id,
        task=TaskInfo(task_id=info.task_id, name=info.name, resources=info.resources, labels=info.labels),
        role=task.role,
        container_id=task.container_id,
        sandbox=task.sandbox,
        state=task.state,
        status=replace(task.newest, data=b"") if task.newest is not None else None,
    )


def _executor(executor: Executor) -> Iterator[Record]:
    framework: Framework = executor.framework
    container_id = executor.container_id
    yield ExecutorLaunched(
        framework_id=framework.framework_id,
        executor=executor.info,
        role=executor.role,
        container_id=container_id,
        sandbox=executor.sandbox,
        finished=dict(executor.finished),
    )
    if executor.stage is Stage.UP:
        yield ContainerPid(container_id=container_id, pid=executor.pid, at=executor.began)
    if executor.seen:
        yield ExecutorSeen(container_id=container_id)
    if executor.shutting_down and executor.ending is not None:
        yield ShutdownOrdered(
            framework_id=framework.framework_id,
            executor_id=executor.info.executor_id,
            ending=executor.ending,
            deadline=executor.kill_deadline,
        )


def _task(task: Task, sizes: dict[Group, int]) -> Iterator[Record]:
    framework_id = task.framework.framework_id
    ended = task.stage is Stage.ENDED
    yield TaskLaunched(
        framework_id=framework_id,
        task=task.info,
        role=task.role,
        container_id=task.container_id,
        sandbox=task.sandbox,
        executor_id=None if ended or task.executor is None else task.executor.info.executor_id,
        group=task.group.key if task.group is not None else "",
        group_size=sizes[task.group] if task.group is not None else 0,
        ended=ended,
    )
    if not ended:
        yield from _life(task)
    if not task.framework.removed:
        yield from _stream(task)


def _life(task: Task) -> Iterator[Record]:
    if task.stage is Stage.UP and task.container_id is not None:
        yield ContainerPid(container_id=task.container_id, pid=task.pid, at=task.began)
    if task.ending is not None:
        yield KillOrdered(
            framework_id=task.framework.framework_id,
            task_id=task.info.task_id,
            ending=task.ending,
            deadline=task.kill_deadline,
            grace_period_s=task.kill_grace_s,
        )


def _stream(task: Task) -> Iterator[Record]:
    framework_id = task.framework.framework_id
    number = task.number if task.stage is Stage.DELIVERED and task.number >= 0 else None
    for status in task.updates:
        yield UpdateMade(framework_id=framework_id, status=status, number=number)
    newest = task.newest
    if not task.updates and newest is not None and newest.update_id is not None:
        yield UpdateMade(framework_id=framework_id, status=newest, number=number)
        yield UpdateAcked(framework_id=framework_id, task_id=task.info.task_id, update_id=newest.update_id)
