"""What is tried again after it failed, when, and when to give up."""

import heapq
from collections.abc import Iterator

from msgspec import Struct

from mesos_py.errors import UserError
from mesos_py.types.tasks import TERMINAL, Reason, TaskState

__all__ = ["Retries", "RetryPolicy"]

_NOT_ITS_FAULT = frozenset({TaskState.DROPPED, TaskState.GONE, TaskState.GONE_BY_OPERATOR, TaskState.UNREACHABLE})


class RetryPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often to try, and how long to wait between. Raises UserError if it makes no sense."""

    attempts: int = 3
    """In all; what the cluster did to the task (DROPPED, GONE, UNREACHABLE, its agent drained) does not count."""
    first_s: float = 1.0
    """Wait after the first failure; doubled after each further one."""
    cap_s: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not self.first_s >= 0 or not self.cap_s >= 0:
            raise UserError("a retry policy needs at least one attempt, and waits that are not negative")

    def wait_after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 64)) if failures > 0 else 0.0


class _Record(Struct):
    failures: int = 0
    setbacks: int = 0
    due: float | None = None


class Retries:
    """Follows pieces of work by name, across the tasks that try it (give each attempt a task id of its own).

    >>> retries = Retries(RetryPolicy(attempts=3, first_s=1))
    >>> retries.ended("job-7", TaskState.FAILED, now=100.0)
    101.0
    >>> list(retries.due(now=101.0))
    ['job-7']
    """

    def __init__(self, policy: RetryPolicy) -> None:
        """One policy for all."""
        self._policy = policy
        self._records: dict[str, _Record] = {}
        self._waiting: list[tuple[float, str]] = []

    def ended(self, key: str, state: TaskState, now: float, reason: Reason | None = None) -> float | None:
        """An attempt ended thus: when to try again, or None for never (it is FINISHED or KILLED, or given up).

        A task that was KILLED because its agent is being drained (``reason``) is tried again.
        """
        if state not in TERMINAL and state is not TaskState.UNREACHABLE:
            raise UserError(f"{key}: {state} is not an end")
        if state is TaskState.KILLED and reason is Reason.AGENT_DRAINING:
            state = TaskState.GONE
        if state in (TaskState.FINISHED, TaskState.KILLED, TaskState.ERROR):
            self._records.pop(key, None)
            return None
        record = self._records.setdefault(key, _Record())
        if state in _NOT_ITS_FAULT:
            record.setbacks += 1
        else:
            record.failures += 1
            if record.failures >= self._policy.attempts:
                del self._records[key]
                return None
        record.due = now + self._policy.wait_after(record.failures + record.setbacks)
        heapq.heappush(self._waiting, (record.due, key))
        return record.due

    def due(self, now: float) -> Iterator[str]:
        """What to try again now; each is named once."""
        while self._waiting and self._waiting[0][0] <= now:
            due, key = heapq.heappop(self._waiting)
            record = self._records.get(key)
            if record is not None and record.due == due:
                record.due = None
                yield key

    def next_deadline(self) -> float | None:
        """When something is due; at times earlier, if what was due is forgotten."""
        return self._waiting[0][0] if self._waiting else None

    def failures(self, key: str) -> int:
        """How often it has failed in a row by its own fault."""
        record = self._records.get(key)
        return record.failures if record is not None else 0

    def forget(self, key: str) -> None:
        """It went well, or is not wanted any more."""
        self._records.pop(key, None)
