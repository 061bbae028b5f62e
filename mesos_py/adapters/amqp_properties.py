"""The properties of an AMQP message as bytes: ours to write, anybody's to read.

After a word of flags come the present properties in a fixed order. Foreign clients set what they like, so reading
skips whatever we do not use, and never trusts a length.

The number of a body is the one thing that differs between the bodies of one sender. We write it as the first header,
so that it can be cut out and what is left is found in a cache.
"""

from struct import Struct as Layout
from struct import error as LayoutError  # noqa: N812 - an exception, whatever its name
from typing import Final

__all__ = ["NUMBER", "UNREADABLE", "Properties", "number_at", "pack_properties", "short", "unpack_properties"]

Properties = tuple[str, str, str, int]
"""content_type, reply_to, user_id and the header ``epoch``: those that we use."""

UNREADABLE: Final[Properties] = ("", "", "", -1)
"""Stands for properties that break the rules."""

_CONTENT_TYPE: Final = 0x8000
_HEADERS: Final = 0x2000
_DELIVERY_MODE: Final = 0x1000
_REPLY_TO: Final = 0x0200
_USER_ID: Final = 0x0010
_MORE: Final = 0x0001

_SHAPES: Final = (
    (_CONTENT_TYPE, "s"),
    (0x4000, "s"),  # content_encoding
    (_HEADERS, "F"),
    (_DELIVERY_MODE, "1"),
    (0x0800, "1"),  # priority
    (0x0400, "s"),  # correlation_id
    (_REPLY_TO, "s"),
    (0x0100, "s"),  # expiration
    (0x0080, "s"),  # message_id
    (0x0040, "8"),  # timestamp
    (0x0020, "s"),  # type
    (_USER_ID, "s"),
    (0x0008, "s"),  # app_id
    (0x0004, "s"),  # cluster_id
)
"""Flag and shape of every property, in the order in which they stand."""

_WORD: Final = Layout(">H")
_LONG: Final = Layout(">I")

_INTEGERS: Final = {
    kind: Layout(">" + code) for kind, code in zip(b"bBsuIilL", ("b", "B", "h", "H", "i", "I", "q", "q"), strict=True)
}
"""Field-table types that hold an integer, as RabbitMQ reads them."""

_FIXED: Final = {kind: layout.size for kind, layout in _INTEGERS.items()} | dict(
    zip(b"tfdDTV", (1, 4, 8, 5, 8, 0), strict=True)
)
_COUNTED: Final = frozenset(b"SxAF")
"""Field-table types that begin with their length in four bytes."""

_EPOCH: Final = b"\x05epoch"
_NUMBER: Final = b"\x06numberl"

NUMBER: Final = Layout(">q")
"""How the number of a body is written."""


def short(text: str) -> bytes:
    """A short string; raises ValueError beyond 255 bytes."""
    raw = text.encode()
    if len(raw) > 255:
        raise ValueError(f"AMQP names and properties hold 255 bytes: {text[:60]}...")
    return bytes((len(raw),)) + raw


def pack_properties(
    *, content_type: str, reply_to: str, user_id: str, epoch: int, number: int, delivery_mode: int
) -> bytes:
    """Flags and properties; whatever is empty is left out. A number needs a content type before it."""
    flags = _DELIVERY_MODE
    wire = b""
    if content_type:
        flags |= _CONTENT_TYPE
        wire += short(content_type)
    table = _NUMBER + NUMBER.pack(number) if number and content_type else b""
    if epoch:
        table += _EPOCH + b"l" + epoch.to_bytes(8, "big")
    if table:
        flags |= _HEADERS
        wire += _LONG.pack(len(table)) + table
    wire += bytes((delivery_mode,))
    if reply_to:
        flags |= _REPLY_TO
        wire += short(reply_to)
    if user_id:
        flags |= _USER_ID
        wire += short(user_id)
    return _WORD.pack(flags) + wire


def number_at(wire: bytes) -> int:
    """Where in the properties the number of the body stands, if they begin as ours do; else 0."""
    if len(wire) < 3 or wire[0] & 0xE0 != 0xA0:  # a content type and headers, and nothing in between
        return 0
    first = 7 + wire[2]
    at = first + len(_NUMBER)
    return at if wire[first:at] == _NUMBER and len(wire) >= at + 8 else 0


def unpack_properties(wire: bytes) -> Properties | None:
    """Read flags and properties; None if they break the rules."""
    try:
        return _unpack(wire)
    except (LayoutError, IndexError):
        return None


def _unpack(wire: bytes) -> Properties | None:
    (flags,) = _WORD.unpack_from(wire, 0)
    position, more = 2, flags
    while more & _MORE:  # further words of flags, for properties that AMQP may have some day
        (more,) = _WORD.unpack_from(wire, position)
        position += 2
    texts = {_CONTENT_TYPE: "", _REPLY_TO: "", _USER_ID: ""}
    epoch = 0
    for flag, shape in _SHAPES:
        if not flags & flag:
            continue
        start = position
        if shape == "s":
            start += 1
            position = start + wire[start - 1]
            if flag in texts:
                texts[flag] = wire[start:position].decode("utf-8", "replace")
        elif shape == "F":
            start += 4
            position = start + int(_LONG.unpack_from(wire, start - 4)[0])
            epoch = _epoch(wire[start:position])
        else:
            position += int(shape)
    if position > len(wire):
        return None
    return texts[_CONTENT_TYPE], texts[_REPLY_TO], texts[_USER_ID], epoch


def _epoch(table: bytes) -> int:
    """The header ``epoch``; 0 if it is absent, not a count, or behind something that we cannot read."""
    position, size = 0, len(table)
    try:
        while position < size:
            kind = position + 1 + table[position]
            value = kind + 1
            if table[position:kind] == _EPOCH:
                layout = _INTEGERS.get(table[kind])
                return max(0, int(layout.unpack_from(table, value)[0])) if layout is not None else 0
            if table[kind] in _COUNTED:
                position = value + 4 + int(_LONG.unpack_from(table, value)[0])
            else:
                position = value + _FIXED[table[kind]]
    except (LayoutError, IndexError, KeyError):
        pass
    return 0
