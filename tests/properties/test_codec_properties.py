"""Whatever is sent arrives the same; whatever arrives is a message or Malformed, never an exception."""

import json
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesos_py.messages import codec
from mesos_py.messages.agent import FromAgent, ToAgent
from mesos_py.messages.codec import JSON, MSGPACK, Codec, Malformed, to_builtins
from mesos_py.messages.executor import ExecutorCall, ExecutorEvent
from mesos_py.messages.scheduler import Call, Event, Kill
from tests.support.strategies_messages import instances, message_types, tag_of, texts

FAMILIES: list[tuple[Any, Codec[Any]]] = [
    (Call, codec.SCHEDULER_CALLS),
    (Event, codec.SCHEDULER_EVENTS),
    (FromAgent, codec.AGENT_CALLS),
    (ToAgent, codec.AGENT_ORDERS),
    (ExecutorCall, codec.EXECUTOR_CALLS),
    (ExecutorEvent, codec.EXECUTOR_EVENTS),
]
EVERY_MESSAGE = [
    pytest.param(message, reader, id=f"{message.__module__.rpartition('.')[2]}-{message.__name__}")
    for family, reader in FAMILIES
    for message in message_types(family)
]
FORMATS = [JSON, MSGPACK]
ENCODERS = {JSON: msgspec.json.encode, MSGPACK: msgspec.msgpack.encode}


def array(parts: list[bytes], content_type: str) -> bytes:
    """The body that holds these encoded messages."""
    return b"[" + b",".join(parts) + b"]" if content_type == JSON else bytes([0x90 + len(parts)]) + b"".join(parts)


GOOD = {"type": "HEARTBEAT", "framework_id": "F"}


@pytest.mark.parametrize(("message_type", "reader"), EVERY_MESSAGE)
@given(st.data())
@settings(max_examples=12)
def test_what_is_sent_arrives_the_same(message_type, reader, data):
    messages = data.draw(st.lists(instances(message_type), min_size=1, max_size=2))
    for content_type in FORMATS:
        bodies = list(reader.encode(messages, content_type))
        assert [message for body in bodies for message in reader.decode(body, content_type)] == messages
        assert all(type(read) is message_type for read in reader.decode(bodies[0], content_type))
    assert reader.decode_line(reader.encode_line(messages[0])) == messages[0]


@pytest.mark.parametrize(("message_type", "reader"), EVERY_MESSAGE)
@given(st.data())
@settings(max_examples=4)
def test_fields_that_are_not_known_are_ignored(message_type, reader, data):
    message = data.draw(instances(message_type))
    wire = to_builtins(message) | {"a field of version N+1": {"deep": [1, {"x": None}]}}
    assert reader.decode(msgspec.json.encode(wire), JSON) == [message]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(body=st.binary(max_size=200), family=st.sampled_from(FAMILIES), content_type=st.sampled_from(FORMATS))
@settings(max_examples=300)
def test_no_bytes_stop_a_reader(body, family, content_type):
    reader = family[1]
    reader.decode(body, content_type)
    reader.decode_line(body)


@given(data=st.data(), family=st.sampled_from(FAMILIES), content_type=st.sampled_from(FORMATS))
@settings(max_examples=150)
def test_no_damage_to_a_body_stops_a_reader(data, family, content_type):
    family, reader = family
    message = data.draw(instances(family))
    body = bytearray(next(reader.encode([message], content_type)))
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[place] = data.draw(st.integers(0, 255))
    reader.decode(bytes(body[: data.draw(st.integers(0, len(body)))]), content_type)


@given(data=st.data(), family=st.sampled_from(FAMILIES), content_type=st.sampled_from(FORMATS))
@settings(max_examples=150)
def test_a_message_of_wrong_types_spoils_only_itself(data, family, content_type):
    family, reader = family
    good = data.draw(instances(family))
    wire = to_builtins(data.draw(instances(family)))
    wire[data.draw(st.sampled_from(sorted(wire)))] = data.draw(plain)
    as_sent = ENCODERS[content_type](good, enc_hook=codec.encode_hook)
    body = array([as_sent, ENCODERS[content_type](wire), as_sent], content_type)
    first, middle, last = reader.decode(body, content_type)
    assert first == last == good
    assert isinstance(middle, (Malformed, *message_types(family)))


@given(data=st.data(), family=st.sampled_from(FAMILIES))
@settings(max_examples=100)
def test_both_formats_read_the_same(data, family):
    family, reader = family
    tags = sorted({tag_of(message) for message in message_types(family)})
    wire = data.draw(st.dictionaries(texts, plain, max_size=3)) | {"type": data.draw(st.sampled_from(tags))}
    (read,) = reader.decode(json.dumps(wire).encode(), JSON)
    (unpacked,) = reader.decode(msgspec.msgpack.encode(wire), MSGPACK)
    assert unpacked == read or (isinstance(unpacked, Malformed) and isinstance(read, Malformed))


@given(st.sampled_from([math.nan, math.inf, -math.inf]), st.booleans())
def test_infinity_and_nan_are_refused_whatever_their_width(number, wide):
    packed = struct.pack(">Bd", 0xCB, number) if wide else struct.pack(">Bf", 0xCA, number)
    body = b"\x92" + msgspec.msgpack.encode(GOOD)
    body += b"\x84" + b"".join(map(msgspec.msgpack.encode, ["type", "DECLINE", "framework_id", "F", "offer_ids", []]))
    body += msgspec.msgpack.encode("refuse_seconds") + packed
    good, bad = codec.SCHEDULER_CALLS.decode(body, MSGPACK)
    assert good.framework_id == "F"
    assert isinstance(bad, Malformed)
    assert bad.type == "DECLINE"


@given(sizes=st.lists(st.integers(0, 60_000), max_size=12), content_type=st.sampled_from(FORMATS))
@settings(max_examples=30)
def test_splitting_keeps_the_order_and_the_limit(sizes, content_type):
    reader = codec.SCHEDULER_CALLS
    kills = [Kill(framework_id="F", task_id=f"{i}-" + "x" * size) for i, size in enumerate(sizes)]
    bodies = list(reader.encode(kills, content_type))
    assert [kill for body in bodies for kill in reader.decode(body, content_type)] == kills
    assert all(len(body) <= codec.MAX_BODY for body in bodies)
