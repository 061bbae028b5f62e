"""Agents of root on one host, one after the other, with all isolators that this host lets be enforced."""

import psutil
import pytest

from mesos_py.adapters.cgroups.hierarchy import find_cgroups
from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.daemons.config import AgentConfig
from mesos_py.daemons.isolation import make_isolation
from mesos_py.runtime.loop import Loop
from mesos_py.types.resources import Resources
from tests.unit.adapters.containers_support import Containers

__all__ = ["SMALL", "Host", "host"]

SMALL = Resources.of(cpus=0.5, mem=64, disk=16)


class Host:
    """Agents on one work directory, one after the other."""

    def __init__(self, root):
        self.root = root
        self.loop = Loop()
        (root / "run").mkdir()
        root.chmod(0o711)
        self.now: Containers | None = None
        self._numbers = 0

    def agent(self, **config) -> Containers:
        config = AgentConfig(work_dir=str(self.root), **config)
        isolation = make_isolation(config, self.root / "run", self._members)
        it = ProcessContainerizer(
            self.loop, self.root / "run", isolators=isolation.isolators, tracker=isolation.tracker
        )
        self.now = Containers(self.loop, it, self.root / f"agent{self._numbers}")
        self._numbers += 1
        return self.now

    def _members(self, container_id) -> list[int]:
        return self.now.it.members(container_id)

    def crash(self) -> None:
        """The agent is gone from one moment to the next, as far as that can be within one process."""
        self.now.it.close()
        self.now = None

    def clean(self) -> None:
        """End all that runs; nothing may be left."""
        if self.now is None:
            self.agent().it.recover([])
        for container_id in self.now.started:
            self.now.it.destroy(container_id)
        self.now.until(lambda: not self.now.it.sandboxes())
        cgroups = find_cgroups(self.root)
        self.now.until(lambda: not cgroups.containers())
        self.now.it.close()
        self.loop.close()
        assert not [p for p in psutil.process_iter() if str(self.root) in _cwd(p)]


def _cwd(process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.clean()
