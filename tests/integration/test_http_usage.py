"""`mesos tasks --usage` against a master and agents that answer over real sockets."""

import json
import time

import pytest

from mesos_py.cli import usage
from mesos_py.cli.main import main
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.ids import ContainerID, TaskID
from tests.integration.test_http_cli import agent, box, cluster, loop, mesos
from tests.unit.web.test_web_agent import executor_view

__all__ = ["agent", "box", "cluster", "loop", "mesos"]

pytestmark = pytest.mark.integration

MB = 2**20


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(usage, "_BETWEEN_S", 0.2)


@pytest.fixture
def busy(agent, cluster):
    """Task b uses a cpu and a half, and some memory."""
    began = time.time()

    def measure():
        figures = {"memory_bytes": 12 * MB, "memory_limit_bytes": 64 * MB, "memory_peak_bytes": 20 * MB}
        cpu_s = 40 + 1.5 * (time.time() - began)
        return [ContainerUsage(container_id=ContainerID("C-1"), cpu_s=cpu_s, processes=3, **figures)]

    agent.framework_id = cluster.framework_id
    agent.measure = measure
    return agent


def table(out):
    """Lines by what is in the first column, as the words in the others."""
    header, *lines = out.decode().splitlines()
    cells = [header.index(title) for title in ("STATE", "FRAMEWORK")]
    return header[cells[0] :].split(), {line[: cells[0]].rstrip(): line[cells[0] :].split() for line in lines}


def test_figures_of_each_task(mesos, busy):
    titles, tasks = table(mesos("tasks", "--usage"))
    assert titles == ["STATE", "FRAMEWORK", "HOST", "CPUS", "CPU", "TIME", "MEM", "PEAK", "PROCS"]
    assert tasks["a"] == ["STAGING", "shop", "node1.example", "-", "-", "-", "-"]
    state, _framework, _host, cpus, *others = tasks["b"]
    assert (state, others) == ("RUNNING", ["40s", "12/64", "MB", "20", "MB", "3"])
    used, asked = cpus.split("/")
    assert 1.4 < float(used) < 1.6
    assert asked == "1"


def test_figures_as_json(mesos, busy):
    staging, running = json.loads(mesos("tasks", "--usage", "--json"))
    assert staging["container"] is None
    assert running["task_id"] == "b"
    container = running["container"]
    assert (container["task_ids"], container["usage"]["memory_peak_bytes"]) == (["b"], 20 * MB)
    assert 1.4 < container["cpus"] < 1.6


def test_tasks_in_a_custom_executor_are_counted_once(mesos, busy):
    busy.task_ids = [TaskID("a"), TaskID("b")]
    busy.executors = [executor_view("C-1")]
    _titles, tasks = table(mesos("tasks", "--usage"))
    assert list(tasks) == ["executor E", "a", "b"]
    assert tasks["executor E"][-6:] == ["40s", "12/64", "MB", "20", "MB", "3"]
    assert tasks["a"] == ["STAGING", "shop", "node1.example"]
    assert tasks["b"] == ["RUNNING", "shop", "node1.example"]
    first, second = json.loads(mesos("tasks", "--usage", "--json"))
    assert first["container"] == second["container"]
    assert first["container"]["task_ids"] == ["a", "b"]


def test_an_agent_that_cannot_be_asked_is_told_of_once(busy, cluster, capfd):
    lost = cluster.add_agent("node2", url="http://127.0.0.1:1")
    cluster.launch(cluster.framework_id, "x", "y", on=lost)
    with pytest.raises(SystemExit):
        main(["tasks", "--usage"])
    said = capfd.readouterr()
    _titles, tasks = table(said.out.encode())
    assert tasks["x"][-1] == tasks["y"][-1] == "-"
    assert tasks["b"][-1] == "3"
    assert said.err == (
        "no figures of 2 tasks: cannot reach the agent on node2.example at http://127.0.0.1:1: connection refused\n"
    )


def test_ended_tasks_have_no_figures_and_nobody_is_asked_for_them(mesos, cluster):
    assert json.loads(mesos("tasks", "--usage", "--state", "failed", "--json"))[0]["container"] is None
    assert mesos("tasks", "--usage", "--framework", "nobody") == b""
    assert b"FAILED" in mesos("tasks", "--usage", "--all")
