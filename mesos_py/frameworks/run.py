"""`mesos run`: one command, once or many times, with its output, its progress and a telling exit code."""

import contextlib
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from mesos_py import (
    TERMINAL,
    Error,
    Framework,
    Offer,
    Reason,
    Registered,
    Retries,
    RetryPolicy,
    TaskInfo,
    TaskQueue,
    TaskSpec,
    TaskState,
    TaskStatus,
    first_fit,
)
from mesos_py.daemons.config import LocalConfig
from mesos_py.daemons.local import embedded
from mesos_py.errors import MesosError
from mesos_py.frameworks.fitting import why_never, without_password
from mesos_py.frameworks.output import OutputStreams
from mesos_py.frameworks.run_display import Display
from mesos_py.frameworks.run_options import RunOptions
from mesos_py.runtime.logs import set_up
from mesos_py.scheduler.toolkit import Place
from mesos_py.types.ids import FrameworkID, TaskID

__all__ = ["Run", "run_command"]

INTERRUPTED = 130
"""What a shell reports for Ctrl-C."""
TERMINATED = 143
"""What a shell reports for SIGTERM."""

_LOST = (TaskState.UNREACHABLE, TaskState.UNKNOWN)
"""States of a task that may come back, but is not waited for."""
_MAY_HAVE_RUN = (TaskState.GONE, TaskState.GONE_BY_OPERATOR)
"""To start such a task anew may be to run it twice: only if retries are wanted."""

_BROKER_S = 5.0
"""How long to wait for a broker that is not reached ..."""
_MASTER_S = 15.0
"""... and for a master behind one that is."""
_LOOK_S = 2.0
_LAST_OUTPUT_S = 5.0


def run_command(options: RunOptions) -> int:
    """Run it and wait; the exit code. Raises MesosError with one clear line where nothing could be run."""
    set_up("warning", "console")
    with _terminable() as terminated, _cluster(options) as broker:
        code = Run(options, broker).run()
    return TERMINATED if terminated.is_set() else code


@contextlib.contextmanager
def _terminable() -> Iterator[threading.Event]:
    """SIGTERM acts as Ctrl-C does, so that nothing is left running; the event tells them apart."""
    terminated = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        terminated.set()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield terminated
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield terminated
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _cluster(options: RunOptions) -> Iterator[str]:
    """The broker of a cluster: the given one, or an embedded one for as long as this runs."""
    if options.broker:
        yield options.broker
        return
    config = LocalConfig(agents=max(1, options.local_agents), http_port=0, log_level="warning")
    with embedded(config) as cluster:
        yield cluster.broker


class Run:
    """One run: so many instances, each tried until it succeeds or its tries are used up."""

    def __init__(self, options: RunOptions, broker: str) -> None:
        """``run`` does it."""
        self._options = options
        self._broker = broker
        self._framework = Framework(options.name, roles=[options.role], refuse_seconds=0.5)
        self._display = Display(options.instances, as_json=options.json, on_unread=self._framework.stop)
        self._streams = OutputStreams(self._display.lines, self._display.complaint)
        self._queue = TaskQueue()
        self._placed: dict[str, list[Place]] = {}
        self._retries = Retries(RetryPolicy(attempts=options.max_retries + 1))
        self._attempts: Counter[str] = Counter()
        self._instance_of: dict[TaskID, str] = {}
        self._offers: dict[TaskID, Offer] = {}
        self._followed: set[TaskID] = set()
        self._outcomes: dict[str, TaskStatus] = {}
        self._failure = ""
        self._framework.on_registered(self._on_registered)
        self._framework.on_disconnected(self._on_disconnected)
        self._framework.on_offers(self._on_offers)
        self._framework.on_update(self._on_update)
        self._framework.on_error(self._on_error)

    def run(self) -> int:
        """Run all instances and wait for them; the exit code."""
        for number in range(self._options.instances):
            self._enqueue(str(number))
        self._streams.start()
        interrupted = False
        began = time.monotonic()
        self._framework.call_later(_BROKER_S, self._give_up_without_broker)
        self._framework.call_later(_MASTER_S, self._give_up_without_master)
        try:
            with self._display, _notes(self._display):
                try:
                    self._framework.run(self._broker)
                except KeyboardInterrupt:
                    interrupted = True  # leaving has killed all our tasks
                in_vain = interrupted or self._failure or self._display.is_unread
                self._streams.finish(0.0 if in_vain else _LAST_OUTPUT_S)
        finally:
            if self._offers and not self._display.is_unread:
                self._display.summary(self._outcomes, time.monotonic() - began, interrupted=interrupted)
        if self._failure:
            raise MesosError(self._failure)
        if self._display.is_unread:
            raise BrokenPipeError
        return INTERRUPTED if interrupted else self._exit_code()

    def _exit_code(self) -> int:
        """0 if all finished; of a single instance its own exit code; else 1."""
        if all(status.state == TaskState.FINISHED for status in self._outcomes.values()):
            return 0
        if len(self._outcomes) == 1:
            (status,) = self._outcomes.values()
            return status.exit_code or 1
        return 1

    # Work

    def _enqueue(self, instance: str) -> None:
        options = self._options
        self._attempts[instance] += 1
        attempt = self._attempts[instance]
        task_id = TaskID(f"{options.name}-{instance}" + (f".{attempt}" if attempt > 1 else ""))
        self._instance_of[task_id] = instance
        task = TaskInfo(
            task_id=task_id,
            name=options.name,
            resources=options.resources,
            limits=options.limits,
            command=options.command,
            max_completion_time_s=options.kill_after_s,
        )
        self._queue.add(TaskSpec(task=task, constraints=list(options.constraints), group=options.name))

    def _on_offers(self, offers: Sequence[Offer]) -> None:
        packing = first_fit(self._queue, offers, self._placed)
        self._queue.remove_all(packing.placed_ids())
        for launch in packing.launches:
            for placement in launch.placements:
                self._offers[placement.task.task_id] = launch.offers[0]
                self._placed.setdefault(self._options.name, []).append(placement.place)
            self._framework.launch(launch.offers, launch.tasks)
        self._framework.decline(packing.unused)
        if not self._queue:
            self._framework.suppress()

    def _on_update(self, status: TaskStatus) -> None:
        self._display.status(status)
        offer = self._offers.get(status.task_id)
        ran = status.state == TaskState.RUNNING or status.exit_code is not None
        if ran and offer is not None and offer.url and status.task_id not in self._followed:
            self._followed.add(status.task_id)
            self._streams.follow(FrameworkID(self._framework.framework_id or ""), status.task_id, offer.url)
        if status.state in TERMINAL:
            self._streams.ended(status.task_id)
        if status.state in TERMINAL or status.state in _LOST:
            self._ended(status)
        elif status.task_id not in self._instance_of:
            self._framework.kill(status.task_id)  # lost, given up, and back

    def _ended(self, status: TaskStatus) -> None:
        instance = self._instance_of.pop(status.task_id, None)
        if instance is None:
            return  # told twice
        offer = self._offers[status.task_id]
        with contextlib.suppress(ValueError, KeyError):
            self._placed[self._options.name].remove(Place.of(offer))
        again, state = None, status.state
        if state in _LOST or status.reason in (Reason.AGENT_REMOVED, Reason.AGENT_DRAINING):
            state = TaskState.GONE  # no fault of its own
        if state not in _MAY_HAVE_RUN or self._attempts[instance] <= self._options.max_retries:
            again = self._retries.ended(instance, state, time.monotonic())
        if again is None:
            self._outcomes[instance] = status
            if len(self._outcomes) == self._options.instances:
                self._framework.stop()
            return
        self._display.retry(status, again - time.monotonic())
        self._framework.call_later(max(0.0, again - time.monotonic()), self._retry)

    def _retry(self) -> None:
        for instance in self._retries.due(time.monotonic() + 0.01):
            self._enqueue(instance)
        self._framework.revive()

    # Whether it can work at all

    def _on_registered(self, registered: Registered) -> None:
        if registered.again:
            self._display.note("connected again")
        self._look(registered.master.url, 0)

    def _on_disconnected(self, reason: str) -> None:
        if not self._framework.trouble:  # else that has been noted already
            self._display.note(f"disconnected: {reason}")

    def _on_error(self, error: Error) -> None:
        self._give_up(f"the master refused {error.call}: {error.message}")

    def _give_up_without_broker(self) -> None:
        if self._framework.framework_id is None and (why := self._framework.trouble):
            self._give_up(why)

    def _give_up_without_master(self) -> None:
        self._give_up_without_broker()
        if self._framework.framework_id is None:
            self._give_up(f"no master answers at the broker {without_password(self._broker)}")

    def _give_up(self, why: str) -> None:
        self._failure = self._failure or why
        self._framework.stop()

    def _look(self, master_url: str, misses: int) -> None:
        """While something waits, see whether any agent could ever hold it; say so at once if not."""
        if not self._queue or not master_url:
            return
        misses = misses + 1 if (why := why_never(master_url, next(iter(self._queue)))) else 0
        if why and misses > 1:
            self._give_up(why)
        else:
            self._framework.call_later(_LOOK_S, self._look, master_url, misses)


class _Notes(logging.Handler):
    """What the library logs becomes notes."""

    def __init__(self, display: Display) -> None:
        super().__init__(logging.WARNING)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.note(record.getMessage())


@contextlib.contextmanager
def _notes(display: Display) -> Iterator[None]:
    log, handler = logging.getLogger("mesos_py.framework"), _Notes(display)
    propagates, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagates
