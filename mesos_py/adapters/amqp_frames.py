"""AMQP 0-9-1 content as bytes: publishes built from prepared frames, deliveries cut out of what a read gave.

A message is a method frame, a header frame (size and properties) and as many body frames as its size needs::

    frame   = type:1 channel:2 size:4 payload end:1(0xCE)         type 1 method, 2 header, 3 body, 8 heartbeat
    deliver = class:2 method:2 consumer-tag:s delivery-tag:8 redelivered:1 exchange:s routing-key:s
    return  = class:2 method:2 code:2 text:s exchange:s routing-key:s
    header  = class:2 weight:2 body-size:8 flags:2 properties     s = length:1 text

No IO here: everything maps bytes to values. What is rare (other methods, channel 0) is handed out as it is.
"""

from struct import Struct as Layout
from struct import error as LayoutError  # noqa: N812 - an exception, whatever its name
from typing import Final

from msgspec import Struct

from mesos_py.adapters.amqp_properties import (
    NUMBER,
    UNREADABLE,
    Properties,
    number_at,
    pack_properties,
    short,
    unpack_properties,
)
from mesos_py.runtime.ports import Address, Delivery

__all__ = ["LARGEST_BODY", "Control", "FrameError", "Publisher", "Reader"]

LARGEST_BODY: Final = 64 * 1024 * 1024
"""Bytes; whoever sends a larger body to us wants our memory, so it is discarded as it comes."""

_MOST_CACHED: Final = 65_536
"""Entries of a cache before it starts anew; strangers choose some of the keys."""

_LONGEST_CACHED: Final = 1024
"""Bytes of properties worth remembering."""

_METHOD: Final = 1
_HEADER: Final = 2
_BODY: Final = 3
_HEARTBEAT: Final = 8
_END: Final = 0xCE

_FRAME: Final = Layout(">BHI")
_METHOD_FRAME: Final = Layout(">BHII")
_HEADER_FRAME: Final = Layout(">BHIIQ")
_SIZE: Final = Layout(">I")
_BASIC: Final = 60 << 16
"""Class 60, weight 0: how the payload of every content header begins."""
_DELIVER: Final = 60 << 16 | 60
_RETURN: Final = 60 << 16 | 50


class FrameError(Exception):
    """What came over the connection is not AMQP: nothing after it can be trusted."""


class Control(Struct, frozen=True, gc=False):
    """A frame that carries no content: for whoever manages the connection."""

    kind: int
    channel: int
    payload: bytes


_Key = tuple[str, str, str, str, int, bool, bool]
"""Of an envelope: exchange, routing key, content type, reply_to, epoch, whether it is numbered, mandatory."""


class Publisher:
    """Makes the frames of a basic.publish; everything but the body is prepared once per kind of envelope."""

    def __init__(self, channel: int, frame_max: int, user_id: str) -> None:
        """``frame_max`` and ``channel`` are the connection's."""
        self._channel = channel
        self._largest = frame_max - 8
        self._user_id = user_id
        self._prepared: dict[_Key, tuple[bytes, bytes]] = {}

    def frames(
        self, address: Address, body: bytes, content_type: str, reply_to: str, epoch: int, number: int, mandatory: bool
    ) -> bytes:
        """The message as bytes for the socket."""
        key = (address.exchange, address.routing_key, content_type, reply_to, epoch, number > 0, mandatory)
        prepared = self._prepared.get(key) or self._prepare(key)
        if number and (at := number_at(prepared[1])):
            before, after = prepared
            prepared = before, after[:at] + NUMBER.pack(number) + after[at + 8 :]
        size = len(body)
        if 0 < size <= self._largest:
            length = _SIZE.pack(size)
            return b"".join((prepared[0], length, prepared[1], length, body, b"\xce"))
        return self._unusual(prepared, body)

    def _unusual(self, prepared: tuple[bytes, bytes], body: bytes) -> bytes:
        """An empty body has no frame at all, and one beyond ``frame_max`` has several."""
        header, body_head = prepared[1][:-3], prepared[1][-3:]
        parts = [prepared[0], _SIZE.pack(len(body)), header]
        for start in range(0, len(body), self._largest):
            piece = body[start : start + self._largest]
            parts += (body_head, _SIZE.pack(len(piece)), piece, b"\xce")
        return b"".join(parts)

    def _prepare(self, key: _Key) -> tuple[bytes, bytes]:
        exchange, routing_key, content_type, reply_to, epoch, numbered, mandatory = key
        method = b"\0\x3c\0\x28\0\0" + short(exchange) + short(routing_key) + (b"\1" if mandatory else b"\0")
        properties = pack_properties(
            content_type=content_type,
            reply_to=reply_to,
            user_id=self._user_id,
            epoch=epoch,
            number=int(numbered),
            delivery_mode=1,
        )
        before = _FRAME.pack(_METHOD, self._channel, len(method)) + method + b"\xce"
        before += _FRAME.pack(_HEADER, self._channel, 12 + len(properties)) + b"\0\x3c\0\0\0\0\0\0"
        after = properties + b"\xce" + _FRAME.pack(_BODY, self._channel, 0)[:3]
        if len(self._prepared) >= _MOST_CACHED:
            self._prepared.clear()
        self._prepared[key] = before, after
        return before, after


class _Partial(Struct):
    """A message of which some frames are still to come."""

    method: bytes
    properties: bytes = b""
    missing: int = -1
    """Bytes of the body; -1 before the header has come."""
    kept: bool = True
    pieces: list[bytes] = []


class Reader:
    """Cuts the incoming bytes into deliveries, returned publishes and other frames.

    ``consumers`` maps consumer tags to queue names; deliveries to anybody else are dropped. What strangers wrote into
    a message (properties that cannot be read, an excessive body) spoils that message only and is counted in
    ``discarded``; frames that make no sense raise FrameError.
    """

    def __init__(self, channel: int, frame_max: int, consumers: dict[bytes, str]) -> None:
        """``frame_max`` and ``channel`` are the connection's; ``consumers`` may change at any time."""
        self.discarded = 0
        self.controls: list[Control] = []
        self.returned: list[Address] = []
        self._channel = channel
        self._frame_max = frame_max
        self._consumers = consumers
        self._rest = b""
        self._partial: _Partial | None = None
        self._routing_keys: dict[bytes, str] = {}
        self._properties: dict[bytes, Properties] = {}

    def feed(self, data: bytes) -> list[Delivery]:
        """Take in what was read; give the deliveries that are now complete."""
        buffer = self._rest + data if self._rest else data
        found: list[Delivery] = []
        position, size = 0, len(buffer)
        try:
            while True:
                if self._partial is None:
                    position = self._scan(buffer, position, size, found)
                if size - position < 8:
                    break
                kind, channel, length = _FRAME.unpack_from(buffer, position)
                if length > self._frame_max:
                    raise FrameError(f"a frame of {length} bytes")
                end = position + 7 + length
                if end >= size:
                    break
                if buffer[end] != _END:
                    raise FrameError("a frame without its end")
                self._frame(kind, channel, buffer[position + 7 : end], found)
                position = end + 1
        except (LayoutError, IndexError, ValueError) as error:
            raise FrameError(f"a frame that cannot be read ({error})") from error
        self._rest = buffer[position:]
        return found

    def _scan(self, buffer: bytes, position: int, size: int, found: list[Delivery]) -> int:
        """The fast path: whole deliveries of one body frame each; stops at the first that is anything else."""
        consumers, routing_keys, known, channel = self._consumers, self._routing_keys, self._properties, self._channel
        last = size - 8
        while position + 11 <= last:
            kind, on, length, method = _METHOD_FRAME.unpack_from(buffer, position)
            header = position + 8 + length
            if method != _DELIVER or kind != _METHOD or on != channel or header + 19 > last:
                break
            kind, on, length, content, total = _HEADER_FRAME.unpack_from(buffer, header)
            body = header + 8 + length
            if kind != _HEADER or on != channel or content != _BASIC or body > last:
                break
            kind, on, length = _FRAME.unpack_from(buffer, body)
            end = body + 7 + length
            if kind != _BODY or on != channel or length != total or end >= size:
                break
            if not buffer[header - 1] == buffer[body - 1] == buffer[end] == _END:
                raise FrameError("a frame without its end")
            tag = position + 12 + buffer[position + 11]
            queue = consumers.get(buffer[position + 12 : tag])
            route = buffer[tag + 9 : header - 1]
            key = routing_keys.get(route)
            if key is None:
                key = self._routing_key(route)
            wire = known_as = buffer[header + 19 : body - 1]
            number = 0
            if at := number_at(wire):
                (number,) = NUMBER.unpack_from(wire, at)
                known_as = wire[:at] + wire[at + 8 :]
            properties = known.get(known_as) or self._read_properties(wire, known_as)
            if queue is not None and properties is not UNREADABLE:
                found.append(_delivery(buffer[body + 7 : end], queue, key, properties, number))
            position = end + 1
        return position

    def _frame(self, kind: int, channel: int, payload: bytes, found: list[Delivery]) -> None:
        """The slow path: one frame after the other."""
        if kind == _HEARTBEAT:
            return
        if kind not in (_METHOD, _HEADER, _BODY):
            raise FrameError(f"a frame of type {kind}")
        method = int.from_bytes(payload[:4], "big") if kind == _METHOD else 0
        if channel != self._channel or (kind == _METHOD and method not in (_DELIVER, _RETURN)):
            if channel == self._channel and self._partial is not None:
                raise FrameError("a method amid a message")
            self.controls.append(Control(kind, channel, payload))
            return
        partial = self._partial
        if kind == _METHOD and partial is None:
            self._partial = _Partial(payload)
            return
        if partial is None or (kind == _HEADER) != (partial.missing < 0):
            raise FrameError("the frames of a message out of order")
        if kind == _HEADER:
            partial.missing = int.from_bytes(payload[4:12], "big")
            partial.properties = payload[12:]
            partial.kept = partial.missing <= LARGEST_BODY
        else:
            partial.missing -= len(payload)
            if partial.kept:
                partial.pieces.append(payload)
            if partial.missing < 0:
                raise FrameError("a body beyond its size")
        if partial.missing == 0:
            self._partial = None
            self._complete(partial, found)

    def _complete(self, partial: _Partial, found: list[Delivery]) -> None:
        payload = partial.method
        if int.from_bytes(payload[:4], "big") == _RETURN:
            text = 7 + payload[6]
            exchange = text + 1 + payload[text]
            end = exchange + 1 + payload[exchange]
            self.returned.append(Address(_text(payload[text + 1 : exchange]), _text(payload[exchange + 1 : end])))
            return
        tag = 5 + payload[4]
        queue = self._consumers.get(payload[5:tag])
        key = self._routing_key(payload[tag + 9 :])
        wire = partial.properties
        properties = self._read_properties(wire, wire)
        number = int(NUMBER.unpack_from(wire, at)[0]) if (at := number_at(wire)) else 0
        if not partial.kept:
            self.discarded += 1
        elif queue is not None and properties is not UNREADABLE:
            found.append(_delivery(b"".join(partial.pieces), queue, key, properties, number))

    def _routing_key(self, wire: bytes) -> str:
        """From ``exchange:s routing-key:s``, the end of a basic.deliver."""
        start = 2 + wire[0]
        if start + wire[start - 1] != len(wire):
            raise FrameError("a basic.deliver of the wrong length")
        if len(self._routing_keys) >= _MOST_CACHED:
            self._routing_keys.clear()
        key = self._routing_keys[wire] = _text(wire[start:])
        return key

    def _read_properties(self, wire: bytes, known_as: bytes) -> Properties:
        """Read them, and remember them as those of all bodies that differ in their number only."""
        properties = unpack_properties(wire)
        if properties is None:
            self.discarded += 1
            return UNREADABLE
        if len(wire) <= _LONGEST_CACHED:
            if len(self._properties) >= _MOST_CACHED:
                self._properties.clear()
            self._properties[known_as] = properties
        return properties


def _delivery(body: bytes, queue: str, routing_key: str, properties: Properties, number: int) -> Delivery:
    content_type, reply_to, user_id, epoch = properties
    return Delivery(
        body=body,
        content_type=content_type,
        queue=queue,
        routing_key=routing_key,
        reply_to=reply_to,
        user_id=user_id,
        epoch=epoch,
        number=max(0, number),
    )


def _text(wire: bytes) -> str:
    return wire.decode("utf-8", "replace")
