"""The leader's sign of life, for everybody who listens."""

from msgspec import Struct

from mesos_py.types.infos import MasterInfo

__all__ = ["Beacon"]


class Beacon(Struct, frozen=True, kw_only=True, tag="BEACON", gc=False):
    """The leader says that it leads: at its election, on request, and at an interval."""

    master: MasterInfo
    heartbeat_s: float
    """How often agents shall send a heartbeat."""
    interval_s: float
    """When the next beacon is due at the latest."""
    spread_s: float = 1.0
    """Over how long those who come back to the leader are to spread: the more agents there are, the longer."""
