"""Tells the log what happens, from the events and effects that pass a core: cores themselves never log.

At level info there is a line for each step in a task's, agent's or framework's life, with its ids, so that the story of
a task can be found by its id in the logs of master and agent. Heartbeats, offers and answers to those who ask how their
tasks stand (100,000 at once after a change of leader) are for level debug. Of refusals only
so many a second are told, for strangers may cause as many as they like.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from mesos_py.master import registry
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as schedulers
from mesos_py.runtime.logs import Log, is_logged
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.tasks import TERMINAL, Reason, TaskStatus

__all__ = ["Narrator"]

_WRAPPERS = ("call", "message", "event", "spec", "operation")
"""Fields under which events and effects carry what is told of."""


_REFUSALS_PER_S: Final = 20


class Narrator:
    """Sees what passes a core and writes it down."""

    def __init__(self, log: Log) -> None:
        """What has no line of its own is told at level debug."""
        self._log = log
        self._second = 0.0
        self._refusals = 0
        """In this second."""

    def watch(self, event: Any, effects: Sequence[Any], now: float) -> None:
        """Part of Mailbox."""
        if now >= self._second + 1.0:
            if self._refusals > _REFUSALS_PER_S:
                self._log.warning("more calls refused", count=self._refusals - _REFUSALS_PER_S)
            self._second, self._refusals = now, 0
        self._tell(event, "heard")
        for effect in effects:
            self._tell(effect, "said")

    def _tell(self, value: Any, direction: str) -> None:
        inner = value
        for name in _WRAPPERS:
            if (found := getattr(value, name, None)) is not None:
                inner = found
                break
        if isinstance(inner, schedulers.Error):
            self._refusals += 1
            if self._refusals > _REFUSALS_PER_S:
                return
        tell = _LINES.get((direction, type(inner)))
        if tell is not None:
            tell(self._log.bind(queue=value.queue) if isinstance(inner, schedulers.Error) else self._log, inner)
        elif is_logged("debug"):
            self._log.debug(direction, what=type(inner).__name__)


def _line(text: str, *fields: str) -> Callable[[Log, Any], None]:
    """A line with some of the message's own fields."""

    def tell(log: Log, message: Any) -> None:
        log.info(text, **{name: getattr(message, name) for name in fields})

    return tell


def _status(log: Log, status: TaskStatus, **ids: object) -> None:
    extra: dict[str, object] = {
        name: value
        for name in ("reason", "message", "exit_code", "healthy", "container_id")
        if (value := getattr(status, name)) not in (None, "")
    }
    text = "task ended" if status.state in TERMINAL else "task update"
    log.info(text, task_id=status.task_id, state=status.state, **ids, **extra)


def _status_update(log: Log, message: agents.StatusUpdate) -> None:
    _status(log, message.status, framework_id=message.framework_id, agent_id=message.agent_id)


def _update(log: Log, message: schedulers.Update) -> None:
    """What the master itself says of a task. The rest was told when it came from the agent, or is an answer."""
    status = message.status
    if status.update_id is None and status.reason is not Reason.RECONCILIATION:
        _status(log, status, agent_id=status.agent_id)


def _run_tasks(log: Log, message: agents.RunTasks) -> None:
    for operation in message.operations:
        for task in operation.tasks:
            log.info(
                "task launched",
                task_id=task.task_id,
                framework_id=message.framework_id,
                agent_id=message.agent_id,
                resources=str(task.resources),
            )


def _subscribe(log: Log, message: schedulers.Subscribe) -> None:
    log.info("framework subscribes", name=message.framework.name, framework_id=message.framework_id)


def _error(log: Log, message: schedulers.Error) -> None:
    log.warning("call refused", reason=message.reason, message=message.message, call=message.call)


def _failure(log: Log, message: schedulers.Failure) -> None:
    if message.executor_id is not None:  # of agents every framework hears; the registry's operation is told once
        log.info("executor lost", agent_id=message.agent_id, executor_id=message.executor_id, status=message.status)


def _hosts(schedule: registry.SetSchedule) -> list[str]:
    return [host for window in schedule.windows for host in window.hosts]


def _register(log: Log, message: agents.RegisterAgent) -> None:
    log.info("agent registers", name=message.agent.name, resources=str(message.agent.resources))


def _start(log: Log, spec: ContainerSpec) -> None:
    log.info(
        "container starts",
        container_id=spec.container_id,
        framework_id=spec.framework_id,
        sandbox=spec.sandbox,
        **({"task_id": spec.task_id} if spec.task_id is not None else {"executor_id": spec.executor_id}),
    )


_KILL = _line("task kill ordered", "task_id", "framework_id", "agent_id")
_REFUSED = _line("agent refused", "name", "agent_id", "message")

_LINES: dict[tuple[str, type], Callable[[Log, Any], None]] = {
    ("heard", schedulers.Subscribe): _subscribe,
    ("said", schedulers.Subscribed): _line("framework subscribed", "framework_id"),
    ("heard", schedulers.Teardown): _line("framework leaves", "framework_id"),
    ("said", schedulers.Error): _error,
    ("said", schedulers.Update): _update,
    ("said", schedulers.Failure): _failure,
    ("said", registry.MarkUnreachable): _line("agent unreachable", "agent_id"),
    ("said", registry.MarkGone): _line("agent gone", "agent_id"),
    ("said", registry.StartDraining): _line("agent is to be drained", "agent_id"),
    ("said", registry.MarkDrained): _line("agent drained", "agent_id"),
    ("said", registry.Deactivate): _line("agent deactivated", "agent_id"),
    ("said", registry.Reactivate): _line("agent reactivated", "agent_id"),
    ("said", registry.SetWeights): _line("weights set", "weights"),
    ("said", registry.SetQuotas): lambda log, operation: log.info("quotas set", roles=list(operation.quotas)),
    ("said", registry.SetSchedule): lambda log, operation: log.info("maintenance scheduled", hosts=_hosts(operation)),
    ("said", registry.TakeDown): _line("machines down", "hosts"),
    ("said", registry.BringUp): _line("machines up", "hosts"),
    ("heard", agents.RegisterAgent): _register,
    ("said", agents.AgentRegistered): _line("agent registered", "agent_id", "name"),
    ("heard", agents.AgentRegistered): _line("registered", "agent_id", "name"),
    ("said", agents.AgentReregistered): _line("agent registered again", "agent_id"),
    ("heard", agents.AgentReregistered): _line("registered again", "agent_id"),
    ("heard", agents.UnregisterAgent): _line("agent leaves", "agent_id"),
    ("heard", agents.AgentAway): _line("agent away", "agent_id"),
    ("said", agents.RegistrationRefused): _REFUSED,
    ("heard", agents.RegistrationRefused): _REFUSED,
    ("said", agents.RunTasks): _run_tasks,
    ("heard", agents.RunTasks): _run_tasks,
    ("said", ContainerSpec): _start,
    ("said", agents.KillTask): _KILL,
    ("heard", agents.KillTask): _KILL,
    ("heard", agents.StatusUpdate): _status_update,
    ("said", agents.StatusUpdate): _status_update,
    ("said", agents.ShutdownFramework): _line("framework shut down on agent", "framework_id", "agent_id"),
    ("heard", agents.ShutdownFramework): _line("framework shut down", "framework_id", "agent_id"),
    ("heard", agents.ExecutorExited): _line("executor ended", "executor_id", "framework_id", "agent_id", "status"),
}
