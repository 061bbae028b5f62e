"""What is secret is nowhere to be seen but where root keeps it."""

from shared.hosts import COMMAND, done, mesos, secrets_of, until

KNOWN = "/root/verify-secrets"
"""A list on the host: what is searched for must not be among the arguments of who searches."""
READABLE = (
    "cd /; setpriv --reuid=nobody --regid=nogroup --clear-groups "
    "find / /run /dev/shm -xdev -type f -cnewer /etc/machine-id -readable -print0 2>/dev/null"
)
"""What nobody may read, of all that was written since the machine became this host."""
JOB = "verify-secrets"


def known_to(host):
    secrets = secrets_of(host)
    assert len(secrets) >= 6
    done(host, f"umask 077; printf '%s\\n' {' '.join(secrets)} >{KNOWN}")


def test_nobody_else_gets_to_see_them(host):
    """While a task runs: not in journal and logs, in what systemd tells, in arguments, nor in files others can read."""
    known_to(host)
    job = f"{COMMAND}run --user nobody --cpus 0.1 --mem 32 -- sleep 86398"
    done(host, f"systemd-run -q --collect --unit={JOB} /bin/bash -c '{job}'")
    try:
        until(lambda: host.run("pgrep -u nobody -x -f 'sleep 86398'").rc == 0)
        mesos(host, "agents")
        told = "journalctl --no-pager -o cat; systemctl show --all '*'; cat /proc/[0-9]*/cmdline"
        assert done(host, f"{{ {told}; }} 2>/dev/null | grep -acFf {KNOWN} || true") == "0"
        logs = done(host, f"find /var/log -type f -print0 | xargs -0r grep -alsFf {KNOWN} || true")
        assert logs == ""
        assert done(host, f"{READABLE} | xargs -0 grep -alsFf {KNOWN} || true") == ""
        # the task has what its user has, and no more
        pid = done(host, "pgrep -u nobody -x -f 'sleep 86398'")
        assert done(host, f"grep -acFf {KNOWN} /proc/{pid}/environ || true") == "0"
    finally:
        host.run(f"systemctl stop {JOB}; rm -f {KNOWN}")


def test_the_search_finds_what_is_to_be_found(host):
    """Or the one above would say nothing."""
    known_to(host)
    try:
        done(host, f"umask 022; head -n 1 {KNOWN} >/var/tmp/verify-leak")
        assert done(host, f"{READABLE} | xargs -0 grep -alsFf {KNOWN} || true") == "/var/tmp/verify-leak"
    finally:
        host.run(f"rm -f {KNOWN} /var/tmp/verify-leak")
