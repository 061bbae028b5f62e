"""Containers without processes: for emulated clusters and for tests of whatever uses a Containerizer."""

import heapq
import signal
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Final

from msgspec import Struct

from mesos_py.runtime.containers import ContainerListener
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import (
    ContainerExit,
    ContainerFate,
    ContainerLives,
    ContainerSpec,
    ContainerUsage,
    NeverBegan,
)
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason

__all__ = ["Fate", "NullContainerizer", "NullHost"]

_KILL: Final = int(signal.SIGKILL)


class Fate(Struct, frozen=True, kw_only=True):
    """What becomes of a container that is never really started."""

    fails: str = ""
    """If given, it cannot be started, for this reason."""
    exit: ContainerExit | None = ContainerExit(exit_code=0)
    """How it ends by itself; None: it runs until it is killed or told to end."""
    after_s: float = 0.0
    """How long it runs until then."""
    ignores: frozenset[int] = frozenset()
    """Signals that it survives."""


def _succeeds(_spec: ContainerSpec) -> Fate:
    return Fate()


class NullHost:
    """What runs on a host, and goes on while the agent is away: give it to the next containerizer as well."""

    def __init__(self) -> None:
        """Nothing runs."""
        self.running: dict[ContainerID, tuple[ContainerSpec, int]] = {}
        """With the number of its process."""
        self.ended: dict[ContainerID, ContainerExit] = {}
        """Until they are forgotten."""
        self.due: list[tuple[float, int, ContainerID, ContainerExit]] = []
        """What will end by itself, and when."""
        self.pids = count(1)


class NullContainerizer:
    """A Containerizer whose containers start at once, and end at once or as ``fate`` says."""

    def __init__(
        self, loop: Loop, fate: Callable[[ContainerSpec], Fate] = _succeeds, host: NullHost | None = None
    ) -> None:
        """By default every command succeeds in no time, and nothing outlives this."""
        self._loop = loop
        self._fate = fate
        self._host = host or NullHost()
        self._specs: dict[ContainerID, ContainerSpec] = {}
        self._running: dict[ContainerID, Fate] = {}
        self._doomed: set[ContainerID] = set()
        self._listener: ContainerListener

    def open(self, listener: ContainerListener) -> None:
        """Answers go to ``listener``."""
        self._listener = listener
        self._loop.add(self)

    def close(self) -> None:
        """Stop watching; what runs runs on."""
        self._loop.remove(self)
        self._specs.clear()
        self._running.clear()
        self._doomed.clear()

    def running(self) -> dict[ContainerID, ContainerSpec]:
        """What runs now."""
        return {container_id: self._specs[container_id] for container_id in self._running}

    def end(self, container_id: ContainerID, exit_: ContainerExit) -> None:
        """Let a running container end like this; nothing if it has ended."""
        if self._running.pop(container_id, None) is not None:
            del self._specs[container_id]
            del self._host.running[container_id]
            self._host.ended[container_id] = exit_
            self._listener.container_ended(container_id, exit_)

    # The port

    def start(self, spec: ContainerSpec) -> None:
        """Part of Containerizer."""
        self._specs[spec.container_id] = spec
        self._loop.post(lambda: self._begin(spec.container_id))

    def signal(self, container_id: ContainerID, signal: int) -> None:
        """Part of Containerizer."""
        fate = self._running.get(container_id)
        if fate is not None and (signal == _KILL or signal not in fate.ignores):
            self._loop.post(lambda: self.end(container_id, ContainerExit(signal=signal)))

    def destroy(self, container_id: ContainerID) -> None:
        """Part of Containerizer."""
        if container_id in self._running:
            self.signal(container_id, _KILL)
        elif container_id in self._specs:
            self._doomed.add(container_id)

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Part of Containerizer."""

    def forget(self, container_id: ContainerID) -> None:
        """Part of Containerizer."""
        self._host.ended.pop(container_id, None)

    def recover(self, specs: Sequence[ContainerSpec]) -> dict[ContainerID, ContainerFate]:
        """Part of Containerizer."""
        host = self._host
        wanted = {spec.container_id: spec for spec in specs}
        for container_id in [container_id for container_id in host.running if container_id not in wanted]:
            del host.running[container_id]
        return {container_id: self._fate_of(spec) for container_id, spec in wanted.items()}

    def _fate_of(self, spec: ContainerSpec) -> ContainerFate:
        container_id, host = spec.container_id, self._host
        if container_id in host.running:
            self._specs[container_id] = spec
            self._running[container_id] = self._fate(spec)
            return ContainerLives(host.running[container_id][1])
        return host.ended.get(container_id) or NeverBegan()

    def usage(self) -> list[ContainerUsage]:
        """Part of Containerizer."""
        return [ContainerUsage(container_id=container_id) for container_id in self._running]

    # In time

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._host.due[0][0] if self._host.due else None

    def run_due(self, now: float) -> None:
        """Part of Resident."""
        due = self._host.due
        while due and due[0][0] <= now:
            _at, _pid, container_id, exit_ = heapq.heappop(due)
            self.end(container_id, exit_)

    def _begin(self, container_id: ContainerID) -> None:
        spec = self._specs.get(container_id)
        if spec is None:
            return  # closed meanwhile
        if container_id in self._doomed:
            self._doomed.discard(container_id)
            self._fail(container_id, Reason.TASK_KILLED_DURING_LAUNCH, "killed before it was started")
            return
        fate = self._fate(spec)
        if fate.fails:
            self._fail(container_id, Reason.CONTAINER_LAUNCH_FAILED, fate.fails)
            return
        self._running[container_id] = fate
        pid = next(self._host.pids)
        self._host.running[container_id] = (spec, pid)
        self._listener.container_started(container_id, pid)
        if fate.exit is not None:
            heapq.heappush(self._host.due, (self._loop.clock() + fate.after_s, pid, container_id, fate.exit))

    def _fail(self, container_id: ContainerID, reason: Reason, message: str) -> None:
        if self._specs.pop(container_id, None) is not None:
            self._listener.container_failed(container_id, reason, message)
