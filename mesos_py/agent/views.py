"""What an agent shows of itself: a snapshot for its HTTP API, made of values only."""

from msgspec import Struct

from mesos_py.agent.state import AgentState, Executor, Framework, Task
from mesos_py.types.containers import ContainerExit
from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, MasterID, Principal, Role, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import LIVE, ExecutorInfo, TaskInfo, TaskState, TaskStatus

__all__ = ["AgentView", "ExecutorView", "FrameworkView", "TaskView", "how_it_fares", "view_of"]


class TaskView(Struct, frozen=True, kw_only=True):
    """A task."""

    framework_id: FrameworkID
    task_id: TaskID
    task: TaskInfo
    role: Role
    state: TaskState
    executor_id: ExecutorID | None
    container_id: ContainerID | None
    sandbox: str
    """Empty for a task that was refused."""
    newest_status: TaskStatus | None
    unacknowledged: int
    """How many of its updates are."""


class ExecutorView(Struct, frozen=True, kw_only=True):
    """A custom executor."""

    framework_id: FrameworkID
    executor: ExecutorInfo
    role: Role
    container_id: ContainerID
    sandbox: str
    connected: bool
    resources: Resources
    """Its own and its tasks'."""
    exit: ContainerExit | None = None
    """For one that has ended, if it ever ran."""


class FrameworkView(Struct, frozen=True, kw_only=True):
    """A framework with something here."""

    framework_id: FrameworkID
    framework: FrameworkInfo
    removed: bool
    tasks: list[TaskView]
    executors: list[ExecutorView]


class AgentView(Struct, frozen=True, kw_only=True):
    """All of it."""

    agent_id: AgentID | None
    info: AgentInfo
    connected: bool
    registered: bool
    leaving: bool
    draining: bool = False
    """All it runs is being ended by its master's order, and nothing is taken on until then."""
    recovering: bool = False
    """What an earlier process left is not taken in yet."""
    epoch: int
    master_id: MasterID | None
    used: Resources
    frameworks: list[FrameworkView]
    completed_tasks: list[TaskView]
    """Oldest first."""
    completed_executors: list[ExecutorView]
    owners: dict[FrameworkID, Principal] = {}
    """Principals of all these frameworks, also of those of which only what has ended is known."""
    counters: dict[str, int]


def how_it_fares(state: AgentState) -> tuple[bool, str]:
    """Whether it is registered, and what it is doing, for people."""
    tasks = f"{sum(task.state in LIVE for task in state.tasks())} tasks"
    if state.leaving:
        return False, f"leaving, {tasks} are left"
    if not state.connected:
        return False, f"cut off from the broker, {tasks} run on"
    if state.registered:
        return True, f"registered as {state.agent_id}, {tasks}"
    return False, f"looking for a master to register with, {tasks}"


def view_of(state: AgentState) -> AgentView:
    """The state at this moment."""
    return AgentView(
        agent_id=state.agent_id,
        info=state.config.info,
        connected=state.connected,
        registered=state.registered,
        leaving=state.leaving,
        draining=state.drain is not None,
        recovering=state.recovering,
        epoch=state.epoch,
        master_id=state.master_id,
        used=state.used,
        frameworks=[_framework(framework) for framework in state.frameworks.values()],
        completed_tasks=[_task(task) for task in state.completed_tasks.values()],
        completed_executors=[_executor(executor, exit_) for executor, exit_ in state.completed_executors],
        owners=_owners(state),
        counters=dict(state.counters),
    )


def _owners(state: AgentState) -> dict[FrameworkID, Principal]:
    ended = [task.framework for task in state.completed_tasks.values()]
    ended += [executor.framework for executor, _ in state.completed_executors]
    return {framework.framework_id: framework.info.principal for framework in [*ended, *state.frameworks.values()]}


def _framework(framework: Framework) -> FrameworkView:
    return FrameworkView(
        framework_id=framework.framework_id,
        framework=framework.info,
        removed=framework.removed,
        tasks=[_task(task) for task in framework.tasks.values()],
        executors=[_executor(executor, None) for executor in framework.executors.values()],
    )


def _task(task: Task) -> TaskView:
    return TaskView(
        framework_id=task.framework.framework_id,
        task_id=task.info.task_id,
        task=task.info,
        role=task.role,
        state=task.state,
        executor_id=_executor_id(task),
        container_id=task.container_id,
        sandbox=task.sandbox,
        newest_status=task.newest,
        unacknowledged=len(task.updates),
    )


def _executor_id(task: Task) -> ExecutorID | None:
    if task.executor is not None:
        return task.executor.info.executor_id
    return task.newest.executor_id if task.newest is not None else None  # it ended under an earlier process


def _executor(executor: Executor, exit_: ContainerExit | None) -> ExecutorView:
    return ExecutorView(
        framework_id=executor.framework.framework_id,
        executor=executor.info,
        role=executor.role,
        container_id=executor.container_id,
        sandbox=executor.sandbox,
        connected=executor.connected,
        resources=executor.need,
        exit=exit_,
    )
