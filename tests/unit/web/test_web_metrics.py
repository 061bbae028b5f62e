"""Prometheus can read what masters and agents show, and finds there what their state says."""

import re
import shutil
import subprocess

import pytest
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from mesos_py.master.events import EchoHeard
from mesos_py.runtime.condition import Condition
from mesos_py.types.tasks import TaskState
from mesos_py.web.agent import make_agent_app
from mesos_py.web.master import make_master_app
from mesos_py.web.reader import Reader
from tests.architecture.source import ROOT
from tests.unit.agent.rig import Rig, a_task
from tests.unit.web.cluster import Cluster, turning

DOCUMENT = ROOT / "docs" / "monitoring.md"


@pytest.fixture
def loop():
    with turning() as loop:
        yield loop


def read(app):
    with TestClient(app) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = list(text_string_to_metric_families(answer.text))
    return {family.name: family for family in families}


def values(families, name):
    """By the values of the labels, these in the order of their names."""
    samples = families[name].samples
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in samples}


def of_master(loop, master):
    return read(make_master_app(Reader(loop), lambda: master, lambda *_: None))


def a_cluster():
    cluster = Cluster()
    cluster.add_agent("host1")
    cluster.add_agent("host2")
    shop = cluster.add_framework("shop")
    cluster.launch(shop, "t1", "t2", "t3")
    cluster.update(shop, "t1", TaskState.RUNNING)
    cluster.update(shop, "t2", TaskState.FAILED)
    return cluster


def test_whatever_an_alert_asks_the_increase_of_is_there_from_the_start(loop):
    asked = re.findall(r"increase\(mesos_(?:\w+){\w+=\"(\w+)\"}", DOCUMENT.read_text())
    assert len(asked) == 4
    families = of_master(loop, Cluster().master)
    shown = {value for family in families.values() for sample in family.samples for value in sample.labels.values()}
    assert set(asked) <= shown


def test_a_leaders_figures_are_those_of_its_state(loop):
    cluster = a_cluster()
    families = of_master(loop, cluster.master)
    state = cluster.master.state
    assert values(families, "mesos_master_elected") == {(): 1}
    assert values(families, "mesos_master_epoch") == {(): state.info.epoch}
    agents = {"connected": 2, "disconnected": 0, "unreachable": 0, "gone": 0}
    assert values(families, "mesos_master_agents") == {(name,): number for name, number in agents.items()}
    tasks = values(families, "mesos_master_tasks")
    assert tasks[("running",)] == tasks[("staging",)] == 1
    assert values(families, "mesos_master_tasks_ended")[("failed",)] == 1
    resources = values(families, "mesos_master_resources")
    [agent, _] = state.agents.values()
    assert resources["cpus", "total"] == 2 * agent.info.resources.cpus
    assert resources["cpus", "used"] == pytest.approx(0.2)
    assert values(families, "mesos_master_frameworks") == {("connected",): 1}
    [framework_id] = state.frameworks
    assert values(families, "mesos_master_framework_tasks") == {("shop", framework_id): 2}
    assert values(families, "mesos_master_framework_offers")["shop", framework_id, "accepted"] == 1
    assert values(families, "mesos_master_events")[("agents_registered",)] == 2
    assert "process_cpu_seconds" in families


def test_the_lag_of_each_inbox_is_that_of_its_last_echo(loop):
    cluster = a_cluster()
    cluster.handle(EchoHeard("agent", cluster.now - 2.0))
    assert values(of_master(loop, cluster.master), "mesos_master_inbox_lag_seconds") == {("agent",): 3.0}


def test_what_was_refused_has_its_reason(loop):
    cluster = a_cluster()
    cluster.master.state.counters["calls_refused/INVALID"] += 2
    cluster.master.state.counters["tasks_refused/TASK_INVALID"] += 1
    refused = values(of_master(loop, cluster.master), "mesos_master_refused")
    assert refused == {("FOREIGN_USER", "calls"): 0, ("INVALID", "calls"): 2, ("TASK_INVALID", "tasks"): 1}


def test_a_standby_says_that_it_does_not_lead(loop):
    families = of_master(loop, None)
    assert values(families, "mesos_master_elected") == {(): 0}
    assert "mesos_master_tasks" not in families


def of_agent(loop, rig, tmp_path):
    core = rig.agent
    return read(make_agent_app(Reader(loop), core.view, str(tmp_path), list, figures=core.metrics))


def test_an_agents_figures_are_those_of_its_state(loop, tmp_path):
    rig = Rig()
    rig.launch(a_task())
    families = of_agent(loop, rig, tmp_path)
    assert values(families, "mesos_agent_registered") == {(): 1}
    assert values(families, "mesos_agent_tasks")[("staging",)] == 1
    assert values(families, "mesos_agent_frameworks") == {(): 1}
    used = values(families, "mesos_agent_resources")
    assert used["cpus", "used"] == a_task().resources.cpus


def test_each_figure_is_documented_and_nothing_else(loop, tmp_path):
    shown = set(of_master(loop, a_cluster().master)) | set(of_agent(loop, Rig(), tmp_path))
    ours = {name for name in shown if name.startswith("mesos_")}
    documented = set(re.findall(r"^\| `(mesos_\w+?)(?:_total)?(?:\{[^}]*\})?` \|", DOCUMENT.read_text(), re.MULTILINE))
    assert documented == ours


# Health


@pytest.mark.parametrize("is_ready", [True, False])
def test_readiness_is_not_liveness(loop, is_ready):
    fares = Condition(is_ready, "standing by for http://m1:5050" if is_ready else "broker lost since yesterday")
    app = make_master_app(Reader(loop), lambda: None, lambda *_: None, condition=lambda: fares)
    with TestClient(app) as client:
        assert client.get("/health").status_code == client.get("/health/live").status_code == 200
        answer = client.get("/health/ready")
    if is_ready:
        assert (answer.status_code, answer.json()) == (200, {"ready": True, "status": fares.text})
    else:
        assert (answer.status_code, answer.json()) == (503, {"error": fares.text})


def test_each_figure_that_an_alert_rule_names_is_there(loop, tmp_path):
    rules = (ROOT / "roles/mesos_monitoring/files/rules.yml").read_text()
    named = set(re.findall(r"\bmesos_\w+", rules))
    pages = [of_master(loop, a_cluster().master), of_agent(loop, Rig(), tmp_path)]
    shown = {sample.name for page in pages for family in page.values() for sample in family.samples}
    assert len(named) == 5
    assert named <= shown


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)")
def test_prometheus_takes_the_alert_rules():
    command = ["promtool", "check", "rules", ROOT / "roles/mesos_monitoring/files/rules.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
