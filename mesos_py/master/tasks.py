"""Follows tasks: their updates, acknowledgements and kills, until their framework has heard the end."""

from collections.abc import Iterable
from typing import Final

import msgspec

from mesos_py.master.desk import Desk
from mesos_py.master.reconcile import answer_one
from mesos_py.master.state import Agent, Framework, Task
from mesos_py.master.validation import why_not_kill_policy
from mesos_py.messages.agent import KillTask, ReconcileTasks, ShutdownFramework, StatusUpdate, UpdateAcknowledged
from mesos_py.messages.scheduler import Acknowledge, Kill, Reconcile, TaskToReconcile, Update
from mesos_py.types.ids import AgentID, ExecutorID, FrameworkID, TaskID
from mesos_py.types.resources import EMPTY
from mesos_py.types.tasks import (
    LIVE,
    NEXT_STATES,
    TERMINAL,
    KillPolicy,
    Reason,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)

__all__ = ["OF_AGENTS", "TaskDesk"]

OF_AGENTS: Final = LIVE | TERMINAL
"""The states that an agent may report; the others are for a master to say."""

_NEVER_STARTED: Final = frozenset({TaskState.DROPPED, TaskState.ERROR})


class TaskDesk:
    """Owns the state of every task."""

    def __init__(self, desk: Desk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state

    # From agents

    def update(self, agent: Agent, message: StatusUpdate, now: float) -> None:
        """Take in an update and pass it on."""
        status = message.status
        latest = message.latest_state or status.state
        framework = self._state.frameworks.get(message.framework_id)
        if framework is None or not _is_sound(status.state, latest):
            self._refuse_update(agent, message)
            return
        if status.agent_id != agent.agent_id:
            status = msgspec.structs.replace(status, agent_id=agent.agent_id)
        task = framework.tasks.get(status.task_id)
        if task is not None and not self._take(agent, task, status, latest, now):
            return
        self._state.counters["status_updates"] += 1
        self._desk.tell(framework, Update(status=status))

    def _take(self, agent: Agent, task: Task, status: TaskStatus, latest: TaskState, now: float) -> bool:
        """Note what an update says of a task we know; False if its framework should not hear of it."""
        if task.agent_id != agent.agent_id:
            self.disown(agent, task.framework_id, status.task_id, status.state, status.update_id)
            return False
        agent.unsure.pop(task, None)
        newest = task.status
        if newest is None or newest.update_id is None or status.update_id is None:
            pass
        elif status.update_id < newest.update_id:
            self._state.counters["status_updates_late"] += 1  # the agent has long sent a newer one
            return False
        if newest is None or newest.state not in TERMINAL or status.state in TERMINAL:
            task.status = status
        if task.executor_id is not None:
            self._seen(agent, task, latest)
        if latest is not task.state:
            self.move(task, latest, now)
        if status.update_id is None and status.state in TERMINAL:
            self.complete(task)
        return True

    def _refuse_update(self, agent: Agent, message: StatusUpdate) -> None:
        """Nobody is told: the agent sends it again, and it gets through if its framework comes (back)."""
        self._state.counters["invalid_status_updates"] += 1
        if self._state.was_removed(message.framework_id):
            self._desk.order(agent, ShutdownFramework(agent_id=agent.agent_id, framework_id=message.framework_id))

    def disown(
        self, agent: Agent, framework_id: FrameworkID, task_id: TaskID, state: TaskState, update_id: int | None
    ) -> None:
        """An agent has a task that is another agent's now: let it end there, unheard.

        Its framework believed the first one lost and has used the id again. It must not take the end of that for
        the end of the task it has.
        """
        self._state.counters["tasks_on_two_agents"] += 1
        if state in LIVE:
            self._desk.order(agent, _kill_task(agent, framework_id, task_id, None))
        if update_id is not None:
            self._desk.order(
                agent,
                UpdateAcknowledged(
                    agent_id=agent.agent_id, framework_id=framework_id, task_id=task_id, update_id=update_id
                ),
            )

    def move(self, task: Task, state: TaskState, now: float) -> None:
        """Change a task's state if its table allows; resources are free at the first state that does not hold them."""
        old = task.state
        if state not in NEXT_STATES[old]:
            return
        task.state = state
        if old in LIVE and state not in LIVE:
            self._state.counters[f"tasks_{state.lower()}"] += 1
            self._desk.allocator.recover(
                task.framework_id, task.role, task.agent_id, task.resources, now=now, used=True
            )
            if task.executor_id is not None and state in _NEVER_STARTED:
                self._free_unstarted(task, now)

    def _seen(self, agent: Agent, task: Task, state: TaskState) -> None:
        """A task that got further than its agent has shown that its executor is there."""
        assert task.executor_id is not None
        executor = agent.executors.get((task.framework_id, task.executor_id))
        if executor is not None and state not in _NEVER_STARTED and state is not TaskState.STAGING:
            executor.seen = True

    def _free_unstarted(self, task: Task, now: float) -> None:
        """An executor was charged with the first task for it; if none of its tasks ever starts, nor does it."""
        assert task.executor_id is not None
        agent = self._state.agents[task.agent_id]
        executor = agent.executors.get((task.framework_id, task.executor_id))
        if executor is None or executor.seen:
            return
        if any(
            other.is_live and other.executor_id == task.executor_id and other.framework_id == task.framework_id
            for other in agent.tasks
        ):
            return
        self.end_executor(agent, task.framework_id, task.executor_id, now)

    def end_executor(self, agent: Agent, framework_id: FrameworkID, executor_id: ExecutorID, now: float) -> None:
        """Free what an executor itself held, once."""
        executor = self._state.drop_executor(agent, framework_id, executor_id)
        if executor is not None and executor.info.resources != EMPTY:
            self._desk.allocator.recover(
                framework_id, executor.role, agent.agent_id, executor.info.resources, now=now, used=True
            )

    # Filing

    def complete(self, task: Task) -> None:
        """The framework has heard of its end, or never will: keep it as history only."""
        self.forget(task)
        _lighten(task)
        self._state.frameworks[task.framework_id].completed.append(task)

    def forget(self, task: Task) -> None:
        """Take a task out of the indexes."""
        del self._state.frameworks[task.framework_id].tasks[task.info.task_id]
        agent = self._state.agents[task.agent_id]
        del agent.tasks[task]
        if agent.kills:
            agent.kills.pop(task, None)
        if agent.unsure:
            agent.unsure.pop(task, None)
        if not agent.tasks:
            self._state.note_emptied(agent)

    def lose(self, task: Task, state: TaskState, reason: Reason, message: str, now: float, since: float) -> None:
        """Its agent is gone or given up, ``since`` then: tell the framework and file the task."""
        framework = self._state.frameworks[task.framework_id]
        heard_the_end = task.status is not None and task.status.state in TERMINAL
        self.move(task, state, now)
        if not heard_the_end:
            if task.state is not state:
                message = "its agent told of this end and was lost before all updates had come"
            task.status = _lost(task, task.state, reason, message, now, since)
            self._desk.tell(framework, Update(status=task.status))
        if state is TaskState.UNREACHABLE:
            self.forget(task)
            _lighten(task)
            framework.unreachable[task.info.task_id] = task
            while len(framework.unreachable) > self._state.config.max_unreachable_tasks:
                del framework.unreachable[next(iter(framework.unreachable))]
        else:
            self.complete(task)

    def lose_unreachable(self, agent_id: AgentID, message: str, now: float) -> None:
        """An operator declared an agent gone that had been given up before."""
        reason = Reason.AGENT_REMOVED_BY_OPERATOR
        for framework in self._state.frameworks.values():
            for task in [task for task in framework.unreachable.values() if task.agent_id == agent_id]:
                del framework.unreachable[task.info.task_id]
                framework.completed.append(task)
                if task.state is TaskState.UNREACHABLE:
                    task.state = TaskState.GONE_BY_OPERATOR
                    status = _lost(task, task.state, reason, message, now, now)
                    self._desk.tell(framework, Update(status=status))

    # From frameworks

    def acknowledge(self, framework: Framework, call: Acknowledge, _now: float) -> None:
        """Pass an acknowledgement on; the last one ends the task for us."""
        agent = self._state.agents.get(call.agent_id)
        if agent is None or not agent.connected:
            self._state.counters["invalid_acknowledgements"] += 1  # the agent will send the update again
            return
        self._desk.order(
            agent,
            UpdateAcknowledged(
                agent_id=call.agent_id,
                framework_id=framework.framework_id,
                task_id=call.task_id,
                update_id=call.update_id,
            ),
        )
        task = framework.tasks.get(call.task_id)
        if task is None or task.agent_id != call.agent_id:
            return
        status = task.status
        if status is not None and status.update_id == call.update_id:
            task.acknowledged = call.update_id
            if status.state in TERMINAL:
                self.complete(task)

    def kill(self, framework: Framework, call: Kill, now: float) -> None:
        """Tell the agent, now or when it is back; a task nobody knows is answered like a reconciliation."""
        if call.kill_policy is not None and (why := why_not_kill_policy(call.kill_policy)):
            self._desk.refuse_call(framework, "KILL", why)
            return
        task = framework.tasks.get(call.task_id)
        if task is None:
            wanted = TaskToReconcile(task_id=call.task_id, agent_id=call.agent_id)
            if (status := answer_one(self._state, framework, wanted, now)) is not None:
                self._desk.tell(framework, Update(status=status))
        elif call.agent_id not in (None, task.agent_id):
            why = f"task {call.task_id!r} is on agent {task.agent_id}, not on {call.agent_id!r}"
            self._desk.refuse_call(framework, "KILL", why)
        else:
            self.order_kill(task, call.kill_policy)

    def order_kill(self, task: Task, policy: KillPolicy | None) -> None:
        """Have a task stopped by its agent."""
        agent = self._state.agents[task.agent_id]
        agent.kills[task] = policy.grace_period_s if policy else None
        if agent.connected:
            self._desk.order(agent, _kill_task(agent, task.framework_id, task.info.task_id, policy))

    def repeat_kills(self, agent: Agent) -> None:
        """The agent is back: tell it what it may have missed, for one that was away had not to be noticed."""
        for task, grace in agent.kills.items():
            if not task.is_live:
                continue
            policy = None if grace is None else KillPolicy(grace_period_s=grace)
            self._desk.order(agent, _kill_task(agent, task.framework_id, task.info.task_id, policy))

    def ask_after_launches(self, framework: Framework, call: Reconcile) -> None:
        """Its agents have said nothing yet of some tasks: if the order to run them was lost, they say so now."""
        known = framework.tasks
        tasks = [known[each.task_id] for each in call.tasks if each.task_id in known] if call.tasks else known.values()
        agents = self._state.agents
        self.ask_after(
            task
            for task in tasks
            if task.state is TaskState.STAGING and task.status is None and agents[task.agent_id].connected
        )

    def ask_after(self, tasks: Iterable[Task]) -> None:
        """Have their agents, which are connected, tell of those that they do not have."""
        by_owner: dict[tuple[AgentID, FrameworkID], list[TaskID]] = {}
        for task in tasks:
            by_owner.setdefault((task.agent_id, task.framework_id), []).append(task.info.task_id)
        for (agent_id, framework_id), task_ids in by_owner.items():
            question = ReconcileTasks(agent_id=agent_id, framework_id=framework_id, task_ids=task_ids)
            self._desk.order(self._state.agents[agent_id], question)

    def ask_whether_kept(self, agent: Agent) -> None:
        """Until it has spoken of each: it knows, in its order, after whatever of ours is still on its way to it."""
        unsure: dict[FrameworkID, list[TaskID]] = {}
        for task in agent.unsure:
            unsure.setdefault(task.framework_id, []).append(task.info.task_id)
        for framework_id, task_ids in unsure.items():
            self._desk.order(
                agent, ReconcileTasks(agent_id=agent.agent_id, framework_id=framework_id, task_ids=task_ids)
            )

    def repeat_updates(self, framework: Framework) -> None:
        """The framework is back: show it what it may not have seen."""
        for task in framework.tasks.values():
            status = task.status
            if status is not None and status.update_id is not None and status.update_id != task.acknowledged:
                self._desk.tell(framework, Update(status=status))


def _is_sound(state: TaskState, latest: TaskState) -> bool:
    """False for what no agent of ours would report: a state that is not its to say, or life after the end."""
    return {state, latest} <= OF_AGENTS and not (state in TERMINAL and latest in LIVE)


def _kill_task(agent: Agent, framework_id: FrameworkID, task_id: TaskID, policy: KillPolicy | None) -> KillTask:
    return KillTask(agent_id=agent.agent_id, framework_id=framework_id, task_id=task_id, kill_policy=policy)


def _lost(task: Task, state: TaskState, reason: Reason, message: str, now: float, since: float) -> TaskStatus:
    return TaskStatus(
        task_id=task.info.task_id,
        state=state,
        source=Source.MASTER,
        reason=reason,
        message=message,
        timestamp=now,
        agent_id=task.agent_id,
        executor_id=task.executor_id,
        container_id=task.status.container_id if task.status is not None else None,
        unreachable_time=since if state is TaskState.UNREACHABLE else None,
    )


def _lighten(task: Task) -> None:
    """History is kept for people: without what only programs read, of which there may be much."""
    task.info = TaskInfo(task_id=task.info.task_id, resources=task.info.resources, name=task.info.name)
    if task.status is not None and (task.status.data or task.status.labels):
        task.status = msgspec.structs.replace(task.status, data=b"", labels={})
