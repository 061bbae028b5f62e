"""Our reading and writing of AMQP frames against py-amqp's."""

import struct

import pytest
from amqp.basic_message import Message
from amqp.serialization import dumps
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.adapters.amqp_frames import LARGEST_BODY, FrameError, Publisher, Reader
from mesos_py.adapters.amqp_properties import NUMBER, number_at, pack_properties, unpack_properties
from mesos_py.runtime.ports import Address, Delivery

FRAME_MAX = 4096
QUEUE = "mesos.agent.a.p"

shortstr = st.text(max_size=40)
tables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
headers = st.dictionaries(st.sampled_from(["a", "epoch", "ep", "épôque", ""]), tables, max_size=4)
properties = st.fixed_dictionaries(
    {},
    optional={
        "content_type": shortstr,
        "content_encoding": shortstr,
        "application_headers": headers,
        "delivery_mode": st.integers(1, 2),
        "priority": st.integers(0, 255),
        "correlation_id": shortstr,
        "reply_to": shortstr,
        "expiration": shortstr,
        "message_id": shortstr,
        "timestamp": st.integers(0, 2**64 - 1),
        "type": shortstr,
        "user_id": shortstr,
        "app_id": shortstr,
        "cluster_id": shortstr,
    },
)


def frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def message(method: bytes, wire: bytes, body: bytes, piece: int = FRAME_MAX - 8, size: int | None = None) -> bytes:
    head = frame(2, struct.pack(">HHQ", 60, 0, len(body) if size is None else size) + wire)
    return frame(1, method) + head + b"".join(frame(3, body[at : at + piece]) for at in range(0, len(body), piece))


def deliver(key: str = "k", tag: str = QUEUE) -> bytes:
    return b"\0\x3c\0\x3c" + dumps("sLbss", (tag, 77, False, "mesos.master", key))


def reader() -> Reader:
    return Reader(1, FRAME_MAX, {QUEUE.encode(): QUEUE})


@given(properties)
def test_properties_of_any_client_are_read(given_properties: dict):
    wire = Message("", **given_properties)._serialize_properties()
    epoch = given_properties.get("application_headers", {}).get("epoch", 0)
    is_count = isinstance(epoch, int) and not isinstance(epoch, bool) and epoch > 0
    assert unpack_properties(wire) == (
        given_properties.get("content_type", ""),
        given_properties.get("reply_to", ""),
        given_properties.get("user_id", ""),
        epoch if is_count else 0,
    )


@given(shortstr.filter(bool), shortstr, st.integers(0, 2**63 - 1), st.integers(1, 2**63 - 1))
def test_the_number_of_a_body_can_be_cut_out(content_type: str, reply_to: str, epoch: int, number: int):
    ours = {"content_type": content_type, "reply_to": reply_to, "user_id": "u", "epoch": epoch, "delivery_mode": 1}
    wire = pack_properties(number=number, **ours)
    at = number_at(wire)
    assert NUMBER.unpack_from(wire, at) == (number,)
    assert unpack_properties(wire) == (content_type, reply_to, "u", epoch)
    other = pack_properties(number=max(1, number - 1), **ours)
    assert wire[:at] + wire[at + 8 :] == other[:at] + other[at + 8 :]
    theirs = Message()
    theirs._load_properties(60, wire, 0)
    assert theirs.properties["application_headers"] == {"number": number} | ({"epoch": epoch} if epoch else {})


@given(st.binary(max_size=60))
def test_any_bytes_have_a_number_or_none(wire: bytes):
    at = number_at(wire)
    assert at == 0 or at + 8 <= len(wire)


@given(st.binary(max_size=60))
def test_any_bytes_as_properties_are_read_or_refused(wire: bytes):
    read = unpack_properties(wire)
    assert read is None or read[3] >= 0


@given(shortstr, shortstr, shortstr, st.integers(0, 2**63 - 1))
def test_our_properties_are_read_by_others_and_by_us(content_type: str, reply_to: str, user_id: str, epoch: int):
    wire = pack_properties(
        content_type=content_type, reply_to=reply_to, user_id=user_id, epoch=epoch, number=0, delivery_mode=1
    )
    assert number_at(wire) == 0
    assert unpack_properties(wire) == (content_type, reply_to, user_id, epoch)
    theirs = Message()
    theirs._load_properties(60, wire, 0)
    assert theirs.properties == {
        name: value
        for name, value in {
            "content_type": content_type,
            "application_headers": {"epoch": epoch} if epoch else None,
            "delivery_mode": 1,
            "reply_to": reply_to,
            "user_id": user_id,
        }.items()
        if value
    }


@given(st.lists(st.tuples(st.binary(max_size=9000), properties), max_size=6), st.data())
def test_messages_survive_any_cut_of_the_stream(messages: list, data: st.DataObject):
    wire = b""
    for body, props in messages:
        piece = data.draw(st.sampled_from([FRAME_MAX - 8, 1000, 3000]))
        serialized = Message("", **props)._serialize_properties()
        wire += frame(8, b"", channel=0) + message(deliver(), serialized, body, piece=piece)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    read = reader()
    found: list[Delivery] = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += read.feed(wire[start:end])
    assert [delivery.body for delivery in found] == [body for body, _ in messages]
    assert [d.reply_to for d in found] == [props.get("reply_to", "") for _, props in messages]
    assert all(delivery.queue == QUEUE and delivery.routing_key == "k" for delivery in found)
    assert not read.controls


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_frame_error(wire: bytes):
    good = message(deliver(), b"\0\0", b"before")
    read = reader()
    assert len(read.feed(good)) == 1
    try:
        read.feed(wire)
    except FrameError:
        return


@given(st.data())
def test_a_damaged_message_is_a_message_or_a_frame_error(data: st.DataObject):
    wire = bytearray(message(deliver(), b"\x80\x00\x04json", b"body") * 2)
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        reader().feed(bytes(wire))
    except FrameError:
        return


@pytest.mark.parametrize("size", [0, 1, FRAME_MAX - 8, FRAME_MAX - 7, 3 * FRAME_MAX])
@pytest.mark.parametrize("mandatory", [False, True])
def test_what_we_publish_is_what_py_amqp_reads(size: int, mandatory: bool):
    body = b"x" * size
    publisher = Publisher(1, FRAME_MAX, "alice")
    seen = []
    for _ in range(2):  # the second time from the prepared frames
        wire = publisher.frames(Address("mesos.master", "agent.a"), body, "application/json", QUEUE, 5, 0, mandatory)
        seen.append(wire)
    assert seen[0] == seen[1]

    frames = []
    while wire:
        kind, channel, length = struct.unpack_from(">BHI", wire)
        assert (channel, wire[7 + length], length <= FRAME_MAX - 8) == (1, 0xCE, True)
        frames.append((kind, wire[7 : 7 + length]))
        wire = wire[8 + length :]
    assert [kind for kind, _ in frames][:2] == [1, 2]
    assert frames[0][1] == b"\0\x3c\0\x28" + dumps("Bssbb", (0, "mesos.master", "agent.a", mandatory, False))
    content = Message()
    content.inbound_header(frames[1][1])
    for kind, payload in frames[2:]:
        assert kind == 3
        content.inbound_body(payload)
    assert content.ready
    assert (content.body or b"") == body
    assert content.properties["application_headers"] == {"epoch": 5}
    assert content.properties["user_id"] == "alice"
    assert content.properties["delivery_mode"] == 1


def test_a_return_names_the_address():
    returned = b"\0\x3c\0\x32" + dumps("Bsss", (312, "NO_ROUTE", "", "mesos.agent.gone"))
    read = reader()
    assert read.feed(message(returned, b"\0\0", b"x" * 10_000) + message(returned, b"\0\0", b"")) == []
    assert read.returned == [Address("", "mesos.agent.gone")] * 2


def test_an_excessive_body_is_passed_over():
    read = reader()
    piece = frame(3, b"x" * (FRAME_MAX - 8))
    read.feed(message(deliver(), b"\0\0", b"", size=LARGEST_BODY + FRAME_MAX - 8))
    assert read.feed(piece * (LARGEST_BODY // (FRAME_MAX - 8))) == []
    rest = LARGEST_BODY + FRAME_MAX - 8 - LARGEST_BODY // (FRAME_MAX - 8) * (FRAME_MAX - 8)
    while rest:
        part = min(rest, FRAME_MAX - 8)
        assert read.feed(frame(3, b"x" * part)) == []
        rest -= part
    assert read.discarded == 1
    assert len(read.feed(message(deliver(), b"\0\0", b"next"))) == 1


def test_unreadable_properties_spoil_only_their_message():
    read = reader()
    wire = message(deliver(), b"\x80\x00\xffshort", b"bad") + message(deliver(), b"\0\0", b"good")
    assert [delivery.body for delivery in read.feed(wire)] == [b"good"]
    assert read.discarded == 1


def test_deliveries_to_a_forgotten_consumer_are_dropped():
    read = reader()
    assert read.feed(message(deliver(tag="other"), b"\0\0", b"x") * 2) == []
    assert read.feed(message(deliver(tag="other"), b"\0\0", b"x" * 9000)) == []


def test_flags_of_a_future_protocol_are_skipped():
    assert unpack_properties(b"\x80\x01\x00\x01\x00\x00\x04json") == ("json", "", "", 0)


@pytest.mark.parametrize(
    ("wire", "complaint"),
    [
        (frame(1, b"\0\x3c\0\x3c") + frame(1, b"\0\x3c\0\x3c"), "out of order"),
        (frame(2, b"x"), "out of order"),
        (frame(3, b"x"), "out of order"),
        (frame(4, b"x"), "type 4"),
        (frame(1, deliver()) + frame(3, b"x"), "out of order"),
        (frame(1, deliver()) + frame(1, b"\0\x0a\0\x32"), "amid"),
        (message(deliver(), b"\0\0", b"xy", size=1), "beyond"),
        (frame(1, deliver())[:-1] + b"\xcf", "end"),
        (struct.pack(">BHI", 1, 1, FRAME_MAX + 1) + b"x", f"{FRAME_MAX + 1} bytes"),
    ],
)
def test_nonsense_is_a_frame_error(wire: bytes, complaint: str):
    with pytest.raises(FrameError, match=complaint):
        reader().feed(wire)


def test_other_methods_are_handed_out():
    read = reader()
    read.feed(frame(1, b"\0\x0a\0\x3d", channel=0) + frame(1, b"\0\x14\0\x28"))
    assert [(control.channel, control.payload) for control in read.controls] == [
        (0, b"\0\x0a\0\x3d"),
        (1, b"\0\x14\0\x28"),
    ]
