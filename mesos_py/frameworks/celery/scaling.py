"""Decides how many workers of a fleet there shall be, and which of them are to stop. Pure: no clock, no broker.

Up at once, down late: a fleet grows to what waits and runs right now, and shrinks to the most that was needed at any
moment of the last while. What cannot be known counts as work, so that nobody is stopped by mistake.
"""

from collections import deque
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct, field

from mesos_py.types.ids import TaskID

__all__ = ["Fleet", "Phase", "Plan", "Scaler", "Worker"]


class Fleet(Struct, frozen=True, kw_only=True):
    """Workers of one shape, which serve the same queues."""

    queues: tuple[str, ...]
    slots: int = 1
    """Celery tasks that a worker runs at once: its concurrency."""
    cpus: float = 1.0
    mem: float = 256.0
    """In MB."""
    least: int = 0
    most: int = 50

    @property
    def name(self) -> str:
        """Its queues, with commas."""
        return ",".join(self.queues)


class Phase(StrEnum):
    """How far a worker is."""

    WAITING = "WAITING"
    """For an offer."""
    STARTING = "STARTING"
    """Launched, and not heard of."""
    READY = "READY"
    STOPPING = "STOPPING"
    """Was told to shut down, and finishes what it has begun."""
    LOST = "LOST"
    """Its agent is unreachable."""


class Worker(Struct, kw_only=True):
    """One worker as it is known now."""

    task_id: TaskID
    phase: Phase = Phase.WAITING
    busy: int | None = None
    """Slots in use, as it said last; None if it has not said."""


class Plan(Struct, kw_only=True):
    """What to do with one fleet."""

    launch: int = 0
    """So many more."""
    withdraw: list[TaskID] = field(default_factory=list)
    """Of those that wait for an offer: they are not needed any more."""
    stop: list[TaskID] = field(default_factory=list)
    """Warmly."""


class Scaler:
    """One fleet's."""

    def __init__(self, fleet: Fleet, linger_s: float) -> None:
        """A worker that was not needed for ``linger_s`` is stopped."""
        self._fleet = fleet
        self._linger_s = linger_s
        self._needed: deque[tuple[float, int]] = deque()
        """When how many were needed, falling: who is followed by as many or more says nothing."""

    def plan(self, depth: int | None, workers: Sequence[Worker], now: float) -> Plan:
        """``depth`` is how many tasks wait in the queues, None if that is not known just now."""
        fleet = self._fleet
        staff = [worker for worker in workers if worker.phase in (Phase.WAITING, Phase.STARTING, Phase.READY)]
        if depth is None:
            self._needed.clear()  # what was needed while nobody could look is not known
            return Plan(launch=max(0, fleet.least - len(staff)))
        busy = sum(self._busy(worker) for worker in staff)
        needed = max(fleet.least, min(fleet.most, -(-(depth + busy) // fleet.slots)))
        keep = self._most_needed(needed, now)
        plan = Plan(launch=max(0, needed - len(staff)))
        waiting = [worker.task_id for worker in staff if worker.phase is Phase.WAITING]
        plan.withdraw = waiting[len(waiting) - min(len(waiting), max(0, len(staff) - needed)) :]
        spare = len(staff) - len(plan.withdraw) - keep
        if spare > 0:
            ready = [worker for worker in staff if worker.phase is Phase.READY]
            ready.sort(key=self._busy)  # stable: among equals those that were launched first
            plan.stop = [worker.task_id for worker in ready[:spare]]
        return plan

    def _busy(self, worker: Worker) -> int:
        if worker.phase is not Phase.READY:
            return 0
        return self._fleet.slots if worker.busy is None else worker.busy

    def _most_needed(self, needed: int, now: float) -> int:
        """The most that was needed within the last ``linger_s``; all there may be until so long was watched."""
        if not self._needed:
            self._needed.append((now, self._fleet.most))
        while self._needed and self._needed[-1][1] <= needed:
            self._needed.pop()
        self._needed.append((now, needed))
        while len(self._needed) > 1 and self._needed[0][0] < now - self._linger_s:
            self._needed.popleft()
        return self._needed[0][1]
