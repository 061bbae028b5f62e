"""Agents register, return, fall silent and leave. Whatever the registry holds of them is written there first."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from mesos_py.master.desk import Desk
from mesos_py.master.draining import DrainDesk
from mesos_py.master.effects import Outcome, Reply
from mesos_py.master.offers import OfferDesk
from mesos_py.master.registry import AdmitAgent, MarkGone, MarkReachable, MarkUnreachable, RemoveAgent
from mesos_py.master.returns import ReturnDesk
from mesos_py.master.state import Agent
from mesos_py.master.tasks import TaskDesk
from mesos_py.master.validation import why_not_agent
from mesos_py.messages.agent import (
    AgentHeartbeat,
    AgentRegistered,
    ExecutorExited,
    ExecutorToFramework,
    PleaseReregister,
    RegisterAgent,
    RegistrationRefused,
    ReregisterAgent,
    UnregisterAgent,
)
from mesos_py.messages.scheduler import AgentReturned, Failure, FailureReason, MessageReceived
from mesos_py.types.ids import AgentID, Principal, why_not_an_id
from mesos_py.types.infos import AgentInfo
from mesos_py.types.tasks import Reason, TaskState

__all__ = ["AgentDesk"]

_FAILURES: Final = {
    TaskState.UNREACHABLE: FailureReason.UNREACHABLE,
    TaskState.GONE: FailureReason.LEFT,
    TaskState.GONE_BY_OPERATOR: FailureReason.GONE,
}
"""What became of an agent, by what became of its tasks."""

_DOWN: Final = "its machine is down for maintenance"


class AgentDesk:
    """Owns the agents: who is admitted, who is connected."""

    def __init__(
        self, desk: Desk, offers: OfferDesk, tasks: TaskDesk, returns: ReturnDesk, draining: DrainDesk
    ) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._offers = offers
        self._tasks = tasks
        self._returns = returns
        self._draining = draining
        self._joining: set[tuple[str, str]] = set()
        """Queue and name of agents whose admission is being written ..."""
        self._joining_of: Counter[Principal] = Counter()
        """... how many of whom ..."""
        self._new: set[AgentID] = set()
        """... and the ids they will have, which nobody may return with before."""
        self._leaving: set[AgentID] = set()
        """Agents whose removal is being written."""

    # Joining

    def register(self, principal: Principal, queue: str, message: RegisterAgent, now: float) -> None:
        """Admit a new agent, in the registry first; answer a repeated question again."""
        info = message.agent
        if why := why_not_agent(info) or self._why_not_here(info):
            self._refuse(queue, info.name, None, why)
            return
        if (known := self._state.agent_ids.get(queue, {}).get(info.name)) is not None:
            agent = self._state.agents[known]
            agent.heard = now
            self._welcome(agent)
            return
        key = (queue, info.name)
        if key in self._joining:
            return
        if why := self._why_not_one_more(principal):
            self._refuse(queue, info.name, None, why)
            return
        self._joining.add(key)
        self._joining_of[principal] += 1
        agent_id = AgentID(self._state.new_id("A"))
        self._new.add(agent_id)

        def admitted(then: float) -> None:
            self._joining.discard(key)
            self._joining_of[principal] -= 1
            self._new.discard(agent_id)
            agent = self._state.agents[agent_id] = Agent(agent_id, info, principal, queue, then)
            self._connect(agent, queue, info, then)
            self._state.counters["agents_registered"] += 1
            self._desk.allocator.add_agent(agent_id, info, {})
            self._welcome(agent)
            self._send_away_if_down(agent, then)

        self._desk.persist(AdmitAgent(agent_id, info.hostname, principal), admitted)

    def _why_not_here(self, info: AgentInfo) -> str | None:
        return _DOWN if info.hostname in self._state.registry.down else None

    def _why_not_one_more(self, principal: Principal) -> str | None:
        """Why a principal may not have another agent."""
        most = self._state.config.max_agents_per_principal
        if self._state.registry.owned[principal] + self._joining_of[principal] < most:
            return None
        return f"principal {principal!r} has {most} agents already"

    def _connect(self, agent: Agent, queue: str, info: AgentInfo, now: float) -> None:
        """It speaks from this queue; if it was somebody else there before, that one is no more there."""
        before = self._state.agent_ids.get(queue, {}).get(info.name)
        if before is not None and before != agent.agent_id:
            self.disconnect(self._state.agents[before], now)
        self._state.connect(agent, queue, info, now)

    def _welcome(self, agent: Agent) -> None:
        self._desk.order(agent, AgentRegistered(name=agent.info.name, agent_id=agent.agent_id))

    def _refuse(self, queue: str, name: str, agent_id: AgentID | None, why: str) -> None:
        self._state.counters["registrations_refused"] += 1
        self._desk.send(queue, RegistrationRefused(name=name, agent_id=agent_id, message=why))

    # Returning

    def reregister(self, principal: Principal, queue: str, message: ReregisterAgent, now: float) -> None:
        """Take an agent back with all it runs; one the registry does not hold as admitted is written there first.

        So is one that was admitted under another host name: it is by the name there that machines are taken down.
        """
        agent_id = message.agent_id
        registry = self._state.registry
        if registry.principals.get(agent_id, "") not in ("", principal):
            self._state.counters["agent_messages_of_strangers"] += 1
        elif why := self._why_not_back(message):
            self._refuse(queue, message.agent.name, agent_id, why)
        elif agent_id in self._leaving or agent_id in self._new or agent_id in self._state.returning:
            pass  # it asks again, and by then that is written
        elif agent_id not in registry.principals and self._why_not_one_more(principal):
            self._state.counters["registrations_beyond_limit"] += 1  # to be told so would end its tasks, if it has any
        elif registry.admitted.get(agent_id) == message.agent.hostname:
            self._return(principal, queue, message, now, was_unreachable=False)
        else:
            was_unreachable = agent_id in registry.unreachable
            self._state.returning.add(agent_id)

            def admitted(then: float) -> None:
                self._state.returning.discard(agent_id)
                if agent_id not in self._leaving:  # else it has unregistered meanwhile
                    self._return(principal, queue, message, then, was_unreachable=was_unreachable)

            hostname = message.agent.hostname
            self._desk.persist(
                MarkReachable(agent_id, hostname) if was_unreachable else AdmitAgent(agent_id, hostname, principal),
                admitted,
            )

    def _why_not_back(self, message: ReregisterAgent) -> str | None:
        """Why an agent may not return. To be told so ends its tasks: only for what can never be right."""
        agent_id = message.agent_id
        if why := why_not_an_id(agent_id) or why_not_agent(message.agent) or self._why_not_here(message.agent):
            return why
        if agent_id in self._state.registry.gone:
            return "an operator has declared this agent gone"
        if self._state.is_to_come("A", agent_id):
            return f"agent id {agent_id} has not been given to anybody"
        return None

    def _return(
        self, principal: Principal, queue: str, message: ReregisterAgent, now: float, *, was_unreachable: bool
    ) -> None:
        state = self._state
        agent = state.agents.get(message.agent_id)
        if agent is None:
            agent = Agent(message.agent_id, message.agent, principal, queue, now)
            state.agents[message.agent_id] = agent
        else:
            self._offers.rescind(agent.offers.values(), now)
            self._desk.allocator.remove_agent(agent.agent_id)
        agent.principal = principal
        self._connect(agent, queue, message.agent, now)
        state.counters["agents_reregistered"] += 1
        self._returns.take_back(agent, message, now, was_unreachable=was_unreachable)
        self._draining.returned(agent, now)
        self._send_away_if_down(agent, now)
        if was_unreachable:
            for framework in state.frameworks.values():
                if framework.agent_returns:
                    self._desk.tell(framework, AgentReturned(agent_id=agent.agent_id))

    # Silence

    def disconnect(self, agent: Agent, now: float) -> None:
        """It is silent or its queue is gone: offer nothing of it and wait; its tasks may well run on."""
        if agent.connected:
            self._state.disconnect(agent)
            self._offers.rescind(agent.offers.values(), now)
            self._desk.allocator.set_agent_active(agent.agent_id, False)

    def check_silence(self, now: float, silence_s: float, may_remove: Callable[[float], bool]) -> None:
        """Offer nothing of the silent, and give up those of them that ``may_remove(now)`` allows, oldest first."""
        state = self._state
        for agent in [agent for agent in state.agents.values() if now - agent.heard >= silence_s]:
            self.disconnect(agent, now)
        for agent_id, since in list(state.absent.items()):
            patience = silence_s if agent_id in state.agents else state.config.reregister_timeout_s
            if now - since < patience or agent_id in self._leaving or agent_id in state.returning:
                continue
            if not may_remove(now):
                state.counters["agent_removals_delayed"] += 1
                break
            self._give_up(agent_id, now)

    def _give_up(self, agent_id: AgentID, now: float) -> None:
        def written(then: float) -> None:
            if agent_id not in self._state.registry.unreachable:
                return  # its machine was taken down meanwhile, and it was sent away then
            self._state.counters["agents_unreachable"] += 1
            message = "its agent is silent; the task may still run"
            self._remove(agent_id, TaskState.UNREACHABLE, Reason.AGENT_REMOVED, message, then, since=now)

        self._leaving.add(agent_id)
        self._desk.persist(MarkUnreachable(agent_id, now), written)

    # Leaving

    def unregister(self, agent: Agent, _message: UnregisterAgent, now: float) -> None:
        """It leaves for good and says that nothing runs there any more."""
        if agent.agent_id in self._leaving:
            return

        def written(then: float) -> None:
            self._state.counters["agents_unregistered"] += 1
            message = "its agent has left the cluster"
            self._remove(agent.agent_id, TaskState.GONE, Reason.AGENT_REMOVED, message, then, since=now)

        self._leaving.add(agent.agent_id)
        self.disconnect(agent, now)
        self._desk.persist(RemoveAgent(agent.agent_id), written)

    def mark_gone(self, agent_id: AgentID, now: float, reply: Reply = lambda _outcome, _message: None) -> None:
        """An operator knows that an agent of ours will not be back; answered when that is durable."""
        if agent_id in self._leaving or agent_id in self._state.returning:
            reply(Outcome.BUSY, f"agent {agent_id} is just coming or leaving; try again")
            return

        def written(at: float) -> None:
            self._state.counters["agents_gone"] += 1
            message = "an operator declared its agent gone"
            if agent is not None:
                self._desk.send(
                    agent.queue, RegistrationRefused(name=agent.info.name, agent_id=agent_id, message=message)
                )
            self._tasks.lose_unreachable(agent_id, message, at)
            reason = Reason.AGENT_REMOVED_BY_OPERATOR
            self._remove(agent_id, TaskState.GONE_BY_OPERATOR, reason, message, at, since=now)
            reply(Outcome.DONE, f"agent {agent_id} is gone")

        agent = self._state.agents.get(agent_id)
        self._leaving.add(agent_id)
        if agent is not None:
            self.disconnect(agent, now)
        self._desk.persist(MarkGone(agent_id, now), written)

    def send_away(self, agent_id: AgentID, now: float) -> None:
        """Its machine is down, and the registry has it no more."""
        agent = self._state.agents.get(agent_id)
        if agent is not None:
            self.disconnect(agent, now)
            self._refuse(agent.queue, agent.info.name, agent_id, _DOWN)
        self._remove(agent_id, TaskState.GONE, Reason.AGENT_REMOVED, _DOWN, now, since=now)

    def _send_away_if_down(self, agent: Agent, now: float) -> None:
        """Its machine was taken down while it was being admitted."""
        if agent.info.hostname in self._state.registry.down:
            self._leaving.add(agent.agent_id)
            self.disconnect(agent, now)
            agent_id = agent.agent_id
            self._desk.persist(RemoveAgent(agent_id), lambda then: self.send_away(agent_id, then))

    def _remove(
        self, agent_id: AgentID, state: TaskState, reason: Reason, message: str, now: float, *, since: float
    ) -> None:
        """The registry has it: file its tasks, and tell everybody (any of them may have had plans for it)."""
        self._leaving.discard(agent_id)
        self._state.absent.pop(agent_id, None)
        self._state.awaited.discard(agent_id)
        agent = self._state.agents.get(agent_id)
        if agent is not None:
            for task in list(agent.tasks):
                self._tasks.lose(task, state, reason, message, now, since)
            for framework_id, executor_id in list(agent.executors):
                self._state.drop_executor(agent, framework_id, executor_id)
            self._desk.allocator.remove_agent(agent_id)
            del self._state.agents[agent_id]
        for framework in self._state.frameworks.values():
            self._desk.tell(framework, Failure(agent_id=agent_id, reason=_FAILURES[state]))

    # Executors

    def heartbeat(self, agent: Agent, message: AgentHeartbeat, _now: float) -> None:
        """Ask after what may be lost: nobody repeats that an executor ended, and what it held must not stay taken.

        Only executors it has shown are counted against it, for others may still be on their way there.
        """
        self._tasks.ask_whether_kept(agent)
        count = message.executors
        if count is not None and sum(executor.seen for executor in agent.executors.values()) > count:
            self._state.counters["executor_exits_missed"] += 1
            self._desk.order(agent, PleaseReregister(agent_id=agent.agent_id))

    def executor_exited(self, agent: Agent, message: ExecutorExited, now: float) -> None:
        """Free what the executor itself held, and tell its framework."""
        self._tasks.end_executor(agent, message.framework_id, message.executor_id, now)
        if (framework := self._state.frameworks.get(message.framework_id)) is not None:
            failure = Failure(
                agent_id=agent.agent_id,
                executor_id=message.executor_id,
                status=message.status,
                reason=FailureReason.EXECUTOR_ENDED,
            )
            self._desk.tell(framework, failure)

    def executor_message(self, agent: Agent, message: ExecutorToFramework, _now: float) -> None:
        """Pass bytes on to a framework; best effort."""
        if (framework := self._state.frameworks.get(message.framework_id)) is not None:
            event = MessageReceived(agent_id=agent.agent_id, executor_id=message.executor_id, data=message.data)
            self._desk.tell(framework, event)
