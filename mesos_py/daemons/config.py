"""Configuration: one frozen Struct per daemon, read once.

Each field is a key of the TOML file, an environment variable ``MESOS_<FIELD>`` and a flag ``--<field>``; the later of
these three wins. Keys that hold a password may also be files in the directory of credentials that systemd prepares,
which win over the TOML file. A string under a field's name is its documentation, which the command line shows as help.
"""

import difflib
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, field

from mesos_py.errors import ConfigError
from mesos_py.runtime.credentials import read_credential
from mesos_py.runtime.files import read_toml

__all__ = ["AgentConfig", "DaemonConfig", "LocalConfig", "MasterConfig", "load", "print_config", "without_passwords"]

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]

C = TypeVar("C", bound=Struct)

_SWITCHES: Final = {"1": True, "true": True, "yes": True, "on": True} | dict.fromkeys(
    ("0", "false", "no", "off"), False
)


def _state_dir(name: str) -> str:
    """Where a daemon keeps its files unless told: below /var/lib for root, else below the user's state directory."""
    if os.geteuid() == 0:
        return f"/var/lib/mesos/{name}"
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"{base}/mesos/{name}"


class DaemonConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every daemon is configured with."""

    broker: str = "amqp://guest:guest@127.0.0.1:5672/"
    """URL of the AMQP broker; several nodes are separated by ';'."""
    http_host: str = "127.0.0.1"
    """Address the HTTP API listens on."""
    http_cert: str = ""
    """File with the certificate (and those between it and its CA) under which the HTTP API is served by TLS."""
    http_key: str = ""
    """File with the certificate's key, if it is not in the same."""
    http_client_ca: str = ""
    """File with the CAs whose certificates prove who asks: their common name is the principal."""
    http_credentials: str = ""
    """File with the passwords and tokens of those who may use the HTTP API, one NAME:HASH a line."""
    acl_file: str = ""
    """TOML file with the rules of who may do what; without it everybody may do everything."""
    log_level: str = "info"
    """debug, info, warning or error."""
    log_format: str = "auto"
    """console, json, journal, or auto: console on a terminal, journal if stderr leads to systemd's, json elsewhere."""
    paranoid: bool = False
    """Check every promise after every event; slow, for hunting bugs."""


class MasterConfig(DaemonConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a master is configured with."""

    http_port: Port = 5050
    """Port of the HTTP API; 0 picks a free one."""
    advertise_url: str = ""
    """URL under which others reach the HTTP API; by default made of the address and port."""
    work_dir: str = field(default_factory=lambda: _state_dir("master"))
    """Directory of the registry."""
    zookeeper: str = ""
    """Where masters elect their leader, such as zk://user:password@h1:2181,h2:2181/mesos; without it there is one."""
    zookeeper_session_timeout_s: Annotated[float, Meta(ge=1)] = 10.0
    """A leader that ZooKeeper has not heard of for this long is replaced; the ensemble may allow no less than 4."""
    lifeline_port: Port = 0
    """Port where standbys see that the leader's process has ended; 0 picks a free one."""
    allocator: str = "drf"
    """Allocation policy: drf, priority, or any installed as an entry point in mesos_py.allocators."""
    weights: dict[str, Positive] = field(default_factory=dict)
    """Weights of roles, such as web=2,batch=0.5; 1 where none is given. What operators set goes before."""
    allocation_interval_s: Positive = 1.0
    """Declined resources are offered again after this long."""
    offer_timeout_s: Positive = 60.0
    """An offer that nobody answers is rescinded after this long."""
    quota_recovery_agents: Annotated[float, Meta(ge=0, le=1)] = 0.8
    """After a change of leader, roles with a limit are given nothing of it until this part of the agents is back."""
    quota_recovery_timeout_s: Annotated[float, Meta(ge=0)] = 600.0
    """And no longer than this, whether the agents are back or not."""
    heartbeat_s: Positive = 15.0
    """How often agents and schedulers must show that they live."""
    missed_heartbeats: Count = 5
    """After so many silent intervals an agent is unreachable and a scheduler disconnected."""
    max_completed_frameworks: Count = 50
    """Removed frameworks that are remembered."""
    max_completed_tasks: Count = 1000
    """Ended tasks that are remembered per framework."""


class AgentConfig(DaemonConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent is configured with."""

    http_port: Port = 5051
    """Port of the HTTP API, where sandboxes are read; 0 picks a free one."""
    advertise_url: str = ""
    """URL under which others reach the HTTP API; by default made of the host name or address and the port."""
    work_dir: str = field(default_factory=lambda: _state_dir("agent"))
    """Directory of sandboxes, checkpoints and the executors' socket."""
    name: str = ""
    """Name of this agent; by default its host name."""
    hostname: str = ""
    """Host name to report; by default the machine's own."""
    resources: str = ""
    """What to offer, such as cpus:4;mem:8192;ports:[31000-32000]; what is not named is detected."""
    default_role: str = "*"
    """Role that resources named without one are reserved to; * means unreserved."""
    attributes: str = ""
    """Facts about this agent, such as rack:r12;zone:west."""
    executor_registration_timeout_s: Positive = 60.0
    """An executor that has not connected after this long is killed."""
    executor_reregistration_timeout_s: Annotated[float, Meta(gt=0, le=15)] = 2.0
    """After a restart of the agent, an executor that is not back after this long is killed."""
    recover: Literal["reconnect", "cleanup"] = "reconnect"
    """After a restart: reconnect to the tasks that run, or kill them all (cleanup) and exit."""
    strict: bool = False
    """Refuse to start if a record of the journal cannot be used, instead of leaving it out."""
    reconfiguration_policy: Literal["equal", "additive", "reconfigure"] = "reconfigure"
    """What may change while tasks run on: nothing (equal), resources and attributes may be added (additive), or
    anything as long as the tasks fit (reconfigure)."""
    fetch_cache_mb: Annotated[int, Meta(ge=0)] = 2048
    """Size of the cache for fetched URIs."""
    max_log_mb: Positive = 10.0
    """A task's stdout or stderr is rotated at this size; one old file is kept."""
    gc_delay_s: Annotated[float, Meta(ge=0)] = 604_800.0
    """An ended sandbox is kept for this long on an empty disk, and the shorter the fuller it is."""
    gc_headroom: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Part of the disk to keep free: when only that is left, ended sandboxes are removed at once."""
    gc_watch_interval_s: Positive = 60.0
    """How often it is looked whether sandboxes are too old."""
    isolation: str = "all"
    """Isolators, such as cpu,memory,namespaces; all: those that this host lets be enforced; none: none."""
    namespaces: str = "pid,mount,ipc,uts"
    """Namespaces that each container has of its own: pid, mount, ipc, uts, network."""
    private_tmp: bool = True
    """Give each container a /tmp of its own, which is kept in its sandbox."""
    task_uids: str = "1000-60000,65534"
    """Ids of users that tasks may run as, if the agent is root, besides root: by default not those of the system."""
    rlimits: dict[str, str] = field(default_factory=dict)
    """Limits for tasks that name none, such as nofile=1024:4096,core=0: soft and hard, or both at once."""
    volumes: dict[str, str] = field(default_factory=dict)
    """Directories of this host below which tasks may mount volumes, such as /data=ro,/scratch=rw."""
    enforce_disk: bool = False
    """End tasks whose sandbox is larger than the disk they asked for."""
    disk_watch_interval_s: Positive = 15.0
    """How often the size of sandboxes is measured."""
    enforce_ports: bool = False
    """End tasks that listen on ports they did not ask for."""
    ports_watch_interval_s: Positive = 30.0
    """How often it is looked up which ports tasks listen on."""
    cgroups_root: str = "mesos"
    """Cgroup below which containers are put; for systemd the path of a unit with Delegate=yes."""
    cpu_hard_limit: bool = False
    """Hold tasks without a limit for cpus to what they asked for, also while cpus are idle."""
    limit_swap: bool = True
    """Count what is swapped out against the memory limit, or where that cannot be, swap out nothing."""
    max_pids: Annotated[int, Meta(ge=0)] = 4096
    """Processes and threads that one container may have; 0 for any number."""
    allowed_devices: str = ""
    """Paths of device nodes that every container may use besides the usual ones, separated by commas."""
    gpu_devices: str = ""
    """Paths of the device nodes of gpus, separated by commas; by default those of NVIDIA that are found."""


class LocalConfig(DaemonConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an embedded cluster is configured with: one master and some agents in one process."""

    broker: str = "memory://"
    """URL of the AMQP broker; the default needs none and serves this process only."""
    agents: Count = 3
    """Number of agents."""
    http_port: Port = 5050
    """Port of the master's HTTP API; 0 picks a free one. The agents pick free ones."""
    work_dir: str = ""
    """Directory for everything; by default a temporary one, which is removed at the end."""
    resources: str = ""
    """What each agent offers; by default an equal part of what this machine has."""
    allocator: str = "drf"
    """Allocation policy."""
    weights: dict[str, Positive] = field(default_factory=dict)
    """Weights of roles, such as web=2,batch=0.5."""
    offer_timeout_s: Positive = 60.0
    """An offer that nobody answers is rescinded after this long."""
    isolation: str = "all"
    """Isolators of the agents, such as cpu,memory; all: those that this host lets be enforced; none: none."""
    private_tmp: bool = False
    """Give each container a /tmp of its own, which is kept in its sandbox."""


def load(
    kind: type[C],
    *,
    file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> C:
    """Read a configuration: file < credentials < environment < flags (those not None).

    Raises ConfigError with one clear line.
    """
    hints = get_type_hints(kind, include_extras=True)
    values: dict[str, object] = {}
    if file is not None:
        for name, value in _read_file(file, tuple(hints)).items():
            values[name] = _converted(value, hints[name], f"{file}: {name}")
    environ = os.environ if environ is None else environ
    for name in hints.keys() & set(_URLS):
        if (secret := read_credential(name, environ)) is not None:
            values[name] = secret
    for name, hint in hints.items():
        variable = f"MESOS_{name.upper()}"
        if (text := environ.get(variable)) is not None:
            values[name] = _converted(_from_text(text, hint, variable), hint, variable)
    for name, value in (flags or {}).items():
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            _check_known(name, tuple(hints), flag)
            given = _from_text(value, hints[name], flag) if isinstance(value, str) else value
            values[name] = _converted(given, hints[name], flag)
    for name in _URLS:
        _check_password(name, values.get(name))
    return kind(**values)


def _read_file(file: str | os.PathLike[str], names: tuple[str, ...]) -> dict[str, object]:
    values = read_toml(file)
    for name in values:
        _check_known(name, names, f"{file}: unknown key {name!r}")
    return values


def _check_known(name: str, names: tuple[str, ...], otherwise: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise ConfigError(otherwise + (f"; did you mean {near[0]!r}?" if near else ""))


def _from_text(text: str, hint: Any, where: str) -> object:
    """A text as the field's type wants it: mappings as k=v,k=v; switches as people write them."""
    if get_origin(hint) is dict:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise ConfigError(f"{where}: {text!r} is not of the form name=value,name=value")
        return {name.strip(): value.strip() for name, _, value in pairs}
    if hint is bool:
        word = text.strip().lower()
        if word not in _SWITCHES:
            raise ConfigError(f"{where}: {text!r} is neither true nor false")
        return _SWITCHES[word]
    return text


def _converted(value: object, hint: Any, where: str) -> object:
    """The value, if it is of the field's type. Raises ConfigError, which names where it was given."""
    try:
        converted: object = msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError as error:
        if get_origin(hint) is Literal:
            raise ConfigError(f"{where}: {value!r} is none of {', '.join(get_args(hint))}") from None
        what, _, path = str(error).partition(" - at `$")
        inside = f" (in {path.rstrip('`')})" if path else ""
        raise ConfigError(f"{where}: {what[0].lower()}{what[1:]}{inside}, not {value!r}") from None
    numbers = converted.values() if isinstance(converted, dict) else (converted,)
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise ConfigError(f"{where}: {value!r} is not a finite number")
    return converted


# Passwords

_SECRET: Final = re.compile(r"^(\s*(?>(?:\w+://)?)[^:@/]*):.*@")
_OTHER: Final = re.compile(r"([?&]other=).*", re.DOTALL)
_NOT_SHOWN: Final = "***"
_URLS: Final = ("broker", "zookeeper")
"""Keys whose values may hold a password."""


def without_passwords(url: str) -> str:
    """A URL of the broker or of ZooKeeper to show: with stars for the passwords of its nodes."""
    shown = ";".join(_SECRET.sub(rf"\1:{_NOT_SHOWN}@", node) for node in url.split(";"))
    return _OTHER.sub(rf"\1{_NOT_SHOWN}", shown)


def _check_password(name: str, url: object) -> None:
    """Nobody wants to log in with three stars: they come from a printed configuration."""
    if isinstance(url, str) and f":{_NOT_SHOWN}@" in url:
        raise ConfigError(f"{name}: {_NOT_SHOWN} stands for a password that was not shown; give the URL with it")


# Printing


def print_config(config: Struct) -> str:
    """The configuration as TOML, every key with its value; passwords are not shown, but for the default broker's."""
    lines = []
    for name in config.__struct_fields__:
        value = getattr(config, name)
        if name in _URLS and value != getattr(type(config)(), name):
            value = without_passwords(value)
        if isinstance(value, dict):
            inner = ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items())
            lines.append(f"{name} = {{{inner}}}")
        else:
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    # TOML's strings, numbers and booleans are written as JSON writes them, but for one character
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
