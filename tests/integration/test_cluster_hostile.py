"""Whatever anybody sends to a real master or agent, they live on, and others are served."""

import contextlib
import json
import urllib.parse
from collections import Counter

import amqp
import msgspec
import pytest

from mesos_py import Framework, command_task
from tests.support.cluster import cluster, one_cluster, wait_for

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration

JSON, MSGPACK = "application/json", "application/msgpack"


class Stranger:
    """A bare AMQP client with a queue for answers."""

    def __init__(self, url, user="guest", name="stranger"):
        parts = urllib.parse.urlsplit(url)
        self.user = user
        self.connection = amqp.Connection(
            host=f"{parts.hostname}:{parts.port}", userid=user, password=parts.password, virtual_host="/"
        )
        self.connection.connect()
        self.channel = self.connection.channel()
        self.queue = f"mesos.framework.{user}.{name}"
        self.channel.queue_declare(self.queue, exclusive=True)
        self.answers = []
        self.channel.basic_consume(self.queue, no_ack=True, callback=self._heard)

    def _heard(self, message):
        decode = msgspec.msgpack.decode if message.content_type == MSGPACK else json.loads
        body = decode(message.body)
        self.answers += body if isinstance(body, list) else [body]

    def send(self, body, content_type=JSON, *, key=None, exchange="mesos.master", **properties):
        properties = {"reply_to": self.queue, "user_id": self.user} | properties
        message = amqp.Message(body, content_type=content_type, **properties)
        self.channel.basic_publish(message, exchange=exchange, routing_key=key or f"framework.{self.user}")

    def call(self, **fields):
        self.send(json.dumps(fields))

    def wait_answer(self, wanted, why):
        def look():
            with contextlib.suppress(TimeoutError):
                self.connection.drain_events(timeout=0.05)
            return next(filter(wanted, self.answers), None)

        try:
            return wait_for(look, why)
        finally:
            print("heard", str(self.answers)[:2000])


@pytest.fixture
def stranger(cluster):
    stranger = Stranger(cluster.broker)
    yield stranger
    stranger.connection.close()


@pytest.fixture(scope="module", autouse=True)
def _all_is_well_after(one_cluster):
    """That the daemons live on is checked before every test; here, that they still work after all of them."""
    yield
    one_cluster.wait_ready()
    with Framework("good").start(one_cluster.broker) as framework:
        status = framework.run_task(command_task("good", "true", cpus=0.1, mem=16), timeout=30)
        assert status.exit_code == 0


SUBSCRIBE = {"type": "SUBSCRIBE", "framework": {"name": "bad"}}
GARBAGE = {
    "nothing": b"",
    "truncated": json.dumps(SUBSCRIBE).encode()[:-5],
    "no object": b"[1, 2, 3]",
    "a number": b"42",
    "no JSON": b"\x00\xff\xfe" * 100,
    "no UTF-8": b'{"type": "SUBSCRIBE", "framework": {"name": "\xff"}}',
    "deep": b"[" * 100_000,
    "unknown type": b'{"type": "CONQUER"}',
    "no type": b'{"framework": {}}',
    "wrong types": b'{"type": "SUBSCRIBE", "framework": {"name": 7, "roles": "x"}}',
    "infinite": b'{"type": "SUBSCRIBE", "framework": {"name": "bad", "failover_timeout_s": 1e999}}',
    "empty strings": b'{"type": "SUBSCRIBE", "framework_id": "", "framework": {"name": ""}}',
    "huge": json.dumps({"type": "SUBSCRIBE", "framework": {"name": "x" * 5_000_000}}).encode(),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_gets_an_answer(stranger, what):
    stranger.send(GARBAGE[what])
    error = stranger.wait_answer(lambda event: event["type"] == "ERROR", "an error")
    assert error["reason"]
    assert 0 < len(error["message"]) < 1000


@pytest.mark.parametrize("body", [b"\xc1", b"\xdf\xff\xff\xff\xff", msgspec.msgpack.encode([1, {"type": 3}]), b"{}"])
def test_msgpack_garbage_gets_an_answer(stranger, body):
    stranger.send(body, MSGPACK)
    stranger.wait_answer(lambda event: event["type"] == "ERROR", "an error")
    stranger.send(body, "text/plain")
    stranger.call(**SUBSCRIBE)
    stranger.wait_answer(lambda event: event["type"] == "SUBSCRIBED", "a subscription")


def test_calls_that_make_no_sense(stranger):
    stranger.call(type="SUBSCRIBE", framework={"name": "bad"})
    subscribed = stranger.wait_answer(lambda event: event["type"] == "SUBSCRIBED", "a subscription")
    mine = subscribed["framework_id"]
    task = {"task_id": "../../etc", "resources": {"cpus": -1}, "command": {"value": "true"}}
    calls = [
        {"type": "ACCEPT", "offer_ids": ["nonsense"], "operations": [{"type": "LAUNCH", "tasks": [task]}]},
        {"type": "KILL", "task_id": "nobody"},
        {"type": "ACKNOWLEDGE", "agent_id": "x", "task_id": "y", "update_id": -1},
        {"type": "RECONCILE", "tasks": [{"task_id": "z" * 10_000}]},
        {"type": "MESSAGE", "agent_id": "x", "executor_id": "y", "data": "not base64!"},
    ]
    for call in calls:
        stranger.call(framework_id=mine, **call)
    stranger.call(type="TEARDOWN", framework_id="somebody-else")
    stranger.call(type="HEARTBEAT", framework_id="somebody-else")
    stranger.wait_answer(lambda event: event["type"] == "ERROR" and event.get("call") == "HEARTBEAT", "a refusal")


def test_who_pretends_to_be_another(cluster, rabbitmq, stranger):
    rabbitmq.ensure_user("mallory", "guest")
    counted = counters(cluster)
    subscribe = json.dumps({"type": "SUBSCRIBE", "framework": {"name": "impostor"}})
    mallory = Stranger(cluster.broker, user="mallory")
    try:
        mallory.send(subscribe, key="framework.guest")
        mallory.send(subscribe, user_id=None)
        mallory.send(subscribe, reply_to=stranger.queue)  # not mallory's queue
        mallory.send(subscribe, reply_to="mesos.agent.guest.x")
        mallory.send(subscribe, key="framework.%6dallory")
        mallory.send(subscribe)  # and now honestly
        mallory.wait_answer(lambda event: event["type"] == "SUBSCRIBED", "a subscription")
        listed = wait_for(lambda: connected(cluster, "impostor"), "it is listed")
        assert [framework["principal"] for framework in listed] == ["mallory"]
    finally:
        mallory.connection.close()
    assert not stranger.answers
    for name, times in (("deliveries_of_foreign_users", 2), ("deliveries_of_nobody", 1)):
        wait_for(lambda name=name, n=times: counters(cluster)[name] == counted[name] + n, f"{name} has grown")


def counters(cluster):
    return Counter(cluster.get("/state")["counters"])


def connected(cluster, name):
    return [f for f in cluster.items("/frameworks") if f["name"] == name and f["status"] == "connected"]


def test_a_framework_of_another_is_not_to_be_had(cluster, rabbitmq, stranger):
    rabbitmq.ensure_user("mallory", "guest")
    stranger.call(**SUBSCRIBE)
    theirs = stranger.wait_answer(lambda event: event["type"] == "SUBSCRIBED", "a subscription")["framework_id"]
    mallory = Stranger(cluster.broker, user="mallory")
    try:
        mallory.call(framework_id=theirs, **SUBSCRIBE)
        mallory.call(type="TEARDOWN", framework_id=theirs)
        mallory.wait_answer(lambda event: event["type"] == "ERROR", "a refusal")
        mallory.call(**SUBSCRIBE)
        mallory.wait_answer(lambda event: event["type"] == "SUBSCRIBED", "a subscription")
    finally:
        mallory.connection.close()
    stranger.call(type="HEARTBEAT", framework_id=theirs)  # which is answered only if it is refused
    mine = wait_for(lambda: [f for f in cluster.items("/frameworks") if f["framework_id"] == theirs], "to be listed")
    assert [framework["status"] for framework in mine] == ["connected"]
    assert not [event for event in stranger.answers if event["type"] == "ERROR"]


def test_rubbish_for_agents(cluster, rabbitmq, stranger):
    queues = [line.split()[0] for line in rabbitmq.ctl("list_queues", "name").splitlines() if "mesos.agent" in line]
    assert len(queues) == 2
    for queue in queues:
        for body in (*GARBAGE.values(), b'{"type": "RUN_TASKS"}', b'{"type": "KILL_TASK", "agent_id": 3}'):
            stranger.send(body, key=queue, exchange="")
            stranger.send(body, MSGPACK, key=queue, exchange="")
    stranger.send(b'{"type": "REGISTER"}', key="agent.guest")
    stranger.send(b"\xff", MSGPACK, key="agent.guest")
    for name in ("agent1", "agent2"):
        wait_for(lambda name=name: cluster.daemon(name).text().count("message refused") > 20, "refusals in the log")
    wait_for(lambda: all(agent["connected"] for agent in cluster.items("/agents")), "both agents are connected")
