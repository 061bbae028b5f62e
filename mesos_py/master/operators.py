"""Serves operators: each request is answered with its ticket, at once or when what it asks for is durable."""

from collections.abc import Callable
from typing import Any

from mesos_py.master import events
from mesos_py.master.agents import AgentDesk
from mesos_py.master.authorization import why_not_operate
from mesos_py.master.desk import Desk
from mesos_py.master.draining import DrainDesk
from mesos_py.master.effects import Answer, Outcome, Reply
from mesos_py.master.frameworks import FrameworkDesk
from mesos_py.master.maintenance import MaintenanceDesk
from mesos_py.master.roles import RoleDesk
from mesos_py.master.tasks import TaskDesk

__all__ = ["OperatorDesk"]


class OperatorDesk:
    """Finds out whom a request is for, and answers."""

    def __init__(
        self,
        desk: Desk,
        agents: AgentDesk,
        frameworks: FrameworkDesk,
        tasks: TaskDesk,
        draining: DrainDesk,
        maintenance: MaintenanceDesk,
        roles: RoleDesk,
    ) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._agents = agents
        self._frameworks = frameworks
        self._tasks = tasks
        self._requests: dict[type, Callable[[Any, float, Reply], None]] = {
            events.OperatorKill: self._kill,
            events.OperatorTeardown: self._teardown,
            events.OperatorMarkGone: self._mark_gone,
            events.OperatorDrain: draining.drain,
            events.OperatorDeactivate: lambda call, now, reply: draining.deactivate(call.agent_id, reply),
            events.OperatorReactivate: lambda call, now, reply: draining.reactivate(call.agent_id, reply),
            events.OperatorSetSchedule: lambda call, now, reply: maintenance.set_schedule(call, reply),
            events.OperatorTakeDown: maintenance.take_down,
            events.OperatorBringUp: lambda call, now, reply: maintenance.bring_up(call, reply),
            events.OperatorSetWeights: lambda call, now, reply: roles.set_weights(call.weights, reply),
            events.OperatorSetQuotas: lambda call, now, reply: roles.set_quotas(call, reply),
        }

    def serve(self, event: events.OperatorSaid, now: float) -> None:
        """Do what is asked, or say why not."""

        def reply(outcome: Outcome, message: str) -> None:
            self._desk.ask(Answer(event.ticket, outcome, message))

        if why := why_not_operate(self._state, event.principal, event.call):
            self._state.counters["operator_calls_forbidden"] += 1
            reply(Outcome.FORBIDDEN, why)
            return
        self._requests[type(event.call)](event.call, now, reply)

    def _kill(self, call: events.OperatorKill, _now: float, reply: Reply) -> None:
        owners = self._state.named(call.framework_id)
        found = [framework.tasks[call.task_id] for framework in owners if call.task_id in framework.tasks]
        live = [task for task in found if task.is_live]
        if len(live) > 1:
            names = ", ".join(task.framework_id for task in live)
            reply(Outcome.CONFLICT, f"several frameworks have a task {call.task_id}: {names}; name one")
        elif live:
            self._tasks.order_kill(live[0], None)
            reply(Outcome.DONE, f"task {call.task_id} is being killed")
        elif found or self._state.remembers(call.task_id, call.framework_id):
            reply(Outcome.CONFLICT, f"no task {call.task_id} is running")
        else:
            of = f" of framework {call.framework_id}" if call.framework_id else ""
            reply(Outcome.UNKNOWN, f"no task {call.task_id} is known{of}")

    def _teardown(self, call: events.OperatorTeardown, now: float, reply: Reply) -> None:
        framework = self._state.frameworks.get(call.framework_id)
        if framework is not None:
            self._frameworks.remove(framework, now, "an operator has removed this framework")
            reply(Outcome.DONE, f"framework {call.framework_id} removed")
        elif call.framework_id in self._state.completed:
            reply(Outcome.CONFLICT, f"framework {call.framework_id} is removed already")
        else:
            reply(Outcome.UNKNOWN, f"framework {call.framework_id} is not known")

    def _mark_gone(self, call: events.OperatorMarkGone, now: float, reply: Reply) -> None:
        if self._desk.knows(call.agent_id, reply):
            self._agents.mark_gone(call.agent_id, now, reply)
