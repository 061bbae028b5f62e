"""The log tells the story of tasks, agents and frameworks, by their ids, and nothing that is only noise."""

import io
import json

import pytest
import structlog

from mesos_py.daemons.narrator import Narrator
from mesos_py.daemons.service import watcher
from mesos_py.master import events
from mesos_py.master.effects import SendToFramework
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as schedulers
from mesos_py.runtime.logs import get_log, set_up
from mesos_py.runtime.story import Story
from mesos_py.testing.builders import a_framework, a_master, a_status, a_task, an_agent
from mesos_py.types.ids import AgentID, FrameworkID, OfferID, Principal, Role, TaskID
from mesos_py.types.maintenance import Window
from mesos_py.types.offers import Launch
from mesos_py.types.quota import Quota
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason, TaskState
from tests.unit.agent.rig import Rig, an_executor
from tests.unit.agent.rig import a_task as a_task_for_agents

IDS = {"task_id", "framework_id", "agent_id", "container_id", "executor_id", "name", "queue"}


@pytest.fixture
def lines():
    """What was logged since the last call; at level info, or debug if asked."""
    stream = io.StringIO()
    set_up("info", "json", stream)

    def read():
        logged = [json.loads(line) for line in stream.getvalue().splitlines()]
        stream.seek(0)
        stream.truncate()
        return logged

    read.stream = stream
    yield read
    structlog.reset_defaults()


class Master:
    """A real core with an agent and a framework; its narrator writes to the log."""

    def __init__(self):
        self.core = a_master()
        self.narrator = Narrator(get_log(role="master"))
        self.on(events.BrokerConnected())
        self.of_agent(agents.RegisterAgent(agent=an_agent()))
        self.on(events.RegistryWritten(1_000))
        self.of_framework(schedulers.Subscribe(framework=a_framework("shop")))
        self.framework_id = next(iter(self.core.state.frameworks))
        self.agent_id = next(iter(self.core.state.agents))

    def on(self, event):
        self.narrator.watch(event, self.core.handle(event, 0.0), 0.0)

    def of_agent(self, message):
        self.on(events.AgentSaid(Principal("agent"), "aq", message))

    def of_framework(self, call):
        self.on(events.FrameworkSaid(Principal("shop"), "fq", json=True, call=call))

    def launch(self, *tasks):
        self.on(events.Ticked())
        offers = list(self.core.state.offers)
        self.of_framework(
            schedulers.Accept(framework_id=self.framework_id, offer_ids=offers, operations=[Launch(tasks=list(tasks))])
        )

    def update(self, state, **fields):
        status = a_status("t1", state, update_id=1, agent_id=self.agent_id, **fields)
        self.of_agent(agents.StatusUpdate(agent_id=self.agent_id, framework_id=self.framework_id, status=status))


def test_the_story_of_a_task_is_found_by_its_id_on_the_master(lines):
    master = Master()
    lines()
    master.launch(a_task("t1"))
    master.update(TaskState.RUNNING)
    master.of_framework(schedulers.Kill(framework_id=master.framework_id, task_id=TaskID("t1")))
    master.update(TaskState.FAILED, reason=Reason.COMMAND_EXECUTOR_FAILED, exit_code=3, message="it broke")
    told = lines()
    assert [(line["event"], line["task_id"]) for line in told] == [
        ("task launched", "t1"),
        ("task update", "t1"),
        ("task kill ordered", "t1"),
        ("task ended", "t1"),
    ]
    assert all(line["agent_id"] and line["framework_id"] and line["role"] == "master" for line in told)
    assert told[0]["resources"] == "cpus:1;mem:64"
    assert told[-1]["reason"] == "COMMAND_EXECUTOR_FAILED"
    assert (told[-1]["exit_code"], told[-1]["message"]) == (3, "it broke")


def test_the_story_of_a_task_is_found_by_its_id_on_the_agent(lines):
    rig = Rig()
    narrator = Narrator(get_log(role="agent"))
    on = rig.agent.handle

    def handle(event, now):
        effects = on(event, now)
        narrator.watch(event, effects, now)
        return effects

    rig.agent.handle = handle
    container_id = rig.start(a_task_for_agents("t1"))
    rig.ack(1)
    rig.kill()
    rig.end(container_id, None, signal=15)
    told = [line for line in lines() if line.get("task_id") == "t1"]
    assert [line["event"] for line in told][:3] == ["task launched", "container starts", "task update"]
    assert "task kill ordered" in [line["event"] for line in told]
    assert told[-1]["event"].startswith("task")
    assert told[1]["container_id"] == container_id
    assert told[1]["sandbox"].startswith("/w/")


def test_an_executor_is_told_by_its_id(lines):
    rig = Rig()
    narrator = Narrator(get_log(role="agent"))
    rig.launch(a_task_for_agents("t1", executor=an_executor("e1")))
    narrator.watch(events.Ticked(), rig.effects, 0.0)
    [told] = [line for line in lines() if line["event"] == "container starts"]
    assert told["executor_id"] == "e1"
    assert "task_id" not in told


def test_what_operators_decide_is_told_once(lines):
    master = Master()
    master.of_framework(schedulers.Subscribe(framework=a_framework("other")))
    lines()
    weights = events.OperatorSetWeights({Role("web"): 2.0})
    quotas = events.OperatorSetQuotas({Role("web"): Quota({}, {"cpus": 1000})}, force=True)
    schedule = events.OperatorSetSchedule([Window(hosts=["h7"], start=5.0)])
    gone = events.OperatorMarkGone(master.agent_id)
    for number, call in enumerate((weights, quotas, schedule, events.OperatorDeactivate(master.agent_id), gone)):
        master.on(events.OperatorSaid(number, call))
        master.on(events.RegistryWritten(2_000 + number))
    told = lines()
    assert [line["event"] for line in told if line["event"] != "agent refused"] == [
        "weights set",
        "quotas set",
        "maintenance scheduled",
        "agent deactivated",
        "agent gone",
    ]
    assert (told[1]["roles"], told[2]["hosts"]) == (["web"], ["h7"])
    assert told[-1]["agent_id"] == master.agent_id


def test_agents_and_frameworks_come_and_go_by_name_and_id(lines):
    master = Master()
    master.of_framework(schedulers.Teardown(framework_id=master.framework_id))
    master.of_agent(agents.UnregisterAgent(agent_id=master.agent_id))
    told = [line["event"] for line in lines()]
    assert told == [
        "agent registers",
        "agent registered",
        "framework subscribes",
        "framework subscribed",
        "framework leaves",
        "agent leaves",
    ]


def test_what_is_refused_is_a_warning_with_the_reason(lines):
    master = Master()
    lines()
    master.of_framework(schedulers.Suppress(framework_id=FrameworkID("other")))
    [told] = lines()
    assert (told["level"], told["event"], told["queue"]) == ("warning", "call refused", "fq")
    assert told["reason"] == "NOT_SUBSCRIBED"


def test_a_task_that_the_master_refuses_is_told(lines):
    master = Master()
    lines()
    master.launch(a_task("t1", resources="cpus:64;mem:1"))
    [told] = [line for line in lines() if line["event"] == "task ended"]
    assert (told["task_id"], told["state"]) == ("t1", "ERROR")


def test_noise_is_not_told(lines):
    master = Master()
    lines()
    master.on(events.Ticked())
    offers = list(master.core.state.offers)
    assert offers
    master.of_framework(schedulers.Decline(framework_id=master.framework_id, offer_ids=offers))
    master.of_framework(schedulers.Decline(framework_id=master.framework_id, offer_ids=[OfferID("old")]))
    master.of_framework(schedulers.SchedulerHeartbeat(framework_id=master.framework_id))
    master.of_agent(agents.AgentHeartbeat(agent_id=master.agent_id))
    master.of_framework(schedulers.Revive(framework_id=master.framework_id))
    assert lines() == []


def test_answers_about_tasks_are_no_news(lines):
    master = Master()
    master.launch(a_task("t1"))
    lines()
    master.of_framework(schedulers.Reconcile(framework_id=master.framework_id))
    assert not lines()


def test_at_level_debug_it_is(lines):
    set_up("debug", "json", lines.stream)
    master = Master()
    lines()
    master.of_agent(agents.AgentHeartbeat(agent_id=AgentID(master.agent_id)))
    assert [(line["event"], line["what"]) for line in lines()] == [("heard", "AgentHeartbeat")]


def test_every_line_carries_an_id(lines):
    master = Master()
    master.launch(a_task("t1"))
    master.update(TaskState.RUNNING)
    master.of_framework(schedulers.Teardown(framework_id=master.framework_id))
    master.of_framework(schedulers.Suppress(framework_id=master.framework_id))
    told = lines()
    assert len(told) > 6
    assert [line for line in told if not IDS & set(line)] == []


def test_secrets_of_tasks_are_not_told(lines):
    from mesos_py.types.tasks import CommandInfo

    rig = Rig()
    narrator = Narrator(get_log())
    set_up("debug", "json", lines.stream)
    command = CommandInfo(value="x", environment={"PASSWORD": "s3cret"})
    rig.launch(a_task_for_agents(command=command, resources=Resources.of(cpus=1, mem=1)))
    narrator.watch(events.Ticked(), rig.effects, 0.0)
    assert lines.stream.getvalue()
    assert "s3cret" not in lines.stream.getvalue()


@pytest.mark.parametrize(("level", "told"), [("warning", 0), ("info", 1)])
def test_who_does_not_log_is_spared_the_telling(lines, level, told):
    set_up(level, "json", lines.stream)
    story = Story()
    watch = watcher(story, role="master")
    master = a_master()
    event = events.FrameworkSaid(
        Principal("p"), "fq", json=True, call=schedulers.Teardown(framework_id=FrameworkID("x"))
    )
    watch(event, [], 0.0)
    del master
    assert len(lines()) == told
    assert "Teardown" in story.text()


def test_a_flood_of_refusals_is_no_flood_in_the_log(lines):
    told = Narrator(get_log(role="master"))
    refusal = SendToFramework("q", True, schedulers.Error(reason=schedulers.ErrorReason.INVALID, message="no"))
    for _ in range(1000):
        told.watch(None, [refusal], 100.0)
    told.watch(None, [refusal], 102.0)
    logged = lines()
    assert [line["event"] for line in logged] == [*["call refused"] * 20, "more calls refused", "call refused"]
    assert logged[20]["count"] == 980
