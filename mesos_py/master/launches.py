"""Turns accepted offers into tasks: judges each, charges it, and sends one RunTasks to the agent."""

from collections.abc import Iterator

from mesos_py.master.desk import Desk
from mesos_py.master.offers import OfferDesk, refusal
from mesos_py.master.state import Agent, Executor, Framework, Task
from mesos_py.master.validation import why_not_group, why_not_task
from mesos_py.messages.agent import RunTasks
from mesos_py.messages.scheduler import Accept, Update
from mesos_py.types.ids import Role
from mesos_py.types.offers import Launch, LaunchGroup, Offer, Operation
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import ExecutorInfo, Reason, Source, TaskInfo, TaskState, TaskStatus

__all__ = ["LaunchDesk"]


class LaunchDesk:
    """Serves ACCEPT."""

    def __init__(self, desk: Desk, offers: OfferDesk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._offers = offers

    def accept(self, framework: Framework, call: Accept, now: float) -> None:
        """Use offers; what is left over is declined."""
        offers = [framework.offers[offer_id] for offer_id in call.offer_ids if offer_id in framework.offers]
        if why := _why_not_together(call, offers):
            self._void(framework, call, offers, why, now)
            return
        agent = self._state.agents[offers[0].agent_id]
        role = offers[0].role
        for offer in offers:
            self._offers.remove(offer)
        framework.counters["offers_accepted"] += len(offers)
        left = offers[0].resources if len(offers) == 1 else Resources.sum(offer.resources for offer in offers)
        launched: list[Operation] = []
        for operation in call.operations:
            done, left = self._launch(framework, agent, role, operation, left, now)
            if done is not None:
                launched.append(done)
        if launched:
            agent.sequence += 1
            self._desk.order(
                agent,
                RunTasks(
                    agent_id=agent.agent_id,
                    sequence=agent.sequence,
                    framework_id=framework.framework_id,
                    framework=framework.info,
                    role=role,
                    operations=launched,
                ),
            )
        if left:
            refuse_s: float | None = refusal(call.refuse_seconds)
            if launched and refuse_s == 0:
                refuse_s = None  # it took something, so this cannot run in circles: offer the rest at once
            self._desk.allocator.recover(framework.framework_id, role, agent.agent_id, left, now=now, refuse_s=refuse_s)

    def _launch(
        self, framework: Framework, agent: Agent, role: Role, operation: Operation, left: Resources, now: float
    ) -> tuple[Operation | None, Resources]:
        """What of the operation may run, and what is left then."""
        if isinstance(operation, LaunchGroup):
            if why := why_not_group(operation, framework, agent, left):
                for task in operation.tasks:
                    self._answer(framework, task, TaskState.ERROR, Reason.TASK_GROUP_INVALID, why, now)
                return None, left
            if operation.executor is not None:
                left = self._add_executor(framework, agent, role, operation.executor, left)
            for task in operation.tasks:
                left = self._add(framework, agent, role, task, left, now, operation.executor)
            return operation, left
        good = []
        for task in operation.tasks:
            if why := why_not_task(task, framework, agent, left):
                self._answer(framework, task, TaskState.ERROR, Reason.TASK_INVALID, why, now)
                continue
            if task.executor is not None:
                left = self._add_executor(framework, agent, role, task.executor, left)
            left = self._add(framework, agent, role, task, left, now, task.executor)
            good.append(task)
        if len(good) == len(operation.tasks):
            return (operation if good else None), left
        return (Launch(tasks=good) if good else None), left

    def _add(
        self,
        framework: Framework,
        agent: Agent,
        role: Role,
        info: TaskInfo,
        left: Resources,
        now: float,
        executor: ExecutorInfo | None,
    ) -> Resources:
        task = Task(info, framework.framework_id, agent.agent_id, role, now)
        if executor is not None:
            task.executor_id = executor.executor_id
        framework.tasks[info.task_id] = task
        agent.tasks[framework.framework_id, info.task_id] = task
        self._state.counters["tasks_launched"] += 1
        return left - info.resources

    @staticmethod
    def _add_executor(
        framework: Framework, agent: Agent, role: Role, executor: ExecutorInfo, left: Resources
    ) -> Resources:
        key = (framework.framework_id, executor.executor_id)
        if key in agent.executors:
            return left
        agent.executors[key] = Executor(executor, role)
        return left - executor.resources

    def _void(self, framework: Framework, call: Accept, offers: list[Offer], why: str, now: float) -> None:
        """One bad offer spoils the lot: give the good ones back, drop every task."""
        for offer in {offer.offer_id: offer for offer in offers}.values():
            self._offers.give_back(offer, now)
        for task in _tasks(call):
            self._answer(framework, task, TaskState.DROPPED, Reason.INVALID_OFFERS, why, now)

    def _answer(
        self, framework: Framework, task: TaskInfo, state: TaskState, reason: Reason, message: str, now: float
    ) -> None:
        self._state.counters[f"tasks_refused/{reason}"] += 1
        status = TaskStatus(
            task_id=task.task_id, state=state, source=Source.MASTER, reason=reason, message=message, timestamp=now
        )
        self._desk.tell(framework, Update(status=status))


def _tasks(call: Accept) -> Iterator[TaskInfo]:
    for operation in call.operations:
        yield from operation.tasks


def _why_not_together(call: Accept, offers: list[Offer]) -> str | None:
    """Why these offers cannot be used in one call."""
    if not call.offer_ids:
        return "no offer is given"
    if len(offers) != len(call.offer_ids):
        known = {offer.offer_id for offer in offers}
        gone = next(offer_id for offer_id in call.offer_ids if offer_id not in known)
        return f"offer {gone} is not, or no longer, valid"
    if len({offer.offer_id for offer in offers}) != len(offers):
        return "an offer is given twice"
    if len({(offer.agent_id, offer.role) for offer in offers}) != 1:
        return "the offers are not all of one agent and one role"
    return None
