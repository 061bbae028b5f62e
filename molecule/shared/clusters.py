"""What the tests of scenarios with several hosts ask them, and do to them."""

import json
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from shared.hosts import COMMAND, done, mesos, until
from vm.cluster import FAULTS, Cluster, find_cluster

__all__ = [
    "EACH",
    "agents",
    "fault",
    "is_whole",
    "leader_of",
    "machines",
    "readiness",
    "run_on_each",
    "start_job",
    "status_of",
    "task_processes",
    "until_there_is",
    "zookeeper_mode",
]

T = TypeVar("T")

_READY: Final = "curl -s --max-time 60 --cacert /etc/mesos/pki/ca.pem https://$(hostname):{port}/health/ready"
EACH: Final = ("--instances", "3", "--constraint", "@hostname:UNIQUE")
"""Of `mesos run`: one task on each of three hosts."""
_PORTS: Final = {"master": 5050, "agent": 5051}


def readiness(host: Any, daemon: str) -> str:
    """What a master or an agent says of itself; empty if it is not ready or does not answer, or its host does not."""
    said = _answer(host, _READY.format(port=_PORTS[daemon]))
    return str(json.loads(said).get("status", "")) if said else ""


def status_of(host: Any, daemon: str) -> str:
    """What `systemctl status` of a master or an agent has behind Status."""
    return done(host, f"systemctl show -P StatusText mesos-{daemon}")


def leader_of(hosts: Mapping[str, Any]) -> str | None:
    """Name of the host whose master leads."""
    leading = [name for name, host in hosts.items() if readiness(host, "master").startswith("leading epoch")]
    return leading[0] if len(leading) == 1 else None


def is_whole(hosts: Mapping[str, Any]) -> bool:
    """Three hosts do everything: one leads, the others stand by; the ensemble is complete; all agents are there."""
    if (leader := leader_of(hosts)) is None:
        return False
    masters = [readiness(host, "master") for name, host in hosts.items() if name != leader]
    modes = sorted(zookeeper_mode(host) for host in hosts.values())
    joined = [readiness(host, "agent").startswith("registered") for host in hosts.values()]
    stand_by = all(said.startswith(f"standing by for https://{leader}:") for said in masters)
    return stand_by and modes == ["follower", "follower", "leader"] and all(joined)


def zookeeper_mode(host: Any) -> str:
    """What the host's server is in the ensemble: leader, follower, or empty if it does not serve."""
    return _answer(host, "exec 3<>/dev/tcp/127.0.0.1/2181; echo srvr >&3; sed -n 's/^Mode: //p' <&3")


def _answer(host: Any, script: str) -> str:
    try:
        asked = host.run("/bin/bash -c %s", script)
    except RuntimeError:  # Testinfra's for a host that cannot be reached
        return ""
    return str(asked.stdout).strip() if asked.rc == 0 else ""


def agents(host: Any) -> dict[str, dict[str, Any]]:
    """What the masters know of the agents, by name of their hosts; asked on a host with a master."""
    return {each["hostname"]: each for each in json.loads(mesos(host, "agents", "--json"))}


def run_on_each(host: Any, *command: str) -> str:
    """What this says on each of three hosts, run by an operator on one of them."""
    return mesos(host, "run", "--user", "nobody", "--cpus", "0.1", "--mem", "32", *EACH, "--", *command)


def start_job(host: Any, unit: str, *words: str) -> None:
    """A job of an operator that goes on when this login ends, as a unit of this name."""
    command = f"{COMMAND}run --user nobody --cpus 0.1 --mem 32 {shlex.join(words)}"
    done(host, f"systemd-run -q --collect --unit={unit} /bin/sh -c {shlex.quote(command)}")


def task_processes(host: Any, command: str) -> list[tuple[str, ...]]:
    """Of tasks that run exactly this: PID and when it began, by which a process is known again."""
    script = f"for pid in $(pgrep -u nobody -x -f {shlex.quote(command)}); do cut -d ' ' -f 1,22 /proc/$pid/stat; done"
    return [tuple(line.split()) for line in done(host, script).splitlines()]


def until_there_is(asked: Callable[[], T | None]) -> T:
    """The first answer that is not None."""
    answers: list[T] = []

    def holds() -> bool:
        if (answer := asked()) is not None:
            answers.append(answer)
        return bool(answers)

    until(holds)
    return answers[-1]


def machines() -> Cluster:
    """Those of the scenario that is tested."""
    name = os.environ["MOLECULE_SCENARIO_NAME"]
    cluster = find_cluster(Path(__file__).resolve().parents[2] / ".make" / "vm" / name)
    assert cluster is not None, f"no machines are up as {name}"
    return cluster


def fault(kind: str, node: str) -> None:
    """Hurt a machine, or mend it: docs/virtual-machines.md."""
    FAULTS[kind](machines().machines[node])
