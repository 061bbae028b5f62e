"""Which cgroups this host has, and which of them an agent uses."""

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from mesos_py.adapters.cgroups.base import Cgroups
from mesos_py.adapters.cgroups.v1 import CgroupsV1
from mesos_py.adapters.cgroups.v2 import CgroupsV2
from mesos_py.errors import ConfigError

__all__ = ["DEFAULT_ROOT", "Cgroups", "Hierarchies", "agent_key", "find_cgroups", "read_hierarchies"]

DEFAULT_ROOT: Final = "mesos"

_CONTROLLERS: Final = ("cpu", "cpuacct", "memory", "pids", "freezer", "devices", "blkio")
"""Those of v1 that can be used. Not cpuset: a container's would have to be filled in before anything may enter it."""

_USEFUL: Final = frozenset({"cpu", "memory", "pids"})
"""A hierarchy without these only counts as the last resort."""

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


class Hierarchies(Struct, frozen=True):
    """Where this host has mounted its cgroups."""

    v1: dict[str, str] = field(default_factory=dict)
    """By controller; several may share one."""
    v2: str | None = None


def read_hierarchies(mountinfo: str | None = None) -> Hierarchies:
    """Read /proc/self/mountinfo, or the text given; of several mounts of one hierarchy the first counts."""
    if mountinfo is None:
        mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    v1: dict[str, str] = {}
    v2: str | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        mount = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), before.split()[4])
        kind, _source, options = after.split(" ", 2)
        if kind == "cgroup2" and v2 is None:
            v2 = mount
        elif kind == "cgroup":
            for name in set(options.split(",")).intersection(_CONTROLLERS):
                v1.setdefault(name, mount)
    return Hierarchies(v1, v2)


def find_cgroups(
    work_dir: str | os.PathLike[str], root: str = DEFAULT_ROOT, *, mountinfo: str | None = None
) -> Cgroups:
    """The cgroups of the agent with this directory. Nothing is made; ``why_not`` says if nothing can be.

    A host has v2 when it has handed its main controllers to it, else v1: an empty v2 mount beside v1 is common.
    ``mountinfo`` is read by default. Raises ConfigError.
    """
    parts = root.strip("/").split("/")
    if not set(parts).isdisjoint({"", ".", ".."}):
        raise ConfigError(f"cgroups_root: {root!r} is not the path of a cgroup")
    hierarchies = read_hierarchies(mountinfo)
    key = agent_key(work_dir)
    if hierarchies.v2 is not None and not _prefers_v1(hierarchies):
        return CgroupsV2(hierarchies.v2, root, key)
    return CgroupsV1(hierarchies.v1, root, key)


def agent_key(work_dir: str | os.PathLike[str]) -> str:
    """What tells one agent's cgroups from another's on the same host; the same after a restart."""
    return hashlib.sha256(os.fsencode(os.path.realpath(work_dir))).hexdigest()[:12]


def _prefers_v1(hierarchies: Hierarchies) -> bool:
    if "freezer" not in hierarchies.v1:
        return False  # nothing could be killed for sure
    if _USEFUL & hierarchies.v1.keys():
        return True
    with contextlib.suppress(OSError):
        there = Path(f"{hierarchies.v2}/cgroup.controllers").read_text(encoding="ascii").split()
        return not _USEFUL.intersection(there)
    return True
