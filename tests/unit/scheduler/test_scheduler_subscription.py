"""How a scheduler finds a master, keeps it, and gives it up."""

import pytest

from mesos_py.messages.beacon import Beacon
from mesos_py.messages.scheduler import (
    AgentReturned,
    Decline,
    Error,
    ErrorReason,
    Failure,
    FailureReason,
    Heartbeat,
    Offers,
    Reconcile,
    Request,
    Revive,
    SchedulerHeartbeat,
    Suppress,
    TaskToReconcile,
    Teardown,
    Update,
)
from mesos_py.scheduler.config import Backoff
from mesos_py.scheduler.effects import Disconnected, OffersRescinded, Registered
from mesos_py.scheduler.events import OURS, EventsMissed
from mesos_py.types.infos import Demand, FrameworkInfo, MasterInfo
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason
from tests.unit.scheduler.conftest import HEARTBEAT_S, Bench, an_offer, launch


def beacon(epoch, spread_s=1.0):
    info = MasterInfo(master_id=f"M{epoch}", epoch=epoch)
    return Beacon(master=info, heartbeat_s=15, interval_s=30, spread_s=spread_s)


def error(reason, *, fatal=False, **more):
    return Error(reason=reason, message="because", fatal=fatal, **more)


def removed(framework_id="F1", call="SUBSCRIBE"):
    return error(ErrorReason.FRAMEWORK_REMOVED, fatal=True, framework_id=framework_id, call=call)


def test_it_subscribes_once_the_broker_is_reached(bench):
    assert bench.core.next_deadline() is None
    bench.connect()
    assert len(bench.subscribes) == 1


def test_it_repeats_subscribe_with_growing_waits_until_it_is_answered(bench):
    bench.connect()
    start, times = bench.now, []
    while len(bench.subscribes) < 8:
        before = len(bench.subscribes)
        bench.wait(0.5)
        if len(bench.subscribes) > before:
            times.append(bench.now - start)
    assert times == [1, 3, 7, 15, 31, 61, 91]
    bench.subscribed()
    bench.look()
    bench.wait(HEARTBEAT_S * 4)
    assert not bench.subscribes


def test_the_given_id_is_told_and_used_again(bench):
    bench.connect()
    bench.subscribed("F7")
    assert bench.told_of(Registered)[0].framework_id == "F7"
    assert not bench.told_of(Registered)[0].again
    bench.disconnect()
    bench.connect()
    bench.wait(1)
    assert bench.subscribes[-1].framework_id == "F7"
    bench.subscribed("F7")
    assert bench.told_of(Registered)[1].again


def test_a_heartbeat_is_sent_when_nothing_else_was(bench):
    bench.join()
    bench.wait(HEARTBEAT_S - 1)
    assert not bench.sent
    bench.wait(1)
    assert bench.sent_of(SchedulerHeartbeat)
    bench.look()
    offer = bench.offer()
    bench.now += HEARTBEAT_S - 1
    bench.call(Decline(framework_id=OURS, offer_ids=[offer.offer_id]))
    bench.wait(HEARTBEAT_S - 1)
    assert not bench.sent_of(SchedulerHeartbeat)


def test_five_silent_intervals_end_the_subscription(bench):
    bench.join()
    bench.wait(HEARTBEAT_S * 4)
    bench.says(Heartbeat())
    bench.wait(HEARTBEAT_S * 5 - 1)
    assert not bench.told
    bench.wait(1)
    assert bench.told_of(Disconnected)
    assert bench.subscribes


def test_a_beacon_of_the_same_leader_is_no_sign_that_our_queue_works(bench):
    bench.join()
    for _ in range(5):
        bench.wait(HEARTBEAT_S)
        bench.says(beacon(1), 1)
    assert bench.told_of(Disconnected)


def test_a_beacon_of_a_newer_leader_makes_it_subscribe_there(bench):
    bench.join()
    bench.wait(1)
    bench.says(beacon(2), 2)
    assert bench.told_of(Disconnected)
    assert bench.subscribes[0].framework_id == "F1"
    bench.subscribed(epoch=2)
    assert bench.told_of(Registered)[0].master.epoch == 2


def test_a_beacon_ends_the_wait_for_a_master(bench):
    bench.connect()
    bench.wait(100)
    bench.look()
    bench.wait(1)
    bench.says(beacon(3), 3)
    assert len(bench.subscribes) == 1


def test_a_deposed_leader_has_no_say(bench):
    bench.join()
    bench.says(beacon(2), 2)
    bench.subscribed(epoch=2)
    bench.look()
    bench.says(Offers(offers=[an_offer()]), epoch=1)
    bench.status("t1", "RUNNING", 1)
    assert bench.told == []
    assert bench.sent == []


def test_offers_in_hand_are_void_after_a_disconnection(bench):
    bench.join()
    offer = bench.offer()
    bench.disconnect()
    assert [type(event) for event in bench.told[-2:]] == [OffersRescinded, Disconnected]
    assert bench.told[-2].offers == [offer]


def test_offers_of_a_subscription_that_is_over_are_not_shown(bench):
    bench.join()
    bench.disconnect()
    bench.connect()
    bench.look()
    bench.offer()
    assert not bench.told


def test_not_subscribed_makes_it_subscribe_again_but_not_in_a_frenzy(bench):
    bench.join()
    for _ in range(10):
        bench.says(error(ErrorReason.NOT_SUBSCRIBED))
        bench.wait(0.1)
        bench.subscribed()
    assert 1 <= len(bench.subscribes) <= 2


def test_failed_over_is_the_end(bench):
    bench.join()
    bench.says(error(ErrorReason.FAILED_OVER, fatal=True))
    assert "FAILED_OVER" in bench.stopped
    assert bench.ended_by is ErrorReason.FAILED_OVER
    assert bench.core.next_deadline() is None


def test_who_had_the_id_in_this_run_does_not_take_over_again():
    bench = Bench(framework_id="F1")
    bench.connect()
    assert not bench.subscribes[-1].resume
    bench.wait(1)
    assert not bench.subscribes[-1].resume, "nobody has confirmed it yet"
    bench.subscribed()
    bench.disconnect()
    bench.connect()
    bench.wait(1)
    assert bench.subscribes[-1].resume
    bench.says(error(ErrorReason.FAILED_OVER, fatal=True, call="SUBSCRIBE", framework_id="F1"))
    assert bench.ended_by is ErrorReason.FAILED_OVER


def test_a_new_leader_that_knows_only_our_predecessor_does_not_end_us(bench):
    bench.join()
    message = "another instance has subscribed with this framework's id"
    bench.says(Error(reason=ErrorReason.FAILED_OVER, message=message, call="RECONCILE", fatal=True), epoch=2)
    bench.wait(1)
    assert not bench.stopped
    assert len(bench.subscribes) == 1
    bench.says(Error(reason=ErrorReason.FAILED_OVER, message=message, fatal=True), epoch=2)
    assert "FAILED_OVER" in bench.stopped


def test_a_refused_call_is_told_and_changes_nothing(bench):
    bench.join()
    bench.says(error(ErrorReason.INVALID))
    assert bench.told == [error(ErrorReason.INVALID)]
    assert bench.stopped is None
    assert bench.core.subscribed


def test_a_removed_framework_goes_on_with_a_fresh_id_and_says_so(bench):
    bench.join()
    offer = bench.offer()
    bench.call(_accept(offer, "t1"))
    bench.disconnect()
    bench.connect()
    bench.wait(1)
    bench.look()
    bench.says(removed())
    bench.wait(1)
    assert bench.stopped is None
    assert bench.told_of(Error)[0].reason == ErrorReason.FRAMEWORK_REMOVED
    assert not bench.told_of(Error)[0].fatal
    assert bench.states == [("t1", "KILLED")]
    assert bench.told_of(Update)[0].status.reason == Reason.FRAMEWORK_REMOVED
    assert bench.subscribes[0].framework_id is None
    assert not bench.subscribes[0].resume
    bench.subscribed("F2")
    assert not bench.told_of(Registered)[0].again
    assert bench.told_of(Registered)[0].replaces == "F1"
    assert not bench.sent_of(Reconcile)
    bench.disconnect()
    bench.connect()
    bench.wait(1)
    bench.subscribed("F2")
    assert bench.told_of(Registered)[1].replaces is None


def test_a_removal_is_noticed_by_the_answer_to_any_call(bench):
    bench.join()
    bench.call(_accept(bench.offer(), "t1"))
    bench.look()
    bench.says(removed(call="HEARTBEAT"))
    bench.wait(1)
    assert [type(event) for event in bench.told] == [Error, Update, Disconnected]
    assert bench.states == [("t1", "KILLED")]
    assert bench.subscribes[0].framework_id is None


def test_a_doubled_removal_is_told_once(bench):
    bench.join()
    bench.disconnect()
    bench.connect()
    bench.look()
    for framework_id in ("F1", "F1", None):
        bench.says(removed(framework_id))
    bench.wait(1)
    assert len(bench.told_of(Error)) == 1
    bench.subscribed("F2")
    assert bench.told_of(Registered)[0].replaces == "F1"


def test_an_operator_s_removal_is_the_end(bench):
    bench.join()
    bench.call(_accept(bench.offer(), "t1"))
    bench.says(removed(call=""))
    assert bench.states == [("t1", "KILLED")]
    assert bench.told_of(Error)[0].fatal
    assert len(bench.told_of(Disconnected)) == 1
    assert bench.ended_by is ErrorReason.FRAMEWORK_REMOVED


def test_what_was_asked_of_a_removed_framework_is_answered():
    bench = Bench(framework_id="F1")
    bench.call(Reconcile(framework_id=OURS, tasks=[TaskToReconcile(task_id="t1")]))
    bench.connect()
    bench.says(removed())
    assert bench.states == [("t1", "UNKNOWN")]
    assert bench.told_of(Update)[0].status.reason == Reason.FRAMEWORK_REMOVED


def test_an_heir_asks_for_what_it_cannot_name_until_its_id_is_another():
    bench = Bench(framework_id="F1", reconcile_every_s=900.0)
    bench.connect()
    bench.subscribed()
    assert [call.tasks for call in bench.sent_of(Reconcile)] == [[]]
    bench.look()
    for _ in range(15):
        bench.wait(60)
        bench.says(Heartbeat())
    assert [call.tasks for call in bench.sent_of(Reconcile)] == [[]]
    bench.disconnect()
    bench.connect()
    bench.says(removed())
    bench.wait(1)
    bench.look()
    bench.subscribed("F2")
    assert not bench.sent_of(Reconcile)


def test_a_teardown_of_a_framework_that_is_removed_already_is_done(bench):
    bench.join()
    bench.disconnect()
    bench.stop(teardown=True)
    bench.connect()
    bench.says(removed())
    assert bench.stopped == ""
    assert bench.ended_by is None


def test_agents_that_are_lost_and_back_are_told(bench):
    assert not bench.join().core._config.agent_returns
    bench = Bench(agent_returns=True)
    bench.connect()
    assert bench.subscribes[0].agent_returns
    bench.subscribed()
    bench.look()
    events = [Failure(agent_id="A1", reason=FailureReason.UNREACHABLE), AgentReturned(agent_id="A1")]
    for event in events:
        bench.says(event)
    assert bench.told == events


def test_a_removed_framework_that_must_keep_its_id_stops():
    bench = Bench(keep_id=True, framework_id="F1")
    bench.connect()
    bench.says(removed())
    assert bench.ended_by is ErrorReason.FRAMEWORK_REMOVED


@pytest.mark.parametrize("framework_id", ["F0", None])
def test_a_removal_of_an_id_long_left_is_ignored(bench, framework_id):
    bench.join()
    bench.says(removed(framework_id))
    assert bench.told == []
    assert bench.core.subscribed


def test_a_late_answer_to_a_subscription_without_an_id_makes_nobody_else_of_us(bench):
    bench.join()
    bench.subscribed("F2")
    assert not bench.core.subscribed
    assert bench.core.framework_id == "F1"
    bench.wait(1)
    assert bench.subscribes[-1].framework_id == "F1"


def test_suppressed_roles_and_demands_are_said_again(bench):
    bench.join()
    demand = [Demand(slice=Resources.of(cpus=1), count=3)]
    bench.call(Suppress(framework_id=OURS))
    bench.call(Request(framework_id=OURS, role="*", demands=demand))
    assert [type(call) for call in bench.sent] == [Suppress, Request]
    bench.disconnect()
    bench.connect()
    bench.wait(1)
    assert bench.subscribes[-1].suppressed_roles == ["*"]
    bench.look()
    bench.subscribed()
    assert bench.sent_of(Request)[0].demands == demand


@pytest.mark.parametrize("call", [Suppress, Revive])
def test_what_is_wished_while_nobody_listens_is_said_later(bench, call):
    bench.connect()
    bench.call(call(framework_id=OURS))
    assert not bench.sent_of(call)
    bench.subscribed()
    assert [(c.framework_id, c.roles) for c in bench.sent_of(call)] == [("F1", ["*"])]


def test_a_doubled_subscribed_is_not_told_twice_and_loses_no_offer_for_the_master(bench):
    bench.join()
    offer = bench.offer()
    bench.look()
    bench.subscribed()
    assert not bench.told_of(Registered)
    assert bench.told_of(OffersRescinded)[0].offers == [offer]
    assert bench.sent_of(Decline)[0].offer_ids == [offer.offer_id]


def test_stop_with_teardown_tells_the_master(bench):
    bench.join()
    bench.stop(teardown=True)
    assert [type(call) for call in bench.sent] == [Teardown]
    assert bench.stopped == ""
    bench.offer()
    assert not bench.told


def test_stop_without_teardown_gives_offers_back(bench):
    bench.join()
    offer = bench.offer()
    bench.look()
    bench.stop(teardown=False)
    assert [type(call) for call in bench.sent] == [Suppress, Decline]
    assert bench.sent[1].offer_ids == [offer.offer_id]
    assert bench.stopped == ""


def test_a_teardown_waits_for_a_master_but_not_for_ever():
    for finds_one in (True, False):
        bench = Bench().join()
        bench.disconnect()
        bench.stop(teardown=True)
        assert bench.stopped is None
        if finds_one:
            bench.connect()
            bench.subscribed()
            assert bench.sent_of(Teardown)
            assert bench.stopped == ""
        else:
            bench.wait(20)
            assert "teardown" in bench.stopped


def test_stop_before_anything_was_asked_is_at_once(bench):
    bench.stop(teardown=True)
    assert bench.stopped == ""


@pytest.mark.parametrize(("spread_s", "wait_s"), [(-5, 0.0), (0.001, 0.0005), (0.5, 0.25), (12.5, 0.5)])
def test_schedulers_spread_when_a_new_master_speaks_but_never_for_long(spread_s, wait_s):
    bench = Bench(subscribing=Backoff(first_s=1, cap_s=30, jitter=0.5))
    bench.connect()
    bench.subscribed()
    bench.wait(10)
    bench.look()
    bench.says(beacon(2, spread_s), epoch=2)
    if wait_s:
        assert not bench.subscribes
        assert bench.core.next_deadline() == pytest.approx(bench.now + wait_s)
        bench.wait(wait_s)
    assert len(bench.subscribes) == 1


def test_jitter_shortens_waits():
    assert Backoff(first_s=1, cap_s=60).after(3) == 4
    assert Backoff(first_s=1, cap_s=60, jitter=0.5).after(3) == 2
    assert Backoff(first_s=1, cap_s=60).after(10_000) == 60


def test_roles_default_to_the_framework_s():
    bench = Bench(framework=FrameworkInfo(name="x", roles=["a", "b"]), suppressed_roles=["a"])
    bench.connect()
    assert bench.subscribes[0].suppressed_roles == ["a"]
    bench.call(Revive(framework_id=OURS, roles=["a"]))
    bench.wait(1)
    assert bench.subscribes[-1].suppressed_roles == []


def _accept(offer, *task_ids):
    from mesos_py.messages.scheduler import Accept

    return Accept(framework_id=OURS, offer_ids=[offer.offer_id], operations=launch(*task_ids))


def test_events_that_never_came_make_the_scheduler_subscribe_again():
    bench = Bench()
    bench.join()
    bench.happen(EventsMissed(0))
    assert bench.core.subscribed  # it is of a master that has no say any more
    bench.happen(EventsMissed(1))
    assert bench.told == [Disconnected("events were lost on their way to us")]
    bench.happen(EventsMissed(1))
    bench.wait(2.0)
    bench.subscribed()
    assert bench.core.subscribed
    assert len(bench.told) == 2
