"""How much memory a container may have, and that one which wants more is ended for it at once."""

import contextlib
import math
import os
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from mesos_py.adapters.cgroups.base import Cgroups, MemoryControl
from mesos_py.adapters.cgroups.oom import OomWatch
from mesos_py.adapters.isolators.base import Isolator, Limitation
from mesos_py.adapters.isolators.launch import Launch
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerSpec, ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason

__all__ = ["MemoryIsolator"]

_MB: Final = 1 << 20
_LEAST_MB: Final = 32.0
"""Less is not worth enforcing: the C library alone can take that."""
_MOST_MB: Final = float(1 << 42)
"""The kernel calls that no limit, and takes of a number above 64 bits only the rest."""
_WORST_SCORE: Final = 1000


class MemoryIsolator(Isolator):
    """A hard limit, and a lower one down to which nothing is taken away while the host is short of memory."""

    name: ClassVar[str] = "memory"

    def __init__(self, cgroups: Cgroups, *, limit_swap: bool = True, host_bytes: int | None = None) -> None:
        """With ``limit_swap`` swapped memory counts as well; ``host_bytes`` is by default what this host has."""
        self._cgroups = cgroups
        self._limit_swap = limit_swap
        self._host_bytes = host_bytes or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self._watch = OomWatch()
        cgroups.use("memory")

    def why_not(self) -> str:
        """Part of Isolator."""
        return self._cgroups.why_not() or self._cgroups.lacks("memory")

    def describe(self) -> str:
        """Part of Isolator."""
        swap = "with swap" if self._limit_swap else "swap not limited"
        return f"cgroup v{self._cgroups.version}, hard limit, {swap}"

    def open(self, loop: Loop, limited: Callable[[ContainerID, Limitation], None]) -> None:
        """Part of Isolator."""
        self._limited = limited
        self._watch.open(loop, self._on_event)

    def close(self) -> None:
        """Part of Isolator."""
        self._watch.close()

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        memory = self._cgroups.memory(spec.container_id)
        memory.set_low(_at_least_mb(spec.resources.mem))
        memory.set_limit(_hard(spec.resources, spec.limits), swap=not self._limit_swap)
        launch.oom_score_adj = self._score(spec.resources, spec.limits)

    def started(self, spec: ContainerSpec, pid: int) -> None:
        """Part of Isolator."""
        del pid
        self._begin(spec.container_id)

    def recovered(self, spec: ContainerSpec, pid: int, notes: Mapping[str, str]) -> None:
        """Part of Isolator; it may have run out of memory while nobody watched."""
        del pid, notes
        self._begin(spec.container_id)

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Part of Isolator; the hard limit is only raised: what is in use cannot be taken back without killing."""
        memory = self._cgroups.memory(container_id)
        memory.set_low(_at_least_mb(resources.mem))
        hard = _hard(resources, limits)
        if hard > memory.limit():
            memory.set_limit(hard, swap=not self._limit_swap)

    def measure(self, container_id: ContainerID, usage: ContainerUsage) -> None:
        """Part of Isolator."""
        memory = self._cgroups.memory(container_id)
        with contextlib.suppress(OSError):
            usage.memory_bytes = memory.used()
            usage.memory_peak_bytes = memory.peak()
            limit = memory.limit()
            usage.memory_limit_bytes = None if math.isinf(limit) else int(limit)

    def broke(self, container_id: ContainerID) -> Limitation | None:
        """Part of Isolator; asks the kernel, for the event may not have been read yet, or by an earlier process."""
        memory = self._cgroups.memory(container_id)
        pending = self._watch.pending(container_id)
        with contextlib.suppress(OSError):
            if memory.was_killed() or (pending and memory.reached_limit()):
                return _limitation(memory)
        return None

    def ended(self, container_id: ContainerID) -> None:
        """Part of Isolator."""
        self._watch.remove(container_id)

    def _begin(self, container_id: ContainerID) -> None:
        """Watch it; what happened before is known from its counters."""
        memory = self._cgroups.memory(container_id)
        with contextlib.suppress(OSError):  # it has ended, and is asked about by ``broke``
            self._watch.add(container_id, memory.oom_source())
            if memory.was_killed():
                self._limited(container_id, _limitation(memory))

    def _on_event(self, container_id: ContainerID) -> None:
        memory = self._cgroups.memory(container_id)
        with contextlib.suppress(OSError):
            if memory.reached_limit():
                self._limited(container_id, _limitation(memory))

    def _score(self, resources: Resources, limits: Mapping[str, float]) -> int | None:
        """Among those that use more than they asked for, whoever asked for least goes first."""
        if float(limits.get("mem", 0)) <= resources.mem:
            return None
        return max(0, _WORST_SCORE - int(_WORST_SCORE * resources.mem * _MB / self._host_bytes))


def _at_least_mb(megabytes: float) -> int:
    return int(min(max(megabytes, _LEAST_MB), _MOST_MB) * _MB)


def _hard(resources: Resources, limits: Mapping[str, float]) -> float:
    limit = float(limits.get("mem", resources.mem))
    return math.inf if limit >= _MOST_MB else _at_least_mb(limit)


def _limitation(memory: MemoryControl) -> Limitation:
    """With the figures of this moment. Raises OSError."""
    limit, used, peak, parts = memory.limit(), memory.used(), memory.peak(), memory.used_for()
    most = "" if peak is None else f", peak {_mb(peak)}"
    details = [f"rss {_mb(parts.rss)}", f"cache {_mb(parts.cache)}"] + [f"swap {_mb(parts.swap)}"] * (parts.swap > 0)
    figures = f"{_mb(used)} used{most} ({', '.join(details)})"
    if used < limit / 2:  # whoever used it was killed already
        figures = f"{_mb(used)} used after the kill{most}"
    return Limitation(Reason.CONTAINER_LIMITATION_MEMORY, f"memory limit of {_mb(limit)} exceeded: {figures}")


def _mb(size: float) -> str:
    return f"{size / _MB:.1f}".removesuffix(".0") + " MB"
