"""How much cpu a container gets: a share when there is not enough, and a hard limit where one is asked for."""

import contextlib
import math
from collections.abc import Mapping
from typing import ClassVar, Final

from mesos_py.adapters.cgroups.base import Cgroups
from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Launch
from mesos_py.types.containers import ContainerSpec, ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources

__all__ = ["CpuIsolator"]

_LEAST: Final = 0.1
"""Cpus that each container counts for: an executor without tasks must report their end, and end, on a busy host too."""


class CpuIsolator(Isolator):
    """Shares by the cpus that a container asked for; a hard limit if it has one, or if all shall."""

    name: ClassVar[str] = "cpu"

    def __init__(self, cgroups: Cgroups, *, hard_limit: bool = False) -> None:
        """With ``hard_limit`` a container without a limit may not use more than it asked for."""
        self._cgroups = cgroups
        self._hard_limit = hard_limit
        cgroups.use("cpu")

    def why_not(self) -> str:
        """Part of Isolator."""
        return self._cgroups.why_not() or self._cgroups.lacks("cpu")

    def describe(self) -> str:
        """Part of Isolator."""
        most = "hard limit for all" if self._hard_limit else "hard limit where a task has one"
        return f"cgroup v{self._cgroups.version}, shares by request, {most}"

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        del launch
        self.update(spec.container_id, spec.resources, spec.limits)

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Part of Isolator."""
        cpu, cpus = self._cgroups.cpu(container_id), max(resources.cpus, _LEAST)
        cpu.set_share(cpus)
        cpu.set_limit(float(limits.get("cpus", cpus if self._hard_limit else math.inf)))

    def measure(self, container_id: ContainerID, usage: ContainerUsage) -> None:
        """Part of Isolator."""
        cpu = self._cgroups.cpu(container_id)
        with contextlib.suppress(OSError):
            usage.cpu_s = cpu.used_s()
            usage.throttled_s = cpu.throttled_s()
