"""The command line against a master and an agent that answer over real sockets."""

import json
import os
import threading
import time
from types import SimpleNamespace

import pytest

from mesos_py.cli import agent as agents
from mesos_py.cli import logs
from mesos_py.cli.main import main
from mesos_py.master.events import FrameworkSaid, OperatorReactivate, OperatorSaid, OperatorSetSchedule
from mesos_py.master.registry import AdmitAgent, MarkUnreachable
from mesos_py.messages.scheduler import DeclineInverseOffers, Subscribe
from mesos_py.types.ids import Principal, TaskID
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.maintenance import Window
from mesos_py.types.tasks import TaskState
from mesos_py.web.agent import make_agent_app
from mesos_py.web.leading import MasterView
from mesos_py.web.master import make_master_app
from mesos_py.web.reader import Reader
from mesos_py.web.server import WebServer
from tests.support.cluster import wait_for
from tests.unit.web.cluster import Cluster, turning
from tests.unit.web.test_web_agent import FakeAgent

pytestmark = pytest.mark.integration


@pytest.fixture
def loop():
    with turning() as loop:
        yield loop


@pytest.fixture
def box(tmp_path):
    """The sandbox of task b of the framework that node runs."""
    return tmp_path / "sandboxes" / "A1" / "M-F1" / "tasks" / "b" / "C-1"


@pytest.fixture
def agent(loop, box, tmp_path):
    """An agent with one task, and its HTTP API."""
    box.mkdir(parents=True)
    (box / "stdout").write_bytes(b"out\n" * 300_000)
    (box / "stderr").write_bytes(b"err \xff\n")
    fake = FakeAgent(box, "b")
    fake.server = WebServer(make_agent_app(Reader(loop), fake.view, str(tmp_path), fake.usage))
    fake.server.start()
    yield fake
    fake.server.stop()


@pytest.fixture
def cluster(loop, agent, box, monkeypatch):
    """A master with tasks a (staging), b (running) and c (failed), and its HTTP API."""
    cluster = Cluster()
    app = make_master_app(
        Reader(loop),
        lambda: cluster.master,
        lambda *call: cluster.operate(loop, *call),
        masters=lambda: [MasterView("http://m1", leads=True), MasterView("http://m2", leads=False)],
    )
    server = WebServer(app)
    server.start()
    monkeypatch.setenv("MESOS_MASTER", server.url)
    cluster.add_agent(url=agent.server.url)
    cluster.framework_id = cluster.add_framework()
    cluster.launch(cluster.framework_id, "a", "b", "c")
    cluster.update(cluster.framework_id, "b", TaskState.RUNNING)
    cluster.update(cluster.framework_id, "c", TaskState.FAILED)
    (box.parents[2]).rename(box.parents[3] / cluster.framework_id)
    agent.sandbox = agent.sandbox.replace("M-F1", cluster.framework_id)
    cluster.box = box.parents[3] / cluster.framework_id / "tasks" / "b" / "C-1"
    yield cluster
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    agent.server.stop()  # both at once: each takes a moment
    stopping.join()


@pytest.fixture
def mesos(cluster, capfdbinary):
    def run(*words, code=0):
        with pytest.raises(SystemExit) as end:
            main(list(words))
        out, err = capfdbinary.readouterr()
        assert end.value.code == code, err
        assert b"Traceback" not in err
        return out if code == 0 else err.decode()

    return run


def rows(out):
    header, *lines = out.decode().splitlines()
    return [dict(zip(header.split(), line.split(), strict=False)) for line in lines]


def test_lists(mesos, cluster):
    [agent] = rows(mesos("agents"))
    assert (agent["HOST"], agent["STATE"], agent["TASKS"], agent["CPUS"]) == (
        "node1.example",
        "connected",
        "2",
        "0.2/8",
    )
    [framework] = rows(mesos("frameworks"))
    assert (framework["NAME"], framework["TASKS"], framework["ENDED"]) == ("shop", "2", "0")
    [role] = rows(mesos("roles"))
    assert role["ROLE"] == "*"
    assert mesos("offers") == b""


def test_tasks(mesos, cluster):
    assert [(t["TASK"], t["STATE"]) for t in rows(mesos("tasks"))] == [("a", "STAGING"), ("b", "RUNNING")]
    assert [t["TASK"] for t in rows(mesos("tasks", "--all"))] == ["a", "b", "c"]
    assert [t["TASK"] for t in rows(mesos("tasks", "--state", "failed"))] == ["c"]
    assert [t["TASK"] for t in rows(mesos("tasks", "--framework", "shop", "--limit", "1"))] == ["a"]
    assert len(rows(mesos("tasks", "--framework", cluster.framework_id))) == 2
    assert mesos("tasks", "--framework", "nobody") == b""


def test_masters(mesos):
    assert [(m["MASTER"], m["STATE"]) for m in rows(mesos("masters"))] == [
        ("http://m1", "leader"),
        ("http://m2", "standby"),
    ]
    assert [m["leads"] for m in json.loads(mesos("masters", "--json"))] == [True, False]


def test_json(mesos):
    for name in ("agents", "frameworks", "tasks", "offers", "roles"):
        assert isinstance(json.loads(mesos(name, "--json")), list)
    assert json.loads(mesos("tasks", "--json"))[1]["state"] == "RUNNING"
    assert json.loads(mesos("tasks", "--json", "--framework", "nobody")) == []


def test_long_lists_come_whole(mesos, cluster, monkeypatch):
    monkeypatch.setattr("mesos_py.cli.client._PAGE", 2)
    assert len(json.loads(mesos("tasks", "--all", "--json"))) == 3
    assert len(json.loads(mesos("tasks", "--all", "--json", "--limit", "3"))) == 3
    assert len(json.loads(mesos("tasks", "--all", "--json", "--limit", "1"))) == 1


def test_kill(mesos, cluster):
    assert mesos("kill", "b") == b"task b is being killed\n"
    assert mesos("kill", "zzz", code=1) == "mesos: no task zzz is known\n"
    assert mesos("kill", "c", code=1) == "mesos: no task c is running\n"


def test_teardown(mesos, cluster):
    assert b"removed" in mesos("teardown", cluster.framework_id, "--yes")
    assert "removed already" in mesos("teardown", cluster.framework_id, "--yes", code=1)


def test_completion_of_task_ids(mesos, monkeypatch):
    monkeypatch.setenv("_MESOS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "mesos kill ")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert mesos().split() == [b"plain,a", b"plain,b"]


def test_logs(mesos):
    assert mesos("logs", "b") == b"out\n" * 300_000
    assert mesos("logs", "--stderr", "b") == b"err \xff\n"
    assert mesos("logs", "--file", "stderr", "b") == b"err \xff\n"


def test_logs_that_are_not_there(mesos, cluster):
    assert mesos("logs", "zzz", code=1) == "mesos: no task zzz is known\n"
    assert mesos("logs", "a", code=1) == "mesos: task a has no file stdout yet (STAGING)\n"
    assert mesos("logs", "c", code=1) == "mesos: task c (FAILED) has no file stdout, or its sandbox is gone\n"
    assert mesos("logs", "--file", "../../x", "b", code=1) == "mesos: a path may not hold '..'\n"
    (cluster.box / "passwd").symlink_to("/etc/passwd")
    assert "leads out of its sandbox" in mesos("logs", "--file", "passwd", "b", code=1)


def test_logs_of_an_agent_that_is_away(mesos, agent):
    agent.server.stop()
    assert mesos("logs", "b", code=1).startswith("mesos: cannot reach the agent on node1.example at http://")


def test_following_ends_with_the_task(mesos, agent, cluster):
    (cluster.box / "stdout").write_bytes(b"first\n")

    def work():
        with (cluster.box / "stdout").open("ab") as log:
            log.write(b"last\n")
        agent.state = TaskState.FINISHED

    timer = threading.Timer(0.3, work)
    timer.start()
    assert mesos("logs", "-f", "b") == b"first\nlast\n"


def test_following_waits_for_a_task_that_has_not_started(mesos, agent, cluster, monkeypatch):
    monkeypatch.setattr(logs, "_RETRY_S", 0.05)
    log = cluster.box / "stdout"
    log.unlink()

    def work():
        agent.state = TaskState.FINISHED
        log.write_bytes(b"at last\n")

    threading.Timer(0.3, work).start()
    assert mesos("logs", "-f", "b") == b"at last\n"


def test_following_gives_up_on_a_task_that_ended_without_output(mesos, cluster, monkeypatch):
    monkeypatch.setattr(logs, "_RETRY_S", 0.05)
    (cluster.box / "stdout").unlink()
    task = cluster.master.state.frameworks[cluster.framework_id].tasks[TaskID("b")]
    threading.Timer(0.2, lambda: setattr(task, "state", TaskState.FAILED)).start()
    assert "has no file stdout, or its sandbox is gone" in mesos("logs", "-f", "b", code=1)


def test_following_goes_on_when_the_agent_restarts(mesos, agent, cluster, loop, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "_RETRY_S", 0.05)
    (cluster.box / "stdout").write_bytes(b"before ")

    def restart():
        agent.server.stop()
        port = int(agent.server.url.rsplit(":", 1)[1])
        with (cluster.box / "stdout").open("ab") as log:
            log.write(b"meanwhile ")
        agent.server = WebServer(
            make_agent_app(Reader(loop), agent.view, str(tmp_path), agent.usage), "127.0.0.1", port
        )
        agent.server.start()
        with (cluster.box / "stdout").open("ab") as log:
            log.write(b"after")
        agent.state = TaskState.FINISHED

    threading.Timer(0.3, restart).start()
    assert mesos("logs", "-f", "b") == b"before meanwhile after"


def test_teardown_asks_first(mesos, cluster, monkeypatch):
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: "n")
    assert mesos("teardown", cluster.framework_id, code=1).endswith("mesos: nothing was done\n")
    assert cluster.framework_id in cluster.master.state.frameworks


# Taking nodes out


def test_draining(mesos, cluster):
    [agent_id] = cluster.master.state.agents
    assert mesos("agent", "drain", "node1", "--timeout", "0", code=1).startswith("mesos: 2 tasks run, 1 task's end is ")
    assert rows(mesos("agents"))[0]["MODE"] == "DRAINING"
    assert mesos("agent", "reactivate", "node1", code=1) == (
        f"mesos: agent {agent_id} is DRAINING; it can be reactivated once it is DRAINED\n"
    )
    cluster.tear_down(cluster.framework_id)
    assert mesos("agent", "drain", "node1.example", "--wait", "--max-grace-period", "5", "--deadline", "60") == (
        f"agent {agent_id} is being drained\nagent {agent_id} is drained\n".encode()
    )
    assert rows(mesos("agents"))[0]["MODE"] == "DRAINED"
    assert mesos("agent", "reactivate", agent_id) == f"agent {agent_id} is offered again\n".encode()
    assert "MODE" not in rows(mesos("agents"))[0]


def test_draining_to_be_gone_asks_first(mesos, cluster, monkeypatch):
    [agent_id] = cluster.master.state.agents
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: "n")
    assert mesos("agent", "drain", "node1", "--mark-gone", code=1).endswith("mesos: nothing was done\n")
    assert not cluster.master.state.registry.drains
    cluster.tear_down(cluster.framework_id)
    said = mesos("agent", "drain", "node1", "--mark-gone", "--yes", "--wait")
    assert said.endswith(f"agent {agent_id} is gone\n".encode())
    assert agent_id in cluster.master.state.registry.gone


def test_marking_gone_asks_first(mesos, cluster, monkeypatch):
    [agent_id] = cluster.master.state.agents
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: "n")
    assert mesos("agent", "gone", "node1", code=1).endswith("mesos: nothing was done\n")
    assert mesos("agent", "gone", "node1", "--yes") == f"agent {agent_id} is gone\n".encode()


def test_a_name_that_several_agents_have_or_none(mesos, cluster):
    [first] = cluster.master.state.agents
    second = cluster.add_agent("node1", queue="other")
    said = mesos("agent", "deactivate", "node1", code=1)
    assert said == f"mesos: several agents are called node1: {first}, {second}; give the id of one\n"
    assert mesos("agent", "deactivate", second) == f"agent {second} is deactivated\n".encode()
    for words in (["drain", "node9"], ["drain", "node9", "--mark-gone"], ["gone", "node9"]):
        assert mesos("agent", *words, code=1) == "mesos: agent node9 is not known\n", "and nothing is asked"


def test_one_that_is_unreachable_is_known_by_its_host(mesos, cluster):
    [there] = cluster.master.state.agents
    for lost, host in (("A-old", "node1"), ("A-lost", "node2")):
        AdmitAgent(lost, host).apply(cluster.master.state.registry)
        MarkUnreachable(lost, 3.0).apply(cluster.master.state.registry)
    shown = [(row["AGENT"], row["HOST"], row["STATE"].lower()) for row in rows(mesos("agents"))]
    assert ("A-lost", "node2", "unreachable") in shown
    assert mesos("agent", "deactivate", "node1") == f"agent {there} is deactivated\n".encode(), "who is there is meant"
    assert mesos("agent", "gone", "node2", "--yes") == b"agent A-lost is gone\n"
    assert mesos("agent", "gone", "node2", "--yes", code=1) == "mesos: agent node2 is not known\n"
    assert mesos("agent", "gone", "A-old", "--yes") == b"agent A-old is gone\n"


def test_waiting_for_a_drain_that_is_called_off(mesos, cluster, monkeypatch):
    [agent_id] = cluster.master.state.agents

    def call_off(_seconds):
        cluster.tear_down(cluster.framework_id)
        cluster.handle(OperatorSaid(2, OperatorReactivate(agent_id)))

    monkeypatch.setattr(agents, "time", SimpleNamespace(monotonic=time.monotonic, sleep=call_off))
    said = mesos("agent", "drain", "node1", "--wait", code=1)
    assert said.endswith(f"mesos: agent {agent_id} is ACTIVE: somebody has decided otherwise\n")


# Maintenance


def test_maintenance_from_plan_to_end(mesos, cluster, tmp_path, monkeypatch):
    assert mesos("maintenance", "schedule") == b""
    plan = tmp_path / "plan.toml"
    plan.write_text("""
        [[windows]]
        hosts = ["node1.example"]
        start = 2026-12-01T22:00:00Z
        duration = "90m"
        [[windows]]
        hosts = ["node8", "node9"]
        start = 1796162400
    """)
    assert mesos("maintenance", "schedule", str(plan)) == b"maintenance of 3 machines is scheduled\n"
    first, second = rows(mesos("maintenance", "schedule"))
    assert (first["DURATION"], first["HOSTS"]) == ("90m", "node1.example")
    assert second["START"]
    [status, *_] = rows(mesos("maintenance", "status"))
    assert (status["HOST"], status["STATE"], status["TASKS"]) == ("node1.example", "SCHEDULED", "2")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: "n")
    assert mesos("maintenance", "down", "node1.example", code=1).endswith("mesos: nothing was done\n")
    assert mesos("maintenance", "down", "node1.example", "node8", "--yes") == (
        b"down for maintenance: node1.example, node8\n"
    )
    assert [m["state"] for m in json.loads(mesos("maintenance", "status", "--json"))] == ["DOWN", "DOWN", "SCHEDULED"]
    assert mesos("maintenance", "schedule", "--clear", code=1) == (
        "mesos: machine node1.example is down; bring it up before you take it off the schedule\n"
    )
    assert mesos("maintenance", "up", "node1.example", "node8") == b"up again: node1.example, node8\n"
    left = mesos("maintenance", "schedule", "--json")
    (tmp_path / "left.json").write_bytes(left)
    assert [window["hosts"] for window in json.loads(left)["windows"]] == [["node9"]]
    assert mesos("maintenance", "schedule", str(tmp_path / "left.json")) == b"maintenance of 1 machine is scheduled\n"
    assert mesos("maintenance", "schedule", "--json") == left
    assert mesos("maintenance", "schedule", "--clear") == b"no maintenance is scheduled any more\n"
    assert mesos("maintenance", "status") == b""


def test_what_frameworks_say_to_maintenance(mesos, cluster):
    [agent_id] = cluster.master.state.agents
    queue = cluster.master.state.frameworks[cluster.framework_id].queue
    framework = FrameworkInfo(name="shop")
    subscribe = Subscribe(framework=framework, framework_id=cluster.framework_id, inverse_offers=True)
    cluster.handle(FrameworkSaid(Principal("shop"), queue, json=False, call=subscribe))
    cluster.handle(OperatorSaid(2, OperatorSetSchedule([Window(hosts=["node1.example"], start=5.0)])))
    assert b"shop: -" in mesos("maintenance", "status")
    offer, _ = cluster.master.state.frameworks[cluster.framework_id].inverse_offers[agent_id]
    answer = DeclineInverseOffers(framework_id=cluster.framework_id, offer_ids=[offer.offer_id], reason="last copy")
    cluster.handle(FrameworkSaid(Principal("shop"), queue, json=False, call=answer))
    wait_for(
        lambda: b"(last copy)" in mesos("maintenance", "status"), "the answer is shown: a snapshot serves for a moment"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("windows = 5", "is no maintenance plan: Expected `array`, got `int` - at `$.windows`"),
        ("{", "is no maintenance plan: "),
        ("[[windows]]\nhosts = ['a']", "is no maintenance plan: Object missing required field `start`"),
        ("[[windows]]\nhosts = ['a']\nstart = 2026-12-01T22:00:00", "does not say its time zone"),
        (
            "[[windows]]\nhosts = ['a']\nstart = 1\nduration = 'long'",
            "the duration 'long' is none such as 90m, 2h or 1d",
        ),
        ("[[windows]]\nhosts = ['a']\nstart = 1\nduration = nan", "the duration nan is none such as 90m, 2h or 1d"),
        ("[[windows]]\nhosts = ['a']\nstart = inf", "the start inf is no time"),
        ("[[windows]]\nhosts = ['a']\nstart = 1e300", "begins at 1e+300; it must be seconds since 1970"),
        ("[[windows]]\nhosts = ['a', 'a']\nstart = 1", "machine a is on the schedule twice"),
    ],
)
def test_plans_that_cannot_be_used(mesos, tmp_path, text, line):
    plan = tmp_path / "plan"
    plan.write_text(text)
    assert line in mesos("maintenance", "schedule", str(plan), code=1)
    assert "no such file or directory" in mesos("maintenance", "schedule", f"{plan}s", code=1)
    assert "--clear goes without a file" in mesos("maintenance", "schedule", str(plan), "--clear", code=2)


def test_quotas(mesos, cluster):
    assert mesos("quota", "show") == b""
    done = mesos("quota", "set", "*", "--guarantee", "cpus:2;mem:100", "--limit", "cpus:4;gpus:0")
    assert done == b"quotas set of *\n"
    shown = rows(mesos("quota", "show", "*"))
    assert [(row["RESOURCE"], row["GUARANTEE"]) for row in shown if row["RESOURCE"] in ("cpus", "mem")] == [
        ("cpus", "2"),
        ("mem", "100"),
    ]
    [quota] = json.loads(mesos("quota", "show", "--json"))
    assert quota["limit"] == {"cpus": 4, "gpus": 0}
    assert mesos("roles").decode().split()[-2:] == ["cpus:2;mem:100", "cpus:4;gpus:0"]
    assert "9 cpus would be guaranteed, the agents have 8" in mesos(
        "quota", "set", "ads", "--guarantee", "cpus:7", code=1
    )
    assert "uses 0.2 cpus and would be limited to 0.1" in mesos("quota", "set", "*", "--limit", "cpus:0.1", code=1)
    assert mesos("quota", "set", "*", "--limit", "cpus:0.1", "--force") == b"quotas set of *\n"
    assert mesos("quota", "remove", "*") == b"quotas taken away of *\n"
    assert "role * has no quota" in mesos("quota", "remove", "*", code=1)
    assert mesos("quota", "show") == b""


def test_what_is_set_by_way_of_a_standby(mesos, cluster, loop, monkeypatch):
    leader = os.environ["MESOS_MASTER"]
    standby = WebServer(make_master_app(Reader(loop), lambda: None, lambda *_: None, leader_url=lambda: leader))
    standby.start()
    try:
        monkeypatch.setenv("MESOS_MASTER", standby.url)
        assert mesos("weights", "set", "web=2") == b"weights set of web\n"
        assert mesos("quota", "set", "web", "--limit", "cpus:1") == b"quotas set of web\n"
        assert mesos("quota", "remove", "web") == b"quotas taken away of web\n"
        assert [tuple(row.values()) for row in rows(mesos("weights", "show"))] == [("web", "2")]
    finally:
        standby.stop()


def test_weights(mesos, cluster):
    assert mesos("weights", "show") == b""
    assert mesos("weights", "set", "web=2", "eng/ops=0.5") == b"weights set of web, eng/ops\n"
    assert [tuple(row.values()) for row in rows(mesos("weights", "show"))] == [("eng/ops", "0.5"), ("web", "2")]
    assert [row["role"] for row in json.loads(mesos("weights", "show", "--json"))] == ["eng/ops", "web"]
    assert [row["WEIGHT"] for row in rows(mesos("roles")) if row["ROLE"] == "web"] == ["2"]
    assert mesos("weights", "remove", "web", "eng/ops") == b"weights taken away of web, eng/ops\n"
    assert mesos("weights", "show") == b""
    assert "must be a number above 0, not 0" in mesos("weights", "set", "web=0", code=1)
