"""Sends each status of a task until its framework has acknowledged it, in order.

Every task has a stream. An update is written down, then the head of the stream is sent, and the next only when the
head is acknowledged. The head is repeated after 10 s, 20 s, 40 s ... up to 10 minutes for as long as it takes, and at
once whenever the agent has (re-)registered; nothing is sent in between. The stream closes with the acknowledgement
of a terminal update.

All tasks that wait equally long wait in one queue, in order of their deadlines: arming, disarming and finding the
next are O(1) however many wait.
"""

from collections import OrderedDict

from mesos_py.agent.checkpoint import TaskForgotten, UpdateAcked, UpdateMade
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.state import AgentState, Task
from mesos_py.errors import InvariantError
from mesos_py.messages.agent import StatusUpdate, UpdateAcknowledged
from mesos_py.types.ids import FrameworkID, TaskID
from mesos_py.types.tasks import TERMINAL, Reason, Source, TaskState, TaskStatus

__all__ = ["Updates"]

_MOST_WAITING = 1000
"""Unacknowledged updates of one task, besides its last: a task may report much while its framework is away."""
_MOST_BYTES = 1_000_000
"""Of data and messages in them, unless one alone has more."""


class Updates:
    """All streams of an agent."""

    def __init__(self, state: AgentState, out: Outbox) -> None:
        self._state = state
        self._out = out
        self._queues: dict[float, OrderedDict[Task, float]] = {}
        """By how long they wait: task to deadline."""

    def add(
        self,
        task: Task,
        now: float,
        state: TaskState,
        source: Source = Source.EXECUTOR,
        *,
        reason: Reason | None = None,
        message: str = "",
        data: bytes = b"",
        healthy: bool | None = None,
        exit_code: int | None = None,
        number: int | None = None,
    ) -> None:
        """Append a status to a task's stream."""
        state, reason = self._as_drained(state, reason)
        ephemeral = task.framework.removed
        status = TaskStatus(
            task_id=task.info.task_id,
            state=state,
            source=source,
            timestamp=now,
            update_id=None if ephemeral else task.next_update_id,
            agent_id=self._state.agent_id,
            executor_id=task.executor.info.executor_id if task.executor is not None else None,
            container_id=task.container_id,
            reason=reason,
            message=message,
            data=data,
            healthy=healthy,
            exit_code=exit_code,
        )
        task.state = state
        task.newest = status
        if ephemeral:
            self._say_once(task, status)
            return
        task.next_update_id += 1
        task.updates.append(status)
        self._out.record(UpdateMade(framework_id=task.framework.framework_id, status=status, number=number))
        self._out.when_durable(self._made_durable, task, now)

    def _as_drained(self, state: TaskState, reason: Reason | None) -> tuple[TaskState, Reason | None]:
        """Tasks that are killed while the agent is drained are so for that reason, and are to be run elsewhere."""
        drain = self._state.drain
        if drain is None or state not in (TaskState.KILLING, TaskState.KILLED):
            return state, reason
        is_lost = drain.mark_gone and state is TaskState.KILLED
        return TaskState.GONE_BY_OPERATOR if is_lost else state, Reason.AGENT_DRAINING

    @staticmethod
    def is_full(task: Task, size: int = 0) -> bool:
        """Too many updates of the task wait, or would with one of this size: only its end may join them."""
        waiting = task.updates
        if not waiting:
            return False
        total = sum(len(status.data) + len(status.message) for status in waiting) + size
        return len(waiting) >= _MOST_WAITING or total > _MOST_BYTES

    def acknowledge(self, ack: UpdateAcknowledged, now: float) -> None:
        """The framework has dealt with an update."""
        task = self._state.task(ack.framework_id, ack.task_id)
        if task is None or not task.updates or task.updates[0].update_id != ack.update_id or (
            ack.update_id > task.sent_id
        ):  # fmt: skip
            self._state.count("acknowledgements_ignored")
            return
        head = task.updates.pop(0)
        self._disarm(task)
        task.attempts = 0
        if head.state in TERMINAL:
            self._close(task)
            return
        self._out.record(UpdateAcked(framework_id=ack.framework_id, task_id=ack.task_id, update_id=ack.update_id))
        task.acks_waiting += 1
        self._out.when_durable(self._acknowledged, task, now)

    def forget(self, task: Task) -> None:
        """Nobody waits for this task's updates any more."""
        self._disarm(task)
        task.updates.clear()
        if task.state in TERMINAL:
            self._close(task)

    def resume(self, now: float) -> None:
        """The agent has just registered: send every head."""
        for task in self._state.tasks():
            task.attempts = 0
            self._send_if_ready(task, now)

    def pause(self) -> None:
        """The agent is not registered any more: send nothing until ``resume``."""
        for queue in self._queues.values():
            for task in queue:
                task.retry_queue = None
            queue.clear()

    def answer(self, framework_id: FrameworkID, task_id: TaskID, reason: Reason, message: str, now: float) -> None:
        """Say once what became of a task not known (any more): best effort, nothing is kept."""
        state = self._state
        if not state.registered or state.agent_id is None:
            return
        completed = state.completed_tasks.get((framework_id, task_id))
        status = TaskStatus(
            task_id=task_id,
            state=TaskState.DROPPED if completed is None else completed.state,
            source=Source.AGENT,
            timestamp=now,
            agent_id=state.agent_id,
            reason=reason,
            message=message if completed is None else "it had ended before",
        )
        self._out.to_master(StatusUpdate(agent_id=state.agent_id, framework_id=framework_id, status=status))

    def next_deadline(self) -> float | None:
        """When the next head is to be repeated."""
        return min((next(iter(queue.values())) for queue in self._queues.values() if queue), default=None)

    def run_due(self, now: float) -> None:
        """Repeat every head whose time has come."""
        for queue in list(self._queues.values()):
            while queue:
                task, deadline = next(iter(queue.items()))
                if deadline > now:
                    break
                self._disarm(task)
                self._send_head(task, now)

    def check(self) -> None:
        """Raise InvariantError if a queue is out of order, or used while nothing may be sent."""
        for delay, queue in self._queues.items():
            deadlines = list(queue.values())
            if deadlines != sorted(deadlines):
                raise InvariantError(f"repetitions after {delay} s are out of order")
            if queue and not self._state.registered:
                raise InvariantError("updates wait to be repeated while the agent is not registered")
            if any(task.retry_queue is not queue for task in queue):
                raise InvariantError("a task does not know where it waits")
        for task in self._state.tasks():
            ready = bool(task.updates) and (task.updates[0].update_id or 0) <= task.stable_id and not task.acks_waiting
            if ready and self._state.registered and task.retry_queue is None:
                raise InvariantError(f"nobody sends the updates of {task.info.task_id}")

    def _made_durable(self, task: Task, now: float) -> None:
        task.stable_id += 1
        if task.retry_queue is None:
            self._send_if_ready(task, now)
        elif task.state in TERMINAL:
            # Its resources are free, and the master learns it only by the head: do not let that wait for minutes.
            hurry = now + self._state.config.update_hurry_s
            if task.retry_queue[task] > hurry:
                self._disarm(task)
                self._arm(task, self._state.config.update_hurry_s, now)

    def _acknowledged(self, task: Task, now: float) -> None:
        task.acks_waiting -= 1
        self._send_if_ready(task, now)

    def _send_if_ready(self, task: Task, now: float) -> None:
        if not self._state.registered or not task.updates or task.acks_waiting:
            return
        if (task.updates[0].update_id or 0) <= task.stable_id and task.retry_queue is None:
            self._send_head(task, now)

    def _send_head(self, task: Task, now: float) -> None:
        state = self._state
        head = task.updates[0]
        assert state.agent_id is not None
        assert head.update_id is not None
        task.sent_id = max(task.sent_id, head.update_id)
        task.status_state = head.state
        self._out.to_master(
            StatusUpdate(
                agent_id=state.agent_id,
                framework_id=task.framework.framework_id,
                status=head,
                latest_state=None if task.state is head.state else task.state,
            )
        )
        config = state.config
        self._arm(task, min(config.update_retry_cap_s, config.update_retry_s * 2 ** min(task.attempts, 64)), now)
        task.attempts += 1

    def _arm(self, task: Task, delay: float, now: float) -> None:
        queue = self._queues.get(delay)
        if queue is None:
            queue = self._queues[delay] = OrderedDict()
        queue[task] = now + delay
        task.retry_queue = queue

    def _disarm(self, task: Task) -> None:
        if task.retry_queue is not None:
            del task.retry_queue[task]
            task.retry_queue = None

    def _close(self, task: Task) -> None:
        framework_id = task.framework.framework_id
        self._out.record(TaskForgotten(framework_id=framework_id, task_id=task.info.task_id))
        self._state.forget_task(task)

    def _say_once(self, task: Task, status: TaskStatus) -> None:
        """For a removed framework, whose tasks a master that has not heard of the removal may still have on account."""
        if status.state not in TERMINAL:
            return
        state = self._state
        if state.registered and state.agent_id is not None:
            self._out.to_master(
                StatusUpdate(agent_id=state.agent_id, framework_id=task.framework.framework_id, status=status)
            )
        self._close(task)
