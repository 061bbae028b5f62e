"""Containers of real processes: as an ordinary user has them, and with all isolators of root."""

import os
import threading
from pathlib import Path

import psutil
import pytest

from mesos_py.adapters.cgroups.hierarchy import find_cgroups
from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.adapters.isolators.user import UserIsolator
from mesos_py.daemons.config import AgentConfig
from mesos_py.daemons.isolation import make_isolation
from mesos_py.runtime.loop import Loop
from tests.unit.adapters.containers_support import Containers

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")


@pytest.fixture(params=["posix", "isolated"])
def containers(request, tmp_path):
    if request.param == "posix":
        yield from make_containers(tmp_path, isolators=[UserIsolator([range(65535)])])
        return
    if os.geteuid() != 0:
        pytest.skip("only root can isolate containers")
    isolation = make_isolation(AgentConfig(work_dir=str(tmp_path), private_tmp=False), tmp_path, lambda _id: [])
    yield from make_containers(tmp_path, isolators=isolation.isolators, tracker=isolation.tracker)


def make_containers(root, **options):
    before = _resources()
    loop = Loop()
    containers = Containers(loop, ProcessContainerizer(loop, root / "run", **options), root)
    yield containers
    for container_id in containers.started:
        containers.it.destroy(container_id)
    containers.until(lambda: containers.started.keys() == containers.ended.keys())
    containers.until(lambda: not find_cgroups(root).containers())
    running = [psutil.Process(pid) for pid in launchers(root)]
    containers.it.close()
    loop.close()
    psutil.wait_procs(running, timeout=5)
    for thread in threading.enumerate():
        if thread.name.startswith("prepare"):
            thread.join(5)
    for what, were, are in zip(("descriptors", "children", "threads"), before, _resources(), strict=True):
        assert are <= were, f"{what} are left"


def launchers(root) -> list[int]:
    logs = sorted((root / "run" / "containers").glob("*.log"))
    pids = [int(log.read_text().split()[1]) for log in logs]
    return [pid for pid in pids if alive(pid)]


def inside(containers, spec) -> list[psutil.Process]:
    """The processes of a container, without its init."""
    return [psutil.Process(pid) for pid in containers.it.members(spec.container_id)]


def _resources():
    me = psutil.Process()
    return me.num_fds(), len(me.children()), threading.active_count()


def sandbox(spec) -> Path:
    return Path(spec.sandbox)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def left(spec) -> list[int]:
    """Processes that work in a sandbox."""
    return [process.pid for process in psutil.process_iter() if _cwd(process) == spec.sandbox and alive(process.pid)]


def _cwd(process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


def environment_of(text: bytes) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in os.fsdecode(text).split("\0") if pair)
