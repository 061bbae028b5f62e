import pytest

from mesos_py.errors import UserError
from mesos_py.executor.core import Executor, ExecutorCoreConfig
from mesos_py.executor.effects import (
    CallError,
    CallKill,
    CallLaunch,
    CallLaunchGroup,
    CallMessage,
    CallShutdown,
    CallSubscribed,
    Connect,
    ExitNow,
    SendToAgent,
)
from mesos_py.executor.events import (
    AgentSaid,
    Connected,
    Disconnected,
    Started,
    Ticked,
    UserMessage,
    UserUpdated,
)
from mesos_py.messages.executor import (
    ExecutorAcknowledged,
    ExecutorError,
    ExecutorMessage,
    ExecutorSubscribe,
    ExecutorSubscribed,
    ExecutorUpdate,
    KillExecutorTask,
    LaunchTask,
    LaunchTaskGroup,
    SchedulerMessage,
    ShutdownOrder,
)
from mesos_py.types.ids import AgentID, FrameworkID, TaskID
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.tasks import KillPolicy, TaskState
from tests.unit.agent.rig import a_task, an_executor

T1 = TaskID("t1")
SUBSCRIBED = ExecutorSubscribed(
    executor=an_executor(),
    framework_id=FrameworkID("F"),
    framework=FrameworkInfo(name="f"),
    agent_id=AgentID("A"),
    hostname="h",
)


class Rig:
    def __init__(self, **config):
        self.core = Executor(ExecutorCoreConfig(token="secret", **config))
        self.now = 100.0
        assert self.on(Started()) == [Connect()]

    def on(self, event):
        return self.core.handle(event, self.now)

    def say(self, event):
        return self.on(AgentSaid(event))

    def connect(self):
        effects = self.on(Connected())
        assert self.say(SUBSCRIBED) == [CallSubscribed(SUBSCRIBED)]
        return effects

    def update(self, state, task_id=T1, **fields):
        return self.on(UserUpdated(task_id=task_id, state=state, **fields))

    def wait(self, seconds):
        end = self.now + seconds
        effects = []
        while (due := self.core.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            effects += self.on(Ticked())
            after = self.core.next_deadline()
            assert after is None or after > self.now
        self.now = end
        return effects


@pytest.fixture
def rig():
    rig = Rig()
    rig.connect()
    return rig


def test_shows_its_token_first():
    rig = Rig()
    assert rig.on(Connected()) == [SendToAgent(ExecutorSubscribe(token="secret"))]
    assert rig.say(SUBSCRIBED) == [CallSubscribed(SUBSCRIBED)]


def test_hands_tasks_to_the_author_once(rig):
    assert rig.say(LaunchTask(task=a_task("t1"))) == [CallLaunch(a_task("t1"))]
    assert rig.say(LaunchTask(task=a_task("t1"))) == []
    group = LaunchTaskGroup(tasks=[a_task("t2"), a_task("t3")])
    assert rig.say(group) == [CallLaunchGroup([a_task("t2"), a_task("t3")])]
    assert rig.say(group) == []
    rig.update(TaskState.FINISHED)
    assert rig.say(LaunchTask(task=a_task("t1"))) == []


def test_numbers_grow_per_task(rig):
    rig.say(LaunchTaskGroup(tasks=[a_task("t1"), a_task("t2")]))
    assert rig.update(TaskState.RUNNING) == [SendToAgent(ExecutorUpdate(task_id=T1, state=TaskState.RUNNING, number=0))]
    (effect,) = rig.update(TaskState.RUNNING, healthy=True, message="m", data=b"d")
    assert effect == SendToAgent(
        ExecutorUpdate(task_id=T1, state=TaskState.RUNNING, number=1, healthy=True, message="m", data=b"d")
    )
    (effect,) = rig.update(TaskState.RUNNING, TaskID("t2"))
    assert effect.call.number == 0


def test_what_was_not_acknowledged_is_repeated_in_order(rig):
    rig.say(LaunchTask(task=a_task("t1")))
    rig.update(TaskState.STARTING)
    rig.update(TaskState.RUNNING)
    rig.say(ExecutorAcknowledged(task_id=T1, number=0))
    rig.on(Disconnected())
    assert rig.update(TaskState.FINISHED) == []
    assert rig.wait(0.1) == [Connect()]
    (effect,) = rig.on(Connected())
    assert [u.state for u in effect.call.unacknowledged_updates] == [TaskState.RUNNING, TaskState.FINISHED]
    assert [u.number for u in effect.call.unacknowledged_updates] == [1, 2]
    for number in (1, 2, 2):
        rig.say(ExecutorAcknowledged(task_id=T1, number=number))
    rig.on(Disconnected())
    (effect,) = rig.on(Connected())
    assert effect.call.unacknowledged_updates == []


@pytest.mark.parametrize(
    ("task_id", "state"),
    [
        ("t9", TaskState.RUNNING),
        ("t1", TaskState.STAGING),
        ("t1", TaskState.STARTING),
        ("t1", TaskState.UNREACHABLE),
        ("t1", TaskState.GONE),
    ],
)
def test_an_impossible_update_is_refused_and_changes_nothing(rig, task_id, state):
    rig.say(LaunchTask(task=a_task("t1")))
    rig.update(TaskState.RUNNING)
    with pytest.raises(UserError):
        rig.update(state, TaskID(task_id))
    (effect,) = rig.update(TaskState.FINISHED)
    assert effect.call.number == 1
    with pytest.raises(UserError):
        rig.update(TaskState.RUNNING)


def test_messages_pass_both_ways_while_connected(rig):
    assert rig.on(UserMessage(b"up")) == [SendToAgent(ExecutorMessage(data=b"up"))]
    assert rig.say(SchedulerMessage(data=b"down")) == [CallMessage(b"down")]
    assert rig.say(ExecutorError(message="no")) == [CallError("no")]
    rig.on(Disconnected())
    with pytest.raises(UserError):
        rig.on(UserMessage(b"up"))


def test_kills_are_for_tasks_that_live(rig):
    kill = KillExecutorTask(task_id=T1, kill_policy=KillPolicy(grace_period_s=1))
    assert rig.say(kill) == []
    rig.say(LaunchTask(task=a_task("t1")))
    assert rig.say(kill) == [CallKill(T1, KillPolicy(grace_period_s=1))]


def test_tries_again_ever_more_slowly_and_not_for_ever():
    rig = Rig(recovery_timeout_s=60)
    rig.connect()
    rig.on(Disconnected())
    attempts = []
    while True:
        rig.now = rig.core.next_deadline()
        effects = rig.on(Ticked())
        if effects == [Connect()]:
            attempts.append(round(rig.now - 100, 1))
            rig.on(Disconnected())
        else:
            break
    assert attempts[:7] == [0.1, 0.3, 0.7, 1.5, 2.5, 3.5, 4.5]
    assert effects == [CallShutdown(0.0), ExitNow("the agent stayed away")]
    assert rig.now == 160.0
    assert rig.core.next_deadline() is None
    assert rig.on(Connected()) == []


def test_an_agent_that_never_accepts_is_away():
    rig = Rig(recovery_timeout_s=10)
    for _ in range(3):
        rig.on(Connected())
        rig.on(Disconnected())
    assert rig.wait(20)[-1] == ExitNow("the agent stayed away")


def test_an_agent_that_is_back_is_not_given_up(rig):
    rig.on(Disconnected())
    rig.wait(100)
    rig.connect()
    assert rig.wait(10_000) == []


def test_shutdown_ends_when_all_is_said_and_heard(rig):
    rig.say(LaunchTask(task=a_task("t1")))
    assert rig.say(ShutdownOrder(grace_period_s=5)) == [CallShutdown(5)]
    rig.update(TaskState.KILLED)
    assert rig.say(ExecutorAcknowledged(task_id=T1, number=0)) == [ExitNow("shut down by the agent")]


def test_shutdown_ends_with_the_grace_period_at_the_latest(rig):
    rig.say(LaunchTask(task=a_task("t1")))
    rig.say(ShutdownOrder(grace_period_s=5))
    rig.say(ShutdownOrder(grace_period_s=50))
    assert rig.wait(4.9) == []
    assert rig.wait(0.1) == [ExitNow("shut down by the agent")]


def test_an_idle_executor_exits_at_once(rig):
    assert rig.say(ShutdownOrder(grace_period_s=5)) == [CallShutdown(5), ExitNow("shut down by the agent")]
