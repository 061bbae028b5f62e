"""Prints what a task wrote, from the agent it runs on."""

import sys
import time
from typing import Any, Final

import click

from mesos_py.cli.client import Client, NotFoundError, UnreachableError, master_option, quoted
from mesos_py.cli.command import command
from mesos_py.cli.complete import complete_task
from mesos_py.cli.errors import CliError
from mesos_py.types.tasks import LIVE

__all__ = ["logs"]

_PIECE: Final = 1024 * 1024
_RETRY_S: Final = 0.5
_PATIENCE_S: Final = 60.0
"""How long an agent may be away while we follow: it may be restarting."""


@command()
@click.argument("task", shell_complete=complete_task)
@click.option("--follow", "-f", is_flag=True, help="Go on until the task ends.")
@click.option("--stderr", "file", flag_value="stderr", help="What it wrote to stderr instead of stdout.")
@click.option("--file", metavar="NAME", default="stdout", help="Any other file in its sandbox.")
@click.option("--framework", metavar="ID", help="Its framework; needed only where two have a task of this id.")
@master_option
def logs(task: str, follow: bool, file: str, framework: str | None, master: str) -> None:
    """Print what a task wrote, also after its end, for as long as its sandbox is kept.

    Where several tasks have had the same id, the one that lives is meant, or else the newest.

    Examples:
      mesos logs web-3
      mesos logs -f --stderr web-3
      mesos logs --file results/summary.txt web-3 > summary.txt
    """
    job = _Job(Client(master), task, framework, file)
    if follow:
        job.follow()
    else:
        job.print_all()


class _Job:
    """One file of one task."""

    def __init__(self, master: Client, task_id: str, framework_id: str | None, file: str) -> None:
        self._master = master
        self._route = f"/tasks/{quoted(task_id)}"
        self._params = {"framework_id": framework_id} if framework_id else {}
        self._file = file
        self._out = sys.stdout.buffer
        self._offset = 0
        self._task = self._look()

    def print_all(self) -> None:
        """What there is."""
        agent = self._agent()
        size = _PIECE
        while self._offset < size:
            try:
                with agent.stream("/files/read", self._asked(length=_PIECE)) as answer:
                    size = int(answer.headers.get("X-File-Size", 0))
                    if not self._print(answer.iter_bytes()):
                        return
            except NotFoundError:
                raise self._nothing_there() from None

    def follow(self) -> None:
        """What there is and what comes, through restarts of the agent, until the task ends."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                with self._agent().stream("/files/read", self._asked(follow=1)) as answer:
                    deadline = time.monotonic() + _PATIENCE_S
                    self._print(answer.iter_bytes())
                    return
            except NotFoundError:
                self._task = self._look()
                if not self._is_live():
                    raise self._nothing_there() from None
            except UnreachableError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_S)

    def _look(self) -> dict[str, Any]:
        task: dict[str, Any] = self._master.get(self._route, self._params)
        return task

    def _is_live(self) -> bool:
        return self._task["state"] in LIVE

    def _agent(self) -> Client:
        task = self._task
        if not task["agent_url"]:
            raise CliError(f"the agent of task {task['task_id']} is not known any more, or has no HTTP API")
        return Client(task["agent_url"], f"the agent on {task['hostname']}")

    def _asked(self, **how: int) -> dict[str, str | int | list[str]]:
        task = self._task
        kind, owner = ("executors", task["executor_id"]) if task["executor_id"] else ("tasks", task["task_id"])
        sandbox = f"/frameworks/{task['framework_id']}/{kind}/{owner}/{task['container_id'] or 'latest'}"
        return {"path": f"{sandbox}/{self._file}", "offset": self._offset, "task_id": task["task_id"], **how}

    def _print(self, pieces: Any) -> int:
        printed = 0
        for piece in pieces:
            self._out.write(piece)
            self._out.flush()
            printed += len(piece)
            self._offset += len(piece)
        return printed

    def _nothing_there(self) -> CliError:
        task_id, state = self._task["task_id"], self._task["state"]
        if self._is_live():
            return CliError(f"task {task_id} has no file {self._file} yet ({state})")
        return CliError(f"task {task_id} ({state}) has no file {self._file}, or its sandbox is gone")
