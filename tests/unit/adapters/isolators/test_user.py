import os
import pwd

import pytest

from mesos_py.adapters.isolators.launch import Credentials, LaunchError
from mesos_py.adapters.isolators.privileges import PrivilegesIsolator
from mesos_py.adapters.isolators.unserved import UnservedIsolator
from mesos_py.adapters.isolators.user import UserIsolator, parse_uids
from mesos_py.daemons.config import AgentConfig
from mesos_py.errors import ConfigError
from mesos_py.types.host import RLimit, Volume
from tests.unit.adapters.isolators.support import a_launch, a_spec

NOBODY = pwd.getpwnam("nobody")
UIDS = parse_uids(AgentConfig().task_uids)


def prepared(user, *isolators):
    spec = a_spec(user=user)
    launch = a_launch(spec)
    for isolator in isolators:
        isolator.prepare(spec, launch)
    return launch


def test_a_task_runs_as_its_user_with_all_its_groups():
    credentials = prepared("nobody", UserIsolator(UIDS, euid=0)).credentials
    groups = os.getgrouplist("nobody", NOBODY.pw_gid)
    assert credentials == Credentials(uid=NOBODY.pw_uid, gid=NOBODY.pw_gid, groups=groups)
    assert credentials.uid != 0
    assert NOBODY.pw_gid in credentials.groups


@pytest.mark.parametrize(("user", "euid"), [("", 0), ("root", 0), ("", 1000), ("nobody", NOBODY.pw_uid)])
def test_nothing_changes_for_the_agents_own_user(user, euid):
    assert prepared(user, UserIsolator(UIDS, euid=euid)).credentials is None


@pytest.mark.parametrize("user", ["no-such-user-here", "0", "a\0b", "nobody:x"])
def test_an_unknown_user_is_a_clear_failure(user):
    with pytest.raises(LaunchError, match="does not exist on this host"):
        prepared(user, UserIsolator(UIDS, euid=0))


@pytest.mark.parametrize("user", ["daemon", "www-data", "mail"])
def test_nobody_becomes_a_user_of_the_system(user):
    """Or a task that named the user of a daemon could read that daemon's secrets."""
    with pytest.raises(LaunchError, match=f"cannot run as user '{user}': its id, [0-9]+, is none that tasks may have"):
        prepared(user, UserIsolator(UIDS, euid=0))
    assert prepared(user, UserIsolator([range(1000)], euid=0)).credentials.uid == pwd.getpwnam(user).pw_uid


@pytest.mark.parametrize(
    ("text", "uids"), [("", []), ("7", [range(7, 8)]), (" 1000-1002, 7,", [range(1000, 1003), range(7, 8)])]
)
def test_ids_are_written_one_by_one_or_from_one_to_another(text, uids):
    assert parse_uids(text) == uids


@pytest.mark.parametrize("text", ["x", "1-", "-1", "1-2-3", "nobody"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(ConfigError, match=r"task_uids: '.*' is neither an id nor two of them"):
        parse_uids(text)


def test_only_root_can_become_somebody_else():
    with pytest.raises(LaunchError, match="cannot run as user 'nobody': the agent does not run as root"):
        prepared("nobody", UserIsolator(UIDS, euid=12345))


def test_it_says_what_it_does():
    assert UserIsolator(UIDS, euid=0).why_not() == ""
    assert UserIsolator(UIDS, euid=0).describe() == "tasks run as the user they name"
    assert UserIsolator(UIDS, euid=NOBODY.pw_uid).why_not() == "the agent is not root: all tasks run as nobody"
    assert UserIsolator(UIDS, euid=4_000_000).describe() == "tasks run as user 4000000"


# Without the isolator


@pytest.mark.parametrize(("user", "euid"), [("", 0), ("root", 0), ("nobody", NOBODY.pw_uid)])
def test_the_agents_own_user_needs_no_isolator(user, euid):
    assert prepared(user, UnservedIsolator(["user", "rlimits", "volumes"], euid=euid)).credentials is None


def test_nobody_becomes_root_because_an_isolator_is_off():
    why = "cannot run as user 'nobody': this agent runs all tasks as its own user"
    with pytest.raises(LaunchError, match=why):
        prepared("nobody", UnservedIsolator(["user"], euid=0))
    with pytest.raises(LaunchError, match="does not exist on this host"):
        prepared("no-such-user-here", UnservedIsolator(["user"], euid=0))
    prepared("nobody", UnservedIsolator(["cpu"], euid=0))


def test_wishes_that_nobody_serves_are_refused():
    spec = a_spec(rlimits={"core": RLimit()}, volumes=[Volume(host_path="/d", container_path="d")])
    UnservedIsolator(["cpu"]).prepare(spec, a_launch(spec))
    for off, why in (("rlimits", "this agent sets no rlimits"), ("volumes", "this agent mounts no volumes")):
        with pytest.raises(LaunchError, match=why):
            UnservedIsolator([off]).prepare(spec, a_launch(spec))


# Privileges


def privileges(user, euid):
    launch = prepared(user, UserIsolator(UIDS, euid=euid), PrivilegesIsolator(euid=euid))
    return launch.no_new_privs, launch.drop_capabilities


def test_an_ordinary_user_has_no_capabilities_and_gets_none():
    assert privileges("nobody", 0) == (True, True)


def test_root_keeps_its_own():
    assert privileges("", 0) == privileges("root", 0) == (False, False)


def test_under_an_ordinary_agent_nothing_is_there_to_drop():
    assert privileges("", 12345) == (True, False)


def test_privileges_need_nothing():
    assert PrivilegesIsolator().why_not() == ""
    assert "cannot gain privileges" in PrivilegesIsolator().describe()
