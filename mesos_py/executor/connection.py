"""When to connect, and when to give the agent up."""

__all__ = ["Connection"]

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 1.0
"""Shorter than an agent that was restarted waits for its executors."""


class Connection:
    """The executor's standing with its agent."""

    def __init__(self, recovery_timeout_s: float) -> None:
        self.up = False
        self._recovery_timeout_s = recovery_timeout_s
        self._attempts = 0
        self._connect_at: float | None = None
        self._give_up_at: float | None = None

    def lost(self, now: float) -> None:
        """It ended, or could not be made: try again soon, and not for ever."""
        self.up = False
        if self._give_up_at is None:
            self._give_up_at = now + self._recovery_timeout_s
        self._connect_at = now + min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._attempts, 64))
        self._attempts += 1

    def begin(self, now: float) -> None:
        """Wanted for the first time."""
        self._give_up_at = now + self._recovery_timeout_s

    def made(self) -> None:
        """The socket is open. The agent has accepted us only when it says SUBSCRIBED."""
        self.up = True
        self._connect_at = None

    def accepted(self) -> None:
        """The agent knows us."""
        self._attempts = 0
        self._give_up_at = None

    def next_deadline(self) -> float | None:
        """When to connect, or to give up."""
        return min((at for at in (self._connect_at, self._give_up_at) if at is not None), default=None)

    def should_connect(self, now: float) -> bool:
        """True once, when it is time to try again."""
        if self._connect_at is None or self._connect_at > now:
            return False
        self._connect_at = None
        return True

    def should_give_up(self, now: float) -> bool:
        """True if the agent has been away for too long."""
        return self._give_up_at is not None and self._give_up_at <= now
