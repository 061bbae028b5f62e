"""Word count by our MapReduce and by mrjob's local runner: `python -m benchmarks.frameworks.mapreduce [--mb N]`.

The same mrjob program, unchanged, with as many processes at a time; in turns, so that other work on the machine hits
both. Ours has a cluster of two agents in one process, made for each run, and mrjob's file copies are within its time as
well. Processor time is that of all processes, whoever started them. Aim: not slower. If PEERS_PYTHON has pyspark (and
there is a Java), the same count by it is shown beside.
"""

import argparse
import contextlib
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL
from typing import NamedTuple

from benchmarks.support import machine, median, table
from mesos_py.frameworks.batch.processes import adopt

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
SPARK = """
import json, sys
from operator import add
from pyspark import SparkContext
source, output, cores = sys.argv[1:]
with SparkContext(f"local[{cores}]", "count") as context:
    context.setLogLevel("ERROR")
    lines = context.textFile(source, int(cores))
    counts = lines.flatMap(str.split).map(lambda word: (word, 1)).reduceByKey(add, int(cores))
    counts.map(lambda pair: f"{json.dumps(pair[0])}\\t{pair[1]}").saveAsTextFile(output)
"""


def write_input(path: Path, mb: int) -> None:
    some = random.Random(1)
    words = ["".join(some.choices("abcdefghijklmnop", k=some.randint(3, 9))) for _ in range(20_000)]
    with path.open("w") as file:
        while file.tell() < mb << 20:
            file.writelines(" ".join(some.choices(words, k=10)) + "\n" for _ in range(5000))


def command(work: Path, runner: str) -> list[str]:
    """What is to be run; the answer is in ``out``, that of hadoop in the store's."""
    source = str(work / "in.txt")
    if runner == "pyspark":
        return [os.environ["PEERS_PYTHON"], str(work / "spark.py"), source, str(work / "out"), str(CORES)]
    words = [sys.executable, str(work / "count.py"), source, "-r", runner, "--output-dir"]
    if runner == "local":
        return [*words, str(work / "out"), "--num-cores", str(CORES)]
    # as many maps at a time as there are cores, each with one part of the input, as the local runner makes them
    split = -(-(work / "in.txt").stat().st_size // CORES)
    return [
        *words, "hdfs:///out", "--hadoop-bin", f"{sys.executable} -m mesos_py hadoop --local",
        "--hadoop-streaming-jar", "streaming.jar", "--python-bin", sys.executable,
        "-D", f"mapreduce.job.reduces={CORES}", "-D", "mapreduce.map.cpu.vcores=2",
        "-D", f"mapreduce.input.fileinputformat.split.maxsize={split}",
    ]  # fmt: skip


class Took(NamedTuple):
    seconds: float
    cpu_s: float


def used() -> float:
    """Processor time of all that has ended below us, once nothing is left there."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(work: Path, runner: str) -> tuple[Took, list[str]]:
    """What it took, and the answer in order."""
    environment = os.environ | {"MESOS_STORE": str(work / "store")}
    before, start = used(), time.perf_counter()
    done = subprocess.run(command(work, runner), env=environment, text=True, capture_output=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    places = (work / "out", work / "store/out")
    answer = [line for place in places for part in place.glob("part-*") for line in part.read_text().splitlines()]
    for left in (work / "out", work / "store"):
        shutil.rmtree(left, ignore_errors=True)
    return Took(seconds, used() - before), sorted(answer)


def has_spark() -> bool:
    python = os.environ.get("PEERS_PYTHON", "")
    return bool(python) and not subprocess.run([python, "-c", "import pyspark"], stderr=DEVNULL, check=False).returncode


def compared(ours: Sequence[float], theirs: Sequence[float]) -> str:
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return f"{median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    adopt()
    names = {"hadoop": "mesos mapreduce", "local": "mrjob's local runner", "pyspark": "pyspark, local"}
    took: dict[str, list[Took]] = {runner: [] for runner in names if runner != "pyspark" or has_spark()}
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        (work / "count.py").write_text(JOB)
        (work / "spark.py").write_text(SPARK)
        write_input(work / "in.txt", options.mb)
        for _ in range(options.rounds):
            answers = []
            for runner, each in took.items():
                needed, answer = run(work, runner)
                each.append(needed)
                answers.append(answer)
            if not answers[0] or any(answer != answers[0] for answer in answers):
                raise SystemExit("the answers differ")
    print(machine())
    rows = []
    ours_s, ours_cpu_s = zip(*took["hadoop"], strict=True)
    for runner, each in took.items():
        seconds, cpu_s = zip(*each, strict=True)
        times = f"{median(seconds):.1f} [{min(seconds):.1f}-{max(seconds):.1f}]"
        against = [compared(ours_s, seconds), compared(ours_cpu_s, cpu_s)] if runner != "hadoop" else ["", ""]
        rows.append([names[runner], times, f"{median(cpu_s):.1f}", *against])
    title = f"word count, {options.mb} MB, {CORES} processes, {options.rounds} times in turns"
    table(title, ["", "s, median [min-max]", "processor s", "ours / theirs, s", "ours / theirs, processor s"], rows)


if __name__ == "__main__":
    main()
