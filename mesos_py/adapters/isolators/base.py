"""One kind of isolation: what it adds to a launch, what it watches, and what it leaves behind.

::

    open ── claim ── prepare ── started ──(update, usage)── broke? ── ended        for each container
               └─────────┴─ the launch failed ───────────────────────▶ ended
         └─ recovered ──────────────────────┘                                     for one of an earlier agent process
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from msgspec import Struct

from mesos_py.adapters.isolators.launch import Launch
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerSpec, ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason

__all__ = ["Isolator", "Limitation"]


class Limitation(Struct, frozen=True, gc=False):
    """A limit that a container broke, for which it is ended."""

    reason: Reason
    message: str
    """With the figures: what it used, and what it may."""


class Isolator:
    """One kind of isolation; it overrides what it needs.

    All but ``prepare`` are called in the loop's thread and return at once.
    """

    name: ClassVar[str]
    """As in the configuration."""

    def why_not(self) -> str:
        """Why this host does not let it be enforced, in one line for the operator; empty if it does."""
        return ""

    def describe(self) -> str:
        """What it enforces here, in one line for the operator."""
        return ""

    def open(self, loop: Loop, limited: Callable[[ContainerID, Limitation], None]) -> None:
        """Begin; ``limited`` is called in the loop's thread when a running container breaks a limit. Raises OSError."""

    def close(self) -> None:
        """Stop watching; containers and their limits stay as they are."""

    def claim(self, spec: ContainerSpec) -> None:
        """Take for the container what no other may have. Raises LaunchError; then ``ended`` is called."""

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Make what the container needs before it starts, and say in ``launch`` what its process shall do.

        May be called in a worker thread. Raises LaunchError or OSError; then ``ended`` is called.
        """

    def started(self, spec: ContainerSpec, pid: int) -> None:
        """Its first process runs."""

    def recovered(self, spec: ContainerSpec, pid: int, notes: Mapping[str, str]) -> None:
        """It was started by an earlier agent process, whose ``launch.notes`` these are, and lives: watch it again."""

    def update(self, container_id: ContainerID, resources: Resources, limits: Mapping[str, float]) -> None:
        """Its resources have changed. Raises OSError."""

    def measure(self, container_id: ContainerID, usage: ContainerUsage) -> None:
        """Fill in what this isolator knows."""

    def broke(self, container_id: ContainerID) -> Limitation | None:
        """Asked when its first process has ended: whether that was for a limit."""
        del container_id
        return None

    def ended(self, container_id: ContainerID) -> None:
        """Nothing of it runs: give back what it had. Safe to repeat, and for one that was never prepared."""
