"""An MPI program in a job of `mesos batch` against the same by hand: `python -m benchmarks.frameworks.mpi [--size N]`.

The program solves a system of N linear equations on all cores of this machine and checks the answer. In turns:
`mpiexec` from here, and `mpiexec` in a job of one node, isolated as usual; many short turns rather than few long ones,
as what else the machine does comes and goes. Aim: under 4 % longer.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.support import likely, machine, master, median, private_broker, process, table

CORES = os.cpu_count() or 1
WALLTIME_S = 600
MPI = Path(sys.prefix) / "bin"
SOURCE = Path(__file__).parents[2] / "tests/support/mpi/solve.c"


def batch(work: Path, *words: str) -> str:
    command = [sys.executable, "-m", "mesos_py", "batch", *words]
    own = {"MESOS_BATCH_SOCKET": str(work / "socket"), "HOME": str(work)}
    return subprocess.run(command, env=os.environ | own, cwd=work, check=True, capture_output=True, text=True).stdout


def by_hand(program: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([MPI / "mpiexec", "-n", str(CORES), *program], check=True, capture_output=True)
    return time.perf_counter() - start


def look_again(number: str, began: float) -> None:
    if time.time() > began + WALLTIME_S:
        raise SystemExit(f"job {number} has not ended within {WALLTIME_S} s")
    time.sleep(0.05)


def in_job(work: Path, program: list[str]) -> tuple[float, float]:
    """Seconds of the program, and of the job from its submission to its end."""
    began = time.time()
    times = work / "times"
    times.unlink(missing_ok=True)
    lines = [f"date +%s.%N > {times}", f"{MPI}/mpiexec {' '.join(program)}", "code=$?"]
    (work / "job.sh").write_text("\n".join([*lines, f"date +%s.%N >> {times}", "exit $code\n"]))
    limits = f"nodes=1:ppn={CORES},walltime={WALLTIME_S}"
    number = batch(work, "qsub", "-l", limits, "-j", "oe", "job.sh").partition(".")[0]
    while not times.exists() or len(times.read_text().split()) < 2:
        look_again(number, began)  # `qstat` would take some of the program's time, each time
    while (job := json.loads(batch(work, "qstat", "-x", "--json", number))[0])["state"] != "C":
        look_again(number, began)
    if job["exit_status"]:
        raise SystemExit((work / f"job.sh.o{number}").read_text())
    first, last = map(float, times.read_text().split())
    return last - first, job["ended"] - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    hand: list[float] = []
    ours: list[float] = []
    whole: list[float] = []
    with private_broker() as broker, tempfile.TemporaryDirectory(prefix="bench-mpi-") as directory:
        work = Path(directory)
        subprocess.run([MPI / "mpicc", "-O2", "-o", work / "solve", SOURCE, "-lm"], check=True)
        program = [str(work / "solve"), str(options.size)]
        agent = ["mesos_py", "agent", "--broker", broker.url(), "--work-dir", str(work / "agent"), "--http-port", "0"]
        agent += ["--resources", f"cpus:{CORES};mem:2048;ports:[33000-33009]", "--log-level", "warning"]
        serve = ["mesos_py", "batch", "serve", "--broker", broker.url(), "--work-dir", str(work / "state")]
        serve += ["--socket", str(work / "socket")]
        with master(broker.url()), process(*agent, "--no-private-tmp"), process(*serve):
            while not (work / "socket").exists() or "state = free" not in batch(work, "pbsnodes"):
                time.sleep(0.5)
            for number in range(options.rounds):
                if number % 2:
                    hand.append(by_hand(program))
                took, with_start = in_job(work, program)
                ours.append(took)
                whole.append(with_start)
                if not number % 2:
                    hand.append(by_hand(program))
    longer = [100 * (mine / theirs - 1) for mine, theirs in zip(ours, hand, strict=True)]
    print(machine())
    rows = [
        [name, f"{median(found):.2f}", f"{min(found):.2f}-{max(found):.2f}", ""]
        for name, found in (("by hand, s", hand), ("in a job, s", ours), ("from qsub to the job's end, s", whole))
    ]
    between = " to ".join(f"{bound:.1f}" for bound in likely(longer))
    rows.append(["longer by, %, of pairs", f"{median(longer):.1f}", f"{min(longer):.1f}-{max(longer):.1f}", between])
    best = 100 * (min(ours) / min(hand) - 1)
    rows.append(["longer by, %, shortest of each", f"{best:.1f}", "", ""])
    title = f"{CORES} ranks, {options.size:,} equations, {options.rounds} times in turns"
    table(title, ["", "median", "range", "median, 95 %"], rows)


if __name__ == "__main__":
    main()
