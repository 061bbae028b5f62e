"""Elections under test: contenders that write down what they are told, over an ensemble in memory or a real one."""

import secrets
import time
from collections.abc import Callable

from kazoo.client import KazooClient

from mesos_py.adapters.zookeeper.address import parse_address
from mesos_py.adapters.zookeeper.election import ZookeeperElection
from mesos_py.adapters.zookeeper.session import Session
from mesos_py.runtime.election import Candidate, Election
from mesos_py.runtime.loop import Loop
from mesos_py.testing.election import FakeEnsemble
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy
from tests.support.zookeeper import Zookeeper

PATIENCE_S = 30.0 * PATIENCE
SESSION_S = 2.0 * PATIENCE


class Peer:
    """A contender and what it was told."""

    election: Election

    def __init__(self, name: str) -> None:
        self.us = Candidate(f"http://{name}")
        self.story: list[str] = []
        self.epochs: list[int] = []
        self.leader: Candidate | None = None
        self.stopped = False

    @property
    def leads(self) -> bool:
        told = [word for word in self.story if word in ("elected", "deposed")]
        return told[-1:] == ["elected"]

    # ElectionListener

    def elected(self, epoch: int) -> None:
        self.epochs.append(epoch)
        self.story.append("elected")

    def suspended(self) -> None:
        self.story.append("suspended")

    def resumed(self) -> None:
        self.story.append("resumed")

    def deposed(self, why: str) -> None:
        assert why
        self.story.append("deposed")

    def led_by(self, leader: Candidate | None) -> None:
        self.leader = leader

    # What is done to it

    def stop(self) -> None:
        self.election.stop(self._note_stop)

    def _note_stop(self) -> None:
        self.stopped = True

    def cut_off(self) -> None:
        raise NotImplementedError

    def connect(self) -> None:
        raise NotImplementedError

    def expire(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Give back what it needed."""


class Bench:
    """A loop and contenders in it."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.peers: list[Peer] = []

    def peer(self, name: str) -> Peer:
        """A contender that has found its place."""
        peer = self._make(name)
        self.peers.append(peer)
        peer.election.start(peer)
        self.until(lambda: peer.leads or peer.leader is not None)
        return peer

    def _make(self, name: str) -> Peer:
        raise NotImplementedError

    def until(self, condition: Callable[[], object]) -> None:
        """Turn the loop until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"still waiting; {[(peer.us.url, peer.story) for peer in self.peers]}"
            self.loop.turn(0.1)

    def close(self) -> None:
        for peer in self.peers:
            if not peer.stopped:
                peer.stop()
        self.until(lambda: all(peer.stopped for peer in self.peers))
        for peer in self.peers:
            peer.close()
        self.loop.close()


class FakePeer(Peer):
    def cut_off(self) -> None:
        self.election.cut_off()

    def connect(self) -> None:
        self.election.connect()

    def expire(self) -> None:
        self.election.expire()


class FakeBench(Bench):
    def __init__(self) -> None:
        super().__init__()
        self._ensemble = FakeEnsemble()

    def _make(self, name: str) -> Peer:
        peer = FakePeer(name)
        peer.election = self._ensemble.election(self.loop, peer.us)
        return peer


class ZookeeperPeer(Peer):
    """Reaches its server through a proxy of its own."""

    def __init__(self, name: str, bench: "ZookeeperBench", lifeline: str = "") -> None:
        super().__init__(name)
        self.us = Candidate(self.us.url, lifeline)
        self.proxy = Proxy(bench.zookeeper.port)
        self.session = Session(parse_address(bench.url(self.proxy.port)), bench.loop, SESSION_S)
        self.election = ZookeeperElection(self.session, bench.loop, self.us)

    def cut_off(self) -> None:
        self.proxy.freeze()
        self.proxy.cut()

    def connect(self) -> None:
        self.proxy.thaw()

    def expire(self) -> None:
        """Whoever has a session's id and password can end it."""
        client = self.session._client
        if client.client_id is None:
            return  # cut off: it times out
        thief = KazooClient(client.hosts[0][0] + ":" + str(self.proxy.port), client_id=client.client_id)
        thief.start()
        thief.stop()
        thief.close()

    def close(self) -> None:
        self.proxy.close()


class ZookeeperBench(Bench):
    def __init__(self, zookeeper: Zookeeper) -> None:
        super().__init__()
        self.zookeeper = zookeeper
        self.base = f"/tests-{secrets.token_hex(4)}"

    def url(self, port: int | None = None, login: str = "") -> str:
        return self.zookeeper.url(self.base, login, port)

    def _make(self, name: str) -> Peer:
        return ZookeeperPeer(name, self)

    def client(self) -> KazooClient:
        """To look and to meddle; in the test's own thread."""
        client = KazooClient(f"127.0.0.1:{self.zookeeper.servers[0].port}")
        client.start()
        return client
