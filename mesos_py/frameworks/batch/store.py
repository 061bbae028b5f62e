"""Keeps the batch server's state below one directory; each file is replaced as a whole.

::

    WORK_DIR/
      framework.json            our id as a framework
      book.json                 all jobs (jobs.Book)
      submissions/12.json       script and environment of a job or an array
      accounting/20261128       who used what, a line per event
"""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from mesos_py.errors import ConfigError
from mesos_py.frameworks.batch import accounting
from mesos_py.frameworks.batch.jobs import Book, Job
from mesos_py.frameworks.batch.tasks import Submission

__all__ = ["Store"]


class _Kept(Struct, kw_only=True):
    """A book whose jobs are yet to be read."""

    next_number: int = 1
    jobs: dict[str, msgspec.Raw] = field(default_factory=dict)
    usage: dict[str, float] = field(default_factory=dict)
    usage_at: float = 0.0


class Store:
    """For one process at a time."""

    def __init__(self, directory: Path) -> None:
        """Made if it is missing. Raises ConfigError."""
        self._directory = directory
        self._written = b""
        try:
            for path in (directory, directory / "submissions", directory / "accounting"):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{directory} cannot be made: {error.strerror}") from None

    @property
    def framework_file(self) -> Path:
        """For Framework(state_file=...)."""
        return self._directory / "framework.json"

    def read(self) -> tuple[Book, list[str]]:
        """What the earlier process wrote, and which jobs it let in and we do not. Raises ConfigError."""
        path = self._directory / "book.json"
        try:
            return _book(msgspec.json.decode(path.read_bytes(), type=_Kept))
        except FileNotFoundError:
            return Book(), []
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
        except msgspec.MsgspecError as error:
            raise ConfigError(f"{path} is not the book of a batch server: {error}") from None

    def write(self, book: Book) -> None:
        """Durably, if it has changed; who is no longer in it is forgotten. Raises ConfigError."""
        data = msgspec.json.encode(book)
        if data == self._written:
            return
        self._replace(self._directory / "book.json", data)
        self._written = data

    def keep(self, number: int, submission: Submission) -> None:
        """Script and environment of a new job. Raises ConfigError."""
        self._replace(self._submission(number), msgspec.json.encode(submission))

    def submission(self, number: int) -> Submission:
        """What was kept. Raises ConfigError."""
        try:
            return msgspec.json.decode(self._submission(number).read_bytes(), type=Submission)
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigError(f"{self._submission(number)} cannot be read: {error}") from None

    def forget(self, book: Book) -> None:
        """Scripts of jobs that are no longer known."""
        known = {str(job.number) for job in book.jobs.values()}
        for path in (self._directory / "submissions").glob("*.json"):
            if path.stem not in known:
                path.unlink(missing_ok=True)

    def account(self, kind: str, job_id: str, fields: dict[str, Any], now: float) -> None:
        """Add a line to the accounting log. Raises ConfigError."""
        when = time.localtime(now)
        path = self._directory / "accounting" / time.strftime("%Y%m%d", when)
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(accounting.line(time.strftime("%m/%d/%Y %H:%M:%S", when), kind, job_id, fields))
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None

    def _submission(self, number: int) -> Path:
        return self._directory / "submissions" / f"{number}.json"

    def _replace(self, path: Path, data: bytes) -> None:
        fresh = path.with_name(f"{path.name}.new")
        try:
            with fresh.open("wb") as file:
                fresh.chmod(0o600)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _book(kept: _Kept) -> tuple[Book, list[str]]:
    book = Book(next_number=kept.next_number, usage=kept.usage, usage_at=kept.usage_at)
    refused = []
    for job_id, job in kept.jobs.items():
        try:
            book.jobs[job_id] = msgspec.json.decode(job, type=Job)
        except msgspec.ValidationError as error:
            refused.append(f"job {job_id} is dropped, as it makes no sense: {error}")
    return book, refused
