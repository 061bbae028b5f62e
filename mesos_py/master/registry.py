"""The few facts that outlive a leader, and the operations that change them.

Everything else a new leader learns from agents and schedulers. Each operation is a small value with one ``apply``
that does no IO; it is written first and applied when it is known to be durable. It gives what it has changed, for
those who keep that instead of the operations (``records.py``).
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mesos_py.types.ids import AgentID, Principal, Role
from mesos_py.types.maintenance import AgentMode, Drain, Unavailability, Window
from mesos_py.types.quota import Quota

__all__ = [
    "AdmitAgent",
    "BringUp",
    "Deactivate",
    "Document",
    "MarkDrained",
    "MarkGone",
    "MarkReachable",
    "MarkUnreachable",
    "RaiseEpoch",
    "Reactivate",
    "Registry",
    "RegistryOperation",
    "RemoveAgent",
    "SetQuotas",
    "SetSchedule",
    "SetWeights",
    "StartDraining",
    "TakeDown",
    "decode_operation",
    "encode_operation",
    "operations",
]

REMEMBERED_S = 14 * 24 * 3600.0
REMEMBERED = 102_400
"""How long, and how many, unreachable and gone agents are remembered (Mesos ``src/master/constants.hpp``)."""


class Document(StrEnum):
    """What is kept as a whole; the name of where it is kept."""

    ROLES = "roles"
    """Weights and quotas."""
    MAINTENANCE = "maintenance"
    """The schedule, and the machines that are down."""


class Registry:
    """Which agents were ever admitted and what became of them, and what operators have set."""

    def __init__(self) -> None:
        """An empty one."""
        self.admitted: dict[AgentID, str] = {}
        """Host names by id."""
        self.epoch = 0
        """Of the newest leader."""
        self.unreachable: dict[AgentID, float] = {}
        """When they were given up, seconds since the epoch; oldest first, bounded."""
        self.unreachable_hosts: dict[AgentID, str] = {}
        """Their host names."""
        self.gone: dict[AgentID, float] = {}
        """When an operator declared them gone, seconds since the epoch; oldest first, bounded."""
        self.principals: dict[AgentID, Principal] = {}
        """To whom the admitted and unreachable belong; nobody else may return as one of them."""
        self.owned: Counter[Principal] = Counter()
        """How many of them each principal has."""
        self.drains: dict[AgentID, Drain] = {}
        """Of admitted and unreachable agents that are draining or drained."""
        self.deactivated: dict[AgentID, None] = {}
        """Admitted and unreachable agents that are only not to be offered."""
        self.weights: dict[Role, float] = {}
        """That operators have set; of other roles the configuration says the weight."""
        self.quotas: dict[Role, Quota] = {}
        """None of them is empty."""
        self.schedule: list[Window] = []
        """No host is in two windows, and whatever is down is in one."""
        self.down: dict[str, float] = {}
        """Machines in maintenance by host name, and since when, seconds since the epoch."""
        self.unavailability: dict[str, Unavailability] = {}
        """The schedule by host name."""

    def knows(self, agent_id: AgentID) -> bool:
        """True if it may run tasks, or may be doing so out of our sight."""
        return agent_id in self.admitted or agent_id in self.unreachable

    def hostname_of(self, agent_id: AgentID) -> str:
        """Where it is, or was when it was heard last; empty if nobody knows."""
        return self.admitted.get(agent_id) or self.unreachable_hosts.get(agent_id, "")

    def own(self, agent_id: AgentID, principal: Principal) -> None:
        """An agent belongs to a principal from now on."""
        self._disown(agent_id)
        self.principals[agent_id] = principal
        self.owned[principal] += 1

    def _disown(self, agent_id: AgentID) -> None:
        principal = self.principals.pop(agent_id, None)
        if principal is not None:
            self.owned[principal] -= 1
            if not self.owned[principal]:
                del self.owned[principal]

    def mode_of(self, agent_id: AgentID) -> AgentMode:
        """What an operator has decided of it."""
        drain = self.drains.get(agent_id)
        if drain is not None:
            return AgentMode.DRAINING if drain.drained is None else AgentMode.DRAINED
        return AgentMode.DEACTIVATED if agent_id in self.deactivated else AgentMode.ACTIVE

    def plan(self, schedule: list[Window]) -> None:
        """Put another schedule in the place of the one there is."""
        self.schedule = schedule
        self.unavailability = {
            host: Unavailability(start=window.start, duration_s=window.duration_s)
            for window in schedule
            for host in window.hosts
        }

    def reach(self, agent_id: AgentID) -> None:
        """It is not unreachable any more."""
        self.unreachable.pop(agent_id, None)
        self.unreachable_hosts.pop(agent_id, None)

    def drop(self, agent_id: AgentID) -> None:
        """Forget all there is of an agent, but not that it is gone."""
        self.admitted.pop(agent_id, None)
        self.reach(agent_id)
        self._disown(agent_id)
        self.drains.pop(agent_id, None)
        self.deactivated.pop(agent_id, None)


class AdmitAgent(Struct, frozen=True, tag=True, gc=False):
    """An agent may run tasks."""

    agent_id: AgentID
    hostname: str
    principal: Principal = Principal("")

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        registry.admitted[self.agent_id] = self.hostname
        registry.reach(self.agent_id)
        registry.own(self.agent_id, self.principal)
        return (self.agent_id,)


class MarkUnreachable(Struct, frozen=True, tag=True, gc=False):
    """An agent has been silent for too long. One that is not in the cluster, because it left meanwhile, stays out."""

    agent_id: AgentID
    time: float

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        if not registry.knows(self.agent_id):
            return (self.agent_id,)
        hostname = registry.hostname_of(self.agent_id)
        registry.admitted.pop(self.agent_id, None)
        registry.unreachable.pop(self.agent_id, None)  # the newest is the last
        registry.unreachable[self.agent_id] = self.time
        registry.unreachable_hosts[self.agent_id] = hostname
        forgotten = _forget_old(registry.unreachable, self.time)
        for agent_id in forgotten:
            registry.drop(agent_id)
        return (self.agent_id, *forgotten)


class MarkReachable(Struct, frozen=True, tag=True, gc=False):
    """A silent agent is back."""

    agent_id: AgentID
    hostname: str

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        registry.reach(self.agent_id)
        registry.admitted[self.agent_id] = self.hostname
        return (self.agent_id,)


class MarkGone(Struct, frozen=True, tag=True, gc=False):
    """An operator says that an agent will never be back, and must not be let in if it is."""

    agent_id: AgentID
    time: float

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        registry.drop(self.agent_id)
        registry.gone[self.agent_id] = self.time
        return (self.agent_id, *_forget_old(registry.gone, self.time))


class RemoveAgent(Struct, frozen=True, tag=True, gc=False):
    """An agent has left for good."""

    agent_id: AgentID

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        registry.drop(self.agent_id)
        return (self.agent_id,)


class StartDraining(Struct, frozen=True, tag=True, gc=False):
    """An operator wants an agent emptied; a later order replaces an earlier one."""

    agent_id: AgentID
    drain: Drain

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        if registry.knows(self.agent_id):
            registry.drains[self.agent_id] = self.drain
            registry.deactivated.pop(self.agent_id, None)
        return (self.agent_id,)


class MarkDrained(Struct, frozen=True, tag=True, gc=False):
    """Nothing runs any more on an agent that was draining. One that is to be gone then is to be marked as that."""

    agent_id: AgentID
    time: float

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        drain = registry.drains.get(self.agent_id)
        if drain is not None and not drain.mark_gone:
            registry.drains[self.agent_id] = replace(drain, drained=self.time)
        return (self.agent_id,)


class Deactivate(Struct, frozen=True, tag=True, gc=False):
    """An operator wants an agent not to be offered."""

    agent_id: AgentID

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        if registry.mode_of(self.agent_id) is AgentMode.ACTIVE and registry.knows(self.agent_id):
            registry.deactivated[self.agent_id] = None
        return (self.agent_id,)


class Reactivate(Struct, frozen=True, tag=True, gc=False):
    """An operator wants an agent to be offered again, unless it is draining."""

    agent_id: AgentID

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        if registry.mode_of(self.agent_id) is not AgentMode.DRAINING:
            registry.drains.pop(self.agent_id, None)
            registry.deactivated.pop(self.agent_id, None)
        return (self.agent_id,)


class RaiseEpoch(Struct, frozen=True, tag=True, gc=False):
    """A new leader begins. Written where nobody but the master itself counts epochs."""

    epoch: int

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        registry.epoch = max(registry.epoch, self.epoch)
        return ()


class SetWeights(Struct, frozen=True, tag=True, gc=False):
    """An operator weighs roles."""

    weights: dict[Role, float | None]
    """None: as configured."""

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        for role, weight in self.weights.items():
            if weight is None:
                registry.weights.pop(role, None)
            else:
                registry.weights[role] = weight
        return (Document.ROLES,)


class SetQuotas(Struct, frozen=True, tag=True, gc=False):
    """An operator says what roles are sure of and what they may not exceed."""

    quotas: dict[Role, Quota]
    """An empty one takes a quota away."""

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        for role, quota in self.quotas.items():
            if quota:
                registry.quotas[role] = quota
            else:
                registry.quotas.pop(role, None)
        return (Document.ROLES,)


class SetSchedule(Struct, frozen=True, tag=True, gc=False):
    """An operator plans maintenance."""

    windows: list[Window]

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        planned = {host for window in self.windows for host in window.hosts}
        if registry.down.keys() <= planned:
            registry.plan(self.windows)
        return (Document.MAINTENANCE,)


class TakeDown(Struct, frozen=True, tag=True, gc=False):
    """The maintenance of machines, all of them scheduled, begins: their agents are not in the cluster until it ends."""

    hosts: list[str]
    time: float

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        down = dict.fromkeys(self.hosts, self.time) if registry.unavailability.keys() >= {*self.hosts} else {}
        registry.down |= down
        agents = [agent_id for agent_id, hostname in registry.admitted.items() if hostname in down]
        for agent_id in agents:
            registry.drop(agent_id)
        return (Document.MAINTENANCE, *agents)


class BringUp(Struct, frozen=True, tag=True, gc=False):
    """The maintenance of machines has ended: they are on the schedule no more."""

    hosts: list[str]

    def apply(self, registry: Registry) -> Sequence[AgentID | Document]:
        """Change the registry; gives what of it is another now."""
        up = {host for host in self.hosts if registry.down.pop(host, None) is not None}
        left = [replace(w, hosts=[host for host in w.hosts if host not in up]) for w in registry.schedule]
        registry.plan([window for window in left if window.hosts])
        return (Document.MAINTENANCE,)


RegistryOperation = (
    AdmitAgent
    | MarkUnreachable
    | MarkReachable
    | MarkGone
    | RemoveAgent
    | StartDraining
    | MarkDrained
    | Deactivate
    | Reactivate
    | RaiseEpoch
    | SetWeights
    | SetQuotas
    | SetSchedule
    | TakeDown
    | BringUp
)
"""Whatever can change the registry."""

encode_operation = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[RegistryOperation] = msgspec.msgpack.Decoder(RegistryOperation)


def decode_operation(record: bytes) -> RegistryOperation:
    """The inverse of encode_operation. Raises msgspec.MsgspecError."""
    return _decoder.decode(record)


def operations(registry: Registry) -> list[RegistryOperation]:
    """The shortest way from an empty registry to this one."""
    way: list[RegistryOperation] = [RaiseEpoch(registry.epoch)]
    way += [MarkGone(agent_id, since) for agent_id, since in registry.gone.items()]
    if registry.weights:
        way.append(SetWeights(dict(registry.weights)))
    if registry.quotas:
        way.append(SetQuotas(dict(registry.quotas)))
    if registry.schedule:
        way.append(SetSchedule(registry.schedule))
    way += [TakeDown([host], since) for host, since in registry.down.items()]
    principals = registry.principals
    for agent_id, hostname in registry.admitted.items():
        way.append(AdmitAgent(agent_id, hostname, principals.get(agent_id, Principal(""))))
    for agent_id, since in registry.unreachable.items():
        way.append(AdmitAgent(agent_id, registry.hostname_of(agent_id), principals.get(agent_id, Principal(""))))
        way.append(MarkUnreachable(agent_id, since))
    way += [StartDraining(agent_id, drain) for agent_id, drain in registry.drains.items()]
    way += [Deactivate(agent_id) for agent_id in registry.deactivated]
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
