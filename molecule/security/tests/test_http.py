"""What masters and agents tell and do for somebody without credentials, and for those who may only look."""

import re

import pytest

from shared.hosts import done

PORTS = {"master": 5050, "agent": 5051}
OPEN = ["/health", "/health/live", "/version"]
CLOSED = {
    "master": [
        "/state",
        "/agents",
        "/frameworks",
        "/tasks",
        "/offers",
        "/roles",
        "/masters",
        "/quota",
        "/metrics",
        "/schema",
    ],
    "agent": ["/state", "/metrics", "/containers", "/files/browse?path=/", "/files/read?path=/&offset=0", "/schema"],
}
CHANGES = {
    "POST": [
        "/tasks/x/kill",
        "/frameworks/x/teardown",
        "/agents/x/drain",
        "/agents/x/gone",
        "/maintenance/down?host=x",
    ],
    "PUT": ["/weights", "/quota", "/maintenance/schedule"],
    "DELETE": ["/weights?role=x", "/quota?role=x"],
}
ANONYMOUS = ""
OPERATOR = ". /etc/mesos/operator.env; TOKEN=$MESOS_TOKEN;"


def codes(host, daemon, paths, *, login=ANONYMOUS, method="GET"):
    """With which code each path answered, by TLS; ``login`` is a script that sets TOKEN."""
    port = PORTS[daemon]
    each = " ".join(f"'{path}'" for path in paths)
    header = '${TOKEN:+-H "Authorization: Bearer $TOKEN"}'
    ask = f"curl -s -o /dev/null -w '%{{http_code}} ' -X {method} --cacert /etc/mesos/pki/ca.pem {header}"
    script = f'TOKEN=; {login} for path in {each}; do {ask} "https://localhost:{port}$path"; done'
    return dict(zip(paths, map(int, done(host, script).split()), strict=True))


@pytest.mark.parametrize("daemon", PORTS)
def test_somebody_learns_that_it_lives_and_nothing_else(host, daemon):
    assert set(codes(host, daemon, OPEN).values()) == {200}
    assert set(codes(host, daemon, CLOSED[daemon]).values()) == {401}


@pytest.mark.parametrize("daemon", PORTS)
def test_who_guesses_is_refused_also_what_all_may_see(host, daemon):
    guess = "TOKEN=guessed;"
    assert set(codes(host, daemon, [*OPEN, *CLOSED[daemon]], login=guess).values()) == {401}


@pytest.mark.parametrize("method", CHANGES)
def test_somebody_changes_nothing(host, method):
    assert set(codes(host, "master", CHANGES[method], method=method).values()) == {401}


@pytest.mark.parametrize("daemon", PORTS)
def test_nothing_is_told_in_the_clear(host, daemon):
    asked = host.run("curl -s --max-time 60 http://localhost:%s/version", str(PORTS[daemon]))
    assert "version" not in asked.stdout


def test_an_operator_may_look_at_whoever_leads(host):
    """Those who stand by say where that is."""
    assert set(codes(host, "agent", ["/state", "/metrics"], login=OPERATOR).values()) == {200}
    [code] = codes(host, "master", ["/agents"], login=OPERATOR).values()
    if code == 307:
        ask = 'curl -s -o /dev/null --cacert /etc/mesos/pki/ca.pem -H "Authorization: Bearer $TOKEN"'
        leader = done(host, f"{OPERATOR} {ask} -w '%{{redirect_url}}' https://localhost:5050/agents")
        assert re.fullmatch(r"https://[^/]+:5050/agents", leader)
        code = int(done(host, f"{OPERATOR} {ask} -w '%{{http_code}}' {leader}"))
    assert code == 200


def test_the_ends_of_certificates_are_watched(host):
    pem = "openssl x509 -noout -enddate -in /etc/mesos/pki"
    seconds = f'for file in ca node; do date -d "$({pem}/$file.pem | cut -d= -f2)" +%s; done'
    proof = "--cert /etc/prometheus/mesos/node.pem --key /etc/prometheus/mesos/node.key --cacert /etc/mesos/pki/ca.pem"
    shown = done(host, f"curl -s {proof} https://localhost:9100/metrics | grep ^x509_cert_not_after")
    assert [f"{float(line.split()[1]):.0f}" for line in shown.splitlines()] == done(host, seconds).split()


def test_who_watches_over_the_cluster_may_only_look(host):
    watcher = "TOKEN=$(cat /etc/prometheus/mesos/token);"
    for daemon in PORTS:
        assert set(codes(host, daemon, ["/metrics"], login=watcher).values()) == {200}
    assert set(codes(host, "agent", ["/files/browse?path=/"], login=watcher).values()) == {403}
    for method, paths in CHANGES.items():
        assert set(codes(host, "master", paths, login=watcher, method=method).values()) <= {307, 400, 403}
