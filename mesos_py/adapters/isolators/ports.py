"""On which TCP ports of the host each container listens, by looking from time to time, and which are not its own.

A container with a network of its own listens on no port of the host. A port that was opened and closed between two
looks is not seen.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final

from mesos_py.adapters.chores import Chore, Chores
from mesos_py.adapters.isolators.base import Isolator, Limitation
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerSpec, ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason
from mesos_py.types.values import Ranges, format_value, normal_ranges, ranges_common, ranges_minus

__all__ = ["PortsIsolator", "listening_ports", "listening_sockets"]

_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENS: Final = "0A"


class _Watched:
    """A running container, at the last look."""

    def __init__(self, own: Ranges) -> None:
        self.own = own
        self.ports: list[int] | None = None


class PortsIsolator(Isolator):
    """Notes ports, and ends whoever listens on one that is not among its resources if it shall."""

    name: ClassVar[str] = "ports"

    def __init__(
        self,
        pids: Callable[[ContainerID], Iterable[int]],
        *,
        enforce: bool = False,
        interval_s: float = 30.0,
        guarded: Ranges | None = None,
    ) -> None:
        """``pids`` gives a container's processes; it is called in a worker thread, also for one that has just ended.

        Only ports in ``guarded`` are reserved to those who have them, as the agent's own ports; None for all.
        """
        self._pids = pids
        self._enforce = enforce
        self._interval_s = interval_s
        self._guarded = guarded
        self._watched: dict[ContainerID, _Watched] = {}
        self._next: float | None = None
        self._loop: Loop
        self._limited: Callable[[ContainerID, Limitation], None]
        self._chores: Chores

    def why_not(self) -> str:
        """Part of Isolator."""
        return "" if os.path.exists(_TABLES[0]) else "the kernel lists no TCP sockets"

    def describe(self) -> str:
        """Part of Isolator."""
        which = "" if self._guarded is None else f" in {format_value(self._guarded)}"
        consequence = f"whoever takes others'{which} is ended" if self._enforce else "nobody is kept from others'"
        return f"listening ports are looked up every {self._interval_s:g} s; {consequence}"

    def open(self, loop: Loop, limited: Callable[[ContainerID, Limitation], None]) -> None:
        """Part of Isolator."""
        self._loop = loop
        self._limited = limited
        self._chores = Chores(loop, "ports")
        loop.add(self)

    def close(self) -> None:
        """Part of Isolator."""
        self._loop.remove(self)
        self._chores.close()

    # Containers

    def started(self, spec: ContainerSpec, pid: int) -> None:
        """Part of Isolator."""
        del pid
        if not self._watched and self._next is None:
            self._next = self._loop.clock() + self._interval_s
        self._watched[spec.container_id] = _Watched(spec.resources.ports)

    def recovered(self, spec: ContainerSpec, pid: int, notes: Mapping[str, str]) -> None:
        """Part of Isolator."""
        del notes
        self.started(spec, pid)

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Part of Isolator."""
        del limits
        if watched := self._watched.get(container_id):
            watched.own = resources.ports

    def measure(self, container_id: ContainerID, usage: ContainerUsage) -> None:
        """Part of Isolator."""
        if watched := self._watched.get(container_id):
            usage.listening_ports = watched.ports

    def ended(self, container_id: ContainerID) -> None:
        """Part of Isolator."""
        self._watched.pop(container_id, None)

    # Looking

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._next

    def run_due(self, now: float) -> None:
        """Part of Resident: one look for all; the next begins when it is done, and its time has come."""
        self._next = None
        if not self._watched:
            return

        def seen(found: dict[ContainerID, list[int]] | None) -> None:
            self._next = max(now + self._interval_s, self._loop.clock()) if self._watched else None
            for container_id, ports in (found or {}).items():
                if watched := self._watched.get(container_id):
                    watched.ports = ports
                    self._judge(container_id, watched)

        self._chores.add(_look(list(self._watched), self._pids), seen)

    def _judge(self, container_id: ContainerID, watched: _Watched) -> None:
        if not self._enforce or not watched.ports:
            return
        strange = ranges_minus(normal_ranges([port, port] for port in watched.ports), watched.own)
        if self._guarded is not None:
            strange = ranges_common(strange, self._guarded)
        if strange:
            message = f"it listens on ports {format_value(strange)}, of its own it has {format_value(watched.own)}"
            self._limited(container_id, Limitation(Reason.CONTAINER_LIMITATION, message))


# Looking


def _look(
    container_ids: list[ContainerID], pids: Callable[[ContainerID], Iterable[int]]
) -> Chore[dict[ContainerID, list[int]]]:
    sockets = listening_sockets()
    found = {}
    for container_id in container_ids:
        yield
        with contextlib.suppress(OSError):  # it has just ended
            found[container_id] = listening_ports(pids(container_id), sockets)
    return found


def listening_sockets() -> dict[str, int]:
    """The port of every socket of this host's network that listens, by how a descriptor of it reads as a link."""
    sockets = {}
    for table in _TABLES:
        with contextlib.suppress(OSError), open(table, encoding="ascii") as lines:  # a host may have no IPv6
            next(lines, None)
            for line in lines:
                fields = line.split()
                if fields[3] == _LISTENS:
                    sockets[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
    return sockets


def listening_ports(pids: Iterable[int], sockets: Mapping[str, int]) -> list[int]:
    """Those of ``sockets`` that one of these processes holds, as ports in order."""
    ports = set()
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:  # gone, or out of our sight
            continue
        for name in names:
            with contextlib.suppress(OSError):
                if (port := sockets.get(os.readlink(f"/proc/{pid}/fd/{name}"))) is not None:
                    ports.add(port)
    return sorted(ports)
