"""Takes an agent back: brings what the master knows of it and what it reports together.

The agent is believed as to what runs there, as far as it fits: no account may ever hold more than the agent has
(promise 1), and no task may run twice (promise 2). What breaks one of the two is told to stop.

======================  ==========================================================================================
the agent reports       the master
======================  ==========================================================================================
a task both know        takes over its state
one the master lacks    takes it on, if it fits and no other agent has it; tells its framework if that may not know
none, but one is known  asks after it: the task may be on its way there, or the message with it may be lost
a removed framework     has it shut down there
======================  ==========================================================================================
"""

from msgspec import Struct

from mesos_py.master.desk import Desk
from mesos_py.master.frameworks import FrameworkDesk
from mesos_py.master.state import Agent, Executor, Framework, Task
from mesos_py.master.tasks import OF_AGENTS, TaskDesk
from mesos_py.messages.agent import (
    AgentReregistered,
    ExecutorRecord,
    KillTask,
    ReconcileTasks,
    ReregisterAgent,
    ShutdownExecutor,
    ShutdownFramework,
)
from mesos_py.messages.scheduler import Update
from mesos_py.types.ids import ExecutorID, FrameworkID, TaskID, why_not_an_id
from mesos_py.types.resources import Resources
from mesos_py.types.roles import why_not_a_role
from mesos_py.types.tasks import LIVE, TERMINAL, Reason, Source, TaskRecord, TaskState, TaskStatus

__all__ = ["ReturnDesk"]


class _Return(Struct, gc=False):
    """One agent coming back."""

    agent: Agent
    now: float
    was_unreachable: bool
    missing: dict[Task, None]
    """Known to be there and not reported (yet)."""
    room: Resources
    """What is left of the agent for further tasks."""

    def fits(self, resources: Resources) -> bool:
        """Take so much of the room, if there is as much."""
        rest = self.room.less(resources)
        if rest is None:
            return False
        self.room = rest
        return True


class ReturnDesk:
    """Serves REREGISTER_AGENT once the agent is admitted and connected."""

    def __init__(self, desk: Desk, tasks: TaskDesk, frameworks: FrameworkDesk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._tasks = tasks
        self._frameworks = frameworks

    def take_back(self, agent: Agent, message: ReregisterAgent, now: float, *, was_unreachable: bool) -> None:
        """Merge, tell the allocator, and tell the agent what it missed. The allocator does not know it now."""
        back = _Return(agent, now, was_unreachable, dict.fromkeys(agent.tasks), agent.info.resources)
        self._desk.order(agent, AgentReregistered(agent_id=agent.agent_id))
        reported = self._reported(back, message)
        fresh = [(framework, record) for framework, record in reported if not self._is_known(back, framework, record)]
        self._keep_what_fits(back)
        self._merge_executors(back, message.executors)
        for framework, record in fresh:
            self._take_in(back, framework, record)
        self._desk.allocator.add_agent(agent.agent_id, agent.info, agent.used())
        self._ask_for_missing(back)
        self._tasks.ask_whether_kept(agent)
        for framework_id in agent.shutdowns:
            self._desk.order(agent, ShutdownFramework(agent_id=agent.agent_id, framework_id=framework_id))
        agent.shutdowns.clear()
        self._tasks.repeat_kills(agent)

    # Tasks

    def _reported(self, back: _Return, message: ReregisterAgent) -> list[tuple[Framework, TaskRecord]]:
        """What can be believed of its tasks; frameworks of which nobody has spoken yet are learnt from it."""
        found: list[tuple[Framework, TaskRecord]] = []
        with_executors = {record.framework_id for record in message.executors}
        for record in message.frameworks:
            framework_id = record.framework_id
            if self._state.was_removed(framework_id):
                back.agent.shutdowns[framework_id] = None
                continue
            tasks = [task for task in record.tasks if _is_sound(task)]
            self._state.counters["task_records_malformed"] += len(record.tasks) - len(tasks)
            framework = self._state.frameworks.get(framework_id)
            if (tasks or framework_id in with_executors) and not why_not_an_id(framework_id):
                framework = self._frameworks.recover(framework_id, record.framework, back.now)
            if framework is not None:
                found += [(framework, task) for task in tasks]
        return found

    def _is_known(self, back: _Return, framework: Framework, record: TaskRecord) -> bool:
        """True if nothing is to be taken on: the task is on this agent's account already, or on another's."""
        task = framework.tasks.get(record.task.task_id)
        if task is None:
            return False
        if task.agent_id == back.agent.agent_id:
            back.missing.pop(task, None)
            self._tasks.move(task, record.state, back.now)
            if task.status is None and record.status_state is not TaskState.STAGING:
                task.status = _status_of(back, record, task.executor_id)
        else:
            self._tasks.disown(back.agent, framework.framework_id, record.task.task_id, record.state, None)
        return True

    def _keep_what_fits(self, back: _Return) -> None:
        """The agent may have come back smaller."""
        for task in [task for task in back.agent.tasks if task.is_live]:
            if not back.fits(task.resources):
                self._tasks.forget(task)
                back.missing.pop(task, None)
                self._stop(back, task.framework_id, task.info.task_id)

    def _take_in(self, back: _Return, framework: Framework, record: TaskRecord) -> None:
        task_id = record.task.task_id
        if task_id in framework.tasks:
            self._state.counters["task_records_malformed"] += 1  # twice in one message
            return
        if record.state in LIVE and not back.fits(record.task.resources):
            self._stop(back, framework.framework_id, task_id)
            return
        lost = framework.unreachable.pop(task_id, None)
        executor_id = _executor_id(record, lost)
        task = Task(record.task, framework.framework_id, back.agent.agent_id, record.role, executor_id, back.now)
        task.state = record.state
        task.status = _status_of(back, record, executor_id)
        framework.tasks[task_id] = task
        back.agent.tasks[task] = None
        if record.state in TERMINAL:
            back.agent.unsure[task] = None
        is_news = lost is not None or back.was_unreachable or not framework.knows_tasks
        if is_news and record.state in LIVE and record.status_state not in TERMINAL:
            self._desk.tell(framework, Update(status=task.status))

    def _stop(self, back: _Return, framework_id: FrameworkID, task_id: TaskID) -> None:
        """It does not fit; what the agent says of its end goes to the framework like any update."""
        self._state.counters["tasks_beyond_capacity"] += 1
        order = KillTask(agent_id=back.agent.agent_id, framework_id=framework_id, task_id=task_id)
        self._desk.order(back.agent, order)

    def _ask_for_missing(self, back: _Return) -> None:
        """It knows, in its order: after whatever of ours is still on its way to it."""
        missing: dict[FrameworkID, list[TaskID]] = {}
        for task in back.missing:
            missing.setdefault(task.framework_id, []).append(task.info.task_id)
        for framework_id, task_ids in missing.items():
            order = ReconcileTasks(agent_id=back.agent.agent_id, framework_id=framework_id, task_ids=task_ids)
            self._desk.order(back.agent, order)

    # Executors

    def _merge_executors(self, back: _Return, records: list[ExecutorRecord]) -> None:
        """Those it reports, and those that may be on their way there with a task that is missing."""
        agent = back.agent
        under_way = {(task.framework_id, task.executor_id) for task in back.missing if task.state is TaskState.STAGING}
        for key, executor in list(agent.executors.items()):
            if executor.seen or key not in under_way or not back.fits(executor.info.resources):
                self._state.drop_executor(agent, *key)
        for record in records:
            framework = self._state.frameworks.get(record.framework_id)
            known = agent.executors.get((record.framework_id, record.executor.executor_id))
            if known is not None:
                known.seen = True
            elif framework is None or why_not_an_id(record.executor.executor_id) or why_not_a_role(record.role):
                self._state.counters["executor_records_malformed"] += 1
            elif not back.fits(record.executor.resources):
                self._shut_down(back, record)
            else:
                executor = Executor(record.executor, record.role, seen=True)
                self._state.add_executor(agent, framework, executor)

    def _shut_down(self, back: _Return, record: ExecutorRecord) -> None:
        self._state.counters["executors_beyond_capacity"] += 1
        order = ShutdownExecutor(
            agent_id=back.agent.agent_id, framework_id=record.framework_id, executor_id=record.executor.executor_id
        )
        self._desk.order(back.agent, order)


def _executor_id(record: TaskRecord, lost: Task | None) -> ExecutorID | None:
    """Of an agent of before it told so of the members of groups, as it was known when the task was lost."""
    if record.executor_id is not None:
        return record.executor_id
    if record.task.executor is not None:
        return record.task.executor.executor_id
    return lost.executor_id if lost is not None else None


def _status_of(back: _Return, record: TaskRecord, executor_id: ExecutorID | None) -> TaskStatus:
    """Without its update_id: the update itself, with all that it says, comes from the agent."""
    return TaskStatus(
        task_id=record.task.task_id,
        state=record.status_state,
        source=Source.MASTER,
        reason=Reason.AGENT_REREGISTERED,
        message="its agent is back",
        timestamp=back.now,
        agent_id=back.agent.agent_id,
        executor_id=executor_id,
        container_id=record.container_id,
    )


def _is_sound(record: TaskRecord) -> bool:
    """False for what no agent of ours would report."""
    states = record.state in OF_AGENTS and record.status_state in OF_AGENTS
    ids = [record.task.task_id] if record.executor_id is None else [record.task.task_id, record.executor_id]
    return states and not any(map(why_not_an_id, ids)) and not why_not_a_role(record.role)
