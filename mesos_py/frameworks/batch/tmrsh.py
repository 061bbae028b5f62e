"""``pbs_tmrsh HOST COMMAND...``: start a process on another node of this job, as rsh would, and exit as it does.

mpiexec is told by its environment to start its ranks with this. Only the standard library: it starts often.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mesos_py.frameworks.batch import control

__all__ = ["FAILED", "JOB", "follow", "main", "this_job"]

JOB: Final = "MESOS_BATCH_JOB"
"""Variable with the path of the file that says where the job's nodes are."""
FAILED: Final = 255
"""What rsh and ssh exit with if they could not."""


def main(words: list[str]) -> int:
    """The command's exit code."""
    while words and words[0].startswith("-"):
        words = words[2 if words[0] == "-l" else 1 :]
    if len(words) < 2:
        return _complain("usage: pbs_tmrsh HOST COMMAND...")
    try:
        job = this_job()
        peer = next((peer for peer in job["peers"] if peer["hostname"] == words[0]), None)
        if peer is None:
            return _complain(f"{words[0]} is no node of job {job['job_id']}")
        return follow(peer, job["secret"], " ".join(words[1:]))
    except control.ControlError as error:
        return _complain(str(error))


def this_job() -> dict[str, Any]:
    """Its ``job_id``, ``secret`` and ``peers``. Raises ControlError outside of jobs."""
    try:
        job: dict[str, Any] = json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError):
        raise control.ControlError("this is no process of a batch job") from None
    return job


def follow(peer: Mapping[str, Any], secret: str, line: str, variables: Mapping[str, str] | None = None) -> int:
    """Run a line of shell on a node, here as far as anybody sees, with our variables and these; its exit code.

    Raises ControlError.
    """
    environment = dict(os.environ) | dict(variables or {})
    body = {"do": "run", "line": line, "env": environment, "cwd": str(Path.cwd())}
    try:
        host = control.resolve(peer["hostname"], peer["address"])
        with control.connect(host, peer["port"], secret, body) as connection:
            while (frame := control.read_frame(connection)) is not None:
                kind, data = frame
                if kind == control.EXIT:
                    return int.from_bytes(data, "big")
                _write(1 if kind == control.STDOUT else 2, data)
    except (control.ControlError, OSError) as error:
        raise control.ControlError(f"{peer['hostname']}: {error}") from None
    raise control.ControlError(f"{peer['hostname']}: the connection was lost")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _complain(text: str) -> int:
    print(f"pbs_tmrsh: {text}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
