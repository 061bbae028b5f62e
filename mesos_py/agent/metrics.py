"""The figures of an agent, for monitoring; docs/monitoring.md has what each means and what Mesos calls it."""

from collections import Counter

from mesos_py.agent.state import AgentState
from mesos_py.types.metrics import Metric, counter, gauge, of_resources
from mesos_py.types.tasks import LIVE, TaskState

__all__ = ["metrics_of"]


def metrics_of(state: AgentState) -> list[Metric]:
    """All of them at this moment."""
    tasks = Counter(task.state for task in state.tasks())
    executors = [executor for framework in state.frameworks.values() for executor in framework.executors.values()]
    waiting = sum(len(task.updates) for task in state.tasks())
    amounts = {"total": state.config.info.resources, "used": state.used}
    connected = Counter("connected" if executor.connected else "disconnected" for executor in executors)
    counted = (((name,), number) for name, number in sorted(state.counters.items()))
    return [
        gauge("registered", "1 if a master has admitted this agent and it is connected.", int(state.registered)),
        gauge("frameworks", "Frameworks with something here.", len(state.frameworks)),
        gauge("tasks", "Tasks that have not ended, by state.", _by_state(tasks), "state"),
        gauge("executors", "Custom executors, by state.", _by_name(connected), "state"),
        gauge("containers", "Containers asked for and not ended.", len(state.containers)),
        gauge("updates_unacknowledged", "Status updates that no framework has acknowledged yet.", waiting),
        gauge("resources", "Resources of this agent.", of_resources(amounts), "use", "resource"),
        counter("events", "What was dropped or refused, by what it was.", counted, "event"),
    ]


def _by_state(tasks: Counter[TaskState]) -> list[tuple[tuple[str, ...], float]]:
    return [((state.lower(),), tasks[state]) for state in sorted(LIVE)]


def _by_name(numbers: Counter[str]) -> list[tuple[tuple[str, ...], float]]:
    return [((name,), numbers[name]) for name in ("connected", "disconnected")]
