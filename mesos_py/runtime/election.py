"""Who leads, as a port: a contender that is told when it leads and when it does not, and who does instead."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

__all__ = ["Candidate", "Election", "ElectionListener"]


class Candidate(Struct, frozen=True, gc=False):
    """What a contender says of itself to the others."""

    url: str
    """Base of its HTTP API."""
    lifeline: str = ""
    """``host:port`` that refuses connections as soon as its process has ended; empty if there is none."""


class ElectionListener(Protocol):
    """Told by an election what happens; called in the loop's thread."""

    def elected(self, epoch: int) -> None:
        """We lead, until ``deposed``; the epoch is higher than that of every leader before."""

    def suspended(self) -> None:
        """We lead, but whether still is not known: promise nothing until ``resumed`` or ``deposed``."""

    def resumed(self) -> None:
        """We have led all the time since ``suspended``, and do."""

    def deposed(self, why: str) -> None:
        """We lead no more. It may be long since another does."""

    def led_by(self, leader: Candidate | None) -> None:
        """Who leads while we do not, or None if nobody is known to; called when that changes."""


class Election(Protocol):
    """One contender among many.

    Two contenders may believe at one time that they lead: a leader learns late that it was deposed. Whoever is
    elected later has the higher epoch, and had it before anybody was told. A contender whose process ended or that
    is cut off is deposed after the session timeout, or earlier if others see that it is dead. Unless the ensemble
    is out of reach, somebody leads then. Contenders that are deposed contend again, behind the others.
    """

    def start(self, listener: ElectionListener) -> None:
        """Begin to contend; returns at once."""

    def contenders(self) -> list[Candidate]:
        """Who contends, ourselves too, in the order in which they would lead; as far as is known."""

    def resign(self) -> None:
        """Contend anew, behind the others; a leader is deposed by it."""

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Contend no more: if we lead, another is elected at once.

        The listener is told nothing more. ``on_stopped`` is called in the loop's thread, after seconds at worst.
        """
