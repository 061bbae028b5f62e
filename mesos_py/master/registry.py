"""The few facts that outlive a leader, and the operations that change them.

Everything else a new leader learns from agents and schedulers. Each operation is a small value with one ``apply``
that does no IO; it is written first and applied when it is known to be durable.
"""

import msgspec
from msgspec import Struct

from mesos_py.types.ids import AgentID

__all__ = [
    "AdmitAgent",
    "MarkReachable",
    "MarkUnreachable",
    "RaiseEpoch",
    "Registry",
    "RegistryOperation",
    "RemoveAgent",
    "decode_operation",
    "encode_operation",
]


class Registry:
    """Which agents were ever admitted, and what became of them."""

    def __init__(self) -> None:
        """An empty one."""
        self.admitted: dict[AgentID, str] = {}
        """Host names by id."""
        self.epoch = 0
        """Of the newest leader."""
        self.unreachable: dict[AgentID, float] = {}
        """When they were given up, seconds since the epoch."""


class AdmitAgent(Struct, frozen=True, tag=True, gc=False):
    """An agent may run tasks."""

    agent_id: AgentID
    hostname: str

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.admitted[self.agent_id] = self.hostname
        registry.unreachable.pop(self.agent_id, None)


class MarkUnreachable(Struct, frozen=True, tag=True, gc=False):
    """An agent has been silent for too long."""

    agent_id: AgentID
    time: float

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.admitted.pop(self.agent_id, None)
        registry.unreachable[self.agent_id] = self.time


class MarkReachable(Struct, frozen=True, tag=True, gc=False):
    """A silent agent is back."""

    agent_id: AgentID
    hostname: str

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.unreachable.pop(self.agent_id, None)
        registry.admitted[self.agent_id] = self.hostname


class RemoveAgent(Struct, frozen=True, tag=True, gc=False):
    """An agent has left for good."""

    agent_id: AgentID

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.admitted.pop(self.agent_id, None)
        registry.unreachable.pop(self.agent_id, None)


class RaiseEpoch(Struct, frozen=True, tag=True, gc=False):
    """A new leader begins."""

    epoch: int

    def apply(self, registry: Registry) -> None:
        """Change the registry."""
        registry.epoch = max(registry.epoch, self.epoch)


RegistryOperation = AdmitAgent | MarkUnreachable | MarkReachable | RemoveAgent | RaiseEpoch
"""Whatever can change the registry."""

encode_operation = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[RegistryOperation] = msgspec.msgpack.Decoder(RegistryOperation)


def decode_operation(record: bytes) -> RegistryOperation:
    """The inverse of encode_operation. Raises msgspec.MsgspecError."""
    return _decoder.decode(record)
