"""What every transport promises, tried on each: kombu's memory broker, RabbitMQ, and RabbitMQ over TLS."""

import itertools
from collections.abc import Iterator

import pytest

from mesos_py.adapters.topology import (
    BEACON,
    agent_queue,
    framework_queue,
    master_address,
    master_inboxes,
    principal_of,
    queue_address,
)
from mesos_py.runtime.gaps import Gaps
from mesos_py.runtime.ports import QueueSpec
from tests.support.rabbitmq import RabbitMQ
from tests.support.transports import Bench, our_threads, used

_numbers = itertools.count(1)


@pytest.fixture(
    params=[
        "memory",
        pytest.param("amqp", marks=pytest.mark.integration),
        pytest.param("amqps", marks=pytest.mark.integration),
    ]
)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "memory":
        name = f"contract{next(_numbers)}"
        yield from used(lambda user: f"memory://{user}@{name}")
        return
    broker: RabbitMQ = request.getfixturevalue("rabbitmq")
    broker.ensure_user("alice", "secret")
    passwords = {"guest": "guest", "alice": "secret"}
    url = broker.url if request.param == "amqp" else broker.tls_url
    yield from used(lambda user: url(user, passwords[user]))


def an_inbox() -> tuple[QueueSpec, ...]:
    return tuple(master_inboxes(next(_numbers)).values())


def test_bodies_arrive_in_order_with_their_envelope(bench: Bench):
    master = bench.peer(*an_inbox())
    agent = bench.peer(agent_queue("alice", "p1"), user="alice")
    address = master_address("agent", agent.principal)

    assert agent.send(address, b"one", reply_to="mesos.agent.alice.p1", epoch=7)
    assert agent.send(address, b"\x81two", content_type="application/msgpack")
    assert agent.send(address, b"", content_type="text/plain", epoch=2**40)
    bench.until(lambda: len(master.got) == 3)

    one, two, three = master.got
    assert (one.body, one.content_type, one.reply_to, one.user_id, one.epoch) == (
        b"one",
        "application/json",
        "mesos.agent.alice.p1",
        "alice",
        7,
    )
    assert (two.body, two.content_type, two.reply_to, two.epoch) == (b"\x81two", "application/msgpack", "", 0)
    assert (three.body, three.content_type, three.epoch) == (b"", "text/plain", 2**40)
    assert principal_of(one.routing_key) == ("agent", "alice")
    assert one.queue.startswith("mesos.master.")


def test_a_queue_is_reached_by_name(bench: Bench):
    queue = framework_queue("guest", "web", 0)
    scheduler, master = bench.peer(queue), bench.peer()
    master.send(queue_address(queue.name), b"offers", epoch=3)
    bench.until(lambda: scheduler.got)
    assert scheduler.got[0].queue == queue.name
    assert scheduler.got[0].epoch == 3


def test_the_beacon_reaches_everybody(bench: Bench):
    listeners = [
        bench.peer(agent_queue("guest", "p1")),
        bench.peer(agent_queue("guest", "p2")),
        bench.peer(framework_queue("guest", f"batch{next(_numbers)}", 60.0)),
        bench.peer(*an_inbox()),  # an older leader's, who must learn that it was deposed
    ]
    listeners[-1].send(BEACON, b"I lead", epoch=4)
    bench.until(lambda: all(peer.got for peer in listeners))
    assert [peer.bodies for peer in listeners] == [[b"I lead"]] * 4


def test_the_inbox_gets_what_agents_and_frameworks_send_from_any_principal(bench: Bench):
    master = bench.peer(*an_inbox())
    guest, alice = bench.peer(), bench.peer(user="alice")
    guest.send(master_address("framework", "guest"), b"subscribe")
    bench.until(lambda: len(master.got) == 1)
    alice.send(master_address("agent", "alice"), b"register")
    bench.until(lambda: len(master.got) == 2)  # agents and frameworks have an inbox each
    alice.send(master_address("framework", "a.b*c#d e"), b"odd name")
    bench.until(lambda: len(master.got) == 3)
    assert master.bodies == [b"subscribe", b"register", b"odd name"]
    assert [delivery.user_id for delivery in master.got] == ["guest", "alice", "alice"]
    assert [principal_of(delivery.routing_key) for delivery in master.got] == [
        ("framework", "guest"),
        ("agent", "alice"),
        ("framework", "a.b*c#d e"),
    ]


def test_what_was_sent_to_a_dead_leader_dies_with_it(bench: Bench):
    old = bench.peer(*an_inbox())
    agent = bench.peer()
    old.stop()
    bench.until(lambda: old.stopped)
    agent.send(master_address("agent", "guest"), b"to nobody")
    bench.loop.turn(0.0)
    new = bench.peer(*an_inbox())
    agent.send(master_address("agent", "guest"), b"to the new one")
    bench.until(lambda: new.got)
    assert new.bodies == [b"to the new one"]


def test_large_bodies(bench: Bench):
    queue = agent_queue("guest", "large")
    reader, writer = bench.peer(queue), bench.peer()
    sizes = [131_063, 131_064, 131_065, 131_072, 500_000, 3_000_000, 10]
    sent = [bytes([65 + index]) * size for index, size in enumerate(sizes)]
    for body in sent:
        writer.send(queue_address(queue.name), body)
    bench.until(lambda: len(reader.got) == len(sizes))
    assert [len(body) for body in reader.bodies] == sizes
    assert reader.bodies == sent


def test_ten_thousand_small_bodies_in_order(bench: Bench):
    queue = agent_queue("guest", "many")
    reader, writer = bench.peer(queue), bench.peer()
    address = queue_address(queue.name)
    for number in range(10_000):
        writer.send(address, b"%d" % number, epoch=number % 3)
    bench.until(lambda: len(reader.got) == 10_000)
    assert reader.bodies == [b"%d" % number for number in range(10_000)]
    assert [delivery.epoch for delivery in reader.got[:6]] == [0, 1, 2, 0, 1, 2]


def test_subscribing_and_unsubscribing_while_connected(bench: Bench):
    peer = bench.peer()
    queue = master_inboxes(next(_numbers))["agent"]
    address = master_address("agent", "guest")
    peer.transport.subscribe(queue)
    peer.send(address, b"first")
    bench.until(lambda: peer.got)
    peer.transport.unsubscribe(queue.name)
    peer.send(address, b"lost")
    bench.loop.turn(0.0)
    peer.transport.subscribe(queue)
    peer.transport.subscribe(queue)
    peer.send(address, b"last")
    bench.until(lambda: len(peer.got) == 2)
    assert peer.bodies == [b"first", b"last"]
    assert peer.story == ["connected"]


def test_unsubscribing_from_what_was_never_subscribed_does_nothing(bench: Bench):
    peer = bench.peer()
    peer.transport.unsubscribe("mesos.master.999")
    peer.send(BEACON, b"x")
    bench.loop.turn(0.0)
    assert peer.story == ["connected"]


def test_mandatory_bodies_that_reach_no_queue_come_back(bench: Bench):
    peer = bench.peer()
    nowhere, nobody = queue_address("mesos.agent.guest.gone"), master_address("agent", "guest")
    peer.send(nowhere, b"x", mandatory=True)
    peer.send(nowhere, b"x", mandatory=False)
    peer.send(nobody, b"x" * 300_000, mandatory=True)
    bench.until(lambda: len(peer.undelivered) == 2)
    assert peer.undelivered == [nowhere, nobody]
    assert not peer.got


def test_a_kept_queue_holds_events_for_the_next_scheduler(bench: Bench):
    queue = framework_queue("guest", f"kept{next(_numbers)}", 60.0)
    first, master = bench.peer(queue), bench.peer()
    first.stop()
    bench.until(lambda: first.stopped)
    master.send(queue_address(queue.name), b"waits", mandatory=True)
    bench.loop.turn(0.0)
    second = bench.peer(queue)
    bench.until(lambda: second.got)
    assert second.bodies == [b"waits"]


def test_a_queue_of_limited_length_drops_the_oldest(bench: Bench):
    queue = QueueSpec(name=f"mesos.test.short{next(_numbers)}", exclusive=False, expires_s=60.0, max_length=2)
    first, master = bench.peer(queue), bench.peer()
    first.stop()
    bench.until(lambda: first.stopped)
    for number in range(5):
        master.send(queue_address(queue.name), b"%d" % number)
    bench.loop.turn(0.0)
    master.transport.subscribe(queue)
    bench.until(lambda: len(master.got) == 2)
    assert master.bodies == [b"3", b"4"]


def test_a_queue_of_limited_size_drops_the_oldest(bench: Bench):
    queue = QueueSpec(name=f"mesos.test.small{next(_numbers)}", exclusive=False, expires_s=60.0, max_bytes=1000)
    first, master = bench.peer(queue), bench.peer()
    first.stop()
    bench.until(lambda: first.stopped)
    for number in range(5):
        master.send(queue_address(queue.name), b"%d" % number * 400)
    bench.loop.turn(0.0)
    master.transport.subscribe(queue)
    bench.until(lambda: len(master.got) == 2)
    assert master.bodies == [b"3" * 400, b"4" * 400]


def test_numbers_travel_with_bodies(bench: Bench):
    queue = agent_queue("guest", "counted")
    reader, writer = bench.peer(queue), bench.peer()
    bodies = [b"small", b"large" * 100_000, b"", b"none", b"far"]
    for body, number in zip(bodies, (1, 2, 3, 0, 2**62), strict=True):
        writer.send(queue_address(queue.name), body, number=number, epoch=7, reply_to="mesos.agent.guest.x")
    writer.send(queue_address(queue.name), b"no epoch", number=5)
    bench.until(lambda: len(reader.got) == 6)
    assert [delivery.number for delivery in reader.got] == [1, 2, 3, 0, 2**62, 5]
    assert [delivery.epoch for delivery in reader.got] == [7, 7, 7, 7, 7, 0]
    assert {delivery.reply_to for delivery in reader.got[:5]} == {"mesos.agent.guest.x"}


def test_whoever_was_away_sees_a_gap(bench: Bench):
    """Drop-head: what is dropped is always followed by something whose number shows it."""
    queue = QueueSpec(name=f"mesos.test.gap{next(_numbers)}", exclusive=False, expires_s=60.0, max_length=3)
    first, master = bench.peer(queue), bench.peer()
    gaps = Gaps()
    master.send(queue_address(queue.name), b"x", epoch=1, number=1)
    bench.until(lambda: first.got)
    assert gaps.missed(1, first.got[0].number) == 0
    first.stop()
    bench.until(lambda: first.stopped)
    for number in range(2, 12):
        master.send(queue_address(queue.name), b"x", epoch=1, number=number)
    bench.loop.turn(0.0)
    master.transport.subscribe(queue)
    bench.until(lambda: len(master.got) == 3)
    assert [gaps.missed(1, delivery.number) for delivery in master.got] == [7, 0, 0]


def test_an_unused_queue_expires(bench: Bench):
    queue = QueueSpec(name=f"mesos.test.brief{next(_numbers)}", exclusive=False, expires_s=0.1)
    first, master = bench.peer(queue), bench.peer()
    first.stop()
    bench.until(lambda: first.stopped)

    def is_gone() -> bool:
        master.send(queue_address(queue.name), b"anybody?", mandatory=True)
        bench.turn_for(0.05)
        return bool(master.undelivered)

    bench.until(is_gone)


def test_an_exclusive_queue_has_one_owner_at_a_time(bench: Bench):
    queue = agent_queue("guest", "mine")
    first = bench.peer(queue)
    second = bench.peer(queue, up=False)
    bench.until(lambda: second.losses)
    assert queue.name in second.losses[0]
    first.stop()
    bench.until(lambda: second.is_connected)
    assert len(second.losses) == 1
    second.send(queue_address(queue.name), b"mine now")
    bench.until(lambda: second.got)


def test_nothing_can_be_published_before_the_connection_nor_after_the_end(bench: Bench):
    peer = bench.peer(up=False)
    assert not peer.send(BEACON, b"early")
    bench.until(lambda: peer.is_connected)
    assert peer.send(BEACON, b"now")
    peer.stop()
    assert not peer.send(BEACON, b"late")
    bench.until(lambda: peer.stopped)
    assert peer.story == ["connected"]


def test_what_was_published_before_stop_is_sent(bench: Bench):
    queue = agent_queue("guest", "farewell")
    reader, writer = bench.peer(queue), bench.peer()
    for number in range(100):
        writer.send(queue_address(queue.name), b"%d" % number * 1000)
    writer.stop()
    bench.until(lambda: len(reader.got) == 100)


def test_stopping_twice_or_before_the_connection_is_up(bench: Bench):
    peer = bench.peer(up=False)
    peer.stop()
    bench.until(lambda: peer.stopped)
    peer.stop()
    other = bench.peer(up=False)
    bench.loop.turn(0.0)
    other.stop()
    bench.until(lambda: other.stopped and not our_threads())
    assert peer.story == []
    assert other.story in ([], ["connected"])


def test_a_name_that_cannot_be_carried_is_refused_not_raised(bench: Bench):
    peer = bench.peer()
    peer.send(queue_address("x" * 300), b"x")
    peer.send(queue_address("\udcff"), b"x")
    assert peer.send(BEACON, b"x")
    bench.loop.turn(0.0)
    assert peer.story == ["connected"]


def test_stopping_at_the_end_of_a_turn_sends_what_the_turn_published(bench: Bench):
    queue = agent_queue("guest", "farewell")
    reader, writer = bench.peer(queue), bench.peer()

    def last_words() -> None:
        if not writer.stopped and not reader.got:
            writer.send(queue_address(queue.name), b"x" * 1_000_000)
            writer.stop()

    bench.loop.at_turn_end(last_words)
    bench.until(lambda: writer.stopped and reader.got)
    assert len(reader.got) == 1


def test_an_idle_transport_wakes_nobody(bench: Bench):
    peer = bench.peer(agent_queue("guest", "idle"))
    bench.turn_for(0.1)
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1

    bench.loop.at_turn_end(count)
    bench.turn_for(0.5)
    assert turns <= 2
    assert peer.story == ["connected"]
