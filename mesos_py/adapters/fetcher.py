"""Brings a task's files into its sandbox: copies or downloads, checks, unpacks."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from mesos_py.adapters.commands import as_user
from mesos_py.adapters.download import download
from mesos_py.adapters.fetch_cache import FetchCache
from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.adapters.processes import spawn
from mesos_py.adapters.unpack import UnpackError, is_archive, unpack
from mesos_py.types.tasks import URI

__all__ = ["SandboxFetcher"]

_PIECE: Final = 1 << 18
_DEFAULT_MAX_BYTES: Final = 10 << 30

Cancelled = Callable[[], bool]


class SandboxFetcher:
    """Fetches from this host and over HTTP. Made for worker threads: all of it blocks."""

    def __init__(
        self,
        cache_dir: Path | None = None,
        *,
        cache_bytes: int = 2 << 30,
        max_bytes: int = _DEFAULT_MAX_BYTES,
        max_unpacked_bytes: int = _DEFAULT_MAX_BYTES,
    ) -> None:
        """Without ``cache_dir`` nothing is kept for the next task."""
        self._cache = FetchCache(cache_dir, cache_bytes) if cache_dir is not None else None
        self._max_bytes = max_bytes
        self._max_unpacked_bytes = max_unpacked_bytes

    def fetch(self, uris: Sequence[URI], sandbox: str, user: str, cancelled: Cancelled) -> None:
        """Fetch all into the sandbox, reading local files as ``user`` if given. Raises LaunchError."""
        for uri in uris:
            shown = _shown(uri.value)
            try:
                self._fetch(uri, Path(sandbox), user, cancelled)
            except (LaunchError, UnpackError) as error:
                raise LaunchError(f"cannot fetch {shown}: {error}") from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise LaunchError(f"cannot fetch {shown}: {_one_line(error)}") from None
            except OSError as error:
                raise LaunchError(f"cannot fetch {shown}: {error.strerror or error}") from None
            except ValueError as error:
                raise LaunchError(f"cannot fetch {shown}: it is no address: {_one_line(error)}") from None

    def _fetch(self, uri: URI, sandbox: Path, user: str, cancelled: Cancelled) -> None:
        target = _target(uri, sandbox)
        partial = target.with_name(f".{target.name}.part"[-255:])
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if uri.cache and self._cache is not None:
                with self._cache.entry(f"{user}\0{uri.value}\0{uri.sha256.lower()}", cancelled) as cached:
                    if not cached.is_there:
                        self._bring(uri, cached.path, user, cancelled)
                    self._copy_cached(uri, cached.path, partial, cancelled)
            else:
                self._bring(uri, partial, user, cancelled)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        if uri.executable:
            target.chmod(0o755)
        elif uri.extract and is_archive(target.name):
            unpack(target, target.parent, self._max_unpacked_bytes, cancelled)

    def _bring(self, uri: URI, path: Path, user: str, cancelled: Cancelled) -> None:
        """Write the source to a new file, and check it."""
        is_far = uri.value.startswith(("http://", "https://"))
        self._write(download(uri.value, cancelled) if is_far else _local(uri.value, user), uri, path, cancelled)

    def _copy_cached(self, uri: URI, source: Path, path: Path, cancelled: Cancelled) -> None:
        self._write(_read_file(source), uri, path, cancelled)

    def _write(self, pieces: Iterator[bytes], uri: URI, path: Path, cancelled: Cancelled) -> None:
        limit = self._max_bytes if uri.max_bytes is None else uri.max_bytes
        digest, size = hashlib.sha256(), 0
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        with contextlib.closing(pieces), open(fd, "wb") as file:  # type: ignore[type-var]  # generators are closed
            for piece in pieces:
                size += len(piece)
                if size > limit:
                    raise LaunchError(f"it is larger than {limit} bytes")
                if cancelled():
                    raise LaunchError("the task was killed")
                digest.update(piece)
                file.write(piece)
        if uri.sha256 and digest.hexdigest() != uri.sha256.lower():
            raise LaunchError(f"its SHA-256 is {digest.hexdigest()}, not {uri.sha256.lower()}")


def _target(uri: URI, sandbox: Path) -> Path:
    """Where the file goes. Raises LaunchError if that is not inside the sandbox."""
    name = uri.output_file or unquote(urlsplit(uri.value).path).rstrip("/").rpartition("/")[2]
    parts = Path(name).parts
    if not name or "\0" in name or ".." in parts or os.path.isabs(name):
        raise LaunchError(f"{name!r:.200} is no name for a file in the sandbox")
    target = sandbox / name
    if not target.parent.resolve().is_relative_to(sandbox.resolve()) or target.is_dir():
        raise LaunchError(f"{name!r:.200} is no name for a file in the sandbox")
    return target


def _local(value: str, user: str) -> Iterator[bytes]:
    path = _local_path(value)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise LaunchError("it is not a regular file")
    return _read_as(path, user) if user else _read_file(Path(path))


def _local_path(value: str) -> str:
    if value.startswith("/"):
        return value
    parts = urlsplit(value)
    if parts.scheme != "file":
        raise LaunchError("only http://, https://, file:// and absolute paths can be fetched")
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise LaunchError("a file:// address is file:///path")
    return unquote(parts.path)


def _read_file(path: Path) -> Iterator[bytes]:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            yield piece


def _read_as(path: str, user: str) -> Iterator[bytes]:
    """Read with the rights of a user, not with the agent's."""
    read_end, write_end = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    try:
        pid = spawn([*as_user(user), "/bin/cat", "--", path], {}, (null, write_end, null))
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
        os.close(null)
    try:
        with open(read_end, "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece
    finally:  # by then cat has ended, or its pipe is broken
        _pid, status = os.waitpid(pid, 0)
    if status != 0:
        raise LaunchError(f"user {user!r} cannot read it")


def _shown(value: str) -> str:
    """An address without what may be secret in it: password and query."""
    if value.startswith("/"):
        return value[:500]
    try:
        parts = urlsplit(value)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return repr(value)[:500]
    return f"{parts.scheme}://{host}{parts.path}"[:500]


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]
