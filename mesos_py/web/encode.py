"""Makes JSON of large values, once for all readers, without holding the interpreter from the core's thread for long."""

import asyncio
import gzip
from functools import lru_cache
from typing import Annotated, Final, TypeVar

import msgspec
from litestar import MediaType, Response
from litestar.params import HeaderParameter
from msgspec import Raw, Struct

from mesos_py.messages.codec import encode_hook
from mesos_py.types.resources import Resources
from mesos_py.web.reader import Reader, Snapshot

__all__ = ["AcceptEncoding", "encode_in_pieces", "whole"]

S = TypeVar("S", bound=Struct)

AcceptEncoding = Annotated[str, HeaderParameter(name="Accept-Encoding", description="gzip, if that is understood.")]

_PIECE: Final = 200
"""Items encoded in one go: about a millisecond."""

_WORTH_PACKING: Final = 10_000
"""Bytes."""


@lru_cache(maxsize=1000)
def _resources(value: Resources) -> Raw:
    """Most tasks have the same ones."""
    return Raw(msgspec.json.encode(encode_hook(value)))


_encoder: Final = msgspec.json.Encoder(
    enc_hook=lambda value: _resources(value) if isinstance(value, Resources) else encode_hook(value)
)


async def whole(reader: Reader, snapshot: Snapshot[S], accepted: str) -> Response[bytes]:
    """A snapshot as JSON; packed, to a tenth of its size, if that is ``accepted`` (by a header Accept-Encoding)."""
    body = await reader.once(snapshot, "json", encode_in_pieces)
    headers = {"Vary": "Accept-Encoding"}
    if len(body) > _WORTH_PACKING and _takes_gzip(accepted):

        async def pack(_value: S) -> bytes:
            return await asyncio.to_thread(gzip.compress, body, 1)

        body = await reader.once(snapshot, "gzip", pack)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=MediaType.JSON, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """RFC 9110, 12.5.3."""
    for part in accepted.lower().replace(" ", "").split(","):
        name, _, weight = part.partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or not weight
    return False


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
