"""Whole values are sent as JSON, packed for those who say that they can unpack it."""

import asyncio
import gzip

import msgspec
import pytest

from mesos_py.types.resources import Resources
from mesos_py.web.encode import encode_in_pieces, whole
from mesos_py.web.reader import Reader, Snapshot


class Shelf(msgspec.Struct):
    name: str
    things: list[Resources]


LARGE = Shelf("a", [Resources.of(cpus=1 + n % 3, mem=32) for n in range(1000)])


def answer(value, accepted):
    async def ask():
        return await whole(Reader(None), Snapshot(value, 0.0, 0.0), accepted)

    return asyncio.run(ask())


def test_it_is_what_one_call_of_an_encoder_makes():
    made = asyncio.run(encode_in_pieces(LARGE))
    assert msgspec.json.decode(made) == {"name": "a", "things": [each.to_wire() for each in LARGE.things]}


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "deflate,gzip; q=0.001"])
def test_packed(accepted):
    response = answer(LARGE, accepted)
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.content) == answer(LARGE, "").content
    assert len(response.content) * 5 < len(answer(LARGE, "").content)


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "gzip;q=0.0, br", "xgzip", "*"])
def test_not_packed(accepted):
    assert "Content-Encoding" not in answer(LARGE, accepted).headers


def test_what_is_small_is_not_packed():
    response = answer(Shelf("a", []), "gzip")
    assert response.content == b'{"name":"a","things":[]}'
    assert response.headers == {"Vary": "Accept-Encoding"}
