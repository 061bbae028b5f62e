"""Directories of cgroups: exactly those we name are made, looked into or removed, never anything beside them."""

import contextlib
import errno
import os
from typing import Final

from cgroupspy.controllers import Controller

from mesos_py.errors import InvariantError
from mesos_py.types.ids import ContainerID

__all__ = [
    "Group",
    "container_name",
    "make_fresh",
    "make_root",
    "names_below",
    "processes",
    "remove",
    "subtree",
    "why_not_writable",
]

_TRIES: Final = 3


class Group:
    """One cgroup, as much of a node as cgroupspy's controllers ask for; it walks nothing and makes nothing."""

    def __init__(self, path: str) -> None:
        """Take the absolute path of its directory, which need not be there yet."""
        self.path = path
        self.full_path = os.fsencode(path)


def container_name(container_id: ContainerID) -> str:
    """The name of a container's directory. Raises InvariantError for an id that would lead elsewhere."""
    if not container_id or "/" in container_id or "\0" in container_id or container_id in {".", ".."}:
        raise InvariantError(f"{container_id!r} cannot name a cgroup")
    return container_id


def subtree(path: str) -> list[str]:
    """A cgroup and all below it, each before its own children; nothing if it is gone."""
    found: list[str] = []
    waiting = [path]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        found.append(directory)
    return found


def names_below(path: str) -> list[str]:
    """Names of a cgroup's children; nothing if it is gone."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def processes(path: str) -> list[int]:
    """Processes in a cgroup and below it. Those that have ended and wait to be reaped are not listed."""
    found: list[int] = []
    for directory in subtree(path):
        with contextlib.suppress(OSError):  # gone meanwhile, or a threaded one, whose processes are listed above it
            found += Controller(Group(directory)).procs
    return found


def make_root(path: str) -> None:
    """Make a directory and those above it; an agent that leaves may take one away meanwhile. Raises OSError."""
    for rest in reversed(range(_TRIES)):
        try:
            return os.makedirs(path, exist_ok=True)
        except FileNotFoundError:
            if not rest:
                raise
    return None


def make_fresh(path: str) -> None:
    """Make a cgroup with nothing in it, in place of what an earlier try left. Raises OSError."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if not remove(path):
            raise OSError(errno.EBUSY, "processes of an earlier container are still in the cgroup", path) from None
        os.mkdir(path)


def remove(path: str) -> bool:
    """Remove a cgroup and all below it; False if something is still in it."""
    for directory in reversed(subtree(path)):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return not os.path.lexists(path)


def why_not_writable(path: str) -> str:
    """Why a cgroup cannot be made at a path, in one line; empty if it can."""
    while not os.path.isdir(path) and path != "/":
        path = os.path.dirname(path)
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"cgroups at {path} are mounted read-only"
    if not os.access(path, os.W_OK):
        return f"cgroups at {path} are not writable for user {os.geteuid()}: this takes root, or a delegated subtree"
    return ""
