"""Roles say what they take: each variable has a default, a specification and a line in the role's README."""

import re

import pytest
import yaml

from tests.architecture.source import ROOT

ROLES = sorted(path.parent.parent for path in (ROOT / "roles").glob("*/tasks/main.yml"))
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))


def read(path):
    return yaml.safe_load(path.read_text())


def specified(role):
    return read(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_and_specifications_agree(role):
    defaults, options = read(role / "defaults/main.yml"), specified(role)
    assert set(defaults) == {name for name, option in options.items() if not option.get("required")}
    kinds = {"bool": bool, "int": int, "float": float, "list": list, "dict": dict, "str": str, "path": str}
    for name, value in defaults.items():
        option = options[name]
        assert (isinstance(value, str) and "{{" in value) or isinstance(value, kinds[option["type"]]), name
        assert "{{" in str(value) or value in option.get("choices", [value]), name
        assert name.startswith(f"{role.name}_"), name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_variable_is_explained(role):
    readme = (role / "README.md").read_text()
    assert [name for name in specified(role) if f"| `{name}` |" not in readme] == []
    assert all(option["description"] for option in specified(role).values())
    used = "".join(file.read_text() for file in role.rglob("*") if file.is_file() and file.parent.name != "meta")
    assert [name for name in specified(role) if len(re.findall(rf"\b{name}\b", used)) < 2] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_what_is_secret_is_not_logged(role):
    secret = [
        name for name in specified(role) if name.endswith(("_secret", "_password", "_passphrase", "_token", "_cookie"))
    ]
    assert [name for name in secret if not specified(role)[name].get("no_log")] == []


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_playbooks_name_roles_there_are(playbook):
    names = {role.name for role in ROLES}
    for play in read(playbook):
        for role in play.get("roles", []):
            assert (role if isinstance(role, str) else role["role"]) in names
