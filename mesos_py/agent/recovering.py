"""Takes in what an earlier process of the agent left: what runs is watched again, what ended is reported.

======================  ====================================  =================================================
its container           a command task                        a custom executor
======================  ====================================  =================================================
lives                   goes on; a kill goes on too           has a moment to come back
has ended               ends as if it had ended just now      ends, and its tasks with it
never began             is started, unless it was killed      is started, if it has tasks
is not known            FAILED                                ends, and its tasks with it
======================  ====================================  =================================================

Only when every executor is back or given up does the agent speak to a master: what it says then is the truth.
"""

from collections.abc import Mapping

from mesos_py.agent.checkpoint import Ending
from mesos_py.agent.executors import Executors
from mesos_py.agent.leaving import Leaving
from mesos_py.agent.registration import Registration
from mesos_py.agent.specs import executor_spec, task_spec
from mesos_py.agent.state import AgentState, Executor, Group, Stage, Task
from mesos_py.agent.tasks import Tasks
from mesos_py.types.containers import ContainerExit, ContainerFate, ContainerLives, ContainerSpec, NeverBegan
from mesos_py.types.ids import ContainerID
from mesos_py.types.tasks import TERMINAL, Reason, TaskState

__all__ = ["Recovering"]

_NOBODY_KNOWS = ContainerExit(
    reason=Reason.AGENT_RESTARTED, message="the agent was restarted, and how the task ended is not known"
)
_NOT_WHOLE = Ending(
    state=TaskState.DROPPED,
    reason=Reason.AGENT_RESTARTED,
    message="the agent was restarted before it had taken on the whole group",
)


class Recovering:
    """From the first moment of a process until it knows what runs."""

    def __init__(
        self, state: AgentState, tasks: Tasks, executors: Executors, registration: Registration, leaving: Leaving
    ) -> None:
        self._state = state
        self._leaving = leaving
        self._tasks = tasks
        self._executors = executors
        self._registration = registration
        self._taken_in = False
        self._awaited: list[Executor] = []

    def specs(self) -> list[ContainerSpec]:
        """Of all containers that may live."""
        state = self._state
        return [
            executor_spec(state, owner) if isinstance(owner, Executor) else task_spec(state, owner)
            for owner in state.containers.values()
        ]

    def take_in(self, fates: Mapping[ContainerID, ContainerFate], now: float) -> None:
        """What became of them."""
        self._taken_in = True
        idle = self._put_back(fates)
        groups = {task.group: None for task in self._state.tasks() if task.group is not None}
        for group in groups:
            group.broken = True  # for a moment: nothing is stopped for another's end before all ends are taken in
        for container_id, owner in list(self._state.containers.items()):
            fate = fates.get(container_id)
            if isinstance(fate, ContainerLives):
                self._survived(owner, fate.pid, now)
            else:
                self._ended(owner, fate if isinstance(fate, ContainerExit) else _NOBODY_KNOWS, now)
        for group in groups:
            self._finish_group(group, now)
        self._finish_removals(now)
        if self._state.config.cleanup:
            self._leaving.clean_up(now)
            return
        for owner in idle:
            if isinstance(owner, Task):
                self._tasks.begin_again(owner, now)
            elif owner.stage is Stage.HELD:
                self._executors.begin_again(owner, now)

    def proceed(self, now: float) -> None:
        """Register, if there is nobody left to wait for."""
        if not self._taken_in or self._state.config.cleanup:
            return
        self._awaited = [executor for executor in self._awaited if _is_awaited(executor)]
        if not self._awaited:
            self._state.recovering = False
            self._registration.recovered(now)

    def _put_back(self, fates: Mapping[ContainerID, ContainerFate]) -> list[Task | Executor]:
        """Those that were not begun, as if they had just been written down."""
        idle = []
        for container_id, owner in list(self._state.containers.items()):
            if isinstance(fates.get(container_id), NeverBegan) and owner.stage is Stage.PREPARING:
                del self._state.containers[container_id]
                owner.stage = Stage.HELD
                idle.append(owner)
        return idle

    def _survived(self, owner: Task | Executor, pid: int, now: float) -> None:
        if isinstance(owner, Task):
            self._tasks.survived(owner, pid, now)
            return
        self._executors.survived(owner, pid, now)
        if owner.seen and not owner.shutting_down:
            self._awaited.append(owner)

    def _ended(self, owner: Task | Executor, exit_: ContainerExit, now: float) -> None:
        if isinstance(owner, Task):
            self._tasks.ended(owner, exit_, now)
        else:
            self._executors.ended(owner, exit_, now)

    def _finish_group(self, group: Group, now: float) -> None:
        """Stop what is left of it, if part of it has failed or was never written down."""
        if group.partial:
            for task in group.tasks:
                if task.executor is None:
                    self._tasks.drop(task, _NOT_WHOLE, now)
                elif task.stage is Stage.DELIVERED:
                    self._executors.drop(task.executor, task, _NOT_WHOLE, now)
        group.broken = any(task.state in TERMINAL - {TaskState.FINISHED} for task in group.tasks)
        if group.broken:
            self._tasks.stop_group(group, now)

    def _finish_removals(self, now: float) -> None:
        """What a master ordered of whole frameworks, and was not written down for each of their parts."""
        for framework in list(self._state.frameworks.values()):
            if framework.removed:
                for executor in list(framework.executors.values()):
                    self._executors.shutdown(executor, now)
                for task in list(framework.tasks.values()):
                    if task.executor is None:
                        self._tasks.kill(task, None, now)


def _is_awaited(executor: Executor) -> bool:
    timer = executor.registration_timer
    return executor.stage is Stage.UP and not executor.connected and timer is not None and timer.alive
