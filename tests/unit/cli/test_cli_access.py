"""Rules are tried before they hold, and credentials made."""

import pytest

from mesos_py.web.authentication import hash_token, parse_credentials

RULES = """
[[rules]]
allow = ["subscribe"]
principals = ["ci"]
on = ["db"]

[[rules]]
deny = ["subscribe"]
on = ["db"]
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "acls.toml").write_text(RULES)
    return str(tmp_path / "acls.toml")


def test_a_file_of_rules_is_checked(mesos, file, tmp_path):
    said = mesos("acl", "check", file)
    assert (said.code, said.out) == (0, f"{file}: 2 rules, else allow\n")
    (tmp_path / "bad.toml").write_text("[[rules]]\nallow = ['fly']\n")
    said = mesos("acl", "check", str(tmp_path / "bad.toml"))
    assert said.code == 78
    assert "rule 1: 'fly' is none of subscribe, run_as" in said.err


@pytest.mark.parametrize(
    ("principal", "on", "code", "words"),
    [
        ("ci", "db", 0, "allowed by rule 1: ci, subscribe on role 'db'\n"),
        ("web", "db", 1, "denied by rule 2: web, subscribe on role 'db'\n"),
        ("web", "web", 0, "allowed by no rule, so by default: web, subscribe on role 'web'\n"),
    ],
)
def test_what_somebody_may_do_can_be_asked(mesos, file, principal, on, code, words):
    said = mesos("acl", "check", file, "--principal", principal, "--action", "subscribe", "--object", on)
    assert (said.code, said.out) == (code, words)


def test_a_token_is_made_and_only_its_hash_is_for_the_file(mesos):
    said = mesos("password", "--token", "prometheus")
    token = said.err.split()[-1]
    assert said.out == f"prometheus:{hash_token(token)}\n"
    assert parse_credentials(said.out).tokens
    assert token not in said.out


def test_a_name_that_is_none(mesos):
    assert mesos("password", "--token", "a:b").code == 78
