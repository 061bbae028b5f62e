"""Limits and usage of one container in the files of cgroup v1."""

import contextlib
import math
import os
import select
from pathlib import Path
from typing import Final

from cgroupspy.contenttypes import DeviceAccess, DeviceThrottle
from cgroupspy.controllers import CpuAcctController, CpuController, DevicesController

from mesos_py.adapters.cgroups.base import MemoryUse
from mesos_py.adapters.cgroups.controllers_v1 import BlkIOController, MemoryController, PidsController
from mesos_py.adapters.cgroups.groups import Group

# ruff: noqa: D102  (what each call is for stands in the protocols)

__all__ = ["IOV1", "CpuV1", "DevicesV1", "MemoryV1", "OomEvents", "PidsV1", "begin_to_count_io"]

_SHARES_PER_CPU: Final = 1024
_MIN_SHARES: Final = 2
_PERIOD_US: Final = 100_000
_MIN_QUOTA_US: Final = 1_000
_NO_LIMIT: Final = 1 << 62
"""The kernel tells no limit as the largest number of pages it knows."""

_LARGEST_CHARGE: Final = 64 << 10
"""The kernel kills when so little, or less, is missing."""

_ANY_RATE: Final = (1 << 64) - 1
"""Bytes per second, as the kernel says that there is no limit."""


class CpuV1:
    """cpu.shares, cpu.cfs_quota_us and cpuacct.usage."""

    def __init__(self, cpu: Group, cpuacct: Group) -> None:
        """The two are one directory where the hierarchies are mounted together."""
        self._cpu = CpuController(cpu)
        self._acct = CpuAcctController(cpuacct)

    def set_share(self, cpus: float) -> None:
        self._cpu.shares = max(int(_SHARES_PER_CPU * cpus), _MIN_SHARES)

    def set_limit(self, cpus: float) -> None:
        if math.isinf(cpus):
            with contextlib.suppress(FileNotFoundError):  # a kernel without quotas sets none
                self._cpu.cfs_quota_us = -1
            return
        self._cpu.cfs_period_us = _PERIOD_US
        self._cpu.cfs_quota_us = max(int(_PERIOD_US * cpus), _MIN_QUOTA_US)

    def used_s(self) -> float:
        return int(self._acct.usage) / 1e9

    def throttled_s(self) -> float:
        return int(self._cpu.stat.get("throttled_time", 0)) / 1e9


class OomEvents:
    """An eventfd that counts how often the kernel found no memory; see the kernel's cgroup-v1/memory.txt, 9 and 10."""

    events = select.EPOLLIN

    def __init__(self, group: Group) -> None:
        """Register with the cgroup. Raises OSError."""
        self._control = f"{group.path}/memory.oom_control"
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            control = os.open(self._control, os.O_RDONLY | os.O_CLOEXEC)
            try:
                MemoryController(group).event_control = f"{self.fd} {control}"
            finally:
                os.close(control)
        except BaseException:
            os.close(self.fd)
            raise

    def take(self) -> bool:
        """True if there was an event; FileNotFoundError for that of the cgroup's own end."""
        try:
            told = os.eventfd_read(self.fd) > 0
        except BlockingIOError:
            return False
        os.stat(self._control)
        return told

    def close(self) -> None:
        os.close(self.fd)


class MemoryV1:
    """memory.limit_in_bytes with its swap, memory.soft_limit_in_bytes and memory.oom_control."""

    def __init__(self, group: Group) -> None:
        """Take the container's cgroup."""
        self._group = group
        self._memory = MemoryController(group)

    def set_low(self, size: int) -> None:
        self._memory.soft_limit_in_bytes = size

    def set_limit(self, size: float, *, swap: bool) -> None:
        number = -1 if math.isinf(size) else int(size)
        raised = size > self.limit()
        with_swap = not swap and os.path.exists(f"{self._group.path}/memory.memsw.limit_in_bytes")
        if with_swap and raised:  # memory and swap together may never be less than memory alone
            self._memory.memsw_limit_in_bytes = number
        self._memory.limit_in_bytes = number
        if with_swap and not raised:
            self._memory.memsw_limit_in_bytes = number

    def limit(self) -> float:
        limit = int(self._memory.limit_in_bytes)
        return math.inf if limit >= _NO_LIMIT else limit

    def used(self) -> int:
        return int(self._memory.usage_in_bytes)

    def peak(self) -> int | None:
        return int(self._memory.max_usage_in_bytes)

    def used_for(self) -> MemoryUse:
        stat = self._memory.stat
        rss, cache, swap = (int(stat.get(f"total_{name}", 0)) for name in ("rss", "cache", "swap"))
        return MemoryUse(rss, cache, swap)

    def reached_limit(self) -> bool:
        memory = self._memory
        if memory.failcnt or memory.max_usage_in_bytes + _LARGEST_CHARGE >= memory.limit_in_bytes:
            return True  # both are asked: some kernels do not count failures
        with contextlib.suppress(FileNotFoundError):  # a kernel that does not count swap
            return bool(memory.memsw_max_usage_in_bytes + _LARGEST_CHARGE >= memory.memsw_limit_in_bytes)
        return False

    def was_killed(self) -> bool:
        control = self._memory.oom_control
        return bool(control.get("under_oom") or control.get("oom_kill")) and self.reached_limit()

    def oom_source(self) -> OomEvents:
        return OomEvents(self._group)


class PidsV1:
    """pids.max and pids.current; the same files in both versions."""

    def __init__(self, group: Group) -> None:
        """Take the container's cgroup."""
        self._pids = PidsController(group)

    def set_max(self, number: int | None) -> None:
        self._pids.max = number

    def current(self) -> int:
        return int(self._pids.current)


class IOV1:
    """blkio.throttle.io_service_bytes_recursive."""

    def __init__(self, group: Group) -> None:
        """Take the container's cgroup."""
        self._blkio = BlkIOController(group)

    def totals(self) -> tuple[int, int]:
        devices = self._blkio.throttle_io_service_bytes_recursive.values()
        return sum(d.get("Read", 0) for d in devices), sum(d.get("Write", 0) for d in devices)


def begin_to_count_io(group: Group, disks: Path = Path("/sys/block")) -> None:
    """Let the kernel count what all cgroups below this one read and write.

    Newer kernels do not look at a disk until somebody has a limit on it, be it an infinite one, and from then on look
    at it until the host is restarted.
    """
    blkio = BlkIOController(group)
    with contextlib.suppress(OSError):
        for disk in disks.iterdir():
            with contextlib.suppress(OSError, ValueError):
                major, minor = (disk / "dev").read_text(encoding="ascii").split(":")
                if int((disk / "size").read_text(encoding="ascii")):
                    blkio.throttle_read_bps_device = [DeviceThrottle(_ANY_RATE, major, minor)]


class DevicesV1:
    """devices.allow, devices.deny and devices.list."""

    def __init__(self, group: Group) -> None:
        """Take the container's cgroup."""
        self._devices = DevicesController(group)

    def deny_all(self) -> None:
        self._devices.deny = DeviceAccess()

    def deny(self, device: DeviceAccess) -> None:
        self._devices.deny = device

    def allow(self, device: DeviceAccess) -> None:
        self._devices.allow = device

    def allowed(self) -> list[DeviceAccess]:
        return list(self._devices.list)
