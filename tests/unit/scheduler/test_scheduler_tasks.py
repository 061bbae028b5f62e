"""What a scheduler does about tasks: launches, updates, kills, questions. Nothing is dropped in silence."""

from mesos_py.messages.beacon import Beacon
from mesos_py.messages.scheduler import (
    Accept,
    Acknowledge,
    Decline,
    Error,
    Failure,
    Kill,
    Message,
    MessageReceived,
    Offers,
    Reconcile,
    Rescind,
    TaskToReconcile,
    Update,
)
from mesos_py.scheduler.effects import Deliver, OffersRescinded, SendToMaster
from mesos_py.scheduler.events import OURS
from mesos_py.types.infos import MasterInfo
from mesos_py.types.tasks import KillPolicy, Reason, Source
from tests.unit.scheduler.conftest import Bench, launch


def accept(*offers, tasks=("t1",)):
    return Accept(framework_id=OURS, offer_ids=[o.offer_id for o in offers], operations=launch(*tasks))


def kill(task_id, **more):
    return Kill(framework_id=OURS, task_id=task_id, **more)


def running(bench, *task_ids):
    bench.call(accept(bench.offer(), tasks=task_ids))
    for task_id in task_ids:
        bench.status(task_id, "RUNNING", 1)
    bench.look()


def asked(bench):
    return [task.task_id for call in bench.sent_of(Reconcile) for task in call.tasks]


def answer(bench, task_id, state, **more):
    bench.status(task_id, state, reason=Reason.RECONCILIATION, source=Source.MASTER, **more)


# Offers


def test_an_accept_is_sent_with_our_id_and_uses_the_offer_up(bench):
    bench.join()
    offer = bench.offer()
    bench.call(accept(offer))
    assert bench.sent_of(Accept)[0].framework_id == "F1"
    bench.says(Rescind(offer_id=offer.offer_id))
    assert not bench.told_of(OffersRescinded)


def test_an_accept_of_a_void_offer_is_answered_for_each_task(bench):
    bench.join()
    gone, good = bench.offer(), bench.offer()
    bench.says(Rescind(offer_id=gone.offer_id))
    bench.look()
    bench.call(accept(gone, good, tasks=("t1", "t2")))
    assert bench.states == [("t1", "DROPPED"), ("t2", "DROPPED")]
    assert bench.told[0].status.reason == Reason.INVALID_OFFERS
    assert not bench.sent_of(Accept)
    assert bench.sent_of(Decline)[0].offer_ids == [good.offer_id]
    assert bench.sent_of(Decline)[0].refuse_seconds == 0


def test_an_accept_while_nobody_listens_is_answered_for_each_task(bench):
    bench.join()
    offer = bench.offer()
    bench.disconnect()
    bench.look()
    bench.call(accept(offer))
    assert bench.states == [("t1", "DROPPED")]
    assert bench.told[0].status.reason == Reason.MASTER_DISCONNECTED


def test_an_accept_with_a_task_id_in_use_launches_nothing(bench):
    bench.join()
    running(bench, "t1")
    offer = bench.offer()
    bench.look()
    bench.call(accept(offer, tasks=("t2", "t1")))
    assert not bench.sent
    assert "'t1' is in use" in bench.told_of(Error)[0].message
    bench.call(accept(offer, tasks=("t2",)))
    assert bench.sent_of(Accept)


def test_a_decline_of_a_void_offer_is_ignored(bench):
    bench.join()
    offer = bench.offer()
    for _ in range(2):
        bench.call(Decline(framework_id=OURS, offer_ids=[offer.offer_id], refuse_seconds=7))
    assert [call.refuse_seconds for call in bench.sent_of(Decline)] == [7]


def test_a_doubled_offer_is_shown_once(bench):
    bench.join()
    offer = bench.offer()
    bench.says(Offers(offers=[offer]))
    assert len(bench.told_of(Offers)) == 1


# Updates


def test_an_update_is_acknowledged_after_it_was_delivered(bench):
    bench.join()
    bench.call(accept(bench.offer()))
    bench.look()
    bench.status("t1", "RUNNING", 1)
    assert [type(effect) for effect in bench.order] == [Deliver, SendToMaster]
    assert bench.sent == [Acknowledge(framework_id="F1", agent_id="A1", task_id="t1", update_id=1)]


def test_a_repeated_update_is_acknowledged_again_and_not_shown_again(bench):
    bench.join()
    running(bench, "t1")
    for state, update_id in (("RUNNING", 1), ("FINISHED", 2), ("FINISHED", 2), ("RUNNING", 1)):
        bench.status("t1", state, update_id)
    assert bench.states == [("t1", "FINISHED")]
    assert [call.update_id for call in bench.sent_of(Acknowledge)] == [1, 2, 2, 1]


def test_an_update_without_id_is_not_acknowledged(bench):
    bench.join()
    running(bench, "t1")
    bench.status("t1", "UNREACHABLE")
    assert bench.states == [("t1", "UNREACHABLE")]
    assert not bench.sent


def test_a_task_that_comes_back_is_shown_even_by_a_repeated_update(bench):
    bench.join()
    running(bench, "t1")
    bench.status("t1", "UNREACHABLE")
    bench.status("t1", "RUNNING", 1)
    assert bench.states == [("t1", "UNREACHABLE"), ("t1", "RUNNING")]


def test_an_update_of_a_task_we_did_not_launch_is_shown_and_acknowledged(bench):
    bench.join()
    bench.status("old", "RUNNING", 3)
    assert bench.states == [("old", "RUNNING")]
    assert bench.sent_of(Acknowledge)


def test_nothing_follows_an_end_unless_an_agent_says_so(bench):
    bench.join()
    running(bench, "t1")
    bench.status("t1", "GONE")
    answer(bench, "t1", "UNKNOWN")
    bench.status("t1", "UNREACHABLE")
    assert bench.states == [("t1", "GONE")]
    bench.status("t1", "FINISHED", 2)
    assert bench.states == [("t1", "GONE"), ("t1", "FINISHED")]


def test_only_so_many_ended_tasks_are_remembered():
    bench = Bench(remember_ended=10).join()
    for number in range(100):
        bench.status(f"t{number}", "FINISHED", 1)
    bench.look()
    bench.status("t99", "FINISHED", 1)
    assert bench.states == []
    bench.status("t0", "FINISHED", 1)
    assert bench.states == [("t0", "FINISHED")]


def test_with_manual_acknowledgement_the_user_decides():
    bench = Bench(auto_acknowledge=False).join()
    bench.call(accept(bench.offer()))
    bench.look()
    bench.status("t1", "RUNNING", 1)
    bench.status("t1", "RUNNING", 1)
    assert len(bench.states) == 1
    assert not bench.sent
    bench.call(Acknowledge(framework_id=OURS, agent_id="A1", task_id="t1", update_id=1))
    bench.status("t1", "RUNNING", 1)
    assert len(bench.sent_of(Acknowledge)) == 2
    assert len(bench.states) == 1


def test_an_update_before_the_subscription_is_shown_and_acknowledged_when_it_is_repeated(bench):
    bench.join()
    running(bench, "t1")
    bench.disconnect()
    bench.connect()
    bench.look()
    bench.status("t1", "FINISHED", 2)
    assert bench.states == [("t1", "FINISHED")]
    assert not bench.sent_of(Acknowledge)
    bench.subscribed()
    bench.status("t1", "FINISHED", 2)
    assert bench.states == [("t1", "FINISHED")]
    assert bench.sent_of(Acknowledge)


# Kills


def test_a_kill_is_repeated_until_the_task_has_ended(bench):
    bench.join()
    running(bench, "t1")
    policy = KillPolicy(grace_period_s=1)
    bench.call(kill("t1", kill_policy=policy))
    assert bench.sent == [Kill(framework_id="F1", task_id="t1", agent_id="A1", kill_policy=policy)]
    bench.says(MessageReceived(agent_id="A1", executor_id="e", data=b""))
    bench.wait(31)
    assert len(bench.sent_of(Kill)) == 3
    bench.status("t1", "KILLED", 2)
    bench.look()
    bench.wait(60)
    assert not bench.sent_of(Kill)


def test_a_kill_while_nobody_listens_is_sent_later(bench):
    bench.join()
    running(bench, "t1")
    bench.disconnect()
    bench.call(kill("t1"))
    assert not bench.sent_of(Kill)
    bench.connect()
    bench.subscribed()
    assert len(bench.sent_of(Kill)) == 1


def test_a_kill_is_said_to_a_new_master_at_once(bench):
    bench.join()
    running(bench, "t1")
    bench.call(kill("t1"))
    bench.wait(100)
    bench.disconnect()
    bench.connect()
    bench.look()
    bench.subscribed()
    assert len(bench.sent_of(Kill)) == 1


def test_a_kill_of_a_task_nobody_knows_ends_with_the_answer(bench):
    bench.join()
    bench.call(kill("what"))
    assert bench.sent_of(Kill)
    answer(bench, "what", "UNKNOWN", agent_id=None)
    assert bench.states == [("what", "UNKNOWN")]
    bench.look()
    bench.wait(60)
    assert not bench.sent_of(Kill)


def test_a_task_that_turns_up_after_all_is_still_to_end(bench):
    bench.join()
    bench.call(kill("t1", kill_policy=KillPolicy(grace_period_s=1)))
    answer(bench, "t1", "UNKNOWN", agent_id=None)
    bench.look()
    bench.wait(60)
    assert not bench.sent_of(Kill)
    answer(bench, "t1", "RUNNING")
    assert [call.kill_policy for call in bench.sent_of(Kill)] == [KillPolicy(grace_period_s=1)]
    bench.status("t1", "KILLED", 2)
    bench.status("t1", "RUNNING", 3)
    bench.look()
    bench.wait(60)
    assert not bench.sent_of(Kill)


def test_a_kill_just_before_a_stop_is_sent(bench):
    bench.join()
    running(bench, "t1")
    from mesos_py.scheduler.events import StopOrdered, UserCalled

    bench.core.handle(UserCalled(kill("t1")), bench.now)
    effects = bench.core.handle(StopOrdered(False), bench.now)
    assert any(isinstance(effect, SendToMaster) and isinstance(effect.call, Kill) for effect in effects)


# Questions


def test_live_tasks_are_asked_for_after_every_return_until_each_is_answered(bench):
    bench.join()
    running(bench, "t1", "t2", "t3")
    bench.status("t3", "FINISHED", 2)
    bench.disconnect()
    bench.connect()
    bench.look()
    bench.subscribed()
    assert asked(bench) == ["t1", "t2"]
    assert bench.sent_of(Reconcile)[0].tasks[0].agent_id == "A1"
    answer(bench, "t2", "GONE")
    bench.look()
    bench.wait(5)
    assert asked(bench) == ["t1"]
    answer(bench, "t1", "RUNNING")
    bench.look()
    bench.wait(70)
    assert asked(bench) == []


def test_an_answer_that_says_nothing_new_is_not_shown_unless_the_user_asked(bench):
    bench.join()
    running(bench, "t1")
    answer(bench, "t1", "RUNNING")
    assert bench.states == []
    bench.call(Reconcile(framework_id=OURS, tasks=[TaskToReconcile(task_id="t1")]))
    assert asked(bench) == ["t1"]
    answer(bench, "t1", "RUNNING")
    assert bench.states == [("t1", "RUNNING")]


def test_a_question_while_nobody_listens_is_asked_later(bench):
    bench.connect()
    bench.call(Reconcile(framework_id=OURS, tasks=[TaskToReconcile(task_id="other")]))
    bench.call(Reconcile(framework_id=OURS))
    bench.look()
    bench.subscribed()
    assert asked(bench) == ["other"]
    assert any(not call.tasks for call in bench.sent_of(Reconcile))


def test_a_launch_that_nobody_speaks_of_is_asked_for(bench):
    bench.join()
    bench.call(accept(bench.offer(), tasks=("t1", "t2")))
    bench.status("t1", "RUNNING", 1)
    bench.look()
    bench.wait(59)
    assert asked(bench) == []
    bench.wait(1)
    assert asked(bench) == ["t2"]
    answer(bench, "t2", "GONE")
    assert bench.states == [("t2", "GONE")]


def test_all_live_tasks_are_asked_for_now_and_then(bench):
    bench.join()
    running(bench, "t1")
    for _ in range(90):
        bench.wait(10)
        bench.says(Beacon(master=MasterInfo(master_id="M", epoch=1), heartbeat_s=1, interval_s=1))
        bench.says(Failure(agent_id="other"))
    assert asked(bench) == ["t1"]


def test_many_questions_are_split(bench):
    bench.join()
    running(bench, *(f"t{n}" for n in range(1200)))
    bench.disconnect()
    bench.connect()
    bench.look()
    bench.subscribed()
    assert [len(call.tasks) for call in bench.sent_of(Reconcile)] == [500, 500, 200]


# The rest


def test_a_message_that_cannot_be_sent_is_told(bench):
    bench.call(Message(framework_id=OURS, agent_id="A1", executor_id="e", data=b"x"))
    assert "MESSAGE" in bench.told_of(Error)[0].message
    bench.join()
    bench.call(Message(framework_id=OURS, agent_id="A1", executor_id="e", data=b"x"))
    assert bench.sent_of(Message)[0].framework_id == "F1"


def test_messages_and_failures_are_passed_on(bench):
    bench.join()
    events = [MessageReceived(agent_id="A1", executor_id="e", data=b"x"), Failure(agent_id="A1")]
    for event in events:
        bench.says(event)
    assert bench.told == events


def test_framework_ids_are_not_confused_by_an_update_of_our_own(bench):
    bench.join()
    bench.call(accept(bench.offer()))
    bench.disconnect()
    bench.look()
    bench.call(accept(bench.offer(), tasks=("t2",)))
    assert [event.status.source for event in bench.told_of(Update)] == [Source.MASTER]
