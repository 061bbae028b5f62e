"""Whatever can be said to a core has somebody who deals with it."""

from functools import partial

import pytest

from mesos_py import Framework
from mesos_py.agent.effects import AgentEffect
from mesos_py.agent.events import (
    AgentEvent,
    BrokerConnected,
    ContainerStarted,
    ExecutorConnected,
    ExecutorSaid,
    MasterSaid,
)
from mesos_py.daemons import narrator
from mesos_py.daemons.config import LocalConfig
from mesos_py.daemons.local import embedded
from mesos_py.executor import core as executor_core
from mesos_py.executor import events as executor_events
from mesos_py.master import events as master_events
from mesos_py.master.effects import MasterEffect
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as schedulers
from mesos_py.messages.codec import Malformed
from mesos_py.messages.executor import ExecutorCall, ExecutorEvent, ExecutorSubscribed
from mesos_py.scheduler import core as scheduler_core
from mesos_py.scheduler import events as scheduler_events
from mesos_py.scheduler.config import SchedulerConfig
from mesos_py.scheduler.effects import UserEvent
from mesos_py.testing.builders import a_framework, a_master, a_task, an_agent
from mesos_py.types.ids import Principal
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.tasks import TaskState
from tests.architecture.minimal import members, minimal
from tests.unit.agent.rig import AGENT, FRAMEWORK, Rig, a_beacon, an_executor
from tests.unit.agent.rig import a_task as a_task_for_agents

each = partial(pytest.mark.parametrize, ids=lambda kind: kind.__name__)


def test_the_union_of_each_family_is_known():
    assert len(members(schedulers.Call)) > 10
    assert len(members(AgentEvent)) > 10


# Master


def a_leader(*, subscribed: bool, registered: bool):
    master = a_master()
    master.handle(master_events.BrokerConnected(), 0.0)
    ids = {"framework_id": "none", "agent_id": "none"}
    if subscribed:
        call = schedulers.Subscribe(framework=a_framework())
        master.handle(master_events.FrameworkSaid(Principal("p"), "fq", json=True, call=call), 0.0)
        ids["framework_id"] = next(iter(master.state.frameworks))
    if registered:
        message = agents.RegisterAgent(agent=an_agent())
        master.handle(master_events.AgentSaid(Principal("a"), "aq", message), 0.0)
        master.handle(master_events.RegistryWritten(1_000), 0.0)
        ids["agent_id"] = next(iter(master.state.agents))
    return master, ids


def of(kind, ids):
    return minimal(kind, **{name: value for name, value in ids.items() if name in kind.__struct_fields__})


@each("kind", members(master_events.MasterEvent))
def test_a_master_deals_with_every_event(kind):
    master, _ids = a_leader(subscribed=True, registered=True)
    given = {"call": minimal(master_events.OperatorKill)} if kind is master_events.OperatorSaid else {}
    given |= {"call": minimal(Malformed)} if kind is master_events.FrameworkSaid else {}
    given |= {"message": minimal(Malformed)} if kind is master_events.AgentSaid else {}
    master.handle(minimal(kind, **given), 1.0)
    master.check()


@pytest.mark.parametrize("subscribed", [True, False])
@each("kind", members(schedulers.Call))
def test_a_master_deals_with_every_call(kind, subscribed):
    master, ids = a_leader(subscribed=subscribed, registered=True)
    master.handle(master_events.FrameworkSaid(Principal("p"), "fq", json=True, call=of(kind, ids)), 1.0)
    master.check()


@pytest.mark.parametrize("registered", [True, False])
@each("kind", members(agents.FromAgent))
def test_a_master_deals_with_every_word_of_an_agent(kind, registered):
    master, ids = a_leader(subscribed=True, registered=registered)
    master.handle(master_events.AgentSaid(Principal("a"), "aq", of(kind, ids)), 1.0)
    master.check()


@each("kind", members(master_events.OperatorCall))
def test_a_master_deals_with_every_wish_of_an_operator(kind):
    master, ids = a_leader(subscribed=True, registered=True)
    master.handle(master_events.OperatorSaid(1, of(kind, ids)), 1.0)
    master.check()


# Agent


@pytest.mark.parametrize("register", [True, False])
@each("kind", members(AgentEvent))
def test_an_agent_deals_with_every_event(kind, register):
    rig = Rig(register=register)
    given = {"message": a_beacon()} if kind is MasterSaid else {}
    rig.on(minimal(kind, **given))


@pytest.mark.parametrize("register", [True, False])
@each("kind", members(agents.ToAgent))
def test_an_agent_deals_with_every_order(kind, register):
    rig = Rig(register=register)
    if not register:
        rig.on(BrokerConnected())
    known = {"agent_id": AGENT, "framework_id": FRAMEWORK, "task_id": "t1"}
    rig.on(MasterSaid(1, of(kind, known)))


@each("kind", members(ExecutorCall))
def test_an_agent_deals_with_every_call_of_an_executor(kind):
    rig = Rig()
    rig.launch(a_task_for_agents(executor=an_executor()))
    container_id = rig.specs()[-1].container_id
    rig.on(ContainerStarted(container_id, 1))
    rig.on(ExecutorConnected(container_id, []))
    given = {"task_id": "t1", "state": TaskState.RUNNING}
    rig.on(ExecutorSaid(container_id, of(kind, given)))


# Scheduler and executor


def a_scheduler(*, subscribed: bool):
    core = scheduler_core.Scheduler(SchedulerConfig(framework=FrameworkInfo(name="f")))
    if subscribed:
        core.handle(scheduler_events.BrokerConnected(), 0.0)
        core.handle(scheduler_events.MasterSaid(1, minimal(schedulers.Subscribed, heartbeat_interval_s=15.0)), 0.0)
        assert core.subscribed
    return core


@pytest.mark.parametrize("subscribed", [True, False])
@each("kind", members(scheduler_events.SchedulerEvent))
def test_a_scheduler_deals_with_every_event(kind, subscribed):
    given = {"message": a_beacon()} if kind is scheduler_events.MasterSaid else {}
    a_scheduler(subscribed=subscribed).handle(minimal(kind, **given), 1.0)


@pytest.mark.parametrize("subscribed", [True, False])
@each("kind", members(schedulers.Event))
def test_a_scheduler_deals_with_every_word_of_a_master(kind, subscribed):
    a_scheduler(subscribed=subscribed).handle(scheduler_events.MasterSaid(1, minimal(kind)), 1.0)


@pytest.mark.parametrize("subscribed", [True, False])
@each("kind", members(scheduler_events.UserCall))
def test_a_scheduler_deals_with_every_wish(kind, subscribed):
    given = {"role": "*"} if "role" in kind.__struct_fields__ else {}
    a_scheduler(subscribed=subscribed).handle(scheduler_events.UserCalled(minimal(kind, **given)), 1.0)


@each("kind", members(UserEvent))
def test_a_framework_without_callbacks_takes_all_news(kind):
    Framework("f")._tell(minimal(kind))


def an_executor_core():
    core = executor_core.Executor(executor_core.ExecutorCoreConfig(token="t"))
    core.handle(executor_events.Started(), 0.0)
    core.handle(executor_events.Connected(), 0.0)
    core.handle(executor_events.AgentSaid(minimal(ExecutorSubscribed)), 0.0)
    core.handle(executor_events.AgentSaid(minimal(members(ExecutorEvent)[1], task=a_task("x"))), 0.0)
    return core


@each("kind", members(executor_events.Event))
def test_an_executor_deals_with_every_event(kind):
    given = {"state": TaskState.RUNNING} if kind is executor_events.UserUpdated else {}
    an_executor_core().handle(minimal(kind, **given), 1.0)


@each("kind", members(ExecutorEvent))
def test_an_executor_deals_with_every_word_of_its_agent(kind):
    an_executor_core().handle(executor_events.AgentSaid(minimal(kind)), 1.0)


# What the cores ask for


def test_daemons_perform_every_effect(capsys):
    with embedded(LocalConfig(agents=1, http_port=0, resources="cpus:1;mem:64")) as cluster:
        assert set(cluster.master._leadership._performers) == set(members(MasterEffect))
        assert set(cluster.agents[0]._performers) == set(members(AgentEffect))


def test_the_narrator_can_tell_what_it_tells():
    """A line names fields; one that is not there would stop the daemon."""
    told = []

    class Log:
        def bind(self, **_ids):
            return self

        def info(self, text, **_fields):
            told.append(text)

        warning = info

    families = (schedulers.Call, schedulers.Event, agents.FromAgent, agents.ToAgent)
    known = {kind for family in families for kind in members(family)}
    for (_direction, kind), tell in narrator._LINES.items():
        if kind in known:
            tell(Log(), minimal(kind))
    assert len(told) >= len(narrator._LINES) // 2
