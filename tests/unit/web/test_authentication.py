"""Whoever asks is who he proves to be, and nobody else."""

import asyncio
import base64
from collections import Counter

import bcrypt
import pytest

from mesos_py.errors import ConfigError
from mesos_py.web import authentication
from mesos_py.web.authentication import (
    Authenticator,
    NotProvenError,
    hash_password,
    hash_token,
    parse_credentials,
)
from mesos_py.web.reader import BusyError


def a_hash(password):
    """As quick as bcrypt can be."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


FILE = f"""
# who may use it
alice:{a_hash("old")}
alice:{a_hash("nöw")}
bob:{a_hash("bobs")}
prometheus:{hash_token("t0ken")}
"""


@pytest.fixture
def asked():
    held = [parse_credentials(FILE)]
    authenticator = Authenticator(lambda: held[0])

    def asked(authorization="", peer=None):
        return asyncio.run(authenticator(authorization, peer))

    asked.held = held
    return asked


def test_a_flood_of_passwords_is_not_queued_without_end(asked):
    """And whoever is known already, or has a token, is let in meanwhile."""
    authenticator = Authenticator(lambda: asked.held[0])

    async def flood():
        await authenticator(basic("alice", "old"), None)
        guesses = [asyncio.ensure_future(authenticator(basic("bob", f"guess{n}"), None)) for n in range(100)]
        await asyncio.sleep(0)
        assert await authenticator(basic("alice", "old"), None) == "alice"
        assert await authenticator("Bearer t0ken", None) == "prometheus"
        answers = Counter(type(answer) for answer in await asyncio.gather(*guesses, return_exceptions=True))
        assert answers == {NotProvenError: 20, BusyError: 80}
        assert await authenticator(basic("bob", "bobs"), None) == "bob"

    asyncio.run(flood())


@pytest.mark.parametrize(
    ("authorization", "name"),
    [
        (basic("alice", "old"), "alice"),
        (basic("alice", "nöw"), "alice"),
        ("Bearer t0ken", "prometheus"),
        ("bearer t0ken", "prometheus"),
    ],
)
def test_who_is_proven(asked, authorization, name):
    assert asked(authorization) == name
    assert asked(authorization) == name  # as remembered


def test_a_certificate_proves_unless_something_else_is_brought(asked):
    assert asked(peer="carol") == "carol"
    assert asked("Bearer t0ken", peer="carol") == "prometheus"
    assert asked() is None


@pytest.mark.parametrize(
    "authorization",
    [
        basic("alice", "bobs"),
        basic("nobody", "old"),
        basic("prometheus", "t0ken"),
        "Basic %%%",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Bearer old",
        "Bearer ",
        "Digest x",
    ],
)
def test_what_proves_nothing_is_refused_even_beside_a_certificate(asked, authorization):
    with pytest.raises(NotProvenError):
        asked(authorization, peer="carol")


def test_what_is_taken_from_the_file_proves_nothing_any_more(asked):
    assert asked(basic("alice", "old")) == "alice"
    asked.held[0] = parse_credentials(f"alice:{a_hash('other')}")
    with pytest.raises(NotProvenError):
        asked(basic("alice", "old"))


@pytest.mark.parametrize("line", ["alice", "alice:secret", ":x", f"x:sha256:{'0' * 63}", "alice:$1$abc$def"])
def test_a_line_that_is_none_is_told_by_its_number_and_not_shown(line):
    with pytest.raises(ConfigError, match="line 2: it must be") as told:
        parse_credentials(f"# first\n{line}\n")
    assert "secret" not in str(told.value)


def test_what_we_make_can_be_read(monkeypatch):
    monkeypatch.setattr(authentication, "_ROUNDS", 4)
    hashed = hash_password("s3cret")
    assert bcrypt.checkpw(b"s3cret", hashed.encode())
    assert parse_credentials(f"a:{hashed}\n").passwords == {"a": [hashed.encode()]}
    for wrong in ("", "x" * 73):
        with pytest.raises(ConfigError, match="1 to 72 bytes"):
            hash_password(wrong)
