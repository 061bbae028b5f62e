"""Where a job's input is: which files there are, how large, and on which hosts they are at hand.

======================  ==========================================================================
``/data/logs/*.gz``     files of this host. Where agents share the file system they read them
                        there, else this host serves them
``catalogue:FILE#GLOB`` files that lie in directories of single agents; FILE lists them as JSON:
                        ``[{"name": "a.log", "size": 7, "hosts": {"node1": "/data/a.log"}}]``
``http://host/a.log``   a file that each agent fetches whole, once, into its cache; agents that
                        have it are preferred
======================  ==========================================================================
"""

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Final, Protocol
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mesos_py.errors import MesosError, UserError
from mesos_py.frameworks.mapreduce.job import Job, Split

__all__ = ["Blocks", "Catalogue", "Fetched", "HostFiles", "blocks_for", "plan_splits"]

_CODECS: Final = {".gz": "gz", ".gzip": "gz", ".bz2": "bz2"}
_CATALOGUE: Final = "catalogue:"


class Blocks(Protocol):
    """Knows one kind of input."""

    def files(self, path: str) -> list[Split]:
        """The files a path stands for, each as one split. Raises MesosError if there are none."""

    def hosts(self, split: Split) -> tuple[str, ...]:
        """Where it is at hand now; whatever that was when it was planned."""

    def fetched(self, split: Split, host: str) -> None:
        """A host has read it, or is about to."""


class HostFiles:
    """Files of the submitting host; at hand everywhere or nowhere, as far as we know."""

    def files(self, path: str) -> list[Split]:
        """Part of Blocks. Of directories what is in them, without hidden files and those with an underscore."""
        path = path.removeprefix("file://")
        found = sorted(glob.glob(path)) if glob.has_magic(path) else [path] * os.path.exists(path)
        if not found:
            raise MesosError(f"input {path} does not exist")
        return [_split_of(each) for name in found for each in _inside(name)]

    def hosts(self, split: Split) -> tuple[str, ...]:
        """Part of Blocks."""
        return split.hosts

    def fetched(self, split: Split, host: str) -> None:
        """Part of Blocks: nobody keeps anything."""


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    size: int
    hosts: dict[str, str]


class Catalogue(HostFiles):
    """Files in directories of single agents."""

    def files(self, path: str) -> list[Split]:
        """Part of Blocks."""
        file, _, pattern = path.removeprefix(_CATALOGUE).partition("#")
        try:
            entries = msgspec.json.decode(Path(file).read_bytes(), type=list[_Entry])
        except OSError as error:
            raise MesosError(f"catalogue {file}: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise UserError(f"catalogue {file}: {error}") from None
        chosen = [entry for entry in entries if fnmatch.fnmatchcase(entry.name, pattern or "*")]
        if not chosen:
            raise MesosError(f"input {path}: the catalogue has no such file")
        return [
            Split(
                path=entry.name,
                length=entry.size,
                size=entry.size,
                codec=_codec(entry.name),
                hosts=tuple(entry.hosts),
                pinned=entry.hosts,
            )
            for entry in chosen
        ]


class Fetched:
    """Files behind URLs, kept by each agent that has read one."""

    def __init__(self) -> None:
        """Nobody has anything."""
        self._hosts: dict[str, dict[str, None]] = {}

    def files(self, path: str) -> list[Split]:
        """Part of Blocks."""
        try:
            with urlopen(path, timeout=30) as answer:  # noqa: S310 - http, as blocks_for says
                size = int(answer.headers.get("Content-Length") or 0)
        except (URLError, OSError, ValueError) as error:
            raise MesosError(f"input {path}: {getattr(error, 'reason', error)}") from None
        return [Split(path=path, length=size, size=size, codec=_codec(path), url=path)]

    def hosts(self, split: Split) -> tuple[str, ...]:
        """Part of Blocks."""
        return tuple(self._hosts.get(split.path, ()))

    def fetched(self, split: Split, host: str) -> None:
        """Part of Blocks."""
        self._hosts.setdefault(split.path, {})[host] = None


def blocks_for(path: str) -> Blocks:
    """Who knows this kind of input."""
    if path.startswith(_CATALOGUE):
        return Catalogue()
    return Fetched() if path.startswith(("http://", "https://")) else HostFiles()


def plan_splits(job: Job, files: Iterable[Split]) -> list[Split]:
    """What each mapper reads."""
    if job.lines_per_map:
        return [part for file in files for part in _by_lines(file, job.lines_per_map)]
    return [part for file in files for part in by_size(file, job.split_bytes)]


def by_size(file: Split, most: int) -> Iterator[Split]:
    """Parts of about the same size, none much larger than ``most``; compressed files stay whole."""
    if file.codec or file.length <= most + most // 10:
        yield file
        return
    parts = -(-file.length // most)
    bounds = [file.length * number // parts for number in range(parts + 1)]
    for start, end in pairwise(bounds):
        yield replace(file, start=start, length=end - start)


def _by_lines(file: Split, lines: int) -> Iterator[Split]:
    if file.codec or file.pinned or file.url:
        raise UserError(f"input {file.path}: only plain files of this host can be split by lines")
    start = position = 0
    with Path(file.path).open("rb") as opened:
        for number in count(1):
            line = opened.readline()
            position += len(line)
            if position > start and (not line or number % lines == 0):
                yield replace(file, start=start, length=position - start)
                start = position
            if not line:
                return


def _inside(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    return sorted(entry.path for entry in os.scandir(path) if entry.is_file() and entry.name[0] not in "._")


def _split_of(path: str) -> Split:
    path = os.path.abspath(path)
    status = os.stat(path)
    return Split(path=path, length=status.st_size, size=status.st_size, mtime_ns=status.st_mtime_ns, codec=_codec(path))


def _codec(path: str) -> str:
    return _CODECS.get(os.path.splitext(path)[1].lower(), "")
