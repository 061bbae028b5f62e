"""Limits and usage of one container in the files of cgroup v2."""

import contextlib
import math
import os
import select
from typing import Final

from mesos_py.adapters.cgroups.base import MemoryUse
from mesos_py.adapters.cgroups.controllers_v2 import CpuController, IOController, MemoryController, PidsController
from mesos_py.adapters.cgroups.groups import Group

# ruff: noqa: D102  (what each call is for stands in the protocols)

__all__ = ["IOV2", "CpuV2", "MemoryV2", "OomFile", "PidsV2"]

_WEIGHT_PER_CPU: Final = 100
_MIN_WEIGHT: Final = 1
_MAX_WEIGHT: Final = 10_000
_PERIOD_US: Final = 100_000
_MIN_QUOTA_US: Final = 1_000
_READ: Final = 4096


class CpuV2:
    """cpu.weight, cpu.max and cpu.stat."""

    def __init__(self, group: Group) -> None:
        """Take the container's cgroup."""
        self._cpu = CpuController(group)

    def set_share(self, cpus: float) -> None:
        self._cpu.weight = min(max(int(_WEIGHT_PER_CPU * cpus), _MIN_WEIGHT), _MAX_WEIGHT)

    def set_limit(self, cpus: float) -> None:
        quota = None if math.isinf(cpus) else max(int(_PERIOD_US * cpus), _MIN_QUOTA_US)
        self._cpu.max = (quota, _PERIOD_US)

    def used_s(self) -> float:
        return int(self._cpu.stat["usage_usec"]) / 1e6

    def throttled_s(self) -> float:
        return int(self._cpu.stat.get("throttled_usec", 0)) / 1e6


class OomFile:
    """memory.events.local, or memory.events of kernels before 5.2; a change of its counters is an exceptional event."""

    events = select.EPOLLPRI

    def __init__(self, group: Group) -> None:
        """Open the file and read it once, so that the next event is new. Raises OSError."""
        self.fd = os.open(f"{group.path}/{_events_file(group)}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._ooms = self._read()
        except BaseException:
            os.close(self.fd)
            raise

    def take(self) -> bool:
        before, self._ooms = self._ooms, self._read()
        return self._ooms > before

    def close(self) -> None:
        os.close(self.fd)

    def _read(self) -> int:
        lines = os.pread(self.fd, _READ, 0).splitlines()
        return next((int(line[4:]) for line in lines if line.startswith(b"oom ")), 0)


def _events_file(group: Group) -> str:
    """Which file tells of this cgroup's own limit, and not of those that a task has set below it."""
    return "memory.events.local" if os.path.exists(f"{group.path}/memory.events.local") else "memory.events"


class MemoryV2:
    """memory.max with its swap, memory.low and memory.events."""

    def __init__(self, group: Group) -> None:
        """Take the container's cgroup."""
        self._group = group
        self._memory = MemoryController(group)

    def set_low(self, size: int) -> None:
        self._memory.low = size

    def set_limit(self, size: float, *, swap: bool) -> None:
        self._memory.max = None if math.isinf(size) else int(size)
        if not swap:
            with contextlib.suppress(FileNotFoundError, PermissionError):  # a kernel that does not count swap
                self._memory.swap_max = 0

    def limit(self) -> float:
        limit = self._memory.max
        return math.inf if limit is None else int(limit)

    def used(self) -> int:
        return int(self._memory.current)

    def peak(self) -> int | None:
        with contextlib.suppress(FileNotFoundError):  # it is there since Linux 5.19
            return int(self._memory.peak)
        return None

    def used_for(self) -> MemoryUse:
        stat = self._memory.stat
        swap = 0
        with contextlib.suppress(FileNotFoundError):
            swap = int(self._memory.swap_current)
        return MemoryUse(int(stat.get("anon", 0)), int(stat.get("file", 0)), swap)

    def reached_limit(self) -> bool:
        local = _events_file(self._group) == "memory.events.local"
        events = self._memory.events_local if local else self._memory.events
        return bool(events.get("oom"))

    def was_killed(self) -> bool:
        return self.reached_limit()

    def oom_source(self) -> OomFile:
        return OomFile(self._group)


class PidsV2:
    """pids.max and pids.current."""

    def __init__(self, group: Group) -> None:
        """Take the container's cgroup."""
        self._pids = PidsController(group)

    def set_max(self, number: int | None) -> None:
        self._pids.max = number

    def current(self) -> int:
        return int(self._pids.current)


class IOV2:
    """io.stat, which is empty until something was read or written."""

    def __init__(self, group: Group) -> None:
        """Take the container's cgroup."""
        self._io = IOController(group)

    def totals(self) -> tuple[int, int]:
        devices = self._io.stat.values()
        return sum(d.get("rbytes", 0) for d in devices), sum(d.get("wbytes", 0) for d in devices)
