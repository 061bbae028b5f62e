"""The in-process broker where it differs: several brokers, several loops and threads."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from mesos_py.adapters import memory
from mesos_py.adapters.topology import (
    BEACON,
    agent_queue,
    framework_queue,
    master_address,
    master_inboxes,
    queue_address,
)
from mesos_py.runtime.loop import Loop
from tests.support.transports import Bench, Peer, used

_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    return f"memory{next(_numbers)}"


@pytest.fixture
def bench(name: str) -> Iterator[Bench]:
    yield from used(lambda user: f"memory://{user}@{name}")


def test_brokers_of_different_names_share_nothing(bench: Bench, name: str):
    queue = agent_queue("guest", "p1")
    here = bench.peer(queue)
    there = bench.peer(queue, url=f"memory://{name}other")
    here.send(BEACON, b"here")
    there.send(BEACON, b"there")
    bench.until(lambda: here.got and there.got)
    assert (here.bodies, there.bodies) == ([b"here"], [b"there"])
    assert there.principal == "local"


def test_a_broker_is_forgotten_with_its_last_user(name: str):
    for _ in range(2):
        bench = Bench(lambda user: f"memory://{name}")
        queue = framework_queue("local", "kept", 3600.0)
        peer = bench.peer(queue)
        assert peer.got == []
        peer.send(queue_address(queue.name), b"x")
        bench.until(lambda: peer.got)  # noqa: B023 - called at once
        peer.send(queue_address(queue.name), b"unread")
        bench.close()
        assert name not in memory._brokers


def test_publishing_wakes_only_those_who_read(bench: Bench):
    reader, idle = bench.peer(agent_queue("guest", "p1")), bench.peer(agent_queue("guest", "p2"))
    bench.loop.turn(0)
    reader.send(queue_address("mesos.agent.guest.p1"), b"x")
    bench.until(lambda: reader.got)
    assert not idle.got


def test_a_reader_that_is_swamped_gets_it_in_portions(bench: Bench, name: str):
    batches: list[int] = []

    class Reader(Peer):
        def delivered(self, deliveries) -> None:
            super().delivered(deliveries)
            batches.append(len(deliveries))

    queue = agent_queue("guest", "p1")
    reader = Reader(f"memory://guest@{name}", bench.loop, [queue])
    bench.peers.append(reader)
    bench.until(lambda: reader.is_connected)
    for _ in range(5000):
        reader.send(queue_address(queue.name), b"x")
    bench.until(lambda: len(reader.got) == 5000)
    assert max(batches) <= 1000


class Echo(Peer):
    """Sends back whatever arrives."""

    def delivered(self, deliveries) -> None:
        super().delivered(deliveries)
        for delivery in deliveries:
            self.send(queue_address(delivery.reply_to), delivery.body)


def test_loops_in_many_threads(bench: Bench, name: str):
    """One echo per thread; all of them come and go while the master talks to all of them."""
    inbox = master_inboxes(1)["agent"]
    master = bench.peer(inbox)
    errors: list[BaseException] = []

    def agent(number: int) -> None:
        loop = Loop()
        try:
            for life in range(3):
                queue = agent_queue("guest", f"p{number}-{life}")
                echo = Echo(f"memory://guest@{name}", loop, [queue])
                while not echo.is_connected:
                    loop.turn(1.0)
                echo.send(master_address("agent", "guest"), b"register", reply_to=queue.name)
                while len(echo.got) < 200:
                    loop.turn(10.0)
                echo.stop()
                while not echo.stopped:
                    loop.turn(1.0)
        except BaseException as error:
            errors.append(error)
        finally:
            loop.close()

    threads = [threading.Thread(target=agent, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    answered = 0
    registered = 0
    while answered < 6 * 3 * 200:
        assert not errors
        seen = len(master.got)
        bench.until(lambda seen=seen: len(master.got) > seen)
        for delivery in master.got[seen:]:
            if delivery.body == b"register":
                registered += 1
                for number in range(200):
                    master.send(queue_address(delivery.reply_to), b"%d" % number, reply_to=inbox.name)
            else:
                answered += 1
    for thread in threads:
        thread.join(10)
    assert registered == 18
    assert not errors
