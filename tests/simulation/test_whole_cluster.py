"""Whatever happens to a cluster, once it is left in peace everybody agrees on everything, and nothing is lost."""

import pytest

from mesos_py.types.resources import Resources
from mesos_py.types.tasks import LIVE, TERMINAL, TaskState
from tests.simulation.cluster import FAULTS_END, Cluster

LONG_ENOUGH = 2500.0
"""For the slowest repetition there is: an update after 10 minutes, a reconciliation after 15."""

NOWHERE = TERMINAL | {TaskState.UNKNOWN}


@pytest.mark.parametrize("seed", range(120))
def test_all_agree_in_the_end(seed):
    cluster = Cluster(seed)
    try:
        for second in range(20, int(FAULTS_END), 15):
            cluster.run(float(second))
            cluster.check()
            cluster.some_fault()
            cluster.rng.choice(cluster.users).want_more()
        cluster.run(FAULTS_END + LONG_ENOUGH)
        cluster.check()
        agree(cluster)
    except AssertionError:
        print(f"seed {seed}\n{cluster.tell_story()}")
        raise


def agree(cluster):
    master = cluster.leader.core
    assert [one for one in cluster.masters() if one.alive] == [cluster.leader]
    lost = set(master.state.registry.unreachable)
    for process in cluster.agents:
        view = process.core.view()
        known = master.state.agents[view.agent_id]
        assert known.connected
        here = {
            (f.framework_id, task.info.task_id)
            for f in process.core._state.frameworks.values()
            for task in f.tasks.values()
        }
        assert here == {(task.framework_id, task.info.task_id) for task in known.tasks}
        for framework in process.core._state.frameworks.values():
            for task in framework.tasks.values():
                assert not task.updates, f"{task.info.task_id} waits for an acknowledgement"
                assert master.state.frameworks[framework.framework_id].tasks[task.info.task_id].state is task.state
        assert Resources.sum(known.used().values()) == process.core._state.used
        assert len(process.host.running) == len(here)
    for user in cluster.users:
        assert user.process.core.subscribed
        framework = master.state.frameworks[user.framework_id]
        assert framework.queue == user.process.queue
        assert not user.wanted, "no offers came"
        for task_id, state in user.states.items():
            task = framework.tasks.get(task_id)
            if task is not None:
                assert task.state in LIVE
                assert state is task.state is TaskState.RUNNING
                assert task_id not in user.killed
            else:
                ran = any((user.framework_id, task_id) in process.host.started for process in cluster.agents)
                assert task_id in user.ends or not ran, f"the end of {task_id} was lost"
                assert state in NOWHERE or (state is TaskState.UNREACHABLE and lost), f"{task_id} is {state}?"
