"""Decides which ups and downs of something are told: each trouble once and its end once, however often it repeats.

A trouble that comes soon after another ended is told, for its end was; but then nothing more is told until all has been
well for a while, except what is new.
"""

from collections.abc import Callable
from typing import Final

from mesos_py.runtime.loop import Loop

__all__ = ["Standing"]

_LASTING_S: Final = 30.0
_MOST_TOLD: Final = 100

Tell = Callable[[str, str], None]
"""Called with what happened, and why if it is a trouble; at its end with an empty string."""


class Standing:
    """How one thing stands, such as our connection to the broker. A resident of the loop."""

    def __init__(self, loop: Loop, tell: Tell, *, well: bool = False, lasting_s: float = _LASTING_S) -> None:
        """``tell`` is called in the loop's thread. If it is ``well`` already, that is not told."""
        self._loop = loop
        self._tell = tell
        self._lasting_s = lasting_s
        self._well = well
        """As it was told last."""
        self._troubles: set[tuple[str, str]] = set()
        """Told since all was well."""
        self._ended_at = float("-inf")
        self._repeats = False
        self._good = ""
        self._due: float | None = None
        """When the end of the trouble will have lasted, and ``_good`` is told."""
        loop.add(self)

    def bad(self, what: str, why: str) -> None:
        """There is trouble."""
        self._due = None
        if self._well:
            self._well = False
            self._repeats = self._loop.clock() < self._ended_at + self._lasting_s
            self._troubles.clear()
        if (what, why) not in self._troubles and len(self._troubles) < _MOST_TOLD:
            self._troubles.add((what, why))
            self._tell(what, why)

    def good(self, what: str, *, at_once: bool = True) -> None:
        """There is none. Told ``at_once`` unless the trouble keeps coming back, else when that has lasted."""
        if self._well:
            return
        self._good = what
        if at_once and not self._repeats:
            self._end()
        elif self._due is None:
            self._due = self._loop.clock() + self._lasting_s

    def close(self) -> None:
        """Leave the loop."""
        self._loop.remove(self)

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._due

    def run_due(self, now: float) -> None:
        """Part of Resident."""
        if self._due is not None and self._due <= now:
            self._end()

    def _end(self) -> None:
        self._due = None
        self._well = True
        if self._troubles:
            self._ended_at = self._loop.clock()
        self._tell(self._good, "")
