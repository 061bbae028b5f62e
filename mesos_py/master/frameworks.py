"""Frameworks come, come back, fall silent and go."""

import msgspec

from mesos_py.master.desk import Desk
from mesos_py.master.offers import OfferDesk
from mesos_py.master.reconcile import answers
from mesos_py.master.state import Agent, CompletedFramework, Framework
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


class FrameworkDesk:
    """Owns the frameworks and their subscriptions."""

    def __init__(self, desk: Desk, offers: OfferDesk, tasks: TaskDesk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._offers = offers
        self._tasks = tasks

    # Subscription

    def subscribe(self, principal: Principal, queue: str, json: bool, call: Subscribe, now: float) -> None:
        """Let a framework in, for the first time or again."""
        if why := why_not_subscribe(call):
            self._desk.refuse(queue, json, ErrorReason.INVALID, why, call="SUBSCRIBE", fatal=True)
            return
        framework_id = call.framework_id or self._state.framework_ids.get(queue)
        if framework_id in self._state.completed:
            why = f"framework {framework_id} was removed; subscribe without an id for a fresh one"
            self._desk.refuse(queue, json, ErrorReason.FRAMEWORK_REMOVED, why, call="SUBSCRIBE", fatal=True)
            return
        framework = self._state.frameworks.get(framework_id) if framework_id else None
        if framework is not None and framework.info.principal not in ("", principal):
            why = f"framework {framework_id} belongs to another principal"
            self._desk.refuse(queue, json, ErrorReason.FOREIGN_USER, why, call="SUBSCRIBE", fatal=True)
            return
        info = msgspec.structs.replace(call.framework, principal=principal)
        if framework is None:
            framework = self._add(framework_id or FrameworkID(self._state.new_id("F")), info, now)
        else:
            self._withdraw(framework, queue, now)
        self._connect(framework, info, queue, json, call, now)

    def _connect(
        self, framework: Framework, info: FrameworkInfo, queue: str, json: bool, call: Subscribe, now: float
    ) -> None:
        other = self._state.framework_ids.get(queue)
        if other is not None and other != framework.framework_id:
            self.disconnect(self._state.frameworks[other], now)
        framework.info = info
        framework.queue, framework.json = queue, json
        framework.connected, framework.recovered = True, False
        framework.heard, framework.removal_due = now, None
        framework.suppressed = set(call.suppressed_roles)
        self._state.framework_ids[queue] = framework.framework_id
        self._desk.allocator.update_framework(
            framework.framework_id, info.roles, filters=info.filters, suppressed=call.suppressed_roles
        )
        self._desk.tell(
            framework,
            Subscribed(
                framework_id=framework.framework_id,
                master=self._state.info,
                heartbeat_interval_s=self._state.config.heartbeat_s,
            ),
        )
        self._tasks.repeat_updates(framework)

    def _withdraw(self, framework: Framework, queue: str, now: float) -> None:
        """End the subscription that stood until now."""
        if not framework.connected:
            return
        self._offers.rescind(framework.offers.values(), now)
        if framework.queue != queue:
            message = "another instance has subscribed with this framework's id"
            self._desk.tell(framework, Error(reason=ErrorReason.FAILED_OVER, message=message, fatal=True))
        del self._state.framework_ids[framework.queue]
        framework.connected = False

    def recover(self, framework_id: FrameworkID, info: FrameworkInfo, now: float) -> Framework:
        """Learn from an agent of a framework that has not subscribed here (yet)."""
        return self._add(framework_id, info, now)

    def _add(self, framework_id: FrameworkID, info: FrameworkInfo, now: float) -> Framework:
        framework = Framework(framework_id, info, now, history=self._state.config)
        self._state.frameworks[framework_id] = framework
        self._desk.allocator.add_framework(framework_id, info.roles, filters=info.filters, active=False)
        return framework

    # Silence

    def disconnect(self, framework: Framework, now: float) -> None:
        """It is silent or its queue is gone: no offers, its tasks wait for the failover timeout."""
        if not framework.connected:
            return
        del self._state.framework_ids[framework.queue]
        framework.connected = False
        framework.removal_due = now + framework.info.failover_timeout_s
        self._offers.rescind(framework.offers.values(), now)
        self._desk.allocator.deactivate_framework(framework.framework_id)
        if framework.info.failover_timeout_s == 0:
            self.remove(framework, now)

    def removals_due(self) -> float | None:
        """When the next disconnected framework's failover timeout ends."""
        if len(self._state.framework_ids) == len(self._state.frameworks):
            return None
        return min((f.removal_due for f in self._state.frameworks.values() if f.removal_due is not None), default=None)

    def remove_due(self, now: float) -> None:
        """Remove those that did not come back in time."""
        for framework in list(self._state.frameworks.values()):
            if framework.removal_due is not None and framework.removal_due <= now:
                self.remove(framework, now)

    def remove(self, framework: Framework, now: float) -> None:
        """End all it runs, everywhere, and remember only that it was."""
        framework_id = framework.framework_id
        self._offers.rescind(framework.offers.values(), now)
        if framework.connected:
            del self._state.framework_ids[framework.queue]
            framework.connected = False
        for agent in self._hosts(framework):
            for executor_id in agent.executors_of(framework_id):
                del agent.executors[framework_id, executor_id]
            if agent.connected:
                self._desk.order(agent, ShutdownFramework(agent_id=agent.agent_id, framework_id=framework_id))
            else:
                agent.shutdowns[framework_id] = None
        for task in list(framework.tasks.values()):
            self._tasks.move(task, TaskState.KILLED, now)
            self._tasks.complete(task)
        self._desk.allocator.remove_framework(framework_id)
        del self._state.frameworks[framework_id]
        self._state.completed[framework_id] = CompletedFramework(
            framework_id, framework.info, framework.registered, now, tuple(framework.completed)
        )
        while len(self._state.completed) > self._state.config.max_completed_frameworks:
            del self._state.completed[next(iter(self._state.completed))]

    def _hosts(self, framework: Framework) -> list[Agent]:
        """Agents that run something of it."""
        ids = dict.fromkeys(task.agent_id for task in framework.tasks.values())
        ids.update(
            (agent.agent_id, None)
            for agent in self._state.agents.values()
            if agent.executors and agent.executors_of(framework.framework_id)
        )
        return [self._state.agents[agent_id] for agent_id in ids]

    def check_liveness(self, now: float) -> None:
        """Disconnect the silent, and show the others that we live."""
        limit = now - self._state.config.missed_heartbeats * self._state.config.heartbeat_s
        for framework in list(self._state.frameworks.values()):
            if framework.connected and framework.heard < limit:
                self.disconnect(framework, now)
            else:
                self._desk.tell(framework, Heartbeat())

    # Small calls

    def suppress(self, framework: Framework, call: Suppress) -> None:
        """Stop offers for some of its roles."""
        if (roles := self._own_roles(framework, call.roles, "SUPPRESS")) is not None:
            framework.suppressed.update(roles)
            self._desk.allocator.suppress(framework.framework_id, roles)

    def revive(self, framework: Framework, call: Revive) -> None:
        """Resume offers for some of its roles and forget what they refused."""
        if (roles := self._own_roles(framework, call.roles, "REVIVE")) is not None:
            framework.suppressed.difference_update(roles)
            self._desk.allocator.revive(framework.framework_id, roles)

    def request(self, framework: Framework, call: Request) -> None:
        """Take down its demand."""
        if self._own_roles(framework, [call.role], "REQUEST") is None:
            return
        if why := why_not_demand(call.demands):
            self._desk.refuse(framework.queue, framework.json, ErrorReason.INVALID, why, call="REQUEST")
            return
        self._desk.allocator.request(framework.framework_id, call.role, call.demands)

    def reconcile(self, framework: Framework, call: Reconcile, now: float) -> None:
        """Tell it how its tasks stand."""
        for status in answers(self._state, framework, call, now):
            self._desk.tell(framework, Update(status=status))

    def message(self, framework: Framework, call: Message) -> None:
        """Pass bytes on to one of its executors; best effort."""
        agent = self._state.agents.get(call.agent_id)
        if agent is None or not agent.connected:
            self._state.counters["messages_undeliverable"] += 1
            return
        self._desk.order(
            agent,
            FrameworkToExecutor(
                agent_id=call.agent_id,
                framework_id=framework.framework_id,
                executor_id=call.executor_id,
                data=call.data,
            ),
        )

    def shutdown_executor(self, framework: Framework, call: Shutdown) -> None:
        """Have one of its executors stopped."""
        agent = self._state.agents.get(call.agent_id)
        if agent is None or (framework.framework_id, call.executor_id) not in agent.executors:
            why = f"there is no executor {call.executor_id!r} of this framework on agent {call.agent_id!r}"
            self._desk.refuse(framework.queue, framework.json, ErrorReason.INVALID, why, call="SHUTDOWN")
        elif agent.connected:
            self._desk.order(
                agent,
                ShutdownExecutor(
                    agent_id=call.agent_id, framework_id=framework.framework_id, executor_id=call.executor_id
                ),
            )

    def _own_roles(self, framework: Framework, roles: list[Role], call: str) -> list[Role] | None:
        """The roles meant (none given: all), or None after refusing a foreign one."""
        for role in roles:
            if role not in framework.info.roles:
                why = f"role {role!r} is not among the framework's roles {framework.info.roles}"
                self._desk.refuse(framework.queue, framework.json, ErrorReason.INVALID, why, call=call)
                return None
        return roles or framework.info.roles
