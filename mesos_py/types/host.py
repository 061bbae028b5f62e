"""What a command may ask of the host it runs on besides resources, and which of it makes no sense.

The answers are fit to be sent back. Whether a host grants what makes sense is for its agent to say.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from mesos_py.errors import UserError
from mesos_py.types.resources import Resources

__all__ = [
    "RLIMITS",
    "Limit",
    "RLimit",
    "Volume",
    "VolumeMode",
    "parse_rlimit",
    "parse_volume",
    "why_not_limits",
    "why_not_path",
    "why_not_rlimits",
    "why_not_volumes",
]

RLIMITS: Final = (
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
)
"""The names of RLIMIT_* of Linux (setrlimit(2)), in lower case."""

_MAX_RLIMIT: Final = 2**63 - 1
_MAX_VOLUMES: Final = 64
_MAX_PATH: Final = 4095
"""Bytes the kernel takes (PATH_MAX less its NUL)."""
_NEVER: Final = ("/proc", "/sys", "/dev", "/tmp", "/var/tmp")  # noqa: S108

Limit = float | Literal["inf"]
"""A number, or no bound: JSON has no infinity."""


class RLimit(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One limit of setrlimit(2), in its unit: bytes, seconds or pieces. Both or neither; neither means unlimited."""

    soft: int | None = None
    hard: int | None = None


class VolumeMode(StrEnum):
    """What may be done with a volume."""

    RO = "RO"
    """It can only be read."""
    RW = "RW"
    """It can be read and written."""


class Volume(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file or directory of the agent's host, where the command can reach it.

    The agent's configuration says which host directories may be mounted.
    """

    host_path: str
    """An absolute path, which exists."""
    container_path: str
    """Where it appears: a path in the sandbox, made as needed, or an absolute path that exists on the host."""
    mode: VolumeMode = VolumeMode.RO


def parse_rlimit(text: str) -> RLimit:
    """A limit as people write it: ``1024`` (soft and hard), ``1024:4096`` or ``inf``. Raises UserError."""
    if text in ("inf", "unlimited"):
        return RLimit()
    soft, colon, hard = text.partition(":")
    try:
        return RLimit(soft=int(soft), hard=int(hard if colon else soft))
    except ValueError:
        raise UserError(f"{text!r:.100} is not of the form 1024, 1024:4096 or inf") from None


def parse_volume(text: str) -> Volume:
    """A volume as people write it: ``/data:models`` or ``/data:models:rw``. Raises UserError."""
    host_path, _, rest = text.partition(":")
    container_path, colon, mode = rest.rpartition(":")
    if not colon:
        container_path, mode = rest, "ro"
    if not host_path or not container_path or mode.lower() not in ("ro", "rw"):
        raise UserError(f"{text!r:.200} is not of the form /host/path:path or /host/path:path:rw")
    volume = Volume(host_path=host_path, container_path=container_path, mode=VolumeMode(mode.upper()))
    if why := why_not_volumes([volume]):
        raise UserError(why)
    return volume


def why_not_limits(limits: Mapping[str, Limit], request: Resources) -> str | None:
    """Why a task cannot burst up to these limits, or None."""
    for name, limit in limits.items():
        if name not in ("cpus", "mem"):
            return f"only cpus and mem can have limits, not {name!r}"
        if math.isnan(float(limit)) or float(limit) * 1000 < request.scalar(name):
            return f"the limit for {name}, {limit}, is below the request {request.scalar(name) / 1000:g}"
    return None


def why_not_rlimits(rlimits: Mapping[str, RLimit]) -> str | None:
    """Why no process can have these limits, or None."""
    for name, limit in rlimits.items():
        if name not in RLIMITS:
            return f"there is no rlimit {name!r:.100}; there are {', '.join(RLIMITS)}"
        if limit.soft is None and limit.hard is None:
            continue
        if limit.soft is None or limit.hard is None:
            return f"rlimit {name} needs both soft and hard, or neither to be unlimited"
        if not 0 <= limit.soft <= _MAX_RLIMIT or not 0 <= limit.hard <= _MAX_RLIMIT:
            return f"rlimit {name} must be from 0 to {_MAX_RLIMIT}"
        if limit.soft > limit.hard:
            return f"rlimit {name}: soft {limit.soft} is above hard {limit.hard}"
    return None


def why_not_volumes(volumes: Sequence[Volume]) -> str | None:
    """Why volumes cannot be mounted, whatever the host, or None."""
    if len(volumes) > _MAX_VOLUMES:
        return f"a command has at most {_MAX_VOLUMES} volumes, this one {len(volumes)}"
    taken: set[tuple[str, ...]] = set()
    for volume in volumes:
        if not volume.host_path.startswith("/"):
            return f"volume: host_path {volume.host_path!r:.200} is not absolute"
        if why := why_not_path(volume.host_path) or _why_not_target(volume.container_path):
            return f"volume: {why}"
        target = _parts(volume.container_path)
        if target in taken:
            return f"volume: container_path {volume.container_path!r:.200} is taken twice"
        taken.add(target)
    return None


def why_not_path(path: str) -> str | None:
    """Why no file can have this path, or None."""
    if ".." in path.split("/"):
        return f"{path!r:.200} holds '..'"
    if "\0" in path:
        return f"{path!r:.200} holds a NUL character"
    if len(path.encode(errors="surrogatepass")) > _MAX_PATH:
        return f"{path!r:.200} is longer than {_MAX_PATH} bytes"
    return None


def _why_not_target(path: str) -> str | None:
    if why := why_not_path(path):
        return why
    parts = _parts(path)
    if not parts or parts == ("/",):
        return f"container_path {path!r:.200} names nothing to mount on"
    if parts[0] == "/" and any(f"/{'/'.join(parts[1:])}/".startswith(f"{never}/") for never in _NEVER):
        return f"container_path {path!r:.200} lies in one of {', '.join(_NEVER)}, where nothing is mounted"
    return None


def _parts(path: str) -> tuple[str, ...]:
    """Its components; the first is ``/`` if it is absolute."""
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    return ("/", *parts) if path.startswith("/") else parts
