"""Whether a master listens to us, which one, and when to try again or give it up.

::

    OFFLINE ──broker──▶ SUBSCRIBING ──SUBSCRIBED──▶ SUBSCRIBED
       ▲                 │  ▲    ▲                    │  │
       └──broker lost────┘  │    └──silence, newer────┘  │
       ▲                    └──────── leader             │
       └─────────────────────broker lost─────────────────┘
"""

from enum import Enum

from mesos_py.scheduler.config import SchedulerConfig

__all__ = ["Phase", "Subscription"]

_GAP_S = 0.2
"""Never subscribe twice within this time, whatever the reason."""
_LONGEST_SPREAD_S = 1.0
"""Frameworks are fewer than agents, and would miss offers: they do not spread over as long."""


class Phase(Enum):
    """How far we are."""

    OFFLINE = "no broker"
    SUBSCRIBING = "no master"
    SUBSCRIBED = "subscribed"


class Subscription:
    """Phases, epochs and their deadlines; it sends nothing itself."""

    def __init__(self, config: SchedulerConfig) -> None:
        """One per scheduler."""
        self._config = config
        self.phase = Phase.OFFLINE
        self.epoch = 0
        """Of the newest master heard of; what an older one says is not listened to."""
        self.ever_asked = False
        self._attempt = 0
        self._due = 0.0
        self._asked_at = float("-inf")
        self._heard_at = 0.0
        self._sent_at = 0.0
        self._interval_s = 0.0

    @property
    def subscribed(self) -> bool:
        """A master listens to us, as far as we know."""
        return self.phase is Phase.SUBSCRIBED

    def next_deadline(self) -> float | None:
        """When to subscribe, send a heartbeat, or give the master up."""
        match self.phase:
            case Phase.OFFLINE:
                return None
            case Phase.SUBSCRIBING:
                return self._due
            case Phase.SUBSCRIBED:
                return min(self._heard_at + self._patience_s, self._sent_at + self._interval_s)

    def go_offline(self) -> None:
        """The broker is lost."""
        self.phase = Phase.OFFLINE

    def begin(self, now: float, *, gap_s: float = _GAP_S, spread_s: float = 0.0) -> None:
        """Subscribe as soon as may be: ``gap_s`` after the last time at the earliest.

        Where others do so as well, ``spread_s`` is over how long they spread; we wait for our part of that.
        """
        self.phase = Phase.SUBSCRIBING
        self._attempt = 0
        wait_s = self._config.subscribing.jitter * max(0.0, min(spread_s, _LONGEST_SPREAD_S))
        self._due = max(now + wait_s, self._asked_at + gap_s)

    def may_ask(self, now: float) -> bool:
        """Whether a SUBSCRIBE is due."""
        return self.phase is Phase.SUBSCRIBING and self._due <= now

    def asked(self, now: float) -> None:
        """A SUBSCRIBE was sent."""
        self._attempt += 1
        self._asked_at = now
        self._due = now + self._config.subscribing.after(self._attempt)
        self.ever_asked = True

    def granted(self, heartbeat_interval_s: float, now: float) -> None:
        """SUBSCRIBED came."""
        self.phase = Phase.SUBSCRIBED
        self._interval_s = max(heartbeat_interval_s, 0.1)
        self._heard_at = self._sent_at = now

    def heard(self, now: float) -> None:
        """The master said something to us."""
        self._heard_at = now

    def sent(self, now: float) -> None:
        """We said something to the master."""
        self._sent_at = now

    def is_silent(self, now: float) -> bool:
        """The master has been silent for too long."""
        return self.subscribed and now >= self._heard_at + self._patience_s

    def owes_heartbeat(self, now: float) -> bool:
        """We have been silent for an interval."""
        return self.subscribed and now >= self._sent_at + self._interval_s

    @property
    def _patience_s(self) -> float:
        return self._config.missed_heartbeats * self._interval_s
