"""Why a task waits: what is wrong with one offer, and whether any offer so far could ever have held it."""

from collections import Counter
from collections.abc import Iterable, Sequence

from mesos_py.scheduler.toolkit.constraints import Place
from mesos_py.scheduler.toolkit.specs import TaskSpec
from mesos_py.types.offers import Offer
from mesos_py.types.values import format_scalar

__all__ = ["Sightings", "why_not_here"]


def why_not_here(spec: TaskSpec, offer: Offer, placed: Sequence[Place] = ()) -> str | None:
    """Why the task cannot go on this offer, or None: ``cpus: 8 wanted, 4 offered``.

    ``placed`` is where the other tasks of its group are.
    """
    if spec.role is not None and offer.role != spec.role:
        return f"role: {spec.role} wanted, offered to {offer.role}"
    for constraint in spec.constraints:
        if not constraint.allows(offer, placed):
            return f"constraint {constraint}"
    for name, wanted in spec.task.resources.items():
        if isinstance(wanted, int):
            offered = offer.resources.scalar(name)
            if offered < wanted:
                return f"{name}: {format_scalar(wanted)} wanted, {format_scalar(offered)} offered"
    if (ports := _count(offer)) < spec.ports:
        return f"ports: {spec.ports} wanted, {ports} offered"
    if offer.resources.find(spec.task.resources) is None:
        return f"resources: {spec.task.resources} wanted, {offer.resources} offered"
    return None


def _count(offer: Offer) -> int:
    return sum(end - begin + 1 for begin, end in offer.resources.ports)


class Sightings:
    """The largest that was offered so far, to fail fast on what nobody has, and the reasons of refusals.

    Offers show what is free, not what an agent has: "impossible" here means that no offer so far could have held the
    task, so ask only after enough offers were seen.
    """

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.offers = 0
        self._largest: dict[str, int] = {}
        self._refusals: dict[str, Counter[str]] = {}

    def saw(self, offers: Iterable[Offer]) -> None:
        """Take note of these."""
        for offer in offers:
            self.offers += 1
            for name, amount in offer.resources.quantities().items():
                if amount > self._largest.get(name, 0):
                    self._largest[name] = amount
            if (ports := _count(offer)) > self._largest.get("ports", 0):
                self._largest["ports"] = ports

    def why_impossible(self, spec: TaskSpec) -> str | None:
        """Why no offer so far could have held it: ``no agent has 64 cpus: the largest offer so far had 8``."""
        if not self.offers:
            return None
        for name, wanted in spec.task.resources.items():
            largest = self._largest.get(name, 0)
            if isinstance(wanted, int) and wanted > largest:
                return f"no agent has {format_scalar(wanted)} {name}: the largest offer so far had " + (
                    format_scalar(largest) if largest else "none"
                )
        if spec.ports > self._largest.get("ports", 0):
            return f"no agent has {spec.ports} ports: the largest offer so far had {self._largest.get('ports', 0)}"
        return None

    def refused(self, spec: TaskSpec, offers: Iterable[Offer], placed: Sequence[Place] = ()) -> None:
        """Count why the task did not go on these; what is counted is kept per group, or per task without one."""
        counts = self._refusals.setdefault(spec.group or spec.task_id, Counter())
        for offer in offers:
            if (why := why_not_here(spec, offer, placed)) is not None:
                counts[why if why.startswith("constraint") else why.partition(":")[0]] += 1

    def reasons(self, key: str) -> dict[str, int]:
        """How often each reason was met for a group or task, the commonest first."""
        return dict(self._refusals.get(key, Counter()).most_common())

    def forget(self, key: str) -> None:
        """A group or task that waits no more."""
        self._refusals.pop(key, None)
