"""``pbsdsh PROGRAM ARGUMENTS``: run a program in each slot of this job, and exit with the highest of the exit codes.

As in Torque: ``-u`` once on each node, ``-c N`` in the first N slots, ``-n N`` in slot N only (from 0), ``-h HOST`` in
those of one node, ``-s`` one after the other, ``-v`` says what is started. ``-o`` is taken and changes nothing.
"""

import getopt
import shlex
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from mesos_py.frameworks.batch.control import ControlError
from mesos_py.frameworks.batch.tmrsh import FAILED, follow, this_job

__all__ = ["main"]

_USAGE: Final = "usage: pbsdsh [-suvo] [-c COUNT | -n SLOT | -h HOST] PROGRAM [ARGUMENT...]"
_WRONG: Final = 2

Slot = tuple[int, Mapping[str, Any]]
"""Its number, and the node it is on."""


def main(words: list[str]) -> int:
    """The command's exit code."""
    try:
        given, program = getopt.getopt(words, "c:n:h:osuv")
        options = dict(given)
        job = this_job()
        slots = _chosen(job["peers"], options)
    except (getopt.GetoptError, ValueError) as error:
        return _complain(f"{error}; {_USAGE}", _WRONG)
    except ControlError as error:
        return _complain(str(error), FAILED)
    if not program:
        return _complain(_USAGE, _WRONG)
    if not slots:
        return _complain(f"job {job['job_id']} has no such slot", FAILED)

    def run(slot: Slot) -> int:
        number, peer = slot
        if "-v" in options:
            _complain(f"{shlex.join(program)} in slot {number}, on {peer['hostname']}", 0)
        variables = {"PBS_VNODENUM": str(number), "PBS_TASKNUM": str(number + 1)}
        try:
            return follow(peer, job["secret"], shlex.join(program), variables)
        except ControlError as error:
            return _complain(str(error), FAILED)

    with ThreadPoolExecutor(1 if "-s" in options else len(slots)) as pool:
        return max(pool.map(run, slots))


def _chosen(peers: Sequence[Mapping[str, Any]], options: Mapping[str, str]) -> list[Slot]:
    """Raises ValueError."""
    each = [peer for peer in peers for _ in range(1 if "-u" in options else peer["slots"])]
    slots = [(number, peer) for number, peer in enumerate(each) if options.get("-h") in (None, peer["hostname"])]
    if "-n" in options:
        wanted = _number(options["-n"])
        return [slot for slot in slots if slot[0] == wanted]
    return slots[: _number(options["-c"])] if "-c" in options else slots


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number")
    return int(text)


def _complain(text: str, code: int) -> int:
    print(f"pbsdsh: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
