"""Empties agents, and keeps them from being offered, for as long as an operator wishes.

::

    ACTIVE ──drain──▶ DRAINING ──all has ended and is acknowledged──▶ DRAINED ──reactivate──▶ ACTIVE
       └──deactivate──▶ DEACTIVATED ──reactivate──▶ ACTIVE                └──mark_gone: gone for good

An agent is told to end what it runs, again and again until it has: what the order finds there, and what arrives after
it. An agent that is away is told when it is back, and so is one that returns to the next leader.
"""

from collections.abc import Callable
from math import isfinite
from typing import Final

from mesos_py.master.desk import Desk
from mesos_py.master.effects import Outcome, Reply
from mesos_py.master.events import OperatorDrain
from mesos_py.master.offers import OfferDesk
from mesos_py.master.registry import Deactivate, MarkDrained, Reactivate, StartDraining
from mesos_py.master.state import Agent
from mesos_py.master.tasks import TaskDesk
from mesos_py.messages.agent import DrainAgent
from mesos_py.types.ids import AgentID
from mesos_py.types.maintenance import AgentMode, Drain

__all__ = ["DrainDesk"]

_REPEAT_S: Final = 10.0
"""How often a draining agent is told so, and asked after what we believe to be there."""


class DrainDesk:
    """Owns the modes of agents."""

    def __init__(self, desk: Desk, offers: OfferDesk, tasks: TaskDesk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._offers = offers
        self._tasks = tasks
        self._settling: set[AgentID] = set()
        """Agents whose end of draining is being written."""
        self._repeat_at: float | None = None

    # Operators

    def drain(self, call: OperatorDrain, now: float, reply: Reply) -> None:
        """Begin, in the registry first; an agent that is draining or drained takes the new wishes for the old."""
        agent_id = call.agent_id
        if why := _why_not_drain(call):
            reply(Outcome.INVALID, why)
            return
        if not self._desk.knows(agent_id, reply):
            return

        def written(then: float) -> None:
            if agent_id not in self._state.registry.drains:
                reply(Outcome.CONFLICT, f"agent {agent_id} has just left")
                return
            self._state.counters["agents_draining"] += 1
            reply(Outcome.DONE, f"agent {agent_id} is being drained")
            if (agent := self._state.agents.get(agent_id)) is not None:
                self._withhold(agent, then)
                self._order(agent, then)

        deadline = None if call.deadline_s is None else now + call.deadline_s
        order = Drain(now, call.max_grace_period_s, deadline, call.mark_gone)
        self._desk.persist(StartDraining(agent_id, order), written)

    def deactivate(self, agent_id: AgentID, reply: Reply) -> None:
        """Offer it no more."""
        if not self._desk.knows(agent_id, reply):
            return
        mode = self._state.registry.mode_of(agent_id)
        if mode is not AgentMode.ACTIVE:
            reply(Outcome.CONFLICT, f"agent {agent_id} is {mode}, and so not offered")
            return

        def written(then: float) -> None:
            if self._state.registry.mode_of(agent_id) is not AgentMode.DEACTIVATED:
                reply(Outcome.CONFLICT, f"agent {agent_id} was drained meanwhile, or has just left")
                return
            if (agent := self._state.agents.get(agent_id)) is not None:
                self._withhold(agent, then)
            reply(Outcome.DONE, f"agent {agent_id} is deactivated")

        self._desk.persist(Deactivate(agent_id), written)

    def reactivate(self, agent_id: AgentID, reply: Reply) -> None:
        """Offer it again, at once or when it is back; not before it is empty."""
        if not self._desk.knows(agent_id, reply):
            return
        mode = self._state.registry.mode_of(agent_id)
        if mode is AgentMode.DRAINING:
            reply(Outcome.CONFLICT, f"agent {agent_id} is DRAINING; it can be reactivated once it is DRAINED")
            return
        if mode is AgentMode.ACTIVE:
            reply(Outcome.CONFLICT, f"agent {agent_id} is active")
            return

        def written(_then: float) -> None:
            registry = self._state.registry
            if registry.mode_of(agent_id) is not AgentMode.ACTIVE or not registry.knows(agent_id):
                reply(Outcome.CONFLICT, f"agent {agent_id} was drained meanwhile, or has just left")
                return
            agent = self._state.agents.get(agent_id)
            if agent is not None and agent.connected:
                self._desk.allocator.set_agent_active(agent_id, True)
            reply(Outcome.DONE, f"agent {agent_id} is offered again")

        self._desk.persist(Reactivate(agent_id), written)

    # Agents

    def returned(self, agent: Agent, now: float) -> None:
        """It is connected, and the allocator has it: see that it is treated as the operator wishes."""
        if self._is_active(agent):
            return
        self._desk.allocator.set_agent_active(agent.agent_id, False)
        drain = self._state.registry.drains.get(agent.agent_id)
        if drain is not None and (drain.drained is None or agent.tasks or agent.executors):
            self._order(agent, now)

    def _is_active(self, agent: Agent) -> bool:
        return self._state.registry.mode_of(agent.agent_id) is AgentMode.ACTIVE

    def _withhold(self, agent: Agent, now: float) -> None:
        """Offer it no more, from now on."""
        if agent.agent_id in self._state.registry.drains:
            self._offers.withdraw(agent, now)
        else:
            self._offers.rescind(agent.offers.values(), now)
        self._desk.allocator.set_agent_active(agent.agent_id, False)

    def _order(self, agent: Agent, now: float) -> None:
        """Tell it to end what it has, if it hears us."""
        self._state.note_emptied(agent)
        if self._repeat_at is None:
            self._repeat_at = now + _REPEAT_S
        if not agent.connected:
            return
        drain = self._state.registry.drains[agent.agent_id]
        order = DrainAgent(
            agent_id=agent.agent_id,
            sequence=self._state.next_sequence(),
            max_grace_period_s=drain.max_grace_period_s,
            deadline_s=None if drain.deadline is None else max(0.0, drain.deadline - now),
            mark_gone=drain.mark_gone,
        )
        self._desk.order(agent, order)

    # Time

    def next_deadline(self) -> float | None:
        """When agents are to be told again."""
        return self._repeat_at

    def run_due(self, now: float) -> None:
        """Tell them again, for the order, or what they answered, may be lost."""
        if self._repeat_at is None or self._repeat_at > now:
            return
        self._repeat_at = None
        registry = self._state.registry
        for agent_id in registry.drains:
            agent = self._state.agents.get(agent_id)
            if agent is None or not agent.connected or registry.mode_of(agent_id) is not AgentMode.DRAINING:
                continue
            self._order(agent, now)
            self._tasks.ask_after(agent.tasks)

    def settle(self, now: float, mark_gone: Callable[[AgentID, float], None]) -> None:
        """Note which agents have been emptied by the event at hand; those to be gone then are given to ``mark_gone``.

        The latter are not marked as drained before: a leader that dies in between would have nothing to go by.
        """
        emptied, self._state.emptied = self._state.emptied, {}
        for agent_id in emptied:
            agent = self._state.agents.get(agent_id)
            drain = self._state.registry.drains.get(agent_id)
            if agent is None or drain is None or drain.drained is not None or agent_id in self._settling:
                continue
            if not agent.connected or agent.tasks or agent.executors:
                continue
            if drain.mark_gone:
                mark_gone(agent_id, now)
            else:
                self._mark_drained(agent_id, now)

    def _mark_drained(self, agent_id: AgentID, now: float) -> None:
        def written(_then: float) -> None:
            self._settling.discard(agent_id)
            mode = self._state.registry.mode_of(agent_id)
            if mode is AgentMode.DRAINED:
                self._state.counters["agents_drained"] += 1
            elif mode is AgentMode.DRAINING:  # by a newer order, after which it is to be gone
                self._state.emptied[agent_id] = None

        self._settling.add(agent_id)
        self._desk.persist(MarkDrained(agent_id, now), written)


def _why_not_drain(call: OperatorDrain) -> str | None:
    for name, seconds in (("max_grace_period_s", call.max_grace_period_s), ("deadline_s", call.deadline_s)):
        if seconds is not None and not (isfinite(seconds) and seconds >= 0):
            return f"{name} is {seconds}; it must be a number of seconds that is not negative"
    return None
