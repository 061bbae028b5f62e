"""The public Framework against a small master in the same loop or another thread, over memory://."""

import threading

import msgspec
import pytest

from mesos_py import Framework, FrameworkEndedError, MesosError, Resources, TaskState, UserError, command_task
from mesos_py.errors import ConfigError
from mesos_py.messages.scheduler import (
    Accept,
    AcceptInverseOffers,
    Acknowledge,
    AgentReturned,
    Decline,
    DeclineInverseOffers,
    Error,
    ErrorReason,
    Failure,
    FailureReason,
    InverseOffers,
    Kill,
    Rescind,
    RescindInverseOffer,
    Subscribe,
    Teardown,
)
from mesos_py.runtime.loop import Loop
from mesos_py.types.infos import Demand
from mesos_py.types.maintenance import Unavailability
from mesos_py.types.offers import InverseOffer, Offer
from tests.support.cluster import wait_for
from tests.unit.scheduler.small_master import SmallMaster, World, a_url


@pytest.fixture
def world():
    return World()


@pytest.fixture
def master():
    """One in a thread of its own."""
    loop = Loop()
    master = SmallMaster(loop, a_url())
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield master
    loop.stop()
    thread.join()


@pytest.fixture
def background(master):
    """The URL of its broker."""
    return master.url


TASK = command_task("t1", "true", cpus=1, mem=32)


def test_callbacks_hear_of_offers_and_updates(world):
    heard = []

    @world.framework.on_registered
    def registered(event):
        heard.append(("registered", event.framework_id))

    @world.framework.on_offers
    def offers(offered):
        heard.append(("offers", len(offered)))
        world.framework.launch(offered, TASK)

    @world.framework.on_update
    def update(status):
        heard.append((status.task_id, status.state))
        if status.state is TaskState.FINISHED:
            world.framework.stop()

    world.run()
    assert heard == [("registered", "F1"), ("offers", 1), ("t1", "RUNNING"), ("t1", "FINISHED")]
    assert [call.update_id for call in world.master.heard(Acknowledge)] == [1, 2]
    assert world.master.heard(Teardown)
    assert world.framework.join(0)


def test_a_mistake_is_raised_where_it_is_made(world):
    mistakes = []

    @world.framework.on_offers
    def offers(offered):
        for wrong in ([TASK, TASK], [], [command_task("big", "true", cpus=5)]):
            with pytest.raises(UserError) as error:
                world.framework.launch(offered, wrong)
            mistakes.append(str(error.value))

    world.run()
    assert len(mistakes) == 3
    assert not world.master.heard(Accept)


def test_an_id_in_use_is_refused(world):
    held = []
    world.framework.on_offers(held.extend)
    world.run()
    world.framework.launch(held, command_task("sleep1", "sleep 9", cpus=1))
    world.turn()
    with pytest.raises(UserError, match="in use"):
        world.framework.launch(held, command_task("sleep1", "sleep 9", cpus=1))


def test_ctrl_c_within_a_callback_takes_the_tasks_along(master):
    framework = Framework("test")

    @framework.on_offers
    def offers(_offered):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        framework.run(master.url)
    wait_for(lambda: master.heard(Teardown), "its tasks are given up")


def test_a_callback_that_fails_ends_the_framework_and_acknowledges_nothing(world, caplog):
    world.framework.on_offers(lambda offers: world.framework.launch(offers, TASK))

    @world.framework.on_update
    def update(status):
        raise ZeroDivisionError("mine")

    world.run()
    with pytest.raises(ZeroDivisionError, match="mine"):
        world.framework.join(0)
    assert not world.master.heard(Acknowledge)
    assert "a callback failed" in caplog.text


def test_calls_before_the_start_are_kept(world):
    world.framework.kill("sleep1")
    world.framework.message("A1", "e", b"abc")
    messages = []
    world.framework.on_message(messages.append)
    world.framework.on_error(messages.append)
    world.run()
    assert world.master.heard(Kill)
    assert [type(message) for message in messages] == [Error]


def test_every_call_reaches_the_master(world):
    framework, held, messages = world.framework, [], []
    framework.on_offers(held.extend)
    framework.on_message(messages.append)
    world.run()
    framework.decline(held, refuse_seconds=3)
    framework.suppress()
    framework.revive("*")
    framework.request(Demand(slice=Resources.of(cpus=1), count=2))
    framework.message("A1", "e", b"abc")
    framework.shutdown_executor("A1", "e")
    framework.reconcile(["x"])
    framework.reconcile()
    framework.kill("x", grace_s=2)
    world.turn()
    assert world.master.heard(Decline)[0].refuse_seconds == 3
    assert world.master.heard(Kill)[0].kill_policy.grace_period_s == 2
    assert messages[0].data == b"cba"
    kinds = {type(call).__name__ for call in world.master.calls}
    assert kinds >= {"Subscribe", "Suppress", "Revive", "Request", "Message", "Shutdown", "Reconcile"}


def test_wrong_arguments(world):
    framework = world.framework
    for wrong in (
        lambda: framework.suppress("other"),
        lambda: framework.kill("t", grace_s=-1),
        lambda: framework.decline([_an_offer()], refuse_seconds=-1),
        lambda: Framework("x", roles=["a b"]),
        lambda: Framework(""),
        lambda: Framework("x", failover_timeout_s=-1),
        lambda: Framework("x", roles=["a", "b"]).request(),
    ):
        with pytest.raises(UserError):
            wrong()


def test_manual_acknowledgement():
    world = World(auto_acknowledge=False)
    seen = []
    world.framework.on_offers(lambda offers: world.framework.launch(offers, TASK))
    world.framework.on_update(seen.append)
    world.run()
    assert not world.master.heard(Acknowledge)
    world.framework.acknowledge(seen[0])
    world.turn()
    assert len(world.master.heard(Acknowledge)) == 1


def test_rescinded_offers_are_told(world):
    void = []
    world.framework.on_offers(lambda offers: None)
    world.framework.on_rescind(void.extend)
    world.run()
    world.master.say(Rescind(offer_id="O1"))
    world.turn()
    assert [offer.offer_id for offer in void] == ["O1"]


def test_timers(world):
    fired = []
    world.framework.call_later(0, fired.append, "now")
    world.framework.call_later(1000, fired.append, "late")
    world.framework.call_later(0, fired.append, "never").cancel()
    world.run()
    assert fired == ["now"]


def test_the_master_can_end_it(world):
    world.run()
    world.master.say(Error(reason=ErrorReason.FAILED_OVER, message="another instance", fatal=True))
    world.turn()
    with pytest.raises(FrameworkEndedError, match="another instance") as ended:
        world.framework.join(0)
    assert ended.value.reason == ErrorReason.FAILED_OVER


def test_agents_lost_and_back_come_to_their_callbacks(world):
    news = []
    world.framework.on_failure(news.append)
    world.framework.on_agent_returned(news.append)
    world.run()
    events = [Failure(agent_id="A1", reason=FailureReason.UNREACHABLE), AgentReturned(agent_id="A1")]
    world.master.say(*events)
    world.turn()
    assert news == events
    assert world.master.heard(Subscribe)[0].agent_returns


def test_inverse_offers_are_answered(world):
    asked, void = [], []
    offers = [
        InverseOffer(
            offer_id=f"I{n}", framework_id="F", agent_id="A", hostname="h", unavailability=Unavailability(start=5.0)
        )
        for n in range(3)
    ]

    @world.framework.on_inverse_offers
    def answer(inverse_offers):
        asked.extend(inverse_offers)
        world.framework.accept_inverse(inverse_offers[0], refuse_seconds=60)
        world.framework.decline_inverse(inverse_offers[1:], reason="last copy")

    world.framework.on_inverse_rescind(lambda rescinded: void.append(rescinded.offer_id))
    world.run()
    world.master.say(InverseOffers(inverse_offers=offers), RescindInverseOffer(offer_id="I2"))
    world.turn()
    assert (asked, void) == (offers, ["I2"])
    assert world.master.heard(Subscribe)[0].inverse_offers
    [accepted], [declined] = world.master.heard(AcceptInverseOffers), world.master.heard(DeclineInverseOffers)
    assert (accepted.offer_ids, accepted.refuse_seconds, accepted.framework_id) == (["I0"], 60, declined.framework_id)
    assert (declined.offer_ids, declined.reason) == (["I1", "I2"], "last copy")
    with pytest.raises(UserError, match="not negative"):
        world.framework.accept_inverse(offers, refuse_seconds=-1)


def test_who_does_not_want_inverse_offers_is_not_asked(world):
    world.run()
    assert not world.master.heard(Subscribe)[0].inverse_offers


def test_what_a_newer_master_says_is_passed_over_and_told_once(world, caplog):
    class Newer(msgspec.Struct, tag="PREDICTED", frozen=True):
        """An event of version N+1."""

    news = []
    world.framework.on_failure(news.append)
    world.run()
    for _ in range(3):
        world.master.say(Newer(), Failure(agent_id="A1"), Newer())
    world.turn()
    assert news == [Failure(agent_id="A1")] * 3
    assert world.framework.connected
    assert [record.message.split(":")[0] for record in caplog.records if "read" in record.message] == [
        "PREDICTED of the master cannot be read"
    ]


def test_a_framework_without_offers_callback_asks_for_none_and_keeps_none(world):
    world.run()
    assert world.master.heard(Subscribe)[0].suppressed_roles == ["*"]
    assert not world.master.offered


def test_after_stop_nothing_is_done(world):
    world.framework.on_offers(lambda offers: None)
    world.run()
    world.framework.stop(teardown=False)
    world.turn()
    calls = len(world.master.calls)
    world.framework.kill("t")
    world.turn()
    assert len(world.master.calls) == calls
    assert not world.master.heard(Teardown)
    with pytest.raises(UserError, match="runs once"):
        world.framework.attach(world.loop, world.url)


def test_a_broker_must_be_named(monkeypatch):
    monkeypatch.delenv("MESOS_BROKER", raising=False)
    with pytest.raises(ConfigError, match="MESOS_BROKER"):
        Framework("x").run()


def test_run_returns_after_stop(background):
    url = background
    framework = Framework("run")
    framework.on_offers(lambda offers: framework.launch(offers, TASK))
    framework.on_update(lambda status: framework.stop() if status.state is TaskState.FINISHED else None)
    framework.run(url)
    assert framework.framework_id == "F1"


def test_run_raises_what_a_callback_raised(background):
    url = background
    framework = Framework("run")

    @framework.on_registered
    def registered(event):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        framework.run(url)


def test_a_script_needs_no_callbacks(background, monkeypatch):
    url = background
    monkeypatch.setenv("MESOS_BROKER", url)
    with Framework("script") as framework:
        assert framework.wait_registered(10) == "F1"
        offer = framework.wait_offer(cpus=2, timeout=10)
        framework.launch(offer, command_task("sleep1", "sleep 60", cpus=1))
        assert framework.wait("sleep1", states={TaskState.RUNNING}, timeout=10).state is TaskState.RUNNING
        framework.kill("sleep1")
        assert framework.wait("sleep1", timeout=10).state is TaskState.KILLED
        assert framework.run_task(TASK, timeout=10).state is TaskState.FINISHED
        with pytest.raises(TimeoutError, match="no offer that suits"):
            framework.wait_offer(cpus=100, timeout=0.05)
    assert framework.join(0)


def test_whoever_waits_hears_of_the_end(background):
    url = background
    framework = Framework("script").start(url)
    framework.wait_registered(10)
    threading.Timer(0.02, framework.stop).start()
    with pytest.raises(MesosError, match="stopped"):
        framework.wait("never")
    framework.join(10)


def test_a_callback_may_not_wait(background):
    url = background
    framework = Framework("script")
    framework.on_registered(lambda event: framework.wait("t"))
    framework.start(url)
    with pytest.raises(UserError, match="may not wait"):
        framework.join(10)


def _an_offer():
    return Offer(offer_id="O", framework_id="F", agent_id="A", hostname="h", role="*", resources=Resources.of(cpus=1))


def test_one_role_may_be_given_as_it_is():
    world = World(roles="ads")
    world.run()
    assert world.master.heard(Subscribe)[0].framework.roles == ["ads"]
