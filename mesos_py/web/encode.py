"""Makes JSON of large values without holding the interpreter from the core's thread for long."""

import asyncio
from typing import Final

import msgspec
from msgspec import Struct

from mesos_py.messages.codec import encode_hook

__all__ = ["encode_in_pieces"]

_PIECE: Final = 200
"""Items encoded in one go: about a millisecond."""

_encoder: Final = msgspec.json.Encoder(enc_hook=encode_hook)


async def encode_in_pieces(value: Struct) -> bytes:
    """The same as one call of the encoder, with breaks in which other threads and requests have their turn."""
    fields = []
    for name in value.__struct_fields__:
        part = getattr(value, name)
        text = await _list(part) if isinstance(part, list) else _encoder.encode(part)
        fields.append(_encoder.encode(name) + b":" + text)
    return b"{" + b",".join(fields) + b"}"


async def _list(items: list[object]) -> bytes:
    pieces = []
    for start in range(0, len(items), _PIECE):
        pieces.append(_encoder.encode(items[start : start + _PIECE])[1:-1])
        await asyncio.sleep(0)
    return b"[" + b",".join(pieces) + b"]"
