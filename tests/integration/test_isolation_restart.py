"""An agent of root is gone and comes back: what lives is watched again, and what is nobody's is ended."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from mesos_py.adapters.cgroups.hierarchy import find_cgroups
from mesos_py.types.containers import ContainerExit, ContainerLives, NeverBegan
from mesos_py.types.tasks import Reason
from tests.support.isolation import SMALL, host

__all__ = ["host"]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can isolate containers"),
]


def test_what_lives_is_watched_again_with_its_limits(host):
    containers = host.agent()
    good = containers.sh("until [ -e go ]; do sleep 0.05; done; exit 5", resources=SMALL)
    hog = containers.sh("until [ -e go ]; do sleep 0.05; done; exec python3 -c 'x = bytearray(10**9)'", resources=SMALL)
    host.crash()
    containers = host.agent()
    fates = containers.it.recover([good, hog])
    assert {type(fate) for fate in fates.values()} == {ContainerLives}
    containers.started |= {good.container_id: 0, hog.container_id: 0}
    assert {usage.memory_limit_bytes for usage in containers.it.usage()} == {64 << 20}
    for spec in (good, hog):
        (Path(spec.sandbox) / "go").touch()
    assert containers.end_of(good).exit_code == 5
    assert containers.end_of(hog).reason is Reason.CONTAINER_LIMITATION_MEMORY


def test_what_lives_in_other_cgroups_can_still_be_stopped(host):
    containers = host.agent()
    line = "trap 'kill $!; echo told; touch told' TERM; touch up; setsid sleep 100 & wait; sleep 100"
    spec = containers.sh(line, resources=SMALL)
    containers.until((Path(spec.sandbox) / "up").exists)
    host.crash()
    containers = host.agent(cgroups_root="mesos-tests-other")
    containers.it.recover([spec])
    containers.started[spec.container_id] = 0
    containers.it.signal(spec.container_id, signal.SIGTERM)
    containers.until((Path(spec.sandbox) / "told").exists)
    containers.it.destroy(spec.container_id)
    assert containers.end_of(spec).signal == signal.SIGKILL
    host.crash()


def test_without_isolation_containers_are_still_in_the_cgroup_that_is_named(host):
    """Where a unit of systemd holds them, while the agent's own ends with it."""
    containers = host.agent(isolation="none", cgroups_root="mesos-tests-other")
    spec = containers.sh("setsid sh -c 'sleep 100 & wait' & sleep 100", resources=SMALL)
    cgroups = find_cgroups(host.root, "mesos-tests-other")
    containers.until(lambda: len(cgroups.pids(spec.container_id)) >= 3)
    host.crash()
    containers = host.agent(isolation="none", cgroups_root="mesos-tests-other")
    assert {type(fate) for fate in containers.it.recover([spec]).values()} == {ContainerLives}
    containers.started[spec.container_id] = 0
    containers.it.destroy(spec.container_id)
    assert containers.end_of(spec).signal == signal.SIGKILL
    containers.until(lambda: not cgroups.containers())
    host.crash()


@pytest.mark.parametrize("user", ["", "nobody"])
def test_what_was_prepared_and_not_begun_is_prepared_anew(host, user):
    containers = host.agent()
    spec = containers.spec("/bin/true", user=user, resources=SMALL)
    sandbox, outside = Path(spec.sandbox), host.root / "outside"
    outside.mkdir(mode=0o700)
    sandbox.mkdir(parents=True)
    if user:  # it was given away, and another task of that user was there
        (sandbox / ".tmp").symlink_to(outside)
        os.chown(sandbox, 65534, 65534)
    else:
        (sandbox / ".tmp").mkdir()
    assert containers.it.recover([spec]) == {spec.container_id: NeverBegan()}
    containers.it.start(spec)
    assert containers.end_of(spec).exit_code == 0
    assert outside.stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(sandbox)) == [".tmp", "stderr", "stdout"]


def test_what_ended_meanwhile_is_known_and_nothing_is_left_of_it(host):
    containers = host.agent()
    spec = containers.sh("setsid sleep 100 & until [ -e go ]; do sleep 0.02; done; exit 6", resources=SMALL)
    pid = containers.started[spec.container_id]
    host.crash()
    (Path(spec.sandbox) / "go").touch()
    _wait_for_end(pid)
    containers = host.agent()
    assert containers.it.recover([spec]) == {
        spec.container_id: ContainerExit(exit_code=6, message="exited with status 6")
    }
    containers.it.forget(spec.container_id)
    cgroups = find_cgroups(host.root)
    containers.until(lambda: not cgroups.containers())


def test_what_nobody_asks_for_is_destroyed(host):
    containers = host.agent()
    spec = containers.start("/bin/sleep", "100", resources=SMALL)
    pid = containers.started[spec.container_id]
    host.crash()
    containers = host.agent()
    assert containers.it.recover([]) == {}
    _wait_for_end(pid, containers.loop)
    assert not containers.ended


def test_what_never_began_may_be_started(host):
    containers = host.agent()
    spec = containers.spec("/bin/true", resources=SMALL)
    assert containers.it.recover([spec]) == {spec.container_id: NeverBegan()}
    containers.it.start(spec)
    assert containers.end_of(spec).exit_code == 0


def test_a_lost_launcher_leaves_inits_that_note_the_end(host):
    containers = host.agent()
    spec = containers.sh("until [ -e go ]; do sleep 0.02; done; exit 6", resources=SMALL)
    pid = containers.started[spec.container_id]
    launcher = psutil.Process(psutil.Process(pid).ppid())
    host.crash()
    launcher.kill()
    (Path(spec.sandbox) / "go").touch()
    _wait_for_end(pid)
    containers = host.agent()
    assert containers.it.recover([spec])[spec.container_id].exit_code == 6


def test_a_launcher_that_hangs_is_not_waited_for_long(host):
    containers = host.agent()
    containers.run("exit 0", resources=SMALL)
    (log,) = (host.root / "run" / "containers").glob("*.log")
    launcher = int(log.read_text().split()[1])
    os.kill(launcher, signal.SIGSTOP)
    waiting = containers.spec("/bin/sleep", "100", resources=SMALL)
    containers.it.start(waiting)
    containers.loop.turn(0)
    host.crash()
    began = time.monotonic()
    containers = host.agent()
    assert containers.it.recover([waiting]) == {waiting.container_id: NeverBegan()}
    assert time.monotonic() - began < 15
    with contextlib.suppress(ChildProcessError):
        os.waitpid(launcher, 0)


def _wait_for_end(pid, loop=None):
    deadline = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < deadline, "it runs on"
        if loop is not None:
            loop.turn(0.02)


def _runs(pid) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
