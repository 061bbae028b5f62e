"""What keeps the registry, held by the file, by memory and by ZooKeeper alike: what was confirmed is there again."""

import secrets
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesos_py.adapters.zookeeper.address import parse_address
from mesos_py.adapters.zookeeper.election import ZookeeperElection
from mesos_py.adapters.zookeeper.registry import ZookeeperRegistry
from mesos_py.adapters.zookeeper.session import Session
from mesos_py.daemons.registry import RegistryFile, RegistryMemory
from mesos_py.master.registry import (
    AdmitAgent,
    BringUp,
    Deactivate,
    MarkDrained,
    MarkGone,
    MarkReachable,
    MarkUnreachable,
    Reactivate,
    Registry,
    RemoveAgent,
    SetQuotas,
    SetSchedule,
    SetWeights,
    StartDraining,
    TakeDown,
)
from mesos_py.runtime.election import Candidate
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import AgentID, Principal, Role
from mesos_py.types.maintenance import Drain, Window
from mesos_py.types.quota import Quota
from tests.support.elections import PATIENCE_S, SESSION_S, Peer

ADMIT = AdmitAgent(AgentID("A1"), "host1", Principal("agent"))


class Leader:
    """One leadership: it writes, and applies what is confirmed, as a master does."""

    def __init__(self, loop, store, registry):
        self.loop = loop
        self.store = store
        self.registry = registry
        self.epoch = registry.epoch
        self.confirmed = 0
        self.written = []

    def write(self, *operations):
        for operation in operations:
            self.written.append(operation)
            self.store.write(len(self.written), operation, self._confirm)

    def _confirm(self, serial):
        assert serial > self.confirmed or self.confirmed == len(self.written)
        for operation in self.written[self.confirmed : serial]:
            operation.apply(self.registry)
        self.confirmed = serial

    def wait(self):
        until(self.loop, lambda: self.confirmed == len(self.written))

    def end(self):
        self.wait()
        self.store.close()


def until(loop, condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        loop.turn(0.1)


class OfFiles:
    def __init__(self, directory):
        self.loop = Loop()
        self._path = directory / secrets.token_hex(4) / "registry"
        self._path.parent.mkdir()

    def lead(self):
        store = RegistryFile(self._path, self.loop)
        registry, _epoch = store.load(100)
        return Leader(self.loop, store, registry)

    def close(self):
        self.loop.close()


class OfMemory:
    def __init__(self):
        self.loop = Loop()
        self._store = RegistryMemory()

    def lead(self):
        registry, _epoch = self._store.load(100)
        return Leader(self.loop, self._store, registry)

    def close(self):
        self.loop.close()


class OfZookeeper:
    """Each leadership is that of a contender of its own."""

    def __init__(self, zookeeper):
        self.loop = Loop()
        self.address = parse_address(zookeeper.url(f"/tests-{secrets.token_hex(4)}"))
        self._last = None
        self.overtaken = []

    def lead(self):
        self._stop_last()
        peer, session, election = self.contend()
        until(self.loop, lambda: peer.leads)
        self._last = election
        return self.load(session, peer.epochs[-1])

    def contend(self):
        peer = Peer("somebody")
        session = Session(self.address, self.loop, SESSION_S)
        election = ZookeeperElection(session, self.loop, Candidate(peer.us.url))
        election.start(peer)
        return peer, session, election

    def load(self, session, epoch):
        store = ZookeeperRegistry(session, self.loop, epoch, self.overtaken.append)
        loaded = []
        store.load(loaded.append)
        until(self.loop, lambda: loaded)
        return Leader(self.loop, store, loaded[0])

    def _stop_last(self):
        stopped = []
        if self._last is not None:
            self._last.stop(lambda: stopped.append(True))
            until(self.loop, lambda: stopped)
            self._last = None

    def close(self):
        self._stop_last()
        self.loop.close()


KINDS = ["file", "memory", pytest.param("zookeeper", marks=pytest.mark.integration)]


def open_place(kind, request):
    if kind == "memory":
        return OfMemory()
    if kind == "file":
        return OfFiles(Path(request.getfixturevalue("tmp_path_factory").mktemp("registry")))
    return OfZookeeper(request.getfixturevalue("zookeeper"))


@pytest.fixture(params=KINDS)
def place(request):
    place = open_place(request.param, request)
    yield place
    place.close()


def content(registry):
    principals = {agent_id: principal for agent_id, principal in registry.principals.items() if principal}
    of_roles = (registry.weights, registry.quotas)
    held_back = (registry.drains, registry.deactivated)
    planned = (registry.schedule, registry.unavailability, registry.down)
    agents = (registry.admitted, registry.unreachable, registry.unreachable_hosts, registry.gone)
    return (*agents, principals, *of_roles, *held_back, *planned)


def test_it_begins_empty_and_every_leadership_has_a_higher_epoch(place):
    first = place.lead()
    assert content(first.registry) == content(Registry())
    first.end()
    second = place.lead()
    assert second.epoch > first.epoch
    second.end()


def test_the_next_leader_knows_what_was_confirmed(place):
    first = place.lead()
    first.write(ADMIT, AdmitAgent(AgentID("A2"), "host2"), MarkUnreachable(AgentID("A2"), 50.0))
    first.wait()
    first.write(MarkGone(AgentID("A3"), 60.0), AdmitAgent(AgentID("A4"), "host4"), RemoveAgent(AgentID("A4")))
    first.end()
    second = place.lead()
    assert second.registry.admitted == {"A1": "host1"}
    assert second.registry.unreachable == {"A2": 50.0}
    assert second.registry.unreachable_hosts == {"A2": "host2"}
    assert second.registry.gone == {"A3": 60.0}
    assert second.registry.principals == {"A1": "agent", "A2": ""}
    second.end()


def test_what_is_not_about_one_agent_is_known_too(place):
    ads, eng = Role("ads"), Role("eng")
    quota = Quota(guarantee={"cpus": 4000}, limit={"cpus": 8000, "gpus": 0})
    first = place.lead()
    first.write(SetWeights({ads: 2.0, eng: 0.5}), SetQuotas({ads: quota, eng: Quota(limit={"mem": 1})}))
    first.wait()
    first.write(ADMIT, SetWeights({eng: None}), SetQuotas({eng: Quota()}))
    first.end()
    second = place.lead()
    assert second.registry.weights == {"ads": 2.0}
    assert second.registry.quotas == {"ads": quota}
    assert second.registry.admitted == {"A1": "host1"}
    second.write(SetWeights({eng: 3.0}))
    second.end()
    third = place.lead()
    assert third.registry.weights == {"ads": 2.0, "eng": 3.0}
    assert third.registry.quotas == {"ads": quota}
    third.end()


def test_the_oldest_of_the_unreachable_is_still_the_first(place):
    first = place.lead()
    for number in range(40):
        agent_id = AgentID(f"A{number}")
        first.write(AdmitAgent(agent_id, "host"), MarkUnreachable(agent_id, float(number)))
    first.end()
    second = place.lead()
    assert list(second.registry.unreachable) == [f"A{number}" for number in range(40)]
    second.end()


def test_many_at_once(place):
    first = place.lead()
    first.write(*(AdmitAgent(AgentID(f"A{number}"), f"host{number}") for number in range(5000)))
    first.end()
    second = place.lead()
    assert second.registry.admitted == {f"A{number}": f"host{number}" for number in range(5000)}
    second.end()


NAMES = st.sampled_from([AgentID(f"A{number}") for number in range(6)])
TIMES = st.integers(0, 40).map(lambda day: day * 86_400.0)
ROLES = st.sampled_from([Role("ads"), Role("eng/web"), Role("*")])
AMOUNTS = st.dictionaries(st.sampled_from(["cpus", "mem"]), st.integers(0, 5), max_size=2)
HOSTS = st.lists(st.sampled_from(["h", "i", "j"]), unique=True, max_size=2)
WINDOWS = st.lists(st.builds(Window, hosts=HOSTS, start=TIMES, duration_s=st.none() | TIMES), max_size=2)
OPERATIONS = st.lists(
    st.one_of(
        st.builds(AdmitAgent, NAMES, st.sampled_from(["h", "i"]), st.sampled_from([Principal("p"), Principal("q")])),
        st.builds(MarkUnreachable, NAMES, TIMES),
        st.builds(MarkReachable, NAMES, st.sampled_from(["h", "j"])),
        st.builds(RemoveAgent, NAMES),
        st.builds(MarkGone, NAMES, TIMES),
        st.builds(SetWeights, st.dictionaries(ROLES, st.none() | st.sampled_from([0.5, 1.0, 2.0]), max_size=3)),
        st.builds(SetQuotas, st.dictionaries(ROLES, st.builds(Quota, AMOUNTS, AMOUNTS), max_size=3)),
        st.builds(StartDraining, NAMES, st.builds(Drain, TIMES, st.none() | TIMES, st.none() | TIMES, st.booleans())),
        st.builds(MarkDrained, NAMES, TIMES),
        st.builds(Deactivate, NAMES),
        st.builds(Reactivate, NAMES),
        st.builds(SetSchedule, WINDOWS),
        st.builds(TakeDown, HOSTS, TIMES),
        st.builds(BringUp, HOSTS),
    ),
    max_size=12,
)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_done_is_found_again(kind, request):
    """Any operations, in any number of leaderships: what a core has made of them is what the next one begins with."""

    @settings(max_examples=40 if kind != "zookeeper" else 8, database=None)
    @given(st.lists(OPERATIONS, max_size=3))
    def check(leaderships):
        place = open_place(kind, request)
        try:
            before = content(Registry())
            for operations in [*leaderships, []]:
                leader = place.lead()
                assert content(leader.registry) == before
                leader.write(*operations)
                leader.end()
                before = content(leader.registry)
        finally:
            place.close()

    check()
