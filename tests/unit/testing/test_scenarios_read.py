"""What a scenario file may say; and that whatever it may not is refused with the place and the reason."""

from itertools import pairwise

import pytest

from mesos_py.errors import ConfigError
from mesos_py.testing.simulation.timeline import Dice
from mesos_py.testing.traces.arrivals import jobs_of
from mesos_py.testing.traces.scenario import Duration, parse_scenario, read_scenario, seconds
from mesos_py.types.resources import Resources

TASKS = {"at": [0], "resources": "cpus:1;mem:64"}


def a_scenario(**changes):
    scenario = {
        "until": "1h",
        "agents": [{"resources": "cpus:4;mem:1024"}],
        "frameworks": [{"name": "f", "tasks": [TASKS]}],
    }
    return scenario | changes


def with_tasks(**stream):
    return a_scenario(frameworks=[{"name": "f", "tasks": [stream]}])


def jobs(directory, **stream):
    scenario = parse_scenario(with_tasks(**{"resources": "cpus:1;mem:64"} | stream))
    return jobs_of(scenario.frameworks[0].tasks[0], scenario.until, Dice(1, "x"), directory)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(5, 5), (0.5, 0.5), ("7", 7), ("90s", 90), ("250ms", 0.25), ("5m", 300), ("1.5h", 5400), ("2 d", 172_800)],
)
def test_spans_of_time(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "5x", "-1", "m", True, None, -1, float("nan"), float("inf"), "11000d", [1]])
def test_what_is_no_span_of_time(text):
    with pytest.raises(ValueError, match=r"seconds|between 0 and ten years"):
        seconds(text)


@pytest.mark.parametrize(
    ("scenario", "why"),
    [
        (a_scenario(unto=3), "s: it contains unknown key `unto`"),
        (a_scenario(until="soon"), "s: until: 'soon' is neither a number of seconds nor like \"90s\""),
        (a_scenario(until=0), "until is above 0"),
        (a_scenario(agents=[]), "agents: expected `array` of length >= 1"),
        (a_scenario(agents=[{"resources": "cpus=4"}]), "agents[0].resources: resource 'cpus=4' is not"),
        (a_scenario(agents=[{"resources": ""}]), "an agent without resources runs nothing"),
        (a_scenario(agents=[{"resources": "cpus:1", "attributes": "rack"}]), "attribute 'rack' is not name:value"),
        (a_scenario(agents=[{"resources": "cpus:1", "join": 9, "leave": 9}]), "an agent leaves after it has joined"),
        (a_scenario(agents=[{"resources": "cpus:1"}] * 2), "two agents are named 'agent'"),
        (a_scenario(frameworks=[{"name": "f", "tasks": [TASKS]}] * 2), "two frameworks are named 'f'"),
        (a_scenario(frameworks=[{"name": "f", "tasks": [TASKS], "role": "/a"}]), "role"),
        (a_scenario(frameworks=[{"name": "", "tasks": [TASKS]}]), "name: expected `str` of length >= 1"),
        (a_scenario(roles={"a": {"weight": 0}}), "roles[...].weight: expected `float` > 0"),
        (a_scenario(roles={"a/b": {"limit": "cpus:1"}}), "only a top-level role has a quota"),
        (a_scenario(roles={"a": {"limit": "cpus:1", "guarantee": "cpus:2"}}), "cannot be sure of 2 cpus"),
        (with_tasks(resources="cpus:1"), "tasks arrive by one of at, every and csv"),
        (with_tasks(resources="cpus:1", at=[0], every=1), "tasks arrive by one of at, every and csv"),
        (with_tasks(resources="cpus:1", every=0), "every is at least a millisecond"),
        (with_tasks(resources="cpus:1", at=[0], poisson=True), "poisson and start go with every"),
        (with_tasks(at=[0]), "a task needs resources"),
        (with_tasks(at=[0], resources="cpus(a):1"), "given without roles"),
        (with_tasks(at=[0], resources="cpus:1", gang=0), "gang: expected `int` >= 1"),
        (with_tasks(at=[0], resources="cpus:1", duration=[]), "a list of durations has at least one"),
        (with_tasks(at=[0], resources="cpus:1", duration={"normal": 1}), "unknown key `normal`"),
        (with_tasks(at=[0], resources="cpus:1", duration={"sigma": 1}), "either exponential or lognormal"),
    ],
)
def test_refused(scenario, why):
    with pytest.raises(ConfigError) as error:
        parse_scenario(scenario, "s")
    assert why in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "why"), [(None, "cannot read"), ("until = ", "is not TOML"), ("", "until")])
def test_files_that_cannot_be_used(tmp_path, text, why):
    path = tmp_path / "s.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=why):
        read_scenario(path)


def test_arrivals_at_times(tmp_path):
    assert [job.at for job in jobs(tmp_path, at=[5, 0, "2h"], count=2)] == [0, 0, 5, 5]


def test_arrivals_every_so_often(tmp_path):
    assert [job.at for job in jobs(tmp_path, every=10, count=3, start="1m")] == [60, 70, 80]
    assert len(jobs(tmp_path, every="1m")) == 60


def test_poisson_arrivals_have_the_mean_and_the_spread_of_such(tmp_path):
    times = [job.at for job in jobs(tmp_path, every=1, poisson=True)]
    gaps = [after - before for before, after in pairwise(times)]
    average = sum(gaps) / len(gaps)
    spread = (sum((gap - average) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert average == pytest.approx(1.0, rel=0.1)
    assert spread == pytest.approx(1.0, rel=0.1)


def test_arrivals_from_csv(tmp_path):
    (tmp_path / "a.csv").write_text("at,duration,cpus,count\n10,5m,2,1\n0,,,2\n")
    found = jobs(tmp_path, csv="a.csv", duration=7)
    assert [(job.at, job.durations, str(job.resources)) for job in found] == [
        (0, (7,), "cpus:1;mem:64"),
        (0, (7,), "cpus:1;mem:64"),
        (10, (300,), "cpus:2;mem:64"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot read"),
        ("", "no column 'at'"),
        ("at,when\n", "unknown column 'when'"),
        ("at,cpus\n1\n", "line 2: has not as many values"),
        ("at\n1,2\n", "line 2: has not as many values"),
        ("at\nsoon\n", "line 2: 'soon' is neither"),
        ("at,cpus\n1,many\n", "line 2: could not convert"),
        ("at,cpus\n1,-1\n", "line 2: "),
        ("at,count\n1,0\n", "line 2: count is at least 1"),
        ("at,cpus,mem\n1,0,0\n", "line 2: a task needs resources"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path, text, why):
    if text is not None:
        (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ConfigError, match=why):
        jobs(tmp_path, csv="a.csv")


def test_durations():
    dice = Dice(1, "x")
    assert [Duration(["1m", 5]).draw(number, dice) for number in range(3)] == [60, 5, 60]
    exponential = [Duration({"exponential": "1m"}).draw(0, dice) for _ in range(4000)]
    assert sum(exponential) / len(exponential) == pytest.approx(60, rel=0.1)
    lognormal = sorted(Duration({"lognormal": 60, "sigma": 0.5}).draw(0, dice) for _ in range(4001))
    assert lognormal[2000] == pytest.approx(60, rel=0.1)
    assert Duration({"lognormal": 60, "sigma": 0}).draw(0, dice) == 60


def test_csv_may_give_all_of_the_resources(tmp_path):
    (tmp_path / "a.csv").write_text("at,cpus,mem\n0,2,128\n")
    scenario = parse_scenario(with_tasks(csv="a.csv"))
    [job] = jobs_of(scenario.frameworks[0].tasks[0], 10, Dice(1, "x"), tmp_path)
    assert job.resources == Resources.of(cpus=2, mem=128)
