"""The units of systemd can be loaded, start what there is, and expose no more than the documents say."""

import re
import shutil
import subprocess

import pytest

from mesos_py.daemons.config import AgentConfig, MasterConfig, load
from tests.architecture.source import ROOT

UNITS = sorted((ROOT / "systemd").glob("*.service"))
DOCUMENT = ROOT / "docs" / "systemd.md"
PROGRAM = "/opt/mesos/current/bin/mesos"
MOST = {"mesos-master": 2.0, "mesos-agent": 7.0, "mesos-tasks": 7.0}

with_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd's tools (Debian: systemd)")


def lines(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.fixture
def installed(tmp_path):
    """The units with a program where they expect ours."""
    program = tmp_path / "mesos"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, str(program)))
    return [tmp_path / unit.name for unit in UNITS]


def analyzed(*words):
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_there_are_the_three_units():
    assert {unit.stem for unit in UNITS} == MOST.keys()


@with_systemd
def test_systemd_has_nothing_to_say_against_them(installed):
    done = analyzed("verify", "--man=no", "--recursive-errors=no", *installed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@with_systemd
@pytest.mark.parametrize("name", MOST)
def test_they_expose_no_more_than_is_documented(installed, name):
    [unit] = [each for each in installed if each.stem == name]
    done = analyzed("security", "--offline=true", f"--threshold={MOST[name] * 10:.0f}", unit)
    assert done.returncode == 0, done.stdout
    [figure] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    [documented] = re.findall(rf"^\| `{name}` \| ([\d.]+) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert float(figure) <= float(documented) <= MOST[name]


def test_what_they_set_is_a_key(tmp_path):
    for unit in UNITS:
        variables = dict(pair.split("=", 1) for pair in lines(unit, "Environment"))
        kind = AgentConfig if unit.stem == "mesos-agent" else MasterConfig
        config = load(kind, environ=variables)
        for name, value in variables.items():
            assert getattr(config, name.removeprefix("MESOS_").lower()) == value


def test_the_agents_containers_are_below_the_holder():
    agent, holder = (ROOT / "systemd" / f"mesos-{name}.service" for name in ("agent", "tasks"))
    [root] = [pair.partition("=")[2] for pair in lines(agent, "Environment") if pair.startswith("MESOS_CGROUPS_ROOT=")]
    assert root == f"{lines(holder, 'Slice')[0]}/{holder.name}"
    assert lines(agent, "AssertPathIsDirectory") == [f"/sys/fs/cgroup/{root}/init"]
    assert f"/sys/fs/cgroup/{lines(holder, 'Slice')[0]}/%n/init" in holder.read_text()


def test_nothing_restarts_the_holder():
    holder = (ROOT / "systemd" / "mesos-tasks.service").read_text()
    agent = (ROOT / "systemd" / "mesos-agent.service").read_text()
    assert "Restart=no" in holder
    assert not re.search(r"^(Requires|BindsTo|PartOf|PropagatesStopTo)=", agent + holder, re.MULTILINE)


def test_each_line_the_agent_lacks_is_justified():
    """Against the master, which has all there is."""
    master, agent = ((ROOT / "systemd" / f"mesos-{name}.service").read_text() for name in ("master", "agent"))
    hardening = re.compile(
        r"^(Protect\w+|Private\w+|Restrict\w+|MemoryDenyWriteExecute|User|RemoveIPC|ProcSubset)=", re.MULTILINE
    )
    lacking = set(hardening.findall(master)) - set(hardening.findall(agent))
    explained = set(re.findall(r"`(\w+)=`", DOCUMENT.read_text()))
    assert lacking <= explained


@pytest.mark.parametrize("name", ["mesos-master", "mesos-agent"])
def test_a_daemon_works_in_the_directory_that_systemd_makes_for_it(name):
    [unit] = [each for each in UNITS if each.stem == name]
    work_dirs = [pair for pair in lines(unit, "Environment") if pair.startswith("MESOS_WORK_DIR=")]
    assert work_dirs == [f"MESOS_WORK_DIR=/var/lib/{lines(unit, 'StateDirectory')[0]}"]
