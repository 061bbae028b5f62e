"""What the parts of a master share: its state, the allocator, and the effects of the event being handled."""

from collections import deque
from collections.abc import Callable
from typing import Final

from mesos_py.allocator.base import Allocator
from mesos_py.master.effects import MasterEffect, Outcome, Persist, Reply, SendToAgent, SendToFramework
from mesos_py.master.records import encode_document, read_document
from mesos_py.master.registry import Document, Registry, RegistryOperation
from mesos_py.master.state import Agent, Framework, MasterState
from mesos_py.messages.agent import ToAgent
from mesos_py.messages.scheduler import Error, ErrorReason, Event
from mesos_py.types.ids import AgentID, FrameworkID

__all__ = ["MAX_MESSAGE", "Desk"]

MAX_MESSAGE: Final = 1000
"""Characters of a refusal, which may quote what a stranger sent."""

_MAX_DOCUMENT: Final = 500_000
"""Bytes of a document in the registry, which must be able to write it in one go: ZooKeeper takes less than 1 MB."""


class Desk:
    """Collects effects, and keeps what must wait until the registry is written."""

    def __init__(self, state: MasterState, allocator: Allocator) -> None:
        """One per master."""
        self.state = state
        self.allocator = allocator
        self._effects: list[MasterEffect] = []
        self._serial = 0
        self._unwritten: deque[tuple[int, RegistryOperation, Callable[[float], None]]] = deque()

    def ask(self, effect: MasterEffect) -> None:
        """Add an effect."""
        self._effects.append(effect)

    def take(self) -> list[MasterEffect]:
        """The effects so far; the next event starts with none."""
        effects, self._effects = self._effects, []
        return effects

    def tell(self, framework: Framework, event: Event) -> None:
        """Send to a framework, if it is connected."""
        if framework.connected:
            self._effects.append(SendToFramework(framework.queue, framework.json, event))

    def order(self, agent: Agent, message: ToAgent) -> None:
        """Send to an agent."""
        self._effects.append(SendToAgent(agent.queue, message))

    def send(self, queue: str, message: ToAgent) -> None:
        """Send to the queue of an agent that is not (or no longer) one of ours."""
        self._effects.append(SendToAgent(queue, message))

    def refuse_call(self, framework: Framework, call: str, why: str) -> None:
        """Answer a call of a subscribed framework that makes no sense, and count it."""
        self.refuse(framework.queue, framework.json, ErrorReason.INVALID, why, call=call)

    def refuse(
        self,
        queue: str,
        json: bool,
        reason: ErrorReason,
        message: str,
        *,
        call: str = "",
        fatal: bool = False,
        framework_id: FrameworkID | None = None,
    ) -> None:
        """Answer a call that cannot be served, and count it."""
        self.state.counters[f"calls_refused/{reason}"] += 1
        if queue:
            error = Error(
                reason=reason, message=message[:MAX_MESSAGE], call=call, fatal=fatal, framework_id=framework_id
            )
            self._effects.append(SendToFramework(queue, json, error))

    def knows(self, agent_id: AgentID, reply: Reply) -> bool:
        """Whether an agent is one that operators can decide of; if not, whoever asks is told why."""
        registry = self.state.registry
        if agent_id in registry.gone:
            reply(Outcome.CONFLICT, f"agent {agent_id} was declared gone")
        elif not registry.knows(agent_id):
            reply(Outcome.UNKNOWN, f"agent {agent_id} is not known")
        return registry.knows(agent_id)

    def persist(self, operation: RegistryOperation, then: Callable[[float], None]) -> None:
        """Write to the registry; ``then(now)`` runs when that is durable, and not before."""
        self._serial += 1
        self._unwritten.append((self._serial, operation, then))
        self._effects.append(Persist(self._serial, operation))

    def persist_document(
        self, document: Document, operation: RegistryOperation, then: Callable[[float], None], reply: Reply
    ) -> None:
        """Write a change to a document, unless that would be too large with it and all that is being written."""
        after = Registry()
        read_document(after, document, encode_document(self.state.registry, document))
        for _, unwritten, _ in self._unwritten:
            unwritten.apply(after)
        operation.apply(after)
        if len(encode_document(after, document)) > _MAX_DOCUMENT:
            reply(Outcome.CONFLICT, f"all {document} together would take more than {_MAX_DOCUMENT} bytes")
        else:
            self.persist(operation, then)

    def written(self, serial: int, now: float) -> None:
        """Everything up to this serial is durable."""
        while self._unwritten and self._unwritten[0][0] <= serial:
            _, operation, then = self._unwritten.popleft()
            operation.apply(self.state.registry)
            then(now)
