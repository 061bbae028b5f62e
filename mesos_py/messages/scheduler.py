"""Between a scheduler and the master: calls one way, events the other.

Names and meaning follow Mesos's scheduler API (``docs/scheduler-http-api.md``). On the wire each is an object whose
``type`` is the tag given here. The envelope (who sent it, where to answer, the master's epoch) travels in the
AMQP properties, see ``docs/protocol.md``.
"""

from enum import StrEnum

from msgspec import Struct, field

from mesos_py.messages.beacon import Beacon
from mesos_py.types.ids import AgentID, ExecutorID, FrameworkID, OfferID, Role, TaskID
from mesos_py.types.infos import Demand, FrameworkInfo, MasterInfo
from mesos_py.types.offers import DEFAULT_REFUSE_S, InverseOffer, Offer, Operation
from mesos_py.types.tasks import KillPolicy, TaskStatus

__all__ = [
    "Accept",
    "AcceptInverseOffers",
    "Acknowledge",
    "AgentReturned",
    "Call",
    "Decline",
    "DeclineInverseOffers",
    "Error",
    "ErrorReason",
    "Event",
    "Failure",
    "FailureReason",
    "Heartbeat",
    "InverseOffers",
    "Kill",
    "Message",
    "MessageReceived",
    "Offers",
    "Reconcile",
    "Request",
    "Rescind",
    "RescindInverseOffer",
    "Revive",
    "SchedulerHeartbeat",
    "Shutdown",
    "Subscribe",
    "Subscribed",
    "Suppress",
    "TaskToReconcile",
    "Teardown",
    "Update",
]


# Calls: scheduler to master


class Subscribe(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="SUBSCRIBE", gc=False):
    """Join, or come back with the id given before. Answered by SUBSCRIBED or ERROR; repeat until then."""

    framework: FrameworkInfo
    framework_id: FrameworkID | None = None
    """Nothing the first time; later the id that SUBSCRIBED brought."""
    suppressed_roles: list[Role] = field(default_factory=list)
    """Roles that start suppressed."""
    resume: bool = False
    """This very instance had the id before: do not take over from another that has subscribed since, but be refused
    with FAILED_OVER."""
    agent_returns: bool = False
    """Be sent AGENT_RETURNED."""
    inverse_offers: bool = False
    """Be sent INVERSE_OFFERS."""


class Teardown(Struct, frozen=True, kw_only=True, tag="TEARDOWN", gc=False):
    """Leave for good: every task is killed, the id is never used again."""

    framework_id: FrameworkID


class Accept(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ACCEPT", gc=False):
    """Use offers of one agent and one role. What the operations leave over is declined with ``refuse_seconds``.

    If any of the offers is not valid, none is used: every task is DROPPED with INVALID_OFFERS.
    """

    framework_id: FrameworkID
    offer_ids: list[OfferID]
    operations: list[Operation] = field(default_factory=list)
    """Done in order, on what the offers hold together."""
    refuse_seconds: float = DEFAULT_REFUSE_S
    """For what is left over."""


class Decline(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="DECLINE", gc=False):
    """Give offers back, and do not see the same resources again for ``refuse_seconds``."""

    framework_id: FrameworkID
    offer_ids: list[OfferID]
    refuse_seconds: float = DEFAULT_REFUSE_S


class AcceptInverseOffers(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ACCEPT_INVERSE_OFFERS", gc=False):
    """We can do without what we have there by then. Shown to operators; nothing else follows.

    After ``refuse_seconds`` the question may come again, so that the answer can change.
    """

    framework_id: FrameworkID
    offer_ids: list[OfferID]
    refuse_seconds: float = DEFAULT_REFUSE_S
    reason: str = ""
    """For people."""


class DeclineInverseOffers(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag="DECLINE_INVERSE_OFFERS", gc=False
):
    """We would lose something if it were taken then. Shown to operators, who decide; otherwise as the acceptance."""

    framework_id: FrameworkID
    offer_ids: list[OfferID]
    refuse_seconds: float = DEFAULT_REFUSE_S
    reason: str = ""
    """For people."""


class Revive(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="REVIVE", gc=False):
    """Forget refusals and suppression for these roles (none given: all) and be offered again."""

    framework_id: FrameworkID
    roles: list[Role] = field(default_factory=list)


class Suppress(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="SUPPRESS", gc=False):
    """Get no more offers for these roles (none given: all) until REVIVE."""

    framework_id: FrameworkID
    roles: list[Role] = field(default_factory=list)


class Kill(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="KILL", gc=False):
    """Stop a task; may be repeated. ``kill_policy`` overrides the task's."""

    framework_id: FrameworkID
    task_id: TaskID
    agent_id: AgentID | None = None
    """Where it runs, if known; a wrong agent makes the call void."""
    kill_policy: KillPolicy | None = None


class Shutdown(Struct, frozen=True, kw_only=True, tag="SHUTDOWN", gc=False):
    """Stop an executor and all its tasks."""

    framework_id: FrameworkID
    agent_id: AgentID
    executor_id: ExecutorID


class Acknowledge(Struct, frozen=True, kw_only=True, tag="ACKNOWLEDGE", gc=False):
    """An update with an ``update_id`` was dealt with; the agent may send that task's next."""

    framework_id: FrameworkID
    agent_id: AgentID
    task_id: TaskID
    update_id: int


class TaskToReconcile(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A task whose state is asked for."""

    task_id: TaskID
    agent_id: AgentID | None = None
    """Where it ran, if known; without it fewer answers are possible."""


class Reconcile(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="RECONCILE", gc=False):
    """Ask for the state of tasks; none given: of all the master holds. Answered by UPDATEs without ``update_id``."""

    framework_id: FrameworkID
    tasks: list[TaskToReconcile] = field(default_factory=list)


class Message(Struct, frozen=True, kw_only=True, tag="MESSAGE", gc=False):
    """Bytes for an executor; best effort, may be lost or doubled."""

    framework_id: FrameworkID
    agent_id: AgentID
    executor_id: ExecutorID
    data: bytes


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="REQUEST", gc=False):
    """Say how much is wanted for a role, replacing what was said before; none given: no statement, be offered all."""

    framework_id: FrameworkID
    role: Role
    demands: list[Demand] = field(default_factory=list)


class SchedulerHeartbeat(Struct, frozen=True, kw_only=True, tag="HEARTBEAT", gc=False):
    """I am alive. Due each ``heartbeat_interval_s`` when nothing else is sent."""

    framework_id: FrameworkID


Call = (
    Subscribe
    | Teardown
    | Accept
    | Decline
    | AcceptInverseOffers
    | DeclineInverseOffers
    | Revive
    | Suppress
    | Kill
    | Shutdown
    | Acknowledge
    | Reconcile
    | Message
    | Request
    | SchedulerHeartbeat
)
"""Whatever a scheduler may send."""


# Events: master to scheduler


class Subscribed(Struct, frozen=True, kw_only=True, tag="SUBSCRIBED", gc=False):
    """The subscription holds; use this id from now on."""

    framework_id: FrameworkID
    master: MasterInfo
    heartbeat_interval_s: float
    """How often each side is to show that it lives."""


class Offers(Struct, frozen=True, kw_only=True, tag="OFFERS", gc=False):
    """New offers."""

    offers: list[Offer]


class Rescind(Struct, frozen=True, kw_only=True, tag="RESCIND", gc=False):
    """An offer is no longer valid."""

    offer_id: OfferID


class InverseOffers(Struct, frozen=True, kw_only=True, tag="INVERSE_OFFERS", gc=False):
    """Machines on which we have tasks, executors or offers are to be taken down: can we do without?

    One question per agent at a time, which is void when we subscribe again. Sent to those who asked for it by
    ``inverse_offers``.
    """

    inverse_offers: list[InverseOffer]


class RescindInverseOffer(Struct, frozen=True, kw_only=True, tag="RESCIND_INVERSE_OFFER", gc=False):
    """An inverse offer is no longer valid: the plan is another, we have nothing there any more, or it took too long."""

    offer_id: OfferID


class Update(Struct, frozen=True, kw_only=True, tag="UPDATE", gc=False):
    """A task's status. Must be acknowledged exactly when it has an ``update_id``."""

    status: TaskStatus


class MessageReceived(Struct, frozen=True, kw_only=True, tag="MESSAGE", gc=False):
    """Bytes from an executor; best effort."""

    agent_id: AgentID
    executor_id: ExecutorID
    data: bytes


class FailureReason(StrEnum):
    """What became of an agent or executor, for programs to read."""

    UNREACHABLE = "UNREACHABLE"
    """The agent has been silent for too long, and was given up. It may come back, see AGENT_RETURNED."""
    LEFT = "LEFT"
    """The agent has left the cluster after it ended its tasks, or was sent away with them for maintenance."""
    GONE = "GONE"
    """An operator has declared that the agent will never be back."""
    EXECUTOR_ENDED = "EXECUTOR_ENDED"
    """The executor's process ended, for whatever reason."""


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="FAILURE", gc=False):
    """Without an executor: the agent is lost. With one: that executor ended. Best effort."""

    agent_id: AgentID
    executor_id: ExecutorID | None = None
    status: int | None = None
    """Exit code of the executor; 128 + N if signal N ended it."""
    reason: FailureReason | None = None
    """What happened; null from a master that is too old to say."""


class AgentReturned(Struct, frozen=True, kw_only=True, tag="AGENT_RETURNED", gc=False):
    """An agent that was UNREACHABLE is back; what it still runs was told by UPDATEs. Best effort.

    Sent to those who asked for it by ``agent_returns``.
    """

    agent_id: AgentID


class ErrorReason(StrEnum):
    """Why a call was refused, for programs to read."""

    MALFORMED = "MALFORMED"
    """The body or a message in it cannot be read; it was dropped."""
    INVALID = "INVALID"
    """The call can be read and makes no sense."""
    FOREIGN_USER = "FOREIGN_USER"
    """The broker user is not the one the message claims to come from."""
    UNAUTHORIZED = "UNAUTHORIZED"
    """The rules of the cluster do not let this principal do it."""
    NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
    """The framework is unknown or not subscribed from this queue: subscribe (again)."""
    FAILED_OVER = "FAILED_OVER"
    """Another instance of the scheduler has taken over."""
    FRAMEWORK_REMOVED = "FRAMEWORK_REMOVED"
    """The framework id was torn down or timed out: subscribe without an id for a fresh one.

    Without a ``call`` it is no answer: an operator has removed the framework that was subscribed just now.
    """


class Error(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ERROR", gc=False):
    """A call was refused. If ``fatal``, this subscription is over."""

    reason: ErrorReason
    message: str
    """For people."""
    call: str = ""
    """The ``type`` of the call, where known."""
    fatal: bool = False
    framework_id: FrameworkID | None = None
    """Whose subscription is over, or was not granted, where known."""


class Heartbeat(Struct, frozen=True, kw_only=True, tag="HEARTBEAT", gc=False):
    """The master is alive. After five intervals without any event, subscribe again."""


Event = (
    Subscribed
    | Offers
    | Rescind
    | InverseOffers
    | RescindInverseOffer
    | Update
    | MessageReceived
    | Failure
    | AgentReturned
    | Error
    | Heartbeat
    | Beacon
)
"""Whatever a master may send to a scheduler."""
