"""The master's HTTP API over a real core in a turning loop."""

import json
import socket

import jsonschema
import pytest
from litestar.testing import TestClient

from mesos_py.master.events import AgentSaid
from mesos_py.master.registry import AdmitAgent, MarkUnreachable
from mesos_py.messages.agent import AgentAway
from mesos_py.messages.codec import to_builtins
from mesos_py.web.master import make_master_app
from mesos_py.web.reader import Reader

MAINTENANCE = ("/maintenance/schedule", "/maintenance/status")


def test_health_and_version(client):
    assert client.get("/health").json() == {"healthy": True}
    assert client.get("/version").json()["version"]


def test_state_is_the_cores_own_view(client, cluster, busy):
    from mesos_py.master.views import state_view

    answer = client.get("/state")
    assert answer.headers["content-type"] == "application/json"
    expected = to_builtins(state_view(cluster.master.state, cluster.master.shares()))
    assert answer.json() == json.loads(json.dumps(expected))


def test_an_empty_cluster_has_empty_lists(client):
    for path in ("/agents", "/frameworks", "/tasks", "/offers"):
        assert client.get(path).json() == {"items": [], "total": 0, "offset": 0}


def test_lists(client, busy):
    [agent] = client.get("/agents").json()["items"]
    assert agent["hostname"] == "node1.example"
    assert agent["resources"] == {"cpus": 8, "mem": 8192, "ports": [[31000, 31009]]}
    assert agent["used"] == {"cpus": 0.2, "mem": 32}
    [framework] = client.get("/frameworks").json()["items"]
    assert (framework["framework_id"], framework["status"], framework["tasks"]) == (busy, "connected", 2)
    assert client.get("/roles").json()["items"][0]["role"] == "*"


def test_offers_outstanding(client, cluster):
    from mesos_py.master.events import Ticked

    cluster.add_agent()
    cluster.add_framework()
    cluster.handle(Ticked())
    [offer] = client.get("/offers").json()["items"]
    assert offer["framework_name"] == "shop"


def test_pages_of_tasks(client, cluster):
    cluster.add_agent()
    framework_id = cluster.add_framework()
    cluster.launch(framework_id, *(f"t{n}" for n in range(7)))
    seen = []
    for offset in range(0, 9, 3):
        page = client.get("/tasks", params={"limit": 3, "offset": offset}).json()
        assert (page["total"], page["offset"]) == (7, offset)
        seen += [task["task_id"] for task in page["items"]]
    assert seen == [f"t{n}" for n in range(7)]
    assert client.get("/tasks?limit=0").json() == {"items": [], "total": 7, "offset": 0}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=RUNNING", {"b"}),
        ("state=RUNNING&state=FINISHED", {"b", "c"}),
        ("task_id=a", {"a"}),
        ("framework_id=nobody", set()),
        ("agent_id=nobody", set()),
        ("", {"a", "b", "c"}),
    ],
)
def test_tasks_filtered(client, busy, query, expected):
    page = client.get(f"/tasks?{query}").json()
    assert {task["task_id"] for task in page["items"]} == expected
    assert page["total"] == len(expected)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=-1", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("offset=-5", "offset"),
        ("offset=1.5", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("state=DANCING", "state"),
    ],
)
def test_bad_values_are_refused_in_one_line(client, query, name):
    answer = client.get(f"/tasks?{query}")
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(f"{name}: ")
    assert "\n" not in answer.json()["error"]


def test_unknown_paths_and_methods(client):
    assert (client.get("/nowhere").status_code, client.get("/nowhere").json()) == (
        404,
        {"error": "there is no /nowhere"},
    )
    answer = client.post("/tasks")
    assert (answer.status_code, answer.json()) == (405, {"error": "/tasks cannot be asked with POST"})


def test_one_task(client, busy):
    task = client.get("/tasks/b").json()
    assert (task["state"], task["agent_url"], task["container_id"]) == ("RUNNING", "http://node1:5051", "C-1")
    assert client.get(f"/tasks/b?framework_id={busy}").json() == task


def test_a_task_that_nobody_knows(client, busy):
    answer = client.get("/tasks/zzz")
    assert (answer.status_code, answer.json()) == (404, {"error": "no task zzz is known"})


def test_a_task_launched_after_the_snapshot_is_found(client, cluster, busy):
    client.get("/tasks")
    cluster.launch(busy, "new")
    assert client.get("/tasks/new").json()["state"] == "STAGING"


def test_the_living_task_wins_over_its_namesake(client, cluster, busy):
    other = cluster.add_framework("bank")
    cluster.launch(other, "c")
    assert client.get("/tasks/c").json()["framework_id"] == other
    assert client.get(f"/tasks/c?framework_id={busy}").json()["state"] == "FINISHED"


def test_kill(client, cluster, busy):
    answer = client.post("/tasks/b/kill")
    assert (answer.status_code, answer.json()) == (202, {"message": "task b is being killed"})
    assert any(type(effect).__name__ == "SendToAgent" for effect in cluster.sent[-2:])


def test_kill_what_cannot_be_killed(client, cluster, busy):
    assert client.post("/tasks/zzz/kill").status_code == 404
    ended = client.post("/tasks/c/kill")
    assert (ended.status_code, ended.json()) == (409, {"error": "no task c is running"})
    other = cluster.add_framework("bank")
    cluster.launch(other, "a")
    ambiguous = client.post("/tasks/a/kill")
    assert ambiguous.status_code == 409
    assert "name one" in ambiguous.json()["error"]
    assert client.post(f"/tasks/a/kill?framework_id={other}").status_code == 202


def test_teardown(client, busy):
    assert client.post(f"/frameworks/{busy}/teardown").json() == {"message": f"framework {busy} removed"}
    again = client.post(f"/frameworks/{busy}/teardown")
    assert (again.status_code, again.json()) == (409, {"error": f"framework {busy} is removed already"})
    unknown = client.post("/frameworks/F-9/teardown")
    assert (unknown.status_code, unknown.json()) == (404, {"error": "framework F-9 is not known"})


def test_draining(client, cluster, busy):
    agent_id = next(iter(cluster.master.state.agents))
    path = f"/agents/{agent_id}/drain"
    before = client.get(path).json()
    assert (before["mode"], before["since"], before["tasks"], before["unacknowledged"]) == ("ACTIVE", None, 2, 1)
    answer = client.post(f"{path}?max_grace_period_s=5&deadline_s=60&mark_gone=true")
    assert (answer.status_code, answer.json()) == (202, {"message": f"agent {agent_id} is being drained"})
    after = client.get(path).json()
    assert (after["mode"], after["status"], after["max_grace_period_s"]) == ("DRAINING", "connected", 5)
    assert after["deadline"] == after["since"] + 60
    assert after["mark_gone"]
    assert client.post(f"/agents/{agent_id}/reactivate").status_code == 409
    assert client.post("/agents/A-9/drain").json() == {"error": "agent A-9 is not known"}
    assert client.get("/agents/A-9/drain").status_code == 404
    assert client.post(f"{path}?deadline_s=soon").status_code == 400
    assert client.post(f"{path}?max_grace_period_s=-1").status_code == 400
    assert client.post(f"{path}?deadline_s=inf").status_code == 400


def test_deactivating(client, cluster):
    agent_id = cluster.add_agent()
    assert client.post(f"/agents/{agent_id}/deactivate").json() == {"message": f"agent {agent_id} is deactivated"}
    assert client.get("/agents").json()["items"][0]["mode"] == "DEACTIVATED"
    assert client.post(f"/agents/{agent_id}/deactivate").status_code == 409
    assert client.post(f"/agents/{agent_id}/reactivate").json() == {"message": f"agent {agent_id} is offered again"}
    assert client.get(f"/agents/{agent_id}/drain").json()["mode"] == "ACTIVE"


def test_gone(client, cluster):
    agent_id = cluster.add_agent()
    assert client.post(f"/agents/{agent_id}/gone").json() == {"message": f"agent {agent_id} is gone"}
    view = client.get(f"/agents/{agent_id}/drain").json()
    assert (view["status"], view["hostname"], view["tasks"]) == ("gone", "", 0)
    assert client.post(f"/agents/{agent_id}/gone").status_code == 409
    assert client.post(f"/agents/{agent_id}/drain").status_code == 409


def test_agents_by_how_they_stand(client, cluster):
    one, other = cluster.add_agent("node1"), cluster.add_agent("node2")
    cluster.handle(AgentSaid("agent", "q-node2", AgentAway(agent_id=other)))

    def found(*statuses):
        asked = client.get("/agents", params={"status": statuses}).json()
        return [(agent["agent_id"], agent["status"]) for agent in asked["items"]]

    assert found() == [(one, "connected"), (other, "disconnected")]
    assert found("disconnected") == [(other, "disconnected")]
    AdmitAgent("A-lost", "node3").apply(cluster.master.state.registry)
    MarkUnreachable("A-lost", 3.0).apply(cluster.master.state.registry)
    assert found("connected", "unreachable") == [(one, "connected"), ("A-lost", "unreachable")]
    [lost] = client.get("/agents", params={"status": "unreachable", "node": "node3"}).json()["items"]
    assert (lost["agent_id"], lost["hostname"]) == ("A-lost", "node3")
    refused = client.get("/agents", params={"status": "asleep"})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("status: ")


def test_agents_by_what_they_are_called(client, cluster):
    one, other = cluster.add_agent("node1"), cluster.add_agent("node2")

    def found(node):
        return [agent["agent_id"] for agent in client.get(f"/agents?node={node}").json()["items"]]

    assert found("node1") == found("node1.example") == found(one) == [one]
    assert found(other) == [other]
    assert found("node") == []


def test_maintenance(client, cluster, busy):
    assert client.get("/maintenance/schedule").json() == {"windows": []}
    windows = [{"hosts": ["node1.example"], "start": 5.0}, {"hosts": ["b"], "start": 7.0, "duration_s": 60.0}]
    done = client.put("/maintenance/schedule", json={"windows": windows})
    assert (done.status_code, done.json()) == (200, {"message": "maintenance of 2 machines is scheduled"})
    assert client.get("/maintenance/schedule").json() == {"windows": windows}
    one, other = client.get("/maintenance/status").json()["machines"]
    assert (one["host"], one["state"], one["tasks"], one["agents"]) == (
        "node1.example",
        "SCHEDULED",
        2,
        list(agents(cluster)),
    )
    assert (other["host"], other["duration_s"], other["agents"], other["answers"]) == ("b", 60.0, [], [])
    assert client.post("/maintenance/down?host=node1.example").json() == {
        "message": "down for maintenance: node1.example"
    }
    assert not agents(cluster)
    assert client.post("/maintenance/down?host=node1.example").status_code == 409
    assert client.post("/maintenance/down?host=c").status_code == 404
    assert client.post("/maintenance/up?host=node1.example&host=b").status_code == 409
    assert client.post("/maintenance/up?host=node1.example").json() == {"message": "up again: node1.example"}
    assert client.get("/maintenance/schedule").json() == {"windows": windows[1:]}


def agents(cluster):
    return cluster.master.state.agents


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"windows": [{"hosts": ["a"]}]},
        {"windows": [{"hosts": ["a"], "start": "soon"}]},
        {"windows": [{"hosts": ["a"], "start": 1, "duration": 5}]},
        {"windows": [{"hosts": [], "start": 1}]},
        {"windows": [{"hosts": ["a"], "start": -1}]},
        {"windows": [{"hosts": ["a"], "start": 1e300}]},
        {"windows": [{"hosts": ["a", "a"], "start": 1}]},
        {"windows": [], "more": 1},
    ],
)
def test_plans_that_make_no_sense(client, cluster, body):
    answer = client.put("/maintenance/schedule", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert client.post("/maintenance/down").status_code == 400


@pytest.mark.parametrize("path", ["/maintenance/schedule", "/quota", "/weights"])
def test_a_body_that_is_missing(client, path):
    answer = client.put(path)
    assert (answer.status_code, answer.json()) == (400, {"error": "body: missing"})


def test_a_page_from_elsewhere_changes_nothing(client, busy):
    answer = client.post("/tasks/b/kill", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "evil.example" in answer.json()["error"]
    for origin in ("null", "http://[::1", "testserver.local"):
        assert client.post("/tasks/b/kill", headers={"Origin": origin}).status_code == 403
    assert client.get("/tasks/b").json()["state"] == "RUNNING"
    assert client.post("/tasks/b/kill", headers={"Origin": "http://testserver.local"}).status_code == 202


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1:5050", True),
        ("[::1]:5050", True),
        ("localhost", True),
        (f"{socket.gethostname()}:5050", True),
        ("rebound.example:5050", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_a_page_whose_name_was_made_to_mean_this_host_is_not_local(loop, cluster, host, is_local):
    seen = []

    def access(asked):
        seen.append(asked.is_local)
        return "enough"

    with TestClient(make_master_app(Reader(loop), lambda: cluster.master, lambda *_: None, access)) as client:
        answer = client.post("/tasks/x/kill", headers={"Origin": f"http://{host}", "Host": host})
        assert answer.status_code == 403
        client.post("/tasks/x/kill", headers={"Host": host})
    assert seen in ([is_local, True], [True])


def test_access_rules_see_every_request(loop, cluster):
    seen = []

    def access(asked):
        seen.append((asked.method, asked.path, asked.principal))
        return "only for friends" if asked.path == "/state" else None

    with TestClient(make_master_app(Reader(loop), lambda: cluster.master, lambda *_: None, access)) as client:
        answer = client.get("/state")
        assert (answer.status_code, answer.json()) == (403, {"error": "only for friends"})
        assert client.get("/schema").status_code == 200
        client.post("/tasks/x/kill", headers={"Origin": "http://elsewhere"})
    assert seen == [("GET", "/state", None), ("GET", "/schema", None)]


def test_a_standby_says_where_the_leader_is(loop):
    leader = ""
    app = make_master_app(Reader(loop), lambda: None, lambda *_: None, leader_url=lambda: leader)
    with TestClient(app) as client:
        for ask in (lambda: client.get("/agents"), lambda: client.post("/tasks/x/kill")):
            assert ask().status_code == 503
        assert client.get("/health").status_code == 200
        leader = "http://m2:5050"
        answer = client.get("/tasks?limit=5", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (307, "http://m2:5050/tasks?limit=5")
        answer = client.post("/tasks/a%3Fb%2541%23/kill", follow_redirects=False)
        assert answer.headers["location"] == "http://m2:5050/tasks/a%3Fb%2541%23/kill"


def test_a_core_that_hangs_is_not_healthy(cluster):
    from mesos_py.runtime.loop import Loop

    still = Loop()
    with TestClient(make_master_app(Reader(still, timeout_s=0.05), lambda: cluster.master, lambda *_: None)) as client:
        answer = client.get("/agents")
    assert answer.status_code == 503
    assert "busy" in answer.json()["error"]
    still.close()


def test_our_own_mistakes_are_logged_and_not_shown(loop, capsys):
    def broken():
        raise RuntimeError("secret detail")

    with TestClient(make_master_app(Reader(loop), broken, lambda *_: None), raise_server_exceptions=False) as client:
        answer = client.get("/agents")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    error_id = answer.json()["error"].split()[2].rstrip(";")
    written = "".join(capsys.readouterr())
    assert error_id in written
    assert "secret detail" in written


def test_the_openapi_document(client):
    document = client.get("/schema").json()
    jsonschema.Draft202012Validator.check_schema({"$defs": document["components"]["schemas"]})
    assert document["openapi"].startswith("3.1")
    paths = document["paths"]
    assert {
        "/state",
        "/agents",
        "/tasks",
        "/tasks/{task_id}",
        "/tasks/{task_id}/kill",
        "/roles",
        "/quota",
        "/weights",
    } <= set(paths)
    assert "Problem" in json.dumps(paths["/tasks"]["get"]["responses"]["400"])
    assert "AgentPage" in json.dumps(paths["/agents"]["get"]["responses"]["200"])


def test_answers_are_as_the_document_says(client, busy):
    document = client.get("/schema").json()
    for path in (
        "/agents",
        "/frameworks",
        "/tasks",
        "/offers",
        "/roles",
        "/quota",
        "/weights",
        "/state",
        "/health",
        "/version",
        "/masters",
        *MAINTENANCE,
    ):
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(client.get(path).json(), {**schema, "components": document["components"]})
