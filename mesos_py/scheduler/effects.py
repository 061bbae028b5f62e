"""What a scheduler can ask for: messages to the master, and news for its user.

Effects are performed in order. An acknowledgement follows the delivery of its update: if the user's code fails on an
update, the update is not acknowledged and comes again.
"""

from msgspec import Struct

from mesos_py.messages.scheduler import (
    AgentReturned,
    Call,
    Error,
    ErrorReason,
    Failure,
    InverseOffers,
    MessageReceived,
    Offers,
    RescindInverseOffer,
    Update,
)
from mesos_py.types.ids import FrameworkID
from mesos_py.types.infos import MasterInfo
from mesos_py.types.offers import Offer

__all__ = [
    "Deliver",
    "Disconnected",
    "OffersRescinded",
    "Registered",
    "SchedulerEffect",
    "SendToMaster",
    "StopDriver",
    "UserEvent",
]


class Registered(Struct, frozen=True, tag=True, gc=False):
    """A master listens to us; offers follow."""

    framework_id: FrameworkID
    master: MasterInfo
    again: bool
    """We had this id before; False for a fresh one."""
    replaces: FrameworkID | None = None
    """The id that we had before and that the master has removed, with all its tasks."""


class Disconnected(Struct, frozen=True, tag=True, gc=False):
    """No master listens to us any more; tasks go on, offers in hand are void (told before)."""

    reason: str


class OffersRescinded(Struct, frozen=True, tag=True, gc=False):
    """Offers that cannot be used any more."""

    offers: list[Offer]


UserEvent = (
    Registered
    | Disconnected
    | Offers
    | OffersRescinded
    | InverseOffers
    | RescindInverseOffer
    | Update
    | MessageReceived
    | Failure
    | AgentReturned
    | Error
)
"""Whatever the user is told."""


class SendToMaster(Struct, frozen=True, tag=True, gc=False):
    """Send a call to whoever leads."""

    call: Call


class Deliver(Struct, frozen=True, tag=True, gc=False):
    """Tell the user."""

    event: UserEvent


class StopDriver(Struct, frozen=True, tag=True, gc=False):
    """It is over: as ordered, or because of ``error``."""

    error: str = ""
    reason: ErrorReason | None = None
    """Why the master ended it, if it did."""
    torn_down: bool = False
    """As ordered, and for good: our id is used up."""


SchedulerEffect = SendToMaster | Deliver | StopDriver
"""Whatever a scheduler's core can ask for."""
