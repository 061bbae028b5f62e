"""The figures of a leading master, for monitoring; docs/monitoring.md has what each means and what Mesos calls it."""

from collections import Counter

from mesos_py.allocator.base import RoleShare
from mesos_py.master.state import MasterState
from mesos_py.types.metrics import Metric, counter, gauge, of_resources
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import LIVE, TERMINAL

__all__ = ["metrics_of"]

_OFFERS = ("sent", "accepted", "declined", "rescinded")
_FROM_ZERO = dict.fromkeys(
    ("agents_unreachable", "late_echoes", "deliveries_of_foreign_users", "calls_refused/FOREIGN_USER"), 0
)
"""What alerts ask the increase of: a series that begins with its first event has none then."""
_ENDED = {f"tasks_{state.lower()}": state.lower() for state in TERMINAL}


def metrics_of(state: MasterState, shares: list[RoleShare]) -> list[Metric]:
    """All of them at this moment."""
    return [*_of_agents(state), *_of_frameworks(state), *_of_tasks(state), *_of_roles(shares), *_of_events(state)]


def _of_agents(state: MasterState) -> list[Metric]:
    agents = state.agents.values()
    connected = sum(agent.connected for agent in agents)
    amounts = {
        "total": Resources.scalars(agent.info.resources for agent in agents),
        "used": Resources.scalars(used for agent in agents for used in agent.used().values()),
        "offered": Resources.scalars(offer.resources for offer, _ in state.offers.values()),
    }
    by_state = {
        "connected": connected,
        "disconnected": len(state.absent),
        "unreachable": len(state.registry.unreachable),
        "gone": len(state.registry.gone),
    }
    lags = (((inbox,), lag_s) for inbox, lag_s in sorted(state.inbox_lag_s.items()))
    return [
        gauge("epoch", "Epoch of this leadership.", state.info.epoch),
        gauge("agents", "Agents by state.", (((name,), number) for name, number in by_state.items()), "state"),
        gauge("resources", "Resources of the agents that are known.", of_resources(amounts), "use", "resource"),
        gauge("offers_outstanding", "Offers that nobody has answered yet.", len(state.offers)),
        gauge("inbox_lag_seconds", "How long our own echo took last through each inbox.", lags, "inbox"),
    ]


def _of_frameworks(state: MasterState) -> list[Metric]:
    frameworks = state.frameworks.values()
    by_state = Counter(each.status for each in frameworks)
    names = [((each.framework_id, each.info.name), each) for each in frameworks]
    offers = (
        ((*ids, outcome), each.counters.get(f"offers_{outcome}", 0)) for ids, each in names for outcome in _OFFERS
    )
    tasks = ((ids, sum(task.is_live for task in each.tasks.values())) for ids, each in names)
    ids = ("framework_id", "framework")
    return [
        gauge("frameworks", "Frameworks by state.", (((name,), number) for name, number in by_state.items()), "state"),
        gauge("framework_tasks", "Live tasks of a framework.", tasks, *ids),
        counter("framework_offers", "Offers to a framework, by what became of them.", offers, *ids, "outcome"),
    ]


def _of_tasks(state: MasterState) -> list[Metric]:
    live = Counter(task.state for each in state.frameworks.values() for task in each.tasks.values() if task.is_live)
    unreachable = sum(len(each.unreachable) for each in state.frameworks.values())
    by_state = [((each.lower(),), live[each]) for each in sorted(LIVE)]
    ended = (((name,), state.counters.get(key, 0)) for key, name in sorted(_ENDED.items()))
    return [
        gauge("tasks", "Tasks that have not ended, by state.", [*by_state, (("unreachable",), unreachable)], "state"),
        counter("tasks_ended", "Tasks that have ended, by state.", ended, "state"),
    ]


def _of_roles(shares: list[RoleShare]) -> list[Metric]:
    return [
        gauge("role_dominant_share", "Largest share of a role in any resource.", _shares(shares), "role"),
        gauge("role_weight", "Weight of a role.", (((share.role,), share.weight) for share in shares), "role"),
    ]


def _shares(shares: list[RoleShare]) -> list[tuple[tuple[str, ...], float]]:
    return [((share.role,), share.dominant_share) for share in shares]


def _of_events(state: MasterState) -> list[Metric]:
    """Whatever is counted; what has a reason after a stroke has a label for it."""
    plain: list[tuple[tuple[str, ...], float]] = []
    refused: list[tuple[tuple[str, ...], float]] = []
    for name, number in sorted({**_FROM_ZERO, **state.counters}.items()):
        what, stroke, reason = name.partition("/")
        if stroke:
            refused.append(((what.removesuffix("_refused"), reason), number))
        elif name not in _ENDED:
            plain.append(((name,), number))
    return [
        counter("events", "What happened, by what it was.", plain, "event"),
        counter("refused", "Calls and tasks that were refused, by reason.", refused, "what", "reason"),
    ]
