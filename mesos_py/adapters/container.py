"""One container as its containerizer sees it, and what its end means."""

import contextlib
import os
from enum import Enum, auto

from mesos_py.adapters.isolators.base import Limitation
from mesos_py.adapters.isolators.launch import Launch, LaunchError
from mesos_py.adapters.processes import start_time
from mesos_py.adapters.runlog import Run, RunLog
from mesos_py.types.containers import ContainerExit, ContainerSpec, signal_name
from mesos_py.types.tasks import Reason

__all__ = ["Container", "Phase", "as_launch_error", "exit_of", "killed_early", "pidfd_of", "unwatched"]


class Phase(Enum):
    """How far a container has come."""

    PREPARING = auto()
    """In a worker thread."""
    QUEUED = auto()
    ASKED = auto()
    """A launcher is at it."""
    RUNNING = auto()
    ENDED = auto()
    """Its first process is no more; some of its processes may run."""


class Container:
    """One container, from start to its last word."""

    def __init__(self, spec: ContainerSpec) -> None:
        self.spec = spec
        self.launch = Launch(
            container_id=spec.container_id,
            sandbox=spec.sandbox,
            argv=spec.argv,
            environment=dict(spec.environment),
        )
        self.phase = Phase.QUEUED
        self.doomed = False
        self.prepared = False
        self.is_orphan = False
        """Nobody waits for it."""
        self.has_init = False
        """Its first process is an init that notes how the command ended."""
        self.pid = 0
        self.pidfd = -1
        self.log: RunLog | None = None
        self.signals: list[int] = []
        self.limitation: Limitation | None = None
        self.look_at = 0.0
        self.look_again_s = 0.0
        self.ended_at = 0.0


def exit_of(run: Run | None, *, was_killed: bool) -> ContainerExit:
    """How a container's command ended, from what was noted; ``was_killed``: all of it at once, by us."""
    if run is None:
        return _unknown("nobody noted how it ended")
    if run.failed is not None:
        return ContainerExit(reason=Reason.CONTAINER_LAUNCH_FAILED, message=run.failed)
    code = run.gone if run.ended is None and was_killed else run.ended
    if code is not None:
        return _exit_of_code(code)
    if run.gone is not None and run.gone < 0:
        return _unknown(f"its init was killed by {signal_name(-run.gone)}")
    if not run.pid:
        return _unknown("it was being started when its launcher ended")
    return _unknown("nobody noted how it ended")


def _unknown(why: str) -> ContainerExit:
    return ContainerExit(reason=Reason.COMMAND_EXECUTOR_FAILED, message=why)


def _exit_of_code(code: int) -> ContainerExit:
    if code < 0:
        return ContainerExit(signal=-code, message=f"killed by {signal_name(-code)}")
    hint = {126: ": the command could not be executed", 127: ": command not found"}.get(code, "")
    return ContainerExit(exit_code=code, message=f"exited with status {code}{hint}" if code else "")


def killed_early() -> LaunchError:
    """The answer for one that was destroyed before it was started."""
    return LaunchError("killed before it was started", Reason.TASK_KILLED_DURING_LAUNCH)


def as_launch_error(problem: Exception) -> LaunchError:
    """Whatever went wrong before it was started, as words for the framework's author."""
    if isinstance(problem, LaunchError):
        return problem
    if isinstance(problem, OSError) and problem.strerror:
        where = f" ({os.fsdecode(problem.filename)})" if isinstance(problem.filename, str | bytes) else ""
        return LaunchError(f"the container could not be started: {problem.strerror}{where}")
    return LaunchError(f"the container could not be started: {problem!r:.500}")


def pidfd_of(pid: int, started: int) -> int:
    """A descriptor of the process that began at that time; -1 if it is no more. Raises OSError if none can be had."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return -1
    with contextlib.suppress(OSError):
        if start_time(pid) == started:
            return fd
    os.close(fd)
    return -1


def unwatched(error: OSError) -> Limitation:
    """Why one ends of whose process no descriptor can be had."""
    return Limitation(Reason.CONTAINER_LAUNCH_FAILED, f"the agent cannot watch it: {error.strerror}")
