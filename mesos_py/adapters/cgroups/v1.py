"""Containers in cgroup v1: a directory in each hierarchy that is used, always in the freezer's, by which they die."""

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from cgroupspy.controllers import MemoryController

from mesos_py.adapters.cgroups import groups
from mesos_py.adapters.cgroups.controllers_v1 import FreezerController
from mesos_py.adapters.cgroups.controls_v1 import IOV1, CpuV1, DevicesV1, MemoryV1, PidsV1, begin_to_count_io
from mesos_py.adapters.cgroups.groups import Group
from mesos_py.types.ids import ContainerID

# ruff: noqa: D102  (what each call is for stands in the protocol)

__all__ = ["CgroupsV1"]

_HIERARCHIES: Final[Mapping[str, tuple[str, ...]]] = {
    "cpu": ("cpu", "cpuacct"),
    "memory": ("memory",),
    "pids": ("pids",),
    "io": ("blkio",),
    "devices": ("devices",),
}
"""The kernel's controllers that make up each of ours."""

_LOOKS: Final = 20
"""How often one step looks whether all is frozen: it mostly takes microseconds."""
_PATIENCE: Final = 100
"""After so many steps what cannot be frozen, because it waits for a device, is killed as it is."""


class CgroupsV1:
    """The Cgroups of one agent on a host with cgroup v1."""

    version = 1

    def __init__(self, mounts: Mapping[str, str], root: str, key: str) -> None:
        """Take where the hierarchy of each controller is mounted; some may be mounted together."""
        self._mounts = dict(mounts)
        self.root = f"{root.strip('/')}/{key}"
        self._used = ["freezer"]
        self._steps: Counter[ContainerID] = Counter()

    # The host

    def why_not(self) -> str:
        if "freezer" not in self._mounts:
            return "no cgroups: this host has mounted neither cgroup v2 nor the freezer of cgroup v1"
        reasons = (groups.why_not_writable(root) for root in self._roots())
        return next(filter(None, reasons), "")

    def lacks(self, controller: str) -> str:
        missing = [name for name in _HIERARCHIES[controller] if name not in self._mounts]
        return f"this host has not mounted the cgroup v1 hierarchy of {missing[0]}" if missing else ""

    def use(self, controller: str) -> None:
        if not self.lacks(controller):
            self._used += [name for name in _HIERARCHIES[controller] if name not in self._used]

    def open(self) -> None:
        for root in self._roots():
            groups.make_root(root)
        if "memory" in self._used:
            memory = MemoryController(Group(self._root("memory")))
            with contextlib.suppress(OSError):  # it is always so since Linux 5.11
                if not memory.use_hierarchy:
                    memory.use_hierarchy = True  # else a task could leave its limit by a cgroup of its own

        if "blkio" in self._used:
            begin_to_count_io(Group(self._root("blkio")))

    def close(self) -> None:
        for root in self._roots():
            with contextlib.suppress(OSError):
                os.rmdir(root)
                os.rmdir(os.path.dirname(root))

    # Containers

    def create(self, container_id: ContainerID) -> list[str]:
        directories = [f"{root}/{groups.container_name(container_id)}" for root in self._roots()]
        for directory in directories:
            groups.make_fresh(directory)
        return directories

    def containers(self) -> list[ContainerID]:
        """Also in hierarchies that only an earlier agent process used."""
        names = {name for controller in self._mounts for name in groups.names_below(self._root(controller))}
        return [ContainerID(name) for name in sorted(names)]

    def pids(self, container_id: ContainerID) -> list[int]:
        return groups.processes(self._path("freezer", container_id))

    def freeze(self, container_id: ContainerID) -> None:
        FreezerController(Group(self._path("freezer", container_id))).state = FreezerController.FROZEN

    def thaw(self, container_id: ContainerID) -> None:
        """Also what the container itself has frozen."""
        for path in groups.subtree(self._path("freezer", container_id)):
            FreezerController(Group(path)).state = FreezerController.THAWED

    def kill(self, container_id: ContainerID) -> bool:
        """Freeze all, so that nothing can fork; send KILL to all; let them go on, to die."""
        with contextlib.suppress(FileNotFoundError):
            if self._kill_in_freezer(container_id):
                return self._kill_strays(container_id)
            return False
        return self._kill_strays(container_id)

    def remove(self, container_id: ContainerID) -> bool:
        paths = dict.fromkeys(self._path(controller, container_id) for controller in self._mounts)
        busy = [path for path in paths if not groups.remove(path)]
        if not busy:
            self._steps.pop(container_id, None)
        return not busy

    # Controls

    def cpu(self, container_id: ContainerID) -> CpuV1:
        return CpuV1(self._group("cpu", container_id), self._group("cpuacct", container_id))

    def memory(self, container_id: ContainerID) -> MemoryV1:
        return MemoryV1(self._group("memory", container_id))

    def processes(self, container_id: ContainerID) -> PidsV1:
        return PidsV1(self._group("pids", container_id))

    def io(self, container_id: ContainerID) -> IOV1:
        return IOV1(self._group("blkio", container_id))

    def devices(self, container_id: ContainerID) -> DevicesV1:
        return DevicesV1(self._group("devices", container_id))

    # Inside

    def _root(self, controller: str) -> str:
        return f"{self._mounts[controller]}/{self.root}"

    def _roots(self) -> list[str]:
        """In each hierarchy that is used; the freezer's first."""
        return list(dict.fromkeys(self._root(controller) for controller in self._used))

    def _path(self, controller: str, container_id: ContainerID) -> str:
        return f"{self._root(controller)}/{groups.container_name(container_id)}"

    def _group(self, controller: str, container_id: ContainerID) -> Group:
        return Group(self._path(controller, container_id))

    def _kill_in_freezer(self, container_id: ContainerID) -> bool:
        """One step; True if nothing is left there."""
        if not self.pids(container_id):
            return True
        self._steps[container_id] += 1
        self.freeze(container_id)
        freezer = FreezerController(self._group("freezer", container_id))
        if not any(freezer.state == FreezerController.FROZEN for _ in range(_LOOKS)):
            if self._steps[container_id] % _PATIENCE:
                return False  # it goes on freezing; a process is not killed while its pid might become another's
            _kill_members(self.pids(container_id), self._path("freezer", container_id))
        else:
            _kill(self.pids(container_id))
        self.thaw(container_id)
        return not self.pids(container_id)

    def _kill_strays(self, container_id: ContainerID) -> bool:
        """Kill what left the freezer's cgroup but not the others; only root can do that."""
        left = False
        for path in {self._path(controller, container_id) for controller in self._mounts}:
            if pids := groups.processes(path):
                left = True
                _kill_members(pids, path)
        return not left


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _kill_members(pids: Iterable[int], path: str) -> None:
    """Kill those that are still in a cgroup when nothing can take over their pid any more."""
    for pid in pids:
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if pid in groups.processes(path):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)
