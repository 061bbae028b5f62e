"""`mesos mapreduce` and `mesos hadoop`: one job with its progress on stderr, in the form of Hadoop's own log."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from mesos_py.daemons.config import LocalConfig
from mesos_py.daemons.local import embedded
from mesos_py.errors import MesosError, UserError
from mesos_py.frameworks.mapreduce.framework import JobResult, Settings, Watcher, run_job
from mesos_py.frameworks.mapreduce.job import Job
from mesos_py.frameworks.mapreduce.orders import hadoop_attempt
from mesos_py.frameworks.mapreduce.store import store_path, store_root
from mesos_py.frameworks.mapreduce.streaming import parse_streaming
from mesos_py.runtime.logs import set_up

__all__ = ["MapReduceOptions", "mapreduce", "run_jar"]

_SAY_S: Final = 1.0


class MapReduceOptions(Struct, frozen=True, kw_only=True):
    """Where jobs run."""

    settings: Settings
    local_agents: int = 0
    """Make a cluster of so many agents just for this."""


def mapreduce(words: Sequence[str], options: MapReduceOptions) -> int:
    """Run the job that streaming's arguments describe; the exit code. Raises MesosError."""
    job = parse_streaming(words, _of_this_host)
    _run(job, job.output, options)
    return 0


def run_jar(jar: str, words: Sequence[str], options: MapReduceOptions) -> int:
    """``hadoop jar``: the exit code. Raises UserError for what is no streaming job."""
    if "streaming" not in jar.rpartition("/")[2]:
        raise UserError(f"{jar} is no streaming jar; programs in Java cannot be run")
    job = parse_streaming(words, store_path)
    # a program may call our `hadoop fs` in turn
    job = replace(job, environment={"MESOS_STORE": store_root()} | job.environment)
    output = words[len(words) - 1 - list(words)[::-1].index("-output") + 1]
    shown = output if "://" in output else f"hdfs://{output}"
    try:
        _run(job, shown, options)
    except MesosError as error:
        if isinstance(error, UserError):
            raise
        _log("ERROR", "streaming.StreamJob", f"Job not successful! {error}")
        sys.stderr.write("Streaming Command Failed!\n")
        return 1
    return 0


def _run(job: Job, shown_output: str, options: MapReduceOptions) -> None:
    set_up("warning", "console")
    watcher = _Log()
    with _terminable(), _cluster(options) as settings:
        result = run_job(job, settings, watcher)
    watcher.ended(result, shown_output)


@contextlib.contextmanager
def _cluster(options: MapReduceOptions) -> Iterator[Settings]:
    if not options.local_agents:
        yield options.settings
        return
    config = LocalConfig(agents=options.local_agents, http_port=0, log_level="warning")
    with embedded(config) as cluster:
        yield replace(options.settings, broker=cluster.broker)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM acts as Ctrl-C does, so that nothing is left running."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Log(Watcher):
    """Says how it goes; not more often than once a second, unless something new begins."""

    def __init__(self) -> None:
        self._said = (-1, -1)
        self._at = 0.0
        self._job_id = ""

    def began(self, job_id: str, maps: int, reduces: int) -> None:
        self._job_id = job_id
        _log("INFO", "mapreduce.JobSubmitter", f"number of splits:{maps}")
        _log("INFO", "mapreduce.Job", f"Running job: {job_id}")
        self.progressed(0.0, 0.0 if reduces else 1.0)

    def progressed(self, maps: float, reduces: float) -> None:
        said, now = (int(100 * maps), int(100 * reduces)), time.monotonic()
        if said != self._said and (now - self._at >= _SAY_S or said == (100, 100)):
            self._said, self._at = said, now
            _log("INFO", "mapreduce.Job", f" map {said[0]}% reduce {said[1]}%")

    def failed(self, attempt: str, why: str) -> None:
        name = hadoop_attempt(self._job_id, attempt)
        _log("INFO", "mapreduce.Job", f"Task Id : {name}, Status : FAILED\n{why}")

    def noted(self, text: str) -> None:
        _log("INFO", "mapreduce.Job", text)

    def ended(self, result: JobResult, output: str) -> None:
        """It went well."""
        _log("INFO", "mapreduce.Job", f"Job {result.job_id} completed successfully in {result.seconds:.1f} s")
        lines = [f"Counters: {sum(map(len, result.counters.values()))}"]
        for group, counters in result.counters.items():
            lines += [f"\t{group}", *(f"\t\t{name}={amount}" for name, amount in counters.items())]
        _log("INFO", "mapreduce.Job", "\n".join(lines))
        _log("INFO", "streaming.StreamJob", f"Output directory: {output}")


def _log(level: str, logger: str, text: str) -> None:
    sys.stderr.write(f"{time.strftime('%y/%m/%d %H:%M:%S')} {level} {logger}: {text}\n")
    sys.stderr.flush()


def _of_this_host(path: str) -> str:
    """Paths are this host's, unless they say otherwise."""
    return store_path(path) if path.startswith("hdfs://") else path
