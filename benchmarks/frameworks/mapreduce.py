"""Word count by our MapReduce and by mrjob's local runner: `python -m benchmarks.frameworks.mapreduce [--mb N]`.

The same mrjob program, unchanged, with as many processes at a time; in turns, so that other work on the machine hits
both. Ours has a cluster of two agents in one process, made for each run, and mrjob's file copies are within its time as
well. Aim: not slower.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.support import machine, median, table

CORES = os.cpu_count() or 1
JOB = """
from mrjob.job import MRJob
class Count(MRJob):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1
    def combiner(self, word, counts):
        yield word, sum(counts)
    def reducer(self, word, counts):
        yield word, sum(counts)
if __name__ == "__main__":
    Count.run()
"""


def write_input(path: Path, mb: int) -> None:
    some = random.Random(1)
    words = ["".join(some.choices("abcdefghijklmnop", k=some.randint(3, 9))) for _ in range(20_000)]
    with path.open("w") as file:
        while file.tell() < mb << 20:
            file.writelines(" ".join(some.choices(words, k=10)) + "\n" for _ in range(5000))


def run(work: Path, runner: str) -> tuple[float, str]:
    """Seconds, and the answer in order."""
    words = [sys.executable, str(work / "count.py"), "-r", runner, str(work / "in.txt"), "--output-dir"]
    hadoop = f"{sys.executable} -m mesos_py hadoop --local"
    # as many maps at a time as there are cores, each with one part of the input, as the local runner makes them
    split = -(-(work / "in.txt").stat().st_size // CORES)
    options = {
        "local": [str(work / "out"), "--num-cores", str(CORES)],
        "hadoop": [
            "hdfs:///out", "--hadoop-bin", hadoop, "--hadoop-streaming-jar", "streaming.jar", "--python-bin",
            sys.executable, "-D", f"mapreduce.job.reduces={CORES}", "-D", "mapreduce.map.cpu.vcores=2",
            "-D", f"mapreduce.input.fileinputformat.split.maxsize={split}",
        ],
    }  # fmt: skip
    start = time.perf_counter()
    done = subprocess.run(
        [*words, *options[runner]], env=os.environ | {"MESOS_STORE": str(work / "store")}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    for left in (work / "out", work / "store"):
        shutil.rmtree(left, ignore_errors=True)
    return seconds, "".join(sorted(done.stdout.splitlines(keepends=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    took: dict[str, list[float]] = {"local": [], "hadoop": []}
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        (work / "count.py").write_text(JOB)
        write_input(work / "in.txt", options.mb)
        for _ in range(options.rounds):
            answers = set()
            for runner, seconds in took.items():
                needed, answer = run(work, runner)
                seconds.append(needed)
                answers.add(answer)
            if len(answers) != 1:
                raise SystemExit("the answers differ")
    ours, theirs = median(took["hadoop"]), median(took["local"])
    head = ["", "mesos mapreduce s", "mrjob local s", "ours / mrjob"]
    row = [f"{options.mb} MB, {CORES} processes", f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}"]
    table("word count", head, [row])


if __name__ == "__main__":
    main()
