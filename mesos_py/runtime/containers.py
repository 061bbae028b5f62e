"""What an agent's shell needs to run containers, as small protocols. Each states its guarantee, weakest truth first.

All calls are made in the loop's thread and return at once; all answers come in the loop's thread.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mesos_py.messages.executor import ExecutorCall, ExecutorEvent, ExecutorUpdate
from mesos_py.types.containers import ContainerExit, ContainerFate, ContainerSpec, ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import HealthCheck, Reason

__all__ = ["ContainerListener", "Containerizer", "ExecutorListener", "ExecutorServer", "HealthChecker", "Journal"]


class ContainerListener(Protocol):
    """Told what becomes of containers."""

    def container_started(self, container_id: ContainerID, pid: int) -> None:
        """Its command is being executed; ``pid`` is its first process."""

    def container_failed(self, container_id: ContainerID, reason: Reason, message: str) -> None:
        """It could not be started; nothing of it is left but its sandbox. The last word on this container."""

    def container_ended(self, container_id: ContainerID, exit_: ContainerExit) -> None:
        """It ended and nothing of it runs. The last word on this container."""


class Containerizer(Protocol):
    """Runs containers.

    Every ``start`` is answered by exactly one of ``container_failed`` and ``container_started``, and the latter by
    exactly one ``container_ended``. Containers outlive the process that started them.
    """

    def start(self, spec: ContainerSpec) -> None:
        """Make the sandbox, fetch the URIs, start the command."""

    def signal(self, container_id: ContainerID, signal: int) -> None:
        """Send a signal to every process of the container but its init; nothing if it has ended."""

    def destroy(self, container_id: ContainerID) -> None:
        """Kill all of it, also while it is still being prepared; answered by failed or ended. Safe to repeat."""

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Change its resources, and the limits up to which it may burst; nothing if it has ended."""

    def forget(self, container_id: ContainerID) -> None:
        """Its end (or that it failed) is written down elsewhere: only now may the last trace of it go.

        Until then ``recover`` of a later process still knows how it ended. Nothing if there is no such container.
        """

    def recover(self, specs: Sequence[ContainerSpec]) -> dict[ContainerID, ContainerFate]:
        """What became of the containers that an earlier process was asked to start.

        Called once, before any ``start``. Those that live are watched from now on and answered by one
        ``container_ended``; one that never began may be started. Whatever else an earlier process left alive is
        destroyed.
        """

    def usage(self) -> list[ContainerUsage]:
        """What each running container uses now."""


class HealthChecker(Protocol):
    """Runs single health checks."""

    def check(
        self,
        container_id: ContainerID,
        health_check: HealthCheck,
        spec: ContainerSpec,
        answer: Callable[[bool, str], None],
    ) -> None:
        """Do one check of a running container; ``answer(healthy, what was seen)`` once, within its timeout."""


class ExecutorListener(Protocol):
    """Told what executors say."""

    def executor_connected(self, container_id: ContainerID, updates: Sequence[ExecutorUpdate]) -> None:
        """The executor of this container has shown its token; ``updates`` is what it has not seen acknowledged."""

    def executor_said(self, container_id: ContainerID, calls: Sequence[ExecutorCall]) -> None:
        """Everything that one read gave, in order."""

    def executor_disconnected(self, container_id: ContainerID) -> None:
        """Its connection ended; it may come back."""


class ExecutorServer(Protocol):
    """The agent's unix socket: newline-delimited JSON, one connection per executor.

    At most once per connection; in order. A line that cannot be read is answered with ERROR and counted.
    """

    def environment(self, container_id: ContainerID) -> dict[str, str]:
        """What the executor of a container needs to find and enter the socket; makes its token."""

    def send(self, container_id: ContainerID, event: ExecutorEvent) -> bool:
        """Send to a connected executor; False if it is not connected."""

    def forget(self, container_id: ContainerID) -> None:
        """The container has ended: its token is void, its connection is closed."""


class Journal(Protocol):
    """Durable records, in order.

    A record is durable only when its serial, or a higher one, has been confirmed. Records are written in order, many
    at once; what was never confirmed may or may not be there after a crash.
    """

    def read(self) -> tuple[list[bytes], int]:
        """What earlier processes wrote, and how many places could not be read. Before anything is written."""

    def append(self, serial: int, record: bytes) -> None:
        """Write a record soon."""

    def rewrite(self, records: Sequence[bytes]) -> None:
        """Put these in place of all that was there and all that was appended so far, at once or not at all.

        What is appended from now on comes after them. Serials that are overtaken are confirmed when these are durable.
        """

    def close(self) -> None:
        """Write what waits, and end."""
