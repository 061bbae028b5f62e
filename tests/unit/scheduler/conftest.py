"""A scheduler core at a bench: say what happens, read what it does."""

import pytest

from mesos_py.messages.scheduler import Offers, Subscribe, Subscribed, Update
from mesos_py.scheduler.config import SchedulerConfig
from mesos_py.scheduler.core import Scheduler
from mesos_py.scheduler.effects import Deliver, SendToMaster, StopDriver
from mesos_py.scheduler.events import BrokerConnected, BrokerLost, MasterSaid, StopOrdered, Ticked, UserCalled
from mesos_py.types.infos import FrameworkInfo, MasterInfo
from mesos_py.types.offers import Launch, Offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, Source, TaskInfo, TaskState, TaskStatus

HEARTBEAT_S = 15.0


class Bench:
    def __init__(self, **config):
        config.setdefault("framework", FrameworkInfo(name="test"))
        self.core = Scheduler(SchedulerConfig(**config))
        self.now = 1000.0
        self.epoch = 1
        self.sent = []
        """Calls since the last look."""
        self.told = []
        """User events since the last look."""
        self.stopped = None
        self.ended_by = None
        self.order = []
        self._offers = 0

    def happen(self, event):
        for effect in self.core.handle(event, self.now):
            self.order.append(effect)
            match effect:
                case SendToMaster(call):
                    self.sent.append(call)
                case Deliver(news):
                    self.told.append(news)
                case StopDriver(error, reason):
                    self.stopped, self.ended_by = error, reason
        due = self.core.next_deadline()
        if due is not None and due <= self.now and not isinstance(event, Ticked):
            self.happen(Ticked())
            due = self.core.next_deadline()
            assert due is None or due > self.now

    def wait(self, seconds):
        """Let time pass, ticking whenever it is asked for."""
        end = self.now + seconds
        while (due := self.core.next_deadline()) is not None and due <= end:
            assert due >= self.now
            self.now = due
            self.happen(Ticked())
            after = self.core.next_deadline()
            assert after is None or after > self.now
        self.now = end

    def says(self, message, epoch=None):
        self.happen(MasterSaid(self.epoch if epoch is None else epoch, message))

    def call(self, call):
        self.happen(UserCalled(call))

    def connect(self):
        self.happen(BrokerConnected())

    def disconnect(self):
        self.happen(BrokerLost())

    def stop(self, teardown):
        self.happen(StopOrdered(teardown))

    def subscribed(self, framework_id="F1", epoch=None):
        epoch = self.epoch if epoch is None else epoch
        master = MasterInfo(master_id=f"M{epoch}", epoch=epoch)
        self.says(Subscribed(framework_id=framework_id, master=master, heartbeat_interval_s=HEARTBEAT_S), epoch)

    def join(self):
        """Subscribed, and all that was sent and told forgotten."""
        self.connect()
        self.subscribed()
        self.look()
        return self

    def look(self):
        """What was sent and told since the last look."""
        seen = self.sent, self.told
        self.sent, self.told, self.order = [], [], []
        return seen

    def offer(self, agent="A1", cpus=4, **more):
        """Be offered something."""
        self._offers += 1
        offer = an_offer(f"O{self._offers}", agent, cpus, **more)
        self.says(Offers(offers=[offer]))
        return offer

    def status(self, task_id, state, update_id=None, **more):
        more.setdefault("agent_id", "A1")
        self.says(Update(status=a_status(task_id, state, update_id, **more)))

    def sent_of(self, kind):
        return [call for call in self.sent if isinstance(call, kind)]

    def told_of(self, kind):
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def states(self):
        """(task id, state) of every status told."""
        return [(event.status.task_id, event.status.state) for event in self.told_of(Update)]

    @property
    def subscribes(self):
        return self.sent_of(Subscribe)


def an_offer(offer_id="O1", agent="A1", cpus=4, **more):
    more.setdefault("resources", Resources.of(cpus=cpus, mem=1024))
    more.setdefault("role", "*")
    more.setdefault("hostname", f"{agent}.example")
    return Offer(offer_id=offer_id, framework_id="F1", agent_id=agent, **more)


def a_task(task_id="t1", **more):
    more.setdefault("resources", Resources.of(cpus=1, mem=32))
    if "executor" not in more:
        more.setdefault("command", CommandInfo(value="true"))
    return TaskInfo(task_id=task_id, **more)


def a_status(task_id, state, update_id=None, **more):
    more.setdefault("source", Source.AGENT)
    return TaskStatus(task_id=task_id, state=TaskState(state), timestamp=0.0, update_id=update_id, **more)


def launch(*task_ids):
    return [Launch(tasks=[a_task(task_id) for task_id in task_ids])]


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def make_bench():
    return Bench
