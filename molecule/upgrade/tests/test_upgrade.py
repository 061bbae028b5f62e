"""No task was lost or begun twice while all daemons went to another release and back; prints how long it was quiet."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from shared.hosts import done

NAMES = ("node1", "node2", "node3")
LONGEST_S = 60.0
"""Without offers, on emulated machines; the leader changes twice."""


@pytest.fixture(scope="module")
def journal(hosts):
    """What the framework asked for and heard."""
    return [json.loads(line) for line in done(hosts["node1"], "cat /srv/load/journal").splitlines()]


@pytest.fixture(scope="module")
def effects(hosts):
    """How often each task noted that it had begun, or ended."""
    lines = [line for host in hosts.values() for line in done(host, "cat /srv/load/effects").splitlines()]
    return Counter(tuple(line.split()) for line in lines)


def launched(journal):
    return [line["task_id"] for line in journal if line["what"] == "launch"]


def test_each_task_was_begun_once_and_none_was_lost(journal, effects):
    tasks = launched(journal)
    last = {line["task_id"]: line["state"] for line in journal if line["what"] == "update"}
    wanted = {task_id: "KILLED" if task_id.startswith("long-") else "FINISHED" for task_id in tasks}
    assert len(tasks) == len(wanted) > 20
    assert last == wanted
    assert {task_id: effects["begun", task_id] for task_id in tasks} == dict.fromkeys(tasks, 1)
    assert {task_id for task_id in tasks if effects["ended", task_id] != 1} == {f"long-{name}" for name in NAMES}
    begun = sum(number for (what, _), number in effects.items() if what == "begun")
    print(f"\ntasks launched {len(tasks)}, begun {begun}, lost 0, restarted 0")


def test_offers_came_again_soon(journal):
    times = [line["at"] for line in journal if line["what"] == "offers"]
    longest = max(later - earlier for earlier, later in pairwise(times))
    changes = sum(line["what"] == "disconnected" for line in journal)
    whole = times[-1] - times[0]
    print(f"\nlongest time without offers {longest:.1f} s; the leader changed {changes} times in {whole:.0f} s")
    assert longest < LONGEST_S


def test_all_daemons_run_the_old_release_again(hosts):
    for host in hosts.values():
        for daemon in ("master", "agent"):
            words = done(host, f"tr '\\0' ' ' < /proc/$(systemctl show -P MainPID mesos-{daemon})/cmdline")
            assert words.split()[0] == done(host, "readlink -f /opt/mesos/current") + "/bin/python"
