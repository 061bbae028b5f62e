"""Starts custom executors, hands them their tasks, takes in what they report, and buries them.

An executor lives in one container. Its tasks are handed over in order of arrival, once it has connected and their
records are durable; its container has the resources of the executor and of all its live tasks. When it comes back
after a lost connection, what may have been lost with it is said again: tasks it has not reported on, and kills. An
executor ignores a task that it knows.
"""

from signal import SIGTERM

from mesos_py.agent.checkpoint import (
    ContainerPid,
    Ending,
    ExecutorEnded,
    ExecutorLaunched,
    ExecutorSeen,
    KillOrdered,
    ShutdownOrdered,
)
from mesos_py.agent.effects import (
    DestroyContainer,
    ForgetContainer,
    SendToExecutor,
    SignalContainer,
    StartContainer,
    UpdateContainer,
)
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.paths import executor_sandbox
from mesos_py.agent.reports import Reports
from mesos_py.agent.specs import executor_spec, limits_of
from mesos_py.agent.state import AgentState, Batch, Executor, Framework, Stage, Task
from mesos_py.agent.tasks import BY_REQUEST, DURING_LAUNCH, LONGEST_GRACE_S, exit_message
from mesos_py.agent.timers import Timers
from mesos_py.agent.updates import Updates
from mesos_py.messages.agent import ExecutorExited
from mesos_py.messages.executor import (
    ExecutorEvent,
    ExecutorSubscribed,
    ExecutorUpdate,
    KillExecutorTask,
    LaunchTask,
    LaunchTaskGroup,
    ShutdownOrder,
)
from mesos_py.types.containers import ContainerExit
from mesos_py.types.ids import Role, TaskID
from mesos_py.types.tasks import ExecutorInfo, KillPolicy, Reason, Source, TaskState

__all__ = ["Executors"]

_NEVER_CONNECTED = Ending(
    state=TaskState.FAILED, reason=Reason.EXECUTOR_REGISTRATION_TIMEOUT, message="its executor did not connect in time"
)
_NEVER_RETURNED = Ending(
    state=TaskState.GONE,
    reason=Reason.EXECUTOR_REREGISTRATION_TIMEOUT,
    message="its executor did not come back in time after a restart of the agent",
)
_SHUT_DOWN = Ending(state=TaskState.FAILED, reason=Reason.EXECUTOR_TERMINATED, message="its executor was shut down")


class Executors:
    """All custom executors of an agent."""

    def __init__(self, state: AgentState, out: Outbox, timers: Timers, updates: Updates, reports: Reports) -> None:
        self._state = state
        self._out = out
        self._timers = timers
        self._updates = updates
        self._reports = reports

    # Starting

    def launch(self, framework: Framework, info: ExecutorInfo, role: Role, now: float) -> Executor:
        """Take on a new executor; its container is asked for as soon as its record is durable."""
        state = self._state
        container_id = state.new_container_id()
        sandbox = executor_sandbox(framework.sandboxes, info.executor_id, container_id)
        executor = Executor(framework, info, role, container_id, sandbox)
        framework.executors[info.executor_id] = executor
        state.take(info.resources)
        self._out.record(
            ExecutorLaunched(
                framework_id=framework.framework_id,
                executor=info,
                role=role,
                container_id=container_id,
                sandbox=sandbox,
            )
        )
        self._out.when_durable(self._start, executor, now)
        return executor

    @staticmethod
    def adopt(executor: Executor, tasks: list[Task]) -> None:
        """Make these the executor's; they are still to be handed over."""
        for task in tasks:
            task.executor = executor
            task.container_id = executor.container_id
            task.sandbox = executor.sandbox
            executor.tasks[task.info.task_id] = task
            executor.need += task.info.resources
            executor.has_limits = executor.has_limits or bool(task.info.limits)

    def hand_over(self, executor: Executor, tasks: list[Task], now: float) -> None:
        """Give tasks to an executor, as soon as their records are durable and it has connected."""
        batch = Batch(tasks)
        executor.queue.append(batch)
        self._out.when_durable(lambda batch, now: self._durable(executor, batch), batch, now)

    def _start(self, executor: Executor, now: float) -> None:
        if executor.stage is not Stage.HELD:
            return
        state = self._state
        spec = executor_spec(state, executor)
        executor.stage = Stage.PREPARING
        executor.told, executor.told_limits = executor.need, limits_of(executor)
        state.containers[executor.container_id] = executor
        self._await_connection(executor, now)
        self._out.effects.append(StartContainer(spec))

    def _await_connection(self, executor: Executor, now: float) -> None:
        deadline = now + self._state.config.executor_registration_timeout_s
        executor.registration_timer = self._timers.set(deadline, self._did_not_connect, executor)

    def _durable(self, executor: Executor, batch: Batch) -> None:
        batch.durable = True
        self._flush(executor)

    def _flush(self, executor: Executor) -> None:
        queue = executor.queue
        if not executor.connected or executor.shutting_down:
            return
        while queue and queue[0].durable:
            batch = queue.popleft()
            tasks = [task for task in batch.tasks if task.stage is Stage.HELD]
            if not tasks:
                continue
            self._resize(executor)
            for task in tasks:
                task.stage = Stage.DELIVERED
            executor.delivered_any = True
            self._deliver(executor, tasks)

    def _deliver(self, executor: Executor, tasks: list[Task]) -> None:
        if tasks[0].group is not None:
            self._send(executor, LaunchTaskGroup(tasks=[task.info for task in tasks]))
        else:
            self._send(executor, LaunchTask(task=tasks[0].info))

    def _resize(self, executor: Executor) -> None:
        if executor.stage is not Stage.UP:
            return
        limits = limits_of(executor)
        if executor.told != executor.need or executor.told_limits != limits:
            executor.told, executor.told_limits = executor.need, limits
            self._out.effects.append(UpdateContainer(executor.container_id, executor.need, limits))

    def _send(self, executor: Executor, event: ExecutorEvent) -> None:
        self._out.effects.append(SendToExecutor(executor.container_id, event))

    # Connecting

    def started(self, executor: Executor, pid: int, now: float) -> None:
        """Its command runs; it has yet to connect."""
        if executor.stage is Stage.PREPARING:
            executor.stage = Stage.UP
            executor.pid, executor.began = pid, now
            self._out.record(ContainerPid(container_id=executor.container_id, pid=pid, at=now))
            self._resize(executor)
        else:
            self._state.count("container_events_ignored")

    def connected(self, executor: Executor, updates: list[ExecutorUpdate], now: float) -> None:
        """It has shown its token, for the first time or again; ``updates`` is what it may have said in vain."""
        framework = executor.framework
        if self._state.agent_id is None:
            return
        executor.connected = True
        if not executor.seen:
            executor.seen = True
            self._out.record(ExecutorSeen(container_id=executor.container_id))
        self._timers.cancel(executor.registration_timer)
        subscribed = ExecutorSubscribed(
            executor=executor.info,
            framework_id=framework.framework_id,
            framework=framework.info,
            agent_id=self._state.agent_id,
            hostname=self._state.config.info.hostname,
        )
        self._send(executor, subscribed)
        for update in updates:
            self.updated(executor, update, now)
        if executor.shutting_down:
            self._order_shutdown(executor, now)
        else:
            self._say_again(executor)
        self._flush(executor)

    def disconnected(self, executor: Executor) -> None:
        """It may come back as long as its container lives."""
        executor.connected = False

    def _say_again(self, executor: Executor) -> None:
        said: set[TaskID] = set()
        for task in list(executor.tasks.values()):
            if _not_heard_of(task) and task.info.task_id not in said:
                together = [task] if task.group is None else [one for one in task.group.tasks if _not_heard_of(one)]
                said.update(one.info.task_id for one in together)
                self._deliver(executor, together)
        for task in executor.tasks.values():
            if task.stage is Stage.DELIVERED and task.ending is not None:
                policy = None if task.kill_grace_s is None else KillPolicy(grace_period_s=task.kill_grace_s)
                self._send(executor, KillExecutorTask(task_id=task.info.task_id, kill_policy=policy))

    def _did_not_connect(self, executor: Executor, now: float) -> None:
        self._give_up(executor, _NEVER_CONNECTED, now)

    def _did_not_return(self, executor: Executor, now: float) -> None:
        self._give_up(executor, _NEVER_RETURNED, now)

    def _give_up(self, executor: Executor, ending: Ending, now: float) -> None:
        self._record_shutdown(executor, ending, now)
        self._out.when_durable(self._destroy, executor, now)

    # Of an earlier process

    def survived(self, executor: Executor, pid: int, now: float) -> None:
        """Its container runs; it has yet to connect, or to come back."""
        if executor.stage is Stage.PREPARING:
            self.started(executor, pid, now)
        else:
            self._resize(executor)
        if executor.shutting_down:
            grace_s = min(executor.info.shutdown_grace_period_s, LONGEST_GRACE_S)
            deadline = min(executor.kill_deadline, now + grace_s)
            executor.kill_timer = self._timers.set(deadline, self._destroy, executor)
        elif executor.seen:
            deadline = now + self._state.config.executor_reregistration_timeout_s
            executor.registration_timer = self._timers.set(deadline, self._did_not_return, executor)
        else:
            self._await_connection(executor, now)

    def begin_again(self, executor: Executor, now: float) -> None:
        """No process of it was ever started; it is, if there is something to do for it."""
        if executor.shutting_down:
            assert executor.ending is not None
            self._gone(executor, None, executor.ending, now)
        elif executor.tasks:
            self._start(executor, now)
        else:
            self.shutdown(executor, now)

    def drop(self, executor: Executor, task: Task, ending: Ending, now: float) -> None:
        """End a task that was never handed over."""
        if task.state is TaskState.STAGING:
            self._bury(executor, task, ending, now)

    # Reporting

    def updated(self, executor: Executor, update: ExecutorUpdate, now: float) -> None:
        """A status of one of its tasks."""
        ended = self._reports.take(executor, update, now)
        if ended is not None:
            self._task_ended(executor, ended)
            self._resize(executor)

    def _task_ended(self, executor: Executor, task: Task) -> None:
        task.stage = Stage.ENDED
        self._state.give_back(task.info.resources)
        executor.need -= task.info.resources
        del executor.tasks[task.info.task_id]

    # Killing tasks

    def kill_task(self, task: Task, policy: KillPolicy | None, now: float) -> None:
        """A task not handed over is KILLED here, with its group; otherwise the executor is asked."""
        executor = task.executor
        assert executor is not None
        if task.stage is Stage.DELIVERED:
            grace_s = None if policy is None else policy.grace_period_s
            if task.ending is None or task.kill_grace_s != grace_s:
                self._record_kill(task, grace_s, now)
            if executor.connected:
                self._send(executor, KillExecutorTask(task_id=task.info.task_id, kill_policy=policy))
        elif task.stage is Stage.HELD:
            batch = next(batch for batch in executor.queue if task in batch.tasks)
            for member in batch.tasks:
                self._bury(executor, member, DURING_LAUNCH, now)
            if not executor.delivered_any and not executor.tasks:
                self.shutdown(executor, now)

    def _record_kill(self, task: Task, grace_s: float | None, now: float) -> None:
        task.ending, task.kill_deadline, task.kill_grace_s = BY_REQUEST, now, grace_s
        self._out.record(
            KillOrdered(
                framework_id=task.framework.framework_id,
                task_id=task.info.task_id,
                ending=BY_REQUEST,
                deadline=now,
                grace_period_s=grace_s,
            )
        )

    def _bury(self, executor: Executor, task: Task, ending: Ending, now: float) -> None:
        if task.stage is Stage.ENDED:
            return
        self._task_ended(executor, task)
        self._updates.add(
            task, now, ending.state, Source.AGENT, reason=ending.reason, message=ending.message, healthy=ending.healthy
        )

    # Ending

    def shutdown(self, executor: Executor, now: float, most_s: float = LONGEST_GRACE_S) -> None:
        """Ask it to stop with all its tasks; with force when its grace period, or ``most_s`` of it, is over."""
        if executor.shutting_down:
            return
        if executor.stage is Stage.HELD:
            self._gone(executor, None, _SHUT_DOWN, now)
            return
        if not executor.seen:
            self._give_up(executor, _SHUT_DOWN, now)
            return
        grace_s = min(executor.info.shutdown_grace_period_s, most_s)
        self._record_shutdown(executor, _SHUT_DOWN, now + grace_s)
        executor.kill_timer = self._timers.set(now + grace_s, self._destroy, executor)
        if executor.connected:
            self._order_shutdown(executor, now)
        else:
            self._out.effects.append(SignalContainer(executor.container_id, SIGTERM))

    def destroy(self, executor: Executor, now: float, ending: Ending = _SHUT_DOWN) -> None:
        """End it without grace; what it leaves ends as ``ending``."""
        if executor.stage is Stage.HELD:
            self.shutdown(executor, now)
            return
        self._timers.cancel(executor.kill_timer)
        self._give_up(executor, executor.ending or ending, now)

    def _record_shutdown(self, executor: Executor, ending: Ending, deadline: float) -> None:
        executor.shutting_down = True
        executor.ending, executor.kill_deadline = ending, deadline
        self._timers.cancel(executor.registration_timer)
        self._out.record(
            ShutdownOrdered(
                framework_id=executor.framework.framework_id,
                executor_id=executor.info.executor_id,
                ending=ending,
                deadline=deadline,
            )
        )

    def _order_shutdown(self, executor: Executor, now: float) -> None:
        deadline = executor.kill_timer.deadline if executor.kill_timer is not None else now
        self._send(executor, ShutdownOrder(grace_period_s=max(0.0, deadline - now)))

    def _destroy(self, executor: Executor, _now: float) -> None:
        if executor.stage is not Stage.ENDED:
            self._out.effects.append(DestroyContainer(executor.container_id))

    def failed(self, executor: Executor, reason: Reason, message: str, now: float) -> None:
        """Its container never ran."""
        ending = executor.ending or Ending(state=TaskState.FAILED, reason=reason, message=message)
        self._gone(executor, None, ending, now)

    def ended(self, executor: Executor, exit_: ContainerExit, now: float) -> None:
        """Its container is no more, and so are its tasks."""
        ending = executor.ending or Ending(
            state=TaskState.FAILED,
            reason=exit_.reason or Reason.EXECUTOR_TERMINATED,
            message=exit_.message or f"its executor {exit_message(exit_)}",
        )
        self._gone(executor, exit_, ending, now)

    def _gone(self, executor: Executor, exit_: ContainerExit | None, ending: Ending, now: float) -> None:
        state = self._state
        framework = executor.framework
        was_asked_for = executor.stage is not Stage.HELD
        executor.stage = Stage.ENDED
        executor.connected = False
        for timer in (executor.registration_timer, executor.kill_timer):
            self._timers.cancel(timer)
        state.containers.pop(executor.container_id, None)
        for task in list(executor.tasks.values()):
            self._bury(executor, task, ending, now)
        executor.queue.clear()
        state.give_back(executor.info.resources)
        del framework.executors[executor.info.executor_id]
        state.completed_executors.append((executor, exit_))
        self._out.record(ExecutorEnded(framework_id=framework.framework_id, executor_id=executor.info.executor_id))
        if was_asked_for:
            self._out.when_durable(self._forget_container, executor, now)
        if state.registered and state.agent_id is not None:
            self._out.to_master(
                ExecutorExited(
                    agent_id=state.agent_id,
                    framework_id=framework.framework_id,
                    executor_id=executor.info.executor_id,
                    status=_status_of(exit_),
                )
            )
        state.drop_if_empty(framework)

    def _forget_container(self, executor: Executor, _now: float) -> None:
        self._out.effects.append(ForgetContainer(executor.container_id))


def _not_heard_of(task: Task) -> bool:
    return task.stage is Stage.DELIVERED and task.state is TaskState.STAGING


def _status_of(exit_: ContainerExit | None) -> int | None:
    if exit_ is None:
        return None
    if exit_.exit_code is not None:
        return exit_.exit_code
    return None if exit_.signal is None else 128 + exit_.signal
