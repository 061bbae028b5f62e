from mesos_py.agent.checkpoint import TaskForgotten, UpdateAcked, UpdateMade
from mesos_py.agent.events import BrokerConnected, BrokerLost, ContainerStarted
from mesos_py.messages.agent import AgentReregistered, StatusUpdate
from mesos_py.types.tasks import TaskState
from tests.unit.agent.rig import AGENT, Rig, a_beacon, a_task


def test_an_update_is_sent_once_it_is_durable():
    rig = Rig()
    rig.launch(a_task())
    (spec,) = rig.specs()
    rig.durable = False
    rig.on(ContainerStarted(spec.container_id, 1))
    assert rig.records(UpdateMade)
    assert not rig.statuses()
    rig.confirm()
    assert rig.states() == [TaskState.RUNNING]


def test_only_the_head_is_sent_and_the_next_after_its_acknowledgement():
    rig = Rig()
    container_id = rig.start()
    rig.end(container_id)
    assert not rig.statuses()
    rig.ack(1)
    assert rig.records(UpdateAcked)
    (update,) = rig.sent(StatusUpdate)
    assert (update.status.state, update.status.update_id, update.latest_state) == (TaskState.FINISHED, 2, None)
    rig.ack(2)
    assert rig.records(TaskForgotten)
    assert not rig.agent.view().frameworks
    assert rig.state_of() is TaskState.FINISHED


def test_the_head_is_repeated_ever_more_rarely_for_ever():
    rig = Rig()
    rig.say(a_beacon(interval_s=10_000))
    rig.start()
    rig.effects = []
    waits = []
    for _ in range(9):
        before = rig.now
        while not rig.statuses():
            rig.wait(rig.agent.next_deadline() - rig.now)
        waits.append(rig.now - before)
        rig.effects = []
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_the_end_of_a_task_hurries_the_update_before_it():
    rig = Rig()
    container_id = rig.start()
    rig.wait(15)
    rig.end(container_id)
    rig.wait(4.9)
    assert not rig.statuses()
    rig.wait(0.1)
    (update,) = rig.sent(StatusUpdate)
    assert (update.status.state, update.latest_state) == (TaskState.RUNNING, TaskState.FINISHED)


def test_wrong_acknowledgements_are_ignored():
    rig = Rig()
    container_id = rig.start()
    rig.end(container_id)
    for update_id, task_id in ((2, "t1"), (0, "t1"), (1, "t2")):
        assert rig.ack(update_id, task_id) == []
    rig.ack(1)
    assert rig.ack(1) == []
    assert rig.agent.view().counters == {"acknowledgements_ignored": 4}


def test_an_update_not_yet_sent_cannot_be_acknowledged():
    rig = Rig(durable=True)
    rig.launch(a_task())
    (spec,) = rig.specs()
    rig.durable = False
    rig.on(ContainerStarted(spec.container_id, 1))
    assert rig.ack(1) == []
    rig.confirm()
    assert rig.states() == [TaskState.RUNNING]


def test_heads_are_sent_again_after_a_reregistration():
    rig = Rig()
    rig.start(a_task("t1"))
    rig.start(a_task("t2"))
    rig.ack(1, "t2")
    rig.on(BrokerLost())
    rig.on(BrokerConnected())
    rig.say(AgentReregistered(agent_id=AGENT))
    assert [s.task_id for s in rig.statuses()] == ["t1"]
    rig.wait(10)
    assert [s.task_id for s in rig.statuses()] == ["t1"]


def test_an_acknowledgement_counts_while_the_agent_is_not_registered():
    rig = Rig()
    rig.start()
    rig.say(a_beacon(2), epoch=2)
    rig.epoch = 2
    rig.ack(1)
    assert rig.records(UpdateAcked)
    rig.say(AgentReregistered(agent_id=AGENT))
    assert not rig.statuses()


def test_history_is_bounded():
    rig = Rig(completed_tasks=3)
    for n in range(5):
        container_id = rig.start(a_task(f"t{n}"))
        rig.ack(1, f"t{n}")
        rig.end(container_id)
        rig.ack(2, f"t{n}")
    assert [task.task_id for task in rig.agent.view().completed_tasks] == ["t2", "t3", "t4"]


def test_queues_of_repetitions_do_not_grow():
    rig = Rig()
    for n in range(300):
        container_id = rig.start(a_task(f"t{n}", max_completion_time_s=10_000))
        rig.ack(1, f"t{n}")
        rig.end(container_id)
        rig.ack(2, f"t{n}")
    assert rig.agent._updates.next_deadline() is None
    assert len(rig.agent._timers) < 200
