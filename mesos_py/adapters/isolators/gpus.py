"""Which gpus a container gets: whole ones, each one container's alone."""

import contextlib
import errno
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from mesos_py.adapters.cgroups.base import Cgroups
from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.devices import GRANTED, device_of
from mesos_py.adapters.isolators.launch import Launch, LaunchError
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources

__all__ = ["GpusIsolator", "find_gpus"]

_NODE: Final = re.compile(r"nvidia(\d+)")
_SHARED: Final = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
"""Nodes of the driver, which whoever has a gpu needs as well."""
_NOTE: Final = "gpus"
_ANY: Final = "a"
"""The kind of device in a rule that stands for all."""


def find_gpus(given: str = "", directory: Path = Path("/dev")) -> list[str]:
    """The nodes of this host's gpus: those given, separated by commas, or else all of NVIDIA's."""
    if given.strip():
        return [path.strip() for path in given.split(",") if path.strip()]
    with contextlib.suppress(OSError):
        found = {int(match[1]): str(path) for path in directory.iterdir() if (match := _NODE.fullmatch(path.name))}
        return [found[number] for number in sorted(found)]
    return []


class GpusIsolator(Isolator):
    """Grants gpus, tells the container which, and under cgroup v1 keeps it from all others."""

    name: ClassVar[str] = "gpus"

    def __init__(self, cgroups: Cgroups, gpus: Sequence[str], *, drivers: Path = Path("/dev")) -> None:
        """Take the paths of the nodes; ``drivers`` is where those that all gpus need are."""
        self._cgroups = cgroups
        self._all = list(dict.fromkeys(gpus))
        self._drivers = [str(drivers / name) for name in _SHARED]
        self._granted: dict[ContainerID, list[str]] = {}
        self._enforced = bool(self._all) and not cgroups.why_not() and not cgroups.lacks("devices")
        if self._enforced:
            cgroups.use("devices")

    def why_not(self) -> str:
        """Part of Isolator."""
        for path in self._all:
            try:
                device_of(path)
            except OSError as error:
                return f"gpu {path}: {error.strerror}"
        return ""

    def describe(self) -> str:
        """Part of Isolator."""
        if not self._all:
            return "no gpus here"
        how = "enforced by cgroup v1" if self._enforced else "granted by environment variables, not enforced"
        return f"{', '.join(self._all)}; {how}"

    def claim(self, spec: ContainerSpec) -> None:
        """Part of Isolator."""
        self._grant(spec.container_id, spec.resources)

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        gpus = self._granted[spec.container_id]
        if self._all:
            launch.environment.update(self._variables(gpus))
        if gpus:
            launch.notes[_NOTE] = "\n".join(gpus)
            launch.notes[GRANTED] = "\n".join(self._needed(gpus))
        self._enforce(spec.container_id, gpus)

    def recovered(self, spec: ContainerSpec, pid: int, notes: Mapping[str, str]) -> None:
        """Part of Isolator; its cgroup knows of later grants than the notes, if it can use nothing else."""
        del pid
        granted = set(filter(None, notes.get(_NOTE, "").split("\n")))
        with contextlib.suppress(OSError):
            rules = self._cgroups.devices(spec.container_id).allowed() if self._enforced else []
            if rules and all(rule.dev_type != _ANY for rule in rules):
                granted = {path for path in self._all if device_of(path) in rules}
        self._granted[spec.container_id] = [path for path in self._all if path in granted]

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Part of Isolator; its environment stays as it was when it started."""
        del limits
        try:
            gpus = self._grant(container_id, resources)
        except LaunchError as error:
            raise OSError(errno.EBUSY, str(error)) from None
        self._enforce(container_id, gpus)

    def ended(self, container_id: ContainerID) -> None:
        """Part of Isolator."""
        self._granted.pop(container_id, None)

    def _grant(self, container_id: ContainerID, resources: Resources) -> list[str]:
        """Let a container have as many as it asks for, if possible those that it has. Raises LaunchError."""
        wanted, part = divmod(resources.scalar("gpus"), 1000)
        if part:
            raise LaunchError(f"gpus cannot be shared: a whole number is needed, not {resources.gpus:g}")
        mine = self._granted.get(container_id, [])
        taken = {path for gpus in self._granted.values() for path in gpus}
        free = [path for path in self._all if path not in taken]
        if wanted > len(mine) + len(free):
            raise LaunchError(f"{wanted} gpus are wanted, {len(mine) + len(free)} of {len(self._all)} are free")
        chosen = set((mine + free)[:wanted])
        gpus = self._granted[container_id] = [path for path in self._all if path in chosen]
        return gpus

    def _enforce(self, container_id: ContainerID, gpus: Sequence[str]) -> None:
        if not self._enforced:
            return
        devices = self._cgroups.devices(container_id)
        needed = self._needed(gpus)
        for path in (path for path in self._all if path not in needed):
            devices.deny(device_of(path))
        for path in needed:
            devices.allow(device_of(path))

    def _needed(self, gpus: Sequence[str]) -> list[str]:
        return [*gpus, *(path for path in self._drivers if Path(path).exists())] if gpus else []

    def _variables(self, gpus: Sequence[str]) -> dict[str, str]:
        """What CUDA and NVIDIA's tools go by. CUDA counts only those that it can open, hence from 0 if enforced."""
        numbers = [_number(path, self._all) for path in gpus]
        visible = range(len(gpus)) if self._enforced else numbers
        return {
            "CUDA_VISIBLE_DEVICES": ",".join(map(str, visible)),
            "NVIDIA_VISIBLE_DEVICES": ",".join(map(str, numbers)) or "void",
        }


def _number(path: str, all_: Sequence[str]) -> int:
    """The number that the driver knows a gpu by, or else its place in the list."""
    match = _NODE.fullmatch(Path(path).name)
    return int(match[1]) if match else all_.index(path)
