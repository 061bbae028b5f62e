"""A small MapReduce: one task per group of files, then one that fetches their results from the agents and adds up."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import httpx
from msgspec import Struct

from mesos_py import (
    TERMINAL,
    URI,
    CommandInfo,
    Framework,
    Offer,
    Resources,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from mesos_py.errors import MesosError
from mesos_py.frameworks.wordcount import job
from mesos_py.types.ids import TaskID

__all__ = ["Placement", "WordCount"]

NEED = Resources.of(cpus=0.5, mem=64)
REDUCE = TaskID("reduce")


class Placement(Struct, frozen=True):
    """Where a task runs."""

    hostname: str
    agent_url: str


class WordCount:
    """Counts words through offers. ``changed`` is called whenever there is something new to show."""

    def __init__(self, groups: Sequence[Sequence[str]], changed: Callable[[], None] = lambda: None) -> None:
        """``groups`` are lists of files, one task for each."""
        self.framework = Framework("wordcount", refuse_seconds=0)
        self.framework.on_offers(self._on_offers)
        self.framework.on_update(self._on_update)
        self._changed = changed
        self._waiting = [self._map_task(number, files) for number, files in enumerate(groups)]
        self._reduce_is_due = True
        self.maps = len(groups)
        self.states: dict[TaskID, TaskState] = {}
        self.placements: dict[TaskID, Placement] = {}
        self.counts: Counter[str] = Counter()
        self.failure = ""

    @property
    def maps_done(self) -> int:
        """Map tasks that have finished."""
        return sum(state == TaskState.FINISHED for task, state in self.states.items() if task != REDUCE)

    # Tasks

    @staticmethod
    def _map_task(number: int, files: Sequence[str]) -> TaskInfo:
        return _task(TaskID(f"map-{number:02}"), ["map", *files], [])

    def _reduce_task(self) -> TaskInfo:
        """Its input comes straight from the sandboxes of the map tasks, over HTTP."""
        fetched = [
            URI(value=self._result_url(task_id), output_file=f"{task_id}.json", extract=False)
            for task_id in sorted(self.placements)
        ]
        return _task(REDUCE, ["reduce", *(uri.output_file for uri in fetched)], fetched)

    def _result_url(self, task_id: TaskID) -> str:
        path = f"/frameworks/{self.framework.framework_id}/tasks/{task_id}/latest/counts.json"
        return f"{self.placements[task_id].agent_url}/files/download?path={quote(path)}"

    # Callbacks

    def _on_offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            tasks, left = [], offer.resources
            while self._waiting and left.contains(NEED):
                left -= NEED
                tasks.append(self._waiting.pop(0))
            if not tasks:
                self.framework.decline(offer)
                continue
            for task in tasks:
                self.placements[task.task_id] = Placement(offer.hostname, offer.url)
                self.states[task.task_id] = TaskState.STAGING
            self.framework.launch(offer, tasks)
        if not self._waiting:
            self.framework.suppress()
        self._changed()

    def _on_update(self, status: TaskStatus) -> None:
        self.states[status.task_id] = status.state
        if status.state in TERMINAL and status.state != TaskState.FINISHED:
            self.failure = f"{status.task_id}: {status.state} {status.message}"
            self.framework.stop()
        elif status.task_id == REDUCE and status.state == TaskState.FINISHED:
            self._take_result()
        elif self._reduce_is_due and self.maps_done == self.maps:
            self._reduce_is_due = False
            self._waiting.append(self._reduce_task())
            self.framework.revive()
        self._changed()

    def _take_result(self) -> None:
        try:
            answer = httpx.get(self._result_url(REDUCE), timeout=30.0)
            self.counts = Counter(json.loads(answer.raise_for_status().text))
        except (httpx.HTTPError, ValueError) as error:
            raise MesosError(f"the result cannot be fetched: {error}") from error
        self.framework.stop()


def _task(task_id: TaskID, arguments: list[str], uris: list[URI]) -> TaskInfo:
    script = Path(job.__file__)
    return TaskInfo(
        task_id=task_id,
        name=task_id,
        resources=NEED,
        command=CommandInfo(
            argv=[sys.executable, "-I", script.name, *arguments],
            uris=[URI(value=str(script)), *uris],
        ),
    )
