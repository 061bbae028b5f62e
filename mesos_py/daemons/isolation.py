"""Which isolators an agent has: those its configuration names, as far as its host lets them be enforced."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from mesos_py.adapters.cgroups.hierarchy import DEFAULT_ROOT, Cgroups, find_cgroups
from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.blkio import IOIsolator
from mesos_py.adapters.isolators.cpu import CpuIsolator
from mesos_py.adapters.isolators.devices import DevicesIsolator
from mesos_py.adapters.isolators.disk import DiskIsolator
from mesos_py.adapters.isolators.gpus import GpusIsolator, find_gpus
from mesos_py.adapters.isolators.memory import MemoryIsolator
from mesos_py.adapters.isolators.namespaces import NAMESPACES, NamespacesIsolator
from mesos_py.adapters.isolators.pids import PidsIsolator
from mesos_py.adapters.isolators.ports import PortsIsolator
from mesos_py.adapters.isolators.privileges import PrivilegesIsolator
from mesos_py.adapters.isolators.rlimits import RlimitsIsolator, parse_rlimits
from mesos_py.adapters.isolators.unserved import UnservedIsolator
from mesos_py.adapters.isolators.user import UserIsolator, parse_uids
from mesos_py.adapters.isolators.volumes import VolumesIsolator, parse_volumes
from mesos_py.adapters.tracking import CgroupTracker, SessionTracker, Tracker
from mesos_py.agent.paths import all_sandboxes
from mesos_py.daemons.config import AgentConfig
from mesos_py.errors import ConfigError
from mesos_py.types.ids import ContainerID

__all__ = ["Isolation", "IsolatorState", "gpus_of", "is_posix", "isolation_states", "make_isolation"]

_ALL: Final = "all"
_BY_CGROUPS: Final = {"cpu", "memory", "pids", "io", "devices"}
"""With any of these containers are held together by their cgroups, which nothing escapes."""
_WALLS: Final = ("cpu", "memory", "pids", "namespaces")
"""Without all of these a task can harm its neighbours."""


class IsolatorState(Struct, frozen=True):
    """One line for the operator."""

    name: str
    is_on: bool
    detail: str
    """What it enforces, or why it does not."""
    is_lacking: bool = False
    """It would be on, if this host let it."""


class Isolation(Struct, frozen=True):
    """What an agent isolates containers with."""

    isolators: list[Isolator]
    """Those that are on, in the order in which they prepare."""
    tracker: Tracker
    states: list[IsolatorState]
    """Of all that there are."""


def make_isolation(config: AgentConfig, socket_dir: Path, pids: Callable[[ContainerID], list[int]]) -> Isolation:
    """As configured. Raises ConfigError for an unknown isolator, or one named that cannot be enforced here.

    ``socket_dir`` is where executors find the agent, ``pids`` gives the processes of a container.
    """
    cgroups = find_cgroups(Path(config.work_dir).absolute(), config.cgroups_root)
    makers = _makers(config, cgroups, socket_dir, pids)
    wanted = _wanted(config.isolation, list(makers))
    states, on = [], []
    for name, make in makers.items():
        if name not in wanted and _ALL not in wanted:
            states.append(IsolatorState(name, is_on=False, detail="not configured"))
            continue
        isolator = make()
        why_not = isolator.why_not()
        if not why_not:
            on.append(isolator)
        elif name in wanted:
            raise ConfigError(f"isolation: {name} cannot be had here: {why_not}")
        states.append(
            IsolatorState(name, is_on=not why_not, detail=why_not or isolator.describe(), is_lacking=bool(why_not))
        )
    on.insert(0, UnservedIsolator([state.name for state in states if not state.is_on]))
    by_cgroups = not _BY_CGROUPS.isdisjoint(isolator.name for isolator in on)
    is_held = config.cgroups_root != DEFAULT_ROOT  # by another unit: in the agent's own they would end with it
    tracker = CgroupTracker(cgroups) if (by_cgroups or is_held) and not cgroups.why_not() else SessionTracker()
    return Isolation(on, tracker, states)


def isolation_states(config: AgentConfig) -> list[IsolatorState]:
    """What would be enforced here, and what would not. Raises ConfigError."""
    return make_isolation(config, Path(config.work_dir), lambda _container_id: []).states


def is_posix(states: Iterable[IsolatorState]) -> bool:
    """True if tasks are not walled off from each other."""
    return not {state.name for state in states if state.is_on}.issuperset(_WALLS)


def gpus_of(config: AgentConfig) -> list[str]:
    """The nodes of the gpus that this agent can give to containers."""
    wanted = _parts(config.isolation)
    return find_gpus(config.gpu_devices) if _ALL in wanted or "gpus" in wanted else []


def _makers(
    config: AgentConfig, cgroups: Cgroups, socket_dir: Path, pids: Callable[[ContainerID], list[int]]
) -> dict[str, Callable[[], Isolator]]:
    """In the order in which they prepare: who it is comes first, and what hides the host last."""
    return {
        "user": lambda: UserIsolator(parse_uids(config.task_uids)),
        "no_new_privs": PrivilegesIsolator,
        "rlimits": lambda: RlimitsIsolator(parse_rlimits(config.rlimits)),
        "cpu": lambda: CpuIsolator(cgroups, hard_limit=config.cpu_hard_limit),
        "memory": lambda: MemoryIsolator(cgroups, limit_swap=config.limit_swap),
        "pids": lambda: PidsIsolator(cgroups, max_pids=config.max_pids),
        "devices": lambda: DevicesIsolator(cgroups, allowed=_parts(config.allowed_devices)),
        "gpus": lambda: GpusIsolator(cgroups, find_gpus(config.gpu_devices)),
        "io": lambda: IOIsolator(cgroups),
        "disk": lambda: DiskIsolator(enforce=config.enforce_disk, interval_s=config.disk_watch_interval_s),
        "ports": lambda: PortsIsolator(pids, enforce=config.enforce_ports, interval_s=config.ports_watch_interval_s),
        "volumes": lambda: VolumesIsolator(parse_volumes(config.volumes)),
        "namespaces": lambda: NamespacesIsolator(
            _namespaces(config.namespaces),
            private_tmp=config.private_tmp,
            kept=[str(socket_dir)],
            sandboxes=all_sandboxes(str(Path(config.work_dir).absolute())),
        ),
    }


def _wanted(text: str, known: list[str]) -> set[str]:
    wanted = set(_parts(text))
    for name in sorted(wanted - {_ALL, "none", *known}):
        raise ConfigError(f"isolation: there is no isolator {name!r}; there are {', '.join(known)}")
    return wanted


def _parts(text: str) -> list[str]:
    return [path.strip() for path in text.split(",") if path.strip()]


def _namespaces(text: str) -> list[str]:
    names = _parts(text)
    for name in names:
        if name not in NAMESPACES:
            raise ConfigError(f"namespaces: there is no namespace {name!r}; there are {', '.join(NAMESPACES)}")
    return names
