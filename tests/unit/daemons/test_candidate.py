"""A master among several, in one loop with an ensemble and a broker in memory."""

import secrets
import time

import httpx
import pytest

from mesos_py.adapters import topology
from mesos_py.daemons.candidate import CandidateDaemon
from mesos_py.daemons.config import MasterConfig, load, print_config
from mesos_py.daemons.master import MasterDaemon
from mesos_py.daemons.registry import RegistryMemory
from mesos_py.errors import ConfigError
from mesos_py.messages.agent import RegisterAgent
from mesos_py.messages.codec import AGENT_CALLS, MSGPACK
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.loop import Loop
from mesos_py.testing.builders import an_agent
from mesos_py.testing.election import FakeEnsemble
from mesos_py.web.leading import MasterView
from tests.support.transports import Peer

PATIENCE_S = 20


class Store:
    """Of one leadership; the registry is read when the test lets it."""

    def __init__(self, place, overtaken):
        self._place = place
        self.overtaken = overtaken
        self.loaded = None
        self.closed = False

    def load(self, loaded):
        self.loaded = loaded
        if self._place.at_once:
            self.let_load()

    def let_load(self):
        self.loaded(self._place.registry)

    def write(self, serial, operation, written):
        written(serial)

    def close(self):
        self.closed = True


class Place:
    """Coordination in memory."""

    def __init__(self, world):
        self._world = world
        self.elections = []
        self.stores = []
        self.at_once = True
        self.standing_by = False

    @property
    def registry(self):
        return self._world.memory.load(0)[0]

    def election(self, us):
        self.elections.append(self._world.ensemble.election(self._world.loop, us))
        return self.elections[-1]

    def stand_by(self):
        self.standing_by = True

    def store(self, epoch, overtaken):
        self.standing_by = False
        self.stores.append(Store(self, overtaken))
        return self.stores[-1]


class World:
    def __init__(self, directory):
        self.loop = Loop()
        self.broker = f"memory://{secrets.token_hex(4)}"
        self.ensemble = FakeEnsemble()
        self.memory = RegistryMemory()
        self._directory = directory
        self.candidates = []

    def config(self, name, **more):
        work = str(self._directory / name)
        return MasterConfig(broker=self.broker, work_dir=work, http_port=0, log_level="error", **more)

    def candidate(self, name):
        place = Place(self)
        candidate = CandidateDaemon(self.config(name), self.loop, place)
        candidate.place = place
        candidate.start()
        self.candidates.append(candidate)
        return candidate

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            self.loop.turn(0.02)

    def stop(self, candidate):
        stopped = []
        candidate.stop(lambda: stopped.append(True))
        self.until(lambda: stopped)
        if candidate in self.candidates:
            self.candidates.remove(candidate)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    for candidate in list(world.candidates):
        world.stop(candidate)
    world.loop.close()


def leads(candidate):
    return candidate.core is not None and not candidate.core.state.cut_off


def test_one_leads_and_the_other_stands_by(world):
    first, second = world.candidate("first"), world.candidate("second")
    world.until(lambda: leads(first))
    assert second.core is None
    world.stop(first)
    world.until(lambda: leads(second))


def test_each_tells_of_all_masters_and_who_leads(world):
    first, second = world.candidate("first"), world.candidate("second")
    world.until(lambda: leads(first) and second._leader is not None)
    told = [MasterView(first.url, leads=True), MasterView(second.url, leads=False)]
    assert first._masters() == second._masters() == told
    world.stop(first)
    world.until(lambda: leads(second))
    assert second._masters() == [MasterView(second.url, leads=True)]


def test_a_leader_that_is_deposed_keeps_nothing(world):
    first = world.candidate("first")
    second = world.candidate("second")
    world.until(lambda: leads(first))
    old = first.core
    first.place.elections[0].expire()
    world.until(lambda: leads(second) and first.core is None)
    assert first.place.stores[0].closed
    world.stop(second)
    world.until(lambda: leads(first))
    assert first.core is not old
    assert first.core.state.info.master_id != old.state.info.master_id
    assert first.core.state.info.epoch > old.state.info.epoch
    assert not first.failure


def test_an_agent_is_served_by_whoever_leads(world):
    first, second = world.candidate("first"), world.candidate("second")
    world.until(lambda: leads(first))
    queue = topology.agent_queue("local", "1")
    agent = Peer(world.broker, world.loop, [queue])
    world.until(lambda: agent.is_connected)

    def register():
        [body] = AGENT_CALLS.encode([RegisterAgent(agent=an_agent("a"))], MSGPACK)
        agent.send(topology.master_address("agent", "local"), body, content_type=MSGPACK, reply_to=queue.name)

    register()
    old = first.core
    world.until(lambda: old.state.agents and agent.got)
    world.stop(first)
    world.until(lambda: leads(second) and agent.got[-1].epoch > old.state.info.epoch)
    epochs = [delivery.epoch for delivery in agent.got]
    assert epochs == sorted(epochs)
    assert set(epochs) == {old.state.info.epoch, second.core.state.info.epoch}
    register()
    world.until(lambda: second.core.state.agents)
    agent.stop()
    world.until(lambda: agent.stopped)


def test_while_it_is_not_sure_that_it_leads_its_core_is_told(world):
    only = world.candidate("only")
    world.until(lambda: leads(only))
    only.place.elections[0].cut_off()
    world.until(lambda: only.core.state.suspended)
    only.place.elections[0].connect()
    world.until(lambda: not only.core.state.suspended)


def test_a_registry_that_is_read_while_we_are_suspended(world):
    place = Place(world)
    place.at_once = False
    only = CandidateDaemon(world.config("only"), world.loop, place)
    world.candidates.append(only)
    only.start()
    world.until(lambda: place.stores and place.stores[0].loaded)
    place.elections[0].cut_off()
    world.until(lambda: not world.loop._posted)
    place.stores[0].let_load()
    world.until(lambda: only.core.state.suspended)


def test_deposed_before_the_registry_is_read(world):
    place = Place(world)
    place.at_once = False
    only = CandidateDaemon(world.config("only"), world.loop, place)
    world.candidates.append(only)
    only.start()
    world.until(lambda: place.stores and place.stores[0].loaded)
    place.elections[0].expire()
    world.until(lambda: len(place.stores) == 2)
    assert place.stores[0].closed
    assert only.core is None


def test_overtaken_in_the_registry_it_steps_down(world):
    first, second = world.candidate("first"), world.candidate("second")
    world.until(lambda: leads(first))
    first.place.stores[0].overtaken("a newer leader writes the registry")
    world.until(lambda: leads(second) and first.core is None)


def test_a_beacon_of_a_newer_leader_makes_it_step_down_and_not_end(world):
    only = world.candidate("only")
    world.until(lambda: leads(only))
    epoch = only.core.state.info.epoch
    world.memory.load(epoch + 5)
    rival = MasterDaemon(world.config("rival"), world.loop, world.memory)
    rival.start()
    world.until(lambda: only.core is None or only.core.state.info.epoch > epoch)
    assert not only.failure
    rival.stop(lambda: None)


def test_the_api_of_a_standby_sends_to_the_leader(world):
    first, second = world.candidate("first"), world.candidate("second")
    world.until(lambda: leads(first) and second._leader_url())
    answer = ask(world, f"{second.url}/agents?limit=5")
    assert (answer.status_code, answer.headers["location"]) == (307, f"{first.url}/agents?limit=5")
    assert ask(world, f"{second.url}/tasks/t1/kill", "POST").status_code == 307
    assert ask(world, f"{first.url}/agents").status_code == 200
    world.ensemble.line.clear()
    second.led_by(None)
    answer = ask(world, f"{second.url}/agents")
    assert answer.status_code == 503
    assert "does not lead, and does not know who does" in answer.text


def ask(world, url, method="GET"):
    from threading import Thread

    answers = []
    Thread(target=lambda: answers.append(httpx.request(method, url, timeout=10, trust_env=False)), daemon=True).start()
    world.until(lambda: answers)
    return answers[0]


def test_the_password_is_not_printed():
    config = MasterConfig(zookeeper="zk://me:s3cret@h1:2181,h2:2181/mesos")
    assert 'zookeeper = "zk://me:***@h1:2181,h2:2181/mesos"' in print_config(config).splitlines()
    config = MasterConfig(zookeeper="zk://me:s3cret@h1/mesos?other=me:0ld")
    assert 'zookeeper = "zk://me:***@h1/mesos?other=***"' in print_config(config).splitlines()
    config = MasterConfig(zookeeper="zks://me:s3cret@h1/mesos?cacertfile=/ca.pem&other=me:0ld")
    assert 'zookeeper = "zks://me:***@h1/mesos?cacertfile=/ca.pem&other=***"' in print_config(config).splitlines()
    with pytest.raises(ConfigError, match=r"^zookeeper: .* stands for a password"):
        load(MasterConfig, environ={}, flags={"zookeeper": "zk://me:***@h1/mesos"})


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"zookeeper": "zk://h1:2181"}, "the path of a node is missing"),
        ({"zookeeper": "h1:2181/mesos"}, "must look like"),
        ({"zookeeper": "zk://me:s3cret@h1:port/mesos"}, "no host and port"),
        ({"zookeeper": "zks://me:s3cret@h1/mesos?cacertfile=/nowhere"}, "/nowhere cannot be used: No such file"),
        ({"zookeeper": "zk://h1/mesos", "allocator": "fair"}, "there is no allocator 'fair'"),
        ({"zookeeper": "zk://h1/mesos", "broker": "http://x"}, "broker"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_begins(world, wrong, why):
    config = MasterConfig(**{"broker": world.broker, "work_dir": str(world._directory / "w"), "http_port": 0} | wrong)
    with pytest.raises(ConfigError, match=why) as caught:
        CandidateDaemon(config, world.loop)
    assert "s3cret" not in str(caught.value)


def test_a_candidate_says_how_it_fares(world):
    first = world.candidate("first")
    assert first.condition() == Condition(is_ready=False, text="broker not reached yet")
    world.until(lambda: leads(first))
    epoch = first.core.state.info.epoch
    leading = Condition(is_ready=True, text=f"leading epoch {epoch} with 0 agents, 0 frameworks, 0 tasks")
    assert first.condition() == leading
    second = world.candidate("second")
    world.until(lambda: second.condition().is_ready)
    assert second.condition().text == f"standing by for {first.url}"
    first.suspended()
    world.until(lambda: first.core.state.suspended)
    assert not first.condition().is_ready
    assert first.condition().text.startswith(f"suspended in epoch {epoch}: ZooKeeper is not reached")
    first.resumed()
    world.until(lambda: not first.core.state.suspended)
    assert first.condition() == leading


def test_who_reads_the_registry_is_not_ready(world):
    candidate = world.candidate("slow")
    candidate.place.at_once = False
    world.until(lambda: candidate.place.stores and not candidate._broker.trouble)
    assert candidate.condition() == Condition(is_ready=False, text="elected, reading the registry")
    candidate.place.stores[-1].let_load()
    world.until(lambda: leads(candidate))
