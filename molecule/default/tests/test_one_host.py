"""What one host with everything is once the roles have run."""

import re

import pytest

from shared.hosts import COMMAND, done, until

UNITS = ("chrony", "rabbitmq-server", "zookeeper", "mesos-master", "mesos-tasks", "mesos-agent")
EXPOSURE = {"mesos-master": 2.0, "mesos-agent": 7.0, "mesos-tasks": 2.0}
TASK = "sleep 86399"


@pytest.fixture(scope="module")
def task(host):
    """A task that would run for a day; its process on the host, as PID and start time."""
    job = f"{COMMAND}run --user nobody --cpus 0.1 --mem 32 -- {TASK}"
    done(host, f"systemd-run -q --collect --unit=verify-job /bin/bash -c '{job}'")
    until(lambda: process_of_task(host))
    yield process_of_task(host)
    host.run("systemctl stop verify-job")


def process_of_task(host):
    """PID and start of the processes that are the task's; one that has just ended is none."""
    script = f"for pid in $(pgrep -u nobody -x -f '{TASK}'); do cut -d' ' -f1,22 /proc/$pid/stat; done"
    return done(host, script).splitlines()


def test_units_run_and_were_not_started_again_by_themselves(host):
    said = {unit: set(done(host, f"systemctl show -P ActiveState -P NRestarts {unit}").split()) for unit in UNITS}
    assert said == {unit: {"active", "0"} for unit in UNITS}


@pytest.mark.parametrize("unit", EXPOSURE)
def test_a_unit_is_no_more_exposed_than_said(host, unit):
    said = done(host, f"systemd-analyze security --no-pager {unit} | tail -1")
    assert float(re.search(r"level for \S+: ([\d.]+)", said)[1]) <= EXPOSURE[unit]


def test_a_task_lives_below_the_holder_within_its_limits(host, task):
    [process] = task
    cgroup = done(host, f"cat /proc/{process.split()[0]}/cgroup").removeprefix("0::")
    assert cgroup.startswith("/mesos.slice/mesos-tasks.service/")
    limits = "; ".join(f"cat /sys/fs/cgroup{place}/memory.max" for place in (cgroup, cgroup.rpartition("/")[0]))
    assert str(32 << 20) in done(host, limits).split()


@pytest.mark.parametrize("act", ["restart mesos-agent", "kill -s KILL mesos-agent", "stop mesos-agent"])
def test_a_task_outlives_what_is_done_to_its_agent(host, task, act):
    before = done(host, "systemctl show -P MainPID mesos-agent")
    done(host, f"systemctl {act}")
    assert process_of_task(host) == task
    if act.startswith("stop"):
        done(host, "systemctl start mesos-agent")
    until(lambda: {"active", before} & set(state_of_agent(host)) == {"active"})
    assert process_of_task(host) == task
    assert done(host, "systemctl is-active verify-job") == "active"


def state_of_agent(host):
    return done(host, "systemctl show -P MainPID -P ActiveState mesos-agent").split()


def test_a_reload_leaves_the_daemons_running(host):
    ask = "systemctl show -P MainPID -P ActiveState mesos-master mesos-agent"
    before = done(host, ask)
    done(host, "systemctl reload mesos-master mesos-agent")
    assert done(host, ask) == before
    assert before.split().count("active") == 2
