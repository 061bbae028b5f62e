"""Serves operators: each request is answered with its ticket, at once or when what it asks for is durable."""

from collections.abc import Callable
from functools import partial
from typing import Any

from mesos_py.master import events
from mesos_py.master.agents import AgentDesk
from mesos_py.master.authorization import why_not_operate
from mesos_py.master.desk import Desk
from mesos_py.master.draining import DrainDesk
from mesos_py.master.effects import Answer, Outcome
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
        self._draining = draining
        self._maintenance = maintenance
        self._roles = roles
        self._requests: dict[type, Callable[[int, Any, float], None]] = {
            events.OperatorKill: self._kill,
            events.OperatorTeardown: self._teardown,
            events.OperatorMarkGone: self._mark_gone,
            events.OperatorDrain: self._drain,
            events.OperatorDeactivate: self._deactivate,
            events.OperatorReactivate: self._reactivate,
            events.OperatorSetSchedule: self._set_schedule,
            events.OperatorTakeDown: self._take_down,
            events.OperatorBringUp: self._bring_up,
            events.OperatorSetWeights: self._set_weights,
            events.OperatorSetQuotas: self._set_quotas,
        }

    def serve(self, event: events.OperatorSaid, now: float) -> None:
        """Do what is asked, or say why not."""
        if why := why_not_operate(self._state, event.principal, event.call):
            self._state.counters["operator_calls_forbidden"] += 1
            self._answer(event.ticket, Outcome.FORBIDDEN, why)
            return
        self._requests[type(event.call)](event.ticket, event.call, now)

    def _answer(self, ticket: int, outcome: Outcome, message: str) -> None:
        self._desk.ask(Answer(ticket, outcome, message))

    def _kill(self, ticket: int, call: events.OperatorKill, _now: float) -> None:
        owners = [f for f in self._state.frameworks.values() if call.framework_id in (None, f.framework_id)]
        found = [framework.tasks[call.task_id] for framework in owners if call.task_id in framework.tasks]
        live = [task for task in found if task.is_live]
        if len(live) > 1:
            names = ", ".join(task.framework_id for task in live)
            why = f"several frameworks have a task {call.task_id}: {names}; name one"
            self._answer(ticket, Outcome.CONFLICT, why)
        elif live:
            self._tasks.order_kill(live[0], None)
            self._answer(ticket, Outcome.DONE, f"task {call.task_id} is being killed")
        elif found or self._state.remembers(call.task_id, call.framework_id):
            self._answer(ticket, Outcome.CONFLICT, f"no task {call.task_id} is running")
        else:
            of = f" of framework {call.framework_id}" if call.framework_id else ""
            self._answer(ticket, Outcome.UNKNOWN, f"no task {call.task_id} is known{of}")

    def _teardown(self, ticket: int, call: events.OperatorTeardown, now: float) -> None:
        framework = self._state.frameworks.get(call.framework_id)
        if framework is not None:
            self._frameworks.remove(framework, now, "an operator has removed this framework")
            self._answer(ticket, Outcome.DONE, f"framework {call.framework_id} removed")
        elif call.framework_id in self._state.completed:
            self._answer(ticket, Outcome.CONFLICT, f"framework {call.framework_id} is removed already")
        else:
            self._answer(ticket, Outcome.UNKNOWN, f"framework {call.framework_id} is not known")

    def _mark_gone(self, ticket: int, call: events.OperatorMarkGone, now: float) -> None:
        refusal = self._agents.mark_gone(
            call.agent_id, now, lambda: self._answer(ticket, Outcome.DONE, f"agent {call.agent_id} is gone")
        )
        if refusal is not None:
            self._answer(ticket, *refusal)

    def _drain(self, ticket: int, call: events.OperatorDrain, now: float) -> None:
        self._draining.drain(call, now, partial(self._answer, ticket))

    def _deactivate(self, ticket: int, call: events.OperatorDeactivate, _now: float) -> None:
        self._draining.deactivate(call.agent_id, partial(self._answer, ticket))

    def _reactivate(self, ticket: int, call: events.OperatorReactivate, _now: float) -> None:
        self._draining.reactivate(call.agent_id, partial(self._answer, ticket))

    def _set_schedule(self, ticket: int, call: events.OperatorSetSchedule, _now: float) -> None:
        self._maintenance.set_schedule(call, partial(self._answer, ticket))

    def _take_down(self, ticket: int, call: events.OperatorTakeDown, now: float) -> None:
        self._maintenance.take_down(call, now, partial(self._answer, ticket))

    def _bring_up(self, ticket: int, call: events.OperatorBringUp, _now: float) -> None:
        self._maintenance.bring_up(call, partial(self._answer, ticket))

    def _set_weights(self, ticket: int, call: events.OperatorSetWeights, _now: float) -> None:
        self._roles.set_weights(call.weights, partial(self._answer, ticket))

    def _set_quotas(self, ticket: int, call: events.OperatorSetQuotas, _now: float) -> None:
        self._roles.set_quotas(call, partial(self._answer, ticket))
