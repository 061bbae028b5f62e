"""Which rule of the cluster each request falls under. An operator's verb needs one line in ``_OPERATORS``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from mesos_py.master import events
from mesos_py.master.state import Framework, MasterState
from mesos_py.types.acls import ALLOW_ALL, Action, why_not
from mesos_py.types.ids import AgentID, FrameworkID, Principal
from mesos_py.types.offers import Operation
from mesos_py.types.tasks import CommandInfo, TaskInfo

__all__ = ["OPERATOR_CALLS", "why_not_operate", "why_not_run", "why_not_subscribe_as"]

_Objects = Callable[[MasterState, Any], list[str]]
"""The objects that a call is about; none if there is no such thing, which its desk answers."""


def _owner(state: MasterState, framework_id: FrameworkID) -> list[str]:
    framework = state.frameworks.get(framework_id)
    return [] if framework is None else [framework.info.principal]


def _owners(state: MasterState, call: events.OperatorKill) -> list[str]:
    named = [f for f in state.frameworks.values() if call.framework_id in (None, f.framework_id)]
    return [framework.info.principal for framework in named if call.task_id in framework.tasks]


def _name(state: MasterState, agent_id: AgentID) -> list[str]:
    """Of an agent that is away only the host is known, or nothing but its id."""
    agent = state.agents.get(agent_id)
    if agent is not None:
        return [agent.info.name]
    return [state.registry.admitted.get(agent_id, agent_id)]


_OPERATORS: Final[Mapping[type, tuple[Action, _Objects]]] = {
    events.OperatorKill: (Action.KILL, _owners),
    events.OperatorTeardown: (Action.TEARDOWN, lambda state, call: _owner(state, call.framework_id)),
    events.OperatorMarkGone: (Action.MARK_GONE, lambda state, call: _name(state, call.agent_id)),
}

OPERATOR_CALLS: Final = frozenset(_OPERATORS)


def why_not_operate(state: MasterState, principal: Principal | None, call: events.OperatorCall) -> str | None:
    """Why an operator may not have this done."""
    action, objects = _OPERATORS[type(call)]
    return _first(why_not(state.acls, action, principal, on) for on in objects(state, call) or [""])


def why_not_subscribe_as(state: MasterState, principal: Principal, roles: Sequence[str]) -> str | None:
    """Why a principal may not have a framework in these roles."""
    return _first(why_not(state.acls, Action.SUBSCRIBE, principal, role) for role in roles)


def why_not_run(state: MasterState, framework: Framework, operation: Operation, task: TaskInfo) -> str | None:
    """Why a framework may not run a task as whom it names; empty stands for whom its agent runs as."""
    if state.acls == ALLOW_ALL:
        return None  # what comes below would be paid for with every task
    commands = [task.command, *(executor.command for executor in _executors(operation, task))]
    users = {command.user or framework.info.user for command in commands if isinstance(command, CommandInfo)}
    principal = framework.info.principal
    return _first(why_not(state.acls, Action.RUN_AS, principal, user) for user in sorted(users))


def _executors(operation: Operation, task: TaskInfo) -> Iterator[Any]:
    for executor in (task.executor, getattr(operation, "executor", None)):
        if executor is not None:
            yield executor


def _first(refusals: Iterator[str | None]) -> str | None:
    return next((why for why in refusals if why is not None), None)
