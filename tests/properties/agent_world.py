"""An agent with its disk, containers, executors and master, and what must hold of whatever it asks for."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from msgspec.structs import replace

from mesos_py.agent.checkpoint import TaskLaunched, UpdateMade
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.core import Agent
from mesos_py.agent.effects import (
    CheckHealth,
    Checkpoint,
    DestroyContainer,
    ForgetContainer,
    SendToExecutor,
    SendToMaster,
    SignalContainer,
    StartContainer,
    StopAgent,
    UpdateContainer,
)
from mesos_py.agent.events import (
    Checkpointed,
    MasterSaid,
    Recovered,
)
from mesos_py.agent.recovery import recover
from mesos_py.messages.agent import (
    RegisterAgent,
    ReregisterAgent,
    StatusUpdate,
)
from mesos_py.messages.executor import LaunchTask, LaunchTaskGroup
from mesos_py.types.containers import ContainerExit, ContainerLives, NeverBegan
from mesos_py.types.ids import AgentID, FrameworkID
from mesos_py.types.infos import AgentInfo
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import (
    TERMINAL,
    HealthCheck,
    Reason,
    TaskState,
)
from tests.unit.agent.test_recovery import facts

AGENT = AgentID("A1")
FRAMEWORKS = [FrameworkID("F1"), FrameworkID("F2")]
ASKED, UP, OVER = "asked", "up", "over"
NOT_STARTED = ContainerExit(reason=Reason.CONTAINER_LAUNCH_FAILED)
CHECK = HealthCheck(tcp_port=1, delay_s=1, interval_s=1, grace_period_s=1, consecutive_failures=2)


class AgentWorld(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        info = AgentInfo(name="n", hostname="n", resources=Resources.of(cpus=12, mem=1000))
        self.config = AgentCoreConfig(info=info, work_dir="/w", incarnation="1", leave_timeout_s=5)
        self.agent = Agent(self.config)
        self.now = 100.0
        self.crashes = 0
        # The disk
        self.records = []
        self.before = 0  # how many of them are of earlier processes
        self.written = 0
        self.durable = 0
        self.serials = {}  # (framework, task), or (framework, task, update) -> serial of its record
        # The broker and the master
        self.connected = False
        self.stopped = False
        self.epoch = 1
        self.sequence = 0
        self.orders = []
        self.named = 0
        self.asked = False
        # Tasks, containers, executors
        self.launched = []  # (framework, task)
        self.starts = {}  # (framework, task) -> times
        self.containers = {}  # id -> [stage, spec]
        self.exits = {}  # container -> how it ended, until that is forgotten
        self.checking = []  # container ids
        self.heard = {}  # (framework, task) -> statuses, new ones only
        self.acked = {}  # (framework, task) -> how many
        self.removed = set()
        self.sessions = set()  # connected executors, by container
        self.has = {}  # container -> {task: [state, next number]} as the executor knows it
        self.delivered = set()

    def do(self, event):
        for effect in self.agent.handle(event, self.now):
            self.perform(effect)
        self.agent.check()

    def say(self, message, epoch=None):
        self.do(MasterSaid(self.epoch if epoch is None else epoch, message))

    # What the agent asks for

    def perform(self, effect):
        match effect:
            case Checkpoint(serial=serial, record=record):
                assert serial == self.written + 1
                self.written = serial
                self.records.append(record)
                if isinstance(record, TaskLaunched):
                    self.serials[record.framework_id, record.task.task_id] = serial
                elif isinstance(record, UpdateMade):
                    key = (record.framework_id, record.status.task_id, record.status.update_id)
                    assert key not in self.serials
                    self.serials[key] = serial
            case SendToMaster(message=message):
                assert self.connected, "sent into the void"
                self.hear(message)
            case StartContainer(spec=spec):
                assert spec.container_id not in self.containers
                self.containers[spec.container_id] = [ASKED, spec]
                if spec.task_id is not None:
                    key = (spec.framework_id, spec.task_id)
                    self.starts[key] = self.starts.get(key, 0) + 1
                    assert self.starts[key] == 1, "promise 2"
                    assert self.serials[key] <= self.durable, "started before it was written down"
            case SendToExecutor(container_id=container_id, event=event):
                assert container_id in self.sessions
                self.tell_executor(container_id, event)
            case CheckHealth(container_id=container_id):
                assert self.containers[container_id][0] == UP
                self.checking.append(container_id)
            case ForgetContainer(container_id=container_id):
                assert self.containers[container_id][0] == OVER
                del self.exits[container_id]
            case SignalContainer() | DestroyContainer() | UpdateContainer():
                assert effect.container_id in self.containers
            case StopAgent():
                raise AssertionError("nobody told the agent to stop")

    def hear(self, message):
        if isinstance(message, RegisterAgent | ReregisterAgent):
            self.asked = True
        if not isinstance(message, StatusUpdate) or message.status.update_id is None:
            return
        status = message.status
        key = (message.framework_id, status.task_id)
        assert self.serials[(*key, status.update_id)] <= self.durable, "told before it was written down"
        assert status.update_id == self.acked.get(key, 0) + 1, "promise 3: not the head"
        heard = self.heard.setdefault(key, [])
        if len(heard) < status.update_id:
            assert not heard or heard[-1].state not in TERMINAL
            heard.append(status)
        else:
            assert heard[status.update_id - 1] == status, "the same update, but different"

    def tell_executor(self, container_id, event):
        tasks = self.has[container_id]
        infos = []
        if isinstance(event, LaunchTask):
            infos = [event.task]
        elif isinstance(event, LaunchTaskGroup):
            infos = event.tasks
        for info in infos:
            key = (self.containers[container_id][1].framework_id, info.task_id)
            assert self.serials[key] <= self.durable
            if info.task_id in tasks:
                continue  # said again after a lost connection
            assert key not in self.delivered, "promise 2"
            self.delivered.add(key)
            tasks[info.task_id] = [TaskState.STAGING, 0]

    # The disk

    @rule(part=st.floats(0, 1))
    def confirm(self, part):
        self.durable += round((self.written - self.durable) * part)
        self.do(Checkpointed(self.durable))

    # The process

    @rule(part=st.floats(0, 1), data=st.data())
    def crash(self, part, data):
        """What was never confirmed may be on the disk all the same."""
        kept = self.durable + round((self.written - self.durable) * part)
        del self.records[self.before + kept :]
        self.crashes += 1
        self.config = replace(self.config, incarnation=f"{self.crashes + 1}")
        state = recover(self.config, self.records, strict=True)
        state.check()
        self.forget_what_was_not_kept(state, kept)
        self.sessions.clear()
        self.checking.clear()
        self.connected = self.asked = False
        self.agent = Agent(self.config, state)
        self.records = list(self.agent.records())
        self.before, self.written, self.durable = len(self.records), 0, 0
        specs = self.agent.recovered_specs()
        assert {spec.container_id for spec in specs} >= set(self.living(UP)), "runs, and is forgotten"
        self.do(Recovered({spec.container_id: self.fate(spec, data) for spec in specs}))

    def forget_what_was_not_kept(self, state, kept):
        self.serials = {key: 0 for key, serial in self.serials.items() if serial <= kept}
        for key in self.heard:
            task = state.task(*key)
            if task is not None:
                self.acked[key] = task.next_update_id - 1 - len(task.updates)

    def fate(self, spec, data):
        container_id = spec.container_id
        stage = self.containers[container_id][0] if container_id in self.containers else None
        if stage == UP or (stage == ASKED and data.draw(st.booleans())):
            self.containers[container_id][0] = UP
            self.has.setdefault(container_id, {})
            return ContainerLives(1)
        if stage == OVER:
            return self.exits[container_id]
        self.containers.pop(container_id, None)
        self.starts.pop((spec.framework_id, spec.task_id), None)
        return NeverBegan()

    @rule()
    def write_anew(self):
        """The few records of a running agent are worth as much as all it wrote."""
        if self.removed:
            return  # of removed frameworks less is known from the state than from its history
        from_all = recover(self.config, self.records, strict=True)
        from_few = recover(self.config, self.agent.records(), strict=True)
        assert facts(from_few) == facts(from_all)
