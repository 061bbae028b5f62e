"""Decides what a scheduler says to the master and tells its user; every event has its method here.

It holds a subscription, the offers in hand, what it knows of its tasks, and the wishes that outlive a master: kills,
suppressed roles, demands. Whatever a user asks for is done, kept until it can be done, or answered: an ACCEPT that
cannot be sent comes back as a DROPPED status for each of its tasks.
"""

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from mesos_py.messages.beacon import Beacon
from mesos_py.messages.scheduler import (
    Accept,
    AcceptInverseOffers,
    Acknowledge,
    AgentReturned,
    Decline,
    DeclineInverseOffers,
    Error,
    ErrorReason,
    Event,
    Failure,
    Heartbeat,
    InverseOffers,
    Kill,
    Message,
    MessageReceived,
    Offers,
    Reconcile,
    Request,
    Rescind,
    RescindInverseOffer,
    Revive,
    SchedulerHeartbeat,
    Shutdown,
    Subscribe,
    Subscribed,
    Suppress,
    TaskToReconcile,
    Teardown,
    Update,
)
from mesos_py.scheduler.config import SchedulerConfig
from mesos_py.scheduler.effects import (
    Deliver,
    Disconnected,
    OffersRescinded,
    Registered,
    SchedulerEffect,
    SendToMaster,
    StopDriver,
    UserEvent,
)
from mesos_py.scheduler.events import (
    OURS,
    BrokerConnected,
    BrokerLost,
    EventsMissed,
    MasterSaid,
    SchedulerEvent,
    StopOrdered,
    Ticked,
    UserCall,
    UserCalled,
)
from mesos_py.scheduler.identity import Identity
from mesos_py.scheduler.kills import Kills
from mesos_py.scheduler.reconcile import Reconciler
from mesos_py.scheduler.statuses import ends_of_removed, own_status
from mesos_py.scheduler.subscription import Phase, Subscription
from mesos_py.scheduler.tasks import TaskBook
from mesos_py.scheduler.wishes import Wishes
from mesos_py.types.ids import AgentID, FrameworkID, OfferID, TaskID
from mesos_py.types.offers import Offer
from mesos_py.types.tasks import Reason, TaskInfo, TaskState

__all__ = ["Scheduler"]

_TASKS_PER_RECONCILE = 500
"""So that a question stays well below the size of a body."""


class Scheduler:
    """The decisions of one scheduler."""

    def __init__(self, config: SchedulerConfig) -> None:
        """Nothing happens before BrokerConnected."""
        self._config = config
        self._identity = Identity(config.framework_id)
        self._link = Subscription(config)
        self._offers: dict[OfferID, Offer] = {}
        self._tasks = TaskBook(config.remember_ended)
        self._kills = Kills(config.killing)
        self._reconciler = Reconciler(config.reconciling)
        self._wishes = Wishes(config.framework.roles, config.suppressed_roles)
        self._reconcile_all_at: float | None = None
        self._leave_by: float | None = None
        self._left = False
        self._effects: list[SchedulerEffect] = []

    # The outside

    @property
    def framework_id(self) -> FrameworkID | None:
        """Ours, once a master has given it."""
        return self._identity.framework_id

    @property
    def subscribed(self) -> bool:
        """A master listens to us, as far as we know."""
        return self._link.subscribed

    def is_live(self, task_id: TaskID) -> bool:
        """Whether a task of this id was launched and has not ended, as far as we know."""
        return self._tasks.is_live(task_id)

    def agent_of(self, task_id: TaskID) -> AgentID | None:
        """Where a task is."""
        return self._tasks.agent_of(task_id)

    def handle(self, event: SchedulerEvent, now: float) -> list[SchedulerEffect]:
        """Take in what happened; say what to do. What has a deadline is done by Ticked alone."""
        if self._left:
            return []
        self._effects = []
        match event:
            case MasterSaid():
                self._on_master(event.epoch, event.message, now)
            case UserCalled():
                self._on_call(event.call, now)
            case Ticked():
                self._do_what_is_due(now)
            case BrokerConnected():
                self._lose("the connection to the broker was made anew")
                self._link.begin(now)
            case BrokerLost():
                self._lose(event.reason)
                self._link.go_offline()
            case EventsMissed():
                self._on_events_missed(event.epoch, now)
            case StopOrdered():
                self._on_stop(event.teardown, now)
            case _:
                assert_never(event)
        return self._effects

    def next_deadline(self) -> float | None:
        """When to send Ticked if nothing else happens first."""
        due = self._link.next_deadline()
        if self._leave_by is not None:
            due = self._leave_by if due is None else min(due, self._leave_by)
        if self._left or self._link.phase is not Phase.SUBSCRIBED:
            return None if self._left else due
        others = (
            self._tasks.next_deadline(),
            self._reconciler.next_deadline(),
            self._kills.next_deadline(),
            self._reconcile_all_at,
        )
        return min((at for at in (due, *others) if at is not None), default=None)

    # The master

    def _on_master(self, epoch: int, message: Event, now: float) -> None:
        link = self._link
        if epoch < link.epoch:
            return  # a deposed leader has no say
        if epoch > link.epoch:
            self._on_new_leader(epoch, message.spread_s if isinstance(message, Beacon) else 0.0, now)
        match message:
            case Update():
                link.heard(now)
                self._on_update(message, now)
            case Offers():
                link.heard(now)
                self._on_offers(message)
            case Rescind():
                link.heard(now)
                self._void([message.offer_id])
            case Heartbeat():
                link.heard(now)
            case Beacon():
                pass  # a new epoch was noticed above; whether our own queue works is another matter
            case Subscribed():
                self._on_subscribed(message, now)
            case MessageReceived() | Failure() | AgentReturned() | InverseOffers() | RescindInverseOffer():
                link.heard(now)
                self._tell(message)
            case Error():
                link.heard(now)
                self._on_error(message, now)
            case _:
                assert_never(message)

    def _on_new_leader(self, epoch: int, spread_s: float, now: float) -> None:
        """What we had with the old leader is void."""
        self._link.epoch = epoch
        if self._link.phase is not Phase.OFFLINE:
            self._lose("another master leads now")
            self._link.begin(now, spread_s=spread_s)

    def _on_events_missed(self, epoch: int, now: float) -> None:
        """Whatever they were: subscribing makes void what was offered, and asks how all tasks stand."""
        if epoch == self._link.epoch and self._link.subscribed:
            self._lose("events were lost on their way to us")
            self._link.begin(now, gap_s=self._config.subscribing.first_s)

    def _on_subscribed(self, message: Subscribed, now: float) -> None:
        if self._link.phase is Phase.OFFLINE:
            return  # left over from before the connection broke
        if self.framework_id not in (None, message.framework_id):
            # The late answer to a SUBSCRIBE from before we had an id: as somebody else we have no tasks.
            self._lose("the master takes us for a new framework")
            self._link.begin(now)
            return
        doubled = self._link.subscribed
        if doubled:
            # The answer to a repeated SUBSCRIBE. Offers made before it are void, or about to be.
            self._give_back(self._void(self._offers), now)
        again = self._identity.granted(message.framework_id)
        self._link.granted(message.heartbeat_interval_s, now)
        if self._leave_by is not None:
            self._leave(now)
            return
        if not doubled:
            self._tell(Registered(message.framework_id, message.master, again, self._identity.replaces))
            self._identity.replaces = None
        for call in self._wishes.restated():
            self._send(call, now)
        self._kills.restate(now)
        self._reconciler.forget()
        self._reconciler.ask(dict.fromkeys([*self._tasks.live(), *self._tasks.wanted()]), now)
        self._ask_for_inherited(now)
        self._plan_next_reconciliation(now)

    def _on_offers(self, message: Offers) -> None:
        if not self._link.subscribed:
            return  # void: the coming SUBSCRIBED withdraws them
        fresh = [offer for offer in message.offers if offer.offer_id not in self._offers]
        for offer in fresh:
            self._offers[offer.offer_id] = offer
        if fresh:
            self._tell(message if len(fresh) == len(message.offers) else Offers(offers=fresh))

    def _on_update(self, update: Update, now: float) -> None:
        status = update.status
        task_id, state = status.task_id, status.state
        if state != TaskState.STAGING and self._reconciler.waits_for(task_id):
            self._reconciler.answered(task_id)
        self._kills.heard(task_id, state, now)
        news = self._tasks.is_news(status)
        if news:
            self._effects.append(Deliver(update))
        if status.update_id is None:
            return
        if self._config.auto_acknowledge or (not news and self._tasks.is_acknowledged(task_id, status.update_id)):
            self._acknowledge(task_id, status.update_id, status.agent_id, now)

    def _on_error(self, error: Error, now: float) -> None:
        if self._identity.is_another(error.framework_id):
            return
        match error.reason:
            case ErrorReason.NOT_SUBSCRIBED:
                if self._link.subscribed:
                    self._lose(error.message)
                    self._link.begin(now, gap_s=self._config.subscribing.first_s)
            case ErrorReason.FRAMEWORK_REMOVED:
                names_us = error.framework_id is not None or not self._link.subscribed  # else another, perhaps
                if names_us and self.framework_id is not None:
                    self._on_removed(error, now)
            case ErrorReason.FAILED_OVER if error.call not in ("", "SUBSCRIBE") and not self._link.subscribed:
                pass  # answers a call made to an earlier master: this one has yet to hear our SUBSCRIBE
            case _:
                self._tell(error)
                if error.fatal:
                    self._end(error)

    def _on_removed(self, error: Error, now: float) -> None:
        """Our id is used up. Go on with a fresh one, unless we are to stop: by the user's wish or an operator's."""
        if self._leave_by is not None:
            self._stop(torn_down=True)
            return
        stays_removed = self._config.keep_id or (self._link.subscribed and not error.call)
        self._tell(error if stays_removed else replace(error, fatal=False))
        for status in ends_of_removed(self._tasks, self.framework_id, now):
            self._tell(Update(status=status))
        self._kills.forget()
        self._reconciler.forget()
        if stays_removed:
            self._end(error)
            return
        self._lose(error.message)
        self._identity.removed()
        self._link.begin(now)

    # The user

    def _on_call(self, call: UserCall, now: float) -> None:
        match call:
            case Accept():
                self._on_accept(call, now)
            case Acknowledge():
                self._tasks.acknowledge(call.task_id, call.update_id)
                self._acknowledge(call.task_id, call.update_id, call.agent_id, now)
            case Decline():
                self._give_back(self._take(call.offer_ids), now, call.refuse_seconds)
            case Kill():
                if not self._tasks.has_ended(call.task_id):  # else the user has been told
                    agent_id = call.agent_id or self._tasks.agent_of(call.task_id)
                    self._kills.wish(call.task_id, agent_id, call.kill_policy, now)
            case AcceptInverseOffers() | DeclineInverseOffers():
                self._send(call, now)
            case Suppress() | Revive() | Request():
                self._wishes.take(call, said=self._link.subscribed)
                self._send(call, now)
            case Reconcile():
                self._on_reconcile(call, now)
            case Message() | Shutdown():
                self._on_best_effort(call, now)
            case _:
                assert_never(call)

    def _on_accept(self, call: Accept, now: float) -> None:
        tasks = [task for operation in call.operations for task in operation.tasks]
        if (in_use := next((task for task in tasks if self._tasks.is_live(task.task_id)), None)) is not None:
            why = f"task id {in_use.task_id!r} is in use; nothing was launched, the offers are still in hand"
            self._tell(Error(reason=ErrorReason.INVALID, message=why, call="ACCEPT"))
            return
        if not self._link.subscribed:
            self._drop(tasks, Reason.MASTER_DISCONNECTED, "not launched: no master listens to us", now)
            return
        gone = next((offer_id for offer_id in call.offer_ids if offer_id not in self._offers), None)
        if gone is not None or not call.offer_ids:
            self._give_back(self._take(call.offer_ids), now)
            why = f"not launched: offer {gone} is not, or no longer, valid" if gone else "not launched: no offer given"
            self._drop(tasks, Reason.INVALID_OFFERS, why, now)
            return
        agent_id = self._take(call.offer_ids)[0].agent_id
        self._send(call, now)
        if tasks:
            self._tasks.launched(tasks, agent_id, now + self._config.launch_answer_s)

    def _on_reconcile(self, call: Reconcile, now: float) -> None:
        asked = [task.task_id for task in call.tasks] or self._tasks.live()
        self._tasks.want(asked)
        if self._link.subscribed:
            if call.tasks:
                self._reconciler.ask(dict.fromkeys(asked), now)
            else:
                self._send(call, now)  # also what we do not know of
        elif not call.tasks:
            self._wishes.reconcile_all = True

    def _on_best_effort(self, call: Message | Shutdown, now: float) -> None:
        if self._link.subscribed:
            self._send(call, now)
            return
        name = type(call).__name__.upper()
        why = f"{name} for executor {call.executor_id} was not sent: no master listens to us"
        self._tell(Error(reason=ErrorReason.NOT_SUBSCRIBED, message=why, call=name))

    def _on_stop(self, teardown: bool, now: float) -> None:
        if self._link.subscribed:
            self._ask_and_kill(now)
        if self._link.subscribed and teardown:
            self._leave(now)
        elif teardown and (self.framework_id is not None or self._link.ever_asked):
            self._leave_by = now + self._config.leave_within_s
        else:
            if self._offers:
                # We are to be offered nothing until we are back, and others shall have what we hold.
                self._send(Suppress(framework_id=OURS), now)
                self._give_back(self._take(list(self._offers)), now)
            self._stop()

    # What is due

    def _do_what_is_due(self, now: float) -> None:
        link = self._link
        if link.is_silent(now):
            self._lose("the master is silent")
            link.begin(now)
        if link.may_ask(now):
            self._subscribe(now)
        if self._leave_by is not None and now >= self._leave_by:
            self._stop("no master could be told of the teardown; the tasks may go on")
            return
        if not link.subscribed:
            return
        self._ask_and_kill(now)
        if link.owes_heartbeat(now):
            self._send(SchedulerHeartbeat(framework_id=OURS), now)

    def _ask_and_kill(self, now: float) -> None:
        """Send the questions and kills that are due."""
        due = self._tasks.next_deadline()
        if due is not None and due <= now:
            self._reconciler.ask(self._tasks.unspoken(now), now)
        if self._reconcile_all_at is not None and self._reconcile_all_at <= now:
            self._plan_next_reconciliation(now)
            self._reconciler.ask(self._tasks.live(), now)
            self._ask_for_inherited(now)
        due = self._reconciler.next_deadline()
        if due is not None and due <= now:
            questions = [
                TaskToReconcile(task_id=task_id, agent_id=self._tasks.agent_of(task_id))
                for task_id in self._reconciler.due(now)
            ]
            for start in range(0, len(questions), _TASKS_PER_RECONCILE):
                self._send(Reconcile(framework_id=OURS, tasks=questions[start : start + _TASKS_PER_RECONCILE]), now)
        for wish in self._kills.due(now):
            agent_id = wish.agent_id or self._tasks.agent_of(wish.task_id)
            kill = Kill(framework_id=OURS, task_id=wish.task_id, agent_id=agent_id, kill_policy=wish.policy)
            self._send(kill, now)

    def _ask_for_inherited(self, now: float) -> None:
        """Ask for tasks that we cannot name; those of agents that are not back yet are told later, or next time."""
        if self._identity.is_heir:
            self._send(Reconcile(framework_id=OURS), now)

    def _plan_next_reconciliation(self, now: float) -> None:
        every = self._config.reconcile_every_s
        self._reconcile_all_at = now + every if every > 0 else None

    def _subscribe(self, now: float) -> None:
        subscribe = Subscribe(
            framework=self._config.framework,
            framework_id=self.framework_id,
            suppressed_roles=self._wishes.suppressed(),
            resume=self._identity.is_confirmed,
            agent_returns=self._config.agent_returns,
            inverse_offers=self._config.inverse_offers,
        )
        self._effects.append(SendToMaster(subscribe))
        self._link.asked(now)

    # Ends

    def _lose(self, reason: str) -> None:
        """The subscription, if there is one, is over."""
        if self._link.subscribed:
            self._void(self._offers)
            self._tell(Disconnected(reason))

    def _leave(self, now: float) -> None:
        """Tear down for good."""
        self._send(Teardown(framework_id=OURS), now)
        self._stop(torn_down=True)

    def _end(self, error: Error) -> None:
        """The master does not want us any more."""
        self._lose(error.message)
        self._stop(f"{error.reason}: {error.message}", error.reason)

    def _stop(self, error: str = "", reason: ErrorReason | None = None, *, torn_down: bool = False) -> None:
        self._effects.append(StopDriver(error, reason, torn_down))
        self._left = True

    # Helpers

    def _take(self, offer_ids: Iterable[OfferID]) -> list[Offer]:
        """The offers of these that are in hand; they no longer are."""
        taken = (self._offers.pop(offer_id, None) for offer_id in offer_ids)
        return [offer for offer in taken if offer is not None]

    def _void(self, offer_ids: Iterable[OfferID]) -> list[Offer]:
        """Tell the user that offers in hand are in hand no more."""
        void = self._take(list(offer_ids))
        if void:
            self._tell(OffersRescinded(void))
        return void

    def _give_back(self, offers: list[Offer], now: float, refuse_seconds: float = 0.0) -> None:
        if offers:
            offer_ids = [offer.offer_id for offer in offers]
            self._send(Decline(framework_id=OURS, offer_ids=offer_ids, refuse_seconds=refuse_seconds), now)

    def _acknowledge(self, task_id: TaskID, update_id: int, agent_id: AgentID | None, now: float) -> None:
        """Without a subscription nothing is sent: the update comes again."""
        agent_id = agent_id or self._tasks.agent_of(task_id)
        if self._link.subscribed and self.framework_id is not None and agent_id is not None:
            call = Acknowledge(framework_id=self.framework_id, agent_id=agent_id, task_id=task_id, update_id=update_id)
            self._link.sent(now)
            self._effects.append(SendToMaster(call))

    def _send(self, call: UserCall | SchedulerHeartbeat | Teardown, now: float) -> None:
        """Send with our own id, if there is a subscription."""
        if self._link.subscribed and self.framework_id is not None:
            self._link.sent(now)
            self._effects.append(SendToMaster(replace(call, framework_id=self.framework_id)))

    def _tell(self, event: UserEvent) -> None:
        self._effects.append(Deliver(event))

    def _drop(self, tasks: Iterable[TaskInfo], reason: Reason, why: str, now: float) -> None:
        for task in tasks:
            self._tell(Update(status=own_status(task.task_id, TaskState.DROPPED, reason, why, now)))
