"""What can happen to a scheduler."""

from typing import Final

from msgspec import Struct

from mesos_py.messages.scheduler import (
    Accept,
    AcceptInverseOffers,
    Acknowledge,
    Decline,
    DeclineInverseOffers,
    Event,
    Kill,
    Message,
    Reconcile,
    Request,
    Revive,
    Shutdown,
    Suppress,
)
from mesos_py.types.ids import FrameworkID

__all__ = [
    "OURS",
    "BrokerConnected",
    "BrokerLost",
    "EventsMissed",
    "MasterSaid",
    "SchedulerEvent",
    "StopOrdered",
    "Ticked",
    "UserCall",
    "UserCalled",
]

OURS: Final = FrameworkID("")
"""Stands for our own framework id in what the user calls; the core fills it in."""


class Ticked(Struct, frozen=True, tag=True, gc=False):
    """Time has passed."""


class BrokerConnected(Struct, frozen=True, tag=True, gc=False):
    """Messages can be sent (again)."""


class BrokerLost(Struct, frozen=True, tag=True, gc=False):
    """Nothing sent arrives until BrokerConnected."""

    reason: str = "the broker is not reached"


class MasterSaid(Struct, frozen=True, tag=True, gc=False):
    """A message from a master; ``epoch`` is its sender's."""

    epoch: int
    message: Event


class EventsMissed(Struct, frozen=True, tag=True, gc=False):
    """Some of what the master of this epoch has sent to us never came."""

    epoch: int


UserCall = (
    Accept
    | Decline
    | AcceptInverseOffers
    | DeclineInverseOffers
    | Revive
    | Suppress
    | Kill
    | Shutdown
    | Acknowledge
    | Reconcile
    | Message
    | Request
)
"""Whatever a user may ask for; ``framework_id`` is OURS."""


class UserCalled(Struct, frozen=True, tag=True, gc=False):
    """The user wants something of the master."""

    call: UserCall


class StopOrdered(Struct, frozen=True, tag=True, gc=False):
    """The user wants to stop: for good (``teardown``: all tasks are killed), or to come back with the same id."""

    teardown: bool


SchedulerEvent = Ticked | BrokerConnected | BrokerLost | MasterSaid | EventsMissed | UserCalled | StopOrdered
"""Whatever a scheduler's core can be told."""
