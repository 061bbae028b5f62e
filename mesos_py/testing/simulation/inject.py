"""Does to a cluster what a fault says."""

from collections.abc import Callable
from typing import Any, Final

from mesos_py.master import events
from mesos_py.messages import scheduler as calls
from mesos_py.messages.agent import AgentHeartbeat, RegisterAgent, StatusUpdate
from mesos_py.messages.codec import Malformed
from mesos_py.testing.builders import a_framework, a_status, a_task, an_agent
from mesos_py.testing.simulation import faults
from mesos_py.testing.simulation.broker import FAIR, Weather
from mesos_py.testing.simulation.cluster import Cluster
from mesos_py.testing.simulation.masters import MasterProcess
from mesos_py.testing.simulation.process import Death, Process
from mesos_py.testing.simulation.promises import STRANGERS
from mesos_py.testing.simulation.workload import SETTLED_S, RandomUser
from mesos_py.types.containers import ContainerExit
from mesos_py.types.ids import AgentID, FrameworkID, OfferID, Principal, Role, TaskID
from mesos_py.types.offers import Launch
from mesos_py.types.quota import Quota

__all__ = ["ACTIONS", "Injector"]


class Injector:
    """Plans the faults of one run."""

    def __init__(self, cluster: Cluster) -> None:
        """Nothing is planned."""
        self._cluster = cluster
        self._storms: list[faults.Storm] = []
        self._inject: dict[type, Callable[[Any], None]] = {
            faults.Storm: self._storm,
            faults.LoseBroker: lambda fault: self._each(fault.who, cluster.broker.lose),
            faults.RestartBroker: lambda fault: cluster.broker.restart(fault.for_s) if cluster.broker.up else None,
            faults.DeleteQueues: lambda fault: cluster.broker.delete_all(),
            faults.BlockBroker: self._block,
            faults.CutOff: self._cut_off,
            faults.CutOffZookeeper: self._cut_off_zookeeper,
            faults.StopZookeeper: lambda fault: cluster.ensemble.go_down(fault.for_s),
            faults.Expire: self._expire,
            faults.Crash: self._crash,
            faults.Freeze: self._freeze,
            faults.Drift: self._drift,
            faults.LoseHost: lambda fault: cluster.replace_host(cluster.hosts[fault.who]),
            faults.CrashExecutor: self._crash_executors,
            faults.BreakSockets: self._break_sockets,
            faults.Rival: self._rival,
            faults.KillTask: lambda fault: self._user(fault.who).kill_something(),
            faults.WantTasks: lambda fault: self._user(fault.who).want_more(fault.tasks),
            faults.Operate: lambda fault: ACTIONS[fault.action](cluster, fault.pick),
            faults.Bad: self._bad,
        }

    def plan(self, wanted: list[faults.Fault]) -> None:
        """Let each happen at its time."""
        for fault in wanted:
            self._cluster.timeline.at(fault.at, self._inject[type(fault)], fault)

    # Whom it befalls

    def _process(self, who: str) -> Process | None:
        """The living process of that name."""
        cluster = self._cluster
        found: Process | None
        if who == faults.LEADER:
            found = cluster.leader
        elif who in cluster.masters:
            found = cluster.masters[who]
        elif who in cluster.hosts:
            found = cluster.hosts[who].agent
        else:
            found = cluster.users[who].process
        return found if found is not None and found.alive else None

    def _each(self, who: str, do: Callable[[Process], None]) -> None:
        process = self._process(who)
        if process is not None:
            do(process)

    def _master(self, who: str) -> MasterProcess | None:
        process = self._process(who)
        return process if isinstance(process, MasterProcess) else None

    def _user(self, who: str) -> RandomUser:
        user = self._cluster.users[who]
        assert isinstance(user, RandomUser)
        return user

    # The network

    def _storm(self, fault: faults.Storm) -> None:
        self._storms.append(fault)
        self._weather()
        self._cluster.timeline.after(fault.for_s, self._storm_ends, fault)

    def _storm_ends(self, fault: faults.Storm) -> None:
        self._storms.remove(fault)
        self._weather()

    def _weather(self) -> None:
        storms = self._storms
        self._cluster.broker.weather = (
            FAIR
            if not storms
            else Weather(
                loss=max(storm.loss for storm in storms),
                doubled=max(storm.doubled for storm in storms),
                slow=max(storm.slow for storm in storms),
            )
        )

    def _block(self, fault: faults.BlockBroker) -> None:
        for process in list(self._cluster.processes()):
            self._cluster.broker.block(process, fault.for_s)

    def _cut_off(self, fault: faults.CutOff) -> None:
        process = self._process(fault.who)
        if process is not None:
            self._cluster.broker.stall(process, deaf=fault.deaf, mute=fault.mute, seconds=fault.for_s)

    def _cut_off_zookeeper(self, fault: faults.CutOffZookeeper) -> None:
        master = self._master(fault.who)
        if master is not None:
            self._cluster.ensemble.cut_off(master, fault.for_s)

    def _expire(self, fault: faults.Expire) -> None:
        master = self._master(fault.who)
        if master is not None:
            self._cluster.ensemble.expire(self._cluster.ensemble.sessions[master.name])

    # Processes and machines

    def _crash(self, fault: faults.Crash) -> None:
        process = self._process(fault.who)
        if process is None:
            return
        after = self._cluster.timeline.after

        def then() -> None:
            if process.kind == "scheduler":
                after(SETTLED_S + fault.for_s, self._begin_again, process)
            else:
                after(fault.for_s, self._begin_again, process)

        process.doom(Death(effects=fault.effects, sent=fault.sent, kept=fault.kept, then=then))

    def _begin_again(self, old: Process) -> None:
        """Unless another has taken its place already."""
        cluster = self._cluster
        for seat, master in cluster.masters.items():
            if master is old:
                cluster.start_master(seat)
                return
        for host in cluster.hosts.values():
            if host.agent is old and host.is_up:
                cluster.start_agent(host)
                return
        for user in cluster.users.values():
            if user.process is old:
                cluster.start_scheduler(user)
                return

    def _freeze(self, fault: faults.Freeze) -> None:
        process = self._process(fault.who)
        if process is not None and not process.frozen:
            process.freeze()
            self._cluster.broker.doubt(process)
            self._cluster.timeline.after(fault.for_s, process.thaw)

    def _drift(self, fault: faults.Drift) -> None:
        cluster = self._cluster
        clock = cluster.hosts[fault.who].clock if fault.who in cluster.hosts else cluster.clock(fault.who)
        clock.drift(cluster.now, fault.rate, fault.ahead_s)
        for process in list(cluster.processes()):
            if process.clock is clock:
                process.reset_clock()

    def _crash_executors(self, fault: faults.CrashExecutor) -> None:
        host = self._cluster.hosts[fault.who]
        for executor in host.executors():
            host.end(executor.container_id, ContainerExit(signal=9))

    def _break_sockets(self, fault: faults.BreakSockets) -> None:
        for executor in self._cluster.hosts[fault.who].executors():
            executor.disconnect()

    def _rival(self, fault: faults.Rival) -> None:
        user = self._user(fault.who)
        if user.process.alive and user.framework_id is not None:
            self._cluster.rivals.append(user.process)
            self._cluster.start_scheduler(user)

    # Strangers

    def _bad(self, fault: faults.Bad) -> None:
        leader = self._cluster.leader
        if leader is None or not leader.connection.up:
            return
        queue = f"{STRANGERS}.{fault.at}"
        kinds: list[Any] = [*_BAD_CALLS, *_BAD_MESSAGES]
        message = _pick(kinds, fault.pick)
        principal = Principal(STRANGERS)
        if message in _BAD_CALLS:
            leader.put(events.FrameworkSaid(principal, queue, True, message))
        else:
            leader.put(events.AgentSaid(principal, queue, message))


_F = FrameworkID("nobody")
_A = AgentID("nowhere")
_BAD_CALLS: Final[tuple[Any, ...]] = (
    Malformed(type="ACCEPT", reason="it is no JSON"),
    calls.Accept(framework_id=_F, offer_ids=[OfferID("none")], operations=[Launch(tasks=[a_task()])]),
    calls.Kill(framework_id=_F, task_id=TaskID("none")),
    calls.Teardown(framework_id=_F),
    calls.Subscribe(framework=a_framework("")),
    calls.Acknowledge(framework_id=_F, agent_id=_A, task_id=TaskID("none"), update_id=7),
)
_BAD_MESSAGES: Final[tuple[Any, ...]] = (
    Malformed(type="STATUS_UPDATE", reason="it is no MessagePack"),
    AgentHeartbeat(agent_id=_A),
    RegisterAgent(agent=an_agent("", "cpus:1")),
    StatusUpdate(agent_id=_A, framework_id=_F, status=a_status()),
)


# Operators

_QUOTAS: Final = [
    Quota(),
    Quota(guarantee={"cpus": 3_000}),
    Quota(guarantee={"cpus": 6_000, "mem": 1_024_000}, limit={"cpus": 7_000}),
    Quota(limit={"cpus": 2_000}),
    Quota(limit={"cpus": 5_000, "mem": 512_000}),
]


def _pick(of: list[Any], pick: float) -> Any:
    return of[min(int(pick * len(of)), len(of) - 1)] if of else None


def _lead(cluster: Cluster) -> MasterProcess:
    leader = cluster.leader
    assert leader is not None
    return leader


def _pick_agent(cluster: Cluster, pick: float) -> AgentID | None:
    """One that is admitted or unreachable."""
    leader = _lead(cluster)
    assert leader.core is not None
    registry = leader.core.state.registry
    found: AgentID | None = _pick([*registry.admitted, *registry.unreachable], pick)
    return found


def _kill(cluster: Cluster, pick: float) -> None:
    leader = _lead(cluster)
    assert leader.core is not None
    tasks = [task for framework in leader.core.state.frameworks.values() for task in framework.tasks.values()]
    task = _pick(tasks, pick)
    if task is not None:
        cluster.promises.kill_wanted(task.framework_id, task.info.task_id)
        leader.operate(events.OperatorKill(task.info.task_id, task.framework_id))


def _teardown(cluster: Cluster, pick: float) -> None:
    leader = _lead(cluster)
    assert leader.core is not None
    framework = _pick(list(leader.core.state.frameworks.values()), pick)
    if framework is not None:
        cluster.promises.doomed_frameworks.add(framework.framework_id)
        leader.operate(events.OperatorTeardown(framework.framework_id))


def _mark_gone(cluster: Cluster, pick: float) -> None:
    agent_id = _pick_agent(cluster, pick)
    if agent_id is not None:
        cluster.promises.doomed_agents.add(agent_id)
        _lead(cluster).operate(events.OperatorMarkGone(agent_id))


def _drain(cluster: Cluster, pick: float) -> None:
    agent_id = _pick_agent(cluster, pick)
    if agent_id is not None:
        cluster.promises.drained_agents.add(agent_id)
        _lead(cluster).operate(events.OperatorDrain(agent_id, max_grace_period_s=2.0, deadline_s=20.0))


def _drain_and_mark_gone(cluster: Cluster, pick: float) -> None:
    agent_id = _pick_agent(cluster, pick)
    if agent_id is not None:
        cluster.promises.doomed_agents.add(agent_id)
        _lead(cluster).operate(events.OperatorDrain(agent_id, mark_gone=True))


def _deactivate(cluster: Cluster, pick: float) -> None:
    agent_id = _pick_agent(cluster, pick)
    if agent_id is not None:
        _lead(cluster).operate(events.OperatorDeactivate(agent_id))


def _reactivate(cluster: Cluster, pick: float) -> None:
    del pick
    leader = _lead(cluster)
    assert leader.core is not None
    registry = leader.core.state.registry
    for agent_id in [*registry.drains, *registry.deactivated]:
        leader.operate(events.OperatorReactivate(agent_id))


def _set_quota(cluster: Cluster, pick: float) -> None:
    """Of one of the users' roles; whatever is used or there already."""
    role = Role(_pick(list(cluster.users), pick))
    quota = _pick(_QUOTAS, pick * 100 % 1)
    _lead(cluster).operate(events.OperatorSetQuotas({role: quota}, force=True))


def _if_somebody_leads(do: Callable[[Cluster, float], None]) -> Callable[[Cluster, float], None]:
    return lambda cluster, pick: do(cluster, pick) if cluster.leader is not None else None


ACTIONS: Final[dict[str, Callable[[Cluster, float], None]]] = {
    "deactivate": _if_somebody_leads(_deactivate),
    "drain": _if_somebody_leads(_drain),
    "drain_and_mark_gone": _if_somebody_leads(_drain_and_mark_gone),
    "kill": _if_somebody_leads(_kill),
    "mark_gone": _if_somebody_leads(_mark_gone),
    "quota": _if_somebody_leads(_set_quota),
    "reactivate": _if_somebody_leads(_reactivate),
    "teardown": _if_somebody_leads(_teardown),
}
"""What operators do, by a word for it: add here what else they can. ``pick`` (0 to 1) says to which thing."""
