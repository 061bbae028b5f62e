"""The module mesos_agent_mode against masters of our own: whom it asks what, what it calls changed, when it fails."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.support.ansible import load

module = load("library/mesos_agent_mode")
AFTER = {"drain": "DRAINED", "reactivate": "ACTIVE", "deactivate": "DEACTIVATED"}


class Master(ThreadingHTTPServer):
    """Leads, or sends callers on to who does; ``posted`` holds what it was asked to change."""

    daemon_threads = True

    def __init__(self, agents=(), leader=None, token="secret"):
        super().__init__(("127.0.0.1", 0), Answers)
        self.agents = [dict(agent) for agent in agents]
        self.leader, self.token = leader, token
        self.posted, self.stays = [], False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        agents = [agent for agent in self.server.agents if agent["status"] in asked["status"]]
        self.answer({"items": [each for each in agents if asked["node"][0] in (each["agent_id"], each["hostname"])]})

    def do_POST(self):
        agent_id, what = urlsplit(self.path).path.removeprefix("/agents/").split("/")
        if not self.server.leader:
            self.server.posted.append(self.path)
        if not self.server.leader and not self.server.stays:
            [agent] = [agent for agent in self.server.agents if agent["agent_id"] == agent_id]
            if what == "gone":
                self.server.agents.remove(agent)
            else:
                agent["mode"] = AFTER[what]
        self.answer({})

    def answer(self, body):
        if self.server.leader:
            self.send_response(307)
            self.send_header("Location", self.server.leader + self.path)
            self.end_headers()
            return
        known = self.headers.get("Authorization") == f"Bearer {self.server.token}"
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(json.dumps(body if known else {"error": "the rules forbid it"}).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def start(monkeypatch):
    """Makes masters."""
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)
    started = []

    def make(*agents, **given):
        started.append(Master(agents, **given))
        return started[-1]

    yield make
    for master in started:
        master.shutdown()
        master.server_close()


@pytest.fixture
def run(capsys):
    def call(masters, state, *, check=False, **given):
        urls = [each if isinstance(each, str) else each.url for each in masters]
        wish = {"masters": urls, "token": "secret", "node": "n1", "state": state, "timeout_s": 5} | given
        with patch_module_args(wish | {"_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return call


def an_agent(mode="ACTIVE", agent_id="M1-A1", hostname="n1", status="connected"):
    return {"agent_id": agent_id, "hostname": hostname, "status": status, "mode": mode, "tasks": 2}


@pytest.mark.parametrize(
    ("mode", "state", "posted"),
    [
        ("ACTIVE", "drained", ["/agents/M1-A1/drain"]),
        ("DEACTIVATED", "drained", ["/agents/M1-A1/drain"]),
        ("DRAINED", "drained", []),
        ("DRAINED", "active", ["/agents/M1-A1/reactivate"]),
        ("DEACTIVATED", "active", ["/agents/M1-A1/reactivate"]),
        ("DRAINING", "active", ["/agents/M1-A1/reactivate"]),  # which the masters refuse, and say why
        ("ACTIVE", "active", []),
        ("ACTIVE", "deactivated", ["/agents/M1-A1/deactivate"]),
        ("DRAINED", "gone", ["/agents/M1-A1/gone"]),
        ("DRAINING", "gone", ["/agents/M1-A1/gone"]),
        ("ACTIVE", "present", []),
    ],
)
def test_it_does_what_is_missing_and_no_more(start, run, mode, state, posted):
    master = start(an_agent(mode))
    assert run([master], state, check=True)["changed"] == bool(posted)
    assert master.posted == []
    result = run([master], state)
    assert master.posted == posted
    assert result["changed"] == bool(posted)
    assert (result["mode"], result["tasks"]) == (mode, 2)
    assert not run([master], state)["changed"]


def test_bounds_of_a_drain_are_passed_on(start, run):
    master = start(an_agent())
    run([master], "drained", deadline_s=600, max_grace_period_s=5)
    assert master.posted == ["/agents/M1-A1/drain?deadline_s=600.0&max_grace_period_s=5.0"]


def test_a_standby_sends_on_to_the_leader_and_a_dead_one_is_passed_over(start, run):
    leader = start(an_agent())
    standby = start(leader=leader.url)
    assert run(["http://127.0.0.1:9", standby], "drained")["changed"]
    assert len(leader.posted) == 1
    assert standby.posted == []


def test_masters_without_a_leader_are_told(start, run):
    standby = start(leader="http://127.0.0.1:9")
    standby.leader = standby.url
    assert "there is no leader yet" in run([standby], "drained")["msg"]


def test_a_refusal_says_why(start, run):
    result = run([start(an_agent())], "drained", token="guessed")
    assert result["failed"]
    assert result["msg"] == "the rules forbid it"


def test_who_is_not_there(start, run):
    master = start(an_agent(hostname="n2"))
    assert run([master], "drained")["msg"] == "no agent n1 is registered"
    assert not run([master], "gone")["changed"]
    assert "the masters do not know it" in run([master], "present", timeout_s=0.05)["msg"]


def test_what_is_unreachable_is_given_up_with_its_host_and_else_not_there(start, run):
    lost = [an_agent(agent_id=agent_id, status="unreachable") for agent_id in ("M1-A7", "M1-A8")]
    master = start(an_agent(), *lost, an_agent(agent_id="M1-A9", hostname="n2", status="unreachable"))
    assert run([master], "drained")["agent_id"] == "M1-A1"
    assert run([master], "gone")["tasks"] == 6
    assert master.posted[1:] == ["/agents/M1-A1/gone", "/agents/M1-A7/gone", "/agents/M1-A8/gone"]
    assert run([master], "drained", node="n2")["msg"] == "no agent n2 is registered"
    assert run([master], "gone", node="n2")["changed"]
    assert not run([master], "gone", node="n2")["changed"]


def test_a_name_of_several_is_refused(start, run):
    master = start(an_agent(), an_agent(agent_id="M1-A2"))
    assert run([master], "drained")["msg"] == "several agents are called n1: M1-A1, M1-A2"


def test_it_says_what_is_in_the_way_when_the_time_is_over(start, run):
    master = start(an_agent())
    master.stays = True
    result = run([master], "drained", timeout_s=0.05)
    assert result["msg"] == "n1 is not drained after 0.05 s: it is ACTIVE"


def test_nobody_answers(run):
    assert run(["http://127.0.0.1:9"], "drained")["msg"].startswith("http://127.0.0.1:9: ")
