"""A scheduler core against a master that fails over and a network that loses, doubles and delays.

Whatever happens on the way, once all is well again: every update was shown in order and acknowledged, every accepted
task was answered, and every task that was to be killed has ended.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesos_py.messages.beacon import Beacon
from mesos_py.messages.scheduler import (
    Accept,
    Acknowledge,
    Decline,
    Error,
    ErrorReason,
    Heartbeat,
    Kill,
    Offers,
    Reconcile,
    Rescind,
    Subscribe,
    Subscribed,
    Update,
)
from mesos_py.scheduler.config import SchedulerConfig
from mesos_py.scheduler.core import Scheduler
from mesos_py.scheduler.effects import Deliver, OffersRescinded, SendToMaster, StopDriver
from mesos_py.scheduler.events import OURS, BrokerConnected, BrokerLost, MasterSaid, Ticked, UserCalled
from mesos_py.types.infos import FrameworkInfo, MasterInfo
from mesos_py.types.offers import Launch, Offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import TERMINAL, CommandInfo, Reason, Source, TaskInfo, TaskState, TaskStatus

ONE = Resources.of(cpus=1)


def status_of(task_id, state, update_id=None, reason=None):
    return TaskStatus(
        task_id=task_id,
        state=state,
        source=Source.AGENT if update_id else Source.MASTER,
        timestamp=0.0,
        update_id=update_id,
        agent_id="A",
        reason=reason,
    )


class Stream:
    """An agent's updates of one task: the head is sent until it is acknowledged."""

    def __init__(self):
        self.state = TaskState.STAGING
        self.count = 0
        self.unacked = []

    def move(self, task_id, state):
        if self.state not in TERMINAL:
            self.state = state
            self.count += 1
            self.unacked.append(status_of(task_id, state, self.count))


class World:
    """The master, its agent and the broker's queues."""

    def __init__(self):
        self.epoch = 1
        self.known = False
        self.subscribed = False
        self.offers = {}
        self.made = 0
        self.streams = {}
        self.to_master = []
        self.to_scheduler = []

    def say(self, message):
        self.to_scheduler.append(MasterSaid(self.epoch, message))

    def fail_over(self):
        self.epoch += 1
        self.known = self.subscribed = False
        self.offers.clear()
        self.to_master.clear()  # the old inbox died with the old leader
        self.say(Beacon(master=MasterInfo(master_id="M", epoch=self.epoch), heartbeat_s=15, interval_s=15))

    def repeat_heads(self):
        for stream in self.streams.values():
            if stream.unacked and self.subscribed:
                self.say(Update(status=stream.unacked[0]))

    def offer(self):
        if self.subscribed:
            self.made += 1
            offer_id = f"O{self.made}"
            offer = Offer(offer_id=offer_id, framework_id="F", agent_id="A", hostname="h", role="*", resources=ONE)
            self.offers[offer_id] = offer
            self.say(Offers(offers=[offer]))

    def hear(self, call):
        if isinstance(call, Subscribe):
            for offer_id in self.offers:
                if self.subscribed:
                    self.say(Rescind(offer_id=offer_id))
            self.offers.clear()
            self.subscribed = True
            master = MasterInfo(master_id="M", epoch=self.epoch)
            self.say(Subscribed(framework_id="F", master=master, heartbeat_interval_s=15.0))
            self.repeat_heads()
        elif not self.subscribed:
            self.say(Error(reason=ErrorReason.NOT_SUBSCRIBED, message="who?"))
        else:
            assert call.framework_id == "F"
            self.serve(call)

    def serve(self, call):
        match call:
            case Accept():
                good = [self.offers.pop(offer_id, None) for offer_id in call.offer_ids]
                for task in call.operations[0].tasks:
                    if None in good:
                        self.say(
                            Update(status=status_of(task.task_id, TaskState.DROPPED, reason=Reason.INVALID_OFFERS))
                        )
                    else:
                        assert task.task_id not in self.streams, "launched twice"
                        self.streams[task.task_id] = Stream()
            case Decline():
                for offer_id in call.offer_ids:
                    self.offers.pop(offer_id, None)
            case Acknowledge():
                stream = self.streams[call.task_id]
                if stream.unacked and stream.unacked[0].update_id == call.update_id:
                    stream.unacked.pop(0)
                    if stream.unacked:
                        self.say(Update(status=stream.unacked[0]))
            case Reconcile():
                for wanted in call.tasks:
                    stream = self.streams.get(wanted.task_id)
                    state = TaskState.GONE if stream is None else (stream.unacked or [stream])[0].state
                    self.say(Update(status=status_of(wanted.task_id, state, reason=Reason.RECONCILIATION)))
            case Kill():
                stream = self.streams.get(call.task_id)
                if stream is None:
                    gone = status_of(call.task_id, TaskState.GONE, reason=Reason.RECONCILIATION)
                    self.say(Update(status=gone))
                else:
                    stream.move(call.task_id, TaskState.KILLED)
                    self.repeat_heads()


class SchedulerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        config = SchedulerConfig(framework=FrameworkInfo(name="x"), launch_answer_s=20.0)
        self.core = Scheduler(config)
        self.world = World()
        self.now = 1000.0
        self.connected = False
        self.in_hand = {}
        self.accepted = []
        self.to_kill = set()
        self.shown = {}

    # The scheduler's shell

    def happen(self, event):
        for effect in self.core.handle(event, self.now):
            match effect:
                case SendToMaster(call):
                    if self.connected:
                        self.world.to_master.append(call)
                case Deliver(Update(status=status)):
                    self.shown.setdefault(status.task_id, []).append(status)
                case Deliver(Offers(offers=offers)):
                    self.in_hand.update((offer.offer_id, offer) for offer in offers)
                case Deliver(OffersRescinded(offers)):
                    for offer in offers:
                        self.in_hand.pop(offer.offer_id, None)
                case StopDriver(error):
                    raise AssertionError(error)
        due = self.core.next_deadline()
        if due is not None and due <= self.now:
            assert not isinstance(event, Ticked)
            self.happen(Ticked())

    @initialize()
    def begin(self):
        self.connected = True
        self.happen(BrokerConnected())

    # The network

    @precondition(lambda self: self.world.to_master)
    @rule()
    def master_hears(self):
        self.world.hear(self.world.to_master.pop(0))

    @precondition(lambda self: self.world.to_scheduler and self.connected)
    @rule(doubled=st.booleans())
    def scheduler_hears(self, doubled):
        event = self.world.to_scheduler[0] if doubled else self.world.to_scheduler.pop(0)
        self.happen(event)

    @precondition(lambda self: self.world.to_master)
    @rule()
    def a_call_is_lost(self):
        self.world.to_master.pop(0)

    @precondition(lambda self: self.world.to_scheduler)
    @rule()
    def an_event_is_lost(self):
        self.world.to_scheduler.pop(0)

    @precondition(lambda self: self.connected)
    @rule()
    def the_broker_is_lost(self):
        self.connected = False
        self.world.to_scheduler.clear()
        self.happen(BrokerLost())

    @precondition(lambda self: not self.connected)
    @rule()
    def the_broker_is_back(self):
        self.connected = True
        self.happen(BrokerConnected())

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 100.0]))
    def time_passes(self, seconds):
        end = self.now + seconds
        while (due := self.core.next_deadline()) is not None and due <= end:
            self.now = due
            self.happen(Ticked())
        self.now = end

    # The cluster

    @rule()
    def the_master_fails_over(self):
        self.world.fail_over()

    @rule()
    def the_old_master_babbles(self):
        if self.world.epoch > 1 and self.connected:
            old = Offer(offer_id="old", framework_id="F", agent_id="A", hostname="h", role="*", resources=ONE)
            known = self.core._link.epoch == self.world.epoch
            self.happen(MasterSaid(self.world.epoch - 1, Offers(offers=[old])))
            assert not (known and "old" in self.in_hand)
            self.in_hand.pop("old", None)
            self.core._offers.pop("old", None)

    @rule()
    def the_master_offers(self):
        self.world.offer()

    @precondition(lambda self: self.world.offers)
    @rule()
    def the_master_rescinds(self):
        offer_id = next(iter(self.world.offers))
        del self.world.offers[offer_id]
        self.world.say(Rescind(offer_id=offer_id))

    @rule()
    def heads_are_repeated(self):
        self.world.repeat_heads()

    @precondition(lambda self: self.world.streams)
    @rule(data=st.data(), state=st.sampled_from([TaskState.RUNNING, TaskState.FINISHED, TaskState.FAILED]))
    def a_task_moves_on(self, data, state):
        task_id = data.draw(st.sampled_from(sorted(self.world.streams)))
        self.world.streams[task_id].move(task_id, state)
        self.world.repeat_heads()

    # The user

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data(), stale=st.booleans())
    def the_user_accepts(self, data, stale):
        offer_id = data.draw(st.sampled_from(sorted(self.in_hand)))
        if not stale:
            del self.in_hand[offer_id]
        task = TaskInfo(task_id=f"t{len(self.accepted)}", resources=ONE, command=CommandInfo(value="true"))
        self.accepted.append(task.task_id)
        operations = [Launch(tasks=[task])]
        self.happen(UserCalled(Accept(framework_id=OURS, offer_ids=[offer_id], operations=operations)))

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def the_user_kills(self, data):
        task_id = data.draw(st.sampled_from(self.accepted))
        self.to_kill.add(task_id)
        self.happen(UserCalled(Kill(framework_id=OURS, task_id=task_id)))

    # What must hold

    @invariant()
    def updates_are_shown_once_and_in_order(self):
        for statuses in self.shown.values():
            ids = [status.update_id for status in statuses if status.update_id is not None]
            assert ids == list(range(1, len(ids) + 1))

    @invariant()
    def there_is_a_deadline_while_connected(self):
        assert self.core.next_deadline() is not None or not self.connected

    def teardown(self):
        """Let all be well for a while."""
        if not self.connected:
            self.the_broker_is_back()
        for _ in range(60):
            while self.world.to_master or self.world.to_scheduler:
                if self.world.to_master:
                    self.master_hears()
                if self.world.to_scheduler:
                    self.scheduler_hears(doubled=False)
            self.time_passes(10.0)
            self.world.say(Heartbeat())
            self.world.repeat_heads()
        assert self.core.subscribed
        for task_id in self.accepted:
            assert self.shown.get(task_id) or task_id in self.world.streams, f"{task_id} was never answered"
        for task_id, stream in self.world.streams.items():
            assert not stream.unacked
            ids = [status.update_id for status in self.shown.get(task_id, []) if status.update_id is not None]
            assert len(ids) == stream.count
        for task_id in self.to_kill & self.world.streams.keys():
            assert self.world.streams[task_id].state in TERMINAL


SchedulerMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
TestScheduler = SchedulerMachine.TestCase
