"""Which rule of the cluster each request falls under. An operator's verb needs one line in ``_OPERATORS``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from mesos_py.master import events
from mesos_py.master.state import Framework, MasterState
from mesos_py.types.acls import ALLOW_ALL, Action, why_not
from mesos_py.types.ids import AgentID, Principal
from mesos_py.types.offers import Operation
from mesos_py.types.tasks import CommandInfo, TaskInfo

__all__ = ["OPERATOR_CALLS", "why_not_operate", "why_not_run", "why_not_subscribe_as"]

_Wish = tuple[Action, str]
"""What is to be done, and on what; the latter empty if there is no such thing, which its desk answers."""


def _kill(state: MasterState, call: events.OperatorKill) -> list[_Wish]:
    named = state.named(call.framework_id)
    owners: list[str] = [framework.info.principal for framework in named if call.task_id in framework.tasks]
    return [(Action.KILL, owner) for owner in owners or [""]]


def _teardown(state: MasterState, call: events.OperatorTeardown) -> list[_Wish]:
    framework = state.frameworks.get(call.framework_id)
    return [(Action.TEARDOWN, "" if framework is None else framework.info.principal)]


def _drain(state: MasterState, call: events.OperatorDrain) -> list[_Wish]:
    name = _name(state, call.agent_id)
    return [(Action.DRAIN, name), *([(Action.MARK_GONE, name)] if call.mark_gone else [])]


def _plan(state: MasterState, call: events.OperatorSetSchedule) -> list[_Wish]:
    """Whoever sets a schedule decides of the machines on it, and of those that it takes off."""
    hosts = dict.fromkeys(host for window in [*state.registry.schedule, *call.windows] for host in window.hosts)
    return [(Action.MAINTAIN, host) for host in hosts]


def _name(state: MasterState, agent_id: AgentID) -> str:
    """Of an agent that is away only the host is known, or nothing but its id."""
    agent = state.agents.get(agent_id)
    return agent.info.name if agent is not None else state.registry.hostname_of(agent_id) or agent_id


_OPERATORS: Final[Mapping[type, Callable[[MasterState, Any], list[_Wish]]]] = {
    events.OperatorKill: _kill,
    events.OperatorTeardown: _teardown,
    events.OperatorMarkGone: lambda state, call: [(Action.MARK_GONE, _name(state, call.agent_id))],
    events.OperatorDrain: _drain,
    events.OperatorDeactivate: lambda state, call: [(Action.DRAIN, _name(state, call.agent_id))],
    events.OperatorReactivate: lambda state, call: [(Action.DRAIN, _name(state, call.agent_id))],
    events.OperatorSetSchedule: _plan,
    events.OperatorTakeDown: lambda _state, call: [(Action.MAINTAIN, host) for host in call.hosts],
    events.OperatorBringUp: lambda _state, call: [(Action.MAINTAIN, host) for host in call.hosts],
    events.OperatorSetWeights: lambda _state, call: [(Action.SET_WEIGHTS, role) for role in call.weights],
    events.OperatorSetQuotas: lambda _state, call: [(Action.SET_QUOTA, role) for role in call.quotas],
}

OPERATOR_CALLS: Final = frozenset(_OPERATORS)


def why_not_operate(state: MasterState, principal: Principal | None, call: events.OperatorCall) -> str | None:
    """Why an operator may not have this done."""
    return _first(why_not(state.acls, action, principal, on) for action, on in _OPERATORS[type(call)](state, call))


def why_not_subscribe_as(state: MasterState, principal: Principal, roles: Sequence[str]) -> str | None:
    """Why a principal may not have a framework in these roles."""
    return _first(why_not(state.acls, Action.SUBSCRIBE, principal, role) for role in roles)


def why_not_run(state: MasterState, framework: Framework, operation: Operation, task: TaskInfo) -> str | None:
    """Why a framework may not run a task as whom it names; empty stands for whom its agent runs as."""
    if state.acls == ALLOW_ALL:
        return None  # what comes below would be paid for with every task
    commands = [task.command, *(executor.command for executor in _executors(operation, task))]
    users = {command.user or framework.info.user for command in commands if isinstance(command, CommandInfo)}
    if task.health_check is not None and task.health_check.command is not None and task.health_check.command.user:
        users.add(task.health_check.command.user)
    principal = framework.info.principal
    return _first(why_not(state.acls, Action.RUN_AS, principal, user) for user in sorted(users))


def _executors(operation: Operation, task: TaskInfo) -> Iterator[Any]:
    for executor in (task.executor, getattr(operation, "executor", None)):
        if executor is not None:
            yield executor


def _first(refusals: Iterator[str | None]) -> str | None:
    return next((why for why in refusals if why is not None), None)
