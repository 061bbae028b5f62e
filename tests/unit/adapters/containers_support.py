"""A listener that remembers, and a loop turned until something has happened."""

import time
from collections.abc import Callable
from itertools import count

from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerExit, ContainerSpec
from mesos_py.types.ids import ContainerID, FrameworkID
from mesos_py.types.tasks import Reason
from tests.support.patience import PATIENCE

PATH = "/usr/local/bin:/usr/bin:/bin"


def turn_until(loop: Loop, condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Turn the loop until the condition holds."""
    deadline = time.monotonic() + within_s * PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        loop.turn(0.05)


class Containers:
    """A containerizer, its listener, and its loop."""

    def __init__(self, loop, containerizer, root):
        self.loop, self.it, self.root = loop, containerizer, root
        self.started: dict[ContainerID, int] = {}
        self.failed: dict[ContainerID, tuple[Reason, str]] = {}
        self.ended: dict[ContainerID, ContainerExit] = {}
        self._numbers = count(1)
        containerizer.open(self)

    def container_started(self, container_id, pid):
        assert container_id not in self.started | self.failed
        self.started[container_id] = pid

    def container_failed(self, container_id, reason, message):
        assert container_id not in self.started | self.failed
        assert message
        self.failed[container_id] = (reason, message)

    def container_ended(self, container_id, exit_):
        assert container_id in self.started
        assert container_id not in self.ended
        self.ended[container_id] = exit_

    def spec(self, *argv, env=None, **more) -> ContainerSpec:
        number = next(self._numbers)
        return ContainerSpec(
            container_id=ContainerID(f"C-{number}"),
            framework_id=FrameworkID("F"),
            sandbox=str(self.root / f"task-{number}" / f"C-{number}"),
            argv=list(argv),
            environment={"PATH": PATH} if env is None else env,
            **more,
        )

    def start(self, *argv, **more) -> ContainerSpec:
        """Start, and wait until it has started."""
        spec = self.spec(*argv, **more)
        self.it.start(spec)
        self.until(lambda: spec.container_id in self.started or spec.container_id in self.failed)
        return spec

    def sh(self, line, **more) -> ContainerSpec:
        return self.start("/bin/sh", "-c", line, **more)

    def run(self, line, **more) -> ContainerExit:
        """Run a shell line to its end."""
        return self.end_of(self.sh(line, **more))

    def end_of(self, spec) -> ContainerExit:
        self.until(lambda: spec.container_id in self.ended or spec.container_id in self.failed)
        assert spec.container_id not in self.failed, self.failed
        return self.ended[spec.container_id]

    def failure_of(self, spec) -> tuple[Reason, str]:
        self.until(lambda: spec.container_id in self.failed or spec.container_id in self.ended)
        return self.failed[spec.container_id]

    def until(self, condition, within_s=10.0):
        turn_until(self.loop, condition, within_s)
