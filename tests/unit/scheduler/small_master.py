"""A small master in the loop of whoever tests a framework, and a framework that lives there too."""

import itertools

from mesos_py import Framework, Resources, TaskState
from mesos_py.adapters import topology
from mesos_py.adapters.amqp import connect
from mesos_py.messages.codec import MSGPACK, SCHEDULER_CALLS, SCHEDULER_EVENTS
from mesos_py.messages.scheduler import (
    Accept,
    Error,
    ErrorReason,
    Kill,
    Message,
    MessageReceived,
    Offers,
    Revive,
    Subscribe,
    Subscribed,
    Suppress,
    Update,
)
from mesos_py.runtime.loop import Loop
from mesos_py.types.infos import MasterInfo
from mesos_py.types.offers import Offer
from mesos_py.types.tasks import Source, TaskStatus

_NUMBERS = itertools.count()


class SmallMaster:
    """Offers one agent; runs every task to its end at once, except those named ``sleep``."""

    def __init__(self, loop, url, cpus=4):
        self.loop, self.url, self.cpus = loop, url, cpus
        self.calls = []
        self.offered = 0
        self.queue = ""
        self.suppressed = False
        self.removed = set()
        self.transport = connect(url, loop)
        for inbox in topology.master_inboxes(1).values():
            self.transport.subscribe(inbox)
        self.transport.start(self)

    def connected(self):
        pass

    def disconnected(self, reason):
        pass

    def blocked(self, reason):
        pass

    def unblocked(self):
        pass

    def undeliverable(self, address):
        pass

    def delivered(self, deliveries):
        for delivery in deliveries:
            self.queue = delivery.reply_to
            for call in SCHEDULER_CALLS.decode(delivery.body, delivery.content_type):
                self.calls.append(call)
                self.serve(call)

    def say(self, *events):
        for body in SCHEDULER_EVENTS.encode(list(events)):
            self.transport.publish(topology.queue_address(self.queue), body, content_type=MSGPACK, epoch=1)

    def offer(self):
        if not self.suppressed:
            self.offered += 1
            offer = Offer(
                offer_id=f"O{self.offered}",
                framework_id="F1",
                agent_id="A1",
                hostname="h",
                role="*",
                resources=Resources.of(cpus=self.cpus, mem=1024),
            )
            self.say(Offers(offers=[offer]))

    def status(self, task_id, state, update_id):
        status = TaskStatus(
            task_id=task_id,
            state=TaskState(state),
            source=Source.EXECUTOR,
            timestamp=0.0,
            update_id=update_id,
            agent_id="A1",
            exit_code=0,
        )
        self.say(Update(status=status))

    def serve(self, call):
        match call:
            case Subscribe(framework_id=framework_id) if framework_id in self.removed:
                why = f"framework {framework_id} was removed"
                reason = ErrorReason.FRAMEWORK_REMOVED
                self.say(Error(reason=reason, message=why, call="SUBSCRIBE", fatal=True, framework_id=framework_id))
            case Subscribe():
                self.suppressed = bool(call.suppressed_roles)
                master = MasterInfo(master_id="M", epoch=1)
                self.say(Subscribed(framework_id="F1", master=master, heartbeat_interval_s=15.0))
                self.offer()
            case Accept():
                for task in [task for operation in call.operations for task in operation.tasks]:
                    self.status(task.task_id, "RUNNING", 1)
                    if not task.task_id.startswith("sleep"):
                        self.status(task.task_id, "FINISHED", 2)
            case Kill():
                self.status(call.task_id, "KILLED", 2)
            case Suppress():
                self.suppressed = True
            case Revive():
                self.suppressed = False
                self.offer()
            case Message():
                self.say(MessageReceived(agent_id="A1", executor_id=call.executor_id, data=call.data[::-1]))

    def heard(self, kind):
        return [call for call in self.calls if isinstance(call, kind)]


class World:
    """A loop with a master, and a framework that lives there too."""

    def __init__(self, **options):
        self.url = a_url()
        self.loop = Loop()
        self.master = SmallMaster(self.loop, self.url)
        self.framework = Framework("test", **options)

    def run(self, turns=200):
        self.framework.attach(self.loop, self.url)
        self.turn(turns)

    def turn(self, turns=200):
        for _ in range(turns):
            self.loop.turn(0.0)


def a_url():
    """A broker of its own."""
    return f"memory://driver{next(_NUMBERS)}"
