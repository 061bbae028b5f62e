"""What a framework can ask of its master. Everything is checked here, in the caller's thread, before it is sent."""

from collections.abc import Iterable

from mesos_py.errors import UserError
from mesos_py.messages.scheduler import (
    Accept,
    AcceptInverseOffers,
    Acknowledge,
    Decline,
    DeclineInverseOffers,
    Kill,
    Message,
    Reconcile,
    Request,
    Revive,
    Shutdown,
    Suppress,
    TaskToReconcile,
)
from mesos_py.scheduler.events import OURS, UserCall
from mesos_py.scheduler.validation import checked_operations
from mesos_py.types.ids import AgentID, ExecutorID, OfferID, Role, TaskID
from mesos_py.types.infos import Demand
from mesos_py.types.offers import InverseOffer, Launch, LaunchGroup, Offer, Operation
from mesos_py.types.tasks import ExecutorInfo, KillPolicy, TaskInfo, TaskStatus

__all__ = ["Calls", "OneOrMore"]

OneOrMore = Offer | Iterable[Offer]


class Calls:
    """The calls; whoever inherits says how they get to the master."""

    def __init__(self, roles: list[Role], refuse_seconds: float) -> None:
        """``roles`` are ours; ``refuse_seconds`` is the default of every decline."""
        self._roles = roles
        self._refuse_seconds = refuse_seconds

    def _call(self, call: UserCall) -> None:
        raise NotImplementedError

    def _before_launch(self, task_ids: list[TaskID]) -> None:
        """Raises UserError if one of the ids is in use."""
        raise NotImplementedError

    # Offers

    def launch(
        self, offers: OneOrMore, tasks: TaskInfo | Iterable[TaskInfo], *, refuse_seconds: float | None = None
    ) -> None:
        """Launch tasks on an offer, or on several of one agent; each task is judged alone.

        What the tasks leave over is declined for ``refuse_seconds``. Plain resources are taken from reserved ones
        where the unreserved do not suffice. If the offer turns out void, each task is told as DROPPED.

        Raises:
            UserError: A task is wrong, its id is in use, or they ask for more than is offered.

        >>> framework.launch(offer, TaskInfo(task_id="t1", resources=Resources.of(cpus=1, mem=64),
        ...                                  command=CommandInfo(value="make")))
        """
        listed = [tasks] if isinstance(tasks, TaskInfo) else list(tasks)
        self.accept(offers, [Launch(tasks=listed)], refuse_seconds=refuse_seconds)

    def launch_group(
        self,
        offers: OneOrMore,
        tasks: Iterable[TaskInfo],
        *,
        executor: ExecutorInfo | None = None,
        refuse_seconds: float | None = None,
    ) -> None:
        """Launch tasks together: all or none start, and when one fails or is killed so are the others.

        Raises:
            UserError: As ``launch``.
        """
        self.accept(offers, [LaunchGroup(tasks=list(tasks), executor=executor)], refuse_seconds=refuse_seconds)

    def accept(
        self, offers: OneOrMore, operations: Iterable[Operation], *, refuse_seconds: float | None = None
    ) -> None:
        """Use offers for several operations at once; none is a decline. Raises UserError as ``launch``."""
        listed = _offers(offers)
        checked = checked_operations(listed, operations)
        task_ids = [task.task_id for operation in checked for task in operation.tasks]
        self._before_launch(task_ids)
        offer_ids = [offer.offer_id for offer in listed]
        seconds = self._refusal(refuse_seconds)
        self._call(Accept(framework_id=OURS, offer_ids=offer_ids, operations=checked, refuse_seconds=seconds))

    def decline(self, offers: OneOrMore, *, refuse_seconds: float | None = None) -> None:
        """Give offers back; the same resources do not come again for ``refuse_seconds`` (0: they may at once)."""
        offer_ids: list[OfferID] = [offer.offer_id for offer in _offers(offers)]
        if offer_ids:
            seconds = self._refusal(refuse_seconds)
            self._call(Decline(framework_id=OURS, offer_ids=offer_ids, refuse_seconds=seconds))

    def accept_inverse(
        self, offers: InverseOffer | Iterable[InverseOffer], *, refuse_seconds: float | None = None, reason: str = ""
    ) -> None:
        """Tell operators that we can do without what we have on these agents by then.

        We may be asked again after ``refuse_seconds``. An answer to an offer that is void is no matter.
        """
        self._call(
            AcceptInverseOffers(
                framework_id=OURS, offer_ids=_ids(offers), refuse_seconds=self._refusal(refuse_seconds), reason=reason
            )
        )

    def decline_inverse(
        self, offers: InverseOffer | Iterable[InverseOffer], *, refuse_seconds: float | None = None, reason: str = ""
    ) -> None:
        """Tell operators, with the ``reason``, that we would lose something; otherwise as ``accept_inverse``."""
        self._call(
            DeclineInverseOffers(
                framework_id=OURS, offer_ids=_ids(offers), refuse_seconds=self._refusal(refuse_seconds), reason=reason
            )
        )

    def revive(self, *roles: str) -> None:
        """Forget what was declined and suppressed, for these roles or all: offers come again. Raises UserError."""
        self._call(Revive(framework_id=OURS, roles=self._own(roles)))

    def suppress(self, *roles: str) -> None:
        """Get no more offers, for these roles or all, until ``revive``. Raises UserError.

        Do so whenever there is nothing to launch: others are offered more, and sooner.
        """
        self._call(Suppress(framework_id=OURS, roles=self._own(roles)))

    def request(self, *demands: Demand, role: str | None = None) -> None:
        """Say how much is wanted; offers are then cut to it. Replaces what was said before; nothing: be offered all.

        Raises:
            UserError: No role is given and we have several, or it is not ours.

        >>> framework.request(Demand(slice=Resources.of(cpus=2, mem=512), count=10))
        """
        if role is None and len(self._roles) != 1:
            raise UserError(f"say for which of the roles {self._roles}")
        (wanted,) = self._own([role]) if role is not None else self._roles
        self._call(Request(framework_id=OURS, role=wanted, demands=list(demands)))

    # Tasks

    def kill(self, task_id: str, *, grace_s: float | None = None) -> None:
        """End a task: TERM, then KILL after ``grace_s`` seconds (by default the task's own). Repeated until it ended.

        Nothing happens if we were told of its end already.
        """
        policy = KillPolicy(grace_period_s=grace_s) if grace_s is not None else None
        if grace_s is not None and not grace_s >= 0:
            raise UserError(f"grace_s is seconds, and not negative: {grace_s}")
        self._call(Kill(framework_id=OURS, task_id=TaskID(task_id), kill_policy=policy))

    def acknowledge(self, status: TaskStatus) -> None:
        """With ``auto_acknowledge=False``: this update was dealt with; the task's next may come."""
        if status.update_id is not None and status.agent_id is not None:
            self._call(
                Acknowledge(
                    framework_id=OURS, agent_id=status.agent_id, task_id=status.task_id, update_id=status.update_id
                )
            )

    def reconcile(self, task_ids: Iterable[str] = ()) -> None:
        """Ask for the state of these tasks, or of all the master knows; answers come to ``on_update``.

        Seldom needed: after every disconnection we ask by ourselves for the tasks we know. Needed by who comes back
        with an old ``framework_id`` and has tasks on record.
        """
        tasks = [TaskToReconcile(task_id=TaskID(task_id)) for task_id in task_ids]
        self._call(Reconcile(framework_id=OURS, tasks=tasks))

    def message(self, agent_id: str, executor_id: str, data: bytes) -> None:
        """Send bytes to one of our executors. Best effort: may be lost or doubled."""
        self._call(
            Message(framework_id=OURS, agent_id=AgentID(agent_id), executor_id=ExecutorID(executor_id), data=data)
        )

    def shutdown_executor(self, agent_id: str, executor_id: str) -> None:
        """End one of our executors, and its tasks."""
        self._call(Shutdown(framework_id=OURS, agent_id=AgentID(agent_id), executor_id=ExecutorID(executor_id)))

    # Helpers

    def _own(self, roles: Iterable[str]) -> list[Role]:
        named = [Role(role) for role in roles]
        if foreign := [role for role in named if role not in self._roles]:
            raise UserError(f"role {foreign[0]!r} is not among ours: {self._roles}")
        return named

    def _refusal(self, seconds: float | None) -> float:
        if seconds is None:
            return self._refuse_seconds
        if not seconds >= 0:
            raise UserError(f"refuse_seconds is seconds, and not negative: {seconds}")
        return seconds


def _offers(offers: OneOrMore) -> list[Offer]:
    return [offers] if isinstance(offers, Offer) else list(offers)


def _ids(offers: InverseOffer | Iterable[InverseOffer]) -> list[OfferID]:
    return [offer.offer_id for offer in ([offers] if isinstance(offers, InverseOffer) else offers)]
