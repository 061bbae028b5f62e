"""Executor: what the author of a custom executor works with.

The agent starts the executor's command once per agent; it then gets the tasks that name its ``executor_id``.
Callbacks run in one thread, the loop's, one at a time, and must not block: do long work in threads or processes of
your own and report from there. Methods may be called from any thread.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from logging import getLogger
from typing import Final, TypeVar, assert_never

from mesos_py.adapters.executor_client import ExecutorClient
from mesos_py.driver.timers import Timer, Timers
from mesos_py.errors import ConfigError, MesosError, UserError
from mesos_py.executor.core import Executor as Core
from mesos_py.executor.core import ExecutorCoreConfig
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
from mesos_py.messages.executor import ExecutorEvent, ExecutorSubscribed, ShutdownOrder
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import TaskID
from mesos_py.types.tasks import KillPolicy, Reason, TaskInfo, TaskState

__all__ = ["Executor"]

SOCKET: Final = "MESOS_EXECUTOR_SOCKET"
TOKEN: Final = "MESOS_EXECUTOR_TOKEN"  # noqa: S105 - the name of a variable

_log = getLogger("mesos_py.executor")

F = TypeVar("F", bound=Callable[..., object])


class Executor:
    """Runs tasks for a framework, on an agent.

    >>> executor = Executor()
    >>> @executor.on_launch
    ... def launch(task):
    ...     executor.update(task.task_id, TaskState.RUNNING)
    ...     executor.update(task.task_id, TaskState.FINISHED, data=task.data.upper())
    >>> executor.run()
    """

    def __init__(self, *, recovery_timeout_s: float = 15 * 60.0) -> None:
        """Nothing is connected before ``run``.

        Args:
            recovery_timeout_s: Exit when the agent has been away for so many seconds; tasks go on meanwhile.
        """
        self._recovery_timeout_s = recovery_timeout_s
        self._callbacks: dict[str, Callable[..., object]] = {}
        self._subscribed: ExecutorSubscribed | None = None
        self._lock = threading.Lock()
        self._loop: Loop | None = None
        self._thread = 0
        self._core: Core
        self._client: ExecutorClient
        self._timers = Timers(self._guard)
        self._started = False
        self._over = False
        self._failure: BaseException | None = None

    # Callbacks

    def on_launch(self, callback: F) -> F:
        """``callback(task)``: run this and report it with ``update``. Needed."""
        return self._on("launch", callback)

    def on_launch_group(self, callback: F) -> F:
        """``callback(tasks)``: run these together; by default each goes to ``on_launch``."""
        return self._on("launch_group", callback)

    def on_kill(self, callback: F) -> F:
        """``callback(task_id, kill_policy)``: stop it and report KILLED; the policy may be None: the task's own."""
        return self._on("kill", callback)

    def on_message(self, callback: F) -> F:
        """``callback(data)``: bytes from the scheduler."""
        return self._on("message", callback)

    def on_registered(self, callback: F) -> F:
        """``callback(subscribed)``: the agent knows us (again); ``subscribed.executor`` is our own description."""
        return self._on("registered", callback)

    def on_shutdown(self, callback: F) -> F:
        """``callback(grace_s)``: stop all tasks and report them; the process ends when that is done, or by then."""
        return self._on("shutdown", callback)

    def on_error(self, callback: F) -> F:
        """``callback(message)``: the agent refused something; by default this is logged."""
        return self._on("error", callback)

    def _on(self, what: str, callback: F) -> F:
        self._callbacks[what] = callback
        return callback

    # Running

    def run(self) -> None:
        """Run in this thread until the agent says stop, ``stop`` is called, or the agent stays away.

        Raises:
            ConfigError: We were not started by an agent.
            UserError: There is no ``on_launch``.
            Exception: Whatever a callback raised.
        """
        if "launch" not in self._callbacks:
            raise UserError("an executor needs an on_launch callback")
        address, token = os.environ.get(SOCKET), os.environ.get(TOKEN)
        if not address or not token:
            raise ConfigError(f"executors are started by agents, which set {SOCKET} and {TOKEN}")
        self._core = Core(ExecutorCoreConfig(token=token, recovery_timeout_s=self._recovery_timeout_s))
        self._loop = loop = Loop()
        self._client = ExecutorClient(loop, address)
        self._thread = threading.get_ident()
        loop.add(self)
        loop.add(self._timers)
        loop.post(lambda: self._feed(Started()))
        try:
            loop.run()
        finally:
            with self._lock:
                self._over = True
                loop.close()
        if self._failure is not None:
            raise self._failure

    def stop(self, grace_s: float = 5.0) -> None:
        """End as if the agent had said so: ``on_shutdown`` is called, and the end waits for what was reported."""
        self._do(AgentSaid(ShutdownOrder(grace_period_s=grace_s)))

    @property
    def subscribed(self) -> ExecutorSubscribed | None:
        """Whom we work for and where; None before the agent knows us."""
        return self._subscribed

    # To the agent

    def update(
        self,
        task_id: str,
        state: TaskState,
        *,
        message: str = "",
        data: bytes = b"",
        healthy: bool | None = None,
        reason: Reason | None = None,
    ) -> None:
        """Report a task's new state; kept and repeated until the agent has stored it.

        Raises:
            UserError: The task is not running here, or that state cannot follow.
        """
        self._do(
            UserUpdated(
                task_id=TaskID(task_id), state=state, message=message, data=data, healthy=healthy, reason=reason
            )
        )

    def message(self, data: bytes) -> None:
        """Send bytes to the scheduler. Best effort. Raises UserError while the agent is away."""
        self._do(UserMessage(data))

    def call_later(self, seconds: float, call: Callable[..., object], *arguments: object) -> Timer:
        """Run ``call(*arguments)`` as a callback after so many seconds; ``cancel`` what is returned to prevent it."""
        timer = Timer(partial(call, *arguments))
        loop = self._running()
        self._post(lambda: self._timers.add(loop.clock() + seconds, timer))
        return timer

    # From the agent (ExecutorClientListener)

    def connected(self) -> None:
        """Part of ExecutorClientListener."""
        self._feed(Connected())

    def disconnected(self, reason: str) -> None:
        """Part of ExecutorClientListener."""
        _log.warning("the agent is away: %s", reason)
        self._feed(Disconnected())

    def said(self, events: Sequence[ExecutorEvent]) -> None:
        """Part of ExecutorClientListener."""
        for event in events:
            self._feed(AgentSaid(event))

    # From the loop (Resident)

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._core.next_deadline() if self._started else None

    def run_due(self, now: float) -> None:  # noqa: ARG002 - part of Resident
        """Part of Resident."""
        self._feed(Ticked())

    # Helpers

    def _do(self, event: Event) -> None:
        """Feed the core from whatever thread; what it raises is raised there."""
        if threading.get_ident() == self._thread:
            self._running()
            self._feed(event)
            return
        done: Future[None] = Future()

        def feed() -> None:
            try:
                self._feed(event)
            except UserError as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        self._post(feed)
        while not wait([done], timeout=0.5).done and not self._over:
            pass  # the loop lives, and will come to it
        if not done.done():
            raise MesosError("the executor has ended")
        done.result()

    def _post(self, call: Callable[[], None]) -> None:
        with self._lock:
            self._running().post(call)

    def _running(self) -> Loop:
        if self._loop is None or self._over:
            raise MesosError("the executor is not running")
        return self._loop

    def _feed(self, event: Event) -> None:
        assert self._loop is not None
        for effect in self._core.handle(event, self._loop.clock()):
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case SendToAgent():
                self._client.send(effect.call)
            case Connect():
                if not self._started:  # later it mends itself
                    self._started = True
                    self._client.start(self)
            case CallLaunch():
                self._call("launch", effect.task)
            case CallLaunchGroup():
                self._launch_group(effect.tasks)
            case CallKill():
                self._kill(effect.task_id, effect.kill_policy)
            case CallMessage():
                self._call("message", effect.data)
            case CallSubscribed():
                self._subscribed = effect.subscribed
                self._call("registered", effect.subscribed)
            case CallShutdown():
                self._call("shutdown", effect.grace_period_s)
            case CallError():
                if not self._call("error", effect.message):
                    _log.warning("the agent refused something: %s", effect.message)
            case ExitNow():
                _log.info("executor ends: %s", effect.reason)
                self._end(None)
            case _:
                assert_never(effect)

    def _launch_group(self, tasks: list[TaskInfo]) -> None:
        if not self._call("launch_group", tasks):
            for task in tasks:
                self._call("launch", task)

    def _kill(self, task_id: TaskID, policy: KillPolicy | None) -> None:
        if not self._call("kill", task_id, policy):
            _log.warning("task %s is to be killed, but there is no on_kill callback", task_id)

    def _call(self, what: str, *arguments: object) -> bool:
        callback = self._callbacks.get(what)
        if callback is None:
            return False
        self._guard(partial(callback, *arguments))
        return True

    def _guard(self, call: Callable[[], object]) -> None:
        """Run the author's code; what it raises ends the executor, and with it its tasks."""
        if self._over:
            return
        try:
            call()
        except BaseException as error:
            if isinstance(error, Exception):
                _log.exception("a callback failed; the executor ends")
            self._end(error)

    def _end(self, failure: BaseException | None) -> None:
        if self._over or self._loop is None:
            return
        self._over = True
        self._failure = failure
        self._client.stop()
        self._loop.stop()
