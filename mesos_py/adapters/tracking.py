"""Which processes belong to a container, and how all of them are ended."""

import contextlib
import os
import signal
from collections.abc import Iterable, Sequence
from typing import Protocol

import psutil

from mesos_py.adapters.cgroups.hierarchy import Cgroups
from mesos_py.adapters.processes import ProcessTable
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.ids import ContainerID

__all__ = ["CgroupTracker", "SessionTracker", "Tracker", "fill_in", "kill_all", "kill_now"]


class Tracker(Protocol):
    """Knows the processes of containers; ``pid`` is always a container's first process, 0 if nobody knows it."""

    def open(self) -> None:
        """Get ready. Raises OSError."""

    def close(self) -> None:
        """Take away what no container needs."""

    def look(self) -> None:
        """Take note of all processes: what follows speaks of this moment."""

    def prepare(self, container_id: ContainerID) -> list[str]:
        """Make what it is tracked by; gives the cgroups that its first process must enter. Raises OSError."""

    def members(self, container_id: ContainerID, pid: int) -> list[int]:
        """Its live processes, the first among them."""

    def kill(self, container_id: ContainerID, pid: int, *, has_ended: bool) -> bool:
        """Kill them; True if none was left. Otherwise look again soon. ``has_ended``: its first process has."""

    def out_of_reach(self, container_id: ContainerID) -> list[int]:
        """Processes that could not be killed, for they are somebody else's."""

    def remove(self, container_id: ContainerID) -> bool:
        """Take away what it was tracked by; False if that must be tried again. Safe to repeat."""

    def known(self) -> list[ContainerID]:
        """Containers, of this agent process or an earlier one, of which there is something to be removed."""


class CgroupTracker:
    """A Tracker by cgroups: nothing escapes it.

    A container that has no cgroup where we look, for an earlier agent process had others or none, is tracked by its
    session as long as its first process lives. That is enough for one with an init, whose end is the end of all.
    """

    def __init__(self, cgroups: Cgroups) -> None:
        """``open`` makes their root."""
        self._cgroups = cgroups
        self._here: set[ContainerID] = set()
        """Containers that have a cgroup."""
        self._elsewhere = SessionTracker()

    def open(self) -> None:
        """Part of Tracker."""
        self._cgroups.open()
        self._here.update(self._cgroups.containers())

    def close(self) -> None:
        """Part of Tracker."""
        self._cgroups.close()

    def look(self) -> None:
        """Part of Tracker: the kernel keeps the list."""

    def prepare(self, container_id: ContainerID) -> list[str]:
        """Part of Tracker."""
        self._here.add(container_id)
        return self._cgroups.create(container_id)

    def members(self, container_id: ContainerID, pid: int) -> list[int]:
        """Part of Tracker."""
        if container_id in self._here or pid <= 0:
            return self._cgroups.pids(container_id)
        self._elsewhere.look()
        return self._elsewhere.members(container_id, pid)

    def kill(self, container_id: ContainerID, pid: int, *, has_ended: bool) -> bool:
        """Part of Tracker."""
        if container_id in self._here or pid <= 0:
            return self._cgroups.kill(container_id)
        self._elsewhere.look()
        return self._elsewhere.kill(container_id, pid, has_ended=has_ended)

    def out_of_reach(self, container_id: ContainerID) -> list[int]:
        """Part of Tracker: root reaches all."""
        del container_id
        return []

    def remove(self, container_id: ContainerID) -> bool:
        """Part of Tracker."""
        self._elsewhere.remove(container_id)
        if not self._cgroups.remove(container_id):
            return False
        self._here.discard(container_id)
        return True

    def known(self) -> list[ContainerID]:
        """Part of Tracker."""
        return self._cgroups.containers()


class SessionTracker:
    """A Tracker by sessions and descent.

    A process that puts itself into a session of its own and whose ancestors have all ended escapes it.
    """

    def __init__(self) -> None:
        """``look`` comes first."""
        self._table = ProcessTable([])
        self._unclean: set[ContainerID] = set()
        """Something was found at the last look: a process may have hidden behind its own child."""
        self._refused: dict[ContainerID, list[int]] = {}

    def open(self) -> None:
        """Part of Tracker: nothing to do."""

    def close(self) -> None:
        """Part of Tracker: nothing to do."""

    def look(self) -> None:
        """Part of Tracker; takes about 8 us for each process of the host."""
        self._table = ProcessTable()

    def prepare(self, container_id: ContainerID) -> list[str]:
        """Part of Tracker."""
        del container_id
        return []

    def members(self, container_id: ContainerID, pid: int) -> list[int]:
        """Part of Tracker."""
        del container_id
        if pid <= 0:
            return []
        return [*([pid] if self._table.is_alive(pid) else []), *self._table.family(pid)]

    def kill(self, container_id: ContainerID, pid: int, *, has_ended: bool) -> bool:
        """Part of Tracker."""
        is_somebody_else = has_ended and self._table.is_alive(pid)  # a number serves again once nobody uses it
        members = [] if is_somebody_else else self.members(container_id, pid)
        refused = kill_all(members)
        self._refused[container_id] = refused
        if set(members) - set(refused):
            self._unclean.add(container_id)
            return False
        if container_id in self._unclean:
            self._unclean.discard(container_id)
            return False
        return True

    def out_of_reach(self, container_id: ContainerID) -> list[int]:
        """Part of Tracker."""
        return self._refused.get(container_id, [])

    def remove(self, container_id: ContainerID) -> bool:
        """Part of Tracker."""
        self._unclean.discard(container_id)
        self._refused.pop(container_id, None)
        return True

    def known(self) -> list[ContainerID]:
        """Part of Tracker."""
        return []


def fill_in(usage: ContainerUsage, pids: Sequence[int]) -> None:
    """What no isolator has measured, added up over these processes; without those that have ended."""
    seconds, size, count = 0.0, 0, 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                seconds += times.user + times.system
                size += process.memory_info().rss
                count += 1
    usage.processes = count if usage.processes is None else usage.processes
    usage.cpu_s = seconds if usage.cpu_s is None else usage.cpu_s
    usage.memory_bytes = size if usage.memory_bytes is None else usage.memory_bytes


def kill_all(pids: Iterable[int], number: int = signal.SIGKILL) -> list[int]:
    """Send a signal to each; returns those that we are not allowed to signal."""
    refused = []
    for pid in pids:
        try:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        except PermissionError:
            refused.append(pid)
    return refused


def kill_now(tracker: Tracker, container_id: ContainerID, pid: int) -> None:
    """Kill a container that has just begun, while its first process is certainly the one of that number."""
    try:
        tracker.look()
        tracker.kill(container_id, pid, has_ended=False)
    except OSError:  # there are no descriptors to look with; what is left is found when there are
        kill_all([pid])
