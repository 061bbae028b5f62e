"""Runs containers as plain processes, each under a tiny supervisor that outlives the agent.

::

    start ──▶ preparing (a thread: URIs, owner) ──▶ queued ──▶ running ──▶ ended
      └──────────── nothing to prepare ───────────────┘           └─ killed until nothing of it is left ─┘

An end is seen on the supervisor's pidfd. The supervisor stays a zombie until nothing of its session runs any more, so
that its pid, by which the session is known, cannot come to mean somebody else's.
"""

import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

from mesos_py.adapters.launch import (
    Launch,
    LaunchError,
    LaunchHook,
    stdin_of,
    switch_user,
    why_not_found,
    why_not_runnable,
)
from mesos_py.adapters.processes import ProcessTable, keep_descriptors, spawn, start_time
from mesos_py.adapters.runlog import RunLog, RunSegment
from mesos_py.adapters.sandbox import give_to, make_sandbox
from mesos_py.runtime.containers import ContainerListener
from mesos_py.runtime.loop import READ, Loop
from mesos_py.types.containers import ContainerExit, ContainerFate, ContainerSpec, ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import URI, Reason

__all__ = ["Fetches", "ProcessContainerizer", "exit_of"]

_FIRST_LOOK_S: Final = 0.002
_LAST_LOOK_S: Final = 0.5
"""How soon, and how late at most, to look again whether what was killed is gone."""
_LOOKING_SHARE: Final = 0.1
"""Most of the loop's time that goes into listing processes."""
_STUBBORN_S: Final = 1.0
"""A supervisor whose command is long dead must be stopped itself; signals wait no longer for a command to appear."""
_WORKERS: Final = 4


class Fetches(Protocol):
    """Brings files into a sandbox. Called in worker threads."""

    def fetch(self, uris: Sequence[URI], sandbox: str, user: str, cancelled: Callable[[], bool]) -> None:
        """Fetch all; raises LaunchError with one clear line. Gives up soon after ``cancelled()`` is true."""


class _Phase(Enum):
    PREPARING = auto()
    QUEUED = auto()
    RUNNING = auto()
    ENDED = auto()
    """Its supervisor is a zombie; some of its processes may run."""


class _Container:
    """One container, from start to its last word."""

    def __init__(self, spec: ContainerSpec) -> None:
        self.spec = spec
        self.launch = Launch(spec)
        self.phase = _Phase.QUEUED
        self.doomed = False
        self.prepared = False
        self.pid = 0
        self.pidfd = -1
        self.segment: RunSegment | None = None
        self.signals: list[int] = []
        self.look_at = 0.0
        self.look_again_s = _FIRST_LOOK_S
        self.since: float | None = None
        """When signals began to wait, or when a doomed supervisor was first seen alone."""
        self.had_leftovers = False
        self.out_of_reach: list[int] = []


class ProcessContainerizer:
    """A Containerizer of sessions and process groups: no limits but rlimits, no walls.

    A process that puts itself into a session of its own and whose ancestors have all ended escapes it.
    """

    def __init__(
        self,
        loop: Loop,
        run_dir: Path,
        *,
        fetcher: Fetches | None = None,
        hooks: Sequence[LaunchHook] = (switch_user,),
        spawns_per_turn: int = 8,
    ) -> None:
        """``run_dir`` is where supervisors note what must outlive the agent; only the agent may write there."""
        self._loop = loop
        self._run_dir = run_dir
        self._fetcher = fetcher
        self._hooks = hooks
        self._spawns_per_turn = spawns_per_turn
        self._budget = spawns_per_turn
        self._log = RunLog(run_dir / "containers")
        self._containers: dict[ContainerID, _Container] = {}
        self._queue: deque[_Container] = deque()
        self._watched: dict[ContainerID, _Container] = {}
        """Those for which processes must be looked up: signalled, doomed, or ended."""
        self._not_before = 0.0
        self._to_note: list[_Container] = []
        self._workers: ThreadPoolExecutor | None = None
        self._script = ""
        self._null = -1
        self._listener: ContainerListener

    # Living in the loop

    def open(self, listener: ContainerListener) -> None:
        """Get ready; answers go to ``listener``. Raises OSError."""
        self._listener = listener
        keep_descriptors()
        self._log.open()
        # Its own copy: an upgrade of the package must not change the script under a running agent.
        script = self._run_dir / "supervisor.sh"
        fresh = script.with_suffix(".new")
        fresh.write_bytes(Path(__file__).with_name("supervisor.sh").read_bytes())
        fresh.replace(script)
        self._script = str(script.absolute())
        self._null = os.open(os.devnull, os.O_RDWR)
        self._loop.add(self)
        self._loop.at_turn_end(self._turn_ended)

    def close(self) -> None:
        """Stop watching. Containers run on; what has not started never will."""
        self._loop.remove(self)
        self._loop.not_at_turn_end(self._turn_ended)
        for container in self._containers.values():
            container.doomed = True
            if container.phase is _Phase.RUNNING:
                self._loop.unregister(container.pidfd)
            if container.pidfd >= 0:
                os.close(container.pidfd)
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)
        self._containers.clear()
        self._queue.clear()
        self._watched.clear()
        self._to_note.clear()
        self._log.close()
        os.close(self._null)

    def running(self) -> dict[ContainerID, str]:
        """The sandboxes of the containers that run now."""
        return {cid: c.spec.sandbox for cid, c in self._containers.items() if c.phase is _Phase.RUNNING}

    # The port

    def start(self, spec: ContainerSpec) -> None:
        """Part of Containerizer."""
        container = _Container(spec)
        self._containers[spec.container_id] = container
        if spec.uris or spec.user:
            container.phase = _Phase.PREPARING
            if self._workers is None:
                self._workers = ThreadPoolExecutor(_WORKERS, "prepare")
            self._workers.submit(self._prepare_in_thread, container)
        else:
            self._enqueue(container)

    def signal(self, container_id: ContainerID, signal: int) -> None:
        """Part of Containerizer."""
        container = self._containers.get(container_id)
        if container is not None and container.phase is _Phase.RUNNING:
            container.signals.append(signal)
            container.since = container.since or self._loop.clock()
            self._watch(container)

    def destroy(self, container_id: ContainerID) -> None:
        """Part of Containerizer."""
        container = self._containers.get(container_id)
        if container is None or container.doomed:
            return
        container.doomed = True
        if container.phase is _Phase.RUNNING:
            container.since = None
            self._watch(container)
        elif container.phase is not _Phase.ENDED:
            self._loop.post(lambda: self._failed(container, _killed_early()))

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Part of Containerizer: plain processes have no limits that could change."""

    def recover(self, specs: Sequence[ContainerSpec]) -> dict[ContainerID, ContainerFate]:
        """Part of Containerizer."""
        raise NotImplementedError

    def usage(self) -> list[ContainerUsage]:
        """Part of Containerizer."""
        return []

    # Starting

    def _prepare_in_thread(self, container: _Container) -> None:
        error: LaunchError | None = None
        try:
            self._prepare(container)
        except (LaunchError, OSError) as problem:
            error = _as_launch_error(problem)
        except Exception as problem:  # whatever it is, the container must get its answer
            error = LaunchError(f"the container could not be prepared: {problem!r:.500}")
        self._loop.post(lambda: self._prepared(container, error))

    def _prepare(self, container: _Container) -> None:
        """Check and make everything up to the command itself. Raises LaunchError or OSError."""
        spec, launch = container.spec, container.launch
        if why := why_not_runnable(spec):
            raise LaunchError(why)
        for hook in self._hooks:
            hook(spec, launch)
        make_sandbox(spec.sandbox)
        if spec.uris:
            if self._fetcher is None:
                raise LaunchError("this agent fetches no URIs")
            user = spec.user if launch.owner else ""
            self._fetcher.fetch(spec.uris, spec.sandbox, user, lambda: container.doomed)
        if launch.owner is not None:
            give_to(spec.sandbox, *launch.owner)
        container.prepared = True

    def _prepared(self, container: _Container, error: LaunchError | None) -> None:
        if error is not None:
            self._failed(container, error)
        elif not container.doomed:
            self._enqueue(container)

    def _enqueue(self, container: _Container) -> None:
        container.phase = _Phase.QUEUED
        self._queue.append(container)
        if len(self._queue) == 1:
            self._loop.post(self._spawn_some)

    def _turn_ended(self) -> None:
        if self._to_note:
            self._note_beginnings()
        self._budget = self._spawns_per_turn
        if self._queue:
            self._loop.post(self._spawn_some)

    def _spawn_some(self) -> None:
        """Start what waits, but only so many in one turn: each takes the loop about a millisecond."""
        while self._queue and self._budget > 0:
            container = self._queue.popleft()
            if container.doomed:
                continue
            self._budget -= 1
            try:
                if not container.prepared:
                    self._prepare(container)
                self._spawn(container)
            except (LaunchError, OSError, ValueError) as problem:
                self._failed(container, _as_launch_error(problem))

    def _spawn(self, container: _Container) -> None:
        """Start the supervisor. Raises LaunchError, OSError or ValueError; then nothing was started."""
        spec, launch = container.spec, container.launch
        if why := why_not_found(spec):
            raise LaunchError(why)
        words, environment, script = launch.words()
        argv = ["/bin/sh", self._script, spec.container_id, spec.sandbox, " ".join(launch.limits), *words]
        segment = self._log.take()
        try:
            with stdin_of(script, self._null) as stdin:
                container.pid = spawn(argv, environment, (stdin, segment.fd, self._null))
            container.pidfd = _pidfd_or_kill(container.pid)
        except (OSError, ValueError):
            self._log.give_back(segment)
            raise
        container.segment = segment
        self._to_note.append(container)
        container.phase = _Phase.RUNNING
        self._loop.register(container.pidfd, READ, lambda _ready: self._supervisor_ended(container))
        self._listener.container_started(spec.container_id, container.pid)

    def _note_beginnings(self) -> None:
        """Not right after the spawn: a process that is just being executed keeps its readers waiting."""
        for container in self._to_note:
            with contextlib.suppress(OSError):  # on a full disk: it will not be found again after a restart
                if container.segment is not None:
                    container.segment.began(container.spec.container_id, container.pid, start_time(container.pid))
        self._to_note.clear()

    def _failed(self, container: _Container, error: LaunchError) -> None:
        container.doomed = True
        if self._containers.pop(container.spec.container_id, None) is not None:
            self._listener.container_failed(container.spec.container_id, error.reason, str(error))

    # Ending

    def _supervisor_ended(self, container: _Container) -> None:
        self._loop.unregister(container.pidfd)
        container.phase = _Phase.ENDED
        container.look_again_s = _FIRST_LOOK_S
        self._watch(container)

    def _watch(self, container: _Container) -> None:
        container.look_at = 0.0
        self._watched[container.spec.container_id] = container

    def next_deadline(self) -> float | None:
        """Part of Resident: when to look at the processes."""
        if not self._watched:
            return None
        return max(self._not_before, min(container.look_at for container in self._watched.values()))

    def run_due(self, now: float) -> None:
        """Part of Resident: one listing of all processes serves every container that waits for one."""
        clock = self._loop.clock
        table = ProcessTable()
        took_s = clock() - now
        self._not_before = now + took_s / _LOOKING_SHARE
        for container in list(self._watched.values()):
            if container.look_at > now:
                continue
            if self._look(container, table, now):
                self._watched.pop(container.spec.container_id, None)
            else:
                container.look_at = now + container.look_again_s
                container.look_again_s = min(container.look_again_s * 2, _LAST_LOOK_S)

    def _look(self, container: _Container, table: ProcessTable, now: float) -> bool:
        """Do what there is to do; True if the container needs no further look."""
        family = table.family(container.pid)
        if container.phase is _Phase.ENDED:
            return self._finish(container, table, family)
        if container.doomed:
            self._kill(container, table, family, now)
            return False
        is_up = family and not table.has_forked_only(container.pid)
        if is_up or now - (container.since or now) > _STUBBORN_S:
            for number in container.signals:
                table.signal(family, number)
            container.signals.clear()
            container.since = None
            return True
        return False  # its command is only just being started

    def _kill(self, container: _Container, table: ProcessTable, family: list[int], now: float) -> None:
        table.signal(family, signal.SIGKILL)
        if family:
            container.since = None
        elif container.since is None:
            container.since = now
        elif now - container.since > _STUBBORN_S:
            table.signal([container.pid], signal.SIGKILL)

    def _finish(self, container: _Container, table: ProcessTable, family: list[int]) -> bool:
        refused = table.signal(family, signal.SIGKILL)
        if set(family) - set(refused):
            container.had_leftovers = True
            return False
        if container.had_leftovers:
            container.had_leftovers = False  # one more look: a process may have hidden behind its own child
            return False
        container.out_of_reach = refused
        self._ended(container)
        return True

    def _ended(self, container: _Container) -> None:
        container_id, segment = container.spec.container_id, container.segment
        assert segment is not None
        container.segment = None
        info = os.waitid(os.P_PIDFD, container.pidfd, os.WEXITED)
        os.close(container.pidfd)
        status = segment.status(container_id)
        self._log.give_back(segment)
        del self._containers[container_id]
        exit_ = exit_of(status, info)
        if container.out_of_reach:
            note = f"processes {container.out_of_reach} belong to another user and could not be killed"
            exit_ = ContainerExit(
                exit_code=exit_.exit_code, signal=exit_.signal, reason=exit_.reason, message=f"{exit_.message}; {note}"
            )
        self._listener.container_ended(container_id, exit_)


def exit_of(status: str | None, supervisor: os.waitid_result | None) -> ContainerExit:
    """How the command ended, from what its supervisor noted and, failing that, from the supervisor's own end."""
    if status is not None and status.isdigit():
        return _exit_of_code(int(status))
    if status is not None:
        problem = {"sandbox": "its sandbox could not be entered", "limits": "its resource limits could not be set"}
        return ContainerExit(
            reason=Reason.CONTAINER_LAUNCH_FAILED,
            message=problem.get(status, "its stdout and stderr could not be opened in the sandbox"),
        )
    if supervisor is not None and supervisor.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
        message = f"its supervisor was killed by {_signal_name(supervisor.si_status)}"
    else:
        message = "its supervisor could not note how it ended"
    return ContainerExit(reason=Reason.COMMAND_EXECUTOR_FAILED, message=message)


def _exit_of_code(code: int) -> ContainerExit:
    """A shell gives 128 + n for a command that signal n ended."""
    if 128 < code <= 128 + signal.SIGRTMAX:
        return ContainerExit(signal=code - 128, message=f"killed by {_signal_name(code - 128)}")
    hint = {0: "", 126: ": the command could not be executed", 127: ": command not found"}.get(code, "")
    return ContainerExit(exit_code=code, message=f"exited with status {code}{hint}" if code else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _killed_early() -> LaunchError:
    return LaunchError("killed before it was started", Reason.TASK_KILLED_DURING_LAUNCH)


def _as_launch_error(problem: Exception) -> LaunchError:
    if isinstance(problem, LaunchError):
        return problem
    if isinstance(problem, OSError) and problem.strerror:
        where = f" ({os.fsdecode(problem.filename)})" if isinstance(problem.filename, str | bytes) else ""
        return LaunchError(f"the container could not be started: {problem.strerror}{where}")
    return LaunchError(f"the container could not be started: {problem}")


def _pidfd_or_kill(pid: int) -> int:
    """A descriptor for a process just started; if there is none to be had the process goes, and OSError is raised."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
