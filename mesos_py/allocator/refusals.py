"""What frameworks declined for a while: the answers to offers that carry ``refuse_seconds``.

A refusal names a client, an agent and resources: until it lapses, nothing that is contained in those resources is
offered to that client on that agent; anything more is. Refusals of one agent are grouped by their resources, which
rarely differ, so that a whole group is judged by one comparison and taken out by one operation on a bit mask. What
one client has refused on one agent is bounded, for whoever refuses ever other resources there.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from mesos_py.errors import InvariantError
from mesos_py.types.ids import AgentID
from mesos_py.types.resources import Resources

__all__ = ["MOST", "Refusals"]

MOST: Final = 32
"""So many refusals of one client on one agent hold; of more, those that would lapse first are forgotten."""

_Lapse = tuple[float, int, int, AgentID, Resources]
"""When, a number that keeps ties in order, and whose refusal; void once that refusal is gone or has another lapse."""


class _Group:
    """The clients that refused the same resources of one agent."""

    __slots__ = ("lapses", "mask")

    def __init__(self) -> None:
        self.mask = 0
        self.lapses: dict[int, _Lapse] = {}
        """By client."""


class Refusals:
    """The refusals of all clients, known by their masks, until they lapse."""

    def __init__(self) -> None:
        self._groups: dict[AgentID, dict[Resources, _Group]] = {}
        self._agents: dict[int, dict[AgentID, int]] = {}
        """By client, how many refusals it has on an agent."""
        self._lapses: list[_Lapse] = []
        self._number = count()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, client: int, agent_id: AgentID, resources: Resources, until: float) -> None:
        """A client refuses; of two refusals of the same, the later end counts.

        Some other refusal of it on this agent may be forgotten for that.
        """
        group = self._groups.setdefault(agent_id, {}).setdefault(resources, _Group())
        before = group.lapses.get(client)
        if before is None:
            group.mask |= client
            agents = self._agents.setdefault(client, {})
            agents[agent_id] = agents.get(agent_id, 0) + 1
            self._size += 1
        elif before[0] >= until:
            return
        lapse = group.lapses[client] = (until, next(self._number), client, agent_id, resources)
        heappush(self._lapses, lapse)
        if self._agents[client][agent_id] > 1:
            self._thin_out(lapse)
        if len(self._lapses) > 2 * self._size + 64:
            self._drop_void_lapses()

    def refusing(self, agent_id: AgentID, bundle: Resources) -> int:
        """The clients that refuse this bundle on this agent."""
        groups = self._groups.get(agent_id)
        mask = 0
        if groups:
            for refused, group in groups.items():
                if refused.contains(bundle):
                    mask |= group.mask
        return mask

    def lapse(self, now: float) -> list[AgentID]:
        """Forget what has lapsed; the agents concerned."""
        agents: dict[AgentID, None] = {}
        while self._lapses and self._lapses[0][0] <= now:
            lapse = heappop(self._lapses)
            if self._in_force(lapse):
                _, _, client, agent_id, resources = lapse
                self._forget(client, agent_id, resources)
                agents[agent_id] = None
        return list(agents)

    def next_lapse(self) -> float | None:
        """When the first refusal lapses."""
        while self._lapses and not self._in_force(self._lapses[0]):
            heappop(self._lapses)
        return self._lapses[0][0] if self._lapses else None

    def forget_client(self, client: int) -> list[AgentID]:
        """Forget all that a client refused; the agents concerned."""
        agents = list(self._agents.get(client, ()))
        for agent_id in agents:
            refused = [resources for resources, group in self._groups[agent_id].items() if client in group.lapses]
            for resources in refused:
                self._forget(client, agent_id, resources)
        return agents

    def forget_agent(self, agent_id: AgentID) -> None:
        """Forget all that was refused on an agent."""
        for client, resources in list(self._on(agent_id)):
            self._forget(client, agent_id, resources)

    def check(self) -> None:
        """Raise InvariantError if the indexes disagree."""
        found: dict[int, dict[AgentID, int]] = {}
        for agent_id, groups in self._groups.items():
            for client, _ in self._on(agent_id):
                agents = found.setdefault(client, {})
                agents[agent_id] = agents.get(agent_id, 0) + 1
            if not groups or any(sum(group.lapses) != group.mask or not group.mask for group in groups.values()):
                raise InvariantError(f"refusals on {agent_id} are not those of its mask")
        if found != self._agents or sum(sum(agents.values()) for agents in found.values()) != self._size:
            raise InvariantError("refusals by agent are not those by client")
        if sum(self._in_force(lapse) for lapse in self._lapses) != self._size:
            raise InvariantError("some refusal would never lapse, or twice")

    # Inside

    def _on(self, agent_id: AgentID) -> Iterator[tuple[int, Resources]]:
        for resources, group in self._groups.get(agent_id, {}).items():
            for client in group.lapses:
                yield client, resources

    def _in_force(self, lapse: _Lapse) -> bool:
        _, _, client, agent_id, resources = lapse
        group = self._groups.get(agent_id, {}).get(resources)
        return group is not None and group.lapses.get(client) is lapse

    def _thin_out(self, newest: _Lapse) -> None:
        """Forget what a new refusal contains and outlives, and what is too much."""
        until, _, client, agent_id, resources = newest
        lapses = [group.lapses[client] for group in self._groups[agent_id].values() if client in group.lapses]
        for lapse in lapses:
            if lapse is not newest and lapse[0] <= until and resources.contains(lapse[4]):
                self._forget(client, agent_id, lapse[4])
        if self._agents[client][agent_id] > MOST:
            self._forget(client, agent_id, min(lapses)[4])

    def _forget(self, client: int, agent_id: AgentID, resources: Resources) -> None:
        groups = self._groups[agent_id]
        group = groups[resources]
        del group.lapses[client]
        group.mask &= ~client
        if not group.mask:
            del groups[resources]
            if not groups:
                del self._groups[agent_id]
        agents = self._agents[client]
        agents[agent_id] -= 1
        if not agents[agent_id]:
            del agents[agent_id]
            if not agents:
                del self._agents[client]
        self._size -= 1

    def _drop_void_lapses(self) -> None:
        """Keep the heap within twice what is in force, however often refusals are replaced or revoked."""
        self._lapses = [lapse for lapse in self._lapses if self._in_force(lapse)]
        heapify(self._lapses)
