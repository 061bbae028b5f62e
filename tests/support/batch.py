"""A batch server for tests, and its commands."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster, Process, wait_for

MPI = Path(__file__).parent / "mpi"
MPIEXEC = {"mpich": f"{sys.prefix}/bin/mpiexec", "openmpi": "mpiexec.openmpi"}
"""MPICH is from PyPI: with Debian 12's, 4.0.2, programs over several nodes hang in MPI_Finalize now and then."""
MPICC = {"mpich": f"{sys.prefix}/bin/mpicc", "openmpi": "mpicc.openmpi"}


class BatchServer:
    """`mesos batch serve`, with a directory for the jobs' files."""

    def __init__(self, cluster: Cluster, directory: Path, queues: str = "") -> None:
        self.cluster = cluster
        self.directory = directory
        self._options = ["--work-dir", str(directory / "state"), "--name", "head"]
        if queues:
            (directory / "queues.toml").write_text(queues)
            self._options += ["--queues", str(directory / "queues.toml")]
        self._starts = 0
        self.process: Process

    def start(self) -> None:
        self._starts += 1
        words = [sys.executable, "-m", "mesos_py", "batch", "serve", *self._options]
        output = self.directory / f"serve{self._starts}.log"
        self.process = Process(words, output, last_signal="KILL", **self._variables())
        wait_for(lambda: self.pbs("pbsnodes").stdout.count("state = ") >= self.cluster.agents, "the nodes are seen")

    def _variables(self, **more: str) -> dict[str, str]:
        return {
            "MESOS_BROKER": self.cluster.broker,
            "MESOS_BATCH_SOCKET": str(self.directory / "state/socket"),
            "HOME": str(self.directory),
            **more,
        }

    def pbs(self, *words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mesos_py", "batch", *words],
            env=os.environ | self._variables(**variables),
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def submit(self, script: str, *options: str, **variables: str) -> str:
        """Its number."""
        done = self.pbs("qsub", *options, stdin=script, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.partition(".")[0]

    def job(self, job_id: str) -> dict[str, Any]:
        return self.jobs(job_id)[0]

    def jobs(self, *job_ids: str) -> list[dict[str, Any]]:
        done = self.pbs("qstat", "-x", "--json", *job_ids)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def wait_state(self, job_id: str, state: str = "C", patience_s: float = 60.0) -> dict[str, Any]:
        def reached() -> list[dict[str, Any]] | None:
            jobs = self.jobs(job_id)
            return jobs if all(job["state"] == state for job in jobs) else None

        with contextlib.suppress(AssertionError):
            return wait_for(reached, f"job {job_id} is {state}", patience_s)[0]
        raise AssertionError(f"job {job_id} is not {state}: {self.jobs(job_id)}")

    def read(self, name: str) -> str:
        return (self.directory / name).read_text()

    def accounting(self) -> str:
        return "".join(path.read_text() for path in sorted((self.directory / "state/accounting").iterdir()))


@contextlib.contextmanager
def batch_server(cluster: Cluster, directory: Path, queues: str = "") -> Iterator[BatchServer]:
    """One that runs; what it leaves is removed with its framework."""
    server = BatchServer(cluster, directory, queues)
    try:
        server.start()
        yield server
    finally:
        if hasattr(server, "process"):
            server.process.kill()
            print(server.process.text())
            state = directory / "state/framework.json"
            if state.exists():
                cluster.mesos("teardown", "--yes", json.loads(state.read_text())["framework_id"])


def compiled(name: str, flavour: str, directory: Path) -> Path:
    """A program of ours for this MPI; skips the test where that is not installed."""
    compiler = shutil.which(MPICC[flavour])
    if compiler is None or not shutil.which("gcc"):
        pytest.skip(f"{flavour} is not installed (tools/ensure-mpi)")
    program = directory / f"{name}.{flavour}"
    subprocess.run([compiler, "-O2", "-o", program, MPI / f"{name}.c", "-lm"], check=True)
    return program
