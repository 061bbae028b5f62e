"""`mesos simulate SCENARIO`: what it prints and writes, and how it refuses."""

import csv
import json
import re

import pytest

from tests.architecture.source import ROOT

DRF = str(ROOT / "examples/simulate/drf.toml")
SMALL = """
until = "5m"
agents = [{ resources = "cpus:2;mem:256" }]
frameworks = [{ name = "f", tasks = [{ at = [0], count = 4, resources = "cpus:1;mem:64", duration = 30 }] }]
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return str(path)


def test_the_guide_shows_the_example_and_what_the_command_prints(mesos, monkeypatch):
    monkeypatch.chdir(ROOT)
    guide = (ROOT / "docs/simulate-scenarios.md").read_text()
    [toml] = re.findall(r"^```toml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    [(words, shown)] = re.findall(r"^```console\n\$ mesos ([^\n]*)\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert toml == (ROOT / words.split()[1]).read_text()
    said = mesos(*words.split())
    assert (said.code, said.out, said.err) == (0, shown, "")


def test_all_of_it_as_json(mesos, small):
    said = mesos("simulate", small, "--json", "--seed", "5")
    report = json.loads(said.out)
    assert report["seed"] == 5
    assert report["frameworks"][0]["done"] == 4
    assert report["frameworks"][0]["completion_s"] == pytest.approx(60, abs=2)
    assert max(report["series"]["frameworks"]["f"]["running"]) == 2


def test_the_time_series_as_csv(mesos, small, tmp_path):
    path = tmp_path / "series.csv"
    assert mesos("simulate", small, "--csv", str(path)).code == 0
    rows = list(csv.DictReader(path.open()))
    assert list(rows[0]) == ["time_s", "cpus", "mem", "f share", "f running", "f waiting"]
    assert [rows[10][name] for name in ("time_s", "cpus", "f share", "f running")] == ["10.0", "1.0", "1.0", "2"]


@pytest.mark.parametrize(("name", "begins"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml")])
def test_a_picture(mesos, small, tmp_path, name, begins):
    assert mesos("simulate", small, "--plot", str(tmp_path / name)).code == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_plot_on_a_terminal(mesos, small, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    said = mesos("simulate", small)
    assert "cpus used" in said.out
    assert "f's share" in said.out
    assert "⠤" in said.out


def test_without_matplotlib(mesos, small, monkeypatch):
    monkeypatch.setattr("mesos_py.cli.plot.find_spec", lambda name: None)
    said = mesos("simulate", small, "--plot", "p.png")
    assert (said.code, said.err) == (1, "mesos: plots into files need matplotlib: pip install 'mesos_py[plot]'\n")


def test_tasks_that_fit_nowhere_are_told(mesos, tmp_path):
    path = tmp_path / "large.toml"
    path.write_text(SMALL.replace("cpus:1;", "cpus:3;"))
    said = mesos("simulate", str(path))
    assert (said.code, said.err) == (0, "f: 4 tasks are larger than every agent\n")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["nowhere.toml"], 78, "cannot read nowhere.toml: No such file or directory"),
        (["BAD"], 78, "it contains unknown key `unto`"),
        ([DRF, "--plot", "p.gif"], 1, "a plot goes into a file named *.png or *.svg, not 'p.gif'"),
        (["SMALL", "--csv", "/nowhere/x.csv"], 1, "cannot write /nowhere/x.csv: No such file or directory"),
        ([DRF, "--seeds", "1..2"], 2, "--seeds and --faults do not go with a scenario"),
        (["--json"], 2, "--json, --csv and --plot go with a scenario"),
        ([], 2, "give a scenario, or either --seed or --seeds"),
    ],
)
def test_refused(mesos, small, tmp_path, words, code, why):
    bad = tmp_path / "bad.toml"
    bad.write_text(SMALL.replace("until", "unto"))
    said = mesos("simulate", *({"BAD": str(bad), "SMALL": small}.get(word, word) for word in words))
    assert said.code == code
    assert why in said.err
    assert said.err.count("\n") == 1
