import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.agent.checkpoint import AgentNamed, SequenceSeen
from mesos_py.agent.effects import SendToMaster, StopAgent
from mesos_py.agent.events import BrokerConnected, BrokerLost, OrdersMissed
from mesos_py.messages.agent import (
    AgentHeartbeat,
    AgentRegistered,
    AgentReregistered,
    AskForBeacon,
    PleaseReregister,
    RegisterAgent,
    RegistrationRefused,
    ReregisterAgent,
    StatusUpdate,
)
from mesos_py.types.ids import AgentID
from mesos_py.types.tasks import TaskState
from tests.unit.agent.rig import AGENT, Rig, a_beacon, a_task, an_agent_info, an_executor


def test_says_nothing_without_a_broker():
    rig = Rig(register=False)
    assert rig.agent.next_deadline() is None
    rig.say(a_beacon())
    assert not [effect for effect in rig.effects if isinstance(effect, SendToMaster)]


def test_asks_for_a_beacon_until_there_is_one():
    rig = Rig(register=False)
    rig.on(BrokerConnected())
    assert rig.sent(AskForBeacon)
    rig.wait(3.5)
    assert len(rig.sent(AskForBeacon)) == 2  # after 1 s and 2 s more
    rig.say(a_beacon())
    assert rig.sent(RegisterAgent) == [RegisterAgent(agent=an_agent_info())]
    rig.wait(60)
    assert not rig.sent(AskForBeacon)


def test_registers_with_backoff_up_to_a_minute():
    rig = Rig(register=False)
    rig.on(BrokerConnected())
    rig.say(a_beacon(interval_s=10_000))
    times = []
    for _ in range(9):
        rig.now = rig.agent.next_deadline()
        times.append(rig.now - 1000.0)
        rig.wait(0)
        assert rig.sent(RegisterAgent)
    assert times == [1, 3, 7, 15, 31, 63, 123, 183, 243]


def test_jitter_delays_the_first_attempt_and_shortens_the_waits():
    rig = Rig(register=False, jitter=0.5)
    rig.on(BrokerConnected())
    rig.say(a_beacon())
    assert not rig.sent(RegisterAgent)
    assert rig.agent.next_deadline() == 1000.5
    rig.wait(0.5)
    assert rig.sent(RegisterAgent)
    assert rig.agent.next_deadline() == 1000.5 + 0.75


@pytest.mark.parametrize(("spread_s", "wait_s"), [(0.0008, 0.0004), (2.5, 1.25), (12.5, 6.25)])
def test_who_comes_back_waits_for_its_part_of_what_the_beacon_says(spread_s, wait_s):
    rig = Rig(jitter=0.5)
    rig.say(a_beacon(epoch=2, spread_s=spread_s), epoch=2)
    assert not rig.sent(ReregisterAgent)
    assert rig.agent.next_deadline() == pytest.approx(rig.now + wait_s)
    rig.wait(wait_s)
    assert rig.sent(ReregisterAgent)


def test_nobody_repeats_before_a_slow_master_had_the_time_for_all():
    rig = Rig()
    rig.say(a_beacon(epoch=2, spread_s=2, interval_s=1000), epoch=2)
    assert rig.sent(ReregisterAgent)
    times = []
    for _ in range(4):
        rig.now = rig.agent.next_deadline()
        times.append(rig.now - 1000.0)
        rig.wait(0)
    assert times == [8, 24, 56, 116]


def test_the_beacon_of_a_new_master_need_not_be_asked_for():
    rig = Rig()
    rig.say(a_beacon(epoch=2, spread_s=0), epoch=2)
    assert not rig.sent(AskForBeacon)
    assert rig.sent(ReregisterAgent)
    rig.say(AgentReregistered(agent_id=AGENT), epoch=3)
    assert rig.sent(AskForBeacon)


@given(st.floats(allow_nan=False), st.floats(0, 1, exclude_max=True))
def test_whatever_a_beacon_says_nobody_waits_longer_than_a_minute(spread_s, jitter):
    rig = Rig(jitter=jitter)
    rig.say(a_beacon(epoch=2, spread_s=spread_s, interval_s=1000), epoch=2)
    if not rig.sent(ReregisterAgent):
        assert rig.now < rig.agent.next_deadline() <= rig.now + 60
        rig.now = rig.agent.next_deadline()
        rig.wait(0)
        assert rig.sent(ReregisterAgent)
    assert rig.now + 0.5 <= rig.agent.next_deadline() <= rig.now + 60


def test_writes_its_id_down_and_is_done():
    rig = Rig(register=False)
    rig.on(BrokerConnected())
    rig.say(a_beacon())
    rig.say(AgentRegistered(name="node1", agent_id=AGENT))
    assert rig.records(AgentNamed) == [AgentNamed(agent_id=AGENT)]
    assert rig.agent.view().registered
    assert rig.agent.view().agent_id == AGENT


def test_an_answer_for_another_agent_of_the_process_is_not_ours():
    rig = Rig(register=False)
    rig.on(BrokerConnected())
    rig.say(a_beacon())
    rig.say(AgentRegistered(name="node2", agent_id=AGENT))
    assert rig.agent.view().agent_id is None
    rig.say(AgentRegistered(name="node1", agent_id=AGENT))
    rig.say(AgentRegistered(name="node1", agent_id=AgentID("M-A9")))
    assert rig.agent.view().agent_id == AGENT
    rig.say(AgentReregistered(agent_id=AgentID("M-A9")))
    assert rig.agent.view().counters == {"answers_for_others": 2, "orders_for_others": 1}


def test_heartbeats_as_often_as_the_beacon_says():
    rig = Rig()
    rig.wait(46)
    assert [m.agent_id for m in rig.sent(AgentHeartbeat)] == [AGENT] * 3
    rig.say(a_beacon(heartbeat_s=1))
    rig.wait(3)
    assert len(rig.sent(AgentHeartbeat)) == 3


def test_a_heartbeat_tells_how_many_executors_there_are():
    rig = Rig()

    def told():
        rig.wait(15)
        (heartbeat,) = rig.sent(AgentHeartbeat)
        return heartbeat.executors

    assert told() == 0
    container_id = rig.start_executor(a_task(executor=an_executor()))
    assert told() == 1
    rig.end(container_id)
    assert told() == 0


def test_a_silent_master_is_lost_after_five_intervals():
    rig = Rig()
    rig.wait(149)
    assert not rig.sent(AskForBeacon)
    assert rig.agent.view().registered
    rig.wait(1)
    assert rig.sent(AskForBeacon)
    assert not rig.agent.view().registered
    rig.say(a_beacon())
    assert rig.sent(ReregisterAgent)


def test_a_beacon_of_the_same_master_changes_nothing():
    rig = Rig()
    rig.say(a_beacon())
    assert not [effect for effect in rig.effects if isinstance(effect, SendToMaster)]


def test_reregisters_with_a_newer_master_and_drops_the_older():
    rig = Rig()
    rig.say(a_beacon(2), epoch=2)
    assert rig.sent(ReregisterAgent)
    assert rig.records(SequenceSeen) == [SequenceSeen(epoch=2, sequence=-1)]
    assert not rig.agent.view().registered
    assert rig.say(AgentReregistered(agent_id=AGENT), epoch=1) == []
    assert rig.say(a_beacon(1), epoch=1) == []
    assert rig.agent.view().counters == {"orders_of_old_masters": 2}
    rig.say(AgentReregistered(agent_id=AGENT), epoch=2)
    assert rig.agent.view().registered


def test_an_answer_may_come_before_the_beacon_of_a_new_master():
    rig = Rig()
    rig.on(BrokerLost())
    rig.on(BrokerConnected())
    assert rig.sent(ReregisterAgent)
    rig.say(AgentReregistered(agent_id=AGENT), epoch=2)
    assert rig.sent(AskForBeacon)
    assert rig.agent.view().registered
    rig.say(a_beacon(2), epoch=2)
    assert rig.agent.view().registered
    assert not rig.sent(ReregisterAgent)


def test_a_restarted_master_of_the_same_epoch_counts_from_the_beginning():
    rig = Rig()
    rig.start(a_task("t1"))
    rig.say(a_beacon(1, master="other"))
    assert rig.sent(ReregisterAgent)
    rig.say(AgentReregistered(agent_id=AGENT))
    rig.sequence = -1
    rig.launch(a_task("t2"))
    assert len(rig.specs()) == 1


def test_reregisters_at_once_when_asked_but_not_twice():
    rig = Rig()
    rig.say(PleaseReregister(agent_id=AGENT))
    assert len(rig.sent(ReregisterAgent)) == 1
    rig.say(PleaseReregister(agent_id=AGENT))
    assert not rig.sent(ReregisterAgent)
    rig.wait(1)
    assert len(rig.sent(ReregisterAgent)) == 1


def test_reregistration_lists_tasks_executors_and_what_was_sent():
    rig = Rig()
    running = rig.start(a_task("t1"))
    rig.ack(1)
    rig.end(running)
    rig.launch(a_task("t2"))
    rig.say(PleaseReregister(agent_id=AGENT))
    (message,) = rig.sent(ReregisterAgent)
    (framework,) = message.frameworks
    done, staging = framework.tasks
    assert (done.state, done.status_state, done.update_id) == (TaskState.FINISHED, TaskState.FINISHED, 2)
    assert (staging.state, staging.status_state, staging.update_id) == (TaskState.STAGING, TaskState.STAGING, None)
    assert message.executors == []


def test_a_task_of_a_group_is_reported_with_its_executor():
    rig = Rig()
    rig.launch_group(a_task("t1", command=None), executor=an_executor("e"))
    rig.launch(a_task("t2"))
    rig.say(PleaseReregister(agent_id=AGENT))
    (message,) = rig.sent(ReregisterAgent)
    (framework,) = message.frameworks
    assert [task.executor_id for task in framework.tasks] == ["e", None]


def test_nothing_is_sent_while_the_broker_is_lost():
    rig = Rig()
    container_id = rig.start()
    rig.on(BrokerLost())
    assert rig.agent.next_deadline() is None
    rig.end(container_id)
    rig.wait(1000)
    assert not [effect for effect in rig.effects if isinstance(effect, SendToMaster)]
    rig.on(BrokerConnected())
    assert rig.sent(ReregisterAgent)
    assert not rig.sent(StatusUpdate)
    rig.say(AgentReregistered(agent_id=AGENT))
    assert rig.states() == [TaskState.RUNNING]
    assert rig.sent(StatusUpdate)[0].latest_state is TaskState.FINISHED


def test_a_refused_agent_kills_everything_and_stops():
    rig = Rig()
    container_id = rig.start()
    rig.say(RegistrationRefused(name="node1", agent_id=AGENT, message="gone"))
    assert rig.destroyed() == [container_id]
    assert not [effect for effect in rig.effects if isinstance(effect, StopAgent)]
    rig.end(container_id, None, signal=9)
    assert StopAgent("gone") in rig.effects
    assert rig.agent.next_deadline() is None
    assert rig.on(BrokerConnected()) == []
    assert rig.say(a_beacon(7), epoch=7) == []


def test_a_refusal_of_another_agent_is_not_ours():
    rig = Rig()
    assert rig.say(RegistrationRefused(name="node2", agent_id=None, message="no")) == []
    assert rig.say(RegistrationRefused(name="node1", agent_id=AgentID("M-A9"), message="no")) == []


def test_orders_that_never_came_make_the_agent_say_what_it_has():
    rig = Rig()

    def says_it(epoch: int) -> bool:
        return ReregisterAgent in [
            type(effect.message) for effect in rig.on(OrdersMissed(epoch)) if isinstance(effect, SendToMaster)
        ]

    assert not says_it(0)  # of a master that has no say any more
    assert says_it(1)
    assert not says_it(1)  # it is on its way
