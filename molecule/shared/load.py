"""A framework that works while its cluster is upgraded: a long task for each host, and short ones, one after the other.

``python load.py DIRECTORY SECONDS HOST...``, with MESOS_BROKER. Every so many seconds a short task begins. Each task
notes in ``DIRECTORY/effects`` of its host that it begins and that it ends; ``DIRECTORY/journal`` has what the framework
asked for and heard. When ``DIRECTORY/finish`` is there it begins no more short tasks, kills the long ones, and leaves
``DIRECTORY/finished`` when all have ended.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mesos_py import (
    TERMINAL,
    Framework,
    Offer,
    Registered,
    TaskQueue,
    TaskSpec,
    TaskStatus,
    command_task,
    first_fit,
    parse_constraint,
)

_AT_ONCE: Final = 20
"""No more short tasks wait or run."""


class Load:
    """Nothing is ever tried again: a task that is lost stays lost, and is seen."""

    def __init__(self, directory: Path, every_s: float, hosts: Sequence[str]) -> None:
        self._directory = directory
        self._every_s = every_s
        self._journal = (directory / "journal").open("a", buffering=1)
        self._queue = TaskQueue()
        self._living: set[str] = set()
        self._shorts = 0
        self._is_finishing = False
        self.framework = Framework("load", user="nobody", failover_timeout_s=600.0, refuse_seconds=0.2)
        self.framework.on_registered(self._registered)
        self.framework.on_offers(self._offered)
        self.framework.on_update(self._heard)
        self.framework.on_disconnected(lambda reason: self._note("disconnected", why=reason))
        for host in hosts:
            self._add(f"long-{host}", "sleep 86396", f"@hostname:IS:{host}")
        self.framework.call_later(self._every_s, self._go_on)

    def _note(self, what: str, **more: Any) -> None:
        self._journal.write(json.dumps({"at": time.time(), "what": what, **more}) + "\n")

    def _add(self, task_id: str, command: str, *constraints: str) -> None:
        effects = self._directory / "effects"
        shell = f"echo begun $MESOS_TASK_ID >> {effects}; {command}; echo ended $MESOS_TASK_ID >> {effects}"
        task = command_task(task_id, shell, cpus=0.05, mem=16)
        self._queue.add(TaskSpec(task=task, constraints=[parse_constraint(each) for each in constraints]))
        self._living.add(task_id)

    def _go_on(self) -> None:
        """The next short task, and so on until it is time to finish."""
        if (self._directory / "finish").exists():
            self._note("finishing")
            self._is_finishing = True
            for task_id in [each for each in self._living if each.startswith("long-")]:
                self.framework.kill(task_id)
            return
        if len(self._living) < _AT_ONCE:
            self._add(f"short-{self._shorts}", "sleep 0.2")
            self._shorts += 1
        self.framework.call_later(self._every_s, self._go_on)

    def _registered(self, event: Registered) -> None:
        self._note("registered", again=event.again)
        if event.again:
            self.framework.reconcile(self._living)

    def _offered(self, offers: Sequence[Offer]) -> None:
        self._note("offers")
        packing = first_fit(self._queue, offers)
        self._queue.remove_all(packing.placed_ids())
        for launch in packing.launches:
            for task in launch.tasks:
                self._note("launch", task_id=task.task_id)
            self.framework.launch(launch.offers, launch.tasks)
        self.framework.decline(packing.unused)

    def _heard(self, status: TaskStatus) -> None:
        self._note("update", task_id=status.task_id, state=status.state, reason=status.reason, message=status.message)
        if status.state in TERMINAL:
            self._living.discard(status.task_id)
        if self._is_finishing and not self._living:
            self.framework.stop()


def main(directory: str, every_s: str, *hosts: str) -> None:
    """Work until told to finish."""
    Load(Path(directory), float(every_s), hosts).framework.run()
    (Path(directory) / "finished").touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
