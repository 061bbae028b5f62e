"""What the AMQP transport does when RabbitMQ, the network or a stranger misbehaves."""

import datetime as dt
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import amqp
import pytest

from mesos_py.adapters.topology import (
    BEACON,
    MASTER_EXCHANGE,
    agent_queue,
    framework_queue,
    master_address,
    master_inboxes,
    queue_address,
)
from mesos_py.runtime.ports import Address, QueueSpec
from tests.support.proxy import Proxy
from tests.support.rabbitmq import RabbitMQ, free_ports
from tests.support.transports import Bench, our_threads, used

pytestmark = pytest.mark.integration

_numbers = itertools.count(1000)


@pytest.fixture
def bench(rabbitmq: RabbitMQ) -> Iterator[Bench]:
    yield from used(rabbitmq.url)


@pytest.fixture
def proxy(rabbitmq: RabbitMQ) -> Iterator[Proxy]:
    proxy = Proxy(rabbitmq.port)
    yield proxy
    proxy.close()


def an_inbox() -> tuple[QueueSpec, ...]:
    return tuple(master_inboxes(next(_numbers)).values())


def in_thread(work) -> threading.Thread:
    """Something slow that must not stop the loop's turns."""
    thread = threading.Thread(target=work, name="helper")
    thread.start()
    return thread


# The broker goes and comes


def test_everything_is_as_before_after_the_broker_was_killed_and_started_again(rabbitmq: RabbitMQ, bench: Bench):
    inboxes = an_inbox()
    kept = framework_queue("guest", "kept", 3600.0)
    master, agent = bench.peer(*inboxes), bench.peer(agent_queue("guest", "p1"), kept)
    rabbitmq.stop(hard=True)
    try:
        bench.until(lambda: master.losses and agent.losses)
        assert not master.send(BEACON, b"into the void")
        late = bench.peer(up=False)
        bench.until(lambda: late.losses)
        bench.turn_for(0.5)  # several attempts
    finally:
        starting = in_thread(rabbitmq.start)
    bench.until(lambda: master.is_connected and agent.is_connected and late.is_connected)
    starting.join()

    refused = f"connection refused by 127.0.0.1:{rabbitmq.port}"
    for peer in (master, agent):
        assert peer.story[0] == peer.story[-1] == "connected"
        assert peer.story[2:-1] == [refused]
    assert late.story == [f"connection refused by 127.0.0.1:{rabbitmq.port}", "connected"]
    agent.send(master_address("agent", "guest"), b"again")
    master.send(queue_address(kept.name), b"for the framework")
    master.send(BEACON, b"I lead")
    bench.until(lambda: master.got and len(agent.got) == 3)
    assert sorted(agent.bodies) == [b"I lead", b"I lead", b"for the framework"]
    assert bench.longest_turn_s < 2.0  # the broker was away for longer


def test_a_broker_that_shuts_down_says_so(rabbitmq: RabbitMQ, bench: Bench):
    peer = bench.peer(agent_queue("guest", "p1"))
    stopping = in_thread(lambda: rabbitmq.ctl("stop_app"))
    bench.until(lambda: peer.losses)
    stopping.join()
    starting = in_thread(lambda: rabbitmq.ctl("start_app"))
    bench.until(lambda: peer.is_connected)
    starting.join()
    assert "shutdown" in peer.losses[0]
    assert len(peer.losses) <= 2  # and that nobody listens there, if that was noticed


def test_a_connection_closed_by_an_operator_is_made_again(rabbitmq: RabbitMQ, bench: Bench):
    queue = agent_queue("guest", "p1")
    peer = bench.peer(queue)
    closing = in_thread(lambda: rabbitmq.close_connections("for a test"))
    bench.until(lambda: peer.losses and peer.is_connected)
    closing.join()
    assert "for a test" in peer.losses[0]
    peer.send(queue_address(queue.name), b"still here")
    bench.until(lambda: peer.got)


def test_a_cut_connection_is_made_again(bench: Bench, rabbitmq: RabbitMQ, proxy: Proxy):
    peer = bench.peer(agent_queue("guest", "p1"), url=rabbitmq.url(port=proxy.port))
    for losses in (1, 2):
        proxy.cut()
        bench.until(lambda n=losses: len(peer.losses) == n and peer.is_connected)
    assert all(f"127.0.0.1:{proxy.port}" in reason for reason in peer.losses)


def test_the_next_node_is_tried(rabbitmq: RabbitMQ, bench: Bench):
    (dead,) = free_ports(1)
    peer = bench.peer(url=f"amqp://guest:guest@127.0.0.1:{dead}//;127.0.0.1:{rabbitmq.port}")
    assert peer.story == ["connected"]


def test_whoever_loses_a_node_goes_to_the_next(rabbitmq: RabbitMQ, bench: Bench):
    with closing(Proxy(rabbitmq.port)) as first, closing(Proxy(rabbitmq.port)) as second:
        peer = bench.peer(url=f"amqp://guest:guest@127.0.0.1:{first.port}//;127.0.0.1:{second.port}")
        for losses in (1, 2, 3):
            first.cut()
            second.cut()
            bench.until(lambda n=losses: len(peer.losses) == n and peer.is_connected)
        lost = [port for reason in peer.losses for port in (first.port, second.port) if f":{port}" in reason]
        assert lost == [first.port, second.port, first.port]
        peer.stop()
        bench.until(lambda: peer.stopped)


def test_every_node_is_named_when_none_answers(bench: Bench):
    first, second = free_ports(2)
    peer = bench.peer(url=f"amqp://127.0.0.1:{first};127.0.0.1:{second}", up=False)
    bench.until(lambda: peer.story)
    assert peer.story == [f"connection refused by 127.0.0.1:{first}; connection refused by 127.0.0.1:{second}"]


def test_a_host_that_is_unknown(bench: Bench):
    peer = bench.peer(url="amqp://no-such-host.invalid", up=False)
    bench.until(lambda: peer.story)
    assert "no-such-host.invalid is unknown" in peer.story[0]


def test_something_that_is_no_broker(bench: Bench):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        peer = bench.peer(url=f"amqp://127.0.0.1:{port}//?connection_timeout=200", up=False)
        bench.until(lambda: peer.story)
        peer.stop()
        bench.until(lambda: not our_threads())
    assert peer.story == [f"no answer from 127.0.0.1:{port} within 0.2 s"]


# Who may do what


def test_a_wrong_password_is_said_without_the_password(rabbitmq: RabbitMQ, bench: Bench):
    peer = bench.peer(url=rabbitmq.url("guest", "sesame"), up=False)
    bench.until(lambda: peer.story)
    assert "as user guest: ACCESS_REFUSED" in peer.story[0]
    assert "sesame" not in peer.story[0]


def test_an_untrusted_certificate_is_refused(rabbitmq: RabbitMQ, bench: Bench):
    peer = bench.peer(url=rabbitmq.tls_url().partition("?")[0], up=False)
    bench.until(lambda: peer.story)
    assert f"TLS with 127.0.0.1:{rabbitmq.tls_port} failed: self-signed certificate" in peer.story[0]


def test_an_agent_needs_only_its_own_queues_and_routing_key(rabbitmq: RabbitMQ, bench: Bench):
    mine = r"^mesos\.agent\.node1\..*"
    rabbitmq.add_user("node1", "secret", configure=mine, write=mine + "|^mesos.master$", read=mine + "|^mesos.beacon$")
    rabbitmq.ctl("set_topic_permissions", "node1", MASTER_EXCHANGE, r"^agent\.node1$", "^$")
    master = bench.peer(*an_inbox())
    agent = bench.peer(agent_queue("node1", "p1"), url=rabbitmq.url("node1", "secret"))
    agent.send(master_address("agent", "node1"), b"register")
    master.send(BEACON, b"I lead")
    bench.until(lambda: len(master.got) == 2 and agent.got)
    assert {delivery.user_id: delivery.body for delivery in master.got} == {"node1": b"register", "guest": b"I lead"}

    agent.send(master_address("agent", "node2"), b"an impostor")
    bench.until(lambda: agent.losses)
    assert "ACCESS_REFUSED" in agent.losses[0]
    bench.until(lambda: agent.is_connected)
    assert len(master.got) == 2


# Queues


def test_a_deleted_queue_is_declared_again(rabbitmq: RabbitMQ, bench: Bench):
    queue = framework_queue("guest", f"deleted{next(_numbers)}", 3600.0)
    peer = bench.peer(queue)
    deleting = in_thread(lambda: rabbitmq.ctl("delete_queue", queue.name))
    bench.until(lambda: peer.losses and peer.is_connected)
    deleting.join()
    assert peer.losses == [f"queue {queue.name} was deleted at 127.0.0.1:{rabbitmq.port}"]
    peer.send(queue_address(queue.name), b"x")
    bench.until(lambda: peer.got)


def test_a_queue_with_another_failover_timeout_is_made_anew(bench: Bench):
    name = f"changed{next(_numbers)}"
    first = bench.peer(framework_queue("guest", name, 60.0))
    first.stop()
    bench.until(lambda: first.stopped)
    queue = framework_queue("guest", name, 120.0)
    second = bench.peer(queue, up=False)
    bench.until(lambda: second.is_connected)
    assert len(second.losses) == 1
    assert "x-expires" in second.losses[0]
    second.send(queue_address(queue.name), b"x")
    bench.until(lambda: second.got)


def test_a_deleted_exchange_is_declared_again(rabbitmq: RabbitMQ, bench: Bench):
    peer = bench.peer(*an_inbox())
    with foreign(rabbitmq) as client:
        client.channel().exchange_delete(MASTER_EXCHANGE)
    peer.send(master_address("agent", "guest"), b"lost")
    bench.until(lambda: peer.losses and peer.is_connected)
    peer.send(master_address("agent", "guest"), b"found")
    bench.until(lambda: peer.got)
    assert peer.bodies == [b"found"]


# Strangers


def foreign(rabbitmq: RabbitMQ) -> amqp.Connection:
    return amqp.Connection(f"127.0.0.1:{rabbitmq.port}", "guest", "guest")


def test_a_foreign_client_may_set_any_property(rabbitmq: RabbitMQ, bench: Bench):
    queue = agent_queue("guest", "p1")
    peer = bench.peer(queue)
    headers = {
        "text": "x",
        "number": 5,
        "large": 2**40,
        "truth": True,
        "fraction": 0.5,
        "exact": Decimal("1.25"),
        "moment": dt.datetime(2026, 1, 1),
        "nothing": None,
        "list": [1, "two", [3]],
        "table": {"epoch": 99, "deep": {"er": 1}},
        "bytes": b"\xff\xfe",
        "epoch": 12,
        "after": "y",
    }
    everything = {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "application_headers": headers,
        "delivery_mode": 2,
        "priority": 3,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": "60000",
        "message_id": "m",
        "timestamp": 1_700_000_000,
        "type": "t",
        "user_id": "guest",
        "app_id": "a",
        "cluster_id": "",
    }
    with foreign(rabbitmq) as client:
        channel = client.channel()
        for properties in ({}, everything, {"type": "t"}, {"application_headers": {"epoch": "many"}}):
            channel.basic_publish(amqp.Message(b"body", **properties), routing_key=queue.name)
        channel.basic_publish(amqp.Message(b"l" * 400_000, **everything), routing_key=queue.name)
    bench.until(lambda: len(peer.got) == 5)
    assert [(d.content_type, d.reply_to, d.user_id, d.epoch) for d in peer.got] == [
        ("", "", "", 0),
        ("application/json", "r", "guest", 12),
        ("", "", "", 0),
        ("", "", "", 0),
        ("application/json", "r", "guest", 12),
    ]
    assert len(peer.bodies[4]) == 400_000


def test_text_that_is_not_utf8_breaks_nothing(rabbitmq: RabbitMQ, bench: Bench):
    queue = agent_queue("guest", "p1")
    peer = bench.peer(queue, *an_inbox())
    with foreign(rabbitmq) as client:
        channel = client.channel()
        for size in (4, 400_000):
            body, key = b"x" * size, b"agent.\xff\xfe"
            method = b"\0\0\x0cmesos.master" + bytes([len(key)]) + key + b"\0"
            content = amqp.Message(body)
            content.properties = {}
            content._serialize_properties = lambda: b"\x82\x00\x02\xff\xfe\x03\xc3(\xff"
            client.frame_writer(1, channel.channel_id, (60, 40), method, content)
    bench.until(lambda: len(peer.got) == 2)
    assert [len(body) for body in peer.bodies] == [4, 400_000]
    assert peer.got[0].routing_key == "agent.\ufffd\ufffd"
    assert peer.story == ["connected"]


def test_the_broker_vouches_for_the_user_id(rabbitmq: RabbitMQ, bench: Bench):
    master = bench.peer(*an_inbox())
    with foreign(rabbitmq) as client:
        channel = client.channel()
        forged = amqp.Message(b"forged", user_id="alice")
        channel.basic_publish(forged, MASTER_EXCHANGE, "agent.alice")
        with pytest.raises(amqp.PreconditionFailed):
            channel.queue_declare("mesos.test.wait", exclusive=True)
    bench.loop.turn(0.0)
    assert not master.got


# A broker that does not read, is silent, or talks nonsense


def test_a_memory_alarm_is_survived_without_blocking_the_loop(rabbitmq: RabbitMQ, bench: Bench):
    queue = agent_queue("guest", "p1")
    reader, writer = bench.peer(queue), bench.peer()
    address = queue_address(queue.name)
    rabbitmq.ctl("set_vm_memory_high_watermark", "0")
    try:
        for _ in range(200):
            assert writer.send(address, b"x" * 50_000)
            bench.turn(0.0)
        bench.turn_for(0.5)
        assert len(reader.got) < 200
        why = f"127.0.0.1:{rabbitmq.port} is low on memory (free memory there, or raise vm_memory_high_watermark)"
        assert writer.story == ["connected", f"blocked: {why}"]
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")
    bench.until(lambda: len(reader.got) == 200)
    bench.until(lambda: writer.is_connected)
    assert writer.story == ["connected", f"blocked: {why}", "unblocked"]
    assert reader.story == ["connected"]  # who publishes nothing is not told
    assert bench.longest_turn_s < 0.5  # the alarm lasted longer


@pytest.mark.parametrize("scheme", ["amqp", "amqps"])
def test_a_backlog_is_kept_while_the_network_is_stuck(bench: Bench, rabbitmq: RabbitMQ, scheme: str):
    secure = scheme == "amqps"
    proxy = Proxy(rabbitmq.tls_port if secure else rabbitmq.port)
    url = f"{scheme}://127.0.0.1:{proxy.port}//" + (f"?cacertfile={rabbitmq.certificate}" if secure else "")
    queue = agent_queue("guest", "p1")
    reader, writer = bench.peer(queue, url=url), bench.peer(url=url)
    proxy.freeze()
    bodies = [b"%d" % number * 20_000 for number in range(400)]
    for body in bodies:
        assert writer.send(queue_address(queue.name), body)
        bench.turn(0.0)
    assert not reader.got
    proxy.thaw()
    bench.until(lambda: len(reader.got) == len(bodies))
    assert reader.bodies == bodies
    assert writer.story == reader.story == ["connected"]
    bench.close()
    proxy.close()


def test_a_backlog_has_an_end(bench: Bench, rabbitmq: RabbitMQ, proxy: Proxy):
    peer = bench.peer(url=rabbitmq.url(port=proxy.port))
    proxy.freeze()
    body = b"x" * 1_000_000
    while peer.send(BEACON, body):
        bench.turn(0.0)
    bench.until(lambda: peer.losses)
    assert "too much waits to be sent" in peer.losses[0]
    proxy.thaw()
    bench.until(lambda: peer.is_connected)


def test_a_silent_broker_is_given_up_and_a_live_one_kept(bench: Bench, rabbitmq: RabbitMQ, proxy: Proxy):
    quick = "?heartbeat=1&connection_timeout=300"
    idle = bench.peer(url=rabbitmq.url(options=quick))
    mute = bench.peer(url=rabbitmq.url(port=proxy.port, options=quick))
    proxy.freeze()
    start = time.monotonic()
    bench.until(lambda: mute.losses)
    assert mute.losses == [f"nothing heard from 127.0.0.1:{proxy.port} for 2 s"]
    assert time.monotonic() - start < 5
    bench.turn_for(1.0)
    proxy.thaw()
    bench.until(lambda: mute.is_connected)
    assert idle.story == ["connected"]
    assert mute.story.count("connected") == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x01\x00\x01\xff\xff\xff\xff and so on",
        b"\x01\x00\x00\x00\x00\x00\x00\xce",
        b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x3c\xce\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x3c\xce",
        b"\x03\x00\x01\x00\x00\x00\x01x\xce",
        b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x32\xce",
        b"\x01\x00\x00\x00\x00\x00\x04\x00\x63\x00\x63\xce",
    ],
)
def test_nonsense_from_the_broker_ends_the_connection_only(
    bench: Bench, rabbitmq: RabbitMQ, proxy: Proxy, nonsense: bytes
):
    peer = bench.peer(agent_queue("guest", "p1"), url=rabbitmq.url(port=proxy.port))
    proxy.inject(nonsense)
    bench.until(lambda: peer.losses and peer.is_connected)
    assert f"127.0.0.1:{proxy.port}" in peer.losses[0]


def test_publishing_to_an_unknown_exchange_costs_the_connection_only(bench: Bench):
    peer = bench.peer()
    peer.send(Address("mesos.nowhere", "x"), b"x")
    bench.until(lambda: peer.losses and peer.is_connected)
    assert "NOT_FOUND - no exchange 'mesos.nowhere'" in peer.losses[0]


def test_leaving_a_broker_that_does_not_answer(bench: Bench, rabbitmq: RabbitMQ, proxy: Proxy):
    peer = bench.peer(url=rabbitmq.url(port=proxy.port))
    proxy.freeze()
    for _ in range(20):
        peer.send(BEACON, b"x" * 1_000_000)
    start = time.monotonic()
    peer.stop()
    assert time.monotonic() - start < 0.5
    bench.until(lambda: peer.stopped)
    assert time.monotonic() - start < 10
    proxy.thaw()
