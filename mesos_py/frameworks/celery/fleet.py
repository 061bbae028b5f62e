"""One fleet of a running framework: its workers as far as they are known, and when to stop trying to start them."""

from collections.abc import Iterable

from mesos_py import TaskState
from mesos_py.frameworks.celery.scaling import Fleet, Phase, Plan, Scaler, Worker
from mesos_py.types.ids import TaskID

__all__ = ["Member", "Muster"]

_LONGEST_WAIT_S = 60.0
_VAIN_STARTS = 5
"""So many in a row, and never one that went well: it will not do."""


class Member(Worker, kw_only=True):
    """A worker, and where it is."""

    node: str = ""
    """Its name in Celery, once it was heard."""
    host: str = ""
    processed: int = 0


class Muster:
    """The workers of one fleet."""

    def __init__(self, fleet: Fleet, linger_s: float) -> None:
        """Nobody is there yet."""
        self.fleet = fleet
        self.members: dict[TaskID, Member] = {}
        self.depth: int | None = None
        """Tasks that wait in the queues, if that is known."""
        self._scaler = Scaler(fleet, linger_s)
        self._vain = 0
        self._worked = False
        self._not_before = 0.0

    def plan(self, now: float) -> Plan:
        """What to do."""
        plan = self._scaler.plan(self.depth, list(self.members.values()), now)
        if now < self._not_before:
            plan.launch = 0
        return plan

    def add(self, member: Member) -> None:
        """One more."""
        self.members[member.task_id] = member

    def heard(self, task_id: TaskID, node: str, busy: int, processed: int) -> None:
        """A worker said how it is."""
        member = self.members.get(task_id)
        if member is None:
            return
        self._vain, self._worked, self._not_before = 0, True, 0.0
        member.node, member.busy, member.processed = node, busy, processed
        if member.phase in (Phase.STARTING, Phase.LOST):
            member.phase = Phase.READY

    def ended(self, task_id: TaskID, state: TaskState, now: float) -> bool:
        """A worker is no more; whether that is the last straw: none of them ever starts."""
        member = self.members.pop(task_id, None)
        if member is None or member.node or state not in (TaskState.FAILED, TaskState.ERROR, TaskState.FINISHED):
            return False
        self._vain += 1
        self._not_before = now + min(_LONGEST_WAIT_S, 2.0 ** (self._vain - 1))
        return not self._worked and self._vain >= _VAIN_STARTS

    def in_phase(self, *phases: Phase) -> list[Member]:
        """Those that are so far."""
        return [member for member in self.members.values() if member.phase in phases]

    @property
    def busy(self) -> int:
        """Slots in use, as far as they are known."""
        return sum(member.busy or 0 for member in self.members.values())


def find(musters: Iterable[Muster], task_id: TaskID) -> Muster | None:
    """Whose worker this is."""
    return next((muster for muster in musters if task_id in muster.members), None)
