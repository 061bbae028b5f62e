"""Ends all that an agent runs, on its master's order, and says when there is nothing left.

Tasks are killed, each with its own grace period or the shorter one that the order allows; an executor is shut down
when it has no task any more. At the order's deadline whatever is left is ended at once. The agent drains until the
last update is acknowledged; then it would take on tasks again, but its master offers nothing of it.
"""

from mesos_py.agent.checkpoint import DrainEnded, DrainOrdered, Ending, SequenceSeen
from mesos_py.agent.executors import Executors
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.state import AgentState, Executor, Stage, Task
from mesos_py.agent.tasks import LONGEST_GRACE_S, Tasks, grace_of
from mesos_py.agent.timers import Timer, Timers
from mesos_py.messages.agent import DrainAgent
from mesos_py.types.tasks import KillPolicy, Reason, TaskState

__all__ = ["Draining"]

_DRAINED = Ending(state=TaskState.KILLED, reason=Reason.AGENT_DRAINING, message="its agent is being drained")


class Draining:
    """Serves DRAIN_AGENT."""

    def __init__(self, state: AgentState, out: Outbox, timers: Timers, tasks: Tasks, executors: Executors) -> None:
        self._state = state
        self._out = out
        self._timers = timers
        self._tasks = tasks
        self._executors = executors
        self._timer: Timer | None = None

    def order(self, order: DrainAgent, now: float) -> None:
        """Begin, or go on with other wishes."""
        state = self._state
        if order.sequence <= state.sequence:
            state.count("drains_repeated")
            return
        state.sequence = order.sequence
        self._out.record(SequenceSeen(epoch=state.epoch, sequence=order.sequence, master_id=state.master_id))
        state.drain = DrainOrdered(
            max_grace_period_s=order.max_grace_period_s,
            deadline=None if order.deadline_s is None else now + order.deadline_s,
            mark_gone=order.mark_gone,
        )
        self._out.record(state.drain)
        self.begin(now)

    def begin(self, now: float) -> None:
        """End all there is; also what an earlier process was ordered to end."""
        drain = self._state.drain
        if drain is None:
            return
        for task in list(self._state.tasks()):
            if task.executor is None:
                self._tasks.stop(task, _DRAINED, self._longest(now, _grace_so_far(task)), now)
            elif task.stage is not Stage.ENDED:
                self._kill(task, now)
        self._timers.cancel(self._timer)
        self._timer = None
        if drain.deadline is not None:
            self._timer = self._timers.set(max(now, drain.deadline), self._time_is_up, None)

    def proceed(self, now: float) -> None:
        """Shut down executors that have nothing to do, and end when nothing is left."""
        for executor in self._all_executors():
            if not executor.tasks and not executor.shutting_down:
                self._executors.shutdown(executor, now, self._longest(now, LONGEST_GRACE_S))
        if not self._state.frameworks:
            self._state.drain = None
            self._timers.cancel(self._timer)
            self._timer = None
            self._out.record(DrainEnded())

    def _kill(self, task: Task, now: float) -> None:
        """Its executor is asked, once, and again only if there is less time now."""
        grace_s = self._longest(now, _grace_so_far(task))
        if task.ending is None or grace_s < _grace_so_far(task):
            assert task.executor is not None
            self._executors.kill_task(task, KillPolicy(grace_period_s=grace_s), now)

    def _longest(self, now: float, grace_s: float) -> float:
        """Of a grace period, what the order leaves."""
        drain = self._state.drain
        assert drain is not None
        if drain.max_grace_period_s is not None:
            grace_s = min(grace_s, drain.max_grace_period_s)
        if drain.deadline is not None:
            grace_s = min(grace_s, drain.deadline - now)
        return max(0.0, grace_s)

    def _time_is_up(self, _subject: None, now: float) -> None:
        for executor in self._all_executors():
            self._executors.destroy(executor, now, _DRAINED)
        for task in list(self._state.tasks()):
            if task.executor is None:
                self._tasks.stop(task, _DRAINED, 0.0, now)

    def _all_executors(self) -> list[Executor]:
        return [e for framework in self._state.frameworks.values() for e in framework.executors.values()]


def _grace_so_far(task: Task) -> float:
    """What whoever is having it killed gave it, else its own."""
    return grace_of(None, task) if task.kill_grace_s is None else task.kill_grace_s
