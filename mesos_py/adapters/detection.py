"""What this host has, where the operator does not say."""

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from mesos_py.types.ids import Role
from mesos_py.types.resources import Resources, key_name
from mesos_py.types.roles import ANY_ROLE

__all__ = ["DEFAULT_PORTS", "detect_hostname", "detect_resources"]

DEFAULT_PORTS: Final = "[31000-32000]"

_MB: Final = 1 << 20
_GB_IN_MB: Final = 1024


def detect_hostname() -> str:
    """This host's own name, as the kernel has it: no resolver is asked."""
    return socket.gethostname()


def detect_resources(given: str, work_dir: Path, *, default_role: Role = ANY_ROLE, gpus: int = 0) -> Resources:
    """What the operator gave, and for each of cpus, mem, disk, ports and gpus that is not named, what there is.

    There are as many gpus as can be given to containers, which others know. Some memory and disk is left to the
    system, as in Mesos: 1 GB and 5 GB, or half of it on a small host.
    Raises UserError if ``given`` cannot be read.
    """
    resources = Resources.parse(given, default_role)
    named = {part.partition(":")[0].partition("(")[0].strip() for part in given.split(";")}
    named |= {key_name(key) for key, _value in resources.items()}
    detectors: dict[str, Callable[[], str]] = {
        "cpus": lambda: str(psutil.cpu_count() or 1),
        "mem": lambda: str(_left_over(psutil.virtual_memory().total // _MB, 1 * _GB_IN_MB)),
        "disk": lambda: str(_left_over(_disk_mb(work_dir), 5 * _GB_IN_MB)),
        "ports": lambda: DEFAULT_PORTS,
        "gpus": lambda: str(gpus),
    }
    for name, detect in detectors.items():
        if name not in named:
            resources += Resources.parse(f"{name}:{detect()}", default_role)
    return resources


def _left_over(total_mb: int, reserve_mb: int) -> int:
    """The total less a reserve, or half of it if that is little."""
    return total_mb - reserve_mb if total_mb >= 2 * reserve_mb else total_mb // 2


def _disk_mb(directory: Path) -> int:
    """Size of the file system that the directory is on, or will be on; 10 GB if nobody knows."""
    for candidate in (directory, *directory.absolute().parents):
        with contextlib.suppress(OSError):
            return int(psutil.disk_usage(str(candidate)).total) // _MB
    return 15 * _GB_IN_MB  # so that 10 GB are left over
