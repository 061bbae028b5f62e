"""The one clock: seconds since the epoch that never run backwards.

Cores get their time from here, as an argument. It starts as wall-clock time and then follows the monotonic clock, so
that one number serves for deadlines and for timestamps, and a step of the wall clock times nobody out.
"""

import time
from collections.abc import Callable

__all__ = ["Clock", "system_clock"]

Clock = Callable[[], float]
"""Gives the time in seconds since the epoch."""


def system_clock() -> Clock:
    """A clock that agrees with the wall clock now."""
    offset = time.time() - time.monotonic()
    monotonic = time.monotonic
    return lambda: monotonic() + offset
