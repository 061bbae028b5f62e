"""Whoever asks without end and does not read grows neither the master nor the broker."""

import contextlib
import json
import time

import amqp
import psutil
import pytest

from mesos_py.messages.codec import JSON
from tests.support.cluster import cluster, json_lines, one_cluster, wait_for

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration

MB = 2**20
GROWTH = 60 * MB
"""What a master may grow by, whatever is sent to it: buffers of 8 MB here and there, and what the allocator keeps."""
FLOOD_S = 5.0


def rss(cluster):
    return psutil.Process(cluster.daemon("master").popen.pid).memory_info().rss


class Client:
    """A bare AMQP client, subscribed under its own name."""

    def __init__(self, cluster, name, **queue_arguments):
        host = cluster.broker.partition("@")[2].partition("/")[0]
        self.connection = amqp.Connection(host=host, userid="guest", password="guest", virtual_host="/")
        self.connection.connect()
        self.channel = self.connection.channel()
        self.queue = f"mesos.framework.guest.{name}"
        self.channel.queue_declare(self.queue, exclusive=True, arguments=queue_arguments)
        self.call(type="SUBSCRIBE", framework={"name": name})

    def call(self, **fields):
        self.publish(json.dumps(fields))

    def publish(self, body):
        message = amqp.Message(body, content_type=JSON, reply_to=self.queue, user_id="guest")
        self.channel.basic_publish(message, exchange="mesos.master", routing_key="framework.guest")

    def close(self):
        with contextlib.suppress(OSError, amqp.AMQPError):
            self.connection.close()


def waits(rabbitmq, queue):
    """Bodies and bytes."""
    for line in rabbitmq.ctl("list_queues", "name", "messages", "message_bytes").splitlines():
        name, *numbers = line.split("\t")
        if name == queue:
            return tuple(map(int, numbers))
    return 0, 0


def test_a_framework_that_never_reads(cluster, rabbitmq):
    """It asks and asks; the answers push each other out of its queue."""
    before = rss(cluster)
    client = Client(cluster, "deaf", **{"x-max-length": 1000})
    try:
        deadline = time.monotonic() + FLOOD_S
        asked = 0
        while time.monotonic() < deadline:
            client.publish(json.dumps([{"type": "RECONCILE", "framework_id": "nobody"}] * 200))
            asked += 200
        wait_for(lambda: waits(rabbitmq, client.queue)[0] > 0, "answers wait")
        bodies, _ = waits(rabbitmq, client.queue)
        grown = rss(cluster) - before
        print(f"{asked} calls, {bodies} answers wait, the master grew by {grown / MB:.1f} MB")
        assert bodies <= 1000
        assert grown < GROWTH
    finally:
        client.close()


FLOOD = """
import json, sys
import amqp

user, host = sys.argv[1:]
queue = f"mesos.framework.{user}.flood"
connection = amqp.Connection(host=host, userid=user, password="secret", virtual_host="/")
connection.connect()
channel = connection.channel()
channel.queue_declare(queue, exclusive=True, arguments={"x-max-length": 1000})
body = json.dumps([{"type": "RECONCILE", "framework_id": "nobody"}] * 100)
message = amqp.Message(body, content_type="application/json", reply_to=queue, user_id=user)
while True:
    channel.basic_publish(message, exchange="mesos.master", routing_key=f"framework.{user}")
"""


def test_a_flood_keeps_no_other_framework_waiting(cluster, rabbitmq):
    """Two of them send as fast as they can; a third gets its offers and runs its tasks, and no agent is given up."""
    before = rss(cluster)
    unreachable = counters(cluster).get("agents_unreachable", 0)
    said = len(cluster.daemon("master").text())

    def blamed():
        lines = json_lines(cluster.daemon("master").text()[said:])
        whys = [line["why"] for line in lines if line["event"] == "messages are lost" and "principal" in line["why"]]
        return {why.split()[2] for why in whys}

    rabbitmq.ensure_user("quiet", "secret")
    with contextlib.ExitStack() as stack:
        flooders = []
        for user in ("flooder1", "flooder2"):
            rabbitmq.ensure_user(user, "secret")
            host = cluster.broker.partition("@")[2].partition("/")[0]
            flooders.append(stack.enter_context(cluster.running_python(FLOOD, user, host)))
        wait_for(lambda: blamed() == {"flooder1", "flooder2"}, "both send more than the master can handle")
        wait_for(lambda: counters(cluster).get("framework_bodies_dropped", 0) > 1000, "the master is flooded")
        began = time.monotonic()
        words = ("--instances", "4", "--cpus", "0.05", "--mem", "16", "--", "sleep 1")
        done = cluster.mesos("run", *words, MESOS_BROKER=rabbitmq.url("quiet", "secret"))
        took_s = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr
        grown = rss(cluster) - before
        assert all(flooder.is_running for flooder in flooders)
    dropped = counters(cluster)["framework_bodies_dropped"]
    print(f"done after {took_s:.1f} s, {dropped} bodies dropped, the master grew by {grown / MB:.1f} MB")
    assert counters(cluster).get("agents_unreachable", 0) == unreachable
    assert grown < GROWTH
    assert blamed() == {"flooder1", "flooder2"}


def counters(cluster):
    return cluster.get("/state")["counters"]
