"""How long work waits for a place near its data: delay scheduling, with the levels node, rack and any.

Data are cheap to read where they are. Most offers come from elsewhere, but the next one is never far off: who declines
a few gets nearly all of his tasks to their data, and loses little time. So a group of tasks accepts only places next to
data at first; if none comes up for a while, those in the same rack too; at last any.
"""

from collections.abc import Iterable
from enum import IntEnum

from msgspec import Struct

from mesos_py.errors import UserError
from mesos_py.scheduler.toolkit.constraints import Place
from mesos_py.scheduler.toolkit.specs import TaskSpec
from mesos_py.types.attributes import attribute_text
from mesos_py.types.offers import Offer

__all__ = ["Delay", "DelayPolicy", "Locality"]


class Locality(IntEnum):
    """How near a place is to the data; less is nearer."""

    NODE = 0
    RACK = 1
    ANY = 2


class DelayPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to hold out for a nearer place. Raises UserError if it makes no sense."""

    node_s: float = 3.0
    """Seconds without a launch next to data until the same rack will do ..."""
    rack_s: float = 3.0
    """... and so many more until any place will."""
    rack_attribute: str = "rack"
    """The agents' attribute that names their rack."""

    def __post_init__(self) -> None:
        if not self.node_s >= 0 or not self.rack_s >= 0:
            raise UserError("waits are seconds, and not negative")


class Delay:
    """Follows how long one group of tasks has waited.

    >>> delay = Delay(DelayPolicy(node_s=3, rack_s=2), now=10.0)
    >>> delay.allowed(now=12.0), delay.allowed(now=14.0), delay.allowed(now=15.0)
    (<Locality.NODE: 0>, <Locality.RACK: 1>, <Locality.ANY: 2>)
    >>> delay.launched(Locality.NODE, now=15.0)
    >>> delay.allowed(now=15.0)
    <Locality.NODE: 0>
    """

    def __init__(self, policy: DelayPolicy, now: float) -> None:
        """It begins to wait now."""
        self._policy = policy
        self._since = now
        self._rack_of: dict[str, str] = {}

    def saw(self, places: Iterable[Place | Offer]) -> None:
        """Learn which rack each host is in."""
        for place in places:
            rack = place.attributes.get(self._policy.rack_attribute)
            if rack is not None:
                self._rack_of[place.hostname] = attribute_text(rack)

    def level_at(self, spec: TaskSpec, place: Place | Offer) -> Locality:
        """How near the place is to what the task reads; NODE for one that is at home anywhere."""
        if not spec.hosts or place.hostname in spec.hosts:
            return Locality.NODE
        rack = self._rack_of.get(place.hostname)
        if rack is not None and any(self._rack_of.get(host) == rack for host in spec.hosts):
            return Locality.RACK
        return Locality.ANY

    def allowed(self, now: float) -> Locality:
        """The farthest that will do now."""
        waited = now - self._since
        if waited < self._policy.node_s:
            return Locality.NODE
        return Locality.RACK if waited < self._policy.node_s + self._policy.rack_s else Locality.ANY

    def launched(self, level: Locality, now: float) -> None:
        """One went off at this level: the wait begins anew where that level begins."""
        begins = (0.0, self._policy.node_s, self._policy.node_s + self._policy.rack_s)
        self._since = max(self._since, now - begins[level])

    def restart(self, now: float) -> None:
        """Something new waits, after nothing did."""
        self._since = now

    def next_deadline(self, now: float) -> float | None:
        """When something farther away will do: ask for offers again then; None if anything does already."""
        steps = (self._since + self._policy.node_s, self._since + self._policy.node_s + self._policy.rack_s)
        return next((step for step in steps if step > now), None)
