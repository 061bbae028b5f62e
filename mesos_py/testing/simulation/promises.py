"""The promises of ``ARCHITECTURE.md`` 6, checked as things happen: each check looks at one step only, and is cheap.

=====================================  ======================================================================
promise                                what is watched
=====================================  ======================================================================
1 no overcommit                        each offer and each launch against the master's account of the agent, and
                                       each container against its host
2 at most once                         how often each task began; that a launch was durable before
3 updates in order, none lost          what each user is told; that an update was durable before it was sent
4 tasks outlive the control plane      nothing is killed that nobody wanted to be killed
5 no split brain                       what older epochs say changes nothing; the registry has one writer
6 soft state                           what is told of agents is in the registry; somebody leads if somebody can
7 guarantees                           each offer against limits and headroom, counted anew (``quotas.py``)
8 bad input                            a stranger is answered, nobody else is; no core raises
9 an outage is not a node's failure    why an agent was given up
=====================================  ======================================================================

At the end ``agreement`` looks whether everybody agrees on everything.
"""

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any

from mesos_py.agent import effects as agent_effects
from mesos_py.agent import events as agent_events
from mesos_py.master import effects as master_effects
from mesos_py.master import events as master_events
from mesos_py.master.registry import MarkUnreachable, RegistryOperation
from mesos_py.master.state import Task
from mesos_py.messages.agent import AgentRegistered, AgentReregistered, RunTasks, StatusUpdate
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.scheduler import Accept, Decline, Error, Offers, Rescind, Subscribed, Update
from mesos_py.scheduler import events as scheduler_events
from mesos_py.testing.brief import brief
from mesos_py.testing.simulation.broken import PromiseError
from mesos_py.testing.simulation.quotas import Count
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.ids import AgentID, FrameworkID, OfferID, TaskID
from mesos_py.types.maintenance import AgentMode
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import LIVE, TERMINAL, TaskState, TaskStatus

if TYPE_CHECKING:
    from mesos_py.testing.simulation.agents import AgentProcess
    from mesos_py.testing.simulation.cluster import Cluster
    from mesos_py.testing.simulation.hosts import Host
    from mesos_py.testing.simulation.masters import MasterProcess
    from mesos_py.testing.simulation.schedulers import SchedulerProcess

__all__ = ["STRANGERS", "Promises"]

STRANGERS = "stranger"
"""What queues of those begin with who send what makes no sense."""

_OVERCOMMIT = "1 no overcommit"
_ONCE = "2 at most once"
_IN_ORDER = "3 updates in order, none lost"
_OUTLIVE = "4 tasks outlive the control plane"
_SPLIT = "5 no split brain"
_SOFT = "6 soft state"
_BAD_INPUT = "8 bad input"
_OUTAGE = "9 an outage is not a node's failure"

_ROUNDING_S = 0.001
_LIVE_AGAIN = LIVE | {TaskState.UNREACHABLE}
_Key = tuple[str, str]
"""Framework and task."""


class Promises:
    """Told of each step; raises PromiseError."""

    def __init__(self, cluster: "Cluster") -> None:
        """Nothing has happened."""
        self._cluster = cluster
        self._began: Counter[_Key] = Counter()
        self._told: dict[_Key, int] = {}
        """The last update of each task that its user was told of."""
        self._ended: dict[_Key, tuple[float, int]] = {}
        """Tasks of whose end an agent has told the user: when, and in which epoch."""
        self._ended_for: set[tuple[str, _Key]] = set()
        """The same, by process."""
        self._welcomed: dict[AgentID, int] = {}
        """In which epoch an agent was let in last."""
        self._heard: dict[AgentID, float] = {}
        """When, by its clock, the leader heard of an agent last."""
        self._offers: dict[OfferID, tuple[int, FrameworkID]] = {}
        """That were sent, and neither answered nor rescinded: in which epoch, to whom."""
        self._given_up: set[AgentID] = set()
        self._to_tell: dict[AgentID, list[Task]] = {}
        """Tasks of agents that are being given up."""
        self._leads: dict[int, str] = {}
        self._inherited: list[AgentID] = []
        """Agents that the newest leader was told of by the registry."""
        self.doomed_tasks: set[_Key] = set()
        """Whose end somebody wants."""
        self.doomed_frameworks: set[str] = set()
        self.doomed_agents: set[str] = set()
        self.drained_agents: set[str] = set()
        """Whose tasks somebody wants to end."""
        self._groups: dict[_Key, list[_Key]] = {}

    # What is wanted

    def group_wanted(self, framework_id: FrameworkID, task_ids: list[TaskID]) -> None:
        """These form a group: the end of one may be the end of all."""
        keys: list[_Key] = [(framework_id, task_id) for task_id in task_ids]
        self._groups.update(dict.fromkeys(keys, keys))

    def kill_wanted(self, framework_id: FrameworkID, task_id: TaskID) -> None:
        """Somebody wants it to end."""
        self._doom((framework_id, task_id))

    def _doom(self, key: _Key) -> None:
        self.doomed_tasks.update(self._groups.get(key, (key,)))

    # Hosts

    def container_asked(self, host: "Host", spec: ContainerSpec) -> None:
        """An agent asks for a container."""
        if spec.container_id not in host.disk.launched:
            raise PromiseError(_ONCE, f"{host.agent.name} starts {spec.container_id} before that is on its disk")

    def task_begins(self, framework_id: str, task_id: str, where: str) -> None:
        """It runs, in a container of its own or by its executor."""
        key = (framework_id, task_id)
        self._began[key] += 1
        if self._began[key] > 1:
            raise PromiseError(_ONCE, f"task {key} runs again, on {where}")

    def host_used(self, host: "Host") -> None:
        """What its containers may use has changed."""
        if not host.info.resources.flatten().contains(host.used):
            raise PromiseError(_OVERCOMMIT, f"{host.name} has {host.info.resources}, its containers {host.used}")

    def container_killed(self, host: "Host", spec: ContainerSpec) -> None:
        """Its agent wants it to end."""
        agent_id = str(host.agent.core.state.agent_id)
        if spec.framework_id in self.doomed_frameworks or agent_id in self.doomed_agents | self.drained_agents:
            return
        executor = host.containers[spec.container_id].executor
        if spec.task_id is None and (executor is None or not executor.running):
            return  # it has nothing to do
        if spec.task_id is None or (spec.framework_id, spec.task_id) not in self.doomed_tasks:
            raise PromiseError(_OUTLIVE, f"{host.agent.name} kills {spec.container_id}, and nobody asked for that")

    def container_ended(self, spec: ContainerSpec) -> None:
        """It is over: those of its group may follow."""
        key = (spec.framework_id, str(spec.task_id))
        if key in self._groups:
            self._doom(key)

    # Agents

    def agent(self, process: "AgentProcess", event: agent_events.AgentEvent, effects: list[Any]) -> None:
        """An agent has handled an event."""
        if type(event) is agent_events.MasterSaid:
            message = event.message
            self._fence(process, message.master.epoch if type(message) is Beacon else event.epoch, event, effects)
        for effect in effects:
            if type(effect) is agent_effects.SendToMaster and type(effect.message) is StatusUpdate:
                self._update_sent(process, effect.message)

    def _update_sent(self, process: "AgentProcess", message: StatusUpdate) -> None:
        status = message.status
        key = (message.framework_id, status.task_id, status.update_id or 0)
        if status.update_id is not None and key not in process.host.disk.updates:
            raise PromiseError(_IN_ORDER, f"{process.name} sends {brief(status)} before that is on its disk")

    def _fence(self, process: "AgentProcess | SchedulerProcess", epoch: int, event: Any, effects: list[Any]) -> None:
        """Orders of an older master than the newest known are not obeyed."""
        if epoch >= process.newest:
            process.newest = epoch
        elif effects:
            what = brief(effects[0])
            raise PromiseError(_SPLIT, f"{process.name} knows of {process.newest} and obeys {brief(event)} with {what}")

    # Masters

    def leads(self, master: "MasterProcess") -> None:
        """It begins to lead."""
        before = max(self._leads, default=0)
        if master.epoch <= before:
            raise PromiseError(_SPLIT, f"{master.name} leads in {master.epoch}, {self._leads[before]} did in {before}")
        self._leads[master.epoch] = master.name
        assert master.core is not None
        self._inherited = list(master.core.state.registry.admitted)
        self._heard.clear()
        self._to_tell.clear()

    def master(self, master: "MasterProcess", event: master_events.MasterEvent, effects: list[Any]) -> None:
        """A master has handled an event."""
        if isinstance(event, master_events.AgentSaid | master_events.FrameworkSaid):
            self._said(master, event, effects)
        elif self._to_tell and isinstance(event, master_events.RegistryWritten):
            self._check_lost_tasks(master)
        for effect in effects:
            kind = type(effect)
            if kind is master_effects.SendToFramework:
                self._event_sent(master, effect.event)
            elif kind is master_effects.SendToAgent:
                self._order_sent(master, effect.message)
            elif kind is master_effects.Persist and type(effect.operation) is MarkUnreachable:
                self._given_up_by(master, effect.operation)

    def _said(
        self,
        master: "MasterProcess",
        event: master_events.AgentSaid | master_events.FrameworkSaid,
        effects: list[Any],
    ) -> None:
        """Somebody has said something."""
        if event.queue.startswith(STRANGERS):
            self._answered(event, effects)
        elif isinstance(event, master_events.AgentSaid):
            agent_id = getattr(event.message, "agent_id", None)
            if agent_id is not None and self._is_newest(master):
                self._heard[agent_id] = master.now()
        elif isinstance(event.call, Accept | Decline):
            for offer_id in event.call.offer_ids:
                self._offers.pop(offer_id, None)

    def _answered(self, event: master_events.AgentSaid | master_events.FrameworkSaid, effects: list[Any]) -> None:
        """A stranger is told what is wrong, and nobody else hears of it."""
        for effect in effects:
            if getattr(effect, "queue", None) != event.queue:
                raise PromiseError(_BAD_INPUT, f"{brief(event)} leads to {brief(effect)}")
        told = [type(effect.event) for effect in effects if type(effect) is master_effects.SendToFramework]
        if isinstance(event, master_events.FrameworkSaid) and told != [Error]:
            raise PromiseError(_BAD_INPUT, f"{brief(event)} is answered with {told}")

    def _is_newest(self, master: "MasterProcess") -> bool:
        return master.epoch == self._cluster.ensemble.epoch

    def _event_sent(self, master: "MasterProcess", event: Any) -> None:
        if type(event) is Rescind:
            self._offers.pop(event.offer_id, None)
        elif type(event) is Subscribed:  # which voids what it held before
            self._offers = {id_: held for id_, held in self._offers.items() if held[1] != event.framework_id}
        elif type(event) is Offers:
            self._check_quotas(master, event)
            for offer in event.offers:
                self._offers[offer.offer_id] = (master.epoch, offer.framework_id)
                if self._welcomed.get(offer.agent_id) != master.epoch and self._is_newest(master):
                    raise PromiseError(_OVERCOMMIT, f"{master.name} offers {offer.agent_id}, which is not back yet")
                if (
                    master.core is not None
                    and master.core.state.registry.mode_of(offer.agent_id) is not AgentMode.ACTIVE
                ):
                    raise PromiseError(_SOFT, f"{master.name} offers {offer.agent_id}, which an operator has taken out")
                self._check_account(master, offer.agent_id)
        elif type(event) is Update and event.status.state is TaskState.UNREACHABLE:
            agent_id = event.status.agent_id
            if self._is_newest(master) and agent_id not in self._given_up:
                raise PromiseError(_SOFT, f"{master.name} calls {agent_id} unreachable, the registry does not")

    def _check_quotas(self, master: "MasterProcess", event: Offers) -> None:
        """What roles are sure of is left for them, and none is given more than it may have."""
        assert master.core is not None
        registry = master.core.state.registry
        if registry.quotas and self._is_newest(master):
            back = {agent_id for agent_id, epoch in self._welcomed.items() if epoch == master.epoch}
            missing = [each for each in self._inherited if each in registry.admitted and each not in back]
            Count(master.core).check(event.offers, missing)

    def _order_sent(self, master: "MasterProcess", message: Any) -> None:
        kind = type(message)
        if kind is RunTasks:
            self._check_account(master, message.agent_id)
        elif kind is AgentRegistered or kind is AgentReregistered:
            if not self._is_newest(master):
                return
            self._welcomed[message.agent_id] = master.epoch
            if message.agent_id not in self._cluster.ensemble.registry.admitted:
                raise PromiseError(_SOFT, f"{master.name} lets {message.agent_id} in, which the registry does not hold")

    def _check_account(self, master: "MasterProcess", agent_id: AgentID) -> None:
        """What the master offers and has launched on an agent fits into it."""
        assert master.core is not None
        agent = master.core.state.agents.get(agent_id)
        if agent is None:
            return
        promised = Resources.sum([*(offer.resources for offer in agent.offers.values()), *agent.used().values()])
        if not agent.info.resources.contains(promised):
            raise PromiseError(_OVERCOMMIT, f"{agent_id} has {agent.info.resources}, {master.name} promised {promised}")

    def _given_up_by(self, master: "MasterProcess", operation: MarkUnreachable) -> None:
        """The master has listened, and the agent was silent, for as long as it takes."""
        assert master.core is not None
        state = master.core.state
        if operation.agent_id in state.agents and self._is_newest(master):
            self._to_tell[operation.agent_id] = list(state.agents[operation.agent_id].tasks)
        config = state.config
        now, since = master.now(), master.connected_since
        if since is None:
            raise PromiseError(_OUTAGE, f"{master.name} gives {operation.agent_id} up while it is cut off")
        known = operation.agent_id in state.agents
        patience = config.missed_heartbeats * config.heartbeat_s if known else config.reregister_timeout_s
        heard = self._heard.get(operation.agent_id, 0.0) if known and self._is_newest(master) else 0.0
        if now - max(since, heard) < patience - _ROUNDING_S:
            how_long = (
                f"{now - since:.1f} s after the broker was back, {now - max(heard, since):.1f} s after its last word"
            )
            raise PromiseError(_OUTAGE, f"{master.name} gives {operation.agent_id} up {how_long}")

    def _check_lost_tasks(self, master: "MasterProcess") -> None:
        """None is forgotten with the agent that was given up."""
        assert master.core is not None
        for agent_id in [each for each in self._to_tell if each not in master.core.state.agents]:
            for task in self._to_tell.pop(agent_id):
                if task.state in LIVE:
                    raise PromiseError(
                        _SOFT, f"{master.name} gave {agent_id} up and forgot its task {task.info.task_id}"
                    )

    def registered(self, operation: RegistryOperation) -> None:
        """An operation was written."""
        if type(operation) is MarkUnreachable:
            self._given_up.add(operation.agent_id)

    # Schedulers and users

    def scheduler(self, process: "SchedulerProcess", event: scheduler_events.MasterSaid, effects: list[Any]) -> None:
        """A scheduler has heard a master."""
        message = event.message
        self._fence(process, message.master.epoch if type(message) is Beacon else event.epoch, event, effects)

    def delivered(self, process: "SchedulerProcess", event: Any) -> None:
        """A user is told something."""
        if type(event) is Update:
            self._update_delivered(process, event.status)

    def _update_delivered(self, process: "SchedulerProcess", status: TaskStatus) -> None:
        key = (str(process.core.framework_id), status.task_id)
        update_id = status.update_id
        if update_id is not None:
            last = self._told.get(key, 0)
            if update_id > last + 1:
                raise PromiseError(_IN_ORDER, f"{process.name} is told {brief(status)} after #{last}")
            self._told[key] = max(last, update_id)
            if status.state in TERMINAL:
                self._ended.setdefault(key, (self._cluster.now, process.newest))
                self._ended_for.add((process.name, key))
        late = update_id is not None and update_id < self._told[key]
        if status.state in _LIVE_AGAIN and not late and self._knows_its_end(process, key):
            raise PromiseError(_IN_ORDER, f"{process.name} is told {brief(status)} after its end")

    def _knows_its_end(self, process: "SchedulerProcess", key: _Key) -> bool:
        """It was told, or whoever talks to it must know."""
        if (process.name, key) in self._ended_for:
            return True
        at, epoch = self._ended.get(key, (inf, 0))
        return process.began_at > at and process.newest >= epoch

    def end_was_told(self, framework_id: FrameworkID, task_id: TaskID) -> bool:
        """Whether the user was told of a task's end by its agent."""
        return (framework_id, task_id) in self._ended

    # Now and then

    def check_state(self) -> None:
        """Let every core check itself; and no offer may have vanished unsaid."""
        self._check_offers()
        for process in self._cluster.processes():
            check = getattr(process.core, "check", None)
            if check is not None:
                try:
                    check()
                except Exception as error:
                    raise PromiseError("the core's own check", f"{process.name}: {error!r}") from error

    def _check_offers(self) -> None:
        leader = self._cluster.leader
        if leader is None or leader.core is None:
            return
        state = leader.core.state
        for offer_id, (epoch, framework_id) in list(self._offers.items()):
            framework = state.frameworks.get(framework_id)
            if epoch != leader.epoch or framework is None or not framework.connected:
                del self._offers[offer_id]
            elif offer_id not in state.offers:
                raise PromiseError(_OVERCOMMIT, f"offer {offer_id} is void, and {framework_id} was not told")
        if not (leader.frozen or state.suspended or state.cut_off):
            Count(leader.core).check(offer for offer, _ in state.offers.values())
