"""How an agent goes for good: on the operator's order with grace, or refused by the master, without."""

from mesos_py.agent.checkpoint import Ending
from mesos_py.agent.effects import StopAgent
from mesos_py.agent.executors import Executors
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.state import AgentState, Executor, Stage, Task
from mesos_py.agent.tasks import Tasks, grace_of
from mesos_py.agent.updates import Updates
from mesos_py.messages.agent import UnregisterAgent
from mesos_py.types.tasks import Reason, TaskState

__all__ = ["Leaving"]

_CLEANED_UP = Ending(
    state=TaskState.KILLED, reason=Reason.AGENT_RESTARTED, message="the agent was restarted to end what it had run"
)
_AGENT_LEAVES = Ending(state=TaskState.KILLED, reason=Reason.AGENT_REMOVED, message="the agent was stopped")


class Leaving:
    """Stops everything, then the agent."""

    def __init__(self, state: AgentState, out: Outbox, updates: Updates, tasks: Tasks, executors: Executors) -> None:
        self._state = state
        self._out = out
        self._updates = updates
        self._tasks = tasks
        self._executors = executors
        self._refused: str | None = None
        self._cleaning = False
        self._deadline: float | None = None
        """When all has ended: until then the last updates may be acknowledged."""
        self.stopped = False

    @property
    def refused(self) -> bool:
        """True once the master wants none of this agent."""
        return self._refused is not None

    def order(self, now: float) -> None:
        """Stop all tasks with their grace periods, then leave."""
        if self._state.leaving:
            return
        self._state.leaving = True
        for executor in self._all_executors():
            self._executors.shutdown(executor, now)
        for task in self._command_tasks():
            self._tasks.stop(task, _AGENT_LEAVES, grace_of(None, task), now)

    def refuse(self, error: str, now: float) -> None:
        """Stop all tasks at once, then the agent."""
        self._state.leaving = True
        self._state.registered = False
        self._updates.pause()
        self._refused = error
        for executor in self._all_executors():
            self._executors.destroy(executor, now)
        for task in self._command_tasks():
            self._tasks.destroy(task, now)

    def clean_up(self, now: float) -> None:
        """End at once what an earlier process left, then the agent; the master hears of it from the next one."""
        self._state.leaving = True
        self._cleaning = True
        for executor in self._all_executors():
            self._executors.destroy(executor, now)
        for task in self._command_tasks():
            self._tasks.stop(task, _CLEANED_UP, 0.0, now)

    def proceed(self, now: float) -> None:
        """Go, if there is nothing left to wait for."""
        state = self._state
        if self.stopped or state.containers or any(task.stage is not Stage.ENDED for task in state.tasks()):
            return
        if self._refused is not None:
            self._stop(self._refused)
            return
        if self._cleaning:
            self._stop("")
            return
        if self._deadline is None:
            self._deadline = now + state.config.leave_timeout_s
        if state.frameworks and now < self._deadline:
            return
        if state.registered and state.agent_id is not None:
            self._out.to_master(UnregisterAgent(agent_id=state.agent_id))
        self._stop("")

    def next_deadline(self) -> float | None:
        """When to stop waiting for acknowledgements."""
        return None if self.stopped else self._deadline

    def _stop(self, error: str) -> None:
        self.stopped = True
        self._state.registered = False
        self._updates.pause()
        self._out.effects.append(StopAgent(error))

    def _all_executors(self) -> list[Executor]:
        return [e for framework in self._state.frameworks.values() for e in framework.executors.values()]

    def _command_tasks(self) -> list[Task]:
        return [task for task in self._state.tasks() if task.executor is None]
