"""What `mesos simulate SCENARIO` finds out, where the answer is known; the promises are checked all the while."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesos_py.daemons.policies import make_allocator
from mesos_py.errors import ConfigError
from mesos_py.testing.traces.run import run_scenario
from mesos_py.testing.traces.scenario import parse_scenario, read_scenario

EXAMPLES = Path(__file__).parents[2] / "examples" / "simulate"
SETTLED_S = 5.0
"""Tasks that are launched one at each allocation are all launched by then."""


def run(path=None, **changes):
    scenario = parse_scenario(changes) if path is None else read_scenario(path)
    return run_scenario(scenario, make_allocator)


def after(report, begin_s, end_s=float("inf")):
    """Numbers of the points in time between two."""
    return [number for number, time in enumerate(report.series.time_s) if begin_s <= time < end_s]


def framework(name="f", at=0, **stream):
    return {"name": name, "tasks": [{"at": [at], "resources": "cpus:1;mem:64", "duration": 60} | stream]}


def test_the_example_of_the_drf_paper():
    report = run(EXAMPLES / "drf.toml")
    a, b = report.series.frameworks["A"], report.series.frameworks["B"]
    between = after(report, SETTLED_S, 118)
    assert len(between) > 20
    assert {(a.running[number], b.running[number]) for number in between} == {(3, 2)}
    assert {(a.share[number], b.share[number]) for number in between} == {(0.666667, 0.666667)}
    assert [each.share_mean for each in report.frameworks] == pytest.approx([2 / 3, 2 / 3], abs=0.01)


@pytest.mark.parametrize("demand", [True, False])
def test_a_saturated_cluster_is_used(demand):
    tasks = framework(count=400, duration=300) | {"demand": demand}
    report = run(until="3h", agents=[{"count": 5, "resources": "cpus:4;mem:256"}], frameworks=[tasks])
    assert report.utilisation["cpus"] > 0.98
    assert report.utilisation["mem"] > 0.98
    assert report.frameworks[0].done == 400
    assert report.simulated_s == pytest.approx(20 * 300, rel=0.01)


def test_weights_give_shares():
    frameworks = [framework(name, count=1000) | {"role": role} for name, role in (("much", "gold"), ("less", "silver"))]
    agents = [{"count": 30, "resources": "cpus:1;mem:64"}]
    report = run(until="15m", roles={"gold": {"weight": 2}}, agents=agents, frameworks=frameworks)
    much, less = (report.series.frameworks[name].running for name in ("much", "less"))
    after_the_first_tasks = after(report, 65)
    shares = [(much[number], less[number]) for number in after_the_first_tasks]
    assert shares.count((20, 10)) > 0.95 * len(shares)


def test_quotas_hold():
    frameworks = [framework(name, count=100) | {"role": name} for name in ("held", "free")]
    report = run(
        until="10m",
        roles={"held": {"limit": "cpus:2"}},
        agents=[{"count": 10, "resources": "cpus:1;mem:64"}],
        frameworks=frameworks,
    )
    held, free = (report.series.frameworks[name].running for name in ("held", "free"))
    assert max(held) == 2
    after_the_first_tasks = after(report, 65)
    shares = [(held[number], free[number]) for number in after_the_first_tasks]
    assert shares.count((2, 8)) > 0.9 * len(shares)


def test_more_cannot_be_guaranteed_than_there_is():
    with pytest.raises(ConfigError, match="roles: "):
        run(
            until="1m",
            roles={"r": {"guarantee": "cpus:5"}},
            agents=[{"resources": "cpus:4;mem:64"}],
            frameworks=[framework()],
        )


def test_a_guarantee_saves_the_service_of_the_example_from_the_burst():
    scenario = msgspec.structs.replace(read_scenario(EXAMPLES / "burst.toml"), until=1000.0)  # of which 600 are calm
    sure = msgspec.structs.replace(scenario.roles["service"], guarantee="cpus:40;mem:40960")
    waits = [
        run_scenario(each, make_allocator).frameworks[0].wait_mean_s
        for each in (scenario, msgspec.structs.replace(scenario, roles=scenario.roles | {"service": sure}))
    ]
    assert waits[0] > 2
    assert waits[1] < 0.5


def test_rigid_jobs_wait_longer_than_elastic_ones():
    report = run(EXAMPLES / "elastic-and-rigid.toml")
    elastic, rigid = report.frameworks
    assert elastic.done == rigid.done == 64
    assert rigid.wait_mean_s > 5 * elastic.wait_mean_s
    assert rigid.completion_s > elastic.completion_s


def test_a_gang_starts_together():
    gangs = framework(gang=6, count=3)
    report = run(until="1h", sample=1, agents=[{"count": 4, "resources": "cpus:2;mem:1024"}], frameworks=[gangs])
    running = set(report.series.frameworks["f"].running)
    assert {0, 6} <= running
    assert max(running) == 6
    assert report.frameworks[0].done == 18


def test_two_who_gather_for_gangs_do_not_block_one_another_for_ever():
    frameworks = [framework(name, gang=6, count=5) for name in ("f", "g")]
    report = run(until="1h", agents=[{"count": 4, "resources": "cpus:2;mem:1024"}], frameworks=frameworks)
    assert [each.done for each in report.frameworks] == [30, 30]


def test_agents_join_and_leave_and_no_task_is_forgotten():
    agents = [
        {"name": "stays", "resources": "cpus:2;mem:1024"},
        {"name": "goes", "count": 2, "resources": "cpus:2;mem:1024", "leave": 90},
        {"name": "comes", "count": 2, "resources": "cpus:2;mem:1024", "join": "10m"},
    ]
    report = run(until="2h", agents=agents, frameworks=[framework(count=40, duration=120)])
    [only] = report.frameworks
    assert only.done == 40
    assert only.lost == 4
    running = report.series.frameworks["f"].running
    assert {running[number] for number in after(report, 30, 88)} == {6}
    assert max(running[number] for number in after(report, 110, 598)) == 2


def test_filters_and_what_fits_nowhere():
    agents = [{"name": name, "resources": "cpus:1;mem:64", "attributes": f"rack:{name}"} for name in ("x", "y")]
    picky = framework("picky", count=4) | {"constraints": [{"attribute": "rack", "operator": "EQUALS", "value": "x"}]}
    report = run(until="10m", agents=agents, frameworks=[picky, framework("big", resources="cpus:2;mem:64")])
    assert report.frameworks[0].completion_s == pytest.approx(240, abs=5)
    assert report.frameworks[0].fit_nowhere == 0
    assert (report.frameworks[1].fit_nowhere, report.frameworks[1].done) == (1, 0)


def test_reserved_resources_are_for_their_role():
    agents = [{"resources": "cpus:1;mem:1024;cpus(web):3"}]
    frameworks = [framework("web", count=30) | {"role": "web"}, framework("other", at=30, count=30)]
    report = run(until="5m", agents=agents, frameworks=frameworks)
    assert max(report.series.frameworks["web"].running) == 4
    assert max(report.series.frameworks["other"].running) == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same(seed):
    scenario = msgspec.structs.replace(read_scenario(EXAMPLES / "elastic-and-rigid.toml"), seed=seed)
    once, again, other = (
        msgspec.json.encode(run_scenario(msgspec.structs.replace(scenario, seed=each), make_allocator))
        for each in (seed, seed, seed + 1)
    )
    assert once == again
    assert once != other


def test_a_gang_of_which_an_offer_may_hold_one_task_is_not_offered_all_on_one_agent():
    tasks = [{"at": [1], "gang": 2, "resources": "cpus:0.5;mem:512", "duration": 5}]
    report = run(
        until="10m",
        agents=[{"count": 3, "resources": "cpus:4;mem:1024"}],
        frameworks=[{"name": "f", "per_offer": 1, "tasks": tasks}],
    )
    assert report.frameworks[0].done == 2


def test_an_unknown_policy_is_refused():
    with pytest.raises(ConfigError, match="there is no allocator 'fair'"):
        run(until=1, policy="fair", agents=[{"resources": "cpus:1;mem:64"}], frameworks=[framework()])


@st.composite
def scenarios(draw):
    sizes = st.sampled_from(["cpus:1;mem:64", "cpus:0.5;mem:512", "cpus:2;mem:100", "cpus:3;mem:900"])
    stream = st.fixed_dictionaries(
        {
            "at": st.lists(st.integers(0, 120), min_size=1, max_size=4),
            "count": st.integers(1, 4),
            "gang": st.integers(1, 3),
            "resources": sizes,
            "duration": st.integers(0, 90) | st.just({"exponential": 30}),
        }
    )
    frameworks = [
        {
            "name": f"f{number}",
            "role": draw(st.sampled_from(["*", "a", "b"])),
            "demand": draw(st.booleans()),
            "per_offer": draw(st.integers(1, 3)),
            "refuse": draw(st.integers(0, 20)),
            "tasks": draw(st.lists(stream, min_size=1, max_size=2)),
        }
        for number in range(draw(st.integers(1, 3)))
    ]
    return {
        "until": "1h",
        "seed": draw(st.integers(0, 1000)),
        "policy": draw(st.sampled_from(["drf", "priority"])),
        "agents": [{"count": draw(st.integers(3, 5)), "resources": "cpus:4;mem:1024"}],
        "frameworks": frameworks,
    }


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(scenarios())
def test_every_task_that_fits_ends_and_resources_are_conserved(raw):
    report = run(**raw)
    for each in report.frameworks:
        assert each.done == each.tasks
        assert (each.lost, each.fit_nowhere) == (0, 0)
    for values in report.series.utilisation.values():
        assert max(values) <= 1.0
        assert values[-1] == 0.0
    if all(isinstance(stream["duration"], int) for each in raw["frameworks"] for stream in each["tasks"]):
        _check_work(raw, report)


def _check_work(raw, report):
    """What was used is what the tasks asked for, for as long as they ran, and moments for messages."""
    streams = [stream for each in raw["frameworks"] for stream in each["tasks"]]
    tasks = [(stream, len(stream["at"]) * stream["count"] * stream["gang"]) for stream in streams]
    asked = [float(stream["resources"].partition(";")[0].removeprefix("cpus:")) for stream in streams]
    work = sum(cpus * number * stream["duration"] for cpus, (stream, number) in zip(asked, tasks, strict=True))
    most = sum(cpus * number for cpus, (_, number) in zip(asked, tasks, strict=True))
    used = report.utilisation["cpus"] * raw["agents"][0]["count"] * 4 * report.simulated_s
    assert work - 0.02 * most - 0.1 <= used <= work + 0.2 * most + 0.1
