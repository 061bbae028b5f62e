"""Worked examples; the properties are in tests/properties/test_codec_properties.py."""

import json

import msgspec
import pytest

from mesos_py.messages.codec import (
    AGENT_CALLS,
    EXECUTOR_CALLS,
    JSON,
    MAX_BODY,
    MSGPACK,
    SCHEDULER_CALLS,
    SCHEDULER_EVENTS,
    Malformed,
    decode_hook,
    encode_hook,
    to_builtins,
)
from mesos_py.messages.executor import ExecutorUpdate
from mesos_py.messages.scheduler import Accept, Kill, Message, SchedulerHeartbeat
from mesos_py.types.offers import Launch
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, TaskInfo, TaskState

HEARTBEAT = SchedulerHeartbeat(framework_id="F")
GOOD = b'{"type":"HEARTBEAT","framework_id":"F"}'


def read(body, content_type=JSON):
    return SCHEDULER_CALLS.decode(body, content_type)


def only_malformed(body, content_type=JSON) -> Malformed:
    (malformed,) = read(body, content_type)
    assert isinstance(malformed, Malformed)
    return malformed


def test_a_body_is_a_message_or_an_array_of_messages():
    assert read(GOOD) == [HEARTBEAT]
    assert read(b" \n [" + GOOD + b", " + GOOD + b"]") == [HEARTBEAT] * 2
    assert read(b"[]") == []
    assert read(msgspec.msgpack.encode({"type": "HEARTBEAT", "framework_id": "F"}), MSGPACK) == [HEARTBEAT]
    assert read(b"\x90", MSGPACK) == []


def test_an_accept_looks_on_the_wire_as_its_author_would_write_it():
    task = TaskInfo(task_id="t", resources=Resources.of(cpus=0.5, mem=64), command=CommandInfo(value="true"))
    accept = Accept(framework_id="F", offer_ids=["O"], operations=[Launch(tasks=[task])])
    (body,) = SCHEDULER_CALLS.encode([accept], JSON)
    assert json.loads(body) == [
        {
            "type": "ACCEPT",
            "framework_id": "F",
            "offer_ids": ["O"],
            "operations": [
                {
                    "type": "LAUNCH",
                    "tasks": [
                        {"task_id": "t", "resources": {"cpus": 0.5, "mem": 64}, "command": {"value": "true"}},
                    ],
                }
            ],
        }
    ]
    assert to_builtins(accept) == json.loads(body)[0]


def test_a_bad_message_names_its_type_and_spares_its_neighbours():
    first, unknown, wrong, number, last = read(
        b"[" + GOOD + b',{"type":"FROBNICATE"},{"type":"KILL","framework_id":3},7,' + GOOD + b"]"
    )
    assert first == last == HEARTBEAT
    assert (unknown.type, wrong.type, number.type) == ("FROBNICATE", "KILL", "")
    assert "task_id" in wrong.reason or "framework_id" in wrong.reason


def test_of_a_field_given_twice_the_last_counts():
    assert read(b'{"type":"HEARTBEAT","framework_id":"E","framework_id":"F"}') == [HEARTBEAT]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"[",
        b"{",
        b"null",
        b'"HEARTBEAT"',
        GOOD + b"x",
        b"[" + GOOD + b",",
        b'{"framework_id":"F"}',
        b'{"type":3}',
        b'{"type":"HEARTBEAT","framework_id":"\xff"}',
        b'{"type":"HEARTBEAT","framework_id":"\xed\xa0\x80"}',
        b'{"type":"HEARTBEAT","framework_id":"\\ud800 and more text"}',
        b"\xef\xbb\xbf" + GOOD,
        b'{"type":"HEARTBEAT","framework_id":"F","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"type":"DECLINE","framework_id":"F","offer_ids":[],"refuse_seconds":1e999}',
        b'{"type":"DECLINE","framework_id":"F","offer_ids":[],"refuse_seconds":NaN}',
        b'{"type":"MESSAGE","framework_id":"F","agent_id":"A","executor_id":"E","data":"not base64!"}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_cannot_be_read_is_malformed(body):
    assert only_malformed(body).reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\xc0",
        b"\x81\xa4type\xa9HEARTBEA",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa4type\xdb\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x82\xa4type\xa9HEARTBEAT\xacframework_id\xa1\xff",
        b"\x82\xa4type\xa9HEARTBEAT\x01\x02",
        b"\x82\xa4type\xa9HEARTBEAT\xacframework_id\xd7\xff" + b"\xff" * 8,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_cannot_be_unpacked_is_malformed(body):
    assert all(isinstance(one, Malformed) for one in read(body, MSGPACK))
    assert read(body, MSGPACK)


ACKNOWLEDGE = b'{"type":"ACKNOWLEDGE","framework_id":"F","agent_id":"A","task_id":"t","update_id":%d}'


@pytest.mark.parametrize("number", [0, -(2**63), 10**19, 2**64 - 1])
def test_an_integer_of_64_bits_is_read_and_can_be_sent_on(number):
    (acknowledge,) = read(ACKNOWLEDGE % number)
    assert acknowledge.update_id == number
    assert list(SCHEDULER_CALLS.encode([acknowledge], MSGPACK))


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**64, 10**300, -(10**300)])
def test_an_integer_of_more_than_64_bits_is_refused(number):
    assert only_malformed(ACKNOWLEDGE % number).type == "ACKNOWLEDGE"
    assert only_malformed(b"[" + ACKNOWLEDGE % number + b"]").type == "ACKNOWLEDGE"


def test_long_digits_in_text_and_bytes_that_look_like_infinity_in_data_are_fine():
    message = Message(framework_id="1" * 40, agent_id="A", executor_id="E", data=b"\xcb\x7f\xf0" + b"\0" * 6)
    for content_type in (JSON, MSGPACK):
        (body,) = SCHEDULER_CALLS.encode([message], content_type)
        assert read(body, content_type) == [message]


def test_resources_of_a_stranger_are_refused_with_the_place():
    body = b'{"type":"REQUEST","framework_id":"F","role":"a","demands":[{"count":1,"slice":{"cpus":-1}}]}'
    assert only_malformed(body).reason == "-1 is negative - at `$.demands[0].slice`"


def test_a_foreign_content_type_is_malformed():
    assert "application/x-python-serialize" in only_malformed(GOOD, "application/x-python-serialize").reason
    assert only_malformed(GOOD, "").reason


def test_a_body_that_is_too_long_is_not_read():
    assert "too long" in only_malformed(b" " * (16 * 1024 * 1024 + 1)).reason
    assert "too long" in EXECUTOR_CALLS.decode_line(b" " * (16 * 1024 * 1024 + 1)).reason


def test_an_array_of_rubbish_gives_one_answer_not_thousands():
    assert len(read(b"[" + b"0," * 20_000 + b"0]")) == 1
    assert len(read(b"[" + b"0," * 900_000 + b"0]")) == 1
    assert len(read(b"[" + b"0," * 99 + b"0]")) == 100


def test_nothing_to_send_makes_no_body():
    assert list(SCHEDULER_CALLS.encode([])) == []


@pytest.mark.parametrize("content_type", [JSON, MSGPACK])
def test_a_long_message_goes_alone(content_type):
    kills = [Kill(framework_id="F", task_id=task_id) for task_id in ("a", "b" * (2 * MAX_BODY), "c")]
    bodies = list(SCHEDULER_CALLS.encode(iter(kills), content_type))
    assert [kill for body in bodies for kill in read(body, content_type)] == kills
    assert sum(len(body) > MAX_BODY for body in bodies) == 1


def test_lines_carry_one_message_each():
    update = ExecutorUpdate(task_id="t", state=TaskState.RUNNING, number=1, message="two\nlines")
    line = EXECUTOR_CALLS.encode_line(update)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert EXECUTOR_CALLS.decode_line(line) == update
    assert EXECUTOR_CALLS.decode_line(b'{"type":"NO"}\n').type == "NO"


def test_families_do_not_mix():
    assert isinstance(AGENT_CALLS.decode(GOOD, JSON)[0], Malformed)
    assert isinstance(SCHEDULER_EVENTS.decode(b'{"type":"KILL","framework_id":"F","task_id":"t"}', JSON)[0], Malformed)


def test_tasks_of_one_size_share_their_resources():
    body = b'[{"type":"REQUEST","framework_id":"F","role":"a","demands":[%s]}]' % b",".join(
        [b'{"count":1,"slice":{"cpus":0.25,"mem":32}}'] * 2
    )
    (request,) = read(body)
    first, second = request.demands
    assert first.slice is second.slice
    first.slice.to_wire()["cpus"] = 99
    assert second.slice == Resources.of(cpus=0.25, mem=32)


def test_only_our_own_classes_are_hooked():
    with pytest.raises(NotImplementedError):
        encode_hook(object())
    with pytest.raises(NotImplementedError):
        decode_hook(object, {})
