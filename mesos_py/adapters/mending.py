"""When to try a broken connection again, and what to tell of that: each reason once per loss, however many attempts."""

import random
from collections.abc import Callable
from typing import Final

from mesos_py.runtime.backoff import delay
from mesos_py.runtime.loop import Loop

__all__ = ["Mender"]

_FIRST_S: Final = 0.1
_CAP_S: Final = 10.0
_JITTER: Final = 0.5
_MOST_REASONS: Final = 20


class Mender:
    """A resident of the loop that calls ``attempt`` when it is time to."""

    def __init__(self, loop: Loop, attempt: Callable[[], None], tell: Callable[[str], None]) -> None:
        """``attempt`` starts one; ``tell`` passes on that the connection is gone, and why it does not come back."""
        self._loop = loop
        self._attempt = attempt
        self._tell = tell
        self._random = random.SystemRandom().random
        self._failures = 0
        self._retry_at: float | None = None
        self._up_since: float | None = None
        self._told: set[str] = set()
        """Reasons of this loss."""

    def start(self) -> None:
        """Attempt at once."""
        self._loop.add(self)
        self._retry_at = 0.0

    def stop(self) -> None:
        """No more attempts."""
        self._retry_at = None
        self._loop.remove(self)

    def mended(self) -> None:
        """The attempt has succeeded."""
        self._up_since = self._loop.clock()
        self._told.clear()

    def failed(self, reason: str) -> None:
        """The attempt has failed, or the connection is lost: try again after a while, the longer the more often."""
        now = self._loop.clock()
        if self._up_since is not None and now - self._up_since >= _CAP_S:
            self._failures = 0  # it has worked for long enough: this is a new misfortune
        self._up_since = None
        self._failures += 1
        self._retry_at = now + delay(self._failures, first=_FIRST_S, cap=_CAP_S, jitter=_JITTER * self._random())
        if reason not in self._told and len(self._told) < _MOST_REASONS:
            self._told.add(reason)
            self._tell(reason)

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._retry_at

    def run_due(self, now: float) -> None:  # noqa: ARG002 - part of Resident
        """Part of Resident."""
        self._retry_at = None
        self._attempt()
