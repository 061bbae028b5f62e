"""Three hosts are one cluster, and stay one when the leader's loses its power."""

import time

from shared.clusters import (
    EACH,
    agents,
    fault,
    is_whole,
    leader_of,
    readiness,
    run_on_each,
    start_job,
    task_processes,
    until_there_is,
)
from shared.hosts import done, mesos, until

NAMES = ("node1", "node2", "node3")
BROKER = "node1"
TASK = "sleep 86397"


def test_the_cluster_is_whole(hosts):
    until(lambda: is_whole(hosts))


def test_a_job_runs_on_every_host(hosts):
    said = run_on_each(hosts["node2"], "hostname")
    assert {name for name in NAMES if name in said.split()} == set(NAMES)


def test_only_the_users_that_are_needed_are_known_to_the_broker(hosts):
    users = done(hosts["node1"], "rabbitmqctl --quiet list_users --no-table-headers | cut -f 1").split()
    assert sorted(users) == ["agent-node1", "agent-node2", "agent-node3", "mesos-master", "operator"]


def test_when_the_leaders_host_loses_power_another_leads_and_tasks_go_on(hosts):
    if leader_of(hosts) == BROKER:  # which is not to be lost, too
        done(hosts[BROKER], "systemctl restart mesos-master")
    lost = until_there_is(lambda: leader_of(hosts))
    rest = {name: host for name, host in hosts.items() if name != lost}
    asker = next(iter(rest.values()))
    start_job(asker, "verify-job", *EACH, "--", *TASK.split())
    until(lambda: all(task_processes(host, TASK) for host in hosts.values()))
    before = {name: task_processes(host, TASK) for name, host in rest.items()}

    fault("kill", lost)
    began = time.monotonic()
    until(lambda: leader_of(rest))
    print(f"another leads, as seen from outside, after {time.monotonic() - began:.0f} s")
    until(lambda: all(readiness(host, "agent").startswith("registered") for host in rest.values()))
    print(f"both agents are with it after {time.monotonic() - began:.0f} s")
    job = ("run", "--user", "nobody", "--cpus", "0.1", "--mem", "32", "--", "echo", "here")
    assert "here" in mesos(asker, *job)
    print(f"a new task has run after {time.monotonic() - began:.0f} s")
    assert {name: task_processes(host, TASK) for name, host in rest.items()} == before

    fault("start", lost)
    until(lambda: is_whole(hosts), 600.0)
    print(f"the cluster is whole after {time.monotonic() - began:.0f} s")
    assert {name: task_processes(host, TASK) for name, host in rest.items()} == before
    assert {name for name, agent in agents(asker).items() if agent["connected"]} == set(NAMES)
    run_on_each(asker, "true")
