"""Groups what a turn wants to send by receiver, and publishes one body for each."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from mesos_py.runtime.ports import Address, Transport

__all__ = ["Outbox", "Receiver"]

T = TypeVar("T")


class Receiver:
    """Where a body goes, and in which format. Keep it: messages are grouped by receiver object, not by its value."""

    __slots__ = ("address", "content_type", "mandatory", "numbered", "sent")

    def __init__(self, address: Address, content_type: str, *, mandatory: bool = False, numbered: bool = False) -> None:
        """``mandatory`` asks the transport to tell if nobody reads there; ``numbered`` lets the reader notice gaps."""
        self.address = address
        self.content_type = content_type
        self.mandatory = mandatory
        self.numbered = numbered
        self.sent = 0
        """Bodies so far, those that were dropped too: their reader is to miss them."""


class Outbox(Generic[T]):
    """Messages of one family (such as events for schedulers) on their way out."""

    def __init__(
        self,
        transport: Transport,
        encode: Callable[[list[T], str], Iterator[bytes]],
        *,
        reply_to: str = "",
        epoch: int = 0,
    ) -> None:
        """``encode(messages, content_type)`` makes bodies; the rest is the envelope of all of them."""
        self._transport = transport
        self._encode = encode
        self._reply_to = reply_to
        self._epoch = epoch
        self._waiting: dict[Receiver, list[T]] = {}
        self.dropped = 0
        """Messages given up because there was no connection; the protocol repeats what matters."""

    def put(self, receiver: Receiver, message: T) -> None:
        """Send at the end of the turn."""
        waiting = self._waiting.get(receiver)
        if waiting is None:
            self._waiting[receiver] = [message]
        else:
            waiting.append(message)

    def publish(self) -> None:
        """Hand everything to the transport; at the end of each turn, before its flush."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        for receiver, messages in waiting.items():
            for body in self._encode(messages, receiver.content_type):
                receiver.sent += 1
                sent = self._transport.publish(
                    receiver.address,
                    body,
                    content_type=receiver.content_type,
                    reply_to=self._reply_to,
                    epoch=self._epoch,
                    number=receiver.sent if receiver.numbered else 0,
                    mandatory=receiver.mandatory,
                )
                if not sent:
                    self.dropped += len(messages)
                    break
