"""What the role rabbitmq lets each user of the broker do, tried by plain AMQP clients: its work and nothing else.

Users, patterns and limits are those that the role loads into the broker; nothing of them is repeated here.
"""

import json

import amqp
import pytest
import yaml

from mesos_py.adapters.topology import (
    BEACON_EXCHANGE,
    EXCHANGES,
    MASTER_EXCHANGE,
    agent_queue,
    framework_queue,
    master_address,
    master_inboxes,
)
from tests.architecture.source import ROOT
from tests.support.ansible import load
from tests.support.rabbitmq import rabbitmq

__all__ = ["rabbitmq"]

pytestmark = pytest.mark.integration

filters = load("filter_plugins/mesos")
SECRET = "s" * 32
ROLE = yaml.safe_load((ROOT / "roles/rabbitmq/defaults/main.yml").read_text())
VHOST, MASTER = ROLE["rabbitmq_vhost"], ROLE["rabbitmq_master_user"]
AGENT, OTHER_AGENT = "agent-n1", "agent-n2"
[FRAMEWORK, *_] = ROLE["rabbitmq_frameworks"]
OTHER_FRAMEWORK = "shop"
KIND = {AGENT: "agent", OTHER_AGENT: "agent", FRAMEWORK: "framework", OTHER_FRAMEWORK: "framework"}

INBOXES = master_inboxes(7)
QUEUES = {
    **{user: agent_queue(user, "p1").name for user in (AGENT, OTHER_AGENT)},
    **{user: framework_queue(user, "main", 60).name for user in (FRAMEWORK, OTHER_FRAMEWORK)},
    MASTER: INBOXES["framework"].name,
}
OURS = [name for name, _ in EXCHANGES]
BUILT_IN = ["amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.topic", "amq.rabbitmq.trace"]


class Client:
    """One user of the broker."""

    def __init__(self, broker, user):
        self.user = user
        password = filters.mesos_secret(SECRET, "broker", user)
        at = f"127.0.0.1:{broker.port}"
        self._connection = amqp.Connection(at, user, password, virtual_host=VHOST, confirm_publish=True)
        self._connection.connect()

    def may(self, what):
        """Do it in a channel of its own, which ends with the first thing refused; whether the broker lets it."""
        channel = self._connection.channel()
        try:
            what(channel)
        except (amqp.AccessRefused, amqp.PreconditionFailed):
            return False
        channel.close()
        return True

    def close(self):
        self._connection.close()


@pytest.fixture(scope="module")
def clients(rabbitmq):
    """By user; each with its queue as our own programs declare it."""
    frameworks = [FRAMEWORK, OTHER_FRAMEWORK]
    limits = (
        {"max-connections": ROLE["rabbitmq_connections"], "max-queues": ROLE["rabbitmq_queues"]},
        {
            "max-connections": ROLE["rabbitmq_connections_per_user"],
            "max-channels": ROLE["rabbitmq_channels_per_user"],
        },
    )
    wanted = filters.rabbitmq_definitions(SECRET, VHOST, MASTER, [AGENT, OTHER_AGENT], frameworks, {}, *limits)
    file = rabbitmq.work / "role.json"
    file.write_text(json.dumps(wanted))
    rabbitmq.ctl("import_definitions", str(file))
    clients = {user: Client(rabbitmq, user) for user in (MASTER, *KIND)}
    assert clients[MASTER].may(lead)
    for user, kind in KIND.items():
        assert clients[user].may(lambda channel, user=user, kind=kind: join(channel, user, kind)), user
    yield clients
    for client in clients.values():
        client.close()
    rabbitmq.ctl("delete_vhost", VHOST)
    for user in (MASTER, *KIND):
        rabbitmq.ctl("delete_user", user)


def lead(channel):
    """What a master does at the broker."""
    for name, kind in EXCHANGES:
        channel.exchange_declare(name, kind, durable=False, auto_delete=False)
    for inbox in INBOXES.values():
        channel.queue_declare(inbox.name, exclusive=True, auto_delete=False)
        for address in inbox.bindings:
            channel.queue_bind(inbox.name, address.exchange, address.routing_key)
    publish(channel, BEACON_EXCHANGE, "", user_id=MASTER)
    publish(channel, "", INBOXES["agent"].name, user_id=MASTER)


def join(channel, user, kind):
    """What an agent or a framework does there."""
    channel.queue_declare(QUEUES[user], exclusive=kind == "agent", auto_delete=False)
    channel.queue_bind(QUEUES[user], BEACON_EXCHANGE)
    channel.basic_get(QUEUES[user], no_ack=True)
    publish(channel, MASTER_EXCHANGE, master_address(kind, user).routing_key, user_id=user)


def publish(channel, exchange, key, **properties):
    channel.basic_publish(amqp.Message("{}", **properties), exchange=exchange, routing_key=key)


TO_QUEUES = {
    "declare": lambda channel, name: channel.queue_declare(name),
    "declare one beside it": lambda channel, name: channel.queue_declare(f"{name}.more"),
    "delete": lambda channel, name: channel.queue_delete(name),
    "purge": lambda channel, name: channel.queue_purge(name),
    "get": lambda channel, name: channel.basic_get(name, no_ack=True),
    "consume": lambda channel, name: channel.basic_consume(name, no_ack=True, callback=print),
    "bind": lambda channel, name: channel.queue_bind(name, BEACON_EXCHANGE),
    "unbind": lambda channel, name: channel.queue_unbind(name, BEACON_EXCHANGE),
    "write to": lambda channel, name: publish(channel, "", name),
}


@pytest.mark.parametrize("what", TO_QUEUES)
@pytest.mark.parametrize("user", [AGENT, FRAMEWORK])
def test_the_queues_of_others_are_out_of_reach(clients, user, what):
    for owner, queue in QUEUES.items():
        if owner != user:
            assert not clients[user].may(lambda channel, queue=queue: TO_QUEUES[what](channel, queue)), owner


@pytest.mark.parametrize("what", TO_QUEUES)
def test_masters_write_to_the_queues_of_others_and_do_nothing_else_to_them(clients, what):
    for owner in KIND:
        done = clients[MASTER].may(lambda channel, owner=owner: TO_QUEUES[what](channel, QUEUES[owner]))
        assert done == (what == "write to"), owner


@pytest.mark.parametrize("user", [AGENT, FRAMEWORK])
def test_nobody_speaks_as_another(clients, user):
    for other, kind in KIND.items():
        key = master_address(kind, other).routing_key
        assert clients[user].may(lambda channel, key=key: publish(channel, MASTER_EXCHANGE, key)) == (user == other)
    crossed = "framework" if KIND[user] == "agent" else "agent"
    own, other_kind = (master_address(kind, user).routing_key for kind in (KIND[user], crossed))
    for key in (other_kind, "", "#", f"{own}.x", QUEUES[MASTER]):
        assert not clients[user].may(lambda channel, key=key: publish(channel, MASTER_EXCHANGE, key))
    for name in (MASTER, OTHER_AGENT, OTHER_FRAMEWORK):
        assert not clients[user].may(lambda channel, name=name: publish(channel, MASTER_EXCHANGE, own, user_id=name))


@pytest.mark.parametrize("user", [AGENT, FRAMEWORK])
def test_nobody_but_masters_makes_ends_or_listens_to_exchanges(clients, user):
    mine = QUEUES[user]
    assert not clients[user].may(lambda channel: publish(channel, BEACON_EXCHANGE, ""))
    for name, kind in EXCHANGES:
        assert not clients[user].may(lambda channel, name=name: channel.exchange_delete(name))
        declare = {"exchange": name, "type": kind, "auto_delete": False}
        assert not clients[user].may(lambda channel, declare=declare: channel.exchange_declare(**declare))
    for name in (MASTER_EXCHANGE, *BUILT_IN):
        assert not clients[user].may(lambda channel, name=name: channel.queue_bind(mine, name, "#"))
    for name in (BEACON_EXCHANGE, *BUILT_IN):
        assert not clients[user].may(lambda channel, name=name: publish(channel, name, "x"))
        assert not clients[user].may(lambda channel, name=name: channel.exchange_bind(name, MASTER_EXCHANGE, "#"))


def dead_letters(channel, mine, key):
    arguments = {"x-message-ttl": 0, "x-dead-letter-exchange": MASTER_EXCHANGE, "x-dead-letter-routing-key": key}
    channel.queue_declare(f"{mine}.dead", exclusive=True, arguments=arguments)
    channel.exchange_declare(f"{mine}.out", "fanout")
    channel.queue_bind(f"{mine}.dead", f"{mine}.out")


def alternates(channel, mine, _key):
    channel.exchange_declare(f"{mine}.out", "fanout", arguments={"alternate-exchange": MASTER_EXCHANGE})


def exchanges_in_a_row(channel, mine, _key):
    channel.exchange_declare(f"{mine}.out", "fanout")
    channel.exchange_bind(MASTER_EXCHANGE, f"{mine}.out")


@pytest.mark.parametrize("roundabout", [dead_letters, alternates, exchanges_in_a_row], ids=lambda way: way.__name__)
def test_who_sends_by_a_roundabout_is_betrayed_by_the_user(clients, roundabout):
    """The broker does not ask on these ways whether the key is the user's, so masters believe none without user_id."""
    key, inbox = master_address("framework", FRAMEWORK).routing_key, INBOXES["framework"].name
    clients[MASTER].may(lambda channel: channel.queue_purge(inbox))
    out = f"{QUEUES[AGENT]}.out"

    assert clients[AGENT].may(lambda channel: roundabout(channel, QUEUES[AGENT], key))
    assert clients[AGENT].may(lambda channel: publish(channel, out, key, user_id=AGENT))
    assert clients[AGENT].may(lambda channel: publish(channel, out, key))
    assert not clients[AGENT].may(lambda channel: publish(channel, out, key, user_id=FRAMEWORK))
    assert clients[AGENT].may(lambda channel: channel.exchange_delete(out))
    heard = []
    assert clients[MASTER].may(lambda channel: heard.extend(two_of(channel, inbox)))
    assert [message.delivery_info["routing_key"] for message in heard] == [key, key]
    assert {message.properties.get("user_id") for message in heard} == {AGENT, None}


def two_of(channel, queue):
    heard = []
    tag = channel.basic_consume(queue, no_ack=True, callback=heard.append)
    while len(heard) < 2:
        channel.connection.drain_events(timeout=20)
    channel.basic_cancel(tag)
    return heard


@pytest.mark.parametrize("user", [AGENT, FRAMEWORK])
def test_no_letter_of_theirs_dies_into_another_queue(clients, user):
    for target in ("", BEACON_EXCHANGE, *BUILT_IN):
        arguments = {"x-dead-letter-exchange": target, "x-dead-letter-routing-key": QUEUES[OTHER_AGENT]}
        name = f"{QUEUES[user]}.letters"
        assert not clients[user].may(lambda channel, a=arguments, n=name: channel.queue_declare(n, arguments=a))
        alternate, out = {"alternate-exchange": target}, f"{QUEUES[user]}.out"
        if target:
            assert not clients[user].may(
                lambda channel, a=alternate, n=out: channel.exchange_declare(n, "fanout", arguments=a)
            )


def test_what_waits_for_a_framework_can_be_counted_by_all(clients):
    """Not protected: the broker asks for no permission where a queue is only looked at."""
    assert clients[AGENT].may(lambda channel: channel.queue_declare(QUEUES[OTHER_FRAMEWORK], passive=True))


def test_nobody_administers(clients, rabbitmq):
    for line in rabbitmq.ctl("list_users", "--no-table-headers").splitlines():
        user, tags = line.split("\t")
        assert user not in clients or tags == "[]"
