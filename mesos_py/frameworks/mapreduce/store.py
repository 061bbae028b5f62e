"""Files under ``hdfs://`` names: a directory that stands for the file system that Hadoop's users put their data in.

It is $MESOS_STORE, by default /var/lib/mesos/store for root and ~/.local/share/mesos/store for others. Agents that see
it read and write it directly; to others the submitting host serves it.
"""

import getpass
import glob
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from mesos_py.errors import MesosError, UserError

__all__ = ["run_fs", "store_path", "store_root"]

_SCHEME: Final = "hdfs://"
_DAY_MINUTE: Final = "%Y-%m-%d %H:%M"


def store_root() -> str:
    """The directory."""
    if root := os.environ.get("MESOS_STORE"):
        return os.path.abspath(root)
    if os.geteuid() == 0:
        return "/var/lib/mesos/store"
    return str(Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "mesos" / "store")


def store_path(name: str) -> str:
    """The path behind a name: of the store with ``hdfs://`` or without a scheme, of this host with ``file://``.

    Names without a leading slash are below /user/NAME. Raises UserError for what leads out of the store.
    """
    if name.startswith("file:"):
        return name.removeprefix("file:").replace("//", "", 1)
    if name.startswith(("http://", "https://", "catalogue:")):
        return name
    if name.startswith(_SCHEME):
        name = "/" + name.removeprefix(_SCHEME).partition("/")[2]
    elif "://" in name:
        raise UserError(f"{name}: only hdfs://, file://, http:// and https:// are understood")
    inside = os.path.normpath(os.path.join("/user", getpass.getuser(), name))
    return store_root() + inside.rstrip("/")


def run_fs(words: Sequence[str], out: IO[bytes] | None = None) -> int:
    """``hadoop fs``: the exit code. Raises UserError for a command that is not there."""
    if not words or words[0].lstrip("-") not in _COMMANDS:
        known = " ".join(f"-{name}" for name in sorted(_COMMANDS))
        raise UserError(f"fs {words[0] if words else ''}: there are {known}")
    name = words[0].lstrip("-")
    flags = [word for word in words[1:] if word.startswith("-") and len(word) > 1]
    paths = [word for word in words[1:] if word not in flags]
    try:
        return _COMMANDS[name](_Call(name, flags, paths, out or sys.stdout.buffer))
    except _FsError as error:
        return _complain(name, str(error))
    except OSError as error:
        return _complain(name, f"`{error.filename or ''}': {error.strerror}")


class _FsError(MesosError):
    pass


class _Call:
    """One command, with its flags and paths."""

    def __init__(self, name: str, flags: Sequence[str], paths: Sequence[str], out: IO[bytes]) -> None:
        self.name = name
        self.paths = list(paths)
        self.out = out
        self._flags = "".join(flags)

    def has(self, *letters: str) -> bool:
        """Whether one of the flags is given."""
        return any(letter in self._flags for letter in letters)

    def found(self, names: Sequence[str] | None = None) -> Iterator[tuple[str, str]]:
        """Name and path of each; patterns stand for all they match."""
        for name in self.paths if names is None else names:
            pattern = store_path(name)
            matches = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern] * os.path.lexists(pattern)
            if not matches and not self.has("f"):
                raise _FsError(f"`{name}': No such file or directory")
            scheme = _SCHEME if "://" in name else ""
            yield from ((scheme + (path.removeprefix(store_root()) or "/"), path) for path in matches)

    def target(self) -> tuple[str, Sequence[str]]:
        """The last path, and those before it."""
        if len(self.paths) < 2:
            raise _FsError("a source and a target are needed")
        return self.paths[-1], self.paths[:-1]

    def say(self, text: str) -> None:
        """Print a line."""
        self.out.write(os.fsencode(text) + b"\n")


def _complain(name: str, why: str) -> int:
    sys.stderr.write(f"{name}: {why}\n")
    return 1


def _ls(call: _Call) -> int:
    for name, path in call.found(call.paths or ["."]):
        if os.path.isdir(path) and not call.has("d"):
            _list(call, name, path, deep=call.has("R") or call.name == "lsr")
        else:
            call.say(_line(name, path))
    return 0


def _list(call: _Call, name: str, path: str, *, deep: bool) -> None:
    entries = sorted(os.listdir(path))
    if not deep:
        call.say(f"Found {len(entries)} items")
    for entry in entries:
        inner_name, inner = f"{name}{'' if name.endswith('/') else '/'}{entry}", os.path.join(path, entry)
        call.say(_line(inner_name, inner))
        if deep and os.path.isdir(inner):
            _list(call, inner_name, inner, deep=True)


def _line(name: str, path: str) -> str:
    status = os.stat(path)
    mode = stat.filemode(status.st_mode)
    copies = "-" if mode[0] == "d" else "1"
    size = 0 if mode[0] == "d" else status.st_size
    modified = time.strftime(_DAY_MINUTE, time.localtime(status.st_mtime))
    return f"{mode}   {copies} {status.st_uid} {status.st_gid} {size:>10} {modified} {name}"


def _cat(call: _Call) -> int:
    for name, path in call.found():
        if os.path.isdir(path):
            raise _FsError(f"`{name}': Is a directory")
        with Path(path).open("rb") as file:
            shutil.copyfileobj(file, call.out)
    return 0


def _mkdir(call: _Call) -> int:
    for name in call.paths:
        path = store_path(name)
        if os.path.lexists(path) and not call.has("p"):
            raise _FsError(f"`{name}': File exists")
        os.makedirs(path, exist_ok=True)
    return 0


def _put(call: _Call) -> int:
    name, sources = call.target()
    for source in sources:
        local = source.removeprefix("file://")
        if not os.path.exists(local):
            raise _FsError(f"`{source}': No such file or directory")
        _copy(local, _into(store_path(name), local, name, replace=call.has("f")))
    return 0


def _get(call: _Call) -> int:
    target, sources = call.target()
    for _, path in call.found(sources):
        _copy(path, _into(target, path, target, replace=call.has("f")))
    return 0


def _cp(call: _Call) -> int:
    name, sources = call.target()
    for _, path in call.found(sources):
        _copy(path, _into(store_path(name), path, name, replace=call.has("f")))
    return 0


def _mv(call: _Call) -> int:
    name, sources = call.target()
    for _, path in call.found(sources):
        os.rename(path, _into(store_path(name), path, name, replace=False))
    return 0


def _getmerge(call: _Call) -> int:
    target, sources = call.target()
    with Path(target).open("wb") as merged:
        for _, path in call.found(sources):
            inside = sorted(Path(path).iterdir()) if os.path.isdir(path) else [Path(path)]
            for part in (part for part in inside if part.is_file()):
                with part.open("rb") as file:
                    shutil.copyfileobj(file, merged)
    return 0


def _into(target: str, source: str, name: str, *, replace: bool) -> str:
    """Where a source goes: into a directory that exists, else under the target's own name."""
    if os.path.isdir(target):
        target = os.path.join(target, os.path.basename(source))
    if os.path.lexists(target) and not replace:
        raise _FsError(f"`{name}': File exists")
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    return target


def _copy(source: str, target: str) -> None:
    if os.path.isdir(source):
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _rm(call: _Call) -> int:
    deep = call.name == "rmr" or call.has("r", "R")
    for name, path in call.found():
        if path == store_root():
            raise _FsError(f"`{name}': the root stays")
        if os.path.isdir(path) and not deep:
            raise _FsError(f"`{name}': Is a directory")
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    return 0


def _touchz(call: _Call) -> int:
    for name in call.paths:
        path = Path(store_path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return 0


def _test(call: _Call) -> int:
    path = store_path(call.paths[0]) if call.paths else ""
    holds = os.path.lexists(path)
    if call.has("d"):
        holds = os.path.isdir(path)
    elif call.has("f"):
        holds = os.path.isfile(path)
    elif call.has("z"):
        holds = os.path.isfile(path) and not os.path.getsize(path)
    return 0 if holds else 1


def _du(call: _Call) -> int:
    for name, path in call.found():
        inner = [path] if call.has("s") or not os.path.isdir(path) else [entry.path for entry in os.scandir(path)]
        for each in sorted(inner):
            call.say(f"{_size(each)}  {name}{each.removeprefix(path)}")
    return 0


def _size(path: str) -> int:
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(top, name)) for top, _, names in os.walk(path) for name in names)


_COMMANDS: Final = {
    "cat": _cat,
    "copyFromLocal": _put,
    "copyToLocal": _get,
    "cp": _cp,
    "du": _du,
    "get": _get,
    "getmerge": _getmerge,
    "ls": _ls,
    "lsr": _ls,
    "mkdir": _mkdir,
    "mv": _mv,
    "put": _put,
    "rm": _rm,
    "rmr": _rm,
    "test": _test,
    "text": _cat,
    "touchz": _touchz,
}
