"""Whether everybody agrees on everything, as they must once nothing befalls them any more."""

from collections.abc import Iterator

from mesos_py.agent.state import Executor
from mesos_py.master.state import Agent as KnownAgent
from mesos_py.testing.simulation.cluster import Cluster
from mesos_py.testing.simulation.hosts import Host
from mesos_py.testing.simulation.masters import MasterProcess
from mesos_py.types.resources import Resources

__all__ = ["disagreements"]


def disagreements(cluster: Cluster) -> list[str]:
    """What is not as it should be; empty if all is."""
    leader = cluster.leader
    if leader is None or leader.core is None:
        return ["nobody leads"]
    if len([master for master in cluster.masters.values() if master.core is not None]) > 1:
        return ["more than one leads"]
    found = [why for host in cluster.hosts.values() for why in _of_host(host, leader)]
    for user in cluster.users.values():
        found += user.disagreements()
    return found


def _of_host(host: Host, leader: MasterProcess) -> Iterator[str]:
    """What the agent, its containers and the master think of each other."""
    assert leader.core is not None
    agent = host.agent
    if not agent.alive or not host.is_up:
        yield f"{host.name} has no agent"
        return
    view = agent.core.view()
    known = leader.core.state.agents.get(view.agent_id) if view.agent_id is not None else None
    if known is None or not known.connected:
        yield f"{agent.name} is not connected to the leader"
        return
    yield from _tasks(host, known, leader)
    used = agent.core.state.used
    if Resources.sum(known.used().values()).flatten() != used:
        yield f"{agent.name} uses {used}, the leader has {Resources.sum(known.used().values())} on account"
    if host.used != used:
        yield f"{agent.name} uses {used}, its containers {host.used}"


def _tasks(host: Host, known: KnownAgent, leader: MasterProcess) -> Iterator[str]:
    assert leader.core is not None
    state = host.agent.core.state
    here = {(task.framework.framework_id, task.info.task_id): task for task in state.tasks()}
    there = {(task.framework_id, task.info.task_id): task for task in known.tasks}
    for key in here.keys() ^ there.keys():
        yield f"task {key} is known to {'the agent' if key in here else 'the leader'} only, on {host.name}"
    for key, task in here.items():
        if task.updates:
            yield f"task {key} waits for an acknowledgement"
        if key in there and there[key].state is not task.state:
            yield f"task {key} is {task.state}, the leader says {there[key].state}"
    wanted = {
        task.container_id for task in state.tasks() if task.executor is None and task.container_id is not None
    } | {owner.container_id for owner in state.containers.values() if isinstance(owner, Executor)}
    if host.containers.keys() != wanted:
        yield f"{host.name} runs {sorted(host.containers)}, its agent believes {sorted(wanted)}"
