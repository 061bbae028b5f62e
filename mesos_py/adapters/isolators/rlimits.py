"""Which limits of setrlimit(2) a container's first process starts with: its own wishes before the agent's defaults."""

import resource
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Launch, LaunchError
from mesos_py.errors import ConfigError, UserError
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.host import RLimit, parse_rlimit, why_not_rlimits

__all__ = ["RlimitsIsolator", "may_raise_limits", "parse_rlimits"]

_UNLIMITED: Final = -1
_CAP_SYS_RESOURCE: Final = 24


def parse_rlimits(configured: Mapping[str, str]) -> dict[str, RLimit]:
    """Limits from their names and ``1024``, ``1024:4096`` or ``inf``. Raises ConfigError."""
    try:
        limits = {name: parse_rlimit(text) for name, text in configured.items()}
    except UserError as error:
        raise ConfigError(f"rlimits: {error}") from None
    if why := why_not_rlimits(limits):
        raise ConfigError(f"rlimits: {why}")
    return limits


def may_raise_limits() -> bool:
    """True if this process may set limits above its own hard ones."""
    for line in Path("/proc/self/status").read_bytes().splitlines():
        if line.startswith(b"CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return False


class RlimitsIsolator(Isolator):
    """Sets resource limits of processes."""

    name: ClassVar[str] = "rlimits"

    def __init__(self, defaults: Mapping[str, RLimit], *, privileged: bool | None = None) -> None:
        """``defaults`` hold where a command wishes nothing; ``privileged`` says whether limits may be raised here."""
        self._defaults = dict(defaults)
        self._privileged = may_raise_limits() if privileged is None else privileged

    def describe(self) -> str:
        """Part of Isolator."""
        told = ", ".join(f"{name}={_words(limit)}" for name, limit in self._defaults.items())
        return f"rlimits as commands wish, otherwise {told or 'those of the agent'}"

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        for name, limit in (self._defaults | spec.rlimits).items():
            soft = _UNLIMITED if limit.soft is None else limit.soft
            hard = _UNLIMITED if limit.hard is None else limit.hard
            if why := self._why_not(name, hard):
                raise LaunchError(f"rlimit {name} cannot be {_words(limit)}: {why}")
            launch.rlimits[name] = (soft, hard)

    def _why_not(self, name: str, hard: int) -> str:
        if name == "nofile" and _is_above(hard, most := _most_files()):
            return f"this host opens at most {most} files"
        if self._privileged:
            return ""
        own = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
        if _is_above(hard, own):
            return f"the agent's own hard limit is {own}, and it may not raise it"
        return ""


def _is_above(limit: int, most: int) -> bool:
    return most != _UNLIMITED and (limit == _UNLIMITED or limit > most)


def _most_files() -> int:
    return int(Path("/proc/sys/fs/nr_open").read_bytes())


def _words(limit: RLimit) -> str:
    return "unlimited" if limit.hard is None else f"{limit.soft}:{limit.hard}"
