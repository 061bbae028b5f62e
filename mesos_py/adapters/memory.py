"""A broker within this process, for one-process clusters and tests: kombu's in-memory transport without its polling.

``memory://name`` is one broker for all loops and threads of the process. kombu keeps the exchanges, bindings and
queues; we add what it leaves out: separate brokers, a lock, queues that vanish with their owner, and waking the loops
that read (kombu's own consumers sleep and look again).
"""
# mypy: disable-error-code="no-untyped-call"

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kombu.connection import Connection
from kombu.transport import memory, virtual
from msgspec import Struct

from mesos_py.adapters.broker_url import MemoryBroker
from mesos_py.adapters.mending import Mender
from mesos_py.adapters.topology import EXCHANGES
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.ports import Address, Delivery, Listener, QueueSpec

__all__ = ["MemoryTransport"]

_AT_ONCE: Final = 1000
"""Bodies handed out before others in the loop get a turn."""


class _Channel(memory.Channel):
    """kombu's channel, except that nothing is routed to queues that do not exist, and lengths are limited."""

    broker: "_Broker"

    def _put(self, queue: str, message: dict[str, Any], **_options: Any) -> None:
        self.broker.put(queue, message)

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str = "", **_options: Any) -> None:
        for queue in self._lookup(exchange, routing_key):
            self.broker.put(queue, message)

    def _next_delivery_tag(self) -> int:
        return next(self._delivery_tags)

    def reaches(self, exchange: str, routing_key: str) -> bool:
        """Whether any queue gets what is published there."""
        if not exchange:
            return routing_key in self.queues
        return bool(self._lookup(exchange, routing_key))

    def drop(self, queue: str) -> None:
        """Delete a queue and its bindings; kombu's queue_delete leaves the exchanges' tables as they are."""
        for exchange, routing_key, _arguments in list(self.state.queue_bindings(queue)):
            self.queue_unbind(queue, exchange, routing_key)
        self.state.queue_bindings_delete(queue)
        self.queues.pop(queue, None)


class _Held(Struct):
    """What we know of a queue besides what kombu keeps."""

    spec: QueueSpec
    readers: list["MemoryTransport"] = []
    size: int = 0
    """Bytes of the bodies that wait."""


class _Broker:
    """One named broker. Every method is called with its lock held."""

    def __init__(self) -> None:
        """Make the classes anew: kombu keeps a broker's state in class attributes."""
        self.lock = threading.RLock()
        self.users = 0
        self.held: dict[str, _Held] = {}
        self._expiring: dict[str, float] = {}
        channel = type("Channel", (_Channel,), {"queues": {}, "broker": self, "_delivery_tags": itertools.count(1)})
        state = virtual.BrokerState()
        self.transport = type("Transport", (memory.Transport,), {"Channel": channel, "global_state": state})
        self._channel = self.connect().channel()

    def connect(self) -> Connection:
        """A kombu connection to this broker."""
        return Connection("memory://", transport=self.transport, transport_options={"body_encoding": None})

    def put(self, queue: str, message: dict[str, Any]) -> None:
        """Append to a queue, if it exists, and wake its readers."""
        held = self.held.get(queue)
        if held is None:
            return
        waiting = self._channel.queues[queue]
        waiting.put(message)
        held.size += len(message["body"])
        longest, largest = held.spec.max_length, held.spec.max_bytes
        while (longest is not None and waiting.qsize() > longest) or (largest is not None and held.size > largest):
            held.size -= len(waiting.get()["body"])
        for reader in held.readers:
            reader.wake()

    def declare(self, channel: Any, spec: QueueSpec, reader: "MemoryTransport") -> str | None:
        """Declare, bind and read; or why not."""
        held = self.held.get(spec.name)
        if held is not None and held.spec.exclusive and reader not in held.readers:
            return f"queue {spec.name} is held by another connection"
        if held is None:
            held = self.held[spec.name] = _Held(spec)
        held.spec = spec
        self._expiring.pop(spec.name, None)
        if reader not in held.readers:
            held.readers.append(reader)
        channel.queue_declare(spec.name)
        for binding in spec.bindings:
            channel.queue_bind(spec.name, binding.exchange, binding.routing_key)
        return None

    def taken(self, queue: str, body: bytes) -> None:
        """One that waited there is with a reader."""
        self.held[queue].size -= len(body)

    def leave(self, name: str, reader: "MemoryTransport") -> None:
        """Stop reading; what is exclusive goes."""
        held = self.held.get(name)
        if held is None or reader not in held.readers:
            return
        held.readers.remove(reader)
        if held.spec.exclusive:
            self._delete(name)
        elif not held.readers and held.spec.expires_s is not None:
            self._expiring[name] = time.monotonic() + held.spec.expires_s

    def expire(self) -> None:
        """Delete what nobody has used for as long as it allows."""
        if self._expiring:
            now = time.monotonic()
            for name in [name for name, when in self._expiring.items() if when <= now]:
                del self._expiring[name]
                self._delete(name)

    def _delete(self, name: str) -> None:
        del self.held[name]
        self._channel.drop(name)


_brokers: Final[dict[str, _Broker]] = {}
_brokers_lock: Final = threading.Lock()


def _join(name: str) -> _Broker:
    with _brokers_lock:
        broker = _brokers.get(name)
        if broker is None:
            broker = _brokers[name] = _Broker()
        broker.users += 1
        return broker


def _part(name: str, broker: _Broker) -> None:
    with _brokers_lock:
        broker.users -= 1
        if not broker.users and _brokers.get(name) is broker:
            del _brokers[name]


class _Outgoing(Struct, frozen=True, gc=False):
    address: Address
    message: dict[str, Any]
    mandatory: bool


class MemoryTransport:
    """Implements Transport over a broker of this process. As on AMQP, a body leaves with the flush."""

    def __init__(self, broker: MemoryBroker, loop: Loop) -> None:
        """``start`` connects."""
        self.principal = broker.user
        self._name = broker.name
        self._loop = loop
        self._mender = Mender(loop, self._attempt, self._tell_lost)
        self._broker: _Broker | None = None
        self._channel: Any = None
        self._listener: Listener | None = None
        self._queues: dict[str, QueueSpec] = {}
        self._out: list[_Outgoing] = []
        self._up = False
        self._awake = False
        self._stopped = False

    def start(self, listener: Listener) -> None:
        """Begin to connect; returns at once."""
        self._listener = listener
        self._broker = _join(self._name)
        self._mender.start()
        self._loop.add(self)
        self._loop.at_turn_end(self.flush, last=True)

    def subscribe(self, queue: QueueSpec) -> None:
        """Declare and read this queue now and after every reconnection."""
        if self._queues.get(queue.name) == queue:
            return
        self.unsubscribe(queue.name)
        self._queues[queue.name] = queue
        if self._up and self._broker is not None:
            self.flush()
            with self._broker.lock:
                refusal = self._broker.declare(self._channel, queue, self)
            if refusal is not None:
                self._loop.post(lambda: self._lose(refusal))
            self.wake()

    def unsubscribe(self, queue_name: str) -> None:
        """Stop reading the queue, and delete it if it is exclusive."""
        if self._queues.pop(queue_name, None) is not None and self._broker is not None:
            self.flush()
            with self._broker.lock:
                self._broker.leave(queue_name, self)

    def publish(
        self,
        address: Address,
        body: bytes,
        *,
        content_type: str,
        reply_to: str = "",
        epoch: int = 0,
        number: int = 0,
        mandatory: bool = False,
    ) -> bool:
        """Hand a body to the broker; False if there is none and the body is dropped."""
        if not self._up:
            return False
        properties = {"reply_to": reply_to, "user_id": self.principal, "delivery_mode": 1}
        headers = {name: value for name, value in (("epoch", epoch), ("number", number)) if value}
        message = self._channel.prepare_message(body, content_type=content_type, headers=headers, properties=properties)
        self._out.append(_Outgoing(address, message, mandatory))
        return True

    def flush(self) -> None:
        """Send what was published; the loop does so by itself at the end of each turn."""
        if not self._out or self._broker is None:
            return
        out, self._out = self._out, []
        lost: list[Address] = []
        with self._broker.lock:
            self._broker.expire()
            for item in out:
                exchange, key = item.address.exchange, item.address.routing_key
                if item.mandatory and not self._channel.reaches(exchange, key):
                    lost.append(item.address)
                else:
                    self._channel.basic_publish(item.message, exchange, key)
        if lost:
            self._loop.post(lambda: self._tell_undeliverable(lost))

    def stop(self, on_stopped: Callable[[], None] | None = None) -> None:
        """Send what is published, close, and do not come back."""
        if self._stopped:
            return
        self.flush()
        self._stopped = True
        if self._broker is not None:
            self._mender.stop()
            self._loop.remove(self)
            self._loop.not_at_turn_end(self.flush)
            self._close()
            _part(self._name, self._broker)
            self._broker = None
        if on_stopped is not None:
            self._loop.post(on_stopped)

    def next_deadline(self) -> float | None:
        """Part of Resident: at once for whoever publishes outside of a turn."""
        return 0.0 if self._out else None

    def run_due(self, now: float) -> None:  # noqa: ARG002 - part of Resident
        """Part of Resident."""
        self.flush()

    def wake(self) -> None:
        """Something waits in one of our queues; from any thread, with the broker's lock held."""
        if not self._awake:
            self._awake = True
            self._loop.post(self._read)

    # An attempt

    def _attempt(self) -> None:
        assert self._broker is not None
        assert self._listener is not None
        refusal: str | None = None
        with self._broker.lock:
            self._broker.expire()
            self._channel = self._broker.connect().channel()
            for name, kind in EXCHANGES:
                self._channel.exchange_declare(name, kind)
            for queue in self._queues.values():
                refusal = refusal or self._broker.declare(self._channel, queue, self)
        if refusal is not None:
            self._lose(refusal)
            return
        self._up = True
        self._mender.mended()
        self._listener.connected()
        self.wake()

    def _lose(self, reason: str) -> None:
        if self._broker is not None:
            self._close()
            self._mender.failed(reason)

    def _close(self) -> None:
        assert self._broker is not None
        self._up = False
        self._out.clear()
        with self._broker.lock:
            for name in self._queues:
                self._broker.leave(name, self)
            if self._channel is not None:
                self._channel.connection.close_connection(self._channel.connection)
                self._channel = None

    # Reading

    def _read(self) -> None:
        """Take what waits, in the loop's thread."""
        if self._broker is None or not self._up or self._listener is None:
            self._awake = False
            return
        with self._broker.lock:
            self._awake = False
            deliveries = list(itertools.islice(self._waiting(), _AT_ONCE))
            if len(deliveries) == _AT_ONCE:
                self.wake()
        if deliveries:
            self._listener.delivered(deliveries)

    def _waiting(self) -> Iterator[Delivery]:
        assert self._broker is not None
        for name in self._queues:
            while (message := self._channel.basic_get(name, no_ack=True)) is not None:
                self._broker.taken(name, message.body)
                yield Delivery(
                    body=message.body,
                    content_type=message.content_type,
                    queue=name,
                    routing_key=message.delivery_info["routing_key"],
                    reply_to=message.properties["reply_to"],
                    user_id=message.properties["user_id"],
                    epoch=message.headers.get("epoch", 0),
                    number=message.headers.get("number", 0),
                )

    # Telling

    def _tell_lost(self, reason: str) -> None:
        if self._listener is not None:
            self._listener.disconnected(reason)

    def _tell_undeliverable(self, addresses: list[Address]) -> None:
        if self._listener is not None and not self._stopped:
            for address in addresses:
                self._listener.undeliverable(address)
