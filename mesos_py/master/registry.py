"""The few facts that outlive a leader, and the operations that change them.

Everything else a new leader learns from agents and schedulers. Each operation is a small value with one ``apply``
that does no IO; it is written first and applied when it is known to be durable.
"""

import msgspec
from msgspec import Struct

from mesos_py.types.ids import AgentID, Principal

__all__ = [
    "AdmitAgent",
    "MarkGone",
    "MarkReachable",
    "MarkUnreachable",
    "RaiseEpoch",
    "Registry",
    "RegistryOperation",
    "RemoveAgent",
    "decode_operation",
    "encode_operation",
    "operations",
]

REMEMBERED_S = 14 * 24 * 3600.0
REMEMBERED = 102_400
"""How long, and how many, unreachable and gone agents are remembered (Mesos ``src/master/constants.hpp``)."""


class Registry:
    """Which agents were ever admitted, and what became of them."""

    def __init__(self) -> None:
        """An empty one."""
        self.admitted: dict[AgentID, str] = {}
        """Host names by id."""
        self.epoch = 0
        """Of the newest leader."""
        self.unreachable: dict[AgentID, float] = {}
        """When they were given up, seconds since the epoch; oldest first, bounded."""
        self.gone: dict[AgentID, float] = {}
        """When an operator declared them gone, seconds since the epoch; oldest first, bounded."""
        self.principals: dict[AgentID, Principal] = {}
        """To whom the admitted and unreachable belong; nobody else may return as one of them."""


class AdmitAgent(Struct, frozen=True, tag=True, gc=False):
    """An agent may run tasks."""

    agent_id: AgentID
    hostname: str
    principal: Principal = Principal("")

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.admitted[self.agent_id] = self.hostname
        registry.unreachable.pop(self.agent_id, None)
        registry.principals[self.agent_id] = self.principal


class MarkUnreachable(Struct, frozen=True, tag=True, gc=False):
    """An agent has been silent for too long."""

    agent_id: AgentID
    time: float

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.admitted.pop(self.agent_id, None)
        registry.unreachable.pop(self.agent_id, None)
        registry.unreachable[self.agent_id] = self.time
        for forgotten in _forget_old(registry.unreachable, self.time):
            registry.principals.pop(forgotten, None)


class MarkReachable(Struct, frozen=True, tag=True, gc=False):
    """A silent agent is back."""

    agent_id: AgentID
    hostname: str

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.unreachable.pop(self.agent_id, None)
        registry.admitted[self.agent_id] = self.hostname


class MarkGone(Struct, frozen=True, tag=True, gc=False):
    """An operator says that an agent will never be back, and must not be let in if it is."""

    agent_id: AgentID
    time: float

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.admitted.pop(self.agent_id, None)
        registry.unreachable.pop(self.agent_id, None)
        registry.principals.pop(self.agent_id, None)
        registry.gone[self.agent_id] = self.time
        _forget_old(registry.gone, self.time)


class RemoveAgent(Struct, frozen=True, tag=True, gc=False):
    """An agent has left for good."""

    agent_id: AgentID

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.admitted.pop(self.agent_id, None)
        registry.unreachable.pop(self.agent_id, None)
        registry.principals.pop(self.agent_id, None)


class RaiseEpoch(Struct, frozen=True, tag=True, gc=False):
    """A new leader begins. Written where nobody but the master itself counts epochs."""

    epoch: int

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.epoch = max(registry.epoch, self.epoch)


RegistryOperation = AdmitAgent | MarkUnreachable | MarkReachable | MarkGone | RemoveAgent | RaiseEpoch
"""Whatever can change the registry."""

encode_operation = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[RegistryOperation] = msgspec.msgpack.Decoder(RegistryOperation)


def decode_operation(record: bytes) -> RegistryOperation:
    """The inverse of encode_operation. Raises msgspec.MsgspecError."""
    return _decoder.decode(record)


def operations(registry: Registry) -> list[RegistryOperation]:
    """The shortest way from an empty registry to this one."""
    way: list[RegistryOperation] = [RaiseEpoch(registry.epoch)]
    principals = registry.principals
    for agent_id, hostname in registry.admitted.items():
        way.append(AdmitAgent(agent_id, hostname, principals.get(agent_id, Principal(""))))
    for agent_id, since in registry.unreachable.items():
        way.append(AdmitAgent(agent_id, "", principals.get(agent_id, Principal(""))))
        way.append(MarkUnreachable(agent_id, since))
    way += [MarkGone(agent_id, since) for agent_id, since in registry.gone.items()]
    return way


def _forget_old(agents: dict[AgentID, float], now: float) -> list[AgentID]:
    """Drop what is remembered too long or too much; part of an operation, so that every replay does the same."""
    forgotten = []
    while agents:
        agent_id, since = next(iter(agents.items()))
        if len(agents) <= REMEMBERED and since >= now - REMEMBERED_S:
            break
        del agents[agent_id]
        forgotten.append(agent_id)
    return forgotten
