"""An embedded cluster: one master and some agents in one loop, by default over a broker within the process."""

import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from mesos_py.daemons.agent import AgentDaemon
from mesos_py.daemons.config import AgentConfig, DaemonConfig, LocalConfig, MasterConfig
from mesos_py.daemons.master import MasterDaemon
from mesos_py.daemons.registry import RegistryMemory
from mesos_py.daemons.service import Reread, private_dir, run
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.loop import Loop

__all__ = ["LocalCluster", "embedded", "main"]

_FIRST_PORT, _LAST_PORT = 31000, 32000


def main(config: LocalConfig, reread: Reread | None = None) -> int:
    """Run an embedded cluster until it is told to stop; gives the exit code."""
    return run(config, lambda loop: LocalCluster(config, loop), {signal.SIGUSR1: LocalCluster.stop}, reread)


@contextmanager
def embedded(config: LocalConfig) -> "Iterator[LocalCluster]":
    """A cluster that lives in a thread of its own as long as the ``with`` block. Raises ConfigError."""
    loop = Loop()
    try:
        cluster = LocalCluster(config, loop)
    except BaseException:
        loop.close()
        raise
    broken: list[BaseException] = []

    def live() -> None:
        try:
            loop.run()
        except BaseException as error:
            broken.append(error)
            cluster.last_words()

    cluster.start()
    thread = threading.Thread(target=live, name="cluster", daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        loop.post(lambda: cluster.stop(loop.stop))
        thread.join()
        loop.close()
        if broken:
            raise broken[0]


class LocalCluster:
    """One master and its agents, living in one loop."""

    def __init__(self, config: LocalConfig, loop: Loop) -> None:
        """A broker ``memory://`` without a name gets one of its own: two clusters never mix."""
        self.broker = f"memory://{secrets.token_hex(4)}" if config.broker == "memory://" else config.broker
        self._loop = loop
        self._temporary = not config.work_dir
        self.work_dir = _temporary_dir() if self._temporary else private_dir(config.work_dir, 0o711)
        self._parts: list[MasterDaemon | AgentDaemon] = []
        try:
            self._make_parts(config)
        except BaseException:
            for part in self._parts:
                part.abandon()
            self._remove_files()
            raise
        self._stopping = 0

    def _make_parts(self, config: LocalConfig) -> None:
        self.master = MasterDaemon(self._master_config(config), self._loop, RegistryMemory())
        self._parts.append(self.master)
        self.agents: list[AgentDaemon] = []
        for number in range(1, config.agents + 1):
            agent = AgentDaemon(self._agent_config(config, number), self._loop, jitter=0.0, tasks_outlive=False)
            self.agents.append(agent)
            self._parts.append(agent)

    @property
    def url(self) -> str:
        """Base of the master's HTTP API."""
        return self.master.core.state.info.url

    @property
    def failure(self) -> str:
        """Part of Daemon: what a part of the cluster died of."""
        return next((part.failure for part in self._parts if part.failure), "")

    def start(self) -> None:
        """Part of Daemon."""
        self.master.start()
        for agent in self.agents:
            agent.start()

    def condition(self) -> Condition:
        """Part of Daemon: the master's, or that of the first part that is not ready."""
        conditions = [part.condition() for part in self._parts]
        return next((each for each in conditions if not each.is_ready), conditions[0])

    def reload(self, config: LocalConfig) -> None:
        """Part of Daemon."""
        self.master.reload(self._master_config(config))
        for number, agent in enumerate(self.agents, 1):
            agent.reload(self._agent_config(config, number))

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Part of Daemon: agents first, so that the master hears them leave."""
        if self._stopping:
            return
        self._stopping = len(self.agents)

        def one_stopped() -> None:
            self._stopping -= 1
            if self._stopping == 0:
                self.master.stop(lambda: self._stopped(on_stopped))

        for agent in self.agents:
            agent.stop(one_stopped)

    def _stopped(self, on_stopped: Callable[[], None]) -> None:
        self._remove_files()
        on_stopped()

    def _remove_files(self) -> None:
        if self._temporary:
            shutil.rmtree(self.work_dir, ignore_errors=True)

    def last_words(self) -> None:
        """Part of Daemon."""
        for part in self._parts:
            part.last_words()

    def _master_config(self, config: LocalConfig) -> MasterConfig:
        return MasterConfig(
            **self._shared(config),
            work_dir=str(self.work_dir / "master"),
            http_port=config.http_port,
            allocator=config.allocator,
            weights=config.weights,
            offer_timeout_s=config.offer_timeout_s,
        )

    def _agent_config(self, config: LocalConfig, number: int) -> AgentConfig:
        return AgentConfig(
            **self._shared(config),
            work_dir=str(self.work_dir / f"agent{number}"),
            http_port=0,
            name=f"agent{number}",
            hostname=f"agent{number}",
            resources=config.resources or _part_of_machine(number, config.agents),
            isolation=config.isolation,
            private_tmp=config.private_tmp,
        )

    def _shared(self, config: LocalConfig) -> dict[str, Any]:
        """What every daemon is configured with."""
        return {name: getattr(config, name) for name in DaemonConfig.__struct_fields__} | {"broker": self.broker}


def _temporary_dir() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="mesos-"))
    directory.chmod(0o711)  # tasks of other users pass here
    return directory


def _part_of_machine(number: int, agents: int) -> str:
    """Memory, disk and ports are divided; cpus are only shares of time, so every agent offers all of them."""
    memory = psutil.virtual_memory().total // 2**20
    disk = shutil.disk_usage(tempfile.gettempdir()).free // 2**20
    ports = (_LAST_PORT - _FIRST_PORT) // agents
    first = _FIRST_PORT + (number - 1) * ports
    return (
        f"cpus:{os.cpu_count() or 1};mem:{max(64, memory // 2 // agents)};disk:{max(64, disk // 2 // agents)};"
        f"ports:[{first}-{first + ports - 1}]"
    )
