"""Which device nodes a container may use: those that every program expects, and no disk, no memory, no card."""

import errno
import os
import stat
from collections.abc import Iterable
from typing import ClassVar, Final

from cgroupspy.contenttypes import DeviceAccess

from mesos_py.adapters.cgroups.base import Cgroups
from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Launch
from mesos_py.errors import ConfigError
from mesos_py.types.containers import ContainerSpec

__all__ = ["GRANTED", "DevicesIsolator", "device_of"]

GRANTED: Final = "devices"
"""The note in which other isolators say which nodes they have granted, separated by line ends."""

_ALWAYS: Final = (
    DeviceAccess("c", None, None, "m"),  # a node may be made, but not opened
    DeviceAccess("b", None, None, "m"),
    DeviceAccess("c", 1, 3, "rwm"),  # null
    DeviceAccess("c", 1, 5, "rwm"),  # zero
    DeviceAccess("c", 1, 7, "rwm"),  # full
    DeviceAccess("c", 1, 8, "rwm"),  # random
    DeviceAccess("c", 1, 9, "rwm"),  # urandom
    DeviceAccess("c", 5, 0, "rwm"),  # tty
    DeviceAccess("c", 4, 0, "rwm"),  # tty0
    DeviceAccess("c", 4, 1, "rwm"),  # tty1
    DeviceAccess("c", 5, 1, "rwm"),  # console
    DeviceAccess("c", 5, 2, "rwm"),  # ptmx
    DeviceAccess("c", 136, None, "rwm"),  # pts
    DeviceAccess("c", 10, 200, "rwm"),  # net/tun
)


class DevicesIsolator(Isolator):
    """A list of nodes, the same for every container, and those that another isolator has granted it."""

    name: ClassVar[str] = "devices"

    def __init__(self, cgroups: Cgroups, *, allowed: Iterable[str] = ()) -> None:
        """``allowed`` are paths of nodes that every container may use besides. Raises ConfigError for what is none."""
        self._cgroups = cgroups
        try:
            self._allowed = {path: device_of(path) for path in allowed}
        except OSError as error:
            raise ConfigError(f"allowed_devices: {error.filename}: {error.strerror}") from None
        cgroups.use("devices")

    def why_not(self) -> str:
        """Part of Isolator."""
        return self._cgroups.why_not() or self._cgroups.lacks("devices")

    def describe(self) -> str:
        """Part of Isolator."""
        return "cgroup v1, only " + ", ".join(["null, zero, full, random, urandom, terminals, tun", *self._allowed])

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        devices = self._cgroups.devices(spec.container_id)
        devices.deny_all()
        for device in (*_ALWAYS, *self._allowed.values()):
            devices.allow(device)
        for path in filter(None, launch.notes.get(GRANTED, "").split("\n")):
            devices.allow(device_of(path))


def device_of(path: str) -> DeviceAccess:
    """Full access to the device that a node stands for. Raises OSError."""
    found = os.stat(path)
    if not stat.S_ISCHR(found.st_mode) and not stat.S_ISBLK(found.st_mode):
        raise OSError(errno.ENODEV, "not a device node", path)
    kind = DeviceAccess.TYPE_CHAR if stat.S_ISCHR(found.st_mode) else DeviceAccess.TYPE_BLOCK
    return DeviceAccess(kind, os.major(found.st_rdev), os.minor(found.st_rdev), "rwm")
