"""``pbs_tmrsh HOST COMMAND...``: start a process on another node of this job, as rsh would, and exit as it does.

mpiexec is told by its environment to start its ranks with this. Only the standard library: it starts often.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from mesos_py.frameworks.batch import control

__all__ = ["JOB", "main"]

JOB: Final = "MESOS_BATCH_JOB"
"""Variable with the path of the file that says where the job's nodes are."""
_FAILED: Final = 255
"""What rsh and ssh exit with if they could not."""


def main(words: list[str]) -> int:
    """The command's exit code."""
    while words and words[0].startswith("-"):
        words = words[2 if words[0] == "-l" else 1 :]
    if len(words) < 2:
        return _complain("usage: pbs_tmrsh HOST COMMAND...")
    try:
        job = json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError):
        return _complain("this is no process of a batch job")
    peer = next((peer for peer in job["peers"] if peer["hostname"] == words[0]), None)
    if peer is None:
        return _complain(f"{words[0]} is no node of job {job['job_id']}")
    body = {"do": "run", "line": " ".join(words[1:]), "env": dict(os.environ), "cwd": str(Path.cwd())}
    try:
        return _follow(peer, job["secret"], body)
    except (control.ControlError, OSError) as error:
        return _complain(f"{words[0]}: {error}")


def _follow(peer: dict[str, Any], secret: str, body: dict[str, Any]) -> int:
    host = control.resolve(peer["hostname"], peer["address"])
    with control.connect(host, peer["port"], secret, body) as connection:
        while (frame := control.read_frame(connection)) is not None:
            kind, data = frame
            if kind == control.EXIT:
                return int.from_bytes(data, "big")
            _write(1 if kind == control.STDOUT else 2, data)
    return _complain(f"{peer['hostname']}: the connection was lost")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _complain(text: str) -> int:
    print(f"pbs_tmrsh: {text}", file=sys.stderr)
    return _FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
