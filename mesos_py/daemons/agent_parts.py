"""What an agent runs containers with: the real thing, joined together."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.adapters.detection import detect_hostname
from mesos_py.adapters.executor_server import UnixExecutorServer
from mesos_py.adapters.fetcher import SandboxFetcher
from mesos_py.adapters.gc import SandboxCollector
from mesos_py.adapters.health import HostHealthChecker
from mesos_py.adapters.isolators.user import parse_uids
from mesos_py.adapters.journal import FileJournal
from mesos_py.adapters.rotation import OutputRotation
from mesos_py.agent.paths import all_sandboxes
from mesos_py.daemons.config import AgentConfig
from mesos_py.daemons.isolation import make_isolation
from mesos_py.daemons.service import claim, private_dir
from mesos_py.errors import ConfigError
from mesos_py.runtime.containers import (
    Containerizer,
    ContainerListener,
    ExecutorListener,
    ExecutorServer,
    HealthChecker,
    Journal,
)
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import ContainerID

__all__ = ["Owner", "Parts", "process_parts"]


class Owner(ContainerListener, ExecutorListener, Protocol):
    """Whoever is told what happens to all parts: the agent."""

    def checkpointed(self, serial: int) -> None:
        """Every record up to this one is durable."""

    def journal_failed(self, why: str) -> None:
        """Nothing more can be written down."""


class Parts(Struct, frozen=True):
    """What an agent runs containers with."""

    containers: Containerizer
    executors: ExecutorServer
    health: HealthChecker
    journal: Journal
    close: Callable[[], None]


def process_parts(config: AgentConfig, loop: Loop, owner: Owner) -> Parts:
    """Real processes, checked and remembered in the agent's work directory. Raises ConfigError."""
    work_dir = Path(config.work_dir).absolute()
    run_dir = private_dir(str(work_dir / "run"), 0o711)
    release = claim(work_dir)
    try:
        executors = UnixExecutorServer(loop, run_dir)
        containers, collector = _containers(config, loop, work_dir, executors.directory)
        health = HostHealthChecker(loop, containers.entry, parse_uids(config.task_uids))
        containers.open(owner)
        executors.open(owner)
        health.open()
    except OSError as error:
        release()
        raise ConfigError(f"cannot use the work directory {work_dir}: {error.strerror}") from None
    except ConfigError:
        release()
        raise
    journal = FileJournal(work_dir / "journal", loop, owner.checkpointed, owner.journal_failed)
    rotation = OutputRotation(loop, lambda: containers.running().values(), max_bytes=int(config.max_log_mb * 2**20))
    rotation.open()
    collector.open()

    def close() -> None:
        for part in (collector, rotation, health, executors, containers, journal):
            part.close()
        release()

    return Parts(containers, executors, health, journal, close)


def _containers(
    config: AgentConfig, loop: Loop, work_dir: Path, socket_dir: Path
) -> tuple[ProcessContainerizer, SandboxCollector]:
    """Raises ConfigError."""

    def members(container_id: ContainerID) -> list[int]:
        return containers.members(container_id)

    isolation = make_isolation(config, socket_dir, members)
    log = get_log(role="agent", agent=config.name or config.hostname or detect_hostname())
    lacking: dict[str, list[str]] = {}
    for state in isolation.states:
        if state.is_lacking:
            lacking.setdefault(state.detail, []).append(state.name)
    for why, names in lacking.items():
        log.warning("not enforced", isolators=", ".join(names), why=why)
    collector = SandboxCollector(
        loop,
        all_sandboxes(str(work_dir)),
        lambda: containers.sandboxes(),  # noqa: PLW0108 - they are made below
        delay_s=config.gc_delay_s,
        headroom=config.gc_headroom,
        interval_s=config.gc_watch_interval_s,
    )
    containers = ProcessContainerizer(
        loop,
        work_dir / "run",
        fetcher=SandboxFetcher(work_dir / "cache", cache_bytes=config.fetch_cache_mb * 2**20),
        isolators=isolation.isolators,
        tracker=isolation.tracker,
        sandbox_left=collector.ended,
    )
    return containers, collector
