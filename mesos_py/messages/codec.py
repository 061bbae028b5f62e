"""The only place where bytes become messages and messages become bytes.

A body is one message or an array of messages, in JSON or MessagePack as its content type says. Decoding is strict
about types and lenient about what it does not know: an unknown field is ignored, an unknown ``type`` spoils only its
own message, never its neighbours. Whatever cannot be read becomes a :class:`Malformed` value, not an exception.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from mesos_py.errors import UserError
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

T = TypeVar("T")


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
    """The inverse of encode_hook."""
    if wanted is Resources:
        try:
            return Resources.from_wire(wire)
        except UserError as error:
            raise ValueError(str(error)) from None
    raise NotImplementedError(f"{wanted.__name__} cannot be received")


def to_builtins(value: object) -> Any:
    """The value as dicts, lists, strings and numbers, as JSON would show it."""
    return msgspec.to_builtins(value, enc_hook=encode_hook)


_encode_json: Final = msgspec.json.Encoder(enc_hook=encode_hook).encode
_encode_msgpack: Final = msgspec.msgpack.Encoder(enc_hook=encode_hook).encode
_peek_json: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_peek_msgpack: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


class _Tag(Struct):
    type: str = ""


_tag_json: Final = msgspec.json.Decoder(_Tag).decode
_tag_msgpack: Final = msgspec.msgpack.Decoder(_Tag).decode


class Codec(Generic[T]):
    """Reads and writes one family of messages, such as the calls of schedulers."""

    def __init__(self, family: Any) -> None:
        """``family`` is a union of tagged Structs."""
        self._json_one: Callable[[Any], T] = msgspec.json.Decoder(family, dec_hook=decode_hook).decode
        self._json_many: Callable[[Any], list[T]] = msgspec.json.Decoder(list[family], dec_hook=decode_hook).decode
        self._msgpack_one: Callable[[Any], T] = msgspec.msgpack.Decoder(family, dec_hook=decode_hook).decode
        self._msgpack_many: Callable[[Any], list[T]] = msgspec.msgpack.Decoder(
            list[family], dec_hook=decode_hook
        ).decode

    def decode(self, body: bytes, content_type: str) -> list[T | Malformed]:
        """Every message in a body, in order; what cannot be read as Malformed."""
        if len(body) > _MAX_ACCEPTED:
            return [Malformed(reason=f"a body of {len(body)} bytes is too long")]
        if content_type == MSGPACK:
            return self._read(
                body, self._msgpack_one, self._msgpack_many, _peek_msgpack, _tag_msgpack, _msgpack_is_array
            )
        if content_type == JSON:
            return self._read(body, self._json_one, self._json_many, _peek_json, _tag_json, _json_is_array)
        return [Malformed(reason=f"content type {content_type!r:.100} is neither {JSON} nor {MSGPACK}")]

    @staticmethod
    def encode(messages: Iterable[T], content_type: str = MSGPACK) -> Iterator[bytes]:
        """Bodies of at most MAX_BODY bytes that carry the messages in order (a longer single message goes alone)."""
        messages = messages if isinstance(messages, list) else list(messages)
        body = _encode_msgpack(messages) if content_type == MSGPACK else _encode_json(messages)
        if len(body) <= MAX_BODY or len(messages) <= 1:
            yield body
            return
        half = len(messages) // 2
        yield from Codec.encode(messages[:half], content_type)
        yield from Codec.encode(messages[half:], content_type)

    def encode_line(self, message: T) -> bytes:
        """One JSON message and a newline."""
        return _encode_json(message) + b"\n"

    def decode_line(self, line: bytes) -> T | Malformed:
        """One JSON message."""
        return self._read_one(line, self._json_one, _tag_json)

    def _read(
        self,
        body: bytes,
        one: Callable[[Any], T],
        many: Callable[[Any], list[T]],
        peek: Callable[[Any], list[msgspec.Raw]],
        tag: Callable[[Any], _Tag],
        is_array: Callable[[bytes], bool],
    ) -> list[T | Malformed]:
        if not is_array(body):
            return [self._read_one(body, one, tag)]
        try:
            return many(body)  # type: ignore[return-value]  # a list of T is a list of T or Malformed
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
        try:
            parts = peek(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return [Malformed(reason=str(error)[:500])]
        return [self._read_one(part, one, tag) for part in parts]

    @staticmethod
    def _read_one(part: Any, one: Callable[[Any], T], tag: Callable[[Any], _Tag]) -> T | Malformed:
        try:
            return one(part)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            reason = str(error)[:500]
        try:
            return Malformed(reason=reason, type=tag(part).type[:100])
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Malformed(reason=reason)


def _json_is_array(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["


def _msgpack_is_array(body: bytes) -> bool:
    return bool(body) and (body[0] & 0xF0 == 0x90 or body[0] in (0xDC, 0xDD))


SCHEDULER_CALLS: Final[Codec[Call]] = Codec(Call)
SCHEDULER_EVENTS: Final[Codec[Event]] = Codec(Event)
AGENT_CALLS: Final[Codec[FromAgent]] = Codec(FromAgent)
AGENT_ORDERS: Final[Codec[ToAgent]] = Codec(ToAgent)
EXECUTOR_CALLS: Final[Codec[ExecutorCall]] = Codec(ExecutorCall)
EXECUTOR_EVENTS: Final[Codec[ExecutorEvent]] = Codec(ExecutorEvent)
