"""One body per receiver and turn."""

from mesos_py.runtime.outbox import Outbox, Receiver
from mesos_py.runtime.ports import Address

ALICE = Receiver(Address("", "alice"), "application/json")
BOB = Receiver(Address("x", "bob"), "application/x-msgpack", mandatory=True)


class Transport:
    def __init__(self, up=True):
        self.up = up
        self.published = []

    def publish(self, address, body, **envelope):
        if self.up:
            self.published.append((address.routing_key, body, envelope))
        return self.up


def encode(messages, content_type):
    """Bodies of at most two messages."""
    for at in range(0, len(messages), 2):
        yield f"{content_type.rpartition('/')[2]}:{','.join(messages[at : at + 2])}".encode()


def test_what_goes_to_one_receiver_goes_together_and_in_order():
    transport = Transport()
    outbox = Outbox(transport, encode, reply_to="me", epoch=3)
    for receiver, message in [(ALICE, "a"), (BOB, "b"), (ALICE, "c")]:
        outbox.put(receiver, message)
    assert transport.published == []
    outbox.publish()
    both = {"reply_to": "me", "epoch": 3, "number": 0}
    assert transport.published == [
        ("alice", b"json:a,c", {"content_type": "application/json", "mandatory": False, **both}),
        ("bob", b"x-msgpack:b", {"content_type": "application/x-msgpack", "mandatory": True, **both}),
    ]


def test_what_was_published_is_not_published_again():
    transport = Transport()
    outbox = Outbox(transport, encode)
    outbox.put(ALICE, "a")
    outbox.publish()
    outbox.publish()
    outbox.put(ALICE, "b")
    outbox.publish()
    assert [body for _key, body, _envelope in transport.published] == [b"json:a", b"json:b"]


def test_what_is_too_long_for_a_body_goes_in_several():
    transport = Transport()
    outbox = Outbox(transport, encode)
    for message in "abcde":
        outbox.put(ALICE, message)
    outbox.publish()
    assert [body for _key, body, _envelope in transport.published] == [b"json:a,b", b"json:c,d", b"json:e"]
    assert outbox.dropped == 0


def test_without_a_connection_everything_is_dropped_and_counted():
    transport = Transport(up=False)
    outbox = Outbox(transport, encode)
    for message in "abc":
        outbox.put(ALICE, message)
    outbox.put(BOB, "d")
    outbox.publish()
    assert outbox.dropped == 4
    transport.up = True
    outbox.publish()
    assert transport.published == []
