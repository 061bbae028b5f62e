"""What the batch core is told, and what it orders."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from mesos_py.frameworks.batch.jobs import Job, Share
from mesos_py.frameworks.batch.requests import Request
from mesos_py.types.ids import AgentID, TaskID
from mesos_py.types.offers import Offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import TaskStatus

__all__ = [
    "Account",
    "Agent",
    "AgentsSeen",
    "Answer",
    "Asked",
    "Decline",
    "Effect",
    "Event",
    "KillShare",
    "Launch",
    "OffersCame",
    "OffersLost",
    "Refuse",
    "ShareChanged",
    "Ticked",
    "WantOffers",
]


class Agent(Struct, frozen=True, kw_only=True):
    """One node of the cluster."""

    hostname: str
    resources: Resources
    """All that it has, in unreserved form."""
    used: Resources
    """By whomever."""
    is_usable: bool = True
    """Connected, and not being drained."""


class Asked(Struct, frozen=True, kw_only=True):
    """A user wants something; the answer is Answer or Refuse."""

    request: Request
    user: str
    is_operator: bool


class OffersCame(Struct, frozen=True, kw_only=True):
    """These are ours for a while."""

    offers: Sequence[Offer]


class OffersLost(Struct, frozen=True, kw_only=True):
    """These are void; None for all."""

    offers: Sequence[Offer] | None = None


class ShareChanged(Struct, frozen=True, kw_only=True):
    """A task of a job has a new state."""

    status: TaskStatus


class AgentsSeen(Struct, frozen=True, kw_only=True):
    """The agents that the master knows now."""

    agents: Mapping[AgentID, Agent]


class Ticked(Struct, frozen=True, kw_only=True):
    """Time has passed."""


Event = Asked | OffersCame | OffersLost | ShareChanged | AgentsSeen | Ticked


class Answer(Struct, frozen=True, kw_only=True):
    """To the Asked that was handled."""

    value: Any
    """What ``wire`` can carry."""
    job: Job | None = None
    """The one that was submitted (of an array the first), whose script is to be kept."""


class Refuse(Struct, frozen=True, kw_only=True):
    """The Asked that was handled asks for what cannot be; it has changed nothing."""

    why: str


class Launch(Struct, frozen=True, kw_only=True):
    """Launch shares on the offers of one agent."""

    offers: list[Offer]
    shares: list[tuple[Job, Share]]


class Decline(Struct, frozen=True, kw_only=True):
    """Give offers back."""

    offers: list[Offer]


class KillShare(Struct, frozen=True, kw_only=True):
    """End a task."""

    task_id: TaskID


class WantOffers(Struct, frozen=True, kw_only=True):
    """Whether we want offers; if so forget what was declined."""

    wanted: bool


class Account(Struct, frozen=True, kw_only=True):
    """A line of the accounting log: Q, S, E, D, R or H, as in PBS."""

    kind: str
    job_id: str
    fields: dict[str, Any] = field(default_factory=dict)


Effect = Answer | Refuse | Launch | Decline | KillShare | WantOffers | Account
