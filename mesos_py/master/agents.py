"""Agents register, return, fall silent and leave."""

from mesos_py.master.desk import Desk
from mesos_py.master.frameworks import FrameworkDesk
from mesos_py.master.offers import OfferDesk
from mesos_py.master.registry import AdmitAgent, MarkReachable, MarkUnreachable, RemoveAgent
from mesos_py.master.state import Agent, Executor, Framework, Task
from mesos_py.master.tasks import TaskDesk
from mesos_py.messages.agent import (
    AgentRegistered,
    AgentReregistered,
    ExecutorExited,
    ExecutorToFramework,
    ReconcileTasks,
    RegisterAgent,
    ReregisterAgent,
    ShutdownFramework,
    UnregisterAgent,
)
from mesos_py.messages.scheduler import Failure, MessageReceived, Update
from mesos_py.types.ids import AgentID, FrameworkID, Principal, TaskID
from mesos_py.types.infos import AgentInfo
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason, Source, TaskRecord, TaskState, TaskStatus

__all__ = ["AgentDesk"]


class AgentDesk:
    """Owns the agents: who is admitted, who is connected."""

    def __init__(self, desk: Desk, offers: OfferDesk, tasks: TaskDesk, frameworks: FrameworkDesk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._offers = offers
        self._tasks = tasks
        self._frameworks = frameworks
        self._joining: set[tuple[str, str]] = set()
        """Queue and name of agents whose admission is being written."""
        self._leaving: set[AgentID] = set()
        """Agents whose removal is being written."""

    # Joining

    def register(self, principal: Principal, queue: str, message: RegisterAgent, now: float) -> None:
        """Admit a new agent, in the registry first; answer a repeated question again."""
        key = (queue, message.agent.name)
        if (known := self._state.agent_ids.get(key)) is not None:
            agent = self._state.agents[known]
            agent.heard = now
            self._welcome(agent)
            return
        if key in self._joining:
            return
        self._joining.add(key)
        agent_id = AgentID(self._state.new_id("A"))

        def admitted(then: float) -> None:
            self._joining.discard(key)
            self._add(agent_id, message.agent, principal, queue, then)
            self._welcome(self._state.agents[agent_id])

        self._desk.persist(AdmitAgent(agent_id, message.agent.hostname), admitted)

    def _welcome(self, agent: Agent) -> None:
        self._desk.order(agent, AgentRegistered(name=agent.info.name, agent_id=agent.agent_id))

    def _add(self, agent_id: AgentID, info: AgentInfo, principal: Principal, queue: str, now: float) -> Agent:
        agent = Agent(agent_id, info, principal, queue, now)
        self._state.agents[agent_id] = agent
        self._state.agent_ids[queue, info.name] = agent_id
        self._state.counters["agents_registered"] += 1
        self._desk.allocator.add_agent(agent_id, info, {})
        return agent

    # Returning

    def reregister(self, principal: Principal, queue: str, message: ReregisterAgent, now: float) -> None:
        """Take an agent back with all it runs; one the registry does not hold as admitted is written there first."""
        agent_id = message.agent_id
        if agent_id in self._leaving:
            return  # it will ask again when that is written
        agent = self._state.agents.get(agent_id)
        if agent is not None:
            self._return(agent, principal, queue, message, now)
            return
        if agent_id in self._state.registry.admitted:
            self._return(self._add(agent_id, message.agent, principal, queue, now), principal, queue, message, now)
            return
        key = (queue, agent_id)
        if key in self._joining:
            return
        self._joining.add(key)

        def admitted(then: float) -> None:
            self._joining.discard(key)
            if (back := self._state.agents.get(agent_id)) is None:
                back = self._add(agent_id, message.agent, principal, queue, then)
            self._return(back, principal, queue, message, then)

        known = agent_id in self._state.registry.unreachable
        operation = (MarkReachable if known else AdmitAgent)(agent_id, message.agent.hostname)
        self._desk.persist(operation, admitted)

    def _return(self, agent: Agent, principal: Principal, queue: str, message: ReregisterAgent, now: float) -> None:
        """Bring what we know and what the agent says together."""
        self._offers.rescind_agent(agent, now)
        self._state.agent_ids.pop((agent.queue, agent.info.name), None)
        self._state.agent_ids[queue, message.agent.name] = agent.agent_id
        agent.info, agent.principal, agent.queue = message.agent, principal, queue
        agent.heard, agent.connected = now, True
        self._state.counters["agents_reregistered"] += 1
        self._desk.allocator.remove_agent(agent.agent_id)
        reported = self._merge(agent, message, now)
        agent.executors = {
            (record.framework_id, record.executor.executor_id): Executor(record.executor, record.role)
            for record in message.executors
            if record.framework_id in self._state.frameworks
        }
        self._desk.allocator.add_agent(agent.agent_id, agent.info, agent.used())
        self._desk.order(agent, AgentReregistered(agent_id=agent.agent_id))
        self._ask_for_missing(agent, reported)
        for framework_id in agent.shutdowns:
            self._desk.order(agent, ShutdownFramework(agent_id=agent.agent_id, framework_id=framework_id))
        agent.shutdowns.clear()
        self._tasks.repeat_kills(agent)

    def _merge(self, agent: Agent, message: ReregisterAgent, now: float) -> set[tuple[FrameworkID, TaskID]]:
        """Take in the reported tasks; frameworks that were removed are shut down there."""
        reported: set[tuple[FrameworkID, TaskID]] = set()
        for record in message.frameworks:
            framework_id = record.framework_id
            if framework_id in self._state.completed:
                agent.shutdowns[framework_id] = None
                continue
            framework = self._state.frameworks.get(framework_id)
            if framework is None:
                framework = self._frameworks.recover(framework_id, record.framework, now)
            for task_record in record.tasks:
                reported.add((framework_id, task_record.task.task_id))
                self._take_in(agent, framework, task_record, now)
        return reported

    def _take_in(self, agent: Agent, framework: Framework, record: TaskRecord, now: float) -> None:
        task_id = record.task.task_id
        task = framework.tasks.get(task_id)
        if task is not None and task.agent_id == agent.agent_id:
            self._tasks.move(task, record.state, now)
            return
        if task is not None:
            self._state.counters["tasks_reported_twice"] += 1
            return
        was_unreachable = framework.unreachable.pop(task_id, None) is not None
        task = Task(record.task, framework.framework_id, agent.agent_id, record.role, now)
        task.state = record.state
        framework.tasks[task_id] = task
        agent.tasks[framework.framework_id, task_id] = task
        if was_unreachable:
            status = TaskStatus(
                task_id=task_id,
                state=record.status_state,
                source=Source.MASTER,
                reason=Reason.AGENT_REREGISTERED,
                message="its agent is back",
                timestamp=now,
                agent_id=agent.agent_id,
                container_id=record.container_id,
            )
            self._desk.tell(framework, Update(status=status))

    def _ask_for_missing(self, agent: Agent, reported: set[tuple[FrameworkID, TaskID]]) -> None:
        """Tasks we sent that the agent did not list may still be on their way to it: it knows, in its order."""
        missing: dict[FrameworkID, list[TaskID]] = {}
        for framework_id, task_id in agent.tasks:
            if (framework_id, task_id) not in reported:
                missing.setdefault(framework_id, []).append(task_id)
        for framework_id, task_ids in missing.items():
            self._desk.order(
                agent, ReconcileTasks(agent_id=agent.agent_id, framework_id=framework_id, task_ids=task_ids)
            )

    # Silence

    def disconnect(self, agent: Agent, now: float) -> None:
        """Its queue is gone: offer nothing of it and wait; its tasks may well run on."""
        if agent.connected:
            agent.connected = False
            self._state.agent_ids.pop((agent.queue, agent.info.name), None)
            self._offers.rescind_agent(agent, now)
            self._desk.allocator.set_agent_active(agent.agent_id, False)

    def check_liveness(self, now: float) -> None:
        """Give up those that have been silent for too long."""
        limit = now - self._state.config.missed_heartbeats * self._state.heartbeat_s
        for agent in list(self._state.agents.values()):
            if agent.heard < limit and agent.agent_id not in self._leaving:
                self._give_up(agent, now)

    def _give_up(self, agent: Agent, now: float) -> None:
        self._leaving.add(agent.agent_id)
        self.disconnect(agent, now)

        def written(then: float) -> None:
            self._leaving.discard(agent.agent_id)
            self._state.counters["agents_unreachable"] += 1
            self._remove(agent, TaskState.UNREACHABLE, "its agent is silent; the task may still run", then)

        self._desk.persist(MarkUnreachable(agent.agent_id, now), written)

    def unregister(self, agent: Agent, _message: UnregisterAgent, now: float) -> None:
        """It leaves for good and says that nothing runs there any more."""
        if agent.agent_id in self._leaving:
            return
        self._leaving.add(agent.agent_id)
        self.disconnect(agent, now)

        def written(then: float) -> None:
            self._leaving.discard(agent.agent_id)
            self._state.counters["agents_unregistered"] += 1
            self._remove(agent, TaskState.GONE, "its agent has left the cluster", then)

        self._desk.persist(RemoveAgent(agent.agent_id), written)

    def _remove(self, agent: Agent, state: TaskState, message: str, now: float) -> None:
        concerned = dict.fromkeys(framework_id for framework_id, _ in (*agent.tasks, *agent.executors))
        for task in list(agent.tasks.values()):
            self._tasks.lose(task, state, Reason.AGENT_REMOVED, message, now, unreachable=now)
        self._desk.allocator.remove_agent(agent.agent_id)
        del self._state.agents[agent.agent_id]
        for framework_id in concerned:
            self._desk.tell(self._state.frameworks[framework_id], Failure(agent_id=agent.agent_id))

    # Executors

    def executor_exited(self, agent: Agent, message: ExecutorExited, now: float) -> None:
        """Free what the executor itself held, and tell its framework."""
        executor = agent.executors.pop((message.framework_id, message.executor_id), None)
        if executor is not None and executor.info.resources != Resources():
            self._desk.allocator.recover(
                message.framework_id, executor.role, agent.agent_id, executor.info.resources, now=now
            )
        if (framework := self._state.frameworks.get(message.framework_id)) is not None:
            failure = Failure(agent_id=agent.agent_id, executor_id=message.executor_id, status=message.status)
            self._desk.tell(framework, failure)

    def executor_message(self, agent: Agent, message: ExecutorToFramework) -> None:
        """Pass bytes on to a framework; best effort."""
        if (framework := self._state.frameworks.get(message.framework_id)) is not None:
            event = MessageReceived(agent_id=agent.agent_id, executor_id=message.executor_id, data=message.data)
            self._desk.tell(framework, event)
