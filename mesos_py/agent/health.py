"""When a command task's health is checked, and what the results mean.

The first check comes ``delay_s`` after the task began to run, the next ``interval_s`` after each result. Failures
within the grace period count only after a first success. The first success, every failure and the recovery from
failures are reported; so many failures in a row end the task.
"""

from enum import Enum, auto

from mesos_py.agent.timers import Timer
from mesos_py.types.tasks import HealthCheck

__all__ = ["Health", "Verdict"]

_SHORTEST_INTERVAL_S = 0.1
"""Whatever a task wishes: its checks must not keep the agent busy."""


class Verdict(Enum):
    """What one result means."""

    NOTHING_NEW = auto()
    HEALTHY = auto()
    UNHEALTHY = auto()
    HOPELESS = auto()
    """Unhealthy once too often."""


class Health:
    """The checks of one running task."""

    __slots__ = ("_failures", "_started", "_succeeded", "check", "timer", "waiting")

    def __init__(self, check: HealthCheck, now: float) -> None:
        self.check = check
        self.timer: Timer | None = None
        self.waiting = False
        """For the answer to a check."""
        self._started = now
        self._failures = 0
        self._succeeded = False

    def first_check(self) -> float:
        """When."""
        return self._started + self.check.delay_s

    def next_check(self, now: float) -> float:
        """When, after the result that came now."""
        return now + max(self.check.interval_s, _SHORTEST_INTERVAL_S)

    def judge(self, *, healthy: bool, now: float) -> Verdict:
        """Take in a result."""
        self.waiting = False
        if healthy:
            news = not self._succeeded or self._failures > 0
            self._succeeded = True
            self._failures = 0
            return Verdict.HEALTHY if news else Verdict.NOTHING_NEW
        if not self._succeeded and now - self._started < self.check.grace_period_s:
            return Verdict.NOTHING_NEW
        self._failures += 1
        return Verdict.HOPELESS if self._failures >= self.check.consecutive_failures else Verdict.UNHEALTHY
