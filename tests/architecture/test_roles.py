"""Roles say what they take: each variable has a default, a specification and a line in the role's README."""

import re

import pytest
import yaml

from tests.architecture.source import ROOT

ROLES = sorted(path.parent.parent for path in (ROOT / "roles").glob("*/tasks/main.yml"))
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
TASKS = sorted([*(ROOT / "playbooks/tasks").glob("*.yml"), *(ROOT / "roles").glob("*/tasks/*.yml")])
INVENTORIES = sorted(path.parent for path in (ROOT / "playbooks/inventories").glob("*/hosts.yml"))

READMES = "".join((role / "README.md").read_text() for role in ROLES)


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
    files = [file for file in role.rglob("*") if file.is_file() and file.parent.name != "meta" and file.suffix != ".md"]
    used = "".join(file.read_text() for file in files)
    uses = {name: len(re.findall(rf"\b{name}\b", used)) for name in specified(role)}
    assert [name for name, option in specified(role).items() if uses[name] < (1 if option.get("required") else 2)] == []


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


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_a_host_that_does_not_answer_stops_a_play_as_a_failure_does(playbook):
    for play in read(playbook):  # any_errors_fatal alone lets the plays and batches after it go on
        if "hosts" in play:
            assert play.get("any_errors_fatal", False) == (play.get("max_fail_percentage") == 0), play["name"]


def tasks_of(playbook):
    plays = read(playbook)
    return plays if playbook in TASKS else [task for play in plays for task in play.get("tasks", [])]


def rescues(tasks, fatal=True):
    """Blocks that go on after a failure, and whether it is fatal to the other hosts of the play."""
    for task in tasks:
        inner = task.get("any_errors_fatal", fatal)
        if "rescue" in task or "always" in task:
            yield task, inner
        for part in ("block", "rescue", "always"):
            yield from rescues(task.get(part, []), inner)


@pytest.mark.parametrize("playbook", PLAYBOOKS + TASKS, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_what_rescues_one_host_is_not_ended_by_the_others(playbook):
    """docs/decisions/2026-11-29-a-rescue-notes-what-went-wrong.md says why."""
    for block, fatal in rescues(tasks_of(playbook)):
        assert not fatal, block["name"]
        assert "always" not in block, block["name"]
        done = {key for task in block["rescue"] for key in task}
        assert not done & {"ansible.builtin.fail", "ansible.builtin.assert"}, block["name"]


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_an_inventory_is_a_whole_cluster(inventory):
    everything = read(inventory / "hosts.yml")["all"]
    groups = {name: expanded(group["hosts"]) for name, group in everything["children"].items()}
    assert set(groups) >= {"mesos_rabbitmq", "mesos_zookeeper", "mesos_masters", "mesos_agents"}
    assert len(groups["mesos_rabbitmq"]) in (1, 3)
    numbers = [everything["hosts"][host]["zookeeper_id"] for host in groups["mesos_zookeeper"]]
    assert len(numbers) in (1, 3, 5)
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_every_variable_of_an_inventory_is_explained_and_known(inventory):
    lines = (inventory / "group_vars/all/cluster.yml").read_text().splitlines()
    known = {name for role in ROLES for name in specified(role)} | {"mesos_cluster_tls"}
    for line in lines:
        if line and line[0] not in "#-":
            assert line.split(":")[0] in known, line
            assert "#" in line or f"`{line.split(':')[0]}`" in READMES, line


def expanded(hosts):
    """Names of hosts, with ``node[1:3]`` as three of them."""
    names = []
    for pattern in hosts:
        if found := re.fullmatch(r"(.*)\[(\d+):(\d+)\]", pattern):
            width = len(found[2])
            names += [f"{found[1]}{number:0{width}}" for number in range(int(found[2]), int(found[3]) + 1)]
        else:
            names.append(pattern)
    return names
