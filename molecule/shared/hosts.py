"""What the tests of scenarios do to a host: commands, by ssh, as root."""

import re
import shlex
import time
from collections.abc import Callable
from typing import Any

__all__ = ["COMMAND", "done", "mesos", "secrets_of", "until"]

COMMAND = "set -a; . /etc/mesos/operator.env; exec mesos "
"""What our command is run by, as an operator, in a shell of root's on a host with a master."""


def done(host: Any, script: str) -> str:
    """What the script prints; it must succeed."""
    ran = host.run("/bin/bash -c %s", script)
    assert ran.rc == 0, f"{script}: {ran.stdout}{ran.stderr}"
    return str(ran.stdout).strip()


def mesos(host: Any, *words: str) -> str:
    """What our command prints, run by an operator."""
    return done(host, COMMAND + shlex.join(words))


def until(holds: Callable[[], bool], within_s: float = 240.0) -> None:
    """Ask a host, over and over, what nobody tells us when it changes."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s"
        time.sleep(1)


def secrets_of(host: Any) -> set[str]:
    """Passwords, tokens and the first line of each private key that the roles have put there."""
    files = "/etc/mesos/credentials/* /etc/mesos/operator.env /etc/rabbitmq/mesos/*.key /etc/mesos/pki/*.key"
    text = done(host, f"cat {files} /var/lib/rabbitmq/.erlang.cookie")
    passwords = re.findall(r"://[^:/@\s]+:([^@\s]+)@", text) + re.findall(r"MESOS_TOKEN=(\S+)", text)
    keys = re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(\S+)", text)
    return {*passwords, *keys, text.splitlines()[-1]}
