"""The first rule that matches decides; who has proven nothing is only meant by rules about everybody."""

import tomllib

import pytest

from mesos_py.errors import ConfigError
from mesos_py.types.acls import ALLOW_ALL, OBJECTS, Action, read_acls, why_not
from mesos_py.types.ids import Principal

FILE = """
default = "deny"

[[rules]]
deny = ["run_as"]
on = ["root"]

[[rules]]
allow = ["subscribe", "run_as"]
principals = ["ci-*"]
on = ["ci", "eng/*", "nobody"]

[[rules]]
allow = ["*"]
principals = ["admin"]

[[rules]]
allow = ["view"]
"""


@pytest.mark.parametrize(
    ("principal", "action", "on", "allowed"),
    [
        ("ci-1", Action.SUBSCRIBE, "ci", True),
        ("ci-1", Action.SUBSCRIBE, "eng/web/a", True),
        ("ci-1", Action.SUBSCRIBE, "eng", False),
        ("CI-1", Action.SUBSCRIBE, "ci", False),
        ("ci-1", Action.RUN_AS, "nobody", True),
        ("admin", Action.RUN_AS, "root", False),  # a rule before is about everybody
        ("admin", Action.KILL, "anything", True),
        ("other", Action.KILL, "anything", False),
        (None, Action.VIEW, "/state", True),
        (None, Action.KILL, "shop", False),
        (None, Action.SUBSCRIBE, "ci", False),
    ],
)
def test_the_first_rule_that_matches_decides(principal, action, on, allowed):
    acls = read_acls(tomllib.loads(FILE))
    assert acls.allows(action, principal and Principal(principal), on) == allowed
    assert (why_not(acls, action, principal and Principal(principal), on) is None) == allowed


def test_without_rules_everything_is_allowed():
    assert read_acls({}) == ALLOW_ALL
    assert all(ALLOW_ALL.allows(action, None, "") for action in Action)


def test_stars_in_names_mean_no_more_than_they_are():
    acls = read_acls({"rules": [{"allow": ["view"], "principals": ["*"]}, {"deny": ["view"]}]})
    assert acls.allows(Action.VIEW, Principal("anybody"), "/state")
    assert not acls.allows(Action.VIEW, None, "/state")  # whoever it is, he must have proven it


def test_a_refusal_says_who_what_and_on_what():
    acls = read_acls({"default": "deny"})
    assert why_not(acls, Action.SUBSCRIBE, Principal("web"), "db") == "principal 'web' may not subscribe (role: 'db')"
    assert why_not(acls, Action.KILL, None, "") == (
        "nobody in particular may not kill (principal of the task's framework: none)"
    )


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"default": "maybe"}, "default: Invalid enum value 'maybe'"),
        ({"rules": [{"allow": ["fly"]}]}, "rule 1: 'fly' is none of subscribe, run_as"),
        ({"rules": [{"allow": ["kill"], "who": ["x"]}]}, "unknown field `who`"),
        ({"rules": [{"allow": ["kill"]}, {"principals": ["x"]}]}, "rule 2: it must either allow or deny something"),
        ({"rules": [{"allow": ["kill"], "deny": ["view"]}]}, "rule 1: it must either allow or deny something"),
        ({"permissive": True}, "unknown field `permissive`"),
    ],
)
def test_a_file_that_makes_no_sense_is_told_in_one_line(values, line):
    with pytest.raises(ConfigError) as told:
        read_acls(values)
    assert line in str(told.value)


def test_each_action_says_what_it_is_on():
    assert set(OBJECTS) == set(Action)
