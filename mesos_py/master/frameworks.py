"""Frameworks come, come back, fall silent and go."""

from math import inf
from typing import Final

import msgspec

from mesos_py.master.authorization import why_not_subscribe_as
from mesos_py.master.desk import Desk
from mesos_py.master.offers import OfferDesk
from mesos_py.master.reconcile import answers
from mesos_py.master.state import CompletedFramework, Framework
from mesos_py.master.tasks import TaskDesk
from mesos_py.master.validation import why_not_demand, why_not_subscribe
from mesos_py.messages.agent import FrameworkToExecutor, ShutdownExecutor, ShutdownFramework
from mesos_py.messages.scheduler import (
    Error,
    ErrorReason,
    Heartbeat,
    Message,
    Reconcile,
    Request,
    Revive,
    Shutdown,
    Subscribe,
    Subscribed,
    Suppress,
    Update,
)
from mesos_py.types.ids import FrameworkID, Principal, Role
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.tasks import TaskState

__all__ = ["FrameworkDesk"]

_FAILED_OVER: Final = "another instance has subscribed with this framework's id"


class FrameworkDesk:
    """Owns the frameworks and their subscriptions."""

    def __init__(self, desk: Desk, offers: OfferDesk, tasks: TaskDesk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._offers = offers
        self._tasks = tasks
        self._next_removal = inf
        self._took_over: float | None = None
        """When frameworks could first subscribe here; later by as long as they could not in between."""

    # Subscription

    def subscribe(self, principal: Principal, queue: str, json: bool, call: Subscribe, now: float) -> None:
        """Let a framework in, for the first time or again."""
        framework_id = call.framework_id or self._state.framework_ids.get(queue)
        if (refusal := self._why_not(principal, queue, call, framework_id)) is not None:
            reason, why = refusal
            self._desk.refuse(queue, json, reason, why, call="SUBSCRIBE", fatal=True, framework_id=framework_id)
            return
        info = msgspec.structs.replace(call.framework, principal=principal, filters={})
        framework = self._state.frameworks.get(framework_id) if framework_id else None
        if framework is None:
            framework = self._add(framework_id or FrameworkID(self._state.new_id("F")), info, now)
        else:
            self._withdraw(framework, queue, now)
        self._connect(framework, info, queue, json, call, now)

    def _why_not(
        self, principal: Principal, queue: str, call: Subscribe, framework_id: FrameworkID | None
    ) -> tuple[ErrorReason, str] | None:
        """Why somebody may not subscribe."""
        state = self._state
        framework = state.frameworks.get(framework_id) if framework_id else None
        if (why := why_not_subscribe(call)) is not None:
            return ErrorReason.INVALID, why
        if framework_id and state.is_to_come("F", framework_id):
            why = f"framework id {framework_id} has not been given to anybody; subscribe without an id"
            return ErrorReason.INVALID, why
        if framework_id and state.was_removed(framework_id):
            why = f"framework {framework_id} was removed; subscribe without an id for a fresh one"
            return ErrorReason.FRAMEWORK_REMOVED, why
        if framework is not None and framework.info.principal not in ("", principal):
            return ErrorReason.FOREIGN_USER, f"framework {framework_id} belongs to another principal"
        if (why := why_not_subscribe_as(state, principal, call.framework.roles)) is not None:
            return ErrorReason.UNAUTHORIZED, why
        if framework is None:
            why = self._why_not_one_more(principal)
            return (ErrorReason.INVALID, why) if why is not None else None
        if call.resume and framework.queue != queue and self._is_there(framework):
            return ErrorReason.FAILED_OVER, _FAILED_OVER
        return None

    def _is_there(self, framework: Framework) -> bool:
        """Whether its instance has spoken since we can hear anybody: what we knew from before may be no more."""
        return framework.connected and framework.heard > self._state.connected_since

    def _why_not_one_more(self, principal: Principal) -> str | None:
        """Why a principal may not have another framework."""
        most = self._state.config.max_frameworks_per_principal
        if sum(framework.info.principal == principal for framework in self._state.frameworks.values()) < most:
            return None
        return f"principal {principal!r} has {most} frameworks already"

    def _connect(
        self, framework: Framework, info: FrameworkInfo, queue: str, json: bool, call: Subscribe, now: float
    ) -> None:
        framework.heard, framework.removal_due = now, None
        other = self._state.framework_ids.get(queue)
        if other is not None:
            self.disconnect(self._state.frameworks[other], now)
        framework.info = info
        framework.queue, framework.json = queue, json
        framework.connected, framework.recovered = True, False
        framework.suppressed = set(call.suppressed_roles)
        framework.demands.clear()
        framework.knows_tasks, framework.agent_returns = call.resume, call.agent_returns
        framework.wants_inverse_offers = call.inverse_offers
        framework.inverse_offers.clear()
        self._state.framework_ids[queue] = framework.framework_id
        self._desk.allocator.update_framework(
            framework.framework_id, info.roles, filters=call.framework.filters, suppressed=call.suppressed_roles
        )
        subscribed = Subscribed(
            framework_id=framework.framework_id,
            master=self._state.info,
            heartbeat_interval_s=self._state.config.heartbeat_s,
        )
        self._desk.tell(framework, subscribed)
        self._tasks.repeat_updates(framework)

    def _withdraw(self, framework: Framework, queue: str, now: float) -> None:
        """End the subscription that stood until now."""
        if not framework.connected:
            return
        self._offers.rescind(framework.offers.values(), now)
        if framework.queue != queue:
            self._desk.tell(framework, _end(framework, ErrorReason.FAILED_OVER, _FAILED_OVER))
        del self._state.framework_ids[framework.queue]
        framework.connected = False

    def recover(self, framework_id: FrameworkID, info: FrameworkInfo, now: float) -> Framework:
        """Hear from an agent of a framework; if it does not subscribe here in its time, it is removed.

        That is its failover timeout from our take-over on, and no less than agents have to come back. Of what it told
        several agents when it launched tasks there, the longest counts.
        """
        framework = self._state.frameworks.get(framework_id) or self._add(framework_id, info, now)
        if framework.recovered:
            since = now if self._took_over is None else self._took_over
            patience_s = max(info.failover_timeout_s, self._state.config.reregister_timeout_s)
            due = max(since + patience_s, self._state.patient_until, framework.removal_due or 0.0)
            framework.removal_due = due
            self._next_removal = min(due, self._next_removal)
        return framework

    def _add(self, framework_id: FrameworkID, info: FrameworkInfo, now: float) -> Framework:
        """Nothing is offered, and so neither roles nor filters count, before it subscribes."""
        framework = Framework(framework_id, info, now, history=self._state.config)
        self._state.frameworks[framework_id] = framework
        self._desk.allocator.add_framework(framework_id, [], filters={}, active=False)
        return framework

    # Silence

    def disconnect(self, framework: Framework, now: float) -> None:
        """It is silent or its queue is gone: no offers, its tasks wait for the failover timeout."""
        if not framework.connected:
            return
        del self._state.framework_ids[framework.queue]
        framework.connected = False
        self._offers.rescind(framework.offers.values(), now)
        self._desk.allocator.deactivate_framework(framework.framework_id)
        due = max(now + framework.info.failover_timeout_s, self._state.patient_until)
        framework.removal_due = due
        self._next_removal = min(due, self._next_removal)
        self.remove_due(now)

    def next_deadline(self) -> float:
        """Not later than the end of any failover timeout; earlier if the framework in question is back by now."""
        return self._next_removal

    def remove_due(self, now: float) -> None:
        """Remove those that did not come back in time."""
        if now < self._next_removal:
            return
        frameworks = self._state.frameworks
        for framework in [f for f in frameworks.values() if f.removal_due is not None and f.removal_due <= now]:
            self.remove(framework, now)
        self._next_removal = min((f.removal_due for f in frameworks.values() if f.removal_due is not None), default=inf)

    def be_patient(self, outage_s: float, now: float) -> None:
        """While we were cut off nobody could come back: that time does not count."""
        self._took_over = now if self._took_over is None else self._took_over + outage_s
        for framework in self._state.frameworks.values():
            if framework.removal_due is not None:
                framework.removal_due = max(framework.removal_due + outage_s, self._state.patient_until)

    def remove(self, framework: Framework, now: float, why: str = "") -> None:
        """End all it runs, everywhere, and remember only that it was. ``why`` tells it, if it is not its own wish."""
        state = self._state
        framework_id = framework.framework_id
        self._offers.rescind(framework.offers.values(), now)
        if framework.connected:
            if why:
                self._desk.tell(framework, _end(framework, ErrorReason.FRAMEWORK_REMOVED, why))
            del state.framework_ids[framework.queue]
            framework.connected = False
        hosts = dict.fromkeys(task.agent_id for task in framework.tasks.values())
        hosts.update((agent_id, None) for agent_id, _ in framework.executors)
        for agent in map(state.agents.__getitem__, hosts):
            if agent.connected:
                self._desk.order(agent, ShutdownFramework(agent_id=agent.agent_id, framework_id=framework_id))
            else:
                agent.shutdowns[framework_id] = None
        for agent_id, executor_id in list(framework.executors):
            state.drop_executor(state.agents[agent_id], framework_id, executor_id)
        for task in list(framework.tasks.values()):
            self._tasks.move(task, TaskState.KILLED, now)
            self._tasks.complete(task)
        self._desk.allocator.remove_framework(framework_id)
        del state.frameworks[framework_id]
        state.completed[framework_id] = CompletedFramework(
            framework_id,
            framework.info,
            framework.registered,
            now,
            tuple(framework.completed),
            dict(framework.counters),
        )
        while len(state.completed) > state.config.max_completed_frameworks:
            del state.completed[next(iter(state.completed))]

    def check_silence(self, now: float) -> None:
        """Disconnect the silent."""
        silence_s = self._state.config.missed_heartbeats * self._state.config.heartbeat_s
        for framework in list(self._state.frameworks.values()):
            if now - framework.heard >= silence_s:
                self.disconnect(framework, now)

    def show_life(self) -> None:
        """Show all that we live."""
        for framework in self._state.frameworks.values():
            self._desk.tell(framework, Heartbeat())

    # Small calls

    def suppress(self, framework: Framework, call: Suppress, _now: float) -> None:
        """Stop offers for some of its roles."""
        if (roles := self._own_roles(framework, call.roles, "SUPPRESS")) is not None:
            framework.suppressed.update(roles)
            self._desk.allocator.suppress(framework.framework_id, roles)

    def revive(self, framework: Framework, call: Revive, _now: float) -> None:
        """Resume offers for some of its roles and forget what they refused."""
        if (roles := self._own_roles(framework, call.roles, "REVIVE")) is not None:
            framework.suppressed.difference_update(roles)
            for answer in framework.inverse_answers.values():
                answer.until = 0.0
            self._desk.allocator.revive(framework.framework_id, roles)

    def request(self, framework: Framework, call: Request, _now: float) -> None:
        """Take down its demand."""
        if self._own_roles(framework, [call.role], "REQUEST") is None:
            return
        others = sum(number for role, number in framework.demands.items() if role != call.role)
        if why := why_not_demand(call.demands, others):
            self._desk.refuse_call(framework, "REQUEST", why)
            return
        framework.demands[call.role] = len(call.demands)
        self._desk.allocator.request(framework.framework_id, call.role, call.demands)

    def reconcile(self, framework: Framework, call: Reconcile, now: float) -> None:
        """Tell it how its tasks stand."""
        for status in answers(self._state, framework, call, now):
            self._desk.tell(framework, Update(status=status))
        self._tasks.ask_after_launches(framework, call)

    def message(self, framework: Framework, call: Message, _now: float) -> None:
        """Pass bytes on to one of its executors; best effort."""
        agent = self._state.agents.get(call.agent_id)
        if agent is None or not agent.connected:
            self._state.counters["messages_undeliverable"] += 1
            return
        order = FrameworkToExecutor(
            agent_id=call.agent_id,
            framework_id=framework.framework_id,
            executor_id=call.executor_id,
            data=call.data,
        )
        self._desk.order(agent, order)

    def shutdown_executor(self, framework: Framework, call: Shutdown, _now: float) -> None:
        """Have one of its executors stopped."""
        if (call.agent_id, call.executor_id) not in framework.executors:
            why = f"there is no executor {call.executor_id!r} of this framework on agent {call.agent_id!r}"
            self._desk.refuse_call(framework, "SHUTDOWN", why)
            return
        agent = self._state.agents[call.agent_id]
        if not agent.connected:
            self._desk.refuse_call(framework, "SHUTDOWN", f"agent {call.agent_id} is not connected; try again later")
            return
        order = ShutdownExecutor(
            agent_id=call.agent_id, framework_id=framework.framework_id, executor_id=call.executor_id
        )
        self._desk.order(agent, order)

    def _own_roles(self, framework: Framework, roles: list[Role], call: str) -> list[Role] | None:
        """The roles meant (none given: all), or None after refusing a foreign one."""
        for role in roles:
            if role not in framework.info.roles:
                why = f"role {role!r} is not among the framework's roles {framework.info.roles}"
                self._desk.refuse_call(framework, call, why)
                return None
        return roles or framework.info.roles


def _end(framework: Framework, reason: ErrorReason, message: str) -> Error:
    return Error(reason=reason, message=message, fatal=True, framework_id=framework.framework_id)
