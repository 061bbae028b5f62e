"""Containers in cgroup v2: one directory each, below a root that may have been delegated to us."""

import contextlib
import errno
import os
import signal
from collections import Counter
from collections.abc import Mapping
from typing import Final

from mesos_py.adapters.cgroups import groups
from mesos_py.adapters.cgroups.base import DevicesControl
from mesos_py.adapters.cgroups.controllers_v2 import CoreController
from mesos_py.adapters.cgroups.controls_v2 import IOV2, CpuV2, MemoryV2, PidsV2
from mesos_py.adapters.cgroups.groups import Group
from mesos_py.errors import InvariantError
from mesos_py.types.ids import ContainerID

# ruff: noqa: D102  (what each call is for stands in the protocol)

__all__ = ["CgroupsV2"]

_LOOKS: Final = 20
_PATIENCE: Final = 100
"""As in v1, for kernels before 5.14."""


class CgroupsV2:
    """The Cgroups of one agent on a host with cgroup v2."""

    version = 2

    def __init__(self, mount: str, root: str, key: str) -> None:
        """Take where the hierarchy is mounted; ``root`` may be a unit's cgroup that systemd has delegated."""
        self._mount = mount
        self._base = f"{mount}/{root.strip('/')}"
        self._own = f"{self._base}/{key}"
        self.root = self._own
        self._used: list[str] = []
        self._steps: Counter[ContainerID] = Counter()

    # The host

    def why_not(self) -> str:
        if os.path.dirname(self._base) != self._mount and not os.path.isdir(self._base):
            return f"there is no cgroup {self._base}: the unit that it belongs to is not started"
        return groups.why_not_writable(self._own)

    def lacks(self, controller: str) -> str:
        if controller == "devices":
            return "cgroup v2 restricts devices only by eBPF programs, which are not used"
        where = (
            self._base if os.path.isdir(self._base) and not self._may_enable_above() else os.path.dirname(self._base)
        )
        with contextlib.suppress(OSError):
            if controller in CoreController(Group(where)).controllers:
                return ""
        return f"the cgroup v2 controller {controller} is not available at {where}"

    def use(self, controller: str) -> None:
        if controller not in self._used and not self.lacks(controller):
            self._used.append(controller)

    def open(self) -> None:
        """The controllers that are used are passed down to it."""
        if why := self.why_not():
            raise OSError(errno.EPERM, why)
        groups.make_root(self._base)
        if self._may_enable_above():
            self._pass_down(self._mount)
        self._pass_down(self._base)
        groups.make_root(self._own)
        self._pass_down(self._own)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(self._own)
            os.rmdir(self._base)

    # Containers

    def create(self, container_id: ContainerID) -> list[str]:
        path = self._path(container_id)
        groups.make_fresh(path)
        return [path]

    def containers(self) -> list[ContainerID]:
        return [ContainerID(name) for name in groups.names_below(self._own)]

    def pids(self, container_id: ContainerID) -> list[int]:
        return groups.processes(self._path(container_id))

    def freeze(self, container_id: ContainerID) -> None:
        CoreController(self._group(container_id)).freeze = True

    def thaw(self, container_id: ContainerID) -> None:
        """Also what the container itself has frozen."""
        for path in groups.subtree(self._path(container_id)):
            CoreController(Group(path)).freeze = False

    def kill(self, container_id: ContainerID) -> bool:
        """By cgroup.kill; before Linux 5.14, freeze all, so that nothing can fork, and send KILL."""
        core = CoreController(self._group(container_id))
        try:
            if not core.events["populated"]:
                return True
            if self._kernel_kills(core):
                core.kill = True
            else:
                self._kill_frozen(container_id, core)
            return not core.events["populated"]
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENODEV}:
                return True  # it is gone
            raise

    def remove(self, container_id: ContainerID) -> bool:
        gone = groups.remove(self._path(container_id))
        if gone:
            self._steps.pop(container_id, None)
        return gone

    # Controls

    def cpu(self, container_id: ContainerID) -> CpuV2:
        return CpuV2(self._group(container_id))

    def memory(self, container_id: ContainerID) -> MemoryV2:
        return MemoryV2(self._group(container_id))

    def processes(self, container_id: ContainerID) -> PidsV2:
        return PidsV2(self._group(container_id))

    def io(self, container_id: ContainerID) -> IOV2:
        return IOV2(self._group(container_id))

    def devices(self, container_id: ContainerID) -> DevicesControl:
        """Raises InvariantError: see ``lacks``."""
        raise InvariantError(f"{container_id}: {self.lacks('devices')}")

    # Inside

    def _path(self, container_id: ContainerID) -> str:
        return f"{self._own}/{groups.container_name(container_id)}"

    def _group(self, container_id: ContainerID) -> Group:
        return Group(self._path(container_id))

    def _may_enable_above(self) -> bool:
        """Whether our root is directly below the true root, which has no owner and may hold processes."""
        return os.path.dirname(self._base) == self._mount and not os.path.exists(f"{self._mount}/cgroup.type")

    def _pass_down(self, path: str) -> None:
        """Let the children of a cgroup have the controllers that are used. Raises OSError."""
        if not self._used:
            return
        core = CoreController(Group(path))
        enabled = core.subtree_control
        for controller in self._used:
            if controller in enabled:
                continue
            try:
                core.subtree_control = [f"+{controller}"]
            except OSError as error:
                why = _NOT_PASSED.get(error.errno or 0, error.strerror)
                raise OSError(error.errno, f"cannot pass on the controller {controller}: {why}", path) from error

    def _kernel_kills(self, core: CoreController) -> bool:
        return os.path.exists(core.filepath(b"cgroup.kill"))

    def _kill_frozen(self, container_id: ContainerID, core: CoreController) -> None:
        """One step; what is frozen can be killed."""
        self._steps[container_id] += 1
        with contextlib.suppress(FileNotFoundError):  # before Linux 5.2
            core.freeze = True
            if not any(core.events["frozen"] for _ in range(_LOOKS)) and self._steps[container_id] % _PATIENCE:
                return
        for pid in self.pids(container_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


_NOT_PASSED: Final[Mapping[int, str]] = {
    errno.EBUSY: "processes run in this cgroup itself; they must be in a leaf below it",
    errno.ENOENT: "it is not available here; a systemd unit needs Delegate=yes",
}
