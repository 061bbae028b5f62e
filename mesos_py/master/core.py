"""The master: takes in one event, says what to do. This module only finds out who decides.

FrameworkSaid ─▶ frameworks (subscribe, suppress ...), launches (accept), offers (decline), tasks (kill, acknowledge)
AgentSaid     ─▶ agents (register), returns (what a returning agent reports), tasks (status updates)
OperatorSaid  ─▶ operators
Ticked        ─▶ offers and frameworks that time out, liveness (who is silent), draining, maintenance, roles (limits),
                 then allocate
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from mesos_py.allocator.base import Allocator, RoleShare
from mesos_py.master import events
from mesos_py.master.agents import AgentDesk
from mesos_py.master.desk import Desk
from mesos_py.master.draining import DrainDesk
from mesos_py.master.effects import MasterEffect
from mesos_py.master.events import AgentSaid, FrameworkSaid, MasterEvent, OperatorSaid
from mesos_py.master.frameworks import FrameworkDesk
from mesos_py.master.launches import LaunchDesk
from mesos_py.master.liveness import LivenessDesk
from mesos_py.master.maintenance import MaintenanceDesk
from mesos_py.master.offers import OfferDesk
from mesos_py.master.operators import OperatorDesk
from mesos_py.master.registry import Registry
from mesos_py.master.returns import ReturnDesk
from mesos_py.master.roles import RoleDesk
from mesos_py.master.state import Agent, Framework, MasterConfig, MasterState
from mesos_py.master.tasks import TaskDesk
from mesos_py.messages import agent as to_master
from mesos_py.messages import scheduler as calls
from mesos_py.messages.codec import Malformed
from mesos_py.messages.scheduler import ErrorReason
from mesos_py.types.ids import FrameworkID
from mesos_py.types.infos import MasterInfo

__all__ = ["Master"]

_HELD: Final = 10_000
"""So many calls and tasks in them are kept while it is not sure that we lead ..."""
_HELD_OF_ONE: Final = 2_000
"""... and so many of one framework."""

_OfConnected = (
    to_master.UnregisterAgent
    | to_master.AgentAway
    | to_master.AgentHeartbeat
    | to_master.StatusUpdate
    | to_master.ExecutorExited
    | to_master.ExecutorToFramework
)
"""What only a connected agent is listened to for."""


class Master:
    """Decides for one leadership. A new leadership gets a new Master, with a new master id."""

    def __init__(self, info: MasterInfo, config: MasterConfig, allocator: Allocator, registry: Registry) -> None:
        """``registry`` is what was durable when this leadership began; it is the core's from now on."""
        self.state = MasterState(info, config, registry)
        self._desk = Desk(self.state, allocator)
        self._offers = OfferDesk(self._desk)
        self._launches = LaunchDesk(self._desk, self._offers)
        self._tasks = TaskDesk(self._desk)
        self._frameworks = FrameworkDesk(self._desk, self._offers, self._tasks)
        returns = ReturnDesk(self._desk, self._tasks, self._frameworks)
        self._draining = DrainDesk(self._desk, self._offers, self._tasks)
        self._agents = AgentDesk(self._desk, self._offers, self._tasks, returns, self._draining)
        self._liveness = LivenessDesk(self._desk, self._agents, self._frameworks)
        self._maintenance = MaintenanceDesk(self._desk, self._offers, self._agents)
        self._roles = RoleDesk(self._desk)
        self._operators = OperatorDesk(
            self._desk,
            self._agents,
            self._frameworks,
            self._tasks,
            self._draining,
            self._maintenance,
            self._roles,
        )
        self._held: list[FrameworkSaid] = []
        """Accepted offers that wait until it is sure that we lead, and what the same frameworks said after them."""
        self._holding: Counter[FrameworkID] = Counter()
        """How much of that is of which framework."""
        self._events = self._who_takes_events()
        self._calls = self._who_serves_calls()
        self._messages = self._who_hears_agents()

    def _who_takes_events(self) -> dict[type, Callable[[Any, float], None]]:
        return {
            FrameworkSaid: self._on_framework_said,
            AgentSaid: self._on_agent_said,
            events.Ticked: self._on_ticked,
            events.RegistryWritten: lambda event, now: self._desk.written(event.serial, now),
            events.QueueGone: self._on_queue_gone,
            OperatorSaid: self._operators.serve,
            events.BrokerConnected: self._on_connected,
            events.BrokerLost: lambda event, now: self._liveness.lost(now),
            events.EchoHeard: lambda event, now: self._liveness.heard_echo(event.inbox, event.sent, now),
            events.LeadershipSuspended: lambda event, now: setattr(self.state, "suspended", True),
            events.LeadershipResumed: self._on_resumed,
            events.AclsChanged: lambda event, now: setattr(self.state, "acls", event.acls),
        }

    def _who_serves_calls(self) -> dict[type, Callable[[Framework, Any, float], None]]:
        return {
            calls.Acknowledge: self._tasks.acknowledge,
            calls.Accept: self._launches.accept,
            calls.Decline: self._offers.decline,
            calls.AcceptInverseOffers: self._maintenance.answer,
            calls.DeclineInverseOffers: self._maintenance.answer,
            calls.Kill: self._tasks.kill,
            calls.Revive: self._frameworks.revive,
            calls.Suppress: self._frameworks.suppress,
            calls.Request: self._frameworks.request,
            calls.Reconcile: self._frameworks.reconcile,
            calls.Message: self._frameworks.message,
            calls.Shutdown: self._frameworks.shutdown_executor,
            calls.SchedulerHeartbeat: lambda framework, call, now: None,
            calls.Teardown: lambda framework, call, now: self._frameworks.remove(framework, now),
        }

    def _who_hears_agents(self) -> dict[type, Callable[[Agent, Any, float], None]]:
        return {
            to_master.StatusUpdate: self._tasks.update,
            to_master.AgentAway: lambda agent, message, now: self._agents.disconnect(agent, now),
            to_master.AgentHeartbeat: self._agents.heartbeat,
            to_master.ExecutorExited: self._agents.executor_exited,
            to_master.ExecutorToFramework: self._agents.executor_message,
            to_master.UnregisterAgent: self._agents.unregister,
        }

    # The shape that every core has

    def handle(self, event: MasterEvent, now: float) -> list[MasterEffect]:
        """Take in what happened; say what to do. ``now`` is in seconds since the epoch and never goes back."""
        self._events[type(event)](event, now)
        if self.state.emptied:
            self._draining.settle(now, self._agents.mark_gone)
        return self._desk.take()

    def next_deadline(self) -> float | None:
        """When to send Ticked if nothing else happens first; None while cut off from the broker."""
        due = self._liveness.next_deadline()
        if self.state.cut_off or due is None:
            return None
        due = min(due, self._frameworks.next_deadline())
        for desk in (self._offers, self._draining, self._maintenance, self._roles):
            other = desk.next_deadline()
            due = due if other is None else min(due, other)
        return due

    def shares(self) -> list[RoleShare]:
        """How the roles stand, for views."""
        return self._desk.allocator.shares()

    def check(self) -> None:
        """Raise InvariantError if the state contradicts itself or a promise."""
        self.state.check()
        self._desk.allocator.check()

    # Time

    def _on_ticked(self, _event: events.Ticked, now: float) -> None:
        if self.state.cut_off:
            return
        self._offers.expire(now)
        self._frameworks.remove_due(now)
        self._liveness.run_due(now)
        self._draining.run_due(now)
        self._maintenance.run_due(now)
        self._roles.run_due(now)
        self._offers.make(now)

    def _on_connected(self, _event: events.BrokerConnected, now: float) -> None:
        self._liveness.connected(now)
        self._roles.connected(now)

    # Frameworks

    def _on_framework_said(self, event: FrameworkSaid, now: float) -> None:
        call = event.call
        if isinstance(call, (Malformed, calls.Subscribe)):
            self._on_stranger_said(event, call, now)
            return
        framework = self.state.frameworks.get(call.framework_id)
        if framework is None or framework.queue != event.queue or not framework.connected:
            self._refuse_stranger(event, call, framework)
            return
        framework.heard = now
        if self.state.suspended and self._must_wait(framework, call):
            self._hold(framework, event)
            return
        self._calls[type(call)](framework, call, now)

    def _must_wait(self, framework: Framework, call: calls.Call) -> bool:
        """Launches, and what might be meant for the tasks of a launch that waits."""
        if isinstance(call, calls.Accept):
            return True
        return framework.framework_id in self._holding and not isinstance(
            call, calls.Acknowledge | calls.SchedulerHeartbeat
        )

    def _hold(self, framework: Framework, event: FrameworkSaid) -> None:
        call = event.call
        weight = 1 + sum(len(op.tasks) for op in call.operations) if isinstance(call, calls.Accept) else 1
        of_one = self._holding[framework.framework_id] + weight
        if of_one <= _HELD_OF_ONE and self._holding.total() + weight <= _HELD:
            self._held.append(event)
            self._holding[framework.framework_id] = of_one
        else:
            tag = str(event.call.__struct_config__.tag)
            self._desk.refuse_call(framework, tag, "the master waits for ZooKeeper, and has too much to remember")

    def _on_resumed(self, _event: events.LeadershipResumed, now: float) -> None:
        self.state.suspended = False
        held, self._held = self._held, []
        self._holding.clear()
        for event in held:
            self._on_framework_said(event, now)

    def _on_stranger_said(self, event: FrameworkSaid, call: Malformed | calls.Subscribe, now: float) -> None:
        """What anybody may say, subscribed or not."""
        if isinstance(call, Malformed):
            self._desk.refuse(event.queue, event.json, ErrorReason.MALFORMED, call.reason, call=call.type)
        elif not event.queue:
            self.state.counters["calls_without_reply_to"] += 1
        else:
            self._frameworks.subscribe(event.principal, event.queue, event.json, call, now)

    def _refuse_stranger(self, event: FrameworkSaid, call: calls.Call, framework: Framework | None) -> None:
        """A call from a queue that is not subscribed with this framework id."""
        assert not isinstance(call, calls.Subscribe)
        framework_id = call.framework_id
        if self.state.was_removed(framework_id):
            reason, why = ErrorReason.FRAMEWORK_REMOVED, f"framework {framework_id} was removed"
        elif framework is not None and framework.info.principal not in ("", event.principal):
            reason, why = ErrorReason.FOREIGN_USER, f"framework {framework_id} belongs to another principal"
        elif framework is not None and framework.connected:
            reason, why = ErrorReason.FAILED_OVER, "another instance has subscribed with this framework's id"
        else:
            reason, why = ErrorReason.NOT_SUBSCRIBED, f"framework {framework_id} is not subscribed; subscribe (again)"
        fatal = reason is not ErrorReason.NOT_SUBSCRIBED
        tag = str(call.__struct_config__.tag)
        self._desk.refuse(event.queue, event.json, reason, why, call=tag, fatal=fatal, framework_id=framework_id)

    # Agents

    def _on_agent_said(self, event: AgentSaid, now: float) -> None:
        message = event.message
        if isinstance(message, (Malformed, to_master.AskForBeacon, to_master.RegisterAgent, to_master.ReregisterAgent)):
            self._on_newcomer_said(event, message, now)
            return
        agent = self.state.agents.get(message.agent_id)
        if agent is None or agent.queue != event.queue or not agent.connected:
            self._answer_absent(event, agent, message, now)
            return
        agent.heard = now
        self._messages[type(message)](agent, message, now)

    def _on_newcomer_said(
        self,
        event: AgentSaid,
        message: Malformed | to_master.AskForBeacon | to_master.RegisterAgent | to_master.ReregisterAgent,
        now: float,
    ) -> None:
        """What any agent may say, connected or not."""
        if isinstance(message, Malformed):
            self.state.counters["agent_messages_malformed"] += 1
        elif not event.queue:
            self.state.counters["agent_messages_without_reply_to"] += 1
        elif isinstance(message, to_master.AskForBeacon):
            self._desk.send(event.queue, self._liveness.beacon())
        elif isinstance(message, to_master.RegisterAgent):
            self._agents.register(event.principal, event.queue, message, now)
        else:
            self._agents.reregister(event.principal, event.queue, message, now)

    def _answer_absent(self, event: AgentSaid, agent: Agent | None, message: _OfConnected, now: float) -> None:
        """A message of an agent that is not connected from this queue: it must re-register first, or may leave."""
        self.state.counters["agent_messages_of_absent"] += 1
        if agent is not None and agent.principal != event.principal:
            self.state.counters["agent_messages_of_strangers"] += 1
        elif isinstance(message, to_master.UnregisterAgent):
            if agent is not None:
                self._agents.unregister(agent, message, now)
        elif event.queue:
            self._desk.send(event.queue, to_master.PleaseReregister(agent_id=message.agent_id))

    def _on_queue_gone(self, event: events.QueueGone, now: float) -> None:
        """The broker knows that a reader is gone, long before its silence shows it."""
        if (framework_id := self.state.framework_ids.get(event.queue)) is not None:
            self._frameworks.disconnect(self.state.frameworks[framework_id], now)
        for agent_id in list(self.state.agent_ids.get(event.queue, {}).values()):
            self._agents.disconnect(self.state.agents[agent_id], now)
