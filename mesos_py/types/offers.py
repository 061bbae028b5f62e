"""Offers, and what a scheduler can do with them."""

from typing import Final

from msgspec import Struct, field

from mesos_py.types.attributes import Attributes
from mesos_py.types.ids import AgentID, ExecutorID, FrameworkID, OfferID, Role
from mesos_py.types.maintenance import Unavailability
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import ExecutorInfo, TaskInfo

__all__ = ["DEFAULT_REFUSE_S", "MAX_REFUSE_S", "InverseOffer", "Launch", "LaunchGroup", "Offer", "Operation"]

DEFAULT_REFUSE_S: Final = 5.0
MAX_REFUSE_S: Final = 365 * 24 * 3600.0


class Offer(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Free resources of one agent, for one framework in one role, until answered, rescinded or timed out."""

    offer_id: OfferID
    framework_id: FrameworkID
    agent_id: AgentID
    hostname: str
    role: Role
    resources: Resources
    attributes: Attributes = field(default_factory=dict)
    url: str = ""
    """Base of the agent's HTTP API."""
    executor_ids: list[ExecutorID] = field(default_factory=list)
    """The framework's executors already on this agent."""
    unavailability: Unavailability | None = None
    """When the agent's machine is to be taken down for maintenance."""


class InverseOffer(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A question: can the framework do without what it has on an agent, while that is unavailable?"""

    offer_id: OfferID
    framework_id: FrameworkID
    agent_id: AgentID
    hostname: str
    unavailability: Unavailability
    url: str = ""
    """Base of the agent's HTTP API."""


class Launch(Struct, frozen=True, kw_only=True, tag="LAUNCH", gc=False):
    """Run each of these tasks; each is judged alone."""

    tasks: list[TaskInfo]


class LaunchGroup(Struct, frozen=True, kw_only=True, tag="LAUNCH_GROUP", omit_defaults=True, gc=False):
    """Run these tasks together: all or none starts, and when one fails or is killed the others are killed.

    Without an executor the tasks are commands; with one, all go to that executor.
    """

    tasks: list[TaskInfo]
    executor: ExecutorInfo | None = None


Operation = Launch | LaunchGroup
