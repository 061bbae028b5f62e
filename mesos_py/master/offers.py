"""Makes offers of what the allocator hands out, and takes them back."""

import math
from collections.abc import Iterable
from typing import Final

from mesos_py.allocator.base import Allocation
from mesos_py.master.desk import Desk
from mesos_py.master.state import Agent, Framework
from mesos_py.messages.scheduler import Decline, Offers, Rescind
from mesos_py.types.ids import OfferID
from mesos_py.types.offers import DEFAULT_REFUSE_S, MAX_REFUSE_S, Offer
from mesos_py.types.tasks import Reason

__all__ = ["OfferDesk", "refusal"]

_WITHDRAWN: Final = 10_000
"""So many offers of draining agents are remembered, for those who were just accepting them."""


def refusal(seconds: float) -> float:
    """``refuse_seconds`` as Mesos reads it: at most a year; what makes no sense is the default of 5."""
    if math.isnan(seconds) or seconds < 0:
        return DEFAULT_REFUSE_S
    return min(seconds, MAX_REFUSE_S)


class OfferDesk:
    """Owns every outstanding offer."""

    def __init__(self, desk: Desk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._allocator = desk.allocator
        self._withdrawn: dict[OfferID, None] = {}

    def next_deadline(self) -> float | None:
        """When an offer times out or the allocator has something to hand out."""
        if self._state.cut_off or self._state.suspended:
            return None
        allocation = self._allocator.next_deadline()
        if not self._state.offers:
            return allocation
        timeout = next(iter(self._state.offers.values()))[1]
        return timeout if allocation is None else min(timeout, allocation)

    def make(self, now: float) -> None:
        """Offer whatever is due, if it is sure that we lead."""
        if self._state.suspended:
            return
        due = self._allocator.next_deadline()
        if due is None or due > now:
            return
        self.rescind(self._allocator.excess(offer for offer, _ in reversed(self._state.offers.values())), now)
        by_framework: dict[str, list[Offer]] = {}
        for allocation in self._allocator.allocate(now):
            offer = self._make(allocation, now)
            by_framework.setdefault(offer.framework_id, []).append(offer)
        for offers in by_framework.values():
            framework = self._state.frameworks[offers[0].framework_id]
            framework.counters["offers_sent"] += len(offers)
            self._desk.tell(framework, Offers(offers=offers))

    def _make(self, allocation: Allocation, now: float) -> Offer:
        state = self._state
        agent = state.agents[allocation.agent_id]
        framework = state.frameworks[allocation.framework_id]
        offer = Offer(
            offer_id=OfferID(state.new_id("O")),
            framework_id=framework.framework_id,
            agent_id=agent.agent_id,
            hostname=agent.info.hostname,
            role=allocation.role,
            resources=allocation.resources,
            attributes=agent.info.attributes,
            url=agent.info.url,
            executor_ids=agent.executors_of(framework.framework_id) if agent.executors else [],
            unavailability=state.registry.unavailability.get(agent.info.hostname),
        )
        state.offers[offer.offer_id] = (offer, now + state.config.offer_timeout_s)
        agent.offers[offer.offer_id] = offer
        framework.offers[offer.offer_id] = offer
        return offer

    def decline(self, framework: Framework, call: Decline, now: float) -> None:
        """Take back what is declined; offers that are no more are no matter."""
        refuse_s = refusal(call.refuse_seconds)
        for offer_id in call.offer_ids:
            offer = framework.offers.get(offer_id)
            if offer is not None:
                framework.counters["offers_declined"] += 1
                self.give_back(offer, now, refuse_s=refuse_s)

    def expire(self, now: float) -> None:
        """Rescind what nobody has answered in time; not while answers wait for us."""
        if self._state.suspended:
            return
        expired = []
        for offer, deadline in self._state.offers.values():
            if deadline > now:
                break
            expired.append(offer)
        self._state.counters["offers_timed_out"] += len(expired)
        self.rescind(expired, now)

    def rescind(self, offers: Iterable[Offer], now: float) -> None:
        """Take offers back and say so."""
        for offer in list(offers):
            framework = self._state.frameworks[offer.framework_id]
            framework.counters["offers_rescinded"] += 1
            self._desk.tell(framework, Rescind(offer_id=offer.offer_id))
            self.give_back(offer, now)

    def withdraw(self, agent: Agent, now: float) -> None:
        """Rescind all of an agent that is being drained."""
        self._withdrawn.update(dict.fromkeys(agent.offers))
        while len(self._withdrawn) > _WITHDRAWN:
            del self._withdrawn[next(iter(self._withdrawn))]
        self.rescind(agent.offers.values(), now)

    def why_void(self, offer_ids: Iterable[OfferID]) -> Reason:
        """Why tasks are dropped that were launched with these offers, some of which are not valid."""
        draining = any(offer_id in self._withdrawn for offer_id in offer_ids)
        return Reason.AGENT_DRAINING if draining else Reason.INVALID_OFFERS

    def give_back(self, offer: Offer, now: float, refuse_s: float | None = None) -> None:
        """End an offer: nothing of it was used."""
        self.remove(offer)
        self._allocator.recover(
            offer.framework_id, offer.role, offer.agent_id, offer.resources, now=now, refuse_s=refuse_s
        )

    def remove(self, offer: Offer) -> None:
        """End an offer whose resources stay charged, because they are used now."""
        del self._state.offers[offer.offer_id]
        del self._state.agents[offer.agent_id].offers[offer.offer_id]
        del self._state.frameworks[offer.framework_id].offers[offer.offer_id]
