"""How much a container reads from and writes to block devices; it is counted, not limited."""

import contextlib
from typing import ClassVar

from mesos_py.adapters.cgroups.base import Cgroups
from mesos_py.adapters.isolators.base import Isolator
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.ids import ContainerID

__all__ = ["IOIsolator"]


class IOIsolator(Isolator):
    """Counts only."""

    name: ClassVar[str] = "io"

    def __init__(self, cgroups: Cgroups) -> None:
        """Its hierarchy costs a container nothing that another has not paid for."""
        self._cgroups = cgroups
        cgroups.use("io")

    def why_not(self) -> str:
        """Part of Isolator."""
        return self._cgroups.why_not() or self._cgroups.lacks("io")

    def describe(self) -> str:
        """Part of Isolator."""
        return f"cgroup v{self._cgroups.version}, counted, no limit"

    def measure(self, container_id: ContainerID, usage: ContainerUsage) -> None:
        """Part of Isolator."""
        with contextlib.suppress(OSError):
            usage.io_read_bytes, usage.io_written_bytes = self._cgroups.io(container_id).totals()
