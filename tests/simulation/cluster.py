"""Real cores, an unreliable world: masters, agents and schedulers wired together in one thread under one seed.

Every message goes through a link, one per sender and receiver. A link keeps the order of what it carries; while there
are faults it loses, doubles and delays, so that links overtake each other. Participants lose the broker and find it
again, masters are replaced (the old one may live on for a while and not know), schedulers are restarted, agents die,
with their host or without it: then the next process goes on from the records that were on its disk.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from mesos_py.agent import effects as agent_effects
from mesos_py.agent import events as agent_events
from mesos_py.agent.checkpoint import Record
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.core import Agent
from mesos_py.agent.recovery import recover
from mesos_py.master import effects as master_effects
from mesos_py.master import events as master_events
from mesos_py.master.registry import Registry
from mesos_py.messages.scheduler import TaskToReconcile
from mesos_py.scheduler import effects as scheduler_effects
from mesos_py.scheduler import events as scheduler_events
from mesos_py.scheduler.config import SchedulerConfig
from mesos_py.scheduler.core import Scheduler
from mesos_py.testing.brief import brief
from mesos_py.testing.builders import a_framework, a_master, a_master_info, a_task, an_agent
from mesos_py.types.containers import ContainerExit, ContainerFate, ContainerLives, ContainerSpec, NeverBegan
from mesos_py.types.offers import Launch, LaunchGroup
from mesos_py.types.tasks import LIVE, TERMINAL, Reason, TaskState

FAULTS_END = 400.0


class Participant:
    """A core with a queue of its own, in a process that may end."""

    tick: Any

    def __init__(self, cluster: "Cluster", queue: str, core: Any) -> None:
        self.cluster = cluster
        self.queue = queue
        self.core = core
        self.alive = True
        self.connected = False
        self.due: float | None = None
        cluster.participants[queue] = self

    def connect(self) -> None:
        if self.alive and not self.connected:
            self.connected = True
            self.tell(self.up())

    def disconnect(self, seconds: float) -> None:
        if self.alive and self.connected:
            self.connected = False
            self.tell(self.down())
            self.cluster.after(seconds, self.connect)

    def die(self) -> None:
        self.alive = self.connected = False
        self.cluster.participants.pop(self.queue, None)

    def tell(self, event: Any) -> None:
        """As a mailbox does it: the event, then a tick if one is due."""
        if not self.alive:
            return
        now = self.cluster.now
        self.cluster.story.append((now, self.queue, event))
        for effect in self.core.handle(event, now):
            self.perform(effect)
        self.due = self.core.next_deadline()
        if self.due is not None and self.due <= now:
            assert not isinstance(event, type(self.tick)), f"{self.queue} spins: due at {self.due}, it is {now}"
            self.tell(self.tick)


class MasterProcess(Participant):
    tick = master_events.Ticked()

    def __init__(self, cluster: "Cluster", registry: Registry) -> None:
        registry.epoch += 1
        self.epoch = registry.epoch
        core = a_master(registry=registry, info=a_master_info(f"M{self.epoch}", self.epoch))
        super().__init__(cluster, f"master{self.epoch}", core)
        self.deposed = False

    def up(self) -> Any:
        return master_events.BrokerConnected()

    def down(self) -> Any:
        return master_events.BrokerLost()

    def perform(self, effect: master_effects.MasterEffect) -> None:
        cluster = self.cluster
        match effect:
            case master_effects.SendToFramework(queue=queue, event=event):
                cluster.send(self, queue, scheduler_events.MasterSaid(self.epoch, event))
            case master_effects.SendToAgent(queue=queue, message=message):
                cluster.send(self, queue, agent_events.MasterSaid(self.epoch, message))
            case master_effects.Announce(beacon=beacon):
                for other in cluster.participants.values():
                    said = {AgentProcess: agent_events.MasterSaid, SchedulerProcess: scheduler_events.MasterSaid}
                    if type(other) in said:
                        cluster.send(self, other.queue, said[type(other)](self.epoch, beacon))
            case master_effects.SendEcho(sent=sent):
                for inbox in ("framework", "agent"):
                    cluster.send(self, self.queue, master_events.EchoHeard(inbox, sent))
            case master_effects.Persist(serial=serial) if not self.deposed:  # a deposed one is fenced off
                cluster.after(cluster.wait(0.05), lambda: self.tell(master_events.RegistryWritten(serial)))


class Host:
    """A machine: its disk and its containers outlive the agent."""

    def __init__(self, cluster: "Cluster", name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.records: list[Record] = []
        self.running: dict[str, bool] = {}
        """Asked for, and true once it runs."""
        self.specs: dict[str, ContainerSpec] = {}
        self.exits: dict[str, ContainerExit] = {}
        self.started: set[tuple[str, str]] = set()
        self.agent: AgentProcess

    def ask(self, spec: ContainerSpec) -> None:
        cluster = self.cluster
        key = (spec.framework_id, str(spec.task_id))
        cluster.started[key] += 1
        assert cluster.started[key] == 1, f"{key} was started twice"
        self.started.add(key)
        self.running[spec.container_id] = False
        self.specs[spec.container_id] = spec
        cluster.after(cluster.wait(0.3), lambda: self.start(spec))

    def start(self, spec: ContainerSpec) -> None:
        if self.running.get(spec.container_id) is not False:
            return
        if self.cluster.rng.random() < 0.05:
            del self.running[spec.container_id]
            self.exits[spec.container_id] = ContainerExit(reason=Reason.CONTAINER_LAUNCH_FAILED)
            self.agent.tell(agent_events.ContainerFailed(spec.container_id, Reason.CONTAINER_LAUNCH_FAILED, "bad luck"))
            return
        self.begin(spec)
        self.agent.tell(agent_events.ContainerStarted(spec.container_id, 1))

    def begin(self, spec: ContainerSpec) -> None:
        self.running[spec.container_id] = True
        if not str(spec.task_id).startswith("forever"):
            code = int(self.cluster.rng.random() < 0.2)
            exit_ = ContainerExit(exit_code=code)
            self.cluster.after(self.cluster.wait(20), lambda: self.end(spec.container_id, exit_))

    def end(self, container_id: str, exit_: ContainerExit) -> None:
        was_up = self.running.pop(container_id, None)
        if was_up is not None:
            self.exits[container_id] = exit_
        if was_up:
            self.agent.tell(agent_events.ContainerEnded(container_id, exit_))
        elif was_up is False:
            self.agent.tell(agent_events.ContainerFailed(container_id, Reason.CONTAINER_LAUNCH_FAILED, "killed"))

    def fate(self, spec: ContainerSpec) -> ContainerFate:
        """As whoever was to start it says when the agent is back."""
        container_id = spec.container_id
        if self.running.get(container_id) is False:
            if self.cluster.rng.random() < 0.5:
                self.begin(spec)
            else:
                del self.running[container_id]
                key = (spec.framework_id, str(spec.task_id))
                self.cluster.started[key] -= 1
                self.started.discard(key)
        if container_id in self.running:
            return ContainerLives(1)
        return self.exits.get(container_id) or NeverBegan()


class AgentProcess(Participant):
    tick = agent_events.Ticked()

    def __init__(self, cluster: "Cluster", host: Host, incarnation: int) -> None:
        config = AgentCoreConfig(
            info=an_agent(host.name), work_dir="/w", incarnation=str(incarnation), jitter=cluster.rng.random()
        )
        state = recover(config, host.records, strict=True)
        super().__init__(cluster, f"{host.name}.{incarnation}", Agent(config, state))
        self.host = host
        self.waiting: list[tuple[int, Record]] = []
        host.agent = self
        host.records = list(self.core.records())
        specs = self.core.recovered_specs()
        assert {spec.container_id for spec in specs} >= host.running.keys(), "it has forgotten what runs"
        self.tell(agent_events.Recovered({spec.container_id: host.fate(spec) for spec in specs}))

    def die(self) -> None:
        """Some of what was not confirmed may be on the disk all the same."""
        super().die()
        kept = self.cluster.rng.randint(0, len(self.waiting))
        self.host.records += [record for _, record in self.waiting[:kept]]

    def written(self, serial: int) -> None:
        if self.alive:
            self.host.records += [record for number, record in self.waiting if number <= serial]
            self.waiting = [one for one in self.waiting if one[0] > serial]
            self.tell(agent_events.Checkpointed(serial))

    def up(self) -> Any:
        return agent_events.BrokerConnected()

    def down(self) -> Any:
        return agent_events.BrokerLost()

    def perform(self, effect: agent_effects.AgentEffect) -> None:
        cluster = self.cluster
        match effect:
            case agent_effects.SendToMaster(message=message):
                for master in cluster.masters():
                    cluster.send(self, master.queue, master_events.AgentSaid("agents", self.queue, message))
            case agent_effects.Checkpoint(serial=serial, record=record):
                self.waiting.append((serial, record))
                cluster.after(cluster.wait(0.02), lambda: self.written(serial))
            case agent_effects.StartContainer(spec=spec):
                self.host.ask(spec)
            case agent_effects.ForgetContainer(container_id=container_id):
                del self.host.exits[container_id]
            case agent_effects.DestroyContainer(container_id=container_id):
                cluster.after(cluster.wait(0.1), lambda: self.host.end(container_id, ContainerExit(signal=9)))
            case agent_effects.SignalContainer(container_id=container_id):
                if cluster.rng.random() < 0.5:
                    cluster.after(cluster.wait(0.5), lambda: self.host.end(container_id, ContainerExit(signal=15)))
            case agent_effects.StopAgent():
                raise AssertionError(f"{self.queue} was sent away: {effect.error}")


class SchedulerProcess(Participant):
    """With a user who wants some tasks, in her time, and remembers what matters when restarted."""

    tick = scheduler_events.Ticked()

    def __init__(self, cluster: "Cluster", user: "User") -> None:
        config = SchedulerConfig(
            framework=a_framework(user.name, failover_timeout_s=1e6), framework_id=user.framework_id
        )
        super().__init__(cluster, f"{user.name}.{cluster.serial()}", Scheduler(config))
        self.user = user
        self.last: dict[str, int] = {}
        user.process = self

    def up(self) -> Any:
        return scheduler_events.BrokerConnected()

    def down(self) -> Any:
        return scheduler_events.BrokerLost()

    def perform(self, effect: scheduler_effects.SchedulerEffect) -> None:
        match effect:
            case scheduler_effects.SendToMaster(call=call):
                for master in self.cluster.masters():
                    said = master_events.FrameworkSaid(self.user.name, self.queue, False, call)
                    self.cluster.send(self, master.queue, said)
            case scheduler_effects.Deliver(event=event):
                self.user.hear(event, self)
            case scheduler_effects.StopDriver(error=error):
                raise AssertionError(f"{self.queue} stopped: {error}")

    def call(self, call: Any) -> None:
        self.tell(scheduler_events.UserCalled(call))


class User:
    """Wants tasks, and writes down what she launched and how it stands."""

    def __init__(self, cluster: "Cluster", name: str, wanted: int) -> None:
        self.cluster = cluster
        self.name = name
        self.wanted = wanted
        self.framework_id: Any = None
        self.states: dict[str, Any] = {}
        self.process: SchedulerProcess
        self.killed: set[str] = set()
        self.ends: set[str] = set()
        """Tasks of whose end an agent told."""
        self.written_off: set[str] = set()
        """Tasks of whose end only the master told."""

    def hear(self, event: Any, process: SchedulerProcess) -> None:
        calls = scheduler_effects
        match event:
            case calls.Registered(framework_id=framework_id, again=again):
                if not again:
                    assert self.framework_id is None, "a second identity"
                self.framework_id = framework_id
            case calls.Offers(offers=offers):
                for offer in offers:
                    self.cluster.after(self.cluster.wait(1), lambda offer=offer: self.answer(offer, process))
            case calls.Update(status=status):
                if status.update_id is not None:
                    assert status.update_id == process.last.get(status.task_id, status.update_id - 1) + 1, "a gap"
                    process.last[status.task_id] = status.update_id
                    alive = status.state in LIVE and status.task_id in self.written_off
                    assert not alive, f"{status.task_id} was said to have ended"
                    if status.state in TERMINAL:
                        self.ends.add(status.task_id)
                elif status.state in TERMINAL:
                    self.written_off.add(status.task_id)
                elif status.state in (TaskState.UNKNOWN, TaskState.UNREACHABLE, TaskState.STAGING):
                    # the agent, back again, says what it does not know to be heard; as it does to a new leader, which
                    # knows no more than that the task was launched
                    process.last.pop(status.task_id, None)
                before = self.states.get(status.task_id)
                if before not in TERMINAL:
                    self.states[status.task_id] = status.state
                    if status.state is TaskState.DROPPED:
                        self.wanted += 1

    def answer(self, offer: Any, process: SchedulerProcess) -> None:
        if not process.alive:
            return
        rng, ours = self.cluster.rng, scheduler_events.OURS
        number = min(self.wanted, int(offer.resources.cpus), rng.randint(1, 3))
        if not number:
            refuse = scheduler_events.Decline(framework_id=ours, offer_ids=[offer.offer_id], refuse_seconds=300)
            process.call(refuse)
            return
        self.wanted -= number
        kind = "forever" if rng.random() < 0.07 else "task"
        tasks = [a_task(f"{kind}{self.cluster.serial()}") for _ in range(number)]
        self.states.update((task.task_id, TaskState.STAGING) for task in tasks)
        operation = LaunchGroup(tasks=tasks) if rng.random() < 0.2 else Launch(tasks=tasks)
        accept = scheduler_events.Accept(
            framework_id=ours, offer_ids=[offer.offer_id], operations=[operation], refuse_seconds=1
        )
        process.call(accept)

    def want_more(self) -> None:
        self.wanted += 2
        if self.process.alive:
            self.process.call(scheduler_events.Revive(framework_id=scheduler_events.OURS))

    def kill_something(self) -> None:
        live = [task_id for task_id, state in self.states.items() if state not in TERMINAL]
        if live and self.process.alive:
            task_id = self.cluster.rng.choice(live)
            self.killed.add(task_id)
            self.process.call(scheduler_events.Kill(framework_id=scheduler_events.OURS, task_id=task_id))

    def restart(self) -> None:
        """The process ends; another one comes when nothing of it is under way any more."""
        if self.process.alive:
            self.process.die()
            self.cluster.after(5 + self.cluster.wait(5), self.begin_again)

    def begin_again(self) -> None:
        """It knows its id and its tasks, asks for them, and wishes its kills again."""
        process = SchedulerProcess(self.cluster, self)
        process.connect()
        live = [task_id for task_id, state in self.states.items() if state not in TERMINAL]
        questions = [TaskToReconcile(task_id=task_id) for task_id in live]
        if questions:
            process.call(scheduler_events.Reconcile(framework_id=scheduler_events.OURS, tasks=questions))
        for task_id in self.killed & set(live):
            process.call(scheduler_events.Kill(framework_id=scheduler_events.OURS, task_id=task_id))


class Cluster:
    """All of it, and time."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.story: list[tuple[float, str, Any]] = []
        self.participants: dict[str, Any] = {}
        self.started: Counter[tuple[str, str]] = Counter()
        self.dead_agents: set[str] = set()
        self._todo: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._links: dict[tuple[str, str], float] = {}
        self.registry = Registry()
        self.leader = MasterProcess(self, self.registry)
        self.agents = [AgentProcess(self, Host(self, f"a{n}"), self.serial()) for n in range(3)]
        self.users = [User(self, f"u{n}", 6) for n in range(2)]
        for user in self.users:
            SchedulerProcess(self, user)
        for participant in list(self.participants.values()):
            self.after(self.wait(1), participant.connect)

    def serial(self) -> int:
        return next(self._order)

    def wait(self, about_s: float) -> float:
        return self.rng.expovariate(1 / about_s)

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._todo, (self.now + seconds, self.serial(), do))

    def masters(self) -> list[MasterProcess]:
        return [one for one in self.participants.values() if isinstance(one, MasterProcess)]

    # The network

    def send(self, sender: Participant, queue: str, message: Any) -> None:
        rng, faulty = self.rng, self.now < FAULTS_END
        if not sender.connected or (faulty and rng.random() < 0.05):
            return
        link = (sender.queue, queue)
        at = max(self._links.get(link, 0.0), self.now + self.wait(0.5 if faulty and rng.random() < 0.1 else 0.005))
        self._links[link] = at
        for _ in range(2 if faulty and rng.random() < 0.05 else 1):
            self.after(at - self.now, lambda: self.arrive(sender, queue, message))

    def arrive(self, sender: Participant, queue: str, message: Any) -> None:
        receiver = self.participants.get(queue)
        if receiver is not None and receiver.connected:
            receiver.tell(message)
        elif isinstance(sender, MasterProcess) and sender.connected:
            sender.tell(master_events.QueueGone(queue))

    # Faults

    def some_fault(self) -> None:
        rng = self.rng
        match rng.randrange(9):
            case 0 | 1:
                self.replace_master()
            case 2 | 3:
                rng.choice(list(self.participants.values())).disconnect(self.wait(20))
            case 4:
                rng.choice(self.users).restart()
            case 5:
                rng.choice(self.users).kill_something()
            case 6 if rng.random() < 0.3:
                self.replace_agent(rng.choice(self.agents))
            case 7 | 8:
                self.restart_agent(rng.choice(self.agents))

    def replace_master(self) -> None:
        old = self.leader
        old.deposed = True
        self.registry = deepcopy(old.core.state.registry)
        if self.rng.random() < 0.5:
            old.die()
        else:
            self.after(self.wait(30), old.die)
        self.leader = MasterProcess(self, self.registry)
        self.after(self.wait(3), self.leader.connect)

    def replace_agent(self, old: AgentProcess) -> None:
        """The machine is gone with all that ran there; another one comes under its name."""
        self.dead_agents.add(str(old.core.view().agent_id))
        old.die()
        fresh = AgentProcess(self, Host(self, old.host.name), self.serial())
        self.agents[self.agents.index(old)] = fresh
        fresh.connect()

    def restart_agent(self, old: AgentProcess) -> None:
        """The process is gone, its tasks run on; another one comes soon, or when the master has given it up."""
        if not old.alive:
            return
        old.die()

        def begin_again() -> None:
            if old in self.agents:
                fresh = AgentProcess(self, old.host, self.serial())
                self.agents[self.agents.index(old)] = fresh
                fresh.connect()

        self.after(self.wait(self.rng.choice([1.0, 60.0])), begin_again)

    # Time

    def run(self, until: float) -> None:
        while True:
            due = self._todo[0][0] if self._todo else until
            sleeper = None
            for one in self.participants.values():
                if one.due is not None and one.due < due:
                    due, sleeper = one.due, one
            if due >= until:
                self.now = until
                return
            self.now = max(self.now, due)
            if sleeper is not None:
                sleeper.tell(sleeper.tick)
            else:
                heapq.heappop(self._todo)[2]()

    def check(self) -> None:
        for one in self.participants.values():
            if hasattr(one.core, "check"):
                one.core.check()

    def tell_story(self, last: int = 300) -> str:
        return "\n".join(f"{now:9.3f} {who:10} {brief(event)}" for now, who, event in self.story[-last:])
