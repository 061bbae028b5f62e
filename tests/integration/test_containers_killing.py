"""Containers are killed, with all that their processes have started."""

import signal
from functools import partial

import psutil
import pytest

from mesos_py.adapters.cgroups.hierarchy import find_cgroups
from mesos_py.adapters.tracking import CgroupTracker, SessionTracker
from tests.support.containers import as_root, left, make_containers, sandbox
from tests.unit.adapters.containers_support import turn_until

pytestmark = pytest.mark.integration


def test_a_signal_reaches_all_processes_but_the_init(containers):
    line = (
        "(trap 'echo one >>got; exit' TERM; echo x >>up; while :; do sleep 0.05; done) & "
        "setsid sh -c 'trap \"echo two >>got; exit\" TERM; echo x >>up; while :; do sleep 0.05; done' & "
        "trap 'wait; exit 9' TERM; echo x >>up; wait"
    )
    spec = containers.sh(line)
    up = sandbox(spec) / "up"
    containers.until(lambda: up.exists() and up.read_text() == "x\n" * 3)
    containers.it.signal(spec.container_id, signal.SIGTERM)
    assert containers.end_of(spec).exit_code == 9
    assert sorted((sandbox(spec) / "got").read_text().split()) == ["one", "two"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", ["sleep", "/bin/sleep"])
def test_a_signal_right_after_the_start_is_not_lost(containers, number, program):
    specs = [containers.spec(program, "100") for _ in range(20)]
    for spec in specs:
        containers.it.start(spec)
    signalled = set()

    def all_ended():
        for container_id in containers.started.keys() - signalled:
            signalled.add(container_id)
            containers.it.signal(container_id, number)
        return len(containers.ended) == 20

    containers.until(all_ended)
    assert {exit_.signal for exit_ in containers.ended.values()} == {number}


def test_leftovers_of_the_session_die_with_the_command(containers):
    spec = containers.sh("sleep 100 & nohup sleep 100 & exit 0")
    assert containers.end_of(spec).exit_code == 0
    assert not left(spec)


def test_destroy_reaches_escaped_sessions_of_living_parents(containers):
    line = "trap '' TERM HUP; setsid sh -c 'echo $$ >escaped; sleep 100 & echo $! >>escaped; wait' & wait; sleep 100"
    spec = containers.sh(line)
    escaped = sandbox(spec) / "escaped"
    containers.until(lambda: escaped.exists() and len(escaped.read_text().split()) == 2)
    containers.it.destroy(spec.container_id)
    assert containers.end_of(spec).signal == signal.SIGKILL
    assert not left(spec)


@as_root
def test_nothing_escapes_a_cgroup(tmp_path):
    cgroups = find_cgroups(tmp_path)
    for containers in make_containers(tmp_path, tracker=CgroupTracker(cgroups)):
        spec = containers.sh("setsid sh -c 'setsid sleep 100 & setsid sleep 100 & touch up' & sleep 100")
        containers.until((sandbox(spec) / "up").exists)
        containers.it.destroy(spec.container_id)
        assert containers.end_of(spec).signal == signal.SIGKILL
        assert not left(spec)
        assert not cgroups.containers()


def test_a_fork_storm_is_ended(containers):
    spec = containers.sh("echo x >up; while :; do sleep 0.01 & done")
    containers.until((sandbox(spec) / "up").exists)
    containers.it.destroy(spec.container_id)
    containers.end_of(spec)
    assert not left(spec)


def test_a_stopped_init_cannot_keep_its_container(containers):
    spec = containers.start("/bin/sleep", "100")
    psutil.Process(containers.started[spec.container_id]).suspend()
    containers.it.destroy(spec.container_id)
    assert containers.end_of(spec).message == "killed by SIGKILL"


class CountingTracker(SessionTracker):
    def __init__(self):
        super().__init__()
        self.looks = 0

    def look(self):
        self.looks += 1
        super().look()


def test_one_listing_serves_many_kills(tmp_path):
    tracker = CountingTracker()
    for containers in make_containers(tmp_path, tracker=tracker):
        specs = [containers.spec("/bin/sleep", "100") for _ in range(100)]
        for spec in specs:
            containers.it.start(spec)
        turn_until(containers.loop, partial(_have, containers.started, 100))
        for spec in specs:
            containers.it.signal(spec.container_id, signal.SIGTERM)
        tracker.looks = 0
        turn_until(containers.loop, lambda: tracker.looks)
        assert tracker.looks == 1
        turn_until(containers.loop, partial(_have, containers.ended, 100))


def _have(answers, number) -> bool:
    return len(answers) == number


def test_a_burst_leaves_the_loop_time_for_others(containers):
    for _ in range(50):
        containers.it.start(containers.spec("/bin/true"))
    containers.loop.turn(0)
    assert len(containers.started) <= 8
    containers.until(lambda: len(containers.ended) == 50)
