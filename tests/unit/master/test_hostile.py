"""What a framework or agent can send to harm the master, and what it gets for it."""

import pytest
from msgspec.structs import replace

from mesos_py.master import effects, events
from mesos_py.master.state import MasterConfig
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.testing.builders import a_framework, a_task, an_agent
from mesos_py.types.infos import Demand
from mesos_py.types.maintenance import Window
from mesos_py.types.offers import Launch
from mesos_py.types.quota import Quota
from mesos_py.types.resources import Resources
from tests.unit.master.test_core import World


@pytest.fixture
def world():
    world = World()
    world.subscribe()
    return world


@pytest.mark.parametrize("roles", [["a/" * 100_000 + "b"], [f"r{n}" for n in range(10_000)]])
def test_a_subscription_cannot_make_a_huge_hierarchy(world, roles):
    [error] = world.framework(calls.Subscribe(framework=a_framework("x", *roles)), queue="x")
    assert error.reason is calls.ErrorReason.INVALID
    assert len(error.message) < 300
    assert len(world.master.state.frameworks) == 1


def test_a_request_cannot_give_the_allocator_endless_work(world):
    demands = [Demand(slice=Resources.of(cpus=n / 1000), count=10**9) for n in range(1, 10_000)]
    [error] = world.framework(calls.Request(framework_id="M-F1", role="*", demands=demands))
    assert "at most 256 demands" in error.message


def test_nor_can_requests_for_many_roles():
    world = World()
    info = a_framework("web", *(f"r{number}" for number in range(5)))
    world.framework(calls.Subscribe(framework=info))

    def request(role, number):
        demands = [Demand(slice=Resources.of(cpus=n / 1000), count=1) for n in range(1, number + 1)]
        return world.framework(calls.Request(framework_id="M-F1", role=role, demands=demands))

    assert [request(f"r{number}", 256) for number in range(3)] == [[], [], []]
    [error] = request("r3", 256)
    assert "at most 1000 demands over all its roles, this one 1024" in error.message
    assert request("r0", 200) == request("r3", 256) == []
    world.framework(calls.Subscribe(framework=info, framework_id="M-F1"))
    assert request("r4", 256) == []


def test_an_answer_does_not_repeat_a_long_offer_id_for_every_task(world):
    tasks = [a_task(f"t{n}") for n in range(1000)]
    call = calls.Accept(framework_id="M-F1", offer_ids=["x" * 1_000_000], operations=[Launch(tasks=tasks)])
    updates = world.framework(call)
    assert len(updates) == 1000
    assert max(len(update.status.message) for update in updates) <= 1000


def test_an_agent_cannot_swell_every_offer_with_its_attributes(world):
    info = replace(an_agent("a"), attributes={f"a{n}": "x" for n in range(300)})
    [refused] = world.agent(agents.RegisterAgent(agent=info))
    assert isinstance(refused, agents.RegistrationRefused)
    assert "more than the 256" in refused.message


def test_nobody_fills_the_memory_with_ever_new_frameworks():
    world = World(MasterConfig(max_frameworks_per_principal=3))
    info = a_framework("x", failover_timeout_s=1e6)
    for number in range(5):
        answers = world.framework(calls.Subscribe(framework=info, framework_id=f"made-up-{number}"))
    assert "has 3 frameworks already" in answers[-1].message
    assert len(world.master.state.frameworks) == 3
    [answer] = world.framework(calls.Subscribe(framework=info, framework_id="made-up-1"))
    assert isinstance(answer, calls.Subscribed)
    [answer] = world.framework(calls.Subscribe(framework=info), queue="q", principal="another")
    assert isinstance(answer, calls.Subscribed)


def test_nobody_fills_the_memory_with_ever_new_agents():
    world = World(MasterConfig(max_agents_per_principal=3))
    for number in range(5):
        answers = world.agent(agents.RegisterAgent(agent=an_agent(f"a{number}")), queue=f"q{number}")
    [refused] = answers
    assert "has 3 agents already" in refused.message
    assert world.agent(agents.ReregisterAgent(agent_id="made-up", agent=an_agent("a9")), queue="q9") == []
    state = world.master.state
    assert len(state.agents) == len(state.registry.principals) == 3
    [known, *_] = state.agents
    [answer, *_] = world.agent(agents.ReregisterAgent(agent_id=known, agent=an_agent("a0")), queue="q0")
    assert isinstance(answer, agents.AgentReregistered)
    world.agent(agents.UnregisterAgent(agent_id=known), queue="q0")
    [answer] = world.agent(agents.RegisterAgent(agent=an_agent("a9")), queue="q9")
    assert isinstance(answer, agents.AgentRegistered)


def said(world, call):
    return [e for e in world.handle(events.OperatorSaid(1, call)) if isinstance(e, effects.Answer | effects.Persist)]


def test_an_operator_cannot_write_more_than_the_registry_takes():
    """Else the leader would try for ever, and no other operation would ever be confirmed."""
    world = World()
    window = Window(hosts=[f"a-machine-with-a-name-{n}" for n in range(30_000)], start=100.0)
    [answer] = said(world, events.OperatorSetSchedule([window]))
    assert (answer.outcome, answer.message) == (
        effects.Outcome.CONFLICT,
        "all maintenance together would take more than 500000 bytes",
    )


def test_nor_can_several_together():
    world = World()
    weights = [{f"a-role-with-a-name-{n}-{part}": 2.0 for n in range(4000)} for part in range(5)]
    answers = [type(said(world, events.OperatorSetWeights(each))[0]) for each in weights]
    assert answers == [effects.Persist] * 3 + [effects.Answer] * 2


def test_quotas_of_many_roles_are_judged_in_one_look_at_the_cluster():
    world = World()
    for number in range(100):
        world.agent(agents.RegisterAgent(agent=an_agent(f"a{number}")), queue=f"q{number}")
    looked = []
    find = Resources.roles
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Resources, "roles", lambda self: looked.append(self) or find(self))
        quotas = {f"r{n}": Quota(limit={f"x{k}": 1 for k in range(20)}) for n in range(200)}
        said(world, events.OperatorSetQuotas(quotas))
    assert len(looked) < 1000, "a few times each agent, not once for each role and resource"
