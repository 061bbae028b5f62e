"""What the submitting process serves to its executors: orders, shipped files, and input that they cannot see."""

import secrets
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from mesos_py.frameworks.mapreduce.job import Job, Split
from mesos_py.frameworks.mapreduce.transfer import Part, Server

__all__ = ["JobServer", "new_job_id", "own_address"]

_PORT: Final = 5672


class JobServer:
    """Serves until closed. ``order`` gives the order of an attempt, or None."""

    def __init__(self, job: Job, splits: Sequence[Split], order: Callable[[str], bytes | None], address: str) -> None:
        """Listens at once, on the address that agents reach this host at."""
        self._job = job
        self._splits = splits
        self._order = order
        self._secret = secrets.token_hex(16)
        self._server = Server(self._secret, self._find, address)
        self.base = f"http://{address}:{self._server.port}/{self._secret}"
        """What its paths begin with."""

    def close(self) -> None:
        """No more."""
        self._server.close()

    def _find(self, path: str) -> Part | bytes | None:
        what, _, name = path.partition("/")
        if what == "orders":
            return self._order(name)
        number, _, start = name.partition("/")
        if what == "files" and number.isdigit() and int(number) < len(self._job.files):
            return Part(self._job.files[int(number)].path)
        if what == "input" and number.isdigit() and start.isdigit() and int(number) < len(self._splits):
            return Part(self._splits[int(number)].path, int(start))
        return None


def own_address(broker: str) -> str:
    """The address of this host on the way to the broker: agents are on that side, too."""
    where = urlsplit(broker.partition(";")[0])
    if where.scheme == "memory" or not where.hostname:
        return "127.0.0.1"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((where.hostname, where.port or _PORT))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def new_job_id() -> str:
    """As Hadoop forms them: job_TIME_NUMBER."""
    return f"job_{int(time.time() * 1000)}_{secrets.randbelow(9999) + 1:04d}"
