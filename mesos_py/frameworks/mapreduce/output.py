"""Collects a job's output beside its place, and puts it there in one step, with ``_SUCCESS``, once it is whole."""

import os
import shutil
from pathlib import Path
from typing import Final

from mesos_py.errors import MesosError
from mesos_py.frameworks.mapreduce.transfer import download

__all__ = ["Output"]

SUCCESS: Final = "_SUCCESS"


class Output:
    """A job's output directory in the making. Until ``publish`` there is nothing under its name."""

    def __init__(self, path: str, job_id: str, suffix: str = "") -> None:
        """Raises MesosError if there is something already, or nothing can be made there."""
        self._path = Path(os.path.abspath(path.removeprefix("file://")))
        self._suffix = f".{suffix}" if suffix else ""
        self._job_id = job_id
        self.staging = self._path.parent / f".{self._path.name}.{job_id}"
        """Where tasks that see it leave their output; a file named like the job tells them that it is the right one."""
        if os.path.lexists(self._path):
            raise MesosError(f"output {self._path} exists already")
        self._parts = self.staging / "parts"
        try:
            self._parts.mkdir(parents=True)
            (self.staging / job_id).touch()
        except OSError as error:
            raise MesosError(f"output {self._path}: {error.strerror}") from None

    def commit(self, attempt: str, index: int, url: str) -> None:
        """Make what an attempt put out part ``index``: it is in the staging directory, or behind ``url``.

        Raises OSError or TransferError if it cannot be had.
        """
        source = self.staging / attempt
        if url:
            download(f"{url}/{attempt}/out", source)
        source.rename(self._parts / f"part-{index:05d}{self._suffix}")

    def publish(self) -> None:
        """All is there. Raises MesosError."""
        (self._parts / SUCCESS).touch()
        try:
            self._parts.rename(self._path)
        except OSError as error:
            raise MesosError(f"output {self._path}: {error.strerror}") from None
        self.discard()

    def discard(self) -> None:
        """Leave nothing but what was published."""
        shutil.rmtree(self.staging, ignore_errors=True)
