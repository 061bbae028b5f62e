"""What only a registry in ZooKeeper has to hold against: a deposed leader, lost connections, other users, size."""

import time

import pytest
from kazoo.exceptions import NoAuthError

from mesos_py.adapters.zookeeper.address import parse_address
from mesos_py.adapters.zookeeper.copy import RegistryCopy
from mesos_py.adapters.zookeeper.election import ZookeeperElection
from mesos_py.adapters.zookeeper.paths import BUCKETS
from mesos_py.adapters.zookeeper.registry import ZookeeperRegistry
from mesos_py.adapters.zookeeper.session import Session
from mesos_py.errors import ConfigError, MesosError
from mesos_py.master.records import encode_document
from mesos_py.master.registry import AdmitAgent, Document, MarkUnreachable, SetSchedule, SetWeights, TakeDown
from mesos_py.types.ids import AgentID, Principal, Role
from mesos_py.types.maintenance import Window
from tests.support.elections import SESSION_S, Peer, ZookeeperBench

pytestmark = pytest.mark.integration


@pytest.fixture
def bench(zookeeper):
    bench = ZookeeperBench(zookeeper)
    yield bench
    bench.close()


class Store:
    """The registry of one leadership, and what came of it."""

    def __init__(self, bench, peer, known=None):
        self.bench = bench
        self.overtaken = []
        self.confirmed = 0
        self.serial = 0
        self.registry = None
        self.store = ZookeeperRegistry(peer.session, bench.loop, peer.epochs[-1], self.overtaken.append, known or {})
        self.store.load(self._loaded)

    def _loaded(self, registry):
        self.registry = registry

    def _written(self, serial):
        self.confirmed = serial

    def wait_loaded(self):
        self.bench.until(lambda: self.registry is not None)
        return self

    def admit(self, *agent_ids):
        for agent_id in agent_ids:
            self.serial += 1
            operation = AdmitAgent(AgentID(agent_id), f"host-of-{agent_id}", Principal("agent"))
            self.store.write(self.serial, operation, self._written)

    def wait(self):
        self.bench.until(lambda: self.confirmed == self.serial)


def test_a_deposed_leader_writes_nothing(bench):
    """Also one that does not know yet: its session and its node may be as they were."""
    first, second = bench.peer("first"), bench.peer("second")
    old = Store(bench, first).wait_loaded()
    old.admit("A1")
    old.wait()
    first.election.resign()
    bench.until(lambda: second.leads)
    old.admit("A2")
    bench.until(lambda: old.overtaken)
    assert old.confirmed == 1
    new = Store(bench, second).wait_loaded()
    assert set(new.registry.admitted) == {"A1"}
    old.admit("A3")
    new.admit("A4")
    new.wait()
    assert len(old.overtaken) == 1
    assert new.overtaken == []


def test_who_is_deposed_before_it_has_read_is_told(bench):
    first, second = bench.peer("first"), bench.peer("second")
    first.election.resign()
    bench.until(lambda: second.leads)
    late = Store(bench, first)
    bench.until(lambda: late.overtaken)
    assert late.registry is None


def test_what_a_lost_connection_took_with_it_is_written_again(bench):
    only = bench.peer("only")
    store = Store(bench, only).wait_loaded()
    for number in range(20):
        store.admit(f"A{number}")
        bench.loop.turn(0.0)
        only.proxy.cut()
    store.wait()
    assert set(Store(bench, only).wait_loaded().registry.admitted) == {f"A{number}" for number in range(20)}


def test_it_is_read_in_spite_of_lost_connections(bench):
    only = bench.peer("only")
    store = Store(bench, only)
    for _ in range(5):
        bench.loop.turn(0.01)
        only.proxy.cut()
    store.wait_loaded()


def test_what_is_written_together_is_few_transactions(bench):
    only = bench.peer("only")
    store = Store(bench, only).wait_loaded()
    client = bench.client()
    before = client.get(f"{bench.base}/epoch")[1]
    first = client.last_zxid or before.mzxid
    store.admit(*(f"A{number}" for number in range(2000)))
    store.wait()
    buckets = [client.get(f"{bench.base}/registry/{number:03}")[1] for number in range(256)]
    client.stop()
    client.close()
    assert len({stat.mzxid for stat in buckets}) <= 2
    assert max(stat.mzxid for stat in buckets) > first


def test_fifty_thousand_agents(bench):
    """They fit, and a new leader has read them soon."""
    only = bench.peer("only")
    store = Store(bench, only).wait_loaded()
    store.admit(*(f"M5f0e8a3c-0011aa-A{number}" for number in range(50_000)))
    store.wait()
    client = bench.client()
    sizes = [client.get(f"{bench.base}/registry/{number:03}")[1].data_length for number in range(256)]
    client.stop()
    client.close()
    assert max(sizes) < 100_000
    began = time.monotonic()
    again = Store(bench, only).wait_loaded()
    print(
        f"50,000 agents are {sum(sizes)} bytes, the largest node {max(sizes)}; read in {time.monotonic() - began:.2f} s"
    )
    assert len(again.registry.admitted) == 50_000
    began = time.monotonic()
    again.admit("another")
    again.wait()
    print(f"one more is admitted in {time.monotonic() - began:.4f} s")


# Standing by

EVERY_NODE = len(BUCKETS) + len(Document)


class Counting(Session):
    """Counts what is read of the registry."""

    def get(self, path, done, changed=None):
        self.gets = getattr(self, "gets", 0) + ("/registry/" in path)
        super().get(path, done, changed)


def standby(bench, name):
    """A contender behind others, and its copy of the registry once it is complete."""
    peer = Peer(name)
    peer.session = Counting(parse_address(bench.url()), bench.loop, SESSION_S)
    copy = RegistryCopy(peer.session, bench.loop)
    peer.election = ZookeeperElection(peer.session, bench.loop, peer.us)
    peer.election.start(peer)
    copy.stand_by()
    bench.peers.append(peer)
    bench.until(lambda: peer.leader is not None and len(copy._nodes) == EVERY_NODE)
    return peer, copy


def succeed(bench, peer, copy):
    """The store of a standby that has just been elected."""
    bench.until(lambda: peer.leads)
    return Store(bench, peer, copy.take()).wait_loaded()


def test_who_has_stood_by_need_not_read_what_has_not_changed(bench):
    first = bench.peer("first")
    old = Store(bench, first).wait_loaded()
    old.admit("A1", "A2")
    old.wait()
    second, copy = standby(bench, "second")
    before = second.session.gets
    old.admit("A3")
    old.wait()
    first.election.resign()
    new = succeed(bench, second, copy)
    assert set(new.registry.admitted) == {"A1", "A2", "A3"}
    assert second.session.gets - before == 1
    new.admit("A4")
    new.wait()
    assert set(Store(bench, second).wait_loaded().registry.admitted) == {"A1", "A2", "A3", "A4"}


def test_a_copy_is_never_behind_whoever_is_elected(bench):
    """Confirmed just before the leader is deposed, or by nobody heard of: it is there."""
    leader = bench.peer("first")
    store = Store(bench, leader).wait_loaded()
    for number in range(8):
        peer, copy = standby(bench, f"peer{number}")
        store.admit(*(f"A{number}-{one}" for one in range(40 * number)))
        store.wait()
        before = store.registry.admitted.keys() | {f"A{number}-{one}" for one in range(40 * number)}
        leader.stop()
        leader, store = peer, succeed(bench, peer, copy)
        assert store.registry.admitted.keys() == before


def test_a_copy_is_made_again_after_a_lost_connection(bench):
    first, second = bench.peer("first"), bench.peer("second")
    Store(bench, first).wait_loaded()
    copy = RegistryCopy(second.session, bench.loop)
    copy.stand_by()
    bench.until(lambda: len(copy._nodes) == EVERY_NODE)
    second.cut_off()
    bench.until(lambda: not copy._nodes)
    second.connect()
    bench.until(lambda: len(copy._nodes) == EVERY_NODE)


def test_a_node_that_changes_often_is_read_once_in_a_while(bench):
    first = bench.peer("first")
    old = Store(bench, first).wait_loaded()
    second, copy = standby(bench, "second")
    before, began = second.session.gets, time.monotonic()
    for number in range(50):
        old.admit("A1" if number % 2 else "A2")
        old.wait()
    bench.until(lambda: len(copy._nodes) == EVERY_NODE)
    assert second.session.gets - before <= 2 * (2 + time.monotonic() - began)


def test_what_is_forgotten_is_no_longer_there(bench):
    only = bench.peer("only")
    store = Store(bench, only).wait_loaded()
    day = 86_400.0
    for agent_id, when in [("A1", 0.0), ("A2", day), ("A3", 40 * day)]:
        store.admit(agent_id)
        store.serial += 1
        store.store.write(store.serial, MarkUnreachable(AgentID(agent_id), when), store._written)
    store.wait()
    assert Store(bench, only).wait_loaded().registry.unreachable == {"A3": 40 * day}


def test_a_document_is_a_node_of_its_own(bench):
    """Weights are written without any agent, and what a later version keeps beside them is left alone."""
    only = bench.peer("only")
    store = Store(bench, only).wait_loaded()
    store.admit("A1")
    store.wait()
    client = bench.client()

    def nodes():
        names = client.get_children(f"{bench.base}/registry")
        return {name: client.get(f"{bench.base}/registry/{name}") for name in names}

    client.create(f"{bench.base}/registry/later", b"of another version")
    before = {
        name: client.get(f"{bench.base}/registry/{name}") for name in client.get_children(f"{bench.base}/registry")
    }
    store.serial += 1
    store.store.write(store.serial, SetWeights({Role("ads"): 2.0}), store._written)
    store.wait()
    after = {
        name: client.get(f"{bench.base}/registry/{name}") for name in client.get_children(f"{bench.base}/registry")
    }
    client.stop()
    client.close()
    assert [name for name in before if after[name] != before[name]] == ["roles"]
    assert Store(bench, only).wait_loaded().registry.weights == {"ads": 2.0}


def test_a_registry_of_before_there_were_documents_is_read(bench):
    only = bench.peer("only")
    store = Store(bench, only).wait_loaded()
    store.admit("A1")
    store.wait()
    client = bench.client()
    client.delete(f"{bench.base}/registry/roles")
    client.stop()
    client.close()
    again = Store(bench, only).wait_loaded()
    assert set(again.registry.admitted) == {"A1"}
    assert again.registry.weights == {}


@pytest.mark.parametrize("name", ["007", "roles"])
def test_a_registry_that_cannot_be_read_is_not_written_over(bench, name):
    only = bench.peer("only")
    Store(bench, only).wait_loaded()
    client = bench.client()
    client.set(f"{bench.base}/registry/{name}", b"what is this")
    client.stop()
    client.close()
    broken = Store(bench, only)
    with pytest.raises(MesosError, match=rf"registry/{name} in ZooKeeper cannot be read"):
        broken.wait_loaded()


# Users


def contend(bench, url):
    peer = Peer("somebody")
    peer.session = Session(parse_address(url), bench.loop, SESSION_S)
    peer.election = ZookeeperElection(peer.session, bench.loop, peer.us)
    peer.election.start(peer)
    bench.peers.append(peer)
    return peer


def test_with_a_login_nobody_else_reads_or_writes(bench):
    peer = contend(bench, bench.url(login="mesos:s3cret"))
    bench.until(lambda: peer.leads)
    store = Store(bench, peer).wait_loaded()
    store.admit("A1")
    store.wait()
    client = bench.client()
    try:
        for path in (f"{bench.base}/epoch", f"{bench.base}/registry/000"):
            with pytest.raises(NoAuthError):
                client.get(path)
            with pytest.raises(NoAuthError):
                client.set(path, b"1")
        with pytest.raises(NoAuthError):
            client.create(f"{bench.base}/masters/m-intruder-0000000000")
    finally:
        client.stop()
        client.close()


def test_a_wrong_password_is_told(bench):
    peer = contend(bench, bench.url(login="mesos:s3cret"))
    bench.until(lambda: peer.leads)
    contend(bench, bench.url(login="mesos:wrong"))
    with pytest.raises(ConfigError, match="the password is wrong") as caught:
        bench.until(lambda: False)
    assert "wrong:" not in str(caught.value)
    assert "mesos:" not in str(caught.value)


def test_the_largest_document_that_a_master_writes_can_be_written(bench):
    """All that is scheduled is down, with names such that the core lets nothing more be scheduled."""
    only = bench.peer("only")
    store = Store(bench, only).wait_loaded()
    hosts = [f"machine-{number:08}" for number in range(11_500)]
    for serial, operation in enumerate([SetSchedule([Window(hosts=hosts, start=1.0)]), TakeDown(hosts, 2.0)], 1):
        store.store.write(serial, operation, store._written)
    store.serial = 2
    store.wait()
    registry = Store(bench, only).wait_loaded().registry
    assert registry.down.keys() == set(hosts)
    assert 480_000 < len(encode_document(registry, Document.MAINTENANCE)) <= 500_000
