"""The master: takes in one event, says what to do. This module only finds out who decides.

FrameworkSaid ─▶ frameworks (subscribe, suppress ...), launches (accept), offers (decline), tasks (kill, acknowledge)
AgentSaid     ─▶ agents (register, return), tasks (status updates)
Ticked        ─▶ who is silent, which offers and frameworks time out, then allocate
"""

from collections.abc import Callable
from typing import Any

from mesos_py.allocator.base import Allocator, RoleShare
from mesos_py.errors import InvariantError
from mesos_py.master import events
from mesos_py.master.agents import AgentDesk
from mesos_py.master.desk import Desk
from mesos_py.master.effects import Announce, Answer, MasterEffect, SendToAgent
from mesos_py.master.events import AgentSaid, FrameworkSaid, MasterEvent, OperatorKill, OperatorSaid, OperatorTeardown
from mesos_py.master.frameworks import FrameworkDesk
from mesos_py.master.launches import LaunchDesk
from mesos_py.master.offers import OfferDesk
from mesos_py.master.registry import Registry
from mesos_py.master.state import Agent, Framework, MasterConfig, MasterState
from mesos_py.master.tasks import TaskDesk
from mesos_py.messages import agent as to_master
from mesos_py.messages import scheduler as calls
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.codec import Malformed
from mesos_py.messages.scheduler import ErrorReason
from mesos_py.types.infos import MasterInfo
from mesos_py.types.tasks import LIVE

__all__ = ["Master"]


class Master:
    """Decides for one leadership. A new leadership gets a new Master."""

    def __init__(self, info: MasterInfo, config: MasterConfig, allocator: Allocator, registry: Registry) -> None:
        """``registry`` is what was durable when this leadership began."""
        self.state = MasterState(info, config, registry)
        self._desk = Desk(self.state, allocator)
        self._offers = OfferDesk(self._desk)
        self._launches = LaunchDesk(self._desk, self._offers)
        self._tasks = TaskDesk(self._desk)
        self._frameworks = FrameworkDesk(self._desk, self._offers, self._tasks)
        self._agents = AgentDesk(self._desk, self._offers, self._tasks, self._frameworks)
        self._liveness_due: float | None = None
        self._events: dict[type, Callable[[Any, float], None]] = {
            FrameworkSaid: self._on_framework_said,
            AgentSaid: self._on_agent_said,
            events.Ticked: self._on_ticked,
            events.RegistryWritten: lambda event, now: self._desk.written(event.serial, now),
            events.QueueGone: self._on_queue_gone,
            OperatorSaid: self._on_operator_said,
            events.BrokerConnected: self._on_broker_connected,
            events.BrokerLost: self._on_broker_lost,
        }
        self._calls: dict[type, Callable[[Framework, Any, float], None]] = {
            calls.Acknowledge: lambda framework, call, now: self._tasks.acknowledge(framework, call),
            calls.Accept: self._launches.accept,
            calls.Decline: self._offers.decline,
            calls.Kill: self._tasks.kill,
            calls.Revive: lambda framework, call, now: self._frameworks.revive(framework, call),
            calls.Suppress: lambda framework, call, now: self._frameworks.suppress(framework, call),
            calls.Request: lambda framework, call, now: self._frameworks.request(framework, call),
            calls.Reconcile: self._frameworks.reconcile,
            calls.Message: lambda framework, call, now: self._frameworks.message(framework, call),
            calls.Shutdown: lambda framework, call, now: self._frameworks.shutdown_executor(framework, call),
            calls.SchedulerHeartbeat: lambda framework, call, now: None,
            calls.Teardown: lambda framework, call, now: self._frameworks.remove(framework, now),
        }
        self._messages: dict[type, Callable[[Agent, Any, float], None]] = {
            to_master.StatusUpdate: self._tasks.update,
            to_master.AgentHeartbeat: lambda agent, message, now: None,
            to_master.ExecutorExited: self._agents.executor_exited,
            to_master.ExecutorToFramework: lambda agent, message, now: self._agents.executor_message(agent, message),
            to_master.UnregisterAgent: self._agents.unregister,
        }

    # The shape that every core has

    def handle(self, event: MasterEvent, now: float) -> list[MasterEffect]:
        """Take in what happened; say what to do. ``now`` is in seconds since the epoch and never goes back."""
        self._events[type(event)](event, now)
        return self._desk.take()

    def next_deadline(self) -> float | None:
        """When to send Ticked if nothing else happens first; None while cut off from the broker."""
        if self.state.cut_off or self._liveness_due is None:
            return None
        due = self._liveness_due
        if (offers := self._offers.next_deadline()) is not None and offers < due:
            due = offers
        if (removal := self._frameworks.removals_due()) is not None and removal < due:
            due = removal
        return due

    def shares(self) -> list[RoleShare]:
        """How the roles stand, for views."""
        return self._desk.allocator.shares()

    def check(self) -> None:
        """Raise InvariantError if the state contradicts itself or a promise."""
        self.state.check()
        self._desk.allocator.check()
        for offer, _ in self.state.offers.values():
            if offer.agent_id not in self.state.agents or offer.framework_id not in self.state.frameworks:
                raise InvariantError(f"offer {offer.offer_id} is of nobody or for nobody")

    # Time and connection

    def _on_ticked(self, _event: events.Ticked, now: float) -> None:
        if self.state.cut_off:
            return
        self._offers.expire(now)
        self._frameworks.remove_due(now)
        if self._liveness_due is not None and self._liveness_due <= now:
            self._liveness_due = now + self.state.heartbeat_s
            self._agents.check_liveness(now)
            self._frameworks.check_liveness(now)
            self._desk.ask(Announce(self._beacon()))
        self._offers.make(now)

    def _on_broker_connected(self, _event: events.BrokerConnected, now: float) -> None:
        """Silence until now proves nothing: everybody gets a fresh start."""
        self.state.cut_off = False
        self._liveness_due = now + self.state.heartbeat_s
        for agent in self.state.agents.values():
            agent.heard = now
        for framework in self.state.frameworks.values():
            framework.heard = now
        self._desk.ask(Announce(self._beacon()))

    def _on_broker_lost(self, _event: events.BrokerLost, _now: float) -> None:
        self.state.cut_off = True

    def _beacon(self) -> Beacon:
        interval = self.state.heartbeat_s
        return Beacon(master=self.state.info, heartbeat_s=interval, interval_s=interval)

    # Frameworks

    def _on_framework_said(self, event: FrameworkSaid, now: float) -> None:
        call = event.call
        if isinstance(call, Malformed):
            self._desk.refuse(event.queue, event.json, ErrorReason.MALFORMED, call.reason, call=call.type)
        elif not event.queue:
            self.state.counters["calls_without_reply_to"] += 1
        elif isinstance(call, calls.Subscribe):
            self._frameworks.subscribe(event.principal, event.queue, event.json, call, now)
        else:
            framework = self.state.frameworks.get(call.framework_id)
            if framework is None or not framework.connected or framework.queue != event.queue:
                self._refuse_stranger(event, framework)
                return
            framework.heard = now
            self._calls[type(call)](framework, call, now)

    def _refuse_stranger(self, event: FrameworkSaid, framework: Framework | None) -> None:
        """A call from a queue that is not subscribed with this framework id."""
        call = event.call
        assert not isinstance(call, (Malformed, calls.Subscribe))
        tag = call.__struct_config__.tag
        name = tag if isinstance(tag, str) else ""
        framework_id = call.framework_id
        if framework_id in self.state.completed:
            reason, why = ErrorReason.FRAMEWORK_REMOVED, f"framework {framework_id} was removed"
        elif framework is not None and framework.info.principal not in ("", event.principal):
            reason, why = ErrorReason.FOREIGN_USER, f"framework {framework_id} belongs to another principal"
        elif framework is not None and framework.connected:
            reason, why = ErrorReason.FAILED_OVER, "another instance has subscribed with this framework's id"
        else:
            reason, why = ErrorReason.NOT_SUBSCRIBED, f"framework {framework_id} is not subscribed; subscribe (again)"
        fatal = reason != ErrorReason.NOT_SUBSCRIBED
        self._desk.refuse(event.queue, event.json, reason, why, call=name, fatal=fatal)

    # Agents

    def _on_agent_said(self, event: AgentSaid, now: float) -> None:
        message = event.message
        if isinstance(message, Malformed):
            self.state.counters["agent_messages_malformed"] += 1
        elif isinstance(message, to_master.AskForBeacon):
            if event.queue:
                self._desk.ask(SendToAgent(event.queue, self._beacon()))
        elif isinstance(message, to_master.RegisterAgent):
            self._agents.register(event.principal, event.queue, message, now)
        elif isinstance(message, to_master.ReregisterAgent):
            known = self.state.agents.get(message.agent_id)
            if known is not None and known.principal != event.principal:
                self.state.counters["agent_messages_of_strangers"] += 1
                return
            self._agents.reregister(event.principal, event.queue, message, now)
        else:
            agent = self.state.agents.get(message.agent_id)
            if agent is None or not agent.connected or agent.queue != event.queue:
                self._answer_stranger(event, agent, message)
                return
            agent.heard = now
            self._messages[type(message)](agent, message, now)

    def _answer_stranger(self, event: AgentSaid, agent: Agent | None, message: to_master.FromAgent) -> None:
        """A message of an agent that is not connected from this queue: it must re-register first."""
        self.state.counters["agent_messages_of_strangers"] += 1
        if isinstance(message, (to_master.AskForBeacon, to_master.RegisterAgent, to_master.ReregisterAgent)):
            return
        if event.queue and (agent is None or agent.principal == event.principal):
            self._desk.ask(SendToAgent(event.queue, to_master.PleaseReregister(agent_id=message.agent_id)))

    def _on_queue_gone(self, event: events.QueueGone, now: float) -> None:
        """The broker knows that a reader is gone, long before its silence shows it."""
        if (framework_id := self.state.framework_ids.get(event.queue)) is not None:
            self._frameworks.disconnect(self.state.frameworks[framework_id], now)
        for (queue, _), agent_id in list(self.state.agent_ids.items()):
            if queue == event.queue:
                self._agents.disconnect(self.state.agents[agent_id], now)

    # Operators

    def _on_operator_said(self, event: OperatorSaid, now: float) -> None:
        match event.call:
            case OperatorKill():
                message, error = self._operator_kill(event.call)
            case OperatorTeardown(framework_id):
                framework = self.state.frameworks.get(framework_id)
                error = framework is None
                message = f"framework {framework_id} is not known" if error else f"framework {framework_id} removed"
                if framework is not None:
                    self._frameworks.remove(framework, now)
        self._desk.ask(Answer(event.ticket, message, error))

    def _operator_kill(self, call: OperatorKill) -> tuple[str, bool]:
        found = [
            framework.tasks[call.task_id]
            for framework in self.state.frameworks.values()
            if call.task_id in framework.tasks and call.framework_id in (None, framework.framework_id)
        ]
        live = [task for task in found if task.state in LIVE]
        if len(live) > 1:
            owners = ", ".join(task.framework_id for task in live)
            return f"several frameworks have a task {call.task_id}: {owners}; name one", True
        if not live:
            return f"no task {call.task_id} is running", True
        self._tasks.order_kill(live[0], None)
        return f"task {call.task_id} is being killed", False
