"""Who asks: proven by a client certificate, a bearer token, or a name and password.

A file of credentials has one line for each, and a principal may have several, so that one can be replaced by the next::

    alice:$2y$12$...                 a password, as `htpasswd -B` or `mesos password` writes it (bcrypt)
    prometheus:sha256:9f86d0...      the SHA-256 of a token, as `mesos password --token` writes it
"""

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import bcrypt
from msgspec import Struct, field

from mesos_py.errors import ConfigError, MesosError
from mesos_py.types.ids import Principal
from mesos_py.web.reader import BusyError

__all__ = [
    "PEER",
    "Authenticate",
    "Authenticator",
    "Credentials",
    "NotProvenError",
    "hash_password",
    "hash_token",
    "nobody",
    "parse_credentials",
]

PEER: Final = "mesos_peer"
"""Key in the state of a connection under which the server puts the name in the client's certificate."""

_TOKEN: Final = "sha256:"  # noqa: S105 - not a token but the mark of one
_ROUNDS: Final = 12
_REMEMBERED: Final = 1000
_MOST_WAITING: Final = 20
"""Passwords to be checked, which takes about a quarter of a second each; whoever floods us has the rest refused."""
_LONGEST: Final = 72
"""Bytes of a password that bcrypt looks at."""

Authenticate = Callable[[str, str | None], Awaitable[Principal | None]]
"""Takes the header Authorization and the name in the client's certificate; raises NotProvenError and BusyError."""


class NotProvenError(MesosError):
    """What was to prove who asks does not."""


class Credentials(Struct, frozen=True):
    """What a file of credentials holds."""

    passwords: dict[str, list[bytes]] = field(default_factory=dict)
    """Hashes by name."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Names by the hash of the token."""


def parse_credentials(text: str) -> Credentials:
    """Read a file of credentials. Raises ConfigError, which names the line and nothing that is in it."""
    credentials = Credentials()
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, proof = line.strip().partition(":")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if colon and name and proof.startswith(_TOKEN) and len(proof) == len(_TOKEN) + 64:
            credentials.tokens[proof.removeprefix(_TOKEN).lower()] = name
        elif colon and name and proof.startswith(("$2a$", "$2b$", "$2y$")) and len(proof) == 60:
            credentials.passwords.setdefault(name, []).append(proof.encode())
        else:
            raise ConfigError(f"line {number}: it must be NAME:$2y$... (htpasswd -B) or NAME:sha256:HASH")
    return credentials


def hash_password(password: str) -> str:
    """For a file of credentials. Raises ConfigError for one that is too long."""
    if not 0 < len(password.encode()) <= _LONGEST:
        raise ConfigError(f"a password has 1 to {_LONGEST} bytes")
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode()


def hash_token(token: str) -> str:
    """For a file of credentials. Tokens are long and random: a fast hash is enough."""
    return _TOKEN + hashlib.sha256(token.encode()).hexdigest()


async def nobody(_authorization: str, _peer: str | None) -> Principal | None:
    """Where there are no credentials, nobody proves who he is."""
    return None


class Authenticator:
    """Checks what requests bring. Slow hashes are computed in a thread, one at a time, and success is remembered."""

    def __init__(self, credentials: Callable[[], Credentials]) -> None:
        """``credentials`` are those of the moment."""
        self._credentials = credentials
        self._known: OrderedDict[bytes, tuple[Principal, bytes]] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._turn: asyncio.Lock | None = None
        self._waiting = 0
        """How many passwords are to be checked."""

    async def __call__(self, authorization: str, peer: str | None) -> Principal | None:
        """Whoever is proven; None if nothing was brought. Raises NotProvenError and BusyError."""
        scheme, _, proof = authorization.partition(" ")
        if not scheme:
            return None if peer is None else Principal(peer)
        if scheme.lower() == "bearer":
            return self._of_token(proof.strip())
        if scheme.lower() == "basic":
            return await self._of_password(proof.strip())
        raise NotProvenError("credentials are Basic or Bearer")

    def _of_token(self, token: str) -> Principal:
        name = self._credentials().tokens.get(hashlib.sha256(token.encode("latin-1")).hexdigest())
        if name is None:
            raise NotProvenError("this token is not known")
        return Principal(name)

    async def _of_password(self, proof: str) -> Principal:
        try:
            name, _, password = base64.b64decode(proof, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise NotProvenError("name and password cannot be read") from None
        hashes = self._credentials().passwords.get(name, [])
        digest = hashlib.blake2b(f"{name}\0{password}".encode(), key=self._key).digest()
        known = self._known.get(digest)
        if known is not None and known[1] in hashes:
            return known[0]
        fitting = await self._check(password, hashes)
        if fitting is None:
            raise NotProvenError("name or password is wrong")
        self._known[digest] = (Principal(name), fitting)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return Principal(name)

    async def _check(self, password: str, hashes: list[bytes]) -> bytes | None:
        """The hash that fits, after those who came before. Raises BusyError if these are too many."""
        if self._waiting >= _MOST_WAITING:
            raise BusyError("too many passwords are being checked; try again, or use a token")
        self._turn = self._turn or asyncio.Lock()
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_fitting, password.encode()[:_LONGEST], hashes)
        finally:
            self._waiting -= 1


_NOBODYS: Final = b"$2b$12$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK"
"""Checked for names that there are not, so that they cannot be told by how long the answer takes."""


def _fitting(password: bytes, hashes: list[bytes]) -> bytes | None:
    found = [each for each in hashes or [_NOBODYS] if bcrypt.checkpw(password, each)]
    return found[0] if found and hashes else None
