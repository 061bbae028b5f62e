"""An agent that dies at a chosen record, again and again, on a host and under a master that do not.

The records up to that one are there for the next process, nothing later is. What the agent asked for after it was not
done; or, where the disk is slower than everything else, what it asked for together with it was. The host's containers
and executors live on, and whatever they and the master want to tell an agent that is away is lost.
"""

from collections import Counter, deque

from mesos_py.agent import effects, events
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.core import Agent
from mesos_py.agent.recovery import recover
from mesos_py.messages import agent as messages
from mesos_py.messages import executor as executor_messages
from mesos_py.types.containers import ContainerExit, ContainerLives, NeverBegan
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.tasks import TERMINAL, TaskState
from tests.unit.agent.rig import AGENT, FRAMEWORK, ROLE, a_beacon, an_agent_info

TERM, KILL = 15, 9


class CrashError(Exception):
    """The process is no more."""


class ExecutorProcess:
    """A framework's own program: it knows its tasks, and repeats what was not acknowledged."""

    def __init__(self, world, container_id):
        self.world = world
        self.container_id = container_id
        self.connected = False
        self.tasks = {}
        self.unacknowledged = []

    def connect(self):
        self.connected = True
        self.world.tell(events.ExecutorConnected(self.container_id, list(self.unacknowledged)))

    def hear(self, event):
        match event:
            case executor_messages.LaunchTask(task=task):
                self.run([task])
            case executor_messages.LaunchTaskGroup(tasks=tasks):
                self.run(tasks)
            case executor_messages.KillExecutorTask(task_id=task_id) if task_id in self.tasks:
                self.end(task_id, TaskState.KILLED)
            case executor_messages.ExecutorAcknowledged(task_id=task_id, number=number):
                self.unacknowledged = [
                    one for one in self.unacknowledged if (one.task_id, one.number) != (task_id, number)
                ]
            case executor_messages.ShutdownOrder():
                self.world.end(self.container_id, ContainerExit(exit_code=0))

    def run(self, infos):
        for info in infos:
            if info.task_id not in self.tasks:
                self.tasks[info.task_id] = 0
                self.world.started[info.task_id] += 1
                self.report(info.task_id, TaskState.RUNNING)

    def end(self, task_id, state):
        if self.tasks.get(task_id) != -1 and task_id in self.tasks:
            self.report(task_id, state)
            self.tasks[task_id] = -1

    def report(self, task_id, state):
        self.tasks[task_id] += 1
        update = executor_messages.ExecutorUpdate(task_id=task_id, state=state, number=self.tasks[task_id])
        self.unacknowledged.append(update)
        if self.connected:
            self.world.tell(events.ExecutorSaid(self.container_id, update))


BEFORE, AFTER, LATE = "before it is written", "after it is written", "late, with all that goes with it"


class World:
    """``crash_at`` are the numbers of records, counted from the last crash; ``when`` is one of the above."""

    def __init__(self, crash_at, when=AFTER):
        self.crash_at = deque(crash_at)
        self.when = when
        self.dying = False
        self.crashes = 0
        self.now = 1000.0
        # The disk
        self.durable = []
        self.appended = 0
        self.serial = 0
        # The host
        self.started = Counter()
        self.running = {}
        self.ended = {}
        self.executors = {}
        self.queue = deque()
        # The master
        self.sequence = 0
        self.sent = {}
        self.heard = {}
        self.killed = {}
        self.removed = False
        self.acknowledges = True
        self.boot()

    # The process

    def boot(self):
        config = AgentCoreConfig(info=an_agent_info(), work_dir="/w", incarnation=f"{self.crashes}", jitter=0.0)
        self.agent = Agent(config, recover(config, self.durable, strict=True))
        self.appended = 0
        self.serial = 0
        self.dying = False
        self.durable = list(self.agent.records())
        specs = self.agent.recovered_specs()
        wanted = {spec.container_id for spec in specs}
        for container_id in set(self.running) - wanted:
            raise AssertionError(f"{container_id} runs, and the agent has forgotten it")
        self.queue.clear()
        self.tell(events.Recovered({spec.container_id: self.fate(spec.container_id) for spec in specs}))
        for executor in list(self.executors.values()):
            executor.connect()
        self.tell(events.BrokerConnected())

    def fate(self, container_id):
        if container_id in self.running:
            return ContainerLives(1)
        return self.ended.get(container_id, NeverBegan())

    def tell(self, event):
        self.queue.append(event)

    def do(self, step):
        """Let something happen, and everything that follows from it; die where that is due."""
        try:
            step(self)
            self.settle()
        except CrashError:
            self.reboot()

    def reboot(self):
        while True:
            self.crashes += 1
            for executor in self.executors.values():
                executor.connected = False
            try:
                self.boot()
                self.settle()
            except CrashError:
                continue
            return

    def settle(self):
        while self.queue:
            event = self.queue.popleft()
            self.handle(event)
            due = self.agent.next_deadline()
            if due is not None and due <= self.now:
                self.handle(events.Ticked())

    def handle(self, event):
        asked = self.agent.handle(event, self.now)
        self.agent.check()
        before = self.serial
        for effect in asked:
            self.perform(effect)
        if self.dying:
            raise CrashError
        if self.serial > before:
            self.tell(events.Checkpointed(self.serial))

    def pass_time(self):
        due = self.agent.next_deadline()
        if due is not None:
            self.now = max(self.now, due)
            self.tell(events.Ticked())

    # What it asks for

    def perform(self, effect):
        match effect:
            case effects.Checkpoint(serial=serial, record=record):
                self.append(serial, record)
            case effects.StartContainer(spec=spec):
                self.start(spec)
            case effects.SignalContainer(container_id=container_id):
                self.end(container_id, ContainerExit(signal=TERM))
            case effects.DestroyContainer(container_id=container_id):
                self.end(container_id, ContainerExit(signal=KILL))
            case effects.ForgetContainer(container_id=container_id):
                self.ended.pop(container_id, None)
            case effects.SendToExecutor(container_id=container_id, event=event) if container_id in self.executors:
                self.executors[container_id].hear(event)
            case effects.SendToMaster(message=message):
                self.hear(message)

    def append(self, serial, record):
        self.appended += 1
        self.serial = serial
        dies = bool(self.crash_at) and self.crash_at[0] == self.appended
        self.dying = self.dying or (dies and self.when is LATE)
        if not self.dying and not (dies and self.when is BEFORE):
            self.durable.append(record)
        if dies:
            self.crash_at.popleft()
            if not self.dying:
                raise CrashError

    # The host

    def start(self, spec):
        container_id = spec.container_id
        assert container_id not in self.ended
        self.running[container_id] = spec
        self.started[spec.task_id or container_id] += 1
        self.tell(events.ContainerStarted(container_id, 1))
        if spec.executor_id is not None:
            executor = self.executors[container_id] = ExecutorProcess(self, container_id)
            executor.connect()

    def end(self, container_id, exit_):
        if self.running.pop(container_id, None) is not None:
            self.ended[container_id] = exit_
            self.executors.pop(container_id, None)
            self.tell(events.ContainerEnded(container_id, exit_))

    def container_of(self, task_id):
        return next((cid for cid, spec in self.running.items() if spec.task_id == task_id), None)

    # The master

    def say(self, message):
        self.tell(events.MasterSaid(1, message))

    def run(self, operation):
        self.sequence += 1
        self.sent.update((task.task_id, task) for task in operation.tasks)
        framework = FrameworkInfo(name="f")
        self.say(
            messages.RunTasks(
                agent_id=AGENT,
                sequence=self.sequence,
                framework_id=FRAMEWORK,
                framework=framework,
                role=ROLE,
                operations=[operation],
            )
        )

    def kill(self, task_id, policy=None):
        self.killed[task_id] = messages.KillTask(
            agent_id=AGENT, framework_id=FRAMEWORK, task_id=task_id, kill_policy=policy
        )
        self.say(self.killed[task_id])

    def remove_framework(self):
        self.removed = True
        self.say(messages.ShutdownFramework(agent_id=AGENT, framework_id=FRAMEWORK))

    def hear(self, message):
        match message:
            case messages.AskForBeacon():
                self.say(a_beacon(1))
            case messages.RegisterAgent():
                self.say(messages.AgentRegistered(name="node1", agent_id=AGENT))
            case messages.ReregisterAgent():
                self.take_back(message)
            case messages.StatusUpdate(status=status):
                self.heard.setdefault(status.task_id, []).append(status)
                if self.acknowledges:
                    self.acknowledge(status)

    def acknowledge(self, status):
        if status.update_id is not None:
            task_id, update_id = status.task_id, status.update_id
            self.say(
                messages.UpdateAcknowledged(
                    agent_id=AGENT, framework_id=FRAMEWORK, task_id=task_id, update_id=update_id
                )
            )

    def acknowledge_all(self):
        self.acknowledges = True
        for said in list(self.heard.values()):
            self.acknowledge(said[-1])

    def take_back(self, message):
        """As a real one: it asks for what is missing, and says again what it wants ended."""
        self.say(messages.AgentReregistered(agent_id=AGENT))
        reported = {task.task.task_id for framework in message.frameworks for task in framework.tasks}
        missing = [task_id for task_id in self.sent if task_id not in reported and not self.is_over(task_id)]
        if missing:
            self.say(messages.ReconcileTasks(agent_id=AGENT, framework_id=FRAMEWORK, task_ids=missing))
        if self.removed:
            self.say(messages.ShutdownFramework(agent_id=AGENT, framework_id=FRAMEWORK))
        for order in self.killed.values():
            self.say(order)

    def is_over(self, task_id):
        return any(status.state in TERMINAL for status in self.heard.get(task_id, []))

    # In the end

    def finish(self):
        """Leave it in peace until nothing is left to do."""
        self.do(World.acknowledge_all)
        for _ in range(100):
            if not self.agent.view().frameworks and self.agent.view().registered:
                break
            self.do(World.pass_time)
        view = self.agent.view()
        assert view.frameworks == []
        assert not view.used
        assert not self.running

    def check_promises(self):
        assert all(times == 1 for times in self.started.values()), f"promise 2: {self.started}"
        for task_id, said in self.heard.items():
            ids = [status.update_id for status in said if status.update_id is not None]
            assert ids == sorted(ids), f"promise 3: {task_id} {ids}"
            assert set(ids) == set(range(1, max(ids, default=0) + 1)), f"promise 3: {task_id} {ids}"
            by_id = {}
            for status in said:
                if status.update_id is not None:
                    assert by_id.setdefault(status.update_id, status) == status, "the same update, but different"
        if not self.removed:
            for task_id in self.sent:
                assert self.is_over(task_id), f"promise 3: the end of {task_id} was lost"

    def last(self, task_id):
        return self.heard[task_id][-1]
