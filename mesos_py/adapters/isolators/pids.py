"""How many processes and threads a container may have, so that a fork bomb takes nothing from others."""

import contextlib
from typing import ClassVar

from mesos_py.adapters.cgroups.base import Cgroups
from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Launch
from mesos_py.types.containers import ContainerSpec, ContainerUsage
from mesos_py.types.ids import ContainerID

__all__ = ["PidsIsolator"]


class PidsIsolator(Isolator):
    """The same number for every container; forks beyond it fail."""

    name: ClassVar[str] = "pids"

    def __init__(self, cgroups: Cgroups, *, max_pids: int = 4096) -> None:
        """With 0 they are only counted."""
        self._cgroups = cgroups
        self._max_pids = max_pids
        cgroups.use("pids")

    def why_not(self) -> str:
        """Part of Isolator."""
        return self._cgroups.why_not() or self._cgroups.lacks("pids")

    def describe(self) -> str:
        """Part of Isolator."""
        limit = f"at most {self._max_pids} processes and threads" if self._max_pids else "counted, no limit"
        return f"cgroup v{self._cgroups.version}, {limit}"

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        del launch
        if self._max_pids:
            self._cgroups.processes(spec.container_id).set_max(self._max_pids)

    def measure(self, container_id: ContainerID, usage: ContainerUsage) -> None:
        """Part of Isolator."""
        with contextlib.suppress(OSError):
            usage.processes = self._cgroups.processes(container_id).current()
