"""All of a cluster, and time: what a simulation of any workload is made of."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct, field

from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.events import LeaveOrdered
from mesos_py.allocator.base import Allocator, AllocatorConfig
from mesos_py.allocator.drf import drf
from mesos_py.master.state import MasterConfig
from mesos_py.scheduler.config import SchedulerConfig
from mesos_py.testing.brief import brief
from mesos_py.testing.builders import a_framework, an_agent
from mesos_py.testing.simulation.agents import AgentProcess
from mesos_py.testing.simulation.broken import PromiseError
from mesos_py.testing.simulation.broker import Broker
from mesos_py.testing.simulation.hosts import Behaviour, Host
from mesos_py.testing.simulation.masters import MasterProcess
from mesos_py.testing.simulation.process import Process
from mesos_py.testing.simulation.promises import Promises
from mesos_py.testing.simulation.schedulers import SchedulerProcess, User
from mesos_py.testing.simulation.timeline import Clock, Dice, Timeline
from mesos_py.testing.simulation.workload import any_behaviour
from mesos_py.testing.simulation.zookeeper import Ensemble
from mesos_py.types.infos import AgentInfo
from mesos_py.types.maintenance import AgentMode
from mesos_py.types.resources import Resources

__all__ = ["Cluster", "Setup"]

_STORY_EVENTS = 5000
"""The last of so many are kept."""
_REPLACED_AFTER_S = 10.0


def _fair() -> Allocator:
    return drf(AllocatorConfig())


class Setup(Struct, frozen=True, kw_only=True):
    """What a cluster is made of, and how it is configured."""

    masters: int = 3
    agents: list[AgentInfo] = field(default_factory=list)
    master: MasterConfig = MasterConfig()
    allocator: Callable[[], Allocator] = _fair
    """Makes a policy, for each leadership a new one."""
    agent: AgentCoreConfig = field(
        default_factory=lambda: AgentCoreConfig(info=an_agent(), work_dir="/w", incarnation="")
    )
    """A template: who the agent is comes from ``agents``."""
    scheduler: SchedulerConfig = field(default_factory=lambda: SchedulerConfig(framework=a_framework()))
    """A template: whose scheduler it is comes from its user."""
    session_timeout_s: float = 10.0
    inbox_holds: int | None = None
    """Messages that wait for a leader before the oldest are dropped; None for any number."""
    events_kept: int = 10_000
    """Messages that wait for a scheduler before the oldest are dropped."""


class Cluster:
    """Masters, agents and schedulers, a broker, an ensemble, and whoever checks the promises."""

    def __init__(self, seed: int, setup: Setup, behave: Callable[[str, Dice], Behaviour] = any_behaviour) -> None:
        """``behave(task or executor id, dice)`` says what a task does; all masters and agents are started."""
        self.seed = seed
        self.setup = setup
        self.timeline = Timeline()
        self.handled = 0
        """Events that a core has handled: messages, timers and completions."""
        self.story: deque[tuple[float, str, Any]] = deque(maxlen=_STORY_EVENTS)
        self.dice = Dice(seed, "cluster")
        self.registry_dice = Dice(seed, "registry")
        self.promises = Promises(self)
        self.broker = Broker(self)
        self.ensemble = Ensemble(self, setup.session_timeout_s)
        self.masters: dict[str, MasterProcess] = {}
        """The newest process of each, by the name of its seat, such as m1."""
        self.hosts: dict[str, Host] = {}
        """By the name of the agent."""
        self.users: dict[str, User] = {}
        self.rivals: list[SchedulerProcess] = []
        """Processes that another of their framework has taken over from, or is about to."""
        self._behave = behave
        self._clocks: dict[str, Clock] = {}
        self._retiring: set[Host] = set()
        self._made = 0
        for number in range(setup.masters):
            self.start_master(f"m{number}")
        for info in setup.agents:
            self.add_agent(info)

    # Who there is

    def add_agent(self, info: AgentInfo) -> Host:
        """A new node, with its agent."""
        host = Host(self, f"{info.name}/{self._serial()}", info, self._behave)
        self.hosts[info.name] = host
        self.start_agent(host)
        return host

    def start_agent(self, host: Host) -> AgentProcess:
        """The next process on a host, which goes on from what is on its disk."""
        process = AgentProcess(host, f"{host.name}.{self._serial()}")
        process.start()
        return process

    def start_master(self, seat: str) -> MasterProcess:
        """The next process of one of the masters."""
        process = MasterProcess(self, f"{seat}.{self._serial()}", self.clock(seat))
        self.masters[seat] = process
        process.start()
        return process

    def add_framework(self, user: User) -> SchedulerProcess:
        """A user with a scheduler; she is called from now on."""
        self.users[user.name] = user
        return self.start_scheduler(user)

    def start_scheduler(self, user: User) -> SchedulerProcess:
        """The next process of a framework, or a second one."""
        process = SchedulerProcess(self, user, f"{user.name}.{self._serial()}", self.clock(user.name))
        process.start()
        user.began(process)
        return process

    def clock(self, of: str) -> Clock:
        """That of the host of a master or a scheduler."""
        return self._clocks.setdefault(of, Clock())

    def _serial(self) -> int:
        self._made += 1
        return self._made

    def processes(self) -> Iterator[Process]:
        """All that live."""
        everybody: list[Process] = [
            *self.masters.values(),
            *(host.agent for host in self.hosts.values()),
            *(user.process for user in self.users.values()),
            *self.rivals,
        ]
        return (process for process in everybody if process.alive)

    @property
    def leader(self) -> MasterProcess | None:
        """The master with the newest epoch, if it leads."""
        leads = [master for master in self.masters.values() if master.core is not None]
        newest = max(leads, key=lambda master: master.epoch, default=None)
        return newest if newest is not None and newest.epoch == self.ensemble.epoch else None

    def stores_may_write(self) -> None:
        """The ensemble is reached again."""
        for master in self.masters.values():
            if master.store is not None:
                master.store.go_on()

    def agent_stopped(self, process: AgentProcess, error: str) -> None:
        """It was refused, or has left: its node is set up anew."""
        if not process.alive:
            return
        if process.host in self._retiring:
            self._retiring.remove(process.host)
            process.host.break_down()
            del self.hosts[process.host.info.name]
            return
        if str(process.core.state.agent_id) not in self.promises.doomed_agents:
            raise PromiseError("4 tasks outlive the control plane", f"{process.name} was sent away: {error}")
        self.replace_host(process.host)

    def retire_agent(self, name: str) -> None:
        """It ends its tasks, says good-bye, and its node does not come back."""
        host = self.hosts[name]
        self._retiring.add(host)
        self.promises.doomed_agents.add(str(host.agent.core.state.agent_id))
        host.agent.put(LeaveOrdered())

    def replace_host(self, host: Host) -> None:
        """A machine is gone with all that ran there; another one comes under its agent's name."""
        if self.hosts.get(host.info.name) is host:
            host.break_down()
            self.timeline.after(_REPLACED_AFTER_S, self._come_anew, host)

    def _come_anew(self, host: Host) -> None:
        if self.hosts.get(host.info.name) is host:
            self.add_agent(host.info)

    def ran_on_present_host(self, framework_id: str, task_id: str) -> bool:
        """Whether a task was ever begun on a machine that is still there."""
        return any((framework_id, task_id) in host.began for host in self.hosts.values() if host.is_up)

    def has_room_for(self, resources: Resources) -> bool:
        """Whether these are free on one of the machines that are offered."""
        return any(
            (host.info.resources.flatten() - host.used).contains(resources)
            for host in self.hosts.values()
            if host.is_up and self.is_offered(host)
        )

    def is_offered(self, host: Host) -> bool:
        """Whether no operator has taken it out."""
        leader, agent_id = self.leader, host.agent.core.state.agent_id
        if leader is None or leader.core is None or agent_id is None:
            return False
        return leader.core.state.registry.mode_of(agent_id) is AgentMode.ACTIVE

    def fail(self, why: str) -> None:
        """Something that must not be has happened."""
        promise, _, message = why.partition(": ")
        raise PromiseError(promise, message)

    # Time

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self.timeline.now

    def run(self, until: float) -> None:
        """Let time pass. Raises PromiseError."""
        self.timeline.run(until)

    def tell_story(self, last: int = 300) -> str:
        """What happened last, one line for each event."""
        events = list(self.story)[-last:]
        return "\n".join(f"{now:9.3f} {who:12} {brief(event)}" for now, who, event in events)
