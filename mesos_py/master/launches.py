"""Turns accepted offers into tasks: judges each, charges it, and sends one RunTasks to the agent."""

from collections.abc import Iterator

from mesos_py.master.authorization import why_not_run
from mesos_py.master.desk import MAX_MESSAGE, Desk
from mesos_py.master.offers import OfferDesk, refusal
from mesos_py.master.reconcile import answer_one
from mesos_py.master.state import Agent, Executor, Framework, MasterState, Task
from mesos_py.master.validation import why_not_group, why_not_task
from mesos_py.messages.agent import RunTasks
from mesos_py.messages.scheduler import Accept, TaskToReconcile, Update
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
        left = offers[0].resources if len(offers) == 1 else Resources.sum(offer.resources for offer in offers)
        launched: list[Operation] = []
        for operation in call.operations:
            done: Operation | None
            if isinstance(operation, LaunchGroup):
                done, left = self._launch_group(framework, agent, role, operation, left, now)
            else:
                done, left = self._launch(framework, agent, role, operation, left, now)
            if done is not None:
                launched.append(done)
        framework.counters["offers_accepted" if launched else "offers_declined"] += len(offers)
        if launched:
            order = RunTasks(
                agent_id=agent.agent_id,
                sequence=self._state.next_sequence(),
                framework_id=framework.framework_id,
                framework=framework.info,
                role=role,
                operations=launched,
            )
            self._desk.order(agent, order)
        if left:
            refuse_s: float | None = refusal(call.refuse_seconds)
            if launched and refuse_s == 0:
                refuse_s = None  # it took something, so this cannot run in circles: offer the rest at once
            self._desk.allocator.recover(framework.framework_id, role, agent.agent_id, left, now=now, refuse_s=refuse_s)

    def _launch(
        self, framework: Framework, agent: Agent, role: Role, operation: Launch, left: Resources, now: float
    ) -> tuple[Launch | None, Resources]:
        """What of the operation may run, each task judged alone, and what is left then."""
        good = []
        for task in operation.tasks:
            if why := why_not_task(task, framework, agent, left):
                self._answer(framework, task, TaskState.ERROR, Reason.TASK_INVALID, why, now, agent)
                continue
            if why := why_not_run(self._state, framework, operation, task):
                self._answer(framework, task, TaskState.ERROR, Reason.TASK_UNAUTHORIZED, why, now, agent)
                continue
            executor_id = None
            if task.executor is not None:
                executor_id = task.executor.executor_id
                left = self._add_executor(framework, agent, role, task.executor, left)
            self._add(Task(task, framework.framework_id, agent.agent_id, role, executor_id, now), framework, agent)
            left -= task.resources
            good.append(task)
        if len(good) == len(operation.tasks):
            return (operation if good else None), left
        return (Launch(tasks=good) if good else None), left

    def _launch_group(
        self, framework: Framework, agent: Agent, role: Role, operation: LaunchGroup, left: Resources, now: float
    ) -> tuple[LaunchGroup | None, Resources]:
        """All of the group or nothing."""
        if why := why_not_group(operation, framework, agent, left):
            for task in operation.tasks:
                self._answer(framework, task, TaskState.ERROR, Reason.TASK_GROUP_INVALID, why, now, agent)
            return None, left
        if why := _why_not_run_any(self._state, framework, operation):
            for task in operation.tasks:
                self._answer(framework, task, TaskState.ERROR, Reason.TASK_GROUP_UNAUTHORIZED, why, now, agent)
            return None, left
        executor_id = None
        if operation.executor is not None:
            executor_id = operation.executor.executor_id
            left = self._add_executor(framework, agent, role, operation.executor, left)
        for task in operation.tasks:
            self._add(Task(task, framework.framework_id, agent.agent_id, role, executor_id, now), framework, agent)
            left -= task.resources
        return operation, left

    def _add(self, task: Task, framework: Framework, agent: Agent) -> None:
        framework.tasks[task.info.task_id] = task
        agent.tasks[task] = None
        self._state.counters["tasks_launched"] += 1

    def _add_executor(
        self, framework: Framework, agent: Agent, role: Role, executor: ExecutorInfo, left: Resources
    ) -> Resources:
        if (framework.framework_id, executor.executor_id) in agent.executors:
            return left
        self._state.add_executor(agent, framework, Executor(executor, role))
        return left - executor.resources

    def _void(self, framework: Framework, call: Accept, offers: list[Offer], why: str, now: float) -> None:
        """One bad offer spoils the lot: give the good ones back, drop every task.

        A task that is known was launched by the same call, which has come twice: it is not dropped, and its
        framework must not believe so.
        """
        for offer in {offer.offer_id: offer for offer in offers}.values():
            self._offers.give_back(offer, now)
        reason = self._offers.why_void(call.offer_ids)
        for task in _tasks(call):
            if task.task_id in framework.tasks or task.task_id in framework.unreachable:
                wanted = TaskToReconcile(task_id=task.task_id)
                if (status := answer_one(self._state, framework, wanted, now)) is not None:
                    self._desk.tell(framework, Update(status=status))
            else:
                self._answer(framework, task, TaskState.DROPPED, reason, why, now)

    def _answer(
        self,
        framework: Framework,
        task: TaskInfo,
        state: TaskState,
        reason: Reason,
        why: str,
        now: float,
        agent: Agent | None = None,
    ) -> None:
        self._state.counters[f"tasks_refused/{reason}"] += 1
        status = TaskStatus(
            task_id=task.task_id,
            state=state,
            source=Source.MASTER,
            reason=reason,
            message=why[:MAX_MESSAGE],
            timestamp=now,
            agent_id=agent.agent_id if agent is not None else None,
        )
        self._desk.tell(framework, Update(status=status))


def _why_not_run_any(state: MasterState, framework: Framework, group: LaunchGroup) -> str | None:
    """Why one of a group may not run; then none does."""
    refusals = (why_not_run(state, framework, group, task) for task in group.tasks)
    return next((why for why in refusals if why is not None), None)


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
