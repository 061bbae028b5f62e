"""Plans maintenance: which machines are to be taken down when, what frameworks say to that, and which are down.

::

    up ──on the schedule──▶ scheduled ──take down──▶ down ──bring up──▶ up, and off the schedule
       ◀──off the schedule──┘

Nothing follows from the clock: the windows are told to frameworks, and it is the operator who takes machines down.
Offers of a scheduled machine carry its unavailability, and each framework with something there is asked, by an
inverse offer, whether it can do without. The answers are shown to operators and bind nobody.
"""

from collections.abc import Iterable
from typing import Final

from mesos_py.master.agents import AgentDesk
from mesos_py.master.desk import MAX_MESSAGE, Desk
from mesos_py.master.effects import Outcome, Reply
from mesos_py.master.events import OperatorBringUp, OperatorSetSchedule, OperatorTakeDown
from mesos_py.master.offers import OfferDesk, refusal
from mesos_py.master.registry import BringUp, Document, Registry, SetSchedule, TakeDown
from mesos_py.master.state import Agent, Framework, InverseAnswer
from mesos_py.messages.scheduler import (
    AcceptInverseOffers,
    DeclineInverseOffers,
    InverseOffers,
    RescindInverseOffer,
)
from mesos_py.types.ids import OfferID
from mesos_py.types.maintenance import Unavailability, Window
from mesos_py.types.offers import InverseOffer

__all__ = ["MaintenanceDesk"]

_LOOK_S: Final = 5.0
"""How often it is looked who has something on a scheduled machine."""

_LAST: Final = 253_402_300_799.0
"""The end of the year 9999, beyond which calendars do not go; who counts in milliseconds is there already."""


class MaintenanceDesk:
    """Owns the schedule and the inverse offers."""

    def __init__(self, desk: Desk, offers: OfferDesk, agents: AgentDesk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._offers = offers
        self._agents = agents
        self._told = desk.state.registry.unavailability
        """The schedule as offers have it."""
        self._look_at: float | None = 0.0 if self._told else None

    # Operators

    def set_schedule(self, call: OperatorSetSchedule, reply: Reply) -> None:
        """Plan anew: offers of the machines concerned are made anew, too."""
        if why := _why_not_schedule(call.windows, self._state.registry):
            reply(Outcome.INVALID, why)
            return

        def written(then: float) -> None:
            if self._state.registry.schedule != call.windows:
                reply(Outcome.CONFLICT, "a machine was taken down meanwhile that is not on this schedule")
                return
            self._tell(then)
            reply(Outcome.DONE, _scheduled(sum(len(window.hosts) for window in call.windows)))

        self._desk.persist_document(Document.MAINTENANCE, SetSchedule(call.windows), written, reply)

    def take_down(self, call: OperatorTakeDown, now: float, reply: Reply) -> None:
        """Send the agents of these machines away, and let none in until they are brought up."""
        registry = self._state.registry
        if not call.hosts:
            reply(Outcome.INVALID, "no machine is named")
            return
        for host in call.hosts:
            if host in registry.down:
                reply(Outcome.CONFLICT, f"machine {host} is down already")
                return
            if host not in registry.unavailability:
                reply(Outcome.UNKNOWN, f"machine {host} is not on the maintenance schedule")
                return
        hosts = list(dict.fromkeys(call.hosts))

        def written(then: float) -> None:
            known = dict.fromkeys((*self._state.agents, *self._state.absent))
            for agent_id in [agent_id for agent_id in known if agent_id not in registry.admitted]:
                self._agents.send_away(agent_id, then)
            if any(host not in registry.down for host in hosts):
                reply(Outcome.CONFLICT, "a machine was taken off the schedule meanwhile; nothing was taken down")
            else:
                reply(Outcome.DONE, f"down for maintenance: {', '.join(hosts)}")

        self._desk.persist_document(Document.MAINTENANCE, TakeDown(hosts, now), written, reply)

    def bring_up(self, call: OperatorBringUp, reply: Reply) -> None:
        """Let their agents in again; the machines are on the schedule no more."""
        if not call.hosts:
            reply(Outcome.INVALID, "no machine is named")
            return
        for host in call.hosts:
            if host not in self._state.registry.down:
                reply(Outcome.CONFLICT, f"machine {host} is not down")
                return

        def written(then: float) -> None:
            self._tell(then)
            reply(Outcome.DONE, f"up again: {', '.join(call.hosts)}")

        self._desk.persist(BringUp(call.hosts), written)

    # Frameworks

    def answer(self, framework: Framework, call: AcceptInverseOffers | DeclineInverseOffers, now: float) -> None:
        """Note it for operators; what is no more asked is no matter."""
        wanted = set(call.offer_ids)
        for agent_id, (offer, _) in list(framework.inverse_offers.items()):
            if offer.offer_id in wanted:
                del framework.inverse_offers[agent_id]
                framework.inverse_answers[agent_id] = InverseAnswer(
                    unavailability=offer.unavailability,
                    accepted=isinstance(call, AcceptInverseOffers),
                    reason=call.reason[:MAX_MESSAGE],
                    time=now,
                    until=now + refusal(call.refuse_seconds),
                )

    # Time

    def next_deadline(self) -> float | None:
        """When to look again."""
        return None if self._state.suspended else self._look_at

    def run_due(self, now: float) -> None:
        """Ask who is to be asked, and withdraw the questions that are none any more."""
        if self._look_at is None or now < self._look_at or self._state.suspended:
            return
        self._look_at = now + _LOOK_S if self._state.registry.unavailability else None
        for framework in self._state.frameworks.values():
            if framework.inverse_offers or framework.inverse_answers:
                self._withdraw(framework, now)
        asked: dict[str, list[InverseOffer]] = {}
        for agent in self._state.agents.values():
            unavailability = self._unavailability(agent)
            if unavailability is not None and agent.connected:
                for framework in map(self._state.frameworks.__getitem__, agent.frameworks()):
                    if self._may_ask(framework, agent, unavailability, now):
                        asked.setdefault(framework.framework_id, []).append(
                            self._ask(framework, agent, unavailability, now)
                        )
        for offers in asked.values():
            self._desk.tell(self._state.frameworks[offers[0].framework_id], InverseOffers(inverse_offers=offers))

    def _tell(self, now: float) -> None:
        """The schedule is another: offer what it concerns anew, and look at once."""
        before, self._told = self._told, self._state.registry.unavailability
        for agent in self._state.agents.values():
            if before.get(agent.info.hostname) != self._told.get(agent.info.hostname):
                self._offers.rescind(agent.offers.values(), now)
        self._look_at = now
        self.run_due(now)

    def _withdraw(self, framework: Framework, now: float) -> None:
        """What is planned otherwise, of no concern, or not answered in time."""
        agents = self._state.agents
        for agent_id, (offer, expires) in list(framework.inverse_offers.items()):
            agent = agents.get(agent_id)
            if (
                expires <= now
                or agent is None
                or not agent.connected
                or self._unavailability(agent) != offer.unavailability
                or framework.framework_id not in agent.frameworks()
            ):
                del framework.inverse_offers[agent_id]
                self._desk.tell(framework, RescindInverseOffer(offer_id=offer.offer_id))
        for agent_id, answer in list(framework.inverse_answers.items()):
            agent = agents.get(agent_id)
            if agent is None or self._unavailability(agent) != answer.unavailability:
                del framework.inverse_answers[agent_id]

    def _unavailability(self, agent: Agent) -> Unavailability | None:
        return self._state.registry.unavailability.get(agent.info.hostname)

    @staticmethod
    def _may_ask(framework: Framework, agent: Agent, unavailability: Unavailability, now: float) -> bool:
        if not framework.connected or not framework.wants_inverse_offers or agent.agent_id in framework.inverse_offers:
            return False
        answer = framework.inverse_answers.get(agent.agent_id)
        return answer is None or answer.until <= now or answer.unavailability != unavailability

    def _ask(self, framework: Framework, agent: Agent, unavailability: Unavailability, now: float) -> InverseOffer:
        offer = InverseOffer(
            offer_id=OfferID(self._state.new_id("I")),
            framework_id=framework.framework_id,
            agent_id=agent.agent_id,
            hostname=agent.info.hostname,
            unavailability=unavailability,
            url=agent.info.url,
        )
        framework.inverse_offers[agent.agent_id] = (offer, now + self._state.config.offer_timeout_s)
        return offer


def _scheduled(machines: int) -> str:
    if not machines:
        return "no maintenance is scheduled any more"
    return f"maintenance of {machines} machine{'' if machines == 1 else 's'} is scheduled"


def _why_not_schedule(windows: Iterable[Window], registry: Registry) -> str | None:
    seen: set[str] = set()
    for window in windows:
        if not window.hosts or not all(window.hosts):
            return "a window names no machine"
        for host in window.hosts:
            if host in seen:
                return f"machine {host} is on the schedule twice"
            seen.add(host)
        if not 0 <= window.start <= _LAST:
            return f"the window of {window.hosts[0]} begins at {window.start}; it must be seconds since 1970"
        if window.duration_s is not None and not 0 <= window.duration_s <= _LAST:
            return f"the window of {window.hosts[0]} lasts {window.duration_s} seconds; that makes no sense"
    left_out = next((host for host in registry.down if host not in seen), None)
    return f"machine {left_out} is down; bring it up before you take it off the schedule" if left_out else None
