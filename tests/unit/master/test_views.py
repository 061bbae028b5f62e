"""What is shown of a master's state."""

import pytest

from mesos_py.master.events import AgentSaid, BrokerConnected, FrameworkSaid, RegistryWritten, Ticked
from mesos_py.master.metrics import metrics_of
from mesos_py.master.registry import AdmitAgent, MarkUnreachable
from mesos_py.master.state import Task
from mesos_py.master.views import (
    AgentStatus,
    Page,
    agent_views,
    framework_views,
    offer_views,
    role_views,
    state_view,
    task_views,
    unreachable_views,
)
from mesos_py.messages.agent import RegisterAgent, StatusUpdate
from mesos_py.messages.codec import to_builtins
from mesos_py.messages.scheduler import Accept, Acknowledge, Subscribe, Teardown
from mesos_py.testing.builders import a_framework, a_master, a_status, a_task, an_agent, an_executor
from mesos_py.types.offers import Launch
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import TaskState


@pytest.fixture
def master():
    """One agent; one framework with two tasks, one ended; another framework that is offered the rest."""
    master = a_master()
    tasks = [a_task("t1", "cpus:1", executor=an_executor("e", "cpus:0.5")), a_task("t2", "cpus:1", name="two")]
    for event in (
        BrokerConnected(),
        AgentSaid("p", "a", RegisterAgent(agent=an_agent(attributes="rack:r1"))),
        RegistryWritten(1),
        FrameworkSaid("u", "web", True, Subscribe(framework=a_framework("web", failover_timeout_s=9))),
        FrameworkSaid("u", "ads", True, Subscribe(framework=a_framework("ads", "ads"))),
        Ticked(),
    ):
        master.handle(event, 1.0)
    [(offer, _)] = master.state.offers.values()
    queue = master.state.frameworks[offer.framework_id].queue
    accept = Accept(framework_id=offer.framework_id, offer_ids=[offer.offer_id], operations=[Launch(tasks=tasks)])
    ids = {"agent_id": "M-A1", "framework_id": offer.framework_id}
    end = a_status("t2", TaskState.FAILED, update_id=1, exit_code=3, message="oh", agent_id="M-A1")
    for event in (
        FrameworkSaid("u", queue, True, accept),
        AgentSaid("p", "a", StatusUpdate(**ids, status=end)),
        FrameworkSaid("u", queue, True, Acknowledge(**ids, task_id="t2", update_id=1)),
    ):
        master.handle(event, 2.0)
    master.handle(Ticked(), 3.0)
    master.check()
    return master


def test_agents(master):
    [view] = agent_views(master.state)
    assert (view.agent_id, view.connected, view.tasks) == ("M-A1", True, 1)
    assert view.used == Resources.of(cpus=1.5)
    assert view.used + view.offered == view.resources
    assert agent_views(master.state, Page(offset=1)) == []


def test_agents_that_are_away_are_shown_as_far_as_they_are_known(master):
    state = master.state
    for agent_id, hostname in (("A-old", "host7"), ("A-lost", "host8")):
        AdmitAgent(agent_id, hostname).apply(state.registry)
        state.absent[agent_id] = 0.0
    assert unreachable_views(state) == []
    MarkUnreachable("A-lost", 3.0).apply(state.registry)
    [_, old] = agent_views(state)
    assert (old.agent_id, old.hostname, old.status) == ("A-old", "host7", AgentStatus.DISCONNECTED)
    [framework, *_] = state.frameworks.values()
    framework.unreachable["t7"] = Task(a_task("t7"), framework.framework_id, "A-lost", "*", None, 1.0)
    [lost] = unreachable_views(state)
    assert (lost.agent_id, lost.status, lost.unreachable, lost.tasks) == ("A-lost", AgentStatus.UNREACHABLE, 3.0, 1)


def test_frameworks(master):
    busy = next(view for view in framework_views(master.state) if view.tasks)
    assert (busy.status, busy.tasks, busy.completed) == ("connected", 1, 1)
    assert busy.used == Resources.of(cpus=1.5)
    assert busy.counters["offers_accepted"] == 1


def test_agents_may_have_other_things_under_one_name(master):
    for number, resources in enumerate(["cpus:1;license:2;ports:[1-2]", "cpus:1;license:{x,y};ports:[1-2]"]):
        info = an_agent(f"b{number}", resources)
        master.handle(AgentSaid("p", f"q{number}", RegisterAgent(agent=info)), 4.0)
        master.handle(RegistryWritten(number + 2), 4.0)
    master.handle(Ticked(), 5.0)
    for offer, _ in list(master.state.offers.values()):
        if offer.resources.get("license"):
            accept = Accept(
                framework_id=offer.framework_id,
                offer_ids=[offer.offer_id],
                operations=[Launch(tasks=[a_task(f"of {offer.agent_id}", str(offer.resources))])],
            )
            queue = master.state.frameworks[offer.framework_id].queue
            master.handle(FrameworkSaid("u", queue, True, accept), 5.0)
    assert sum(len(agent.tasks) for agent in master.state.agents.values()) == 3
    metrics = {metric.name: dict(metric.samples) for metric in metrics_of(master.state, master.shares())}
    assert metrics["resources"]["total", "license"] == metrics["resources"]["used", "license"] == 2
    assert sum(view.used.scalar("license") for view in framework_views(master.state)) == 2000
    assert to_builtins(state_view(master.state, master.shares()))


def test_removed_frameworks_are_shown_last(master):
    queue = next(f.queue for f in master.state.frameworks.values() if f.tasks)
    [gone] = [f.framework_id for f in master.state.frameworks.values() if f.tasks]
    master.handle(FrameworkSaid("u", queue, True, Teardown(framework_id=gone)), 4.0)
    views = framework_views(master.state)
    assert [(view.status, view.completed) for view in views] == [("connected", 0), ("removed", 2)]
    assert framework_views(master.state, Page(offset=1, limit=1)) == views[1:]
    assert {view.state for view in task_views(master.state)} == {"FAILED", "KILLED"}


def test_tasks(master):
    running, ended = task_views(master.state)
    assert (running.task_id, running.executor_id, running.state, running.hostname) == ("t1", "e", "STAGING", "a")
    assert (ended.name, ended.state, ended.exit_code, ended.message) == ("two", "FAILED", 3, "oh")
    assert task_views(master.state, task_id="t2") == [ended]
    assert task_views(master.state, Page(offset=0, limit=1)) == [running]


def test_offers_and_roles(master):
    views = offer_views(master.state)
    assert views
    assert all(view.expires == 63.0 for view in views)
    assert {view.role for view in role_views(master.shares())} == {"*", "ads"}


def test_everything_can_be_sent(master):
    sent = to_builtins(state_view(master.state, master.shares()))
    assert sent["master"]["master_id"] == "M"
    assert sent["agents"][0]["resources"] == {"cpus": 4, "mem": 1024}
    assert sent["counters"]["tasks_launched"] == 2
