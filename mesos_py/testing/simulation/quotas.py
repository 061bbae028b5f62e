"""Whether what roles are sure of and may not exceed holds, by a count of our own of all that a leader knows.

Looked at whenever a leader makes offers: whoever is offered something may be given it. What operators set later, or
what is lost later, may be against it; then it is taken back, so that now and then all outstanding offers are looked at.
"""

from collections import Counter
from collections.abc import Iterable

from mesos_py.master.core import Master
from mesos_py.testing.simulation.broken import PromiseError
from mesos_py.types.ids import AgentID, Role
from mesos_py.types.maintenance import AgentMode
from mesos_py.types.offers import Offer
from mesos_py.types.resources import Resources
from mesos_py.types.roles import top_of

__all__ = ["Count"]

_GUARANTEES = "7 guarantees"
_ENDLESS = 1 << 62


class Count:
    """Of one moment: thousandths, by name of the resource."""

    def __init__(self, master: Master) -> None:
        """Nothing is reserved in a simulated cluster."""
        state = master.state
        self._quotas = state.registry.quotas
        self._free: Counter[str] = Counter()
        """On agents that are offered."""
        self._consumed: dict[Role, Counter[str]] = {role: Counter() for role in self._quotas}
        """Offered or in use, by top-level role."""
        for agent in state.agents.values():
            used = agent.used()
            held = [(role, resources) for (_, role), resources in used.items()]
            held += [(offer.role, offer.resources) for offer in agent.offers.values()]
            for role, resources in held:
                if (top := top_of(role)) in self._consumed:
                    self._consumed[top].update(resources.quantities())
            if agent.connected and state.registry.mode_of(agent.agent_id) is AgentMode.ACTIVE:
                self._free.update(agent.info.resources.quantities())
                self._free.subtract(Resources.sum(resources for _, resources in held).quantities())

    def _lacks(self, role: Role, name: str) -> int:
        """What a role has less than it is sure of."""
        return max(0, self._quotas[role].guarantee.get(name, 0) - self._consumed[role][name])

    def _slack(self, name: str) -> int:
        """What is free beyond what all roles lack; below 0 if there is less."""
        return self._free[name] - sum(self._lacks(role, name) for role in self._quotas)

    def _is_guaranteed(self, name: str) -> bool:
        return any(name in quota.guarantee for quota in self._quotas.values())

    def most(self, role: Role, name: str) -> int:
        """What a role may still be given."""
        top = top_of(role)
        most = _ENDLESS
        if self._is_guaranteed(name):
            lacks = self._lacks(top, name) if top in self._quotas else 0
            most = lacks + max(0, self._slack(name))
        if top in self._quotas and (limit := self._quotas[top].limit.get(name)) is not None:
            most = min(most, limit - self._consumed[top][name])
        return max(0, most)

    def check(self, offers: Iterable[Offer], missing: Iterable[AgentID] = ()) -> None:
        """Raise PromiseError if one of these outstanding offers should not be.

        If they were just made, ``missing`` are the agents of an earlier leader that are neither back nor given up.
        """
        missing = list(missing)
        for offer in offers:
            top = top_of(offer.role)
            quota = self._quotas.get(top)
            for name, amount in offer.resources.quantities().items():
                limit = quota.limit.get(name) if quota else None
                what = f"role {offer.role} is offered {amount} of {name}"
                if limit is not None and amount and self._consumed[top][name] > limit:
                    raise PromiseError(_GUARANTEES, f"{what}, has {self._consumed[top][name]} and may have {limit}")
                if limit is not None and amount and missing:
                    raise PromiseError(
                        _GUARANTEES, f"{what}, of which it has a limit, and {missing} may run some of it"
                    )
                beyond = quota is None or self._consumed[top][name] > quota.guarantee.get(name, 0)
                if amount and beyond and self._is_guaranteed(name) and self._slack(name) < 0:
                    raise PromiseError(
                        _GUARANTEES, f"{what}, and others lack {-self._slack(name)} to what they are sure of"
                    )
