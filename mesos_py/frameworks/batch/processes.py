"""Starts processes of a job on its node, and leaves none behind.

The executor adopts what loses its parent (a child subreaper), so that all that descends from it can be found and ended,
also what has made a session of its own.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import psutil

__all__ = ["GRACE_S", "adopt", "end_all", "start", "used"]

_PR_SET_CHILD_SUBREAPER: Final = 36
GRACE_S: Final = 3.0
"""From TERM to KILL."""


def adopt() -> None:
    """Become the parent of whatever descends from us and loses its own."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(
    argv: list[str], environment: Mapping[str, str], directory: str, stdout: IO[bytes] | int, stderr: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """In a session of its own. Raises OSError."""
    return subprocess.Popen(
        argv,
        env=dict(environment),
        cwd=directory if Path(directory).is_dir() and os.access(directory, os.X_OK) else "/",
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def end_all(grace_s: float = GRACE_S) -> None:
    """TERM to all that descends from us, KILL to what stays; returns when nothing is left."""
    _wait(_signal(signal.SIGTERM), grace_s)
    for _ in range(100):  # what forks while it is being killed comes to us, and is met the next time
        found = _signal(signal.SIGKILL)
        if not found:
            return
        _wait(found, 1.0)


def used() -> tuple[float, int]:
    """Seconds of CPU and megabytes that ended processes have used; of the latter the largest one's."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def _signal(number: int) -> list[int]:
    """Descriptors of those that got it, to be waited for."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            descriptor = os.pidfd_open(process.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                os.close(descriptor)
                continue
            found.append(descriptor)
            process.send_signal(number)
    return found


def _wait(descriptors: list[int], timeout_s: float) -> None:
    """Until all have ended. They are not reaped here: somebody may want to know their exit status."""
    deadline = time.monotonic() + timeout_s
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    left = set(descriptors)
    while left and (rest := deadline - time.monotonic()) > 0:
        for descriptor, _ in waiting.poll(rest * 1000):
            waiting.unregister(descriptor)
            left.discard(descriptor)
    for descriptor in descriptors:
        os.close(descriptor)
