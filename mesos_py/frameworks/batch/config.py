"""How the batch server is run: its queues, and their file.

::

    default_queue = "batch"
    [queues.batch]
    max_walltime = "24:00:00"
    [queues.express]
    priority = 10
    max_nodes = 2
    max_user_running = 1
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from mesos_py.errors import ConfigError, UserError
from mesos_py.frameworks.batch.amounts import parse_mem, parse_time
from mesos_py.frameworks.batch.jobs import Queue
from mesos_py.scheduler.toolkit import GangPolicy

__all__ = ["BatchConfig", "read_queues"]

_READ = {
    "max_walltime": ("max_walltime_s", parse_time),
    "walltime": ("walltime_s", parse_time),
    "mem": ("mem_mb", parse_mem),
}


class BatchConfig(Struct, frozen=True, kw_only=True):
    """What the core goes by."""

    queues: Mapping[str, Queue] = field(default_factory=lambda: {"batch": Queue()})
    default_queue: str = "batch"
    keep_s: float = 24 * 3600.0
    """Ended jobs are known for so long."""
    gangs: GangPolicy = GangPolicy()


def read_queues(path: str) -> BatchConfig:
    """The configuration in a TOML file. Raises ConfigError with one line."""
    try:
        known = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        queues = {name: _queue(fields) for name, fields in known.get("queues", {}).items()}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, UserError, msgspec.ValidationError, AttributeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if unknown := set(known) - {"queues", "default_queue"}:
        raise ConfigError(f"{path}: unknown key {min(unknown)!r}")
    default = known.get("default_queue", next(iter(queues), "batch"))
    if default not in queues:
        raise ConfigError(f"{path}: there is no queue {default!r}, which is the default")
    return BatchConfig(queues=queues, default_queue=default)


def _queue(fields: Mapping[str, Any]) -> Queue:
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _READ:
            key, read = _READ[name]
            values[key] = read(str(value))
        elif name.endswith(("_s", "_mb")):
            raise UserError(f"unknown key {name!r}")
        else:
            values[name] = value
    return msgspec.convert(values, Queue)
