"""Finds out that bodies are missing, from the numbers that their senders give them.

A queue that is full drops its oldest bodies, and a connection that breaks takes along what it carried. Either way
something newer arrives, whose number says how many have gone missing before it.
"""

from collections.abc import Hashable
from typing import Final

__all__ = ["Gaps"]

_SENDERS_KEPT: Final = 100_000
"""Senders choose their names; beyond so many we begin anew, which hides no more than one gap of each."""


class Gaps:
    """Follows the numbers of any number of senders."""

    def __init__(self) -> None:
        """Whatever number a sender is first heard with, nothing is missing before it."""
        self._last: dict[Hashable, int] = {}

    def missed(self, sender: Hashable, number: int) -> int:
        """How many bodies of this sender have not come before this one; 0 if it does not number them."""
        if not number:
            return 0
        if len(self._last) >= _SENDERS_KEPT and sender not in self._last:
            self._last.clear()
        last = self._last.get(sender, number - 1)
        self._last[sender] = number
        return max(0, number - last - 1)  # a sender may begin anew

    def forget(self) -> None:
        """What comes now may not follow on what came."""
        self._last.clear()
