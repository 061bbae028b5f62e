"""Follows tasks: their updates, acknowledgements and kills, until their framework has heard the end."""

from mesos_py.master.desk import Desk
from mesos_py.master.reconcile import answer_one
from mesos_py.master.state import Agent, Framework, Task
from mesos_py.messages.agent import KillTask, ShutdownFramework, StatusUpdate, UpdateAcknowledged
from mesos_py.messages.scheduler import Acknowledge, Kill, TaskToReconcile, Update
from mesos_py.types.ids import AgentID, FrameworkID, TaskID
from mesos_py.types.tasks import LIVE, NEXT_STATES, TERMINAL, KillPolicy, Reason, Source, TaskState, TaskStatus

__all__ = ["TaskDesk"]


class TaskDesk:
    """Owns the state of every task."""

    def __init__(self, desk: Desk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state

    # From agents

    def update(self, agent: Agent, message: StatusUpdate, now: float) -> None:
        """Take in an update and pass it on."""
        framework = self._state.frameworks.get(message.framework_id)
        if framework is None:
            if message.framework_id in self._state.completed:
                self._desk.order(agent, ShutdownFramework(agent_id=agent.agent_id, framework_id=message.framework_id))
            self._state.counters["invalid_status_updates"] += 1
            return
        status = message.status
        task = framework.tasks.get(status.task_id)
        if task is not None and task.agent_id == agent.agent_id:
            task.status = status
            self.move(task, message.latest_state or status.state, now)
            if status.update_id is None and task.state in TERMINAL:
                self.complete(task)
        self._state.counters["status_updates"] += 1
        self._desk.tell(framework, Update(status=status))

    def move(self, task: Task, state: TaskState, now: float) -> None:
        """Change a task's state if its table allows; resources are free at the first state that does not hold them."""
        old = task.state
        if state == old or state not in NEXT_STATES[old]:
            return
        task.state = state
        if old in LIVE and state not in LIVE:
            self._state.counters[f"tasks_{state.lower()}"] += 1
            self._desk.allocator.recover(task.framework_id, task.role, task.agent_id, task.resources, now=now)

    def complete(self, task: Task) -> None:
        """The framework has heard of its end, or never will: keep it as history only."""
        self.forget(task)
        self._state.frameworks[task.framework_id].completed.append(task)

    def forget(self, task: Task) -> None:
        """Take a task out of the indexes."""
        task_id = task.info.task_id
        self._state.frameworks[task.framework_id].tasks.pop(task_id, None)
        self._state.agents[task.agent_id].tasks.pop((task.framework_id, task_id), None)
        self._state.agents[task.agent_id].kills.pop((task.framework_id, task_id), None)

    def lose(
        self, task: Task, state: TaskState, reason: Reason, message: str, now: float, unreachable: float | None = None
    ) -> None:
        """Its agent is gone or given up: tell the framework and file the task."""
        framework = self._state.frameworks[task.framework_id]
        ended = task.state in TERMINAL
        self.move(task, state, now)
        self.forget(task)
        if ended or state != TaskState.UNREACHABLE:
            framework.completed.append(task)
        else:
            framework.unreachable[task.info.task_id] = task
            while len(framework.unreachable) > self._state.config.max_unreachable_tasks:
                del framework.unreachable[next(iter(framework.unreachable))]
        if ended:
            return
        self._desk.tell(
            framework,
            Update(
                status=TaskStatus(
                    task_id=task.info.task_id,
                    state=state,
                    source=Source.MASTER,
                    reason=reason,
                    message=message,
                    timestamp=now,
                    agent_id=task.agent_id,
                    executor_id=task.executor_id,
                    unreachable_time=unreachable,
                )
            ),
        )

    # From frameworks

    def acknowledge(self, framework: Framework, call: Acknowledge) -> None:
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
        if status is not None and status.update_id == call.update_id and status.state in TERMINAL:
            self.complete(task)

    def kill(self, framework: Framework, call: Kill, now: float) -> None:
        """Tell the agent, now or when it is back; a task nobody knows is answered like a reconciliation."""
        task = framework.tasks.get(call.task_id)
        if task is None:
            wanted = TaskToReconcile(task_id=call.task_id, agent_id=call.agent_id)
            if (status := answer_one(self._state, framework, wanted, now)) is not None:
                self._desk.tell(framework, Update(status=status))
            return
        if call.agent_id is not None and call.agent_id != task.agent_id:
            self._desk.state.counters["kills_with_wrong_agent"] += 1
            return
        self.order_kill(task, call.kill_policy)

    def order_kill(self, task: Task, policy: KillPolicy | None) -> None:
        """Have a task stopped by its agent."""
        agent = self._state.agents[task.agent_id]
        key = (task.framework_id, task.info.task_id)
        if not agent.connected:
            agent.kills[key] = policy.grace_period_s if policy else None
            return
        agent.kills.pop(key, None)
        self._desk.order(agent, _kill_task(agent.agent_id, *key, policy))

    def repeat_kills(self, agent: Agent) -> None:
        """The agent is back: tell it what it missed."""
        kills, agent.kills = agent.kills, {}
        for (framework_id, task_id), grace in kills.items():
            policy = None if grace is None else KillPolicy(grace_period_s=grace)
            self._desk.order(agent, _kill_task(agent.agent_id, framework_id, task_id, policy))

    def repeat_updates(self, framework: Framework) -> None:
        """The framework is back: show it what it may not have seen."""
        for task in framework.tasks.values():
            if task.status is not None and task.status.update_id is not None:
                self._desk.tell(framework, Update(status=task.status))


def _kill_task(agent_id: AgentID, framework_id: FrameworkID, task_id: TaskID, policy: KillPolicy | None) -> KillTask:
    return KillTask(agent_id=agent_id, framework_id=framework_id, task_id=task_id, kill_policy=policy)
