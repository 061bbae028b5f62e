"""What the roles have the broker let each user do, whom a host asks first, and how secrets are written down."""

import base64
import hashlib
import re

import pytest

from mesos_py.adapters.topology import BEACON_EXCHANGE, MASTER_EXCHANGE, agent_queue, framework_queue, master_inboxes
from mesos_py.adapters.topology import master_address as address
from mesos_py.web.authentication import hash_token
from tests.support.ansible import load

filters = load("filter_plugins/mesos")
SECRET = "x" * 32
AGENTS, FRAMEWORKS = ["agent-n1", "agent-n1.example"], ["operator", "shop"]


def definitions(**changed):
    given = {
        "secret": SECRET,
        "vhost": "mesos",
        "master": "mesos-master",
        "agents": AGENTS,
        "frameworks": FRAMEWORKS,
        "passwords": {},
        "vhost_limits": {"max-connections": 100, "max-queues": 1000},
        "user_limits": {"max-connections": 5, "max-channels": 20},
    }
    return filters.rabbitmq_definitions(**given | changed)


def may(user, what, name):
    [permission] = [each for each in definitions()["permissions"] if each["user"] == user]
    return re.search(permission[what], name) is not None


def may_send(user, key):
    [permission] = [each for each in definitions()["topic_permissions"] if each["user"] == user]
    return may(user, "write", MASTER_EXCHANGE) and re.search(permission["write"], key) is not None


QUEUES = {
    **{user: agent_queue(user, "p1").name for user in AGENTS},
    **{user: framework_queue(user, "main", 60).name for user in FRAMEWORKS},
}
KINDS = dict.fromkeys(AGENTS, "agent") | dict.fromkeys(FRAMEWORKS, "framework")


@pytest.mark.parametrize("user", QUEUES)
def test_agents_and_frameworks_have_their_own_queues_and_key_and_no_other(user):
    for owner, queue in QUEUES.items():
        for what in ("configure", "write", "read"):
            assert may(user, what, queue) == (owner == user)
        assert may_send(user, address(KINDS[owner], owner).routing_key) == (owner == user)
    for inbox in master_inboxes(7).values():
        assert not any(may(user, what, inbox.name) for what in ("configure", "write", "read"))
    assert may(user, "read", BEACON_EXCHANGE)
    assert not may(user, "write", BEACON_EXCHANGE)
    assert not may(user, "write", "amq.default")
    assert not may(user, "configure", MASTER_EXCHANGE)
    assert not may(user, "read", MASTER_EXCHANGE)


def test_the_master_may_what_it_must():
    for what in ("configure", "write", "read"):
        assert all(may("mesos-master", what, inbox.name) for inbox in master_inboxes(7).values())
        assert may("mesos-master", what, MASTER_EXCHANGE)
        assert may("mesos-master", what, BEACON_EXCHANGE)
    assert may("mesos-master", "write", "amq.default")
    assert not may("mesos-master", "read", QUEUES["operator"])


def test_a_users_name_is_no_pattern():
    assert definitions(agents=["agent-a.c"])["permissions"][1]["configure"] == r"^mesos\.agent\.agent\-a%2Ec\..*$"


@pytest.mark.parametrize("wrong", [{"agents": ["operator"]}, {"frameworks": ["two words"]}, {"agents": [""]}])
def test_users_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="users of the broker must differ"):
        definitions(**wrong)


def test_a_password_is_kept_as_the_broker_keeps_it():
    raw = base64.b64decode(filters.rabbitmq_hash("secret", "shop"))
    assert raw[4:] == hashlib.sha256(raw[:4] + b"secret").digest()
    assert filters.rabbitmq_hash("secret", "shop") != filters.rabbitmq_hash("secret", "operator")


def test_a_password_that_is_given_holds():
    users = {user["name"]: user for user in definitions(passwords={"shop": "given"})["users"]}
    assert users["shop"]["password_hash"] == filters.rabbitmq_hash("given", "shop")
    derived = filters.mesos_secret(SECRET, "broker", "operator")
    assert users["operator"]["password_hash"] == filters.rabbitmq_hash(derived, "operator")


def test_a_host_asks_itself_first_and_hosts_without_the_service_are_spread():
    nodes = ["n1", "n2", "n3"]
    assert {filters.mesos_nearest(nodes, node)[0] for node in nodes} == set(nodes)
    assert filters.mesos_nearest(["n3", "n1", "n2"], "n2") == filters.mesos_nearest(nodes, "n2")
    first = [filters.mesos_nearest(nodes, f"other{number}")[0] for number in range(300)]
    assert all(first.count(node) > 70 for node in nodes)
    assert filters.mesos_nearest(["n1"], "other1") == ["n1"]


def test_secrets_of_different_purposes_differ():
    made = {filters.mesos_secret(SECRET, *purpose) for purpose in (("a", "b"), ("ab",), ("a",), ("b", "a"))}
    assert len(made) == 4
    with pytest.raises(ValueError, match="too short"):
        filters.mesos_secret("x" * 31, "a")


def test_a_line_of_credentials_is_of_the_derived_token():
    token = filters.mesos_secret(SECRET, "http", "shop")
    assert filters.mesos_http_line("shop", SECRET) == f"shop:{hash_token(token)}"


def test_masters_alone_are_without_limits():
    limits = {user["name"]: user["limits"] for user in definitions()["users"]}
    assert limits.pop("mesos-master") == {}
    assert set(map(str, limits.values())) == {"{'max-connections': 5, 'max-channels': 20}"}
    assert definitions()["parameters"][0]["value"] == {"max-connections": 100, "max-queues": 1000}


def test_a_configuration_becomes_variables():
    settings = {"paranoid": True, "weights": {"web": 2, "batch": 0.5}, "acl_file": "", "resources": 'a"b;c'}
    variables = filters.mesos_variables(settings)
    assert variables == {"MESOS_PARANOID": "true", "MESOS_RESOURCES": 'a"b;c', "MESOS_WEIGHTS": "batch=0.5,web=2"}
    assert filters.mesos_environment({"MESOS_RESOURCES": 'a"b;c'}) == 'MESOS_RESOURCES="a\\"b;c"\n'


def test_what_stands_in_a_url_ends_no_part_of_it():
    assert filters.mesos_quoted("a/b+c@d:e%?") == "a%2Fb%2Bc%40d%3Ae%25%3F"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.11", "192.0.2.11"),
        ("127.0.0.1", "127.0.0.1"),  # who says so means it
        ("localhost", ""),
        ("2001:db8::11", ""),
        ("no-such-host.invalid", ""),
    ],
)
def test_hosts_are_reached_by_ipv4_and_not_by_their_own_loopback(host, address):
    assert filters.mesos_ipv4(host) == address
