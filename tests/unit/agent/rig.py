"""An agent's core with hands: events by short names, effects sorted by kind, the invariants checked at every step."""

from msgspec.structs import replace

from mesos_py.agent.checkpoint import Record
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.core import Agent
from mesos_py.agent.effects import (
    AgentEffect,
    Checkpoint,
    DestroyContainer,
    SendToExecutor,
    SendToMaster,
    SignalContainer,
    StartContainer,
)
from mesos_py.agent.events import (
    AgentEvent,
    BrokerConnected,
    Checkpointed,
    ContainerEnded,
    ContainerStarted,
    ExecutorConnected,
    ExecutorSaid,
    MasterSaid,
    Recovered,
    Ticked,
)
from mesos_py.agent.recovery import recover
from mesos_py.messages.agent import (
    AgentRegistered,
    AgentReregistered,
    KillTask,
    ReregisterAgent,
    RunTasks,
    StatusUpdate,
    ToAgent,
    UpdateAcknowledged,
)
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.executor import ExecutorUpdate
from mesos_py.types.containers import ContainerExit, ContainerFate, ContainerSpec
from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, MasterID, Role, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo, MasterInfo
from mesos_py.types.offers import Launch, LaunchGroup, Operation
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, KillPolicy, TaskInfo, TaskState, TaskStatus

AGENT = AgentID("M-A1")
FRAMEWORK = FrameworkID("M-F1")
ROLE = Role("dev")


def an_agent_info(resources: str = "cpus:8;mem:8192;ports:[31000-31009]") -> AgentInfo:
    return AgentInfo(name="node1", hostname="node1.local", resources=Resources.parse(resources))


def a_beacon(
    epoch: int = 1, master: str = "", heartbeat_s: float = 15.0, interval_s: float = 30.0, spread_s: float = 0.0
) -> Beacon:
    info = MasterInfo(master_id=MasterID(master or f"M{epoch}"), epoch=epoch)
    return Beacon(master=info, heartbeat_s=heartbeat_s, interval_s=interval_s, spread_s=spread_s)


def a_task(task_id: str = "t1", **fields) -> TaskInfo:
    fields.setdefault("resources", Resources.of(cpus=1, mem=128))
    if "executor" not in fields:
        fields.setdefault("command", CommandInfo(value="sleep 1"))
    return TaskInfo(task_id=TaskID(task_id), **fields)


def an_executor(executor_id: str = "e1", **fields) -> ExecutorInfo:
    fields.setdefault("resources", Resources.of(cpus=0.5, mem=64))
    return ExecutorInfo(executor_id=ExecutorID(executor_id), command=CommandInfo(argv=["/bin/executor"]), **fields)


class Rig:
    """``effects`` holds what the last event led to; with ``durable`` every record is confirmed at once."""

    def __init__(self, *, register: bool = True, durable: bool = True, resources: str = "", **config) -> None:
        info = an_agent_info(resources) if resources else an_agent_info()
        self.agent = Agent(AgentCoreConfig(info=info, work_dir="/w", incarnation="1", **config))
        self.now = 1000.0
        self.epoch = 1
        self.sequence = 0
        self.durable = durable
        self.written = 0
        self.effects: list[AgentEffect] = []
        if register:
            self.on(BrokerConnected())
            self.say(a_beacon())
            self.say(AgentRegistered(name="node1", agent_id=AGENT))
            if not durable:
                self.confirm()

    def on(self, event: AgentEvent) -> list[AgentEffect]:
        self.effects = []
        todo = [event]
        while todo:
            effects = self.agent.handle(todo.pop(), self.now)
            self.agent.check()
            self.effects += effects
            serials = [effect.serial for effect in effects if isinstance(effect, Checkpoint)]
            if serials:
                self.written = serials[-1]
                if self.durable:
                    todo.append(Checkpointed(serials[-1]))
        return self.effects

    def say(self, message: ToAgent, epoch: int | None = None) -> list[AgentEffect]:
        return self.on(MasterSaid(self.epoch if epoch is None else epoch, message))

    def confirm(self, serial: int | None = None) -> list[AgentEffect]:
        return self.on(Checkpointed(self.written if serial is None else serial))

    def wait(self, seconds: float) -> list[AgentEffect]:
        """Let time pass, ticking exactly at every deadline on the way."""
        end = self.now + seconds
        effects: list[AgentEffect] = []
        while (due := self.agent.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            effects += self.on(Ticked())
            after = self.agent.next_deadline()
            assert after is None or after > self.now
        self.now = end
        self.effects = effects
        return effects

    # Shorthands for events

    def run(self, *operations: Operation, sequence: int | None = None, epoch: int | None = None, **info):
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        order = RunTasks(
            agent_id=AGENT,
            sequence=sequence,
            framework_id=FRAMEWORK,
            framework=FrameworkInfo(name="f", user="joe", **info),
            role=ROLE,
            operations=list(operations),
        )
        return self.say(order, epoch)

    def launch(self, *tasks: TaskInfo) -> list[AgentEffect]:
        return self.run(Launch(tasks=list(tasks)))

    def launch_group(self, *tasks: TaskInfo, executor: ExecutorInfo | None = None) -> list[AgentEffect]:
        return self.run(LaunchGroup(tasks=list(tasks), executor=executor))

    def start(self, task: TaskInfo | None = None) -> ContainerID:
        """Launch a command task up to RUNNING."""
        self.launch(task or a_task())
        container_id = self.specs()[-1].container_id
        self.on(ContainerStarted(container_id, 4711))
        return container_id

    def start_executor(self, *tasks: TaskInfo) -> ContainerID:
        """Launch tasks on a custom executor up to its connection."""
        self.launch(*tasks)
        container_id = self.specs()[-1].container_id
        self.on(ContainerStarted(container_id, 4711))
        self.on(ExecutorConnected(container_id, []))
        return container_id

    def kill(self, task_id: str = "t1", grace_s: float | None = None) -> list[AgentEffect]:
        policy = None if grace_s is None else KillPolicy(grace_period_s=grace_s)
        order = KillTask(agent_id=AGENT, framework_id=FRAMEWORK, task_id=TaskID(task_id), kill_policy=policy)
        return self.say(order)

    def ack(self, update_id: int, task_id: str = "t1") -> list[AgentEffect]:
        return self.say(
            UpdateAcknowledged(agent_id=AGENT, framework_id=FRAMEWORK, task_id=TaskID(task_id), update_id=update_id)
        )

    def end(self, container_id: ContainerID, exit_code: int | None = 0, **fields) -> list[AgentEffect]:
        return self.on(ContainerEnded(container_id, ContainerExit(exit_code=exit_code, **fields)))

    def report(self, container_id: ContainerID, state: TaskState, number: int, task_id: str = "t1", **fields):
        update = ExecutorUpdate(task_id=TaskID(task_id), state=state, number=number, **fields)
        return self.on(ExecutorSaid(container_id, update))

    # Reading the effects of the last event

    def specs(self) -> list[ContainerSpec]:
        return [effect.spec for effect in self.effects if isinstance(effect, StartContainer)]

    def records(self, kind: type) -> list:
        return [e.record for e in self.effects if isinstance(e, Checkpoint) and isinstance(e.record, kind)]

    def sent(self, kind: type) -> list:
        return [e.message for e in self.effects if isinstance(e, SendToMaster) and isinstance(e.message, kind)]

    def statuses(self) -> list[TaskStatus]:
        return [update.status for update in self.sent(StatusUpdate)]

    def states(self) -> list[TaskState]:
        return [status.state for status in self.statuses()]

    def to_executor(self) -> list:
        return [effect.event for effect in self.effects if isinstance(effect, SendToExecutor)]

    def signals(self) -> list[int]:
        return [effect.signal for effect in self.effects if isinstance(effect, SignalContainer)]

    def destroyed(self) -> list[ContainerID]:
        return [effect.container_id for effect in self.effects if isinstance(effect, DestroyContainer)]

    def state_of(self, task_id: str = "t1") -> TaskState:
        view = self.agent.view()
        tasks = [task for framework in view.frameworks for task in framework.tasks] + view.completed_tasks
        return next(task.state for task in tasks if task.task_id == task_id)


class RecordingRig(Rig):
    """Keeps all records, so that another process can go on from them."""

    def __init__(self, **config) -> None:
        self.all_records: list[Record] = []
        super().__init__(**config)

    def on(self, event: AgentEvent) -> list[AgentEffect]:
        effects = super().on(event)
        self.all_records += [effect.record for effect in effects if isinstance(effect, Checkpoint)]
        return effects

    def restart(self, fates: dict[ContainerID, ContainerFate], cut: int | None = None, **config) -> list[AgentEffect]:
        """The process ends, another one reads the records (the first ``cut`` of them) and hears of these fates."""
        before = self.agent._state.config
        fresh = replace(before, incarnation=before.incarnation + "+", **config)
        self.agent = Agent(fresh, recover(fresh, self.all_records[:cut], strict=True))
        self.agent.check()
        self.all_records = list(self.agent.records())
        self.written = 0
        return self.on(Recovered(fates))

    def come_back(self) -> list[AgentEffect]:
        """Register again, as soon as the agent wants to; gives what followed the master's answer."""
        self.on(BrokerConnected())
        self.say(a_beacon(self.epoch))
        self.reported = self.sent(ReregisterAgent)
        return self.say(AgentReregistered(agent_id=AGENT))


def without_time(status: TaskStatus) -> TaskStatus:
    return replace(status, timestamp=0.0)
