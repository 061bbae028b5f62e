"""Who may do what: rules in order, of which the first that matches decides.

A rule allows or denies actions, to some principals, on some objects. What it does not name it is not particular about;
somebody who has not proven who he is has no principal, and only rules that name none are about him. Names may hold
``*`` and ``?``. If no rule matches, ``default`` decides.
"""

from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec
from msgspec import Struct

from mesos_py.errors import ConfigError
from mesos_py.types.ids import Principal

__all__ = ["ALLOW_ALL", "OBJECTS", "Acls", "Action", "Rule", "read_acls", "why_not"]


class Action(StrEnum):
    """What may be allowed; ``OBJECTS`` says on what."""

    SUBSCRIBE = "subscribe"
    RUN_AS = "run_as"
    KILL = "kill"
    TEARDOWN = "teardown"
    MARK_GONE = "mark_gone"
    DRAIN = "drain"
    MAINTAIN = "maintain"
    SET_WEIGHTS = "set_weights"
    SET_QUOTA = "set_quota"
    VIEW = "view"
    READ_SANDBOXES = "read_sandboxes"


OBJECTS: Final[Mapping[Action, str]] = {
    Action.SUBSCRIBE: "role",
    Action.RUN_AS: "user",
    Action.KILL: "principal of the task's framework",
    Action.TEARDOWN: "principal of the framework",
    Action.MARK_GONE: "name of the agent",
    Action.DRAIN: "name of the agent",
    Action.MAINTAIN: "host name of the machine",
    Action.SET_WEIGHTS: "role",
    Action.SET_QUOTA: "role",
    Action.VIEW: "path of the HTTP API",
    Action.READ_SANDBOXES: "principal of the framework",
}
"""What the objects of an action are names of."""

_ANY: Final = "*"
"""In place of an action: all of them."""


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule: it either allows or denies."""

    allow: list[str] = []
    deny: list[str] = []
    principals: list[str] | None = None
    on: list[str] | None = None
    """The objects."""

    def matches(self, action: Action, principal: Principal | None, on: str) -> bool:
        """True if it decides about this."""
        if not {action, _ANY} & {*self.allow, *self.deny}:
            return False
        if self.principals is not None and (principal is None or not _is_among(principal, self.principals)):
            return False
        return self.on is None or _is_among(on, self.on)


class Acls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All rules of a cluster."""

    default: Literal["allow", "deny"] = "allow"
    rules: list[Rule] = []

    def deciding(self, action: Action, principal: Principal | None, on: str) -> Rule | None:
        """The rule that decides, or None if it is the default."""
        return next((rule for rule in self.rules if rule.matches(action, principal, on)), None)

    def allows(self, action: Action, principal: Principal | None, on: str) -> bool:
        """Whether somebody may do this."""
        rule = self.deciding(action, principal, on)
        return self.default == "allow" if rule is None else bool(rule.allow)


ALLOW_ALL: Final = Acls()


def why_not(acls: Acls, action: Action, principal: Principal | None, on: str) -> str | None:
    """Why somebody may not do this, in words fit to send back; ``on`` is empty where there is no object."""
    if acls.allows(action, principal, on):
        return None
    who = "nobody in particular" if principal is None else f"principal {principal!r}"
    return f"{who} may not {action} ({OBJECTS[action]}: {repr(on) if on else 'none'})"


def read_acls(values: Mapping[str, object]) -> Acls:
    """The rules that a file holds. Raises ConfigError, which says where."""
    try:
        acls = msgspec.convert(values, Acls)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        raise ConfigError(f"{path.rstrip('`')}: {what}" if path else what) from None
    for number, rule in enumerate(acls.rules, 1):
        if bool(rule.allow) == bool(rule.deny):
            raise ConfigError(f"rule {number}: it must either allow or deny something")
        if unknown := {*rule.allow, *rule.deny} - {_ANY, *Action}:
            raise ConfigError(f"rule {number}: {min(unknown)!r} is none of {', '.join(Action)} and *")
    return acls


def _is_among(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
