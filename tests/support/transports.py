"""Transports under test: a loop, peers that write down what they are told, and waiting without sleeping."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from mesos_py.adapters.amqp import connect
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.ports import Address, Delivery, QueueSpec, Transport
from tests.support.descriptors import none_left_open

PATIENCE_S = 30.0


class Peer:
    """A transport with its listener."""

    def __init__(self, url: str, loop: Loop, queues: Sequence[QueueSpec] = ()) -> None:
        self.story: list[str] = []
        self.got: list[Delivery] = []
        self.undelivered: list[Address] = []
        self.stopped = False
        self.transport: Transport = connect(url, loop, name="mesos test")
        for queue in queues:
            self.transport.subscribe(queue)
        self.transport.start(self)

    @property
    def principal(self) -> str:
        return self.transport.principal

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.got]

    @property
    def is_connected(self) -> bool:
        return bool(self.story) and self.story[-1] in ("connected", "unblocked")

    @property
    def losses(self) -> list[str]:
        return [line for line in self.story if line not in ("connected", "unblocked") and "blocked: " not in line]

    def send(self, address: Address, body: bytes, **envelope) -> bool:
        return self.transport.publish(address, body, **({"content_type": "application/json"} | envelope))

    def stop(self) -> None:
        def note() -> None:
            self.stopped = True

        self.transport.stop(note)

    # Listener

    def connected(self) -> None:
        self.story.append("connected")

    def disconnected(self, reason: str) -> None:
        self.story.append(reason)

    def blocked(self, reason: str) -> None:
        self.story.append(f"blocked: {reason}")

    def unblocked(self) -> None:
        self.story.append("unblocked")

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        assert deliveries
        self.got += deliveries

    def undeliverable(self, address: Address) -> None:
        self.undelivered.append(address)


class Bench:
    """A loop and its peers."""

    def __init__(self, url: Callable[[str], str]) -> None:
        self._url = url
        self.loop = Loop()
        self.peers: list[Peer] = []
        self.longest_turn_s = 0.0

    def peer(self, *queues: QueueSpec, user: str = "guest", url: str | None = None, up: bool = True) -> Peer:
        peer = Peer(url or self._url(user), self.loop, queues)
        self.peers.append(peer)
        if up:
            self.until(lambda: peer.is_connected)
        return peer

    def until(self, condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Turn the loop until the condition holds."""
        deadline = time.monotonic() + patience_s
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"still waiting; {[(peer.story, len(peer.got)) for peer in self.peers]}"
            self.turn(min(left, 0.1))

    def turn_for(self, seconds: float) -> None:
        """Turn the loop for a while, to see that something does not happen."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.turn(left)

    def turn(self, timeout: float) -> None:
        """One turn; remembers how long it was busy beyond waiting (roughly: CPU of other threads counts too)."""
        start = time.monotonic()
        self.loop.turn(timeout)
        self.longest_turn_s = max(self.longest_turn_s, time.monotonic() - start - timeout)

    def close(self) -> None:
        """Stop all peers; a second time does nothing."""
        for peer in self.peers:
            peer.stop()
        self.until(lambda: all(peer.stopped for peer in self.peers) and not our_threads())
        self.loop.close()


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mesos-")]


def used(url: Callable[[str], str]) -> Iterator[Bench]:
    """The body of a fixture: a bench whose use leaves no descriptor and no thread behind."""
    with none_left_open():
        bench = Bench(url)
        yield bench
        bench.close()
