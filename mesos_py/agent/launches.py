"""Takes on tasks: decides about each, writes it down, and has it started once that is durable.

A doubled, late or replayed order does nothing: its sequence number or its task ids are known.
"""

from mesos_py.agent.checkpoint import Ending, FrameworkSeen, SequenceSeen, TaskLaunched
from mesos_py.agent.executors import Executors
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.paths import task_sandbox
from mesos_py.agent.state import AgentState, Executor, Framework, Group, Stage, Task
from mesos_py.agent.tasks import Tasks
from mesos_py.agent.updates import Updates
from mesos_py.agent.validation import why_not_group, why_not_task
from mesos_py.messages.agent import RunTasks
from mesos_py.types.ids import Role, why_not_an_id
from mesos_py.types.offers import Launch
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import ExecutorInfo, Reason, Source, TaskInfo, TaskState

__all__ = ["Launches"]


class Launches:
    """Serves RunTasks."""

    def __init__(self, state: AgentState, out: Outbox, updates: Updates, tasks: Tasks, executors: Executors) -> None:
        self._state = state
        self._out = out
        self._updates = updates
        self._tasks = tasks
        self._executors = executors
        self._groups = 0

    def run(self, order: RunTasks, now: float) -> None:
        """Obey, unless it was obeyed before."""
        state = self._state
        if order.sequence <= state.sequence:
            state.count("launches_repeated")
            return
        state.sequence = order.sequence
        self._out.record(SequenceSeen(epoch=state.epoch, sequence=order.sequence, master_id=state.master_id))
        framework = self._framework(order)
        if framework is None:
            return
        for operation in order.operations:
            if isinstance(operation, Launch):
                for task in operation.tasks:
                    self._launch(framework, task, order.role, now)
            else:
                self._launch_group(framework, operation.tasks, operation.executor, order.role, now)
        state.drop_if_empty(framework)

    def _framework(self, order: RunTasks) -> Framework | None:
        state = self._state
        framework = state.frameworks.get(order.framework_id)
        if framework is None:
            framework = state.add_framework(order.framework_id, order.framework)
        elif framework.removed:
            state.count("launches_of_removed_frameworks")
            return None
        elif framework.info == order.framework:
            return framework
        framework.info = order.framework
        self._out.record(FrameworkSeen(framework_id=order.framework_id, framework=order.framework))
        return framework

    # One task

    def _launch(self, framework: Framework, info: TaskInfo, role: Role, now: float) -> None:
        if info.task_id in framework.tasks:
            self._state.count("launches_repeated")
            return
        refusal = self._why_not(framework, info)
        task = Task(framework, info, role)
        if refusal is not None:
            self._refuse(task, refusal, now)
        elif info.executor is None:
            self._take_command(task, "")
            self._out.when_durable(self._tasks.start, task, now)
        else:
            self._take_for_executor([task], info.executor, "", now)

    def _why_not(self, framework: Framework, info: TaskInfo) -> Ending | None:
        if why := why_not_task(info):
            return _invalid(why)
        return self._why_not_here(framework, [info.resources], info.executor)

    def _find_executor(self, framework: Framework, info: ExecutorInfo) -> tuple[Executor | None, Ending | None]:
        executor = framework.executors.get(info.executor_id)
        if executor is None:
            return None, None
        if executor.info != info:
            return executor, _invalid(f"executor {info.executor_id!r} runs here as something else")
        if executor.shutting_down:
            why = f"executor {info.executor_id!r} is being shut down"
            return executor, Ending(state=TaskState.DROPPED, reason=Reason.EXECUTOR_TERMINATED, message=why)
        return executor, None

    def _why_not_here(
        self, framework: Framework, parts: list[Resources], executor: ExecutorInfo | None
    ) -> Ending | None:
        state = self._state
        if state.leaving:
            return Ending(state=TaskState.DROPPED, reason=Reason.AGENT_REMOVED, message="the agent is leaving")
        if state.drain is not None:
            return Ending(state=TaskState.DROPPED, reason=Reason.AGENT_DRAINING, message="the agent is being drained")
        if why := why_not_an_id(framework.framework_id):
            return Ending(state=TaskState.ERROR, reason=Reason.INVALID_FRAMEWORK_ID, message=why)
        if executor is not None:
            found, refusal = self._find_executor(framework, executor)
            if refusal is not None:
                return refusal
            if found is None:
                parts = [executor.resources, *parts]
        if state.has_room_for(parts):
            return None
        why = f"wants {' and '.join(map(str, parts))}; {state.free} is free"
        return Ending(state=TaskState.DROPPED, reason=Reason.RESOURCES_UNKNOWN, message=why)

    # A group

    def _launch_group(
        self, framework: Framework, infos: list[TaskInfo], executor: ExecutorInfo | None, role: Role, now: float
    ) -> None:
        fresh = [info for info in infos if info.task_id not in framework.tasks]
        if not fresh:
            self._state.count("launches_repeated")
            return
        refusal = self._why_not_group(framework, infos, executor, known=len(infos) - len(fresh))
        if refusal is not None:
            for info in {info.task_id: info for info in fresh}.values():
                self._refuse(Task(framework, info, role), refusal, now)
            return
        self._groups += 1
        key = f"G-{self._state.config.incarnation}-{self._groups}"
        group = Group(key)
        tasks = group.tasks = [Task(framework, info, role) for info in infos]
        for task in tasks:
            task.group = group
        if executor is not None:
            self._take_for_executor(tasks, executor, key, now)
            return
        for task in tasks:
            self._take_command(task, key)
        self._out.when_durable(self._tasks.start_group, group, now)

    def _why_not_group(
        self, framework: Framework, infos: list[TaskInfo], executor: ExecutorInfo | None, known: int
    ) -> Ending | None:
        why = f"{known} of its tasks are known already" if known else why_not_group(infos, executor)
        if why:
            return Ending(state=TaskState.ERROR, reason=Reason.TASK_GROUP_INVALID, message=why)
        return self._why_not_here(framework, [info.resources for info in infos], executor)

    # Taking on and refusing

    def _take_command(self, task: Task, group: str) -> None:
        state = self._state
        framework = task.framework
        container_id = task.container_id = state.new_container_id()
        task.sandbox = task_sandbox(framework.sandboxes, task.info.task_id, container_id)
        framework.tasks[task.info.task_id] = task
        state.take(task.info.resources)
        self._record(task, group)

    def _take_for_executor(self, tasks: list[Task], info: ExecutorInfo, group: str, now: float) -> None:
        framework = tasks[0].framework
        executor = framework.executors.get(info.executor_id)
        if executor is None:
            executor = self._executors.launch(framework, info, tasks[0].role, now)
        self._executors.adopt(executor, tasks)
        for task in tasks:
            framework.tasks[task.info.task_id] = task
            self._state.take(task.info.resources)
            self._record(task, group)
        self._executors.hand_over(executor, tasks, now)

    def _refuse(self, task: Task, refusal: Ending, now: float) -> None:
        task.stage = Stage.ENDED
        task.framework.tasks[task.info.task_id] = task
        self._state.count("launches_refused")
        self._record(task, "")
        self._updates.add(task, now, refusal.state, Source.AGENT, reason=refusal.reason, message=refusal.message)

    def _record(self, task: Task, group: str) -> None:
        self._out.record(
            TaskLaunched(
                framework_id=task.framework.framework_id,
                task=task.info,
                role=task.role,
                container_id=task.container_id,
                sandbox=task.sandbox,
                executor_id=None if task.executor is None else task.executor.info.executor_id,
                group=group,
                group_size=0 if task.group is None else len(task.group.tasks),
            )
        )


def _invalid(why: str) -> Ending:
    return Ending(state=TaskState.ERROR, reason=Reason.TASK_INVALID, message=why)
