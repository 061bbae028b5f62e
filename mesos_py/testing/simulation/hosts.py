"""A machine: its disk and its containers outlive the agent."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from mesos_py.agent import events
from mesos_py.agent.checkpoint import ExecutorLaunched, Record, TaskLaunched, UpdateMade
from mesos_py.testing.simulation.executors import ExecutorProcess
from mesos_py.testing.simulation.timeline import Clock, Dice
from mesos_py.types.containers import ContainerExit, ContainerFate, ContainerLives, ContainerSpec, NeverBegan
from mesos_py.types.ids import ContainerID
from mesos_py.types.infos import AgentInfo
from mesos_py.types.resources import EMPTY, Resources
from mesos_py.types.tasks import Reason

if TYPE_CHECKING:
    from mesos_py.testing.simulation.agents import AgentProcess
    from mesos_py.testing.simulation.cluster import Cluster

__all__ = ["Behaviour", "Container", "Disk", "Host"]

_DESTROY_S = 0.1


class Behaviour(Struct, frozen=True, kw_only=True):
    """What a task, or an executor, does once it is asked for."""

    starts_in_s: float = 0.1
    fails: bool = False
    """It cannot be started."""
    runs_s: float | None = None
    """Until it ends by itself; None: until it is killed."""
    exit_code: int = 0
    heeds_term: bool = True
    """It ends when it is told to; otherwise only when it must."""


class Disk:
    """Where an agent's records are: durable in order, many at once."""

    def __init__(self, dice: Dice) -> None:
        """Empty."""
        self.dice = dice
        self.records: list[Record] = []
        self.launched: set[ContainerID] = set()
        """Containers of which a durable record says that they were to be started."""
        self.updates: set[tuple[str, str, int]] = set()
        """Updates that are durable: framework, task, update id."""

    def keep(self, records: list[Record]) -> None:
        """These are durable from now on."""
        self.records += records
        for record in records:
            if isinstance(record, UpdateMade):
                self.updates.add((record.framework_id, record.status.task_id, record.status.update_id or 0))
            elif isinstance(record, TaskLaunched | ExecutorLaunched) and record.container_id is not None:
                self.launched.add(record.container_id)


class Container:
    """Processes, or the wish for them."""

    __slots__ = ("behaviour", "executor", "resources", "spec", "up")

    def __init__(self, spec: ContainerSpec, behaviour: Behaviour) -> None:
        self.spec = spec
        self.behaviour = behaviour
        self.resources = spec.resources
        self.up = False
        self.executor: ExecutorProcess | None = None


class Host:
    """A node with all that runs there. ``agent`` is the process of the moment, alive or not."""

    agent: "AgentProcess"

    def __init__(
        self, cluster: "Cluster", name: str, info: AgentInfo, behave: Callable[[str, Dice], Behaviour]
    ) -> None:
        """``name`` is of this machine alone; another that takes its place has another."""
        self.cluster = cluster
        self.name = name
        self.info = info
        self.clock = Clock()
        self.dice = Dice(cluster.seed, f"host {name}")
        self.disk = Disk(self.dice)
        self.containers: dict[ContainerID, Container] = {}
        self.exits: dict[ContainerID, ContainerExit] = {}
        self.used = EMPTY
        """By all containers."""
        self.is_up = True
        self.began: set[tuple[str, str]] = set()
        """Tasks that were ever begun here, by framework and id."""
        self._behave = behave
        self._pids = 0

    # What the agent asks for

    def ask(self, spec: ContainerSpec) -> None:
        """Start a container."""
        self.cluster.promises.container_asked(self, spec)
        behaviour = self._behave(str(spec.task_id or spec.executor_id), self.dice)
        container = self.containers[spec.container_id] = Container(spec, behaviour)
        self._charge(EMPTY, spec.resources)
        self.cluster.timeline.after(behaviour.starts_in_s, self._start, container)

    def _charge(self, before: Resources, after: Resources) -> None:
        self.used = self.used - before.flatten() + after.flatten()
        self.cluster.promises.host_used(self)

    def update(self, container_id: ContainerID, resources: Resources) -> None:
        """Let a container have other resources."""
        container = self.containers.get(container_id)
        if container is not None:
            self._charge(container.resources, resources)
            container.resources = resources

    def signal(self, container_id: ContainerID, signal: int) -> None:
        """Send a signal to a container."""
        container = self.containers.get(container_id)
        if container is not None:
            self.cluster.promises.container_killed(self, container.spec)
            if container.behaviour.heeds_term:
                exit_ = ContainerExit(signal=signal)
                self.cluster.timeline.after(self.dice.wait(0.5), self.end, container_id, exit_)

    def destroy(self, container_id: ContainerID) -> None:
        """Kill a container."""
        container = self.containers.get(container_id)
        if container is not None:
            self.cluster.promises.container_killed(self, container.spec)
            self.cluster.timeline.after(_DESTROY_S, self.end, container_id, ContainerExit(signal=9))

    def forget(self, container_id: ContainerID) -> None:
        """How it ended is durable."""
        self.exits.pop(container_id, None)

    def fate(self, spec: ContainerSpec) -> ContainerFate:
        """As the launcher says when an agent comes (again)."""
        container = self.containers.get(spec.container_id)
        if container is None:
            return self.exits.get(spec.container_id) or NeverBegan()
        if not container.up:
            if self.dice.random() < 0.5:
                self._begin(container)
            else:
                self._drop(container)
                return NeverBegan()
        return ContainerLives(1)

    # Containers

    def _start(self, container: Container) -> None:
        container_id = container.spec.container_id
        if self.containers.get(container_id) is not container or container.up:
            return
        if container.behaviour.fails:
            self._drop(container)
            reason = Reason.CONTAINER_LAUNCH_FAILED
            self.exits[container_id] = ContainerExit(reason=reason)
            self.cluster.promises.container_ended(container.spec)
            self.tell(events.ContainerFailed(container_id, reason, "bad luck"))
            return
        self._begin(container)
        self._pids += 1
        self.tell(events.ContainerStarted(container_id, self._pids))

    def _begin(self, container: Container) -> None:
        spec, behaviour = container.spec, container.behaviour
        container.up = True
        if spec.task_id is not None:
            self.task_begins(spec.framework_id, spec.task_id)
        if spec.executor_id is not None:
            container.executor = ExecutorProcess(self, spec.container_id)
            container.executor.start()
        elif behaviour.runs_s is not None:
            exit_ = ContainerExit(exit_code=behaviour.exit_code)
            self.cluster.timeline.after(behaviour.runs_s, self.end, spec.container_id, exit_)

    def _drop(self, container: Container) -> None:
        del self.containers[container.spec.container_id]
        self._charge(container.resources, EMPTY)

    def end(self, container_id: ContainerID, exit_: ContainerExit) -> None:
        """All processes of a container end, if it is still there."""
        container = self.containers.get(container_id)
        if container is None:
            return
        self._drop(container)
        self.exits[container_id] = exit_
        if container.executor is not None:
            container.executor.stop()
        self.cluster.promises.container_ended(container.spec)
        if container.up:
            self.tell(events.ContainerEnded(container_id, exit_))
        else:
            self.tell(events.ContainerFailed(container_id, Reason.CONTAINER_LAUNCH_FAILED, "killed"))

    def tell(self, event: events.AgentEvent) -> None:
        """Tell the agent, if there is one."""
        if self.agent.alive:
            self.agent.put(event)

    def break_down(self) -> None:
        """The machine is lost with all that ran there."""
        self.is_up = False
        for container in self.containers.values():
            if container.executor is not None:
                container.executor.stop()
        self.containers.clear()
        self.exits.clear()
        if self.agent.alive:
            self.agent.die()

    def executors(self) -> list[ExecutorProcess]:
        """Those that run."""
        return [each.executor for each in self.containers.values() if each.executor is not None]

    def task_begins(self, framework_id: str, task_id: str) -> None:
        """In a container of its own, or by its executor."""
        self.began.add((framework_id, task_id))
        self.cluster.promises.task_begins(framework_id, task_id, self.name)

    def behaviour_of(self, task_id: str) -> Behaviour:
        """Of a task that an executor is given."""
        return self._behave(task_id, self.dice)
