"""What a scenario file may say, and whether it makes sense."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, field

from mesos_py.allocator.filters import why_not_filter
from mesos_py.errors import ConfigError, UserError
from mesos_py.runtime.files import read_toml
from mesos_py.testing.simulation.timeline import Dice
from mesos_py.types.attributes import parse_attributes
from mesos_py.types.ids import Role
from mesos_py.types.infos import AttributeConstraint, OfferFilter
from mesos_py.types.quota import Quota, amounts_from, parse_amounts, why_not_a_quota
from mesos_py.types.resources import EMPTY, Resources
from mesos_py.types.roles import ANY_ROLE, why_not_a_role

__all__ = [
    "AgentGroup",
    "Duration",
    "FrameworkGroup",
    "RoleSettings",
    "Scenario",
    "TaskStream",
    "parse_scenario",
    "read_scenario",
    "seconds",
]

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Weight = Annotated[float, Meta(gt=0)]

_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h|d|)")
_LONGEST_S: Final = 10 * 365 * 86400.0


class Seconds(float):
    """A span of time: a number of seconds, or text such as ``"90s"``, ``"5m"``, ``"1.5h"``, ``"2d"``."""


def seconds(value: object) -> Seconds:
    """Read a span of time. Raises UserError."""
    match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        span = float(match[1]) * _UNITS[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        span = float(value)
    else:
        raise UserError(f'{value!r} is neither a number of seconds nor like "90s", "5m", "1.5h" or "2d"')
    if not 0 <= span <= _LONGEST_S:
        raise UserError(f"{value!r} is not between 0 and ten years")
    return Seconds(span)


class _Spread(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    exponential: Seconds | None = None
    lognormal: Seconds | None = None
    sigma: Annotated[float, Meta(ge=0, le=5)] = 1.0


class Duration:
    """How long tasks run: all the same, as in a list (over and over), or drawn.

    Drawn is ``{exponential = MEAN}``, or ``{lognormal = MEDIAN, sigma = 1.0}``.
    """

    def __init__(self, raw: object) -> None:
        """Read it. Raises UserError or msgspec.ValidationError."""
        self._spread: _Spread | None = None
        self._listed: list[Seconds] = []
        if isinstance(raw, dict):
            self._spread = msgspec.convert(raw, _Spread, dec_hook=_decode)
            if (self._spread.exponential is None) == (self._spread.lognormal is None):
                raise UserError("a duration is drawn from either exponential or lognormal")
        else:
            self._listed = [seconds(each) for each in raw] if isinstance(raw, list) else [seconds(raw)]
            if not self._listed:
                raise UserError("a list of durations has at least one")

    def draw(self, number: int, dice: Dice) -> float:
        """Seconds that the task of this number, from 0, runs."""
        if self._spread is None:
            return self._listed[number % len(self._listed)]
        if self._spread.exponential is not None:
            return dice.expovariate(1.0) * self._spread.exponential
        assert self._spread.lognormal is not None
        return dice.lognormvariate(0.0, self._spread.sigma) * self._spread.lognormal


class AgentGroup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Agents that are alike."""

    resources: Resources
    """Of each, such as ``"cpus:8;mem:16384"``."""
    count: Count = 1
    name: Name = "agent"
    """With a number behind it, from 1, if there are several."""
    attributes: str = ""
    """Such as ``"rack:r1;zone:west"``."""
    join: Seconds = Seconds(0)
    leave: Seconds | None = None
    """When it ends its tasks and leaves; never if nothing is said."""

    def __post_init__(self) -> None:
        parse_attributes(self.attributes)
        if not self.resources:
            raise UserError("an agent without resources runs nothing")
        if self.leave is not None and self.leave <= self.join:
            raise UserError("an agent leaves after it has joined")

    def names(self) -> list[str]:
        """Of the agents."""
        return _numbered(self.name, self.count)


class RoleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What operators set of a role."""

    weight: Weight = 1.0
    guarantee: str = ""
    """Such as ``"cpus:10;mem:4096"``."""
    limit: str = ""

    def __post_init__(self) -> None:
        self.quota()

    def quota(self) -> Quota:
        """Guarantee and limit."""
        return Quota(amounts_from(parse_amounts(self.guarantee)), amounts_from(parse_amounts(self.limit)))


class TaskStream(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tasks that are alike, and when each arrives."""

    resources: Resources = EMPTY
    duration: Duration = field(default_factory=lambda: Duration(60))
    count: Count | None = None
    """So many arrive at each time of ``at``; altogether, with ``every``."""
    at: list[Seconds] = field(default_factory=list)
    """Times of arrival."""
    every: Seconds | None = None
    """One arrives this long after another, or on average if ``poisson``; from ``start`` to the end of the scenario."""
    poisson: bool = False
    start: Seconds = Seconds(0)
    csv: str = ""
    """A file with a line for each arrival: at, and optionally duration, cpus, mem, disk, gpus and count."""
    gang: Count = 1
    """What arrives are gangs: so many tasks each, all of which start together or none."""

    def __post_init__(self) -> None:
        if (bool(self.at), self.every is not None, bool(self.csv)).count(True) != 1:
            raise UserError("tasks arrive by one of at, every and csv")
        if self.every is not None and self.every < 0.001:
            raise UserError("every is at least a millisecond")
        if self.every is None and (self.poisson or self.start):
            raise UserError("poisson and start go with every")
        if self.csv and self.count is not None:
            raise UserError("count does not go with csv: it may be a column there")
        if not self.resources and not self.csv:
            raise UserError("a task needs resources")
        if self.resources.has_reservations:
            raise UserError("what a task needs is given without roles")


class FrameworkGroup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frameworks that are alike, each with its own queue of tasks."""

    name: Name
    """With a number behind it, from 1, if there are several."""
    tasks: Annotated[list[TaskStream], Meta(min_length=1)]
    count: Annotated[int, Meta(ge=1, le=1000)] = 1
    role: str = ANY_ROLE
    demand: bool = True
    """It says how much it wants, and is offered no more."""
    per_offer: Count | None = None
    """It launches no more than so many tasks on one offer."""
    refuse: Seconds = Seconds(5)
    """How long it does not want to see again what it declined, or left over."""
    hold: Seconds = Seconds(10)
    """About how long it keeps offers while it gathers enough for a gang."""
    hosts: list[str] | None = None
    """It is offered these agents only."""
    constraints: list[AttributeConstraint] = field(default_factory=list)
    least: Resources = EMPTY
    """It is offered no less."""

    def __post_init__(self) -> None:
        if why := why_not_a_role(self.role) or why_not_filter(self.filter()):
            raise UserError(why)

    def filter(self) -> OfferFilter:
        """What it says to the master of the offers it wants."""
        return OfferFilter(hosts=self.hosts, constraints=self.constraints, least=self.least)

    def names(self) -> list[str]:
        """Of the frameworks."""
        return _numbered(self.name, self.count)


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cluster, who works on it, and for how long."""

    until: Seconds
    """It ends then, or when all tasks are done."""
    agents: Annotated[list[AgentGroup], Meta(min_length=1)]
    frameworks: Annotated[list[FrameworkGroup], Meta(min_length=1)]
    seed: int = 1
    """Decides all that is left to chance."""
    policy: str = "drf"
    """As --allocator of a master: drf, priority, or any installed."""
    allocation_interval: Seconds = Seconds(1)
    sample: Seconds | None = None
    """How far the points of the time series lie apart; if nothing is said, so that there are 200 to 400 of them."""
    roles: dict[str, RoleSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for groups, whose in ((self.agents, "agents"), (self.frameworks, "frameworks")):
            [(name, times)] = Counter(name for group in groups for name in group.names()).most_common(1)
            if times > 1:
                raise UserError(f"two {whose} are named {name!r}")
        for role, settings in self.roles.items():
            quota = settings.quota()
            if why := why_not_a_role(role) or (why_not_a_quota(Role(role), quota) if quota else None):
                raise UserError(why)
        for what in ("until", "allocation_interval", "sample"):
            if getattr(self, what) == 0:
                raise UserError(f"{what} is above 0")


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{number}" for number in range(1, count + 1)]


# Reading


def read_scenario(path: Path) -> Scenario:
    """Read a file. Raises ConfigError, which names the file and the key."""
    return parse_scenario(read_toml(path), str(path))


def parse_scenario(raw: Mapping[str, Any], where: str = "scenario") -> Scenario:
    """Read what a file holds. Raises ConfigError."""
    try:
        return msgspec.convert(raw, Scenario, dec_hook=_decode)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        place = place.rstrip("`").lstrip(".")
        what = what.replace("Object ", "it ").replace("unknown field", "unknown key").replace("required field", "key")
        raise ConfigError(f"{where}: {place + ': ' if place else ''}{what[:1].lower()}{what[1:]}") from None


def _decode(kind: type, raw: object) -> object:
    if kind is Seconds:
        return seconds(raw)
    if kind is Duration:
        return Duration(raw)
    if kind is Resources:
        return Resources.parse(raw) if isinstance(raw, str) else Resources.from_wire(raw)
    raise NotImplementedError(kind)
