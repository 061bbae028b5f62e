"""What operators set of roles: weights and quotas. They are written to the registry first, then the policy heeds them.

A new leader does not know at once what runs: agents are still to return. That hurts no guarantee, because what a role
seems to lack is kept for it, and an agent that returns only makes it less. But limits could be broken by what is
still unseen: while too many agents are missing, nothing that a limit speaks of is given to its role.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from mesos_py.master.desk import Desk
from mesos_py.master.effects import Outcome, Reply
from mesos_py.master.events import OperatorSetQuotas
from mesos_py.master.registry import Document, SetQuotas, SetWeights
from mesos_py.types.ids import Role
from mesos_py.types.quota import Quota, why_not_a_quota
from mesos_py.types.roles import top_of, why_not_a_role, why_not_a_weight
from mesos_py.types.values import format_scalar

__all__ = ["RoleDesk"]


class RoleDesk:
    """Owns weights and quotas."""

    def __init__(self, desk: Desk) -> None:
        """One per master; the policy is told what the registry holds."""
        self._desk = desk
        self._state = desk.state
        self._registry = desk.state.registry
        self._allocator = desk.allocator
        config = desk.state.config
        self._enough = math.floor((1 - config.quota_recovery_agents) * len(self._state.awaited) + 1e-6)
        """When no more than so many agents are still to return, enough is known of what runs."""
        self._until: float | None = None
        """After which it is not waited for them."""
        self._holding = bool(self._state.awaited)
        for role, weight in self._registry.weights.items():
            self._allocator.set_weight(role, weight)
        if self._registry.quotas:
            self._tell_quotas()

    def _tell_quotas(self) -> None:
        self._allocator.set_quotas(dict(self._registry.quotas))
        self._allocator.hold_limits(self._holding)

    # Take-over

    def connected(self, now: float) -> None:
        """Agents can return from now on."""
        if self._until is None:
            self._until = now + self._state.config.quota_recovery_timeout_s

    def next_deadline(self) -> float | None:
        """When to give to roles with limits; None if that is done already."""
        if not self._holding:
            return None
        return 0.0 if len(self._state.awaited) <= self._enough else self._until

    def run_due(self, now: float) -> None:
        """Give to roles with limits, if enough is known of what they run."""
        due = self.next_deadline()
        if due is not None and due <= now:
            self._holding = False
            self._allocator.hold_limits(False)

    # Operators

    def set_weights(self, weights: Mapping[Role, float | None], reply: Reply) -> None:
        """All or none of them, in the registry first."""
        for role, weight in weights.items():
            if why := why_not_a_role(role):
                reply(Outcome.INVALID, why)
                return
            if weight is None and role not in self._registry.weights:
                reply(Outcome.UNKNOWN, f"no weight has been set of role {role}")
                return
            if weight is not None and (why := why_not_a_weight(role, weight)):
                reply(Outcome.INVALID, why)
                return

        def written(_now: float) -> None:
            for role in weights:
                self._allocator.set_weight(role, self._registry.weights.get(role))
            reply(Outcome.DONE, _done("weights", weights))

        self._desk.persist_document(Document.ROLES, SetWeights(dict(weights)), written, reply)

    def set_quotas(self, call: OperatorSetQuotas, reply: Reply) -> None:
        """All or none of them, in the registry first."""
        for role, quota in call.quotas.items():
            if why := why_not_a_quota(role, quota):
                reply(Outcome.INVALID, why)
                return
            if not quota and role not in self._registry.quotas:
                reply(Outcome.UNKNOWN, f"role {role} has no quota")
                return
        if not call.force and (why := self._why_not_now(call.quotas)):
            reply(Outcome.CONFLICT, f"{why}; force it if it is to be so nevertheless")
            return

        def written(_now: float) -> None:
            self._tell_quotas()
            reply(Outcome.DONE, _done("quotas", call.quotas))

        self._desk.persist_document(Document.ROLES, SetQuotas(call.quotas), written, reply)

    def _why_not_now(self, quotas: Mapping[Role, Quota]) -> str | None:
        """More is guaranteed than there is, or a role uses more than it may."""
        together = {**self._registry.quotas, **quotas}
        sure = _total(quota.guarantee for quota in together.values())
        there = _total(agent.info.resources.quantities() for agent in self._state.agents.values())
        for name in {name: None for quota in quotas.values() for name in quota.guarantee}:
            if sure[name] > there[name]:
                would, have = format_scalar(sure[name]), format_scalar(there[name])
                return f"{would} {name} would be guaranteed, the agents have {have}"
        used = self._used() if any(quota.limit for quota in quotas.values()) else {}
        for role, quota in quotas.items():
            for name, limit in quota.limit.items():
                if role in used and used[role][name] > limit:
                    uses, most = format_scalar(used[role][name]), format_scalar(limit)
                    return f"role {role} uses {uses} {name} and would be limited to {most}"
        return None

    def _used(self) -> dict[Role, Counter[str]]:
        """By top-level role, what tasks and executors in it or below hold, and what is reserved to it; no offers."""
        used: defaultdict[Role, Counter[str]] = defaultdict(Counter)
        for agent in self._state.agents.values():
            total = agent.info.resources
            for role in total.roles():
                used[top_of(role)].update(total.reserved(role).quantities())
            for (_, role), resources in agent.used().items():
                used[top_of(role)].update(resources.unreserved().quantities())
        return used


def _total(amounts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total = Counter[str]()
    for each in amounts:
        total.update(each)
    return total


def _done(what: str, wishes: Mapping[Role, float | Quota | None]) -> str:
    verb = "set" if any(wishes.values()) else "taken away"
    return f"{what} {verb} of {', '.join(wishes) or 'no role'}"
