"""Asks a master or an agent over HTTP; whatever goes wrong becomes one line."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote

import click
import httpx

from mesos_py.cli.errors import CliError
from mesos_py.runtime.login import http_options

__all__ = [
    "DEFAULT_MASTER",
    "KNOWN_AGENTS",
    "BusyError",
    "Client",
    "NotFoundError",
    "UnreachableError",
    "master_option",
    "quoted",
]

DEFAULT_MASTER: Final = "http://127.0.0.1:5050"
_PAGE: Final = 1000
_TIMEOUT_S: Final = 15.0
_REDIRECTS: Final = 5

F = TypeVar("F", bound=Callable[..., Any])
Params = Mapping[str, str | int | bool | list[str]]

KNOWN_AGENTS: Final[Params] = {"status": ["connected", "disconnected", "unreachable"]}
"""What to ask ``/agents`` for; of those that are gone there is nothing to show."""


class NotFoundError(CliError):
    """There is no such thing there."""


class BusyError(CliError):
    """Not now: nobody leads, or the daemon has too much to do."""


class UnreachableError(CliError):
    """Nobody answers, or not to the end."""


class Client:
    """One daemon's HTTP API."""

    def __init__(self, url: str, who: str = "the master", timeout_s: float = _TIMEOUT_S) -> None:
        """``who`` it is, for people. Raises CliError for what is no URL."""
        self.url = normal_url(url)
        self._who = who
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, **http_options())

    def close(self) -> None:
        """Drop the connections; for one who asks many."""
        self._http.close()

    def get(self, path: str, params: Params | None = None) -> Any:
        """The answer. Raises CliError."""
        return self._ask("GET", path, params)

    def post(self, path: str, params: Params | None = None) -> Any:
        """Have something done. Raises CliError."""
        return self._ask("POST", path, params)

    def put(self, path: str, body: Any, params: Params | None = None) -> Any:
        """Have something set. Raises CliError."""
        return self._ask("PUT", path, params, body)

    def delete(self, path: str, params: Params | None = None) -> Any:
        """Have something taken away. Raises CliError."""
        return self._ask("DELETE", path, params)

    def items(self, path: str, params: Params | None = None, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """A whole list, or its first ``limit`` items, fetched page by page."""
        offset, total = 0, limit
        while total is None or offset < total:
            page = min(_PAGE, _PAGE if limit is None else limit - offset)
            answer = self.get(path, {**(params or {}), "offset": offset, "limit": page})
            yield from answer["items"]
            total = answer["total"] if limit is None else min(limit, answer["total"])
            offset += len(answer["items"])
            if not answer["items"]:
                return

    @contextmanager
    def stream(self, path: str, params: Params) -> Iterator[httpx.Response]:
        """An answer that comes bit by bit, for as long as it takes. Raises CliError."""
        with self._explained(), self._http.stream("GET", path, params=dict(params), timeout=_patient()) as answer:
            if answer.is_error:
                answer.read()
            self._check(answer)
            yield answer

    def _ask(self, method: str, path: str, params: Params | None, body: Any = None) -> Any:
        with self._explained():
            answer = self._follow(self._http.request(method, path, params=dict(params or {}), json=body), body)
            self._check(answer)
            try:
                return answer.json()
            except ValueError:
                raise self._stranger() from None

    def _follow(self, answer: httpx.Response, body: Any) -> httpx.Response:
        """A standby sends to the leader, who must be told all of it, and who asks; but never in the clear after TLS."""
        for _ in range(_REDIRECTS):
            there = answer.next_request
            if there is None:
                return answer
            if answer.url.scheme == "https" != there.url.scheme:
                raise CliError(f"{self._who} at {self.url} sends us to {there.url}, which is not secured by TLS")
            answer = self._http.request(there.method, there.url, json=body)
        raise httpx.TooManyRedirects("too many", request=answer.request)

    def _check(self, answer: httpx.Response) -> None:
        if not answer.is_error:
            return
        try:
            why = answer.json()["error"]
        except (ValueError, KeyError, TypeError):
            raise self._stranger(f" (status {answer.status_code})") from None
        raise {404: NotFoundError, 503: BusyError}.get(answer.status_code, CliError)(why)

    def _stranger(self, detail: str = "") -> CliError:
        return CliError(f"what answers at {self.url} is not mesos_py{detail}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException:
            raise UnreachableError(f"{self._who} at {self.url} does not answer") from None
        except httpx.TooManyRedirects:
            raise CliError(f"{self._who} at {self.url} sends us in circles") from None
        except httpx.ConnectError as error:
            raise UnreachableError(f"cannot reach {self._who} at {self.url}: {_reason(error)}") from None
        except httpx.TransportError as error:
            raise UnreachableError(f"{self._who} at {self.url} broke off: {_reason(error)}") from None


def normal_url(text: str) -> str:
    """``host``, ``host:port`` or a URL as a URL; CliError if it is none."""
    url = (text if "://" in text else f"http://{text}").strip().rstrip("/")
    try:
        parsed = httpx.URL(url)
        good = parsed.scheme in ("http", "https") and bool(parsed.host)
    except (httpx.InvalidURL, ValueError):
        good = False
    if not good:
        raise CliError(f"{text!r} is not a URL such as {DEFAULT_MASTER}")
    return url if parsed.port is not None or "://" in text else f"{url.rstrip(':')}:5050"


def quoted(part: str) -> str:
    """One part of a path."""
    return quote(part, safe="")


def master_option(command: F) -> F:
    """Adds --master, and how to get through to it."""
    command = _setting("--ca", "MESOS_CA", "File with the CAs that are trusted.")(command)
    command = _setting("--token-file", "MESOS_TOKEN_FILE", "File with a token that proves who asks.")(command)
    return click.option(
        "--master",
        metavar="URL",
        envvar="MESOS_MASTER",
        default=DEFAULT_MASTER,
        show_default=True,
        show_envvar=True,
        help="URL of a master's HTTP API.",
    )(command)


def _setting(flag: str, variable: str, text: str) -> Callable[[F], F]:
    """A file that every client in this process goes by."""

    def keep(_context: click.Context, _param: click.Parameter, value: str | None) -> None:
        if value is not None:
            os.environ[variable] = value

    return click.option(
        flag, metavar="FILE", envvar=variable, show_envvar=True, expose_value=False, callback=keep, help=text
    )


def _patient() -> httpx.Timeout:
    return httpx.Timeout(_TIMEOUT_S, read=None)


def _reason(error: Exception) -> str:
    """The innermost words: "connection refused" instead of "[Errno 111] Connection refused"."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    text = str(error) or type(error).__name__
    return text.partition("] ")[2].lower() if text.startswith("[Errno") else text
