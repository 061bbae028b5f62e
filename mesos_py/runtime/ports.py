"""What the cores' shell needs from the world, as small protocols. Each states its guarantee, weakest truth first.

Everything here is called in the loop's thread and must return at once. Whoever has to wait (for a disk, a resolver, a
download) owns a thread and reports back by :meth:`Loop.post`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

__all__ = ["Address", "Delivery", "Listener", "QueueSpec", "Transport"]


class Address(Struct, frozen=True, gc=False):
    """Where to publish: an exchange (``""`` is the default one, which routes by queue name) and a routing key."""

    exchange: str
    routing_key: str


class QueueSpec(Struct, frozen=True, kw_only=True, gc=False):
    """A queue to declare and read. All queues are transient: they may vanish with the broker."""

    name: str
    exclusive: bool = True
    """Only this connection may use it, and it goes when the connection goes."""
    expires_s: float | None = None
    """If not exclusive: delete it when unused for so long."""
    max_length: int | None = None
    """Drop the oldest bodies beyond this many ..."""
    max_bytes: int | None = None
    """... or beyond this size of them all."""
    bindings: tuple[Address, ...] = ()
    """Exchanges (with routing-key patterns) whose messages it also gets."""


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """A body as it arrived, with what the broker says of it."""

    body: bytes
    content_type: str
    queue: str
    """Where it was read."""
    routing_key: str
    """As published; on ``mesos.master`` its second word is the sender's principal."""
    reply_to: str = ""
    """The sender's own queue."""
    user_id: str = ""
    """The sender's broker user, if it was stated: then the broker has verified it."""
    epoch: int = 0
    """Of the master that sent it; 0 from anybody else."""
    number: int = 0
    """Of this body among all that its sender has meant for this queue, from 1; 0 if the sender does not count."""


class Listener(Protocol):
    """Told by a transport what happens; called in the loop's thread."""

    def connected(self) -> None:
        """The broker is reached, and every subscribed queue is declared."""

    def disconnected(self, reason: str) -> None:
        """The connection is lost, or the first attempt failed; it is being mended. Called again for each new reason."""

    def blocked(self, reason: str) -> None:
        """The broker takes nothing for now, from anybody; what it has for us still comes. Bodies wait here."""

    def unblocked(self) -> None:
        """It takes again what is published, and what has waited. Not told if the connection is lost first."""

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Everything that one read gave."""

    def undeliverable(self, address: Address) -> None:
        """Nothing is bound where a body was published with ``mandatory``; a hint that its reader is gone."""


class Transport(Protocol):
    """One connection to the broker, which mends itself.

    At most once: a body may be lost when the connection breaks, never doubled by us. Bodies from one publisher to one
    queue arrive in order. Nothing published while disconnected is kept: ``publish`` says False, and the protocol
    above repeats what matters.
    """

    @property
    def principal(self) -> str:
        """Our user name at the broker."""

    def start(self, listener: Listener) -> None:
        """Begin to connect; returns at once."""

    def subscribe(self, queue: QueueSpec) -> None:
        """Declare and read this queue now and after every reconnection; the same queue again changes nothing.

        Other properties under the same name replace the queue. While connected there is no answer: whatever is
        published afterwards finds the queue declared, and if the broker refuses it the connection is lost.
        """

    def unsubscribe(self, queue_name: str) -> None:
        """Stop reading the queue, and delete it if it is exclusive."""

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
        """Hand a body to the connection; False if there is none, or no broker could carry it, and it is dropped.

        It leaves with the next flush. While the broker is too busy to read, bodies wait here, up to a limit beyond
        which the connection counts as lost.
        """

    def flush(self) -> None:
        """Send what was published; a started transport has its loop do so at the end of each turn."""

    def stop(self, on_stopped: Callable[[], None] | None = None) -> None:
        """Send what is published if the broker takes it, close, and do not come back.

        The listener is told nothing more. ``on_stopped`` is called in the loop's thread, after seconds at worst.
        """
