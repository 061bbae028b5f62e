"""What masters, agents and frameworks say of themselves."""

from enum import StrEnum

from msgspec import Struct, field

from mesos_py.types.attributes import Attributes
from mesos_py.types.ids import MasterID, Principal, Role
from mesos_py.types.resources import Resources
from mesos_py.types.roles import ANY_ROLE

__all__ = ["AgentInfo", "AttributeConstraint", "Demand", "FrameworkInfo", "MasterInfo", "OfferFilter", "Operator"]


class MasterInfo(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The leading master. Its id is new in every process; its epoch is higher than that of every leader before."""

    master_id: MasterID
    epoch: int
    url: str = ""
    """Base of its HTTP API, empty if it has none."""
    version: str = ""


class AgentInfo(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One node that runs tasks."""

    name: str
    """Unique among the agents of one process, and best unique in the cluster; by default the host name."""
    hostname: str
    resources: Resources
    attributes: Attributes = field(default_factory=dict)
    url: str = ""
    """Base of its HTTP API, where sandboxes can be read."""
    version: str = ""


class Operator(StrEnum):
    """How a constraint compares an attribute, as text, with its value."""

    EXISTS = "EXISTS"
    NOT_EXISTS = "NOT_EXISTS"
    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    MATCHES = "MATCHES"
    """The whole text matches the regular expression (RE2 syntax)."""
    NOT_MATCHES = "NOT_MATCHES"


class AttributeConstraint(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A condition on one attribute of an agent; an agent without it satisfies only the negative operators."""

    attribute: str
    """A name, or ``@hostname``."""
    operator: Operator
    value: str = ""


class OfferFilter(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Which offers a framework wants to see for one role; the allocator never makes one that the filter refuses.

    The paper (Hindman et al., NSDI 2011, section 3.2) calls these filters.
    """

    hosts: list[str] | None = None
    """Host names it accepts; None for every host."""
    constraints: list[AttributeConstraint] = field(default_factory=list)
    """All must hold."""
    least: Resources = field(default_factory=Resources)
    """An offer must hold at least this (given unreserved)."""


class Demand(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How much a framework wants: ``count`` slices of ``slice`` each; offers are then cut to whole slices."""

    slice: Resources
    count: int


class FrameworkInfo(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a framework says of itself when it subscribes."""

    name: str
    roles: list[Role] = field(default_factory=lambda: [ANY_ROLE])
    """It gets offers for each of them; none means no offers."""
    user: str = ""
    """Whom its tasks run as; by default whom the agent runs as."""
    failover_timeout_s: float = 0.0
    """After a disconnect, how long its tasks wait for it to come back."""
    hostname: str = ""
    webui_url: str = ""
    principal: Principal = Principal("")
    """Set by the master to what the broker proves."""
    filters: dict[Role, OfferFilter] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
