"""Runs containers: prepares them, has a launcher start them, watches, kills, and finds them again after a restart.

::

    start ──▶ preparing ──▶ queued ──▶ asked for ──▶ running ──▶ ended
                (isolators, URIs)       (launcher)      └─ killed until nothing of it is left ─┘

An end is seen on the pidfd of the container's first process; how its command ended stands in the launcher's log.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from msgspec import structs

from mesos_py.adapters.commands import Entry, why_not_runnable
from mesos_py.adapters.container import Container, Phase, as_launch_error, exit_of, killed_early, pidfd_of, unwatched
from mesos_py.adapters.isolators.base import Isolator, Limitation
from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.adapters.launching import Launchers
from mesos_py.adapters.processes import keep_descriptors, make_room_for_descriptors
from mesos_py.adapters.reattaching import reattach
from mesos_py.adapters.runlog import Run, RunLog
from mesos_py.adapters.sandbox import give_to, make_fresh_sandbox
from mesos_py.adapters.tracking import SessionTracker, Tracker, fill_in, kill_all, kill_now
from mesos_py.runtime.containers import ContainerListener
from mesos_py.runtime.loop import READ, Loop
from mesos_py.types.containers import ContainerFate, ContainerLives, ContainerSpec, ContainerUsage, NeverBegan
from mesos_py.types.ids import ContainerID, FrameworkID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import URI, Reason

__all__ = ["Fetches", "ProcessContainerizer"]

_FIRST_LOOK_S: Final = 0.001
_LAST_LOOK_S: Final = 0.5
"""How soon, and how late at most, to look again whether what was killed is gone."""
_LOOKING_SHARE: Final = 0.1
"""Most of the loop's time that goes into listing processes."""
_WORKERS: Final = 4
_NOTE_S: Final = 2.0
"""How long a launcher that lives may take to note how a container ended."""


class Fetches(Protocol):
    """Brings files into a sandbox. Called in worker threads."""

    def fetch(self, uris: Sequence[URI], sandbox: str, user: str, cancelled: Callable[[], bool]) -> None:
        """Fetch all; raises LaunchError with one clear line. Gives up soon after ``cancelled()`` is true."""


class ProcessContainerizer:
    """A Containerizer of processes, isolated by whatever isolators it is given."""

    def __init__(
        self,
        loop: Loop,
        run_dir: Path,
        *,
        fetcher: Fetches | None = None,
        isolators: Sequence[Isolator] = (),
        tracker: Tracker | None = None,
        prepares_per_turn: int = 8,
        containers_per_launcher: int = 10_000,
        sandbox_left: Callable[[str], None] = lambda _sandbox: None,
    ) -> None:
        """``run_dir`` is where launchers note what must outlive the agent; only the agent may write there.

        Without a ``tracker`` processes are found by sessions. ``sandbox_left`` is told of each sandbox that no
        container uses any more.
        """
        self._loop = loop
        self._fetcher = fetcher
        self._isolators = isolators
        self._tracker = tracker or SessionTracker()
        self._sandbox_left = sandbox_left
        self._prepares_per_turn = prepares_per_turn
        self._budget = prepares_per_turn
        self._logs = run_dir / "containers"
        self._launchers = Launchers(
            loop, self._logs, self._started, self._start_failed, containers_each=containers_per_launcher
        )
        self._containers: dict[ContainerID, Container] = {}
        self._queue: deque[Container] = deque()
        self._told: dict[ContainerID, RunLog] = {}
        """Where the ends are noted that may still be asked for after a restart."""
        self._watched: dict[ContainerID, Container] = {}
        """Those whose processes must be looked up: signalled, doomed, or ended."""
        self._remains: list[ContainerID] = []
        """Nothing of them runs, but what they were tracked by is still there."""
        self._remove_at = 0.0
        self._remove_again_s = _FIRST_LOOK_S
        self._not_before = 0.0
        self._workers: ThreadPoolExecutor | None = None
        self._listener: ContainerListener

    # Living in the loop

    def open(self, listener: ContainerListener) -> None:
        """Get ready; answers go to ``listener``. Raises OSError."""
        self._listener = listener
        keep_descriptors()
        make_room_for_descriptors()
        self._launchers.open()
        self._tracker.open()
        for isolator in self._isolators:
            isolator.open(self._loop, self._limited)
        self._loop.add(self)
        self._loop.at_turn_end(self._turn_ended)

    def close(self) -> None:
        """Stop watching. Containers run on; what a launcher was not asked for is not started."""
        self._loop.remove(self)
        self._loop.not_at_turn_end(self._turn_ended)
        for container in self._containers.values():
            container.doomed = True
            if container.pidfd >= 0:
                self._loop.unregister(container.pidfd)
                os.close(container.pidfd)
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)  # those that fetch something are about to give up
        for isolator in self._isolators:
            isolator.close()
        self._launchers.close()
        for container_id in self._remains:
            self._is_removed(container_id)
        self._tracker.close()
        self._containers.clear()
        self._queue.clear()
        self._watched.clear()

    def running(self) -> dict[ContainerID, str]:
        """The sandboxes of the containers that run now."""
        return {cid: c.spec.sandbox for cid, c in self._containers.items() if c.phase is Phase.RUNNING}

    def sandboxes(self) -> list[str]:
        """Those that are in use, or about to be."""
        return [container.spec.sandbox for container in self._containers.values()]

    def members(self, container_id: ContainerID) -> list[int]:
        """The live processes of a running container, but for its init."""
        container = self._containers.get(container_id)
        if container is None or container.pid == 0:
            return []
        self._tracker.look()
        return self._members(container)

    def entry(self, container_id: ContainerID) -> Entry:
        """How to get into a running container."""
        container = self._containers.get(container_id)
        if container is None or container.phase is not Phase.RUNNING:
            return Entry()
        return Entry(container.pid, container.launch.namespaces, container.launch.cgroups)

    # The port

    def start(self, spec: ContainerSpec) -> None:
        """Part of Containerizer."""
        container = Container(spec)
        self._containers[spec.container_id] = container
        try:
            for isolator in self._isolators:
                isolator.claim(spec)
        except LaunchError as error:
            container.doomed = True
            self._loop.post(partial(self._failed, container, error))
            return
        if spec.uris or spec.user or spec.volumes:
            container.phase = Phase.PREPARING
            if self._workers is None:
                self._workers = ThreadPoolExecutor(_WORKERS, "prepare")
            self._workers.submit(self._prepare_in_thread, container)
        else:
            self._enqueue(container)

    def signal(self, container_id: ContainerID, signal: int) -> None:
        """Part of Containerizer."""
        container = self._containers.get(container_id)
        if container is not None and container.phase is Phase.RUNNING:
            container.signals.append(signal)
            self._watch(container)

    def destroy(self, container_id: ContainerID) -> None:
        """Part of Containerizer."""
        container = self._containers.get(container_id)
        if container is None or container.doomed:
            return
        container.doomed = True
        if container.phase is Phase.RUNNING:
            self._watch(container)
        elif container.phase in (Phase.PREPARING, Phase.QUEUED):
            self._loop.post(lambda: self._failed(container, killed_early()))

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Part of Containerizer: done before it returns."""
        container = self._containers.get(container_id)
        if container is None or container.doomed:
            return
        try:
            for isolator in self._isolators:
                isolator.update(container_id, resources, limits)
        except OSError as error:
            why = f"its limits could not be changed: {error.strerror}"
            self._limited(container_id, Limitation(Reason.CONTAINER_UPDATE_FAILED, why))

    def usage(self) -> list[ContainerUsage]:
        """Part of Containerizer."""
        self._tracker.look()
        return [self._usage_of(c) for c in self._containers.values() if c.phase is Phase.RUNNING]

    def forget(self, container_id: ContainerID) -> None:
        """Part of Containerizer."""
        log = self._told.pop(container_id, None)
        if log is not None:
            self._launchers.done_with(log, container_id)

    def recover(self, specs: Sequence[ContainerSpec]) -> dict[ContainerID, ContainerFate]:
        """Part of Containerizer. Raises OSError."""
        wanted = {spec.container_id: spec for spec in specs}
        found = reattach(self._logs, wanted)
        users: dict[RunLog, int] = dict.fromkeys(found.logs, 0)
        for container_id, (log, run) in found.living.items():
            users[log] += 1
            spec = wanted.get(container_id)
            if spec is not None and isinstance(found.fates[container_id], ContainerLives):
                self._resume(Container(spec), log, run)
            else:
                self._end_orphan(container_id, log, run)
        for container_id, log in found.ended.items():
            users[log] += 1
            self._told[container_id] = log
            self._sandbox_left(wanted[container_id].sandbox)
        for log, count in users.items():
            self._launchers.adopt(log, count)
        for container_id in self._tracker.known():
            if isinstance(found.fates.get(container_id), NeverBegan):
                self._is_removed(container_id)  # what was made for it is made anew if it is started
            elif container_id not in found.living:
                self._end_orphan(container_id, None, Run())
        return found.fates

    # Starting

    def _prepare_in_thread(self, container: Container) -> None:
        error: LaunchError | None = None
        try:
            self._prepare(container)
        except Exception as problem:  # whatever it is, the container must get its answer
            error = as_launch_error(problem)
        self._loop.post(lambda: self._prepared(container, error))

    def _prepare(self, container: Container) -> None:
        """Make everything up to the first process. Raises LaunchError or OSError."""
        spec, launch = container.spec, container.launch
        if why := why_not_runnable(spec):
            raise LaunchError(why)
        make_fresh_sandbox(spec.sandbox)
        launch.cgroups += self._tracker.prepare(spec.container_id)
        for isolator in self._isolators:
            isolator.prepare(spec, launch)
        if spec.uris:
            if self._fetcher is None:
                raise LaunchError("this agent fetches no URIs")
            user = spec.user if launch.credentials else ""
            self._fetcher.fetch(spec.uris, spec.sandbox, user, lambda: container.doomed)
        if launch.credentials is not None:
            give_to(spec.sandbox, launch.credentials.uid, launch.credentials.gid)
        container.has_init = "pid" in launch.namespaces
        launch.notes |= {"namespaces": " ".join(launch.namespaces), "cgroups": " ".join(launch.cgroups)}
        container.prepared = True

    def _prepared(self, container: Container, error: LaunchError | None) -> None:
        if error is not None:
            self._failed(container, error)
        elif container.doomed:
            self._clean_up(container)
        else:
            self._enqueue(container)

    def _enqueue(self, container: Container) -> None:
        container.phase = Phase.QUEUED
        self._queue.append(container)
        if len(self._queue) == 1:
            self._loop.post(self._ask_for_some)

    def _turn_ended(self) -> None:
        self._budget = self._prepares_per_turn
        if self._queue and not self._launchers.is_busy:
            self._loop.post(self._ask_for_some)

    def _ask_for_some(self) -> None:
        """Have what waits started, but only so many in one turn: each takes the loop about a millisecond."""
        while self._queue and self._budget > 0 and not self._launchers.is_busy:
            container = self._queue.popleft()
            if container.doomed:
                continue
            self._budget -= 1
            try:
                if not container.prepared:
                    self._prepare(container)
                container.phase = Phase.ASKED
                self._launchers.launch(container.launch)
            except Exception as problem:  # whatever it is, the container must get its answer, and others their turn
                self._failed(container, as_launch_error(problem))

    def _started(self, container_id: ContainerID, pid: int, started: int, log: RunLog) -> None:
        container = self._containers[container_id]
        container.log = log
        container.pid = pid
        container.phase = Phase.RUNNING
        try:
            container.pidfd = pidfd_of(pid, started)
        except OSError as error:  # it cannot be watched, so it cannot go on
            container.limitation = unwatched(error)
            kill_now(self._tracker, container_id, pid)
        for isolator in self._isolators:
            isolator.started(container.spec, pid)
        self._listener.container_started(container_id, pid)
        self._follow(container)

    def _start_failed(self, container_id: ContainerID, why: str, log: RunLog | None) -> None:
        if log is not None:
            self._told[container_id] = log
        self._failed(self._containers[container_id], LaunchError(why))

    def _failed(self, container: Container, error: LaunchError) -> None:
        in_thread = container.phase is Phase.PREPARING and container.doomed
        container.doomed = True
        container_id = container.spec.container_id
        if self._containers.pop(container_id, None) is not None:
            self._listener.container_failed(container_id, error.reason, str(error))
        if not in_thread:
            self._clean_up(container)
        container.phase = Phase.ENDED

    def _follow(self, container: Container) -> None:
        """Watch its first process."""
        if container.pidfd < 0:
            self._first_process_ended(container)
            return
        self._loop.register(container.pidfd, READ, lambda _ready: self._first_process_ended(container))
        if container.doomed:
            self._watch(container)

    # After a restart

    def _resume(self, container: Container, log: RunLog, run: Run) -> None:
        container.log = log
        container.pid = run.pid
        container.phase = Phase.RUNNING
        container.launch.namespaces = run.notes.get("namespaces", "").split()
        container.launch.cgroups = run.notes.get("cgroups", "").split()
        container.has_init = "pid" in container.launch.namespaces
        container.pidfd = pidfd_of(run.pid, run.started)
        self._containers[container.spec.container_id] = container
        for isolator in self._isolators:
            isolator.recovered(container.spec, run.pid, run.notes)
        self._follow(container)

    def _end_orphan(self, container_id: ContainerID, log: RunLog | None, run: Run) -> None:
        """Kill what nobody asks for any more; its end is told to nobody."""
        container = Container(
            ContainerSpec(container_id=container_id, framework_id=FrameworkID(""), sandbox="", argv=[])
        )
        container.is_orphan = container.doomed = True
        container.log = log
        container.pid = run.pid
        container.phase = Phase.RUNNING
        container.pidfd = pidfd_of(run.pid, run.started) if run.pid else -1
        self._containers[container_id] = container
        self._follow(container)

    # Ending

    def _limited(self, container_id: ContainerID, limitation: Limitation) -> None:
        container = self._containers.get(container_id)
        if container is not None and container.limitation is None and not container.doomed:
            container.limitation = limitation
            self.destroy(container_id)

    def _first_process_ended(self, container: Container) -> None:
        if container.pidfd >= 0:
            self._loop.unregister(container.pidfd)
            os.close(container.pidfd)
            container.pidfd = -1
        container.phase = Phase.ENDED
        container.ended_at = self._loop.clock()
        self._watch(container)

    def _watch(self, container: Container) -> None:
        container.look_at = 0.0
        container.look_again_s = _FIRST_LOOK_S
        self._watched[container.spec.container_id] = container

    def next_deadline(self) -> float | None:
        """Part of Resident: when to look at the processes."""
        at = [container.look_at for container in self._watched.values()]
        if self._remains:
            at.append(self._remove_at)
        return max(self._not_before, min(at)) if at else None

    def run_due(self, now: float) -> None:
        """Part of Resident: one look at all processes serves every container that waits for one."""
        clock = self._loop.clock
        self._tracker.look()
        self._not_before = now + (clock() - now) / _LOOKING_SHARE
        for container in list(self._watched.values()):
            if container.look_at > now:
                continue
            if self._look(container, now):
                self._watched.pop(container.spec.container_id, None)
            else:
                container.look_at = now + container.look_again_s
                container.look_again_s = min(container.look_again_s * 2, _LAST_LOOK_S)
        if self._remains and self._remove_at <= now:
            self._remains = [cid for cid in self._remains if not self._is_removed(cid)]
            self._remove_at = now + self._remove_again_s
            self._remove_again_s = min(self._remove_again_s * 2, _LAST_LOOK_S)

    def _look(self, container: Container, now: float) -> bool:
        """Do what there is to do; True if the container needs no further look."""
        container_id = container.spec.container_id
        if container.phase is Phase.ENDED:
            return self._finish(container, now)
        if container.doomed:
            self._tracker.kill(container_id, container.pid, has_ended=False)
            return False
        members = self._members(container)
        for number in container.signals:
            kill_all(members, number)
        container.signals.clear()
        return True

    def _members(self, container: Container) -> list[int]:
        members = self._tracker.members(container.spec.container_id, container.pid)
        return [pid for pid in members if pid != container.pid] if container.has_init else members

    def _finish(self, container: Container, now: float) -> bool:
        container_id = container.spec.container_id
        if not self._tracker.kill(container_id, container.pid, has_ended=True):
            return False
        run: Run | None = None
        if container.log is not None:
            with contextlib.suppress(OSError):
                container.log.read_on()
            run = container.log.runs.get(container_id)
            noted = run is not None and (run.ended is not None or run.gone is not None)
            if not noted and now - container.ended_at < _NOTE_S and container.log.launcher_lives():
                return False
        self._ended(container, run)
        return True

    def _ended(self, container: Container, run: Run | None) -> None:
        container_id = container.spec.container_id
        exit_ = exit_of(run, was_killed=container.doomed)
        limitation = container.limitation
        for isolator in self._isolators:
            limitation = limitation or isolator.broke(container_id)
        if limitation is not None:
            exit_ = structs.replace(exit_, reason=limitation.reason, message=limitation.message)
        if refused := self._tracker.out_of_reach(container_id):
            note = f"processes {refused} belong to another user and could not be killed"
            exit_ = structs.replace(exit_, message=f"{exit_.message}; {note}")
        if container.log is not None and container.is_orphan:
            self._launchers.done_with(container.log, container_id)
        elif container.log is not None:
            self._told[container_id] = container.log
        del self._containers[container_id]
        self._clean_up(container)
        if not container.is_orphan:
            self._listener.container_ended(container_id, exit_)

    def _clean_up(self, container: Container) -> None:
        container_id = container.spec.container_id
        for isolator in self._isolators:
            isolator.ended(container_id)
        if not container.is_orphan:
            self._sandbox_left(container.spec.sandbox)
        if not self._tracker.remove(container_id):
            self._remains.append(container_id)
            self._remove_at = self._loop.clock() + _FIRST_LOOK_S
            self._remove_again_s = _FIRST_LOOK_S

    def _is_removed(self, container_id: ContainerID) -> bool:
        """A process that was on its way into the container may have come in after all others were killed."""
        return self._tracker.kill(container_id, 0, has_ended=True) and self._tracker.remove(container_id)

    def _usage_of(self, container: Container) -> ContainerUsage:
        usage = ContainerUsage(container_id=container.spec.container_id)
        for isolator in self._isolators:
            isolator.measure(container.spec.container_id, usage)
        if usage.processes is None or usage.cpu_s is None or usage.memory_bytes is None:
            fill_in(usage, self._members(container))
        return usage
