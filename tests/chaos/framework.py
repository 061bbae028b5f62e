"""A framework that works while its cluster is broken: so many short tasks a second until told to finish, and long ones.

``python -m tests.chaos.framework DIRECTORY NAME``, with MESOS_BROKER. Every task notes in ``DIRECTORY/effects`` that it
begins and that it ends; what the framework asks for and hears is in ``DIRECTORY/journal``, written before it is done or
acknowledged. Whoever is started with the journal of a killed one goes on where that one was. USR1 is the word to
finish: no new tasks, the long ones end, and when all have ended so does the framework.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mesos_py import (
    TERMINAL,
    Error,
    Framework,
    Offer,
    Registered,
    TaskQueue,
    TaskSpec,
    TaskState,
    TaskStatus,
    command_task,
    first_fit,
    parse_constraint,
)

AT_ONCE = 100
"""Jobs that wait or run: no more are begun before some have ended."""
EVERY_S = 0.1
"""A short job begins as often as this."""
LEAST = 100
"""So many short jobs at least, also for who is told to finish early."""
FAILOVER_TIMEOUT_S = 300.0
AGAIN = frozenset({TaskState.DROPPED, TaskState.GONE, TaskState.UNKNOWN})
"""It did not run and will not: its job is tried again, as a task of another id."""


class Journal:
    """What was done and heard, a line each; it survives whoever writes it."""

    def __init__(self, file: Path) -> None:
        self._fd = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def note(self, what: str, **more: Any) -> None:
        os.write(self._fd, json.dumps({"at": time.time(), "what": what, **more}).encode() + b"\n")


def read_journal(file: Path) -> Iterator[dict[str, Any]]:
    """The lines so far."""
    if file.exists():
        for line in file.read_text().splitlines():
            yield json.loads(line)


class Work:
    """The jobs of one framework."""

    def __init__(self, directory: Path, name: str, long_hosts: Sequence[str]) -> None:
        """One long job on each of ``long_hosts``."""
        self._directory = directory
        self._name = name
        self._hosts = long_hosts
        self._tries: dict[str, int] = {}
        """How often each job was launched."""
        self._job_of: dict[str, str] = {}
        """Tasks that live or may live."""
        self._left: set[str] = set()
        """Jobs that have not succeeded."""
        self._shorts = 0
        self._finishing = False
        framework_id = self._read()
        self._journal = Journal(directory / "journal")
        self._queue = TaskQueue()
        self.framework = Framework(
            name, framework_id=framework_id, failover_timeout_s=FAILOVER_TIMEOUT_S, refuse_seconds=0.2, keep_id=True
        )
        self.framework.on_registered(self._registered)
        self.framework.on_disconnected(lambda reason: self._journal.note("disconnected", why=reason))
        self.framework.on_offers(self._offered)
        self.framework.on_update(self._heard)
        self.framework.on_failure(lambda failure: self._journal.note("failure", text=repr(failure)))
        self.framework.on_error(self._refused)
        waiting = self._left - set(self._job_of.values())
        for job in sorted(waiting) or ([] if self._tries else [f"long-{host}" for host in long_hosts]):
            self._enqueue(job)
        self.framework.call_later(EVERY_S, self._go_on)

    def _read(self) -> str | None:
        """Be where the journal ends; gives the framework's id."""
        framework_id = None
        for line in read_journal(self._directory / "journal"):
            if line["what"] == "registered":
                framework_id = line["framework_id"]
            elif line["what"] == "launch":
                self._tries[line["job"]] = line["attempt"]
                self._job_of[line["task_id"]] = line["job"]
                self._left.add(line["job"])
                self._shorts += line["job"] == f"short-{self._shorts}"
            elif line["what"] == "update" and TaskState(line["state"]) in TERMINAL | AGAIN:
                job = self._job_of.pop(line["task_id"], None)
                if line["state"] == TaskState.FINISHED:
                    self._left.discard(job or "")
            elif line["what"] == "finishing":
                self._finishing = True
        return framework_id

    # Jobs

    def _enqueue(self, job: str) -> None:
        self._left.add(job)
        attempt = self._tries.get(job, 0) + 1
        kind, _, rest = job.partition("-")
        constraints = [parse_constraint(f"@hostname:IS:{rest}")] if kind == "long" else []
        task = command_task(f"{self._name}-{job}.{attempt}", self._command(kind), cpus=0.1, mem=16)
        self._queue.add(TaskSpec(task=task, constraints=constraints))

    def _command(self, kind: str) -> str:
        """Each ``echo`` is one write to the end of the file."""
        effects = self._directory / "effects"
        until = f"until [ -e {self._directory}/go ]; do sleep 0.3; done" if kind == "long" else "sleep 0.3"
        return f"echo begun $MESOS_TASK_ID >> {effects}; {until}; echo ended $MESOS_TASK_ID >> {effects}"

    def _go_on(self) -> None:
        """The next short job, and so on."""
        if not self._finishing or self._shorts < LEAST:
            if len(self._left) < AT_ONCE:
                self._enqueue(f"short-{self._shorts}")
                self._shorts += 1
            self.framework.call_later(EVERY_S, self._go_on)

    def finish(self) -> None:
        """Begin nothing new."""
        self._journal.note("finishing")
        self._finishing = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._finishing and self._shorts >= LEAST and not self._left:
            self._journal.note("done")
            self.framework.stop()

    # News

    def _registered(self, event: Registered) -> None:
        self._journal.note("registered", framework_id=event.framework_id, again=event.again)
        if event.again:
            self.framework.reconcile(self._job_of)

    def _offered(self, offers: Sequence[Offer]) -> None:
        self._journal.note("offers", hosts=[offer.hostname for offer in offers])
        shuffled = random.sample(offers, len(offers))  # so that no agent gets them all
        packing = first_fit(self._queue, shuffled)
        self._queue.remove_all(packing.placed_ids())
        for launch in packing.launches:
            for task in launch.tasks:
                self._note_launch(task.task_id)
            self.framework.launch(launch.offers, launch.tasks)
        self.framework.decline(packing.unused)

    def _note_launch(self, task_id: str) -> None:
        name, _, attempt = task_id.rpartition(".")
        job = name.removeprefix(f"{self._name}-")
        self._tries[job] = int(attempt)
        self._job_of[task_id] = job
        self._journal.note("launch", task_id=task_id, job=job, attempt=int(attempt))

    def _heard(self, status: TaskStatus) -> None:
        self._journal.note(
            "update", task_id=status.task_id, state=status.state, reason=status.reason, message=status.message
        )
        if status.state not in TERMINAL | AGAIN:
            return
        job = self._job_of.pop(status.task_id, None)
        if job is None:
            return  # told twice
        if status.state in AGAIN:
            self._enqueue(job)
        else:
            self._left.discard(job)
            self._end_if_done()

    def _refused(self, error: Error) -> None:
        self._journal.note("error", call=error.call, reason=error.reason, message=error.message)


def main(directory: str, name: str, *long_hosts: str) -> None:
    """Work until told to finish."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    work = Work(Path(directory), name, long_hosts)

    def listen() -> None:
        signal.sigwait([signal.SIGUSR1])
        work.framework.call_later(0.0, work.finish)

    threading.Thread(target=listen, daemon=True).start()
    work.framework.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
