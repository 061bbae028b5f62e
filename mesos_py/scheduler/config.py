"""What can be chosen about a scheduler."""

from msgspec import Struct, field

from mesos_py.types.ids import FrameworkID, Role
from mesos_py.types.infos import FrameworkInfo

__all__ = ["Backoff", "SchedulerConfig"]


class Backoff(Struct, frozen=True, kw_only=True, gc=False):
    """Waits that double from ``first_s`` to ``cap_s``."""

    first_s: float
    cap_s: float
    jitter: float = 0.0
    """In [0, 1): shortens every wait by this fraction, so that not all come at once."""

    def after(self, attempt: int) -> float:
        """Seconds to wait after this attempt, the first being 1."""
        longest: float = self.first_s * 2 ** min(attempt - 1, 64)
        return min(self.cap_s, longest) * (1.0 - self.jitter)


class SchedulerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scheduler's settings."""

    framework: FrameworkInfo
    framework_id: FrameworkID | None = None
    """Come back as this framework; None for a fresh id."""
    suppressed_roles: list[Role] = field(default_factory=list)
    """Roles that want no offers at first."""
    auto_acknowledge: bool = True
    """Acknowledge each update once the user has been told; otherwise the user acknowledges."""
    keep_id: bool = False
    """Stop with an error when the master has removed our id, rather than go on with a fresh one."""
    agent_returns: bool = False
    """Be told when agents that were given up are back."""
    inverse_offers: bool = False
    """Be asked whether we can do without agents that are to be taken down."""
    subscribing: Backoff = Backoff(first_s=1.0, cap_s=30.0)
    killing: Backoff = Backoff(first_s=10.0, cap_s=300.0)
    reconciling: Backoff = Backoff(first_s=5.0, cap_s=120.0)
    launch_answer_s: float = 60.0
    """Ask for a launched task that nobody has spoken of for so long."""
    reconcile_every_s: float = 900.0
    """Ask for all live tasks this often, in case an update of the master's own was lost; 0 for never."""
    missed_heartbeats: int = 5
    """Give the master up after so many silent intervals."""
    leave_within_s: float = 10.0
    """How long a teardown waits for a master before it gives up."""
    remember_ended: int = 100_000
    """Ended tasks whose repeated updates are recognised."""
