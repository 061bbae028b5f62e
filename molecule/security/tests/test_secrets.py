"""What is secret is nowhere to be seen but where root, or the daemon whose it is, keeps it."""

import re

import pytest

from shared.hosts import COMMAND, done, mesos, until

KEPT = (
    "/etc/mesos/credentials /etc/mesos/operator.env /etc/mesos/pki "
    "/etc/rabbitmq/mesos /var/lib/rabbitmq/.erlang.cookie /etc/prometheus/mesos"
)
"""Where secrets are; not all of it is on every host."""
KNOWN = "/root/verify-secrets"
"""A list on the host: what is searched for must not be among the arguments of who searches."""
AS_NOBODY = "cd /; setpriv --reuid=nobody --regid=nogroup --clear-groups"
READABLE = f"{AS_NOBODY} find / /run /dev/shm -xdev -type f -cnewer /etc/machine-id -readable -print0 2>/dev/null"
"""What nobody may read, of all that was written since the machine became this host."""
JOB, PROCESS = "verify-secrets", "sleep 86398"


def secrets_in(text):
    """Passwords, tokens, password hashes that could be guessed from, and the first line of each private key."""
    passwords = re.findall(r"://[^:/@\s]+:([^@\s]+)@", text) + re.findall(r"MESOS_TOKEN=(\S+)", text)
    keys = re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(\S+)", text)
    tokens = re.findall(r"^[0-9a-f]{48}$", text, re.MULTILINE)
    return {*passwords, *keys, *tokens, *re.findall(r'"password_hash": "([^"]+)"', text)}


@pytest.fixture(scope="module")
def known(host):
    """The file with all secrets of this host."""
    text = done(host, f"find {KEPT} -type f 2>/dev/null | while read -r file; do cat $file; echo; done")
    secrets = secrets_in(text)
    assert len(secrets) >= 5
    done(host, f"umask 077; printf '%s\\n' {' '.join(map(repr, sorted(secrets)))} >{KNOWN}")
    yield KNOWN
    host.run(f"rm -f {KNOWN}")


@pytest.fixture(scope="module")
def pid(host):
    """Of a task that runs here, of an operator's job."""
    node = done(host, "hostname")
    job = f"{COMMAND}run --user nobody --cpus 0.1 --mem 32 --constraint @hostname:LIKE:{node} -- {PROCESS}"
    done(host, f"systemd-run -q --collect --unit={JOB} /bin/bash -c '{job}'")
    until(lambda: host.run(f"pgrep -u nobody -x -f '{PROCESS}'").rc == 0)
    yield done(host, f"pgrep -u nobody -x -f '{PROCESS}'")
    done(host, f"systemctl stop {JOB}")
    until(lambda: host.run(f"pgrep -u nobody -x -f '{PROCESS}'").rc != 0)


def test_they_are_not_told_while_tasks_run(host, known, pid):
    """In the journal, in what systemd tells, in arguments of processes, nor in logs."""
    mesos(host, "agents")
    told = "journalctl --no-pager -o export; systemctl show --all '*'; cat /proc/[0-9]*/cmdline"
    assert done(host, f"{{ {told}; }} 2>/dev/null | grep -acFf {known} || true") == "0"
    assert done(host, f"find /var/log -type f -print0 | xargs -0r grep -alsFf {known} || true") == ""


def test_nobody_reads_them_in_files(host, known, pid):
    """In what was unpacked, written and installed since the host was bare."""
    assert done(host, f"{READABLE} | xargs -0 grep -alsFf {known} || true") == ""


def test_nobody_reads_them_in_environments(host, known, pid):
    environments = "bash -c 'cat /proc/[0-9]*/environ 2>/dev/null'"
    assert done(host, f"{AS_NOBODY} {environments} | grep -acFf {known} || true") == "0"


def test_a_task_has_none_of_them(host, known, pid):
    assert done(host, f"grep -acFf {known} /proc/{pid}/environ || true") == "0"
    assert done(host, f"grep -acFf {known} /proc/{pid}/cmdline || true") == "0"


def test_files_with_secrets_are_roots_or_their_daemons(host):
    modes = done(host, f"find {KEPT} -type f -printf '%m %u %g %p\\n' 2>/dev/null || true").splitlines()
    public = re.compile(r"/(ca|node)\.pem$")
    for line in modes:
        mode, user, group, path = line.split()
        if not public.search(path):
            assert int(mode, 8) & 0o037 == 0, line
            assert user == "root" or (user, path) == ("rabbitmq", "/var/lib/rabbitmq/.erlang.cookie"), line
            assert group in ("root", "rabbitmq", "prometheus", "mesos"), line


def test_the_search_finds_what_is_to_be_found(host, known):
    """Or the ones above would say nothing."""
    try:
        done(host, f"umask 022; tail -n 1 {known} >/var/tmp/verify-leak")
        assert done(host, f"{READABLE} | xargs -0 grep -alsFf {known} || true") == "/var/tmp/verify-leak"
        environment = (
            f'env SECRET="$(tail -n 1 {known})" setpriv --reuid=nobody --regid=nogroup --clear-groups sleep 77'
        )
        done(host, f"{environment} >/dev/null 2>&1 & echo")
        found = f"{AS_NOBODY} bash -c 'cat /proc/[0-9]*/environ 2>/dev/null' | grep -acFf {known} || true"
        assert done(host, found) == "1"
    finally:
        host.run("rm -f /var/tmp/verify-leak; pkill -u nobody -x -f 'sleep 77'")
