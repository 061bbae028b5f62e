"""The broker as a transport: RabbitMQ through kombu, or a broker within this process for ``memory://``.

What lives where::

    connect()        chooses by URL
    AmqpTransport    attempts, back-off, the list of queues          this module
      dial()         the blocking part of an attempt, in a thread    amqp_wire.py
      Session        one connection in the loop                      amqp_session.py
        Link         its socket                                      amqp_wire.py
        Publisher, Reader                                            amqp_frames.py
    MemoryTransport  kombu's in-memory broker                        memory.py
"""

import threading
from collections.abc import Callable, Sequence

from mesos_py.adapters.amqp_session import Session
from mesos_py.adapters.amqp_wire import LinkLostError, Opened, dial
from mesos_py.adapters.broker_url import MemoryBroker, Node, parse
from mesos_py.adapters.memory import MemoryTransport
from mesos_py.adapters.mending import Mender
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.ports import Address, Delivery, Listener, QueueSpec, Transport

__all__ = ["AmqpTransport", "connect"]


def connect(broker_url: str, loop: Loop, *, name: str = "mesos_py") -> Transport:
    """A transport for this URL, not yet started; ``name`` is how the broker shows the connection to its operators.

    Raises ConfigError for a URL that cannot be used.
    """
    broker = parse(broker_url)
    if isinstance(broker, MemoryBroker):
        return MemoryTransport(broker, loop)
    return AmqpTransport(broker, loop, name)


class AmqpTransport:
    """Implements Transport over AMQP. Everything but the dialling happens in the loop's thread."""

    def __init__(self, nodes: Sequence[Node], loop: Loop, name: str) -> None:
        """``start`` connects."""
        self.principal = nodes[0].user
        self._nodes = nodes
        self._loop = loop
        self._name = name
        self._queues: dict[str, QueueSpec] = {}
        self._listener: Listener | None = None
        self._mender = Mender(loop, self._attempt, self._tell_lost)
        self._session: Session | None = None
        self._up = False
        self._stopped = False
        self._may_declare = True
        self._replace = False
        self._next_node = 0

    def start(self, listener: Listener) -> None:
        """Begin to connect; returns at once."""
        self._listener = listener
        self._mender.start()

    def subscribe(self, queue: QueueSpec) -> None:
        """Declare and read this queue now and after every reconnection."""
        if self._queues.get(queue.name) == queue:
            return
        self.unsubscribe(queue.name)
        self._queues[queue.name] = queue
        if self._session is not None:
            self._session.declare(queue)

    def unsubscribe(self, queue_name: str) -> None:
        """Stop reading the queue, and delete it if it is exclusive."""
        queue = self._queues.pop(queue_name, None)
        if queue is not None and self._session is not None:
            self._session.forget(queue)

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
        """Hand a body to the connection; False if there is none and the body is dropped."""
        if not self._up or self._session is None:
            return False
        try:
            return self._session.publish(address, body, content_type, reply_to, epoch, number, mandatory)
        except ValueError:  # a name that AMQP cannot carry, as a stranger may have given for replies
            return False

    def flush(self) -> None:
        """Send what was published; the loop does so by itself at the end of each turn."""
        if self._session is not None:
            self._session.flush()

    def stop(self, on_stopped: Callable[[], None] | None = None) -> None:
        """Send what is published if the broker takes it, close, and do not come back."""
        if self._stopped:
            return
        on_closed = on_stopped or (lambda: None)
        self._stopped = True
        self._up = False
        if self._listener is not None:
            self._mender.stop()
        session, self._session = self._session, None
        if session is not None:
            session.close(on_closed)
        else:
            self._loop.post(on_closed)

    # An attempt

    def _attempt(self) -> None:
        threading.Thread(target=self._dial, name="mesos-amqp-connect", daemon=True).start()

    def _dial(self) -> None:
        """In a thread of its own: try each node once, beginning after the last one that failed us."""
        opened, reasons = self._dial_in_turn()
        if opened is not None and self._stopped:
            opened.close()
        elif opened is not None:
            self._loop.post(lambda: self._dialled(opened))
        else:
            self._loop.post(lambda: self._failed("; ".join(reasons[node] for node in sorted(reasons))))

    def _dial_in_turn(self) -> tuple[Opened | None, dict[int, str]]:
        """A connection, or why each of the nodes gave none."""
        reasons: dict[int, str] = {}
        for _ in self._nodes:
            if self._stopped:
                break
            number = self._next_node % len(self._nodes)
            try:
                return dial(self._nodes[number], self._name, self._may_declare), reasons
            except LinkLostError as error:
                self._next_node += 1
                reasons[number] = str(error)
        return None, reasons

    def _failed(self, reason: str) -> None:
        if not self._stopped:
            self._mender.failed(reason)

    def _dialled(self, opened: Opened) -> None:
        if self._stopped:
            opened.close()
            return
        self._may_declare = opened.may_declare
        self._session = Session(self._loop, opened, self, self.principal)
        self._session.open(tuple(self._queues.values()), replace=self._replace)
        self._replace = False

    # What the session tells

    def session_settled(self) -> None:
        """Part of Owner."""
        self._up = True
        self._mender.mended()
        if self._listener is not None:
            self._listener.connected()

    def session_blocked(self, reason: str) -> None:
        """Part of Owner."""
        if self._listener is not None and not self._stopped:
            self._listener.blocked(reason)

    def session_unblocked(self) -> None:
        """Part of Owner."""
        if self._listener is not None and not self._stopped:
            self._listener.unblocked()

    def session_delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Part of Owner."""
        if self._listener is not None and not self._stopped:
            self._listener.delivered(deliveries)

    def session_returned(self, address: Address) -> None:
        """Part of Owner."""
        if self._listener is not None and not self._stopped:
            self._listener.undeliverable(address)

    def session_lost(self, reason: str, *, clash: bool) -> None:
        """Part of Owner."""
        self._up = False
        self._session = None
        self._replace = clash
        if not clash:
            self._next_node += 1  # this one may be silent for long, and another be well
        self._mender.failed(reason)

    def _tell_lost(self, reason: str) -> None:
        if self._listener is not None:
            self._listener.disconnected(reason)
