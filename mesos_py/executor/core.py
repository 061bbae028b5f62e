"""The decisions of the library on which custom executors are written.

It connects to the agent and comes back when the connection is lost, hands tasks to the author's code, and sees to it
that every update the author makes reaches the agent. When the agent stays away for too long (it outlives a restart,
not its end), the executor exits, and its tasks with it.
"""

from typing import assert_never

from msgspec import Struct

from mesos_py.errors import UserError
from mesos_py.executor.connection import Connection
from mesos_py.executor.effects import (
    CallError,
    CallKill,
    CallLaunch,
    CallLaunchGroup,
    CallMessage,
    CallShutdown,
    CallSubscribed,
    Connect,
    Effect,
    ExitNow,
    SendToAgent,
)
from mesos_py.executor.events import (
    AgentSaid,
    Connected,
    Disconnected,
    Event,
    Started,
    Ticked,
    UserMessage,
    UserUpdated,
)
from mesos_py.executor.tasks import Tasks
from mesos_py.messages.executor import (
    ExecutorAcknowledged,
    ExecutorError,
    ExecutorEvent,
    ExecutorMessage,
    ExecutorSubscribe,
    ExecutorSubscribed,
    KillExecutorTask,
    LaunchTask,
    LaunchTaskGroup,
    SchedulerMessage,
    ShutdownOrder,
)

__all__ = ["Executor", "ExecutorCoreConfig"]


class ExecutorCoreConfig(Struct, frozen=True, kw_only=True):
    """Fixed for the life of the process."""

    token: str
    """From MESOS_EXECUTOR_TOKEN."""
    recovery_timeout_s: float = 15 * 60.0
    """Exit when the agent has been away for so long."""


class Executor:
    """One executor: events in, effects out."""

    def __init__(self, config: ExecutorCoreConfig) -> None:
        self._config = config
        self._connection = Connection(config.recovery_timeout_s)
        self._tasks = Tasks()
        self._exit_at: float | None = None
        self._exited = False

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take in what happened; say what to do. Raises UserError for an impossible wish of the author."""
        if self._exited:
            return []
        effects = self._handle(event, now)
        if self._exit_at is not None and (now >= self._exit_at or self._tasks.idle):
            effects.append(self._exit("shut down by the agent"))
        return effects

    def next_deadline(self) -> float | None:
        """When to send Ticked if nothing else happens first."""
        if self._exited:
            return None
        return min((at for at in (self._connection.next_deadline(), self._exit_at) if at is not None), default=None)

    def _handle(self, event: Event, now: float) -> list[Effect]:
        match event:
            case AgentSaid():
                return self._agent_said(event.event, now)
            case UserUpdated():
                update = self._tasks.update(event)
                return [SendToAgent(update)] if self._connection.up else []
            case UserMessage():
                if not self._connection.up:
                    raise UserError("the agent is away; messages are not kept")
                return [SendToAgent(ExecutorMessage(data=event.data))]
            case Started():
                self._connection.begin(now)
                return [Connect()]
            case Connected():
                self._connection.made()
                waiting = self._tasks.unacknowledged()
                return [SendToAgent(ExecutorSubscribe(token=self._config.token, unacknowledged_updates=waiting))]
            case Disconnected():
                self._connection.lost(now)
                return []
            case Ticked():
                return self._ticked(now)
            case _:
                assert_never(event)

    def _agent_said(self, event: ExecutorEvent, now: float) -> list[Effect]:
        match event:
            case LaunchTask():
                return [CallLaunch(task) for task in self._tasks.take_new([event.task])]
            case LaunchTaskGroup():
                fresh = self._tasks.take_new(event.tasks)
                return [CallLaunchGroup(fresh)] if fresh else []
            case ExecutorAcknowledged():
                self._tasks.acknowledged(event)
                return []
            case KillExecutorTask():
                return [CallKill(event.task_id, event.kill_policy)] if self._tasks.is_live(event.task_id) else []
            case SchedulerMessage():
                return [CallMessage(event.data)]
            case ExecutorSubscribed():
                self._connection.accepted()
                return [CallSubscribed(event)]
            case ExecutorError():
                return [CallError(event.message)]
            case ShutdownOrder():
                deadline = now + max(0.0, event.grace_period_s)
                self._exit_at = deadline if self._exit_at is None else min(self._exit_at, deadline)
                return [CallShutdown(max(0.0, event.grace_period_s))]
            case _:
                assert_never(event)

    def _ticked(self, now: float) -> list[Effect]:
        if self._connection.should_give_up(now):
            return [CallShutdown(0.0), self._exit("the agent stayed away")]
        return [Connect()] if self._connection.should_connect(now) else []

    def _exit(self, reason: str) -> ExitNow:
        self._exited = True
        return ExitNow(reason)
