"""What a master says about whole frameworks, executors and tasks that may not be here."""

from mesos_py.agent.checkpoint import FrameworkShutdown
from mesos_py.agent.effects import SendToExecutor
from mesos_py.agent.executors import Executors
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.state import AgentState
from mesos_py.agent.tasks import Tasks
from mesos_py.agent.updates import Updates
from mesos_py.messages.agent import FrameworkToExecutor, KillTask, ReconcileTasks, ShutdownExecutor
from mesos_py.messages.executor import SchedulerMessage
from mesos_py.types.ids import FrameworkID
from mesos_py.types.tasks import Reason

__all__ = ["Frameworks"]


class Frameworks:
    """Finds whom an order is for."""

    def __init__(self, state: AgentState, out: Outbox, updates: Updates, tasks: Tasks, executors: Executors) -> None:
        self._state = state
        self._out = out
        self._updates = updates
        self._tasks = tasks
        self._executors = executors

    def kill(self, order: KillTask, now: float) -> None:
        """Stop a task; one that is not here was DROPPED, or ended as we remember."""
        task = self._state.task(order.framework_id, order.task_id)
        if task is None:
            self._updates.answer(
                order.framework_id, order.task_id, Reason.EXECUTOR_TERMINATED, "the agent has no such task", now
            )
        elif task.executor is None:
            self._tasks.kill(task, order.kill_policy, now)
        else:
            self._executors.kill_task(task, order.kill_policy, now)

    def reconcile(self, question: ReconcileTasks, now: float) -> None:
        """Answer for each task that is not here."""
        for task_id in question.task_ids:
            if self._state.task(question.framework_id, task_id) is None:
                self._updates.answer(
                    question.framework_id, task_id, Reason.RECONCILIATION, "the agent has no such task", now
                )

    def shutdown_executor(self, order: ShutdownExecutor, now: float) -> None:
        """Stop an executor and its tasks."""
        executor = self._state.executor(order.framework_id, order.executor_id)
        if executor is not None:
            self._executors.shutdown(executor, now)

    def shutdown(self, framework_id: FrameworkID, now: float) -> None:
        """Stop all a framework has here; its updates are of no use to anybody."""
        framework = self._state.frameworks.get(framework_id)
        if framework is None or framework.removed:
            return
        framework.removed = True
        self._out.record(FrameworkShutdown(framework_id=framework_id))
        for task in list(framework.tasks.values()):
            self._updates.forget(task)
        for executor in list(framework.executors.values()):
            self._executors.shutdown(executor, now)
        for task in list(framework.tasks.values()):
            if task.executor is None:
                self._tasks.kill(task, None, now)

    def forward(self, message: FrameworkToExecutor) -> None:
        """Bytes of a scheduler for its executor; best effort."""
        executor = self._state.executor(message.framework_id, message.executor_id)
        if executor is None or not executor.connected:
            self._state.count("framework_messages_dropped")
            return
        self._out.effects.append(SendToExecutor(executor.container_id, SchedulerMessage(data=message.data)))
