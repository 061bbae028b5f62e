"""Containers as an agent of root has them: what they see, what they may use, and that nothing is left of them."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mesos_py.adapters.cgroups.hierarchy import find_cgroups
from mesos_py.adapters.health import HostHealthChecker
from mesos_py.types.host import RLimit, Volume, VolumeMode
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, HealthCheck, Reason
from tests.support.isolation import SMALL, Host, host

__all__ = ["host"]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can isolate containers"),
]


BOMB = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        open("full", "w").close()
        time.sleep(0.01)
"""
LISTEN = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(100)
"""


def said(spec) -> str:
    return (Path(spec.sandbox) / "stdout").read_text()


def out_of(containers, line, **more) -> str:
    """What a shell line says that ends well."""
    spec = containers.sh(line, resources=SMALL, **more)
    exit_ = containers.end_of(spec)
    assert exit_.exit_code == 0, (exit_, (Path(spec.sandbox) / "stderr").read_text())
    return said(spec)


# What it sees


def test_other_processes_are_not_there(host):
    assert out_of(host.agent(), "echo /proc/[0-9]* $$") == "/proc/1 /proc/2 2\n"


def test_tmp_is_its_own_and_the_sandbox_is_still_there(host):
    with open("/tmp/of-the-host", "w"):
        pass
    try:
        seen = out_of(
            host.agent(), "ls /tmp /var/tmp; echo mine >/tmp/mine; cat /var/tmp/mine; pwd; echo here >$PWD/here"
        )
    finally:
        os.unlink("/tmp/of-the-host")
    assert "of-the-host" not in seen
    assert seen.split()[-2:] == ["mine", str(host.root / "agent0/task-1/C-1")]
    assert (host.root / "agent0/task-1/C-1/here").read_text() == "here\n"
    assert not Path("/tmp/mine").exists()


def test_the_agents_socket_can_be_reached_in_a_private_tmp(host):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(host.root / "run" / "s"))
    server.listen()
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(host.root / 'run' / 's')!r})"
    out_of(host.agent(), f"python3 -c '{code.replace(chr(39), chr(34))}' && ! touch {host.root}/run/x 2>/dev/null")
    server.close()


def test_with_the_tmp_of_the_host(host):
    (host.root / "note").write_text("seen\n")
    assert out_of(host.agent(private_tmp=False), f"cat {host.root}/note") == "seen\n"


def test_a_work_directory_behind_a_link_into_tmp(tmp_path):
    target, link = tmp_path / "target", Path("/var", f"link-of-mesos-tests-{os.getpid()}")
    target.mkdir()
    link.symlink_to(target)
    host = Host(link)
    try:
        assert out_of(host.agent(), "echo here >$PWD/here; pwd -P") == f"{target}/agent0/task-1/C-1\n"
    finally:
        host.clean()
        link.unlink()


def test_shared_memory_and_names_are_its_own(host):
    before = socket.gethostname()
    shm = set(os.listdir("/dev/shm"))
    assert out_of(host.agent(), "hostname other && hostname; echo x >/dev/shm/mine; ls /dev/shm") == "other\nmine\n"
    assert socket.gethostname() == before
    assert set(os.listdir("/dev/shm")) == shm


def test_a_network_of_its_own_has_a_loopback_and_nothing_else(host):
    containers = host.agent(namespaces="pid,mount,network")
    code = 'import socket; s = socket.create_server(("127.0.0.1", 0)); socket.create_connection(s.getsockname())'
    assert out_of(containers, f"python3 -c '{code}'; cat /proc/net/dev | tail -n +3 | cut -d: -f1").split() == ["lo"]


def test_mounts_do_not_leak_to_the_host(host):
    mounts = Path("/proc/self/mountinfo").read_text()
    out_of(host.agent(), "mount -t tmpfs x /mnt && touch /mnt/x")
    assert Path("/proc/self/mountinfo").read_text() == mounts


# What it may do


def test_an_ordinary_user_has_no_way_up(host):
    line = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status | cut -f2 | sort -u; id -un; unshare -m true 2>&1 || echo no"
    lines = out_of(host.agent(), line, user="nobody").splitlines()
    assert lines[:3] == ["0000000000000000", "1", "nobody"]
    assert lines[-1] == "no"


def test_volumes(host):
    data, scratch = host.root / "data", host.root / "scratch"
    data.mkdir()
    scratch.mkdir()
    (data / "file").write_text("data\n")
    containers = host.agent(volumes={str(data): "ro", str(scratch): "rw"})
    volumes = [
        Volume(host_path=str(data), container_path="in"),
        Volume(host_path=str(scratch), container_path="deep/out", mode=VolumeMode.RW),
    ]
    line = "cat in/file; cp in/file deep/out/copy; touch in/x 2>/dev/null || echo read-only"
    assert out_of(containers, line, volumes=volumes) == "data\nread-only\n"
    assert (scratch / "copy").read_text() == "data\n"
    spec = containers.start("/bin/true", volumes=[Volume(host_path="/etc", container_path="etc")])
    assert "is not allowed" in containers.failure_of(spec)[1]


def test_a_volume_lets_nobody_write_what_is_not_his(host):
    scratch = host.root / "scratch"
    scratch.mkdir()
    (scratch / "of-root").write_text("good\n")
    containers = host.agent(volumes={str(scratch): "rw"})
    volume = Volume(host_path=str(scratch / "of-root"), container_path="stdout", mode=VolumeMode.RW)
    spec = containers.sh("echo bad", user="nobody", volumes=[volume], resources=SMALL)
    assert containers.failure_of(spec)[1] == "its stdout is a file of another user"
    assert (scratch / "of-root").read_text() == "good\n"


def test_rlimits(host):
    line = "ulimit -n; ulimit -c"
    limits = {"nofile": RLimit(soft=77, hard=88)}
    assert out_of(host.agent(rlimits={"core": "0"}), line, rlimits=limits) == "77\n0\n"


def test_device_nodes(host):
    if find_cgroups(host.root).lacks("devices"):
        pytest.skip("this host cannot restrict devices")
    assert (
        out_of(host.agent(), "mknod mem c 1 1; cat mem 2>/dev/null >&2 || echo no; echo >/dev/null && echo yes")
        == "no\nyes\n"
    )


# What it may use


def test_a_memory_hog_dies_alone(host):
    containers = host.agent()
    neighbour = containers.start("/bin/sleep", "100", resources=SMALL)
    hog = containers.start("python3", "-c", "x = bytearray(10**9)", resources=SMALL)
    exit_ = containers.end_of(hog)
    assert exit_.reason is Reason.CONTAINER_LIMITATION_MEMORY
    assert re.match(r"memory limit of 64 MB exceeded: .*\b6[34](\.\d+)? MB", exit_.message)
    assert neighbour.container_id not in containers.ended


def test_a_fork_bomb_is_stopped_and_swept_away(host):
    containers = host.agent(max_pids=50)
    spec = containers.start("python3", "-c", BOMB, resources=SMALL)
    containers.until((Path(spec.sandbox) / "full").exists)
    (usage,) = containers.it.usage()
    assert usage.processes <= 50
    containers.it.destroy(spec.container_id)
    assert containers.end_of(spec).signal == signal.SIGKILL


def test_a_disk_hog_is_stopped(host):
    containers = host.agent(enforce_disk=True, disk_watch_interval_s=0.05)
    spec = containers.sh("dd if=/dev/zero of=big bs=1M count=40 2>/dev/null; sleep 100", resources=SMALL)
    exit_ = containers.end_of(spec)
    assert exit_.reason is Reason.CONTAINER_LIMITATION_DISK
    assert "16 MB" in exit_.message


def test_a_private_tmp_counts_as_disk(host):
    containers = host.agent(enforce_disk=True, disk_watch_interval_s=0.05)
    spec = containers.sh("dd if=/dev/zero of=/tmp/big bs=1M count=40 2>/dev/null; sleep 100", resources=SMALL)
    assert containers.end_of(spec).reason is Reason.CONTAINER_LIMITATION_DISK


def test_a_port_of_somebody_else(host):
    containers = host.agent(enforce_ports=True, ports_watch_interval_s=0.05)
    spec = containers.start("python3", "-c", LISTEN, resources=SMALL)
    exit_ = containers.end_of(spec)
    assert exit_.reason is Reason.CONTAINER_LIMITATION
    assert said(spec).strip() in exit_.message


def test_usage(host):
    containers = host.agent()
    spec = containers.sh("x=$(head -c 8000000 /dev/zero | tr '\\0' x); touch up; sleep 100", resources=SMALL)
    containers.until((Path(spec.sandbox) / "up").exists)
    (usage,) = containers.it.usage()
    assert usage.container_id == spec.container_id
    assert usage.processes >= 2
    assert 0 < usage.cpu_s < 5
    assert 1_000_000 < usage.memory_bytes <= usage.memory_peak_bytes <= usage.memory_limit_bytes == 64 << 20


def test_many_with_environments_as_large_as_they_may_be(host):
    containers = host.agent()
    environment = {"PATH": "/bin"} | {f"V{number}": "\1" * 120_000 for number in range(14)}
    specs = [containers.spec("/bin/true", env=environment, resources=SMALL) for _ in range(12)]
    for spec in specs:
        containers.it.start(spec)
    containers.until(lambda: len(containers.ended | containers.failed) == len(specs), 60)
    assert containers.failed == {}


def test_limits_follow_resources(host):
    containers = host.agent()
    spec = containers.start("/bin/sleep", "100", resources=SMALL)
    containers.it.update(spec.container_id, Resources.of(cpus=1, mem=128), {})
    (usage,) = containers.it.usage()
    assert usage.memory_limit_bytes == 128 << 20


def test_health_is_checked_inside(host):
    containers = host.agent()
    spec = containers.sh("echo secret >/tmp/mine; touch up; sleep 100", resources=SMALL)
    containers.until((Path(spec.sandbox) / "up").exists)
    health = HostHealthChecker(host.loop, containers.it.entry)
    health.open()
    answers = []
    command = CommandInfo(value="test $(cat /tmp/mine) = secret && test -d /proc/2 && test ! -d /proc/77 && exit 7")
    health.check(spec.container_id, HealthCheck(command=command), spec, lambda *answer: answers.append(answer))
    containers.until(lambda: answers)
    assert answers == [(False, "exited with status 7")]
    health.close()


def test_a_health_check_executes_nothing_of_a_volume_as_root(host):
    """A task that mounts its own programs over those of the host gains nothing by that."""
    programs = host.root / "programs"
    programs.mkdir()
    containers = host.agent(volumes={str(programs): "ro"}, private_tmp=False)
    volumes = []
    for name in ("/usr/bin/setpriv", "/usr/bin/nsenter", "/usr/bin/id"):
        program = programs / Path(name).name
        program.write_text("#!/bin/bash\n[ $UID = 65534 ]\n")
        program.chmod(0o755)
        volumes.append(Volume(host_path=str(program), container_path=name))
    spec = containers.sh("touch up; sleep 100", user="nobody", volumes=volumes, resources=SMALL)
    containers.until((Path(spec.sandbox) / "up").exists)
    health = HostHealthChecker(host.loop, containers.it.entry)
    health.open()
    answers = []
    line = "id && nsenter && setpriv && [ $(pwd) = $SANDBOX ] && grep -q '^NoNewPrivs:.1' /proc/self/status && touch me"
    command = CommandInfo(value=line, environment={"SANDBOX": spec.sandbox})
    health.check(spec.container_id, HealthCheck(command=command), spec, lambda *answer: answers.append(answer))
    containers.until(lambda: answers)
    assert answers == [(True, "exited with status 0")]
    assert (Path(spec.sandbox) / "me").stat().st_uid == 65534
    health.close()


def test_an_agent_that_may_not_make_namespaces_says_so(tmp_path):
    words = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
    command = [sys.executable, "-m", "mesos_py", "agent", "--print-isolation", "--work-dir", str(tmp_path)]
    done = subprocess.run([*words, *command], capture_output=True, text=True, check=True)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("namespaces")]
    assert line.split(maxsplit=2)[1:] == ["lacking", "the agent is not root (it lacks CAP_SYS_ADMIN)"]
