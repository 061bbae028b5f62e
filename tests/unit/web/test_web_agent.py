"""An agent's HTTP API: its view, and files read whole, in parts and as they grow."""

import json
import threading
import time

import jsonschema
import msgspec
import pytest
from litestar.testing import TestClient

from mesos_py.agent.views import AgentView, ExecutorView, FrameworkView, TaskView
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, MasterID, Role, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, TaskInfo, TaskState
from mesos_py.web.agent import OFFSET_HEADER, SIZE_HEADER, make_agent_app
from mesos_py.web.reader import Reader

V = "/frameworks/F/tasks/T/latest"


@pytest.fixture
def box(tmp_path):
    sandbox = tmp_path / "sandboxes" / "A1" / "F" / "tasks" / "T" / "C-1"
    sandbox.mkdir(parents=True)
    (sandbox / "stdout").write_bytes(b"0123456789")
    return sandbox


class FakeAgent:
    def __init__(self, sandbox, task_id="T") -> None:
        self.sandbox = str(sandbox)
        self.framework_id = FrameworkID("F")
        self.task_ids = [TaskID(task_id)]
        self.state = TaskState.RUNNING
        self.executors = []
        self.measure = list

    def usage(self) -> list[ContainerUsage]:
        return self.measure()

    def view(self) -> AgentView:
        resources = Resources.of(cpus=1)
        tasks = [
            TaskView(
                framework_id=self.framework_id,
                task_id=task_id,
                task=TaskInfo(task_id=task_id, resources=resources),
                role=Role("*"),
                state=self.state,
                executor_id=None,
                container_id=ContainerID("C-1"),
                sandbox=self.sandbox,
                newest_status=None,
                unacknowledged=0,
            )
            for task_id in self.task_ids
        ]
        framework = FrameworkView(
            framework_id=self.framework_id,
            framework=FrameworkInfo(name="shop"),
            removed=False,
            tasks=tasks,
            executors=self.executors,
        )
        return AgentView(
            agent_id=AgentID("A1"),
            info=AgentInfo(name="node", hostname="node", resources=resources),
            connected=True,
            registered=True,
            leaving=False,
            epoch=1,
            master_id=MasterID("M"),
            used=resources,
            frameworks=[framework],
            completed_tasks=[],
            completed_executors=[],
            counters={},
        )


@pytest.fixture
def agent(box):
    return FakeAgent(box)


@pytest.fixture
def client(loop, agent, tmp_path):
    with TestClient(make_agent_app(Reader(loop), agent.view, str(tmp_path), agent.usage)) as client:
        yield client


def test_state_health_version(client, agent):
    state = client.get("/state").json()
    assert msgspec.json.decode(json.dumps(state))["frameworks"][0]["tasks"][0]["state"] == "RUNNING"
    assert client.get("/health").status_code == client.get("/version").status_code == 200


def used(container_id, **figures):
    return ContainerUsage(container_id=ContainerID(container_id), **figures)


def test_what_a_container_uses(client, agent):
    agent.measure = lambda: [used("C-1", processes=2, cpu_s=1.5, memory_bytes=1000)]
    before = time.time()
    page = client.get("/containers").json()
    [container] = page["items"]
    assert (page["total"], page["offset"]) == (1, 0)
    assert before <= container.pop("measured") <= time.time()
    assert container == {
        "container_id": "C-1",
        "framework_id": "F",
        "executor_id": None,
        "task_ids": ["T"],
        "resources": {"cpus": 1.0},
        "usage": {"container_id": "C-1", "processes": 2, "cpu_s": 1.5, "memory_bytes": 1000},
    }


def executor_view(container_id):
    return ExecutorView(
        framework_id=FrameworkID("F"),
        executor=ExecutorInfo(executor_id=ExecutorID("E"), command=CommandInfo(value="true")),
        role=Role("*"),
        container_id=ContainerID(container_id),
        sandbox="",
        connected=True,
        resources=Resources.of(cpus=3),
    )


def test_a_custom_executors_container_is_listed_once_with_its_tasks(client, agent):
    agent.task_ids = [TaskID("T"), TaskID("U")]
    agent.executors = [executor_view("C-1"), executor_view("C-2")]
    agent.measure = lambda: [used("C-2"), used("C-1")]
    idle, busy = client.get("/containers").json()["items"]
    assert (idle["container_id"], idle["executor_id"], idle["task_ids"]) == ("C-2", "E", [])
    assert (busy["executor_id"], busy["task_ids"], busy["resources"]) == ("E", ["T", "U"], {"cpus": 3.0})


def test_containers_of_ended_tasks_and_of_nobody(client, agent):
    agent.state = TaskState.FINISHED
    agent.measure = lambda: [used("C-1"), used("C-9")]
    [ending] = client.get("/containers").json()["items"]
    assert (ending["container_id"], ending["task_ids"]) == ("C-1", [])


def test_containers_come_in_pages(client, agent):
    agent.measure = lambda: [used("C-1", processes=n) for n in range(5)]
    page = client.get("/containers", params={"limit": 2, "offset": 3}).json()
    assert [each["usage"]["processes"] for each in page["items"]] == [3, 4]
    assert (page["total"], page["offset"]) == (5, 3)
    assert client.get("/containers?limit=1001").status_code == 400


@pytest.mark.parametrize(
    ("query", "data", "offset"),
    [
        ({}, b"0123456789", 0),
        ({"offset": 4}, b"456789", 4),
        ({"offset": 4, "length": 2}, b"45", 4),
        ({"length": 0}, b"", 0),
        ({"offset": -1}, b"", 10),
        ({"offset": 10}, b"", 10),
        ({"offset": 5000}, b"", 5000),
    ],
)
def test_parts_of_a_file(client, query, data, offset):
    answer = client.get("/files/read", params={"path": f"{V}/stdout", **query})
    assert (answer.content, answer.headers[SIZE_HEADER], answer.headers[OFFSET_HEADER]) == (data, "10", str(offset))
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_part_is_limited_unless_more_is_asked_for(client, box):
    (box / "stdout").write_bytes(b"x" * 2_000_000)
    for query, length in (({}, 65536), ({"length": 1048576}, 1048576)):
        assert len(client.get("/files/read", params={"path": f"{V}/stdout", **query}).content) == length


@pytest.mark.parametrize("query", ["", "path=/x&offset=-2", "path=/x&length=1048577", "path=/x&follow=perhaps"])
def test_bad_values_are_refused_in_one_line(client, query):
    answer = client.get(f"/files/read?{query}")
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}


@pytest.mark.parametrize(
    ("path", "status_code"),
    [
        (f"{V}/nothing", 404),
        (f"{V}/passwd", 403),
        (f"{V}/../../secret", 403),
        ("/etc/passwd", 400),
        ("/frameworks/F/tasks/X/latest/stdout", 404),
    ],
)
@pytest.mark.parametrize("query", ["read", "read?follow=1", "download"])
def test_files_that_cannot_be_read(client, box, path, status_code, query):
    (box / "passwd").symlink_to("/etc/passwd")
    answer = client.get(f"/files/{query}", params={"path": path, **({"follow": 1} if "follow" in query else {})})
    assert answer.status_code == status_code
    assert "root:" not in answer.text
    assert answer.json().keys() == {"error"}


def test_browse(client, box):
    page = client.get("/files/browse", params={"path": V}).json()
    assert page["total"] == 1
    assert page["items"][0]["path"] == f"{V}/stdout"
    assert client.get("/files/browse").json()["items"][0]["name"] == "frameworks"
    assert client.get("/files/browse", params={"path": "/else"}).status_code == 404
    assert client.get("/files/browse", params={"path": f"{V}/.."}).status_code == 403


def test_of_several_paths_all_must_be_readable(loop, agent, tmp_path):
    """A handler is given one of them, and which one is not for the client to choose."""
    owners = {"F": "shop", "F-OTHER": "other"}

    def view():
        return msgspec.structs.replace(agent.view(), owners=owners)

    def why_not_read(_principal, owner):
        return None if owner == "shop" else "not yours"

    app = make_agent_app(Reader(loop), view, str(tmp_path), agent.usage, why_not_read=why_not_read)
    with TestClient(app) as client:
        assert client.get("/files/browse", params={"path": V}).status_code == 200
        for paths in ([V, "/frameworks/F-OTHER"], ["/frameworks/F-OTHER", V]):
            for what in ("browse", "read", "download"):
                assert client.get(f"/files/{what}", params={"path": paths}).status_code == 403


def test_download(client, box):
    (box / 'odd "name".bin').write_bytes(bytes(range(256)) * 1000)
    answer = client.get("/files/download", params={"path": f'{V}/odd "name".bin'})
    assert answer.content == bytes(range(256)) * 1000
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''odd%20%22name%22.bin"


def test_following_ends_with_the_task(client, agent, box):
    agent.state = TaskState.FINISHED
    answer = client.get("/files/read", params={"path": f"{V}/stdout", "follow": 1, "offset": 2})
    assert answer.content == b"23456789"
    assert answer.headers[OFFSET_HEADER] == "2"


def test_following_brings_what_is_written_until_the_end(client, agent, box):
    got = []
    done = threading.Event()

    def follow():
        got.append(client.get("/files/read", params={"path": f"{V}/stdout", "follow": 1}).content)
        done.set()

    threading.Thread(target=follow, daemon=True).start()
    assert not done.wait(0.3)
    with (box / "stdout").open("ab") as log:
        log.write(b" and more")
    (box / "stdout").rename(box / "stdout.1")
    (box / "stdout").write_bytes(b" in a new file")
    agent.state = TaskState.KILLED
    assert done.wait(5)
    assert got == [b"0123456789 and more in a new file"]


def test_following_one_task_of_an_executor(client, agent):
    answer = client.get("/files/read", params={"path": f"{V}/stdout", "follow": 1, "task_id": "another"})
    assert answer.content == b"0123456789"


def test_the_openapi_document(client, agent):
    document = client.get("/schema").json()
    jsonschema.Draft202012Validator.check_schema({"$defs": document["components"]["schemas"]})
    assert {"/files/read", "/files/browse", "/files/download"} <= set(document["paths"])
    agent.measure = lambda: [used("C-1", processes=2, cpu_s=1.5)]
    for path in ("/state", "/containers"):
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(client.get(path).json(), {**schema, "components": document["components"]})
