"""A real master and a real agent by TLS: who proves nothing changes nothing, and reads no sandbox."""

import json
import signal
import ssl
import subprocess
import sys

import httpx
import pytest
import trustme

from tests.support.cluster import Process, environment, wait_for
from tests.support.rabbitmq import free_ports

pytestmark = pytest.mark.integration

RULES = """
[[rules]]
allow = ["*"]
principals = ["alice", "admin"]

[[rules]]
deny = ["kill", "teardown", "mark_gone", "read_sandboxes"]
"""


class Site:
    """A master and an agent."""

    def __init__(self, rabbitmq, work):
        self.ca = trustme.CA()
        self.work = work
        self.ca.cert_pem.write_to_path(work / "ca.pem")
        self.ca.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(work / "server.pem")
        admin = self.ca.issue_cert("admin@example", common_name="admin")
        admin.private_key_and_cert_chain_pem.write_to_path(work / "admin.pem")
        (work / "acls.toml").write_text(RULES)
        made = [self.mesos("password", "--token", name) for name in ("alice", "bob")]
        (work / "credentials").write_text("".join(done.stdout for done in made))
        self.tokens = [done.stderr.split()[-1] for done in made]
        ports = free_ports(2)
        self.master_url, self.agent_url = (f"https://127.0.0.1:{port}" for port in ports)
        self.daemons = [
            self._start(role, port, rabbitmq) for role, port in zip(("master", "agent"), ports, strict=True)
        ]

    def _start(self, role, port, rabbitmq):
        names = {"cert": "server.pem", "client-ca": "ca.pem", "credentials": "credentials"}
        words = [word for name, file in names.items() for word in (f"--http-{name}", str(self.work / file))]
        words += ["--acl-file", str(self.work / "acls.toml"), "--broker", rabbitmq.url(), "--http-port", str(port)]
        words += ["--work-dir", str(self.work / role), "--log-format", "json"]
        if role == "agent":
            words += ["--advertise-url", self.agent_url, "--resources", "cpus:1;mem:64"]
        command = [sys.executable, "-m", "mesos_py", role, *words]
        return Process(command, self.work / f"{role}.log", "USR1" if role == "agent" else "TERM")

    def mesos(self, *words, **variables):
        command = [sys.executable, "-m", "mesos_py", *words]
        return subprocess.run(
            command, env=environment(**variables), capture_output=True, text=True, check=False, timeout=60
        )

    def get(self, url, token="", cert=None, method="GET"):
        context = ssl.create_default_context(cafile=self.work / "ca.pem")
        if cert:
            context.load_cert_chain(cert)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(method, url, headers=headers, verify=context, trust_env=False, timeout=10)

    def is_ready(self, url):
        try:
            return self.get(f"{url}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.leave() if daemon is self.daemons[1] else daemon.stop()
            print(daemon.text())


@pytest.fixture(scope="module")
def site(rabbitmq, tmp_path_factory):
    site = Site(rabbitmq, tmp_path_factory.mktemp("site"))
    try:
        wait_for(lambda: site.is_ready(site.master_url) and site.is_ready(site.agent_url), "both are ready")
        yield site
    finally:
        site.stop()


def test_only_tls_is_spoken(site):
    with pytest.raises(httpx.TransportError):
        httpx.get(site.master_url.replace("https", "http"), trust_env=False)
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(site.master_url, trust_env=False)


def test_who_proves_nothing_changes_nothing(site):
    kill = f"{site.master_url}/tasks/none/kill"
    nobody = site.get(kill, method="POST")
    assert (nobody.status_code, nobody.json()) == (401, {"error": "this takes credentials"})
    assert nobody.headers["www-authenticate"].startswith("Basic ")
    assert site.get(kill, "wrong", method="POST").json() == {"error": "this token is not known"}
    assert site.get(f"{site.master_url}/state").status_code == 200


def test_who_may_not_is_told_by_the_rules(site):
    alice, bob = site.tokens
    kill = f"{site.master_url}/tasks/none/kill"
    refused = site.get(kill, bob, method="POST")
    assert refused.status_code == 403
    assert refused.json() == {"error": "principal 'bob' may not kill (principal of the task's framework: none)"}
    assert site.get(kill, alice, method="POST").status_code == 404  # he may; there is no such task


def test_a_certificate_proves_who_asks(site):
    kill = f"{site.master_url}/tasks/none/kill"
    assert site.get(kill, cert=site.work / "admin.pem", method="POST").status_code == 404


def test_sandboxes_are_for_those_who_may_read_them(site):
    alice, bob = site.tokens
    browse = f"{site.agent_url}/files/browse"
    assert [site.get(browse, token).status_code for token in ("", bob, alice)] == [401, 403, 200]


def test_who_runs_something_reads_it_to_its_end(site, rabbitmq):
    """Also what has ended, when the framework has nothing there any more."""
    rabbitmq.ensure_user("bob", "secret")
    variables = {"MESOS_CA": str(site.work / "ca.pem"), "MESOS_TOKEN": site.tokens[1]}
    command = ["run", "--broker", rabbitmq.url("bob", "secret"), "--cpus", "0.1", "--mem", "16", "--instances", "5"]
    done = site.mesos(*command, "--name", "brief", "--", "echo", "hello", **variables)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"brief-{number} | hello" for number in range(5)], done.stderr


def test_the_command_proves_who_asks(site):
    (site.work / "token").write_text(site.tokens[0] + "\n")
    variables = {"MESOS_MASTER": site.master_url}
    ca = ("--ca", str(site.work / "ca.pem"))
    refused = site.mesos("kill", "none", *ca, **variables)
    assert (refused.returncode, refused.stderr) == (1, "mesos: this takes credentials\n")
    known = site.mesos("kill", "none", *ca, "--token-file", str(site.work / "token"), **variables)
    assert known.stderr == "mesos: no task none is known\n"
    assert "certificate verify failed" in site.mesos("agents", **variables).stderr


def test_rules_are_changed_under_a_running_master(site):
    bob = site.tokens[1]
    kill = f"{site.master_url}/tasks/none/kill"
    rules = site.work / "acls.toml"
    master = site.daemons[0]
    try:
        rules.write_text("default = 'maybe'")
        master.popen.send_signal(signal.SIGHUP)
        wait_for(lambda: "not reloaded" in master.text(), "bad rules are told")
        assert site.get(kill, bob, method="POST").status_code == 403
        rules.write_text("")
        master.popen.send_signal(signal.SIGHUP)
        wait_for(lambda: site.get(kill, bob, method="POST").status_code == 404, "the new rules hold")
    finally:
        rules.write_text(RULES)
        master.popen.send_signal(signal.SIGHUP)
        wait_for(lambda: site.get(kill, bob, method="POST").status_code == 403, "the old rules hold again")
    told = [json.loads(line) for line in master.text().splitlines()]
    [why] = [line["why"] for line in told if line["event"] == "not reloaded"]
    assert "acls.toml: default: " in why


def test_no_token_and_no_key_is_in_the_logs(site):
    said = "".join(daemon.text() for daemon in site.daemons)
    assert not any(token in said for token in site.tokens)
    assert "PRIVATE KEY" not in said
