"""The registry in parts, for those who keep these instead of the operations, and write anew what one has changed.

There is a **record** of each agent, and a **document** for each thing that is not about one agent.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from mesos_py.master.registry import Document, Registry
from mesos_py.types.ids import AgentID, Principal, Role
from mesos_py.types.maintenance import Drain, Window
from mesos_py.types.quota import Quota

__all__ = [
    "AgentRecord",
    "decode_records",
    "encode_document",
    "encode_records",
    "read_document",
    "record_of",
    "restore",
]


class AgentRecord(Struct, frozen=True, array_like=True, gc=False):
    """All that the registry holds of one agent; what is added to it later needs a default and goes at the end."""

    agent_id: AgentID
    hostname: str | None
    """If it is admitted."""
    principal: Principal | None
    unreachable: float | None
    """When it was given up, seconds since the epoch."""
    gone: float | None
    """When an operator declared it gone, seconds since the epoch."""
    drain: Drain | None = None
    deactivated: bool = False
    unreachable_host: str = ""
    """Its host name, if it is unreachable."""


encode_records = msgspec.msgpack.Encoder().encode
_records: msgspec.msgpack.Decoder[list[AgentRecord]] = msgspec.msgpack.Decoder(list[AgentRecord])


def decode_records(data: bytes) -> list[AgentRecord]:
    """The inverse of encode_records. Raises msgspec.MsgspecError."""
    return _records.decode(data)


def record_of(registry: Registry, agent_id: AgentID) -> AgentRecord | None:
    """What there is of an agent, or None if there is nothing."""
    hostname, principal = registry.admitted.get(agent_id), registry.principals.get(agent_id)
    unreachable, gone = registry.unreachable.get(agent_id), registry.gone.get(agent_id)
    if hostname is None and principal is None and unreachable is None and gone is None:
        return None
    drain, deactivated = registry.drains.get(agent_id), agent_id in registry.deactivated
    host = registry.unreachable_hosts.get(agent_id, "")
    return AgentRecord(agent_id, hostname, principal, unreachable, gone, drain, deactivated, host)


class _Roles(Struct, frozen=True, omit_defaults=True, gc=False):
    """A document; what is added to one later needs a default."""

    weights: dict[Role, float] = {}
    quotas: dict[Role, Quota] = {}


class _Maintenance(Struct, frozen=True, omit_defaults=True, gc=False):
    schedule: list[Window] = []
    down: dict[str, float] = {}


_encode = msgspec.msgpack.Encoder().encode
_roles = msgspec.msgpack.Decoder(_Roles)
_maintenance = msgspec.msgpack.Decoder(_Maintenance)


def encode_document(registry: Registry, document: Document) -> bytes:
    """What of a registry belongs into a document."""
    match document:
        case Document.ROLES:
            return _encode(_Roles(registry.weights, registry.quotas))
        case Document.MAINTENANCE:
            return _encode(_Maintenance(registry.schedule, registry.down))


def read_document(registry: Registry, document: Document, data: bytes) -> None:
    """The inverse: put it into a registry. Raises msgspec.MsgspecError."""
    match document:
        case Document.ROLES:
            roles = _roles.decode(data)
            registry.weights, registry.quotas = roles.weights, roles.quotas
        case Document.MAINTENANCE:
            maintenance = _maintenance.decode(data)
            registry.plan(maintenance.schedule)
            registry.down = maintenance.down


def restore(epoch: int, records: Iterable[AgentRecord]) -> Registry:
    """The registry that these records are of, in whatever order they come; documents are read into it."""
    registry = Registry()
    registry.epoch = epoch
    unreachable: list[tuple[float, AgentID]] = []
    gone: list[tuple[float, AgentID]] = []
    for record in records:
        if record.hostname is not None:
            registry.admitted[record.agent_id] = record.hostname
        if record.principal is not None:
            registry.own(record.agent_id, record.principal)
        if record.drain is not None:
            registry.drains[record.agent_id] = record.drain
        if record.deactivated:
            registry.deactivated[record.agent_id] = None
        if record.unreachable is not None:
            unreachable.append((record.unreachable, record.agent_id))
            registry.unreachable_hosts[record.agent_id] = record.unreachable_host
        if record.gone is not None:
            gone.append((record.gone, record.agent_id))
    registry.unreachable = {agent_id: since for since, agent_id in sorted(unreachable)}
    registry.gone = {agent_id: since for since, agent_id in sorted(gone)}
    return registry
