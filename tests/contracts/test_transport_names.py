"""Names at the broker, and broker URLs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.adapters import topology
from mesos_py.adapters.broker_url import MemoryBroker, Node, parse
from mesos_py.errors import ConfigError, UserError

principals = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(principals, st.sampled_from(["agent", "framework"]))
def test_the_sender_is_read_back_from_the_routing_key(principal: str, kind: topology.Kind):
    address = topology.master_address(kind, principal)
    assert topology.principal_of(address.routing_key) == (kind, principal)
    assert address.routing_key.count(".") == 1
    assert not set("*#") & set(address.routing_key)


@given(principals, principals, principals)
def test_nobody_owns_the_queue_of_another(one: str, other: str, name: str):
    agent, framework = topology.agent_queue(one, name), topology.framework_queue(one, name, 60)
    assert topology.owns(agent.name, "agent", one)
    assert topology.owns(framework.name, "framework", one)
    assert not topology.owns(agent.name, "framework", one)
    assert topology.owns(framework.name, "framework", other) == (one == other)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "mesos.framework.a.",
        "mesos.framework.a",
        "mesos.framework.a.b.c",
        "mesos.framework..x",
        "mesos.master.3",
        "mesos.framework.a.\ufffd",
        "mesos.framework.a.%62",
        "mesos.agent.a.x",
    ],
)
def test_other_names_are_not_owned(name: str):
    assert not topology.owns(name, "framework", "a")
    assert not topology.owns(name, "framework", "")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "agent",
        "agent.",
        ".a",
        "master.a",
        "agent.a.b",
        "agent.%61",
        "agent.a*",
        "agent.%2e",
        "agent.\ufffd",
        "Agent.a",
    ],
)
def test_other_routing_keys_name_nobody(key: str):
    assert topology.principal_of(key) is None


def test_names_are_as_documented():
    assert topology.master_address("framework", "spark.prod").routing_key == "framework.spark%2Eprod"
    inboxes = topology.master_inboxes(7)
    assert {inbox.name for inbox in inboxes.values()} == {"mesos.master.7.agents", "mesos.master.7.frameworks"}
    assert all(inbox.exclusive for inbox in inboxes.values())
    assert topology.agent_queue("node-1", "p1").name == "mesos.agent.node-1.p1"
    assert topology.agent_queue("node-1", "p1").bindings == (topology.BEACON,)
    kept = topology.framework_queue("a", "b", 3600.0)
    assert (kept.name, kept.exclusive, kept.expires_s) == ("mesos.framework.a.b", False, 3600.0)
    assert kept.max_length
    assert topology.framework_queue("a", "b", 0.0).exclusive
    assert topology.framework_queue("a", "b", 1e12).expires_s == 4_294_967.0


@pytest.mark.parametrize("principal", ["", "x" * 250, "." * 90])
def test_impossible_principals_are_refused(principal: str):
    with pytest.raises(UserError):
        topology.agent_queue(principal, "p1")


def test_one_node():
    assert parse("amqp://bob:s%3Bcret@rabbit:1234/cluster") == [
        Node(host="rabbit", port=1234, user="bob", password="s;cret", virtual_host="cluster", secure=False)
    ]


def test_defaults():
    (node,) = parse("pyamqp://")
    assert (node.where, node.user, node.virtual_host) == ("127.0.0.1:5672", "guest", "/")
    (node,) = parse("amqps://rabbit//")
    assert (node.where, node.secure, node.virtual_host, node.verify_peer) == ("rabbit:5671", True, "/", True)
    (node,) = parse("amqp://[::1]:5")
    assert node.where == "[::1]:5"


def test_further_nodes_inherit():
    nodes = parse("amqps://bob:s@one/v?heartbeat=5&cacertfile=/ca; two:99 ;amqps://bob:t@three//")
    assert [(node.where, node.password, node.virtual_host, node.heartbeat_s) for node in nodes] == [
        ("one:5671", "s", "v", 5.0),
        ("two:99", "s", "v", 5.0),
        ("three:5671", "t", "/", 5.0),
    ]
    assert all(node.cacertfile == "/ca" and node.secure for node in nodes)
    [_, other] = parse("amqps://bob:s@one/v?heartbeat=5&cacertfile=/ca;two?heartbeat=9")
    assert (other.heartbeat_s, other.cacertfile) == (9.0, "/ca")


def test_memory():
    assert parse("memory://") == MemoryBroker(name="", user="local")
    assert parse("memory://alice@one") == MemoryBroker(name="one", user="alice")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "scheme must be amqp, amqps or memory, not none"),
        ("rabbit:5672", "not none"),
        ("redis://x", "not 'redis'"),
        ("amqp://host:port", "host or port"),
        ("amqp://host:99999", "host or port"),
        ("amqp://[::1", "host or port"),
        ("amqp://h?colour=red", "unknown option 'colour'"),
        ("amqp://h?heartbeat=no", "heartbeat must be a positive number, not 'no'"),
        ("amqp://h?heartbeat=-1", "heartbeat must be"),
        ("amqps://h?verify=maybe", "verify must be"),
        ("amqp://a:b@h;amqp://c:d@i", "different users"),
        ("amqp://a;memory://b", "'memory'"),
        ("memory://a;memory://b", "one broker"),
    ],
)
def test_a_bad_url_is_refused_in_one_line(url: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint) as error:
        parse(url)
    assert "\n" not in str(error.value)


@given(st.text(max_size=40))
def test_any_url_is_read_or_refused(text: str):
    for url in (text, f"amqp://{text}", f"amqps://h?{text}", f"memory://{text}"):
        try:
            parse(url)
        except ConfigError:
            continue


def test_passwords_do_not_show_in_complaints():
    with pytest.raises(ConfigError) as error:
        parse("amqp://bob:sesame@host:port")
    assert "sesame" not in str(error.value)
