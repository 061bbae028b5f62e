"""Starts, watches, kills and buries command tasks, each in a container of its own.

How a task ends: asked to stop, it is KILLED whatever its exit status (or what its ``Ending`` says); broke a limit,
FAILED for that reason; otherwise FINISHED for exit status 0 and FAILED for any other.
"""

from signal import SIGTERM

from mesos_py.agent.checkpoint import ContainerPid, Ending, KillOrdered
from mesos_py.agent.effects import CheckHealth, DestroyContainer, ForgetContainer, SignalContainer, StartContainer
from mesos_py.agent.health import Health, Verdict
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.specs import task_spec
from mesos_py.agent.state import AgentState, Group, Stage, Task
from mesos_py.agent.timers import Timers
from mesos_py.agent.updates import Updates
from mesos_py.types.containers import ContainerExit, signal_name
from mesos_py.types.tasks import HealthCheck, KillPolicy, Reason, TaskState

__all__ = ["BY_REQUEST", "DURING_LAUNCH", "LONGEST_GRACE_S", "Tasks", "exit_message", "grace_of"]

LONGEST_GRACE_S = 365 * 24 * 3600.0

BY_REQUEST = Ending(state=TaskState.KILLED)
DURING_LAUNCH = Ending(
    state=TaskState.KILLED, reason=Reason.TASK_KILLED_DURING_LAUNCH, message="killed before it had started"
)
_WITH_GROUP = Ending(state=TaskState.KILLED, message="another task of its group failed or was killed")
_TOO_LONG = Ending(
    state=TaskState.FAILED, reason=Reason.MAX_COMPLETION_TIME_REACHED, message="ran longer than it was allowed to"
)


class Tasks:
    """All command tasks of an agent."""

    def __init__(self, state: AgentState, out: Outbox, timers: Timers, updates: Updates) -> None:
        self._state = state
        self._out = out
        self._timers = timers
        self._updates = updates

    # Starting

    def start(self, task: Task, _now: float) -> None:
        """The task's record is durable: ask for its container, unless it was killed meanwhile."""
        if task.stage is not Stage.HELD:
            return
        state = self._state
        spec = task_spec(state, task)
        task.stage = Stage.PREPARING
        state.containers[spec.container_id] = task
        self._out.effects.append(StartContainer(spec))

    def start_group(self, group: Group, now: float) -> None:
        """The records of all its tasks are durable."""
        for task in group.tasks:
            self.start(task, now)

    def started(self, task: Task, pid: int, now: float) -> None:
        """The container's command runs."""
        if task.stage is not Stage.PREPARING:
            self._state.count("container_events_ignored")
            return
        assert task.container_id is not None
        task.stage = Stage.UP
        task.pid, task.began = pid, now
        self._out.record(ContainerPid(container_id=task.container_id, pid=pid, at=now))
        if task.ending is None:
            self._updates.add(task, now, TaskState.RUNNING)
            self._watch(task, now)

    def survived(self, task: Task, pid: int, now: float) -> None:
        """The container of an earlier process runs: go on as if nothing had been."""
        assert task.container_id is not None
        if task.stage is Stage.PREPARING:
            self.started(task, pid, now)
        elif task.ending is None:
            if task.state is TaskState.STAGING:
                self._updates.add(task, now, TaskState.RUNNING)
            self._watch(task, now)
        if task.ending is None:
            return
        if task.state is TaskState.RUNNING:
            self._updates.add(task, now, TaskState.KILLING, message=task.ending.message)
        left_s = min(task.kill_deadline - now, task.kill_grace_s or 0.0)
        if left_s > 0.0:
            self._out.effects.append(SignalContainer(task.container_id, SIGTERM))
            task.kill_timer = self._timers.set(now + left_s, self._grace_is_over, task)
        else:
            self._grace_is_over(task, now)

    def begin_again(self, task: Task, now: float) -> None:
        """An earlier process took it on, and no process of it was ever started."""
        if task.stage is Stage.HELD and task.ending is not None:
            self._end(task, task.ending, None, now)
        else:
            self.start(task, now)

    def drop(self, task: Task, ending: Ending, now: float) -> None:
        """It was not started, and it will not be."""
        if task.stage is Stage.HELD:
            self._end(task, ending, None, now)

    def stop_group(self, group: Group, now: float) -> None:
        """One of its tasks did not end well: stop the others."""
        group.broken = True
        for other in group.tasks:
            self.stop(other, _WITH_GROUP, grace_of(None, other), now)

    # Ending

    def failed(self, task: Task, reason: Reason, message: str, now: float) -> None:
        """The container never ran."""
        ending = task.ending or Ending(state=TaskState.FAILED, reason=reason, message=message)
        self._end(task, ending, None, now)

    def ended(self, task: Task, exit_: ContainerExit, now: float) -> None:
        """The container is no more."""
        ending = task.ending
        if ending is None:
            if exit_.reason is not None:
                ending = Ending(
                    state=TaskState.FAILED, reason=exit_.reason, message=exit_.message or exit_message(exit_)
                )
            elif exit_.exit_code == 0:
                ending = Ending(state=TaskState.FINISHED, message=exit_.message)
            else:
                ending = Ending(state=TaskState.FAILED, message=exit_.message or exit_message(exit_))
        elif not ending.message:
            ending = Ending(state=ending.state, reason=ending.reason, message=exit_message(exit_))
        self._end(task, ending, exit_.exit_code, now)

    def _end(self, task: Task, ending: Ending, exit_code: int | None, now: float) -> None:
        state = self._state
        was_asked_for = task.stage is not Stage.HELD
        if was_asked_for:
            assert task.container_id is not None
            state.containers.pop(task.container_id, None)
        task.stage = Stage.ENDED
        state.give_back(task.info.resources)
        self._timers.cancel(task.kill_timer)
        self._timers.cancel(task.completion_timer)
        if task.health is not None:
            self._timers.cancel(task.health.timer)
            task.health = None
        self._updates.add(
            task,
            now,
            ending.state,
            reason=ending.reason,
            message=ending.message,
            healthy=ending.healthy,
            exit_code=exit_code,
        )
        if was_asked_for:
            self._out.when_durable(self._forget_container, task, now)
        group = task.group
        if group is not None and ending.state is not TaskState.FINISHED and not group.broken:
            self.stop_group(group, now)

    def _forget_container(self, task: Task, _now: float) -> None:
        assert task.container_id is not None
        self._out.effects.append(ForgetContainer(task.container_id))

    # Killing

    def kill(self, task: Task, policy: KillPolicy | None, now: float) -> None:
        """Its framework wants it to end."""
        self.stop(task, BY_REQUEST, grace_of(policy, task), now)

    def stop(self, task: Task, ending: Ending, grace_s: float, now: float) -> None:
        """End a task as ``ending``; asked again it can only become sooner."""
        if task.stage is Stage.HELD:
            self._end(task, _unstarted(ending), None, now)
        elif task.stage is Stage.PREPARING:
            self._stop_preparing(task, _unstarted(ending), now)
        elif task.stage is Stage.UP:
            self._stop_running(task, ending, grace_s, now)

    def destroy(self, task: Task, now: float) -> None:
        """End a task without grace."""
        self.stop(task, BY_REQUEST, 0.0, now)

    def _stop_preparing(self, task: Task, ending: Ending, now: float) -> None:
        if task.ending is None:
            task.ending = ending
            assert task.container_id is not None
            self._record_kill(task, ending, 0.0, now)
            self._out.when_durable(self._grace_is_over, task, now)

    def _stop_running(self, task: Task, ending: Ending, grace_s: float, now: float) -> None:
        assert task.container_id is not None
        deadline = now + grace_s
        if task.ending is None:
            task.ending = ending
            self._stop_watching(task)
            self._record_kill(task, ending, grace_s, now)
            self._updates.add(task, now, TaskState.KILLING, message=ending.message)
            if grace_s > 0.0:
                self._out.when_durable(self._terminate, task, now)
        elif task.kill_timer is None or not task.kill_timer.alive or task.kill_timer.deadline <= deadline:
            return
        else:
            self._record_kill(task, task.ending, grace_s, now)
        self._timers.cancel(task.kill_timer)
        if grace_s > 0.0:
            task.kill_timer = self._timers.set(deadline, self._grace_is_over, task)
        else:
            self._out.when_durable(self._grace_is_over, task, now)

    def _record_kill(self, task: Task, ending: Ending, grace_s: float, now: float) -> None:
        task.kill_deadline, task.kill_grace_s = now + grace_s, grace_s
        self._out.record(
            KillOrdered(
                framework_id=task.framework.framework_id,
                task_id=task.info.task_id,
                ending=ending,
                deadline=now + grace_s,
                grace_period_s=grace_s,
            )
        )

    def _terminate(self, task: Task, _now: float) -> None:
        assert task.container_id is not None
        if task.stage is Stage.UP:
            self._out.effects.append(SignalContainer(task.container_id, SIGTERM))

    def _grace_is_over(self, task: Task, _now: float) -> None:
        assert task.container_id is not None
        if task.stage is not Stage.ENDED:
            self._out.effects.append(DestroyContainer(task.container_id))

    def _ran_too_long(self, task: Task, now: float) -> None:
        self.stop(task, _TOO_LONG, grace_of(None, task), now)

    # Health

    def _watch(self, task: Task, now: float) -> None:
        if task.info.max_completion_time_s is not None:
            deadline = min(task.began or now, now) + min(task.info.max_completion_time_s, LONGEST_GRACE_S)
            task.completion_timer = self._timers.set(deadline, self._ran_too_long, task)
        if task.info.health_check is not None:
            self._watch_health(task, task.info.health_check, now)

    def _watch_health(self, task: Task, check: HealthCheck, now: float) -> None:
        task.health = Health(check, now)
        task.health.timer = self._timers.set(task.health.first_check(), self._check_health, task)

    def _stop_watching(self, task: Task) -> None:
        self._timers.cancel(task.completion_timer)
        if task.health is not None:
            self._timers.cancel(task.health.timer)
            task.health = None

    def _check_health(self, task: Task, _now: float) -> None:
        assert task.container_id is not None
        assert task.health is not None
        task.health.waiting = True
        self._out.effects.append(CheckHealth(task.container_id, task.health.check))

    def health_checked(self, task: Task, healthy: bool, message: str, now: float) -> None:
        """A result; of no interest once the task is being stopped."""
        health = task.health
        if health is None or not health.waiting:
            return
        verdict = health.judge(healthy=healthy, now=now)
        if verdict is not Verdict.NOTHING_NEW and not self._updates.is_full(task):
            reason = Reason.TASK_HEALTH_CHECK_STATUS_UPDATED
            self._updates.add(task, now, TaskState.RUNNING, reason=reason, message=message, healthy=healthy)
        if verdict is Verdict.HOPELESS:
            failing = Ending(state=TaskState.KILLED, message=f"health checks failed: {message}", healthy=False)
            self.stop(task, failing, grace_of(None, task), now)
        else:
            health.timer = self._timers.set(health.next_check(now), self._check_health, task)


def _unstarted(ending: Ending) -> Ending:
    """How a task ends that has not started: that is the reason, unless there is a better one."""
    return DURING_LAUNCH if ending.reason is None else ending


def grace_of(policy: KillPolicy | None, task: Task) -> float:
    """Seconds from TERM to KILL: what the caller says, else the task."""
    grace_s = (policy or task.info.kill_policy).grace_period_s
    return min(grace_s, LONGEST_GRACE_S) if grace_s > 0.0 else 0.0


def exit_message(exit_: ContainerExit) -> str:
    """How a container ended, in words."""
    if exit_.exit_code is not None:
        return f"exited with status {exit_.exit_code}"
    if exit_.signal is None:
        return "ended, and nobody could learn how"
    return f"killed by {signal_name(exit_.signal)}"
