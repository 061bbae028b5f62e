"""What a leader hears, in one loop with a broker in memory."""

import secrets

import pytest

from mesos_py.adapters import topology
from mesos_py.daemons.config import MasterConfig
from mesos_py.daemons.master import MasterDaemon
from mesos_py.daemons.registry import RegistryMemory
from mesos_py.messages.codec import JSON, SCHEDULER_CALLS, SCHEDULER_EVENTS
from mesos_py.messages.scheduler import Call, Reconcile, Subscribe, Subscribed
from mesos_py.runtime import shares
from mesos_py.runtime.loop import Loop
from mesos_py.testing.builders import a_framework
from mesos_py.types.ids import FrameworkID
from tests.support.transports import Peer

BODIES, CALLS = 500, 1500
"""Of a flood: more than a master lets wait."""


class Sender(Peer):
    """A framework with nothing but a transport."""

    def __init__(self, world, user):
        self.queue = topology.framework_queue(user, "main", 0)
        self.address = topology.master_address("framework", user)
        super().__init__(f"memory://{user}@{world.name}", world.loop, [self.queue])

    def body(self, *calls: Call) -> bytes:
        [body] = SCHEDULER_CALLS.encode(list(calls), JSON)
        return body

    def call(self, body: bytes) -> None:
        assert self.send(self.address, body, reply_to=self.queue.name)

    @property
    def subscribed(self):
        messages = [m for d in self.got for m in SCHEDULER_EVENTS.decode(d.body, d.content_type)]
        return sum(isinstance(message, Subscribed) for message in messages)


class World:
    def __init__(self, directory):
        self.loop = Loop()
        self.name = secrets.token_hex(4)
        work = str(directory)
        config = MasterConfig(broker=f"memory://master@{self.name}", work_dir=work, http_port=0, log_level="error")
        self.master = MasterDaemon(config, self.loop, RegistryMemory())
        self.master.start()
        self.senders = []
        self.turns_until(lambda: not self.master.core.state.cut_off)

    @property
    def counters(self):
        return self.master.core.state.counters

    def sender(self, user):
        sender = Sender(self, user)
        self.senders.append(sender)
        self.turns_until(lambda: sender.is_connected)
        return sender

    def turns_until(self, condition):
        for number in range(1000):
            if condition():
                return number
            self.loop.turn(0.1)
        raise AssertionError("not within 1000 turns")

    def close(self):
        stopped = []
        for sender in self.senders:
            sender.stop()
        self.master.stop(lambda: stopped.append(True))
        self.turns_until(lambda: stopped)
        self.loop.close()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


def test_a_subscription_amid_a_flood_is_answered_at_once(world):
    """Before the flood is handled, that is, and whatever of it is dropped."""
    flooder, other = world.sender("flooder"), world.sender("other")
    noise = flooder.body(*[Reconcile(framework_id=FrameworkID("nobody"))] * CALLS)
    assert BODIES * len(noise) > shares._KEPT
    for _ in range(BODIES):
        flooder.call(noise)
    other.call(other.body(Subscribe(framework=a_framework("quiet"))))
    world.turns_until(lambda: other.subscribed)
    refused = sum(number for name, number in world.counters.items() if name.startswith("calls_refused"))
    dropped = world.counters["framework_bodies_dropped"]
    assert dropped > 0
    assert refused < CALLS * (BODIES - dropped) / 4


def test_what_one_sends_keeps_its_order(world):
    only = world.sender("only")
    for _ in range(3):
        only.call(only.body(Subscribe(framework=a_framework("first"))))
    world.turns_until(lambda: only.subscribed == 3)
    assert len([f for f in world.master.core.state.frameworks.values() if f.connected]) == 1
