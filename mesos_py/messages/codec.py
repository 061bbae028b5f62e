"""The only place where bytes become messages and messages become bytes.

A body is one message or an array of messages, in JSON or MessagePack as its content type says. Decoding is strict
about types and lenient about what it does not know: an unknown field is ignored, an unknown ``type`` spoils only its
own message, never its neighbours. Whatever cannot be read becomes a :class:`Malformed` value, not an exception.

Both formats carry the same values: MessagePack's NaN and infinities and JSON's integers beyond 64 bits are refused,
so that no such number reaches a core, and whatever was read can be sent on in either format.
"""

from collections.abc import Callable, Iterable, Iterator
from math import isfinite
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from mesos_py.messages.agent import FromAgent, ToAgent
from mesos_py.messages.executor import ExecutorCall, ExecutorEvent
from mesos_py.messages.scheduler import Call, Event
from mesos_py.types.resources import Resources

__all__ = [
    "AGENT_CALLS",
    "AGENT_ORDERS",
    "EXECUTOR_CALLS",
    "EXECUTOR_EVENTS",
    "JSON",
    "MAX_BODY",
    "MSGPACK",
    "SCHEDULER_CALLS",
    "SCHEDULER_EVENTS",
    "Codec",
    "Malformed",
    "decode_hook",
    "encode_hook",
    "to_builtins",
]

JSON: Final = "application/json"
MSGPACK: Final = "application/msgpack"

MAX_BODY: Final = 100_000
"""Bytes in one body; longer arrays are split so that a body fits one AMQP frame."""

_MAX_ACCEPTED: Final = 16 * 1024 * 1024
"""Bytes of a body that we are willing to read at all."""

_MAX_SORTED: Final = 1024 * 1024
_MAX_PARTS: Final = 10_000
"""Bytes and messages of a body in which we look for good messages beside bad ones."""

_MAX_REASON = 500
_MAX_TYPE = 100
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)

T = TypeVar("T")
U = TypeVar("U")
_Test = Callable[[bytes], bool]


class Malformed(Struct, frozen=True, kw_only=True, gc=False):
    """Something that could not be read, and why."""

    reason: str
    type: str = ""
    """The tag, where one could be seen."""


def encode_hook(value: object) -> object:
    """How our own classes look on the wire."""
    if isinstance(value, Resources):
        return value.to_wire()
    raise NotImplementedError(f"{type(value).__name__} cannot be sent")


def decode_hook(wanted: type, wire: object) -> object:
    """The inverse of encode_hook; a ValueError becomes msgspec's own, with the place in the message."""
    if wanted is Resources:
        return Resources.from_wire(wire)
    raise NotImplementedError(f"{wanted.__name__} cannot be received")


def to_builtins(value: object) -> Any:
    """The value as dicts, lists, strings and numbers, as JSON would show it."""
    return msgspec.to_builtins(value, enc_hook=encode_hook)


_encode_json: Final = msgspec.json.Encoder(enc_hook=encode_hook).encode
_encode_msgpack: Final = msgspec.msgpack.Encoder(enc_hook=encode_hook).encode


class _Tag(Struct):
    type: str = ""


class _Reader(Generic[T]):
    """Reads one family of messages in one format."""

    def __init__(self, family: Any, decoder: Any, is_array: _Test, is_suspect: _Test) -> None:
        """``is_suspect`` tells the bodies that must be read with care, see _refuse_odd_numbers."""
        self._one: Callable[[bytes], T] = decoder(family, dec_hook=decode_hook).decode
        self._many: Callable[[bytes], list[T | Malformed]] = decoder(list[family], dec_hook=decode_hook).decode
        self._parts: Callable[[bytes], list[bytes]] = decoder(list[msgspec.Raw]).decode
        self._plain: Callable[[bytes], object] = decoder().decode
        self._tag: Callable[[bytes], _Tag] = decoder(_Tag).decode
        self._is_array = is_array
        self._is_suspect = is_suspect

    def all(self, body: bytes) -> list[T | Malformed]:
        """Every message in a body: in one go if all can be read, else each by itself."""
        if not self._is_array(body):
            return [self.one(body)]
        try:
            return self._read(self._many, body)
        except _UNREADABLE as error:
            whole = Malformed(reason=str(error)[:_MAX_REASON])
        if len(body) > _MAX_SORTED:
            return [whole]
        try:
            parts = self._parts(body)
        except _UNREADABLE:
            return [whole]
        if len(parts) > _MAX_PARTS:
            return [whole]
        return [self.one(bytes(part)) for part in parts]

    def one(self, part: bytes) -> T | Malformed:
        """The only message in a body."""
        try:
            return self._read(self._one, part)
        except _UNREADABLE as error:
            return Malformed(reason=str(error)[:_MAX_REASON], type=self._type_of(part))

    def _read(self, decode: Callable[[bytes], U], body: bytes) -> U:
        if self._is_suspect(body):
            _refuse_odd_numbers(self._plain(body))
        return decode(body)

    def _type_of(self, part: bytes) -> str:
        try:
            return self._tag(part).type[:_MAX_TYPE]
        except _UNREADABLE:
            return ""


class Codec(Generic[T]):
    """Reads and writes one family of messages, such as the calls of schedulers."""

    def __init__(self, family: Any) -> None:
        """``family`` is a union of tagged Structs."""
        self._json: _Reader[T] = _Reader(family, msgspec.json.Decoder, _is_json_array, _may_hold_long_integer)
        self._msgpack: _Reader[T] = _Reader(family, msgspec.msgpack.Decoder, _is_msgpack_array, _may_hold_infinity)

    def decode(self, body: bytes, content_type: str) -> list[T | Malformed]:
        """Every message in a body, in order; what cannot be read as Malformed."""
        if len(body) > _MAX_ACCEPTED:
            return [Malformed(reason=f"a body of {len(body)} bytes is too long")]
        if content_type == MSGPACK:
            return self._msgpack.all(body)
        if content_type == JSON:
            return self._json.all(body)
        return [Malformed(reason=f"content type {content_type!r:.100} is neither {JSON} nor {MSGPACK}")]

    @staticmethod
    def encode(messages: Iterable[T], content_type: str = MSGPACK) -> Iterator[bytes]:
        """Bodies of at most MAX_BODY bytes that carry the messages in order (a longer single message goes alone)."""
        messages = messages if isinstance(messages, list) else list(messages)
        if not messages:
            return
        body = _encode_msgpack(messages) if content_type == MSGPACK else _encode_json(messages)
        if len(body) <= MAX_BODY or len(messages) == 1:
            yield body
            return
        share = max(1, int(len(messages) * 0.9 * MAX_BODY / len(body)))
        for start in range(0, len(messages), share):
            yield from Codec.encode(messages[start : start + share], content_type)

    def encode_line(self, message: T) -> bytes:
        """One JSON message and a newline."""
        return _encode_json(message) + b"\n"

    def decode_line(self, line: bytes) -> T | Malformed:
        """One JSON message."""
        if len(line) > _MAX_ACCEPTED:
            return Malformed(reason=f"a line of {len(line)} bytes is too long")
        return self._json.one(line)


# What a body is, seen from its bytes


def _is_json_array(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["


def _is_msgpack_array(body: bytes) -> bool:
    return bool(body) and (body[0] & 0xF0 == 0x90 or body[0] in (0xDC, 0xDD))


# Numbers that only one of the formats can carry. A scan of the bytes finds the bodies that may hold one (0.1 us per
# message); only those are read a second time to be sure.

_ALL_DIGITS_ZERO: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER: Final = b"0" * 19


def _may_hold_long_integer(json: bytes) -> bool:
    return _LONG_INTEGER in json.translate(_ALL_DIGITS_ZERO)


def _may_hold_infinity(msgpack: bytes) -> bool:
    if b"\x7f" not in msgpack and b"\xff" not in msgpack:  # by far the fastest scan, and mostly the last
        return False
    return any(start in msgpack for start in (b"\xcb\x7f", b"\xcb\xff", b"\xca\x7f", b"\xca\xff"))


def _refuse_odd_numbers(value: object) -> None:
    """ValueError if a decoded value holds a number that not every format can carry."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case float(number) if not isfinite(number):
                raise ValueError("NaN and infinity cannot be sent")
            case int(number) if not -(2**63) <= number < 2**64:
                raise ValueError("an integer needs more than 64 bits")
            case dict(items):
                waiting.extend(items.values())
            case list(items):
                waiting.extend(items)
            case _:
                pass


SCHEDULER_CALLS: Final[Codec[Call]] = Codec(Call)
SCHEDULER_EVENTS: Final[Codec[Event]] = Codec(Event)
AGENT_CALLS: Final[Codec[FromAgent]] = Codec(FromAgent)
AGENT_ORDERS: Final[Codec[ToAgent]] = Codec(ToAgent)
EXECUTOR_CALLS: Final[Codec[ExecutorCall]] = Codec(ExecutorCall)
EXECUTOR_EVENTS: Final[Codec[ExecutorEvent]] = Codec(ExecutorEvent)
