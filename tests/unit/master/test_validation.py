"""Every refusal has its sentence, and what is right has none."""

import pytest

from mesos_py.master.state import Agent, Executor, Framework, MasterConfig, Task
from mesos_py.master.validation import (
    why_not_agent,
    why_not_demand,
    why_not_group,
    why_not_kill_policy,
    why_not_subscribe,
    why_not_task,
)
from mesos_py.messages.scheduler import Subscribe
from mesos_py.testing.builders import a_framework, a_task, an_agent, an_executor
from mesos_py.types.host import RLimit, Volume
from mesos_py.types.infos import AttributeConstraint, Demand, OfferFilter, Operator
from mesos_py.types.offers import LaunchGroup
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, HealthCheck, KillPolicy

NAN = float("nan")
INF = float("inf")
LEFT = Resources.parse("cpus:4;mem:1024;ports:[1-9]")


@pytest.fixture
def framework():
    framework = Framework("F", a_framework(), 0.0, history=MasterConfig())
    framework.tasks["taken"] = Task(a_task("taken"), "F", "A", "*", None, 0.0)
    framework.unreachable["lost"] = Task(a_task("lost"), "F", "A", "*", None, 0.0)
    return framework


@pytest.fixture
def agent():
    agent = Agent("A", an_agent(), "p", "q", 0.0)
    agent.executors["F", "known"] = Executor(an_executor("known", "cpus:3"), "*")
    return agent


def command(**fields):
    return {"command": CommandInfo(**fields)}


def check(**fields):
    return {"health_check": HealthCheck(**fields)}


GOOD_TASKS = [
    a_task(),
    a_task(resources="cpus:4;mem:1024;ports:[2-3]"),
    a_task(**command(argv=["a", "b"], environment={"A": "b=c"})),
    a_task(executor=an_executor("new", "cpus:3"), resources="cpus:1"),
    a_task(executor=an_executor("known", "cpus:3"), resources="cpus:4"),
    a_task(limits={"cpus": 2.0, "mem": INF}),
    a_task(limits={"cpus": "inf"}),
    a_task(**command(value="a", rlimits={"core": RLimit()}, volumes=[Volume(host_path="/d", container_path="d")])),
    a_task(max_completion_time_s=0.0),
    a_task(**check(http_port=80)),
    a_task(**check(command=CommandInfo(value="true"), timeout_s=0.0)),
]


@pytest.mark.parametrize("task", GOOD_TASKS)
def test_a_good_task(task, framework, agent):
    assert why_not_task(task, framework, agent, LEFT) is None


BAD_TASKS = [
    (a_task(""), "an id may not be empty"),
    (a_task("a/b"), "slashes or control characters"),
    (a_task("."), "an id may not be '.'"),
    (a_task("x" * 256), "at most 255 bytes, this one 256"),
    (a_task("taken"), "task id 'taken' is in use"),
    (a_task("lost"), "task id 'lost' is in use"),
    (a_task(command=None), "either a command or an executor"),
    (a_task(executor=an_executor(), command=CommandInfo(value="x")), "either a command or an executor"),
    (a_task(**command()), "either value (a shell line) or argv"),
    (a_task(**command(value="a", argv=["b"])), "either value (a shell line) or argv"),
    (a_task(**command(value="a\0b")), "a command may not hold NUL"),
    (a_task(**command(argv=["a\0b"])), "a command may not hold NUL"),
    (a_task(**command(value="a", environment={"A=B": "c"})), "environment variable 'A=B' has no usable name"),
    (a_task(**command(value="a", environment={"": "c"})), "environment variable '' has no usable name"),
    (a_task(resources=""), "a task needs resources"),
    (a_task(resources="gpus:0.5"), "gpus must be whole, not 0.5"),
    (a_task(resources="cpus:5"), "the task needs cpus:5, the offers have cpus:4;mem:1024;ports:[1-9] left"),
    (a_task(resources="cpus(ads):1"), "the task needs cpus(ads):1"),
    (a_task(resources="odd:{a}"), "the task needs odd:{a}"),
    (a_task(kill_policy=KillPolicy(grace_period_s=-1.0)), "kill_policy.grace_period_s must be a number of seconds"),
    (a_task(max_completion_time_s=NAN), "max_completion_time_s must be a number of seconds"),
    (a_task(limits={"disk": 5.0}), "only cpus and mem can have limits, not 'disk'"),
    (a_task(limits={"cpus": 0.5}), "the limit for cpus, 0.5, is below the request 1"),
    (a_task(limits={"mem": NAN}), "the limit for mem, nan"),
    (a_task(**command(value="a", rlimits={"x": RLimit()})), "there is no rlimit 'x'"),
    (a_task(**command(value="a", volumes=[Volume(host_path="d", container_path="d")])), "'d' is not absolute"),
    (a_task(**check()), "exactly one of command, http_port and tcp_port"),
    (a_task(**check(http_port=1, tcp_port=2)), "exactly one of command, http_port and tcp_port"),
    (a_task(**check(tcp_port=70000)), "70000 is not a port"),
    (a_task(**check(http_port=1, http_path="x")), "http_path must begin with /"),
    (a_task(**check(http_port=1, consecutive_failures=0)), "consecutive_failures must be at least 1"),
    (a_task(**check(http_port=1, interval_s=-1.0)), "interval_s must be a number of seconds"),
    (a_task(**check(command=CommandInfo())), "either value (a shell line) or argv"),
    (a_task(executor=an_executor("../e")), "executor: an id may not hold slashes"),
    (a_task(executor=an_executor(shutdown_grace_period_s=INF)), "shutdown_grace_period_s must be a number"),
    (a_task(executor=an_executor("known", "cpus:1")), "'known' already runs on this agent with another description"),
    (a_task(executor=an_executor("new", "cpus:5"), resources="mem:1"), "its executor needs cpus:5"),
    (a_task(executor=an_executor("new", "cpus:4"), resources="cpus:1"), "have mem:1024;ports:[1-9] left"),
    (a_task(executor=an_executor("new", "odd:1"), resources="odd:{a}"), "its executor needs odd:1"),
]


@pytest.mark.parametrize(("task", "sentence"), BAD_TASKS)
def test_a_bad_task(task, sentence, framework, agent):
    assert sentence in why_not_task(task, framework, agent, LEFT)


def bare(task_id, resources="cpus:1"):
    return a_task(task_id, resources, command=None)


BAD_GROUPS = [
    (LaunchGroup(tasks=[]), "a task group needs tasks"),
    (LaunchGroup(tasks=[a_task("a"), a_task("a")]), "task id 'a' is in use"),
    (LaunchGroup(tasks=[a_task("lost")]), "task id 'lost' is in use"),
    (LaunchGroup(tasks=[a_task("a", executor=an_executor())]), "names no executor; only the group may"),
    (LaunchGroup(tasks=[bare("a")]), "task 'a': a task needs either a command or an executor"),
    (LaunchGroup(tasks=[a_task("a")], executor=an_executor()), "it is a command, but its group has an executor"),
    (LaunchGroup(tasks=[bare("a")], executor=an_executor("")), "executor: an id may not be empty"),
    (LaunchGroup(tasks=[bare("a")], executor=an_executor("n", "cpus:9")), "the group's executor needs cpus:9"),
    (LaunchGroup(tasks=[bare("a", "cpus:3"), bare("b", "cpus:1")], executor=an_executor("n", "cpus:1")), "'b' needs"),
    (LaunchGroup(tasks=[a_task("a", "odd:1"), a_task("b", "odd:{q}")]), "task 'a' needs odd:1"),
]


@pytest.mark.parametrize(("group", "sentence"), BAD_GROUPS)
def test_a_bad_group(group, sentence, framework, agent):
    assert sentence in why_not_group(group, framework, agent, LEFT)


@pytest.mark.parametrize(
    "group",
    [
        LaunchGroup(tasks=[a_task("a", "cpus:2"), a_task("b", "cpus:2")]),
        LaunchGroup(tasks=[bare("a", "cpus:2"), bare("b", "cpus:1")], executor=an_executor("n", "cpus:1")),
        LaunchGroup(tasks=[bare("a", "cpus:4")], executor=an_executor("known", "cpus:3")),
    ],
)
def test_a_good_group(group, framework, agent):
    assert why_not_group(group, framework, agent, LEFT) is None


pattern = AttributeConstraint(attribute="rack", operator=Operator.MATCHES, value="(")
BAD_SUBSCRIPTIONS = [
    ({}, {"framework_id": "a/b"}, "framework_id: an id may not hold slashes"),
    ({"roles": ["a", "a"]}, {}, "roles are given twice: a, a"),
    ({"roles": ["a//b"]}, {}, "has the empty or reserved component"),
    ({"roles": ["a"]}, {"suppressed_roles": ["b"]}, "suppressed_roles ['b'] are not all among roles ['a']"),
    ({"failover_timeout_s": NAN}, {}, "failover_timeout_s must be a number of seconds"),
    ({"failover_timeout_s": -0.1}, {}, "failover_timeout_s must be a number of seconds"),
    ({"failover_timeout_s": 1e9}, {}, "more than ten years"),
    ({"filters": {"x": OfferFilter()}}, {}, "a filter for role 'x', which is not among roles ['*']"),
    ({"filters": {"*": OfferFilter(constraints=[pattern])}}, {}, "filter for role '*': the pattern"),
]


@pytest.mark.parametrize(("info", "call", "sentence"), BAD_SUBSCRIPTIONS)
def test_a_bad_subscription(info, call, sentence):
    info = {"roles": ["*"], **info}
    names = info.pop("roles")
    assert sentence in why_not_subscribe(Subscribe(framework=a_framework("f", *names, **info), **call))


def test_a_good_subscription():
    filters = {"ads": OfferFilter(hosts=["a"])}
    info = a_framework("f", "ads", "eng/web", failover_timeout_s=1e6, filters=filters)
    assert why_not_subscribe(Subscribe(framework=info, suppressed_roles=["ads"], framework_id="M-F1")) is None


def test_demands():
    cpu = Resources.of(cpus=1)
    assert why_not_demand([Demand(slice=cpu, count=0)]) is None
    assert "slice that is not empty" in why_not_demand([Demand(slice=Resources(), count=1)])
    assert "from 0 to 10^9, not -1" in why_not_demand([Demand(slice=cpu, count=-1)])


def test_demands_of_all_roles_are_bounded_together():
    demand = Demand(slice=Resources.of(cpus=1), count=1)
    assert why_not_demand([demand] * 100, others=900) is None
    assert "at most 1000 demands over all its roles, this one 1001" in why_not_demand([demand] * 100, others=901)


def test_filters_of_all_roles_are_bounded_together():
    roles = [f"r{number}" for number in range(12)]

    def why(**fields):
        filters = dict.fromkeys(roles, OfferFilter(**fields))
        return why_not_subscribe(Subscribe(framework=a_framework("f", *roles, filters=filters)))

    constraint = AttributeConstraint(attribute="rack", operator=Operator.EXISTS)
    assert why(constraints=[constraint] * 83, hosts=["h"] * 833) is None
    assert "at most 1000 constraints together, these 1200" in why(constraints=[constraint] * 100)
    assert "at most 10000 hosts together, these 12000" in why(hosts=["h"] * 1000)


def test_agents_and_kills():
    assert why_not_agent(an_agent()) is None
    assert "name of 1 to 255" in why_not_agent(an_agent(name="", hostname="h"))
    assert "host name of 1 to 255" in why_not_agent(an_agent(hostname="h" * 256))
    assert why_not_kill_policy(KillPolicy()) is None
    assert "grace_period_s must be" in why_not_kill_policy(KillPolicy(grace_period_s=INF))
