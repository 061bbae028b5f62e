"""Framework: what the author of a scheduler works with.

One object per framework. Callbacks run in one thread, the loop's, one at a time; methods may be called from callbacks
and from any other thread. Methods check what they are given at once (UserError) and return before anything is sent.
"""

import os
import random
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from logging import getLogger
from types import TracebackType
from typing import Final, Self, TypeVar, assert_never

from mesos_py.driver.calls import Calls
from mesos_py.driver.saving import Saving
from mesos_py.driver.session import Session, broker_url
from mesos_py.driver.state_file import StateFile
from mesos_py.driver.timers import Timer
from mesos_py.driver.waiting import Waiting
from mesos_py.errors import UserError
from mesos_py.messages.scheduler import (
    AgentReturned,
    Error,
    Failure,
    InverseOffers,
    MessageReceived,
    Offers,
    RescindInverseOffer,
    Update,
)
from mesos_py.runtime.loop import Loop
from mesos_py.scheduler.config import Backoff, SchedulerConfig
from mesos_py.scheduler.effects import Disconnected, OffersRescinded, Registered, UserEvent
from mesos_py.scheduler.events import SchedulerEvent, StopOrdered, UserCall, UserCalled
from mesos_py.types.ids import FrameworkID, Role, TaskID
from mesos_py.types.infos import FrameworkInfo, OfferFilter
from mesos_py.types.offers import DEFAULT_REFUSE_S, Offer
from mesos_py.types.resources import Resources
from mesos_py.types.roles import ANY_ROLE, why_not_a_role
from mesos_py.types.tasks import TERMINAL, Reason, TaskInfo, TaskState, TaskStatus

__all__ = ["Framework"]

_log = getLogger("mesos_py.framework")

F = TypeVar("F", bound=Callable[..., object])

_PASSED_ON: Final = {
    MessageReceived: "message",
    Failure: "failure",
    AgentReturned: "agent_returned",
    RescindInverseOffer: "inverse_rescind",
}
"""Events that go to their callbacks as they are."""


class Framework(Calls, Saving):
    """A scheduler: is offered resources, launches tasks, hears of them.

    >>> framework = Framework("hello")
    >>> @framework.on_offers
    ... def place(offers):
    ...     for offer in offers:
    ...         framework.launch(offer, [command_task("hello-1", "echo hello", cpus=0.1, mem=32)])
    >>> @framework.on_update
    ... def heard(status):
    ...     if status.state in TERMINAL:
    ...         framework.stop()
    >>> framework.run("amqp://user:password@broker")

    Or as a script, without callbacks::

        with Framework("hello") as framework:
            offer = framework.wait_offer(cpus=0.1, mem=32, timeout=60)
            framework.launch(offer, command_task("hello-1", "echo hello", cpus=0.1, mem=32))
            print(framework.wait("hello-1").state)
    """

    def __init__(
        self,
        name: str,
        *,
        roles: str | Iterable[str] = (ANY_ROLE,),
        user: str = "",
        failover_timeout_s: float = 0.0,
        framework_id: str | None = None,
        state_file: str | os.PathLike[str] | None = None,
        filters: Mapping[str, OfferFilter] | None = None,
        refuse_seconds: float = DEFAULT_REFUSE_S,
        suppressed: bool = False,
        auto_acknowledge: bool = True,
        keep_id: bool = False,
        hostname: str | None = None,
        webui_url: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the framework; nothing is connected before ``run``, ``start``, ``attach`` or ``with``.

        Args:
            name: For people; also part of a queue's name.
            roles: Offers come for each of these.
            user: Whom tasks run as; by default whom the agent runs as.
            failover_timeout_s: Seconds that tasks outlive a lost connection, waiting for us to come back.
            framework_id: Come back as this framework (see ``framework.framework_id`` of the earlier run).
            state_file: Where we keep our id and what is saved, to come back with it by ourselves: a file, or a node
                of ZooKeeper (``zk://host:port/path``). It goes when we leave for good.
            filters: Role to the offers wanted for it; the master makes no others.
            refuse_seconds: What ``decline`` and ``launch`` use unless told otherwise.
            suppressed: Begin without offers, until ``revive``.
            auto_acknowledge: Acknowledge each update once ``on_update`` returned; else call ``acknowledge``.
            keep_id: Fail, rather than take a fresh id, when the master has removed ours.
            hostname: Where we run; by default this host's name.
            webui_url: Shown to operators.
            labels: Shown to operators.

        Raises:
            UserError: If any of these makes no sense.
            ConfigError: The state_file is an address of ZooKeeper that cannot be read.
        """
        super().__init__([Role(role) for role in ([roles] if isinstance(roles, str) else roles)], refuse_seconds)
        if not name:
            raise UserError("a framework needs a name")
        for role in self._roles:
            if why := why_not_a_role(role):
                raise UserError(why)
        if not failover_timeout_s >= 0 or not refuse_seconds >= 0:
            raise UserError("failover_timeout_s and refuse_seconds are seconds, and not negative")
        if state_file is not None and (framework_id or not failover_timeout_s):
            raise UserError("the id comes from the state_file, and a failover_timeout_s is needed to come back in")
        if filters and not set(filters) <= set(self._roles):
            raise UserError(f"there are filters for {sorted(filters)}, but the roles are {self._roles}")
        self._info = FrameworkInfo(
            name=name,
            roles=self._roles,
            user=user,
            failover_timeout_s=failover_timeout_s,
            hostname=socket.gethostname() if hostname is None else hostname,
            webui_url=webui_url,
            filters={Role(role): wanted for role, wanted in (filters or {}).items()},
            labels=dict(labels or {}),
        )
        self._given_id = FrameworkID(framework_id) if framework_id else None
        Saving.__init__(self, StateFile(state_file) if state_file is not None else None)
        self._suppressed = suppressed
        self._auto_acknowledge = auto_acknowledge
        self._keep_id = keep_id
        self._callbacks: dict[str, Callable[..., object]] = {}
        self._waiting = Waiting()
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._early: list[Callable[[Session], None]] = []
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._others_may_wait = False

    # Callbacks

    def on_registered(self, callback: F) -> F:
        """``callback(registered)``: a master listens to us; ``registered.again`` unless the id is fresh.

        ``registered.replaces`` is the id that we had before, if the master has removed it with all its tasks.
        """
        return self._on("registered", callback)

    def on_disconnected(self, callback: F) -> F:
        """``callback(reason)``: no master listens to us; tasks go on, and what is asked meanwhile is kept."""
        return self._on("disconnected", callback)

    def on_offers(self, callback: F) -> F:
        """``callback(offers)``: each is to be launched on or declined; nobody else is offered the same meanwhile."""
        return self._on("offers", callback)

    def on_rescind(self, callback: F) -> F:
        """``callback(offers)``: these are void."""
        return self._on("rescind", callback)

    def on_inverse_offers(self, callback: F) -> F:
        """``callback(inverse_offers)``: agents are to be taken down; say of each whether we can do without by then."""
        return self._on("inverse_offers", callback)

    def on_inverse_rescind(self, callback: F) -> F:
        """``callback(rescinded)``: the inverse offer ``rescinded.offer_id`` is void."""
        return self._on("inverse_rescind", callback)

    def on_update(self, callback: F) -> F:
        """``callback(status)``: a task's new state; in order for each task."""
        return self._on("update", callback)

    def on_message(self, callback: F) -> F:
        """``callback(message)``: ``message.data`` from ``message.executor_id`` on ``message.agent_id``."""
        return self._on("message", callback)

    def on_failure(self, callback: F) -> F:
        """``callback(failure)``: an agent, or one of our executors there, is lost; ``failure.reason`` says how."""
        return self._on("failure", callback)

    def on_agent_returned(self, callback: F) -> F:
        """``callback(returned)``: the agent ``returned.agent_id`` was UNREACHABLE, and is back."""
        return self._on("agent_returned", callback)

    def on_error(self, callback: F) -> F:
        """``callback(error)``: a call was refused (``error.reason``); by default this is logged."""
        return self._on("error", callback)

    def _on(self, what: str, callback: F) -> F:
        self._callbacks[what] = callback
        return callback

    # Running

    def run(self, broker: str | None = None) -> None:
        """Run in this thread until ``stop``.

        Args:
            broker: ``amqp://user:password@host``, ``amqps://...`` or ``memory://name``; by default the environment's
                MESOS_BROKER, or what systemd's LoadCredential=broker:FILE gives.

        Raises:
            ConfigError: The broker URL or the state file cannot be used.
            FrameworkEndedError: The master ended it, for example because another instance took over (``reason``).
            Exception: Whatever a callback raised.
        """
        loop = Loop()
        try:
            self._begin(loop, broker, alone=True)
            try:
                loop.run()
            except KeyboardInterrupt:
                if self._session is not None and not self._session.over:
                    self.stop(teardown=not self._may_come_back)
                    loop.run()
                raise
        finally:
            self._close(loop)
        if self._failure is not None:
            raise self._failure

    def start(self, broker: str | None = None) -> Self:
        """Run in a thread of its own; see ``join``. Raises ConfigError."""
        loop = Loop()
        self._others_may_wait = True
        try:
            self._begin(loop, broker, alone=True)
        except BaseException:
            loop.close()
            raise

        def live() -> None:
            loop.run()
            self._close(loop)

        self._thread = threading.Thread(target=live, name=f"framework {self._info.name}", daemon=True)
        self._thread.start()
        return self

    def attach(self, loop: Loop, broker: str | None = None) -> Self:
        """Live in a loop that somebody else runs, such as that of a cluster in this process. Raises ConfigError.

        In the loop's thread, or before it runs.
        """
        self._others_may_wait = True
        self._begin(loop, broker, alone=False)
        return self

    def join(self, timeout: float | None = None) -> bool:
        """Wait (seconds) until it has ended; False if it has not. Raises what ``run`` would."""
        ended = self._ended.wait(timeout)
        if ended and self._thread is not None:
            self._thread.join()
        if ended and self._failure is not None:
            raise self._failure
        return ended

    def stop(self, *, teardown: bool = True) -> None:
        """End soon. What has arrived already is still told; may be repeated.

        Args:
            teardown: Leave for good: the master kills all our tasks. Otherwise they go on for ``failover_timeout_s``,
                and a framework with our ``framework_id`` can take them over.
        """
        self._post(StopOrdered(teardown))

    def __enter__(self) -> Self:
        """Start; by the environment's MESOS_BROKER unless it was started already."""
        return self if self._session is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, for good unless there is a failover timeout, and wait for the end."""
        self.stop(teardown=not self._may_come_back)
        if error is None:
            self.join()
        else:
            self._ended.wait(30.0)

    @property
    def framework_id(self) -> FrameworkID | None:
        """Ours, once a master has given it; keep it to come back as the same framework."""
        return self._session.core.framework_id if self._session is not None else self._given_id

    @property
    def connected(self) -> bool:
        """Whether a master listens to us, as far as we know."""
        return self._session is not None and self._session.core.subscribed

    @property
    def trouble(self) -> str:
        """What is wrong with the broker, such as "the broker is not reached: connection refused by ..."; or empty."""
        return self._session.trouble if self._session is not None else ""

    @property
    def _may_come_back(self) -> bool:
        """Whether tasks outlive us for a while."""
        return self._info.failover_timeout_s > 0

    def _begin(self, loop: Loop, broker: str | None, *, alone: bool) -> None:
        if self._session is not None:
            raise UserError("a framework runs once; make a new one")
        self._given_id = self._kept_id() or self._given_id
        suppressed = self._suppressed or "offers" not in self._callbacks
        config = SchedulerConfig(
            framework=self._info,
            framework_id=self._given_id,
            suppressed_roles=self._roles if suppressed else [],
            auto_acknowledge=self._auto_acknowledge,
            keep_id=self._keep_id,
            agent_returns="agent_returned" in self._callbacks,
            inverse_offers="inverse_offers" in self._callbacks,
            subscribing=Backoff(first_s=1.0, cap_s=30.0, jitter=random.random() / 2),  # noqa: S311 - only spreads
        )

        def ended(failure: BaseException | None) -> None:
            self._let_go(for_good=session.torn_down)
            self._failure = failure
            self._waiting.ended(failure)
            if alone:
                loop.stop()
            else:
                self._ended.set()

        session = Session(config, loop, broker_url(broker), self._tell, ended, self._flush)
        with self._lock:
            self._session = session
            early, self._early = self._early, []
        session.start()
        for call in early:
            call(session)

    # Time

    def call_later(self, seconds: float, call: Callable[..., object], *arguments: object) -> Timer:
        """Run ``call(*arguments)`` as a callback after so many seconds; ``cancel`` what is returned to prevent it."""
        timer = Timer(partial(call, *arguments))

        def add(session: Session) -> None:
            session.loop.post(lambda: session.timers.add(session.loop.clock() + seconds, timer))

        self._with_session(add)
        return timer

    # Scripts

    def wait_registered(self, timeout: float | None = 60.0) -> FrameworkID:
        """Wait (seconds) for a master; our id. Raises TimeoutError, or MesosError if the framework ends."""
        return self._waiting.wait_until(
            lambda: self.framework_id if self.connected else None, timeout, "no master answered"
        )

    def wait_offer(
        self,
        wanted: Resources | None = None,
        *,
        cpus: float = 0.0,
        mem: float = 0.0,
        disk: float = 0.0,
        gpus: float = 0.0,
        suits: Callable[[Offer], bool] = lambda _offer: True,
        timeout: float | None = 60.0,
    ) -> Offer:
        """Wait (seconds) for an offer of at least this (memory and disk in MB); what does not suit is declined.

        For scripts: not with ``on_offers``, and not from a callback. Launch on it soon: if it is rescinded
        meanwhile, the task is told as DROPPED.

        Raises:
            TimeoutError: None came.
            MesosError: The framework ended.
        """
        if "offers" in self._callbacks:
            raise UserError("wait_offer and on_offers do not go together")
        least = wanted if wanted is not None else Resources.of(cpus=cpus, mem=mem, disk=disk, gpus=gpus)
        return self._waiting.wait_offer(
            lambda offer: offer.resources.find(least) is not None and suits(offer), self.revive, timeout
        )

    def wait(
        self, task_id: str, *, states: Collection[TaskState] = TERMINAL, timeout: float | None = None
    ) -> TaskStatus:
        """Wait (seconds) until a task is in one of these states, or has ended; its status.

        Raises:
            TimeoutError: It is not.
            MesosError: The framework ended.
        """
        return self._waiting.wait_status(TaskID(task_id), states, timeout)

    def run_task(self, task: TaskInfo, *, timeout: float | None = None) -> TaskStatus:
        """Launch a task on the first offer that can hold it, and wait (seconds, for each step) for its end.

        An offer that is lost on the way is replaced by another. Raises as ``wait_offer``.

        >>> framework.run_task(command_task("t1", "make", cpus=2, mem=512)).exit_code
        0
        """
        needed = task.resources + (task.executor.resources if task.executor is not None else Resources())
        while True:
            offer = self.wait_offer(needed, timeout=timeout)
            self.launch(offer, task)
            status = self.wait(task.task_id, timeout=timeout)
            if status.reason not in (Reason.INVALID_OFFERS, Reason.MASTER_DISCONNECTED):
                return status

    # News

    def _tell(self, event: UserEvent) -> None:
        """Run in the loop's thread."""
        match event:
            case Update():
                if self._others_may_wait:
                    self._waiting.status(event.status)
                self._run_callback("update", event.status)
            case Offers():
                if not self._run_callback("offers", event.offers):
                    self._share_out(event.offers)
            case OffersRescinded():
                self._run_callback("rescind", event.offers)
            case Registered():
                self._keep(event.framework_id)
                self._waiting.changed()
                self._run_callback("registered", event)
            case Disconnected():
                if not self._run_callback("disconnected", event.reason) and not self.trouble:  # that has been logged
                    _log.warning("disconnected: %s", event.reason)
            case InverseOffers():
                self._run_callback("inverse_offers", event.inverse_offers)
            case MessageReceived() | Failure() | AgentReturned() | RescindInverseOffer():
                self._run_callback(_PASSED_ON[type(event)], event)
            case Error():
                if not self._run_callback("error", event):
                    _log.warning("the master refused %s: %s: %s", event.call or "a call", event.reason, event.message)
            case _:
                assert_never(event)

    def _run_callback(self, what: str, argument: object) -> bool:
        callback = self._callbacks.get(what)
        if callback is None:
            return False
        callback(argument)
        return True

    def _share_out(self, offers: Sequence[Offer]) -> None:
        """No callback wants offers: give them to threads that wait for one, and keep none."""
        self.decline(self._waiting.offers(offers, idle=self.suppress))

    # Helpers

    def _call(self, call: UserCall) -> None:
        self._post(UserCalled(call))

    def _have_saved(self) -> None:
        self._with_session(lambda session: session.loop.post(lambda: None))  # for a turn to end soon

    def _before_launch(self, task_ids: list[TaskID]) -> None:
        if self._session is not None:
            for task_id in task_ids:
                if self._session.core.is_live(task_id):
                    raise UserError(f"task id {task_id!r} is in use")
        self._waiting.launched(task_ids)

    def _post(self, event: SchedulerEvent) -> None:
        self._with_session(lambda session: session.post(event))

    def _with_session(self, call: Callable[[Session], None]) -> None:
        with self._lock:
            if self._ended.is_set():
                return  # the loop may be closed; whoever stopped us expects no more
            if self._session is None:
                self._early.append(call)
            else:
                call(self._session)

    def _close(self, loop: Loop) -> None:
        with self._lock:
            self._ended.set()
            loop.close()
