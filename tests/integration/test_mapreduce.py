"""MapReduce on a real cluster: against plain Unix tools' answers, with nodes that die, and mrjob's jobs unchanged.

MESOS_PY_MAPREDUCE_MB=200 makes word count, sort and join, also those in which nodes die, so large instead of 0.5 MB.
"""

import contextlib
import json
import os
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.cluster import cluster, environment, one_cluster, wait_for

__all__ = ["cluster", "one_cluster"]

MB = float(os.environ.get("MESOS_PY_MAPREDUCE_MB", "0.5"))
PATIENCE_S = 150 + 10 * MB

pytestmark = [pytest.mark.integration, pytest.mark.timeout(100 + PATIENCE_S)]

LINES = int(24_000 * MB)
MEM = 64 if MB < 8 else 160
SMALL = ["-D", "mapreduce.map.cpu.vcores=0.5", "-D", f"mapreduce.map.memory.mb={MEM}", "-D",
         f"mapreduce.reduce.memory.mb={MEM}", "-D",
         f"mapreduce.input.fileinputformat.split.maxsize={min(int(120_000 * MB), 8 << 20)}"]  # fmt: skip
COUNT = "uniq -c"


def plain(line, **files):
    """What a shell line says, in the C locale."""
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C", **files}
    ).stdout


def words_of(directory):
    return "".join(part.read_text() for part in sorted(directory.glob("part-*")))


def same(ours, theirs):
    """The same lines; for an assertion that says little where they differ much."""
    a, b = sorted(ours.split("\n")), sorted(theirs.split("\n"))
    assert len(a) == len(b)
    assert not [pair for pair in zip(a, b, strict=True) if pair[0] != pair[1]][:3]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """MB megabytes of words."""
    some = random.Random(7)
    words = ["".join(some.choices("abcdefgh", k=some.randint(2, 5))) for _ in range(500)]
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_text("".join(" ".join(some.choices(words, k=9)) + "\n" for _ in range(LINES)))
    return path


@pytest.fixture
def mapreduce(cluster, tmp_path):
    def run(*words, code=0):
        done = cluster.mesos("mapreduce", *SMALL, *words, "-output", str(tmp_path / "out"), patience_s=PATIENCE_S)
        assert done.returncode == code, done.stderr
        wait_for(lambda: not cluster.live_tasks(), "nothing is left of the job")
        assert (tmp_path / "out").exists() == (code == 0)
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
        return done.stderr

    return run


def test_the_reducer_aggregate(mapreduce, text, tmp_path):
    count = r"""awk '{ print "LongValueSum:lines\t1"; print "LongValueMax:longest\t" length }'"""
    mapreduce("-input", str(text), "-mapper", count, "-reducer", "aggregate")
    longest = plain(f"awk '{{ print length }}' {text} | sort -n | tail -1")
    assert words_of(tmp_path / "out") == f"longest\t{longest}lines\t{LINES}\n"


def test_word_count(mapreduce, text, tmp_path):
    said = mapreduce("-input", str(text), "-mapper", r"tr ' ' '\n'", "-reducer", COUNT, "-numReduceTasks", "3")
    same(words_of(tmp_path / "out"), plain(f"tr ' ' '\n' < {text} | sort | uniq -c"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "_SUCCESS", "part-00000", "part-00001", "part-00002",
    ]  # fmt: skip
    assert f"\t\tMap input records={LINES}\n" in said


def test_sorting_in_numerical_order_what_does_not_fit_in_memory(mapreduce, tmp_path):
    numbers = random.Random(3).sample(range(10**8), int(60_000 * MB))
    (tmp_path / "in").write_text("".join(f"{number}\tx{number}\n" for number in numbers))
    said = mapreduce(
        "-input", str(tmp_path / "in"), "-mapper", "cat", "-reducer", "cat", "-D", "mapreduce.task.io.sort.mb=1",
        "-D", "mapreduce.input.fileinputformat.split.maxsize=1000000", "-D",
        "mapreduce.job.output.key.comparator.class=org.apache.hadoop.mapred.lib.KeyFieldBasedComparator", "-D",
        "mapreduce.partition.keycomparator.options=-k1,1nr",
    )  # fmt: skip
    assert words_of(tmp_path / "out") == plain(f"sort -k1,1nr {tmp_path}/in")
    maps, runs = (int(re.search(rf"{name}(\d+)", said)[1]) for name in ("number of splits:", "Spilled runs="))
    assert runs > maps


JOIN = """import os, sys
tag = "L" if os.environ["mapreduce_map_input_file"].endswith("left.gz") else "R"
for line in sys.stdin:
    key, value = line.rstrip("\\n").split(" ")
    print(f"{key}\\t{tag}{value}")
print("reporter:counter:join,mappers,1", file=sys.stderr)
"""
JOINED = """import itertools, sys
rows = (line.rstrip("\\n").split("\\t") for line in sys.stdin)
for key, group in itertools.groupby(rows, key=lambda row: row[0]):
    sides = {"L": [], "R": []}
    for _, value in group:
        sides[value[0]].append(value[1:])
    for left, right in itertools.product(sides["L"], sides["R"]):
        print(key, left, right)
"""


def test_a_join_of_packed_files_with_programs_that_are_shipped(mapreduce, tmp_path):
    some = random.Random(5)
    for side in ("left", "right"):
        rows = [f"k{some.randint(0, int(9_000 * MB)):07d} {side}{number}" for number in range(int(27_000 * MB))]
        (tmp_path / side).write_text("\n".join(sorted(rows, key=lambda row: row.split()[0])) + "\n")
    plain(f"cd {tmp_path} && gzip -k left && bzip2 -k right")
    (tmp_path / "map.py").write_text(f"#!{sys.executable}\n{JOIN}")
    (tmp_path / "reduce.py").write_text(JOINED)
    said = mapreduce(
        "-input", f"{tmp_path}/left.gz,{tmp_path}/right.bz2", "-file", f"{tmp_path}/map.py", "-file",
        f"{tmp_path}/reduce.py", "-mapper", "map.py", "-reducer", f"{sys.executable} reduce.py", "-numReduceTasks", "2",
    )  # fmt: skip
    same(words_of(tmp_path / "out"), plain(f"join {tmp_path}/left {tmp_path}/right"))
    assert "\tjoin\n\t\tmappers=2\n" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-input", "/no/such/file", "-mapper", "cat"], "mesos: input /no/such/file does not exist"),
        (["-input", "/etc/hosts", "-mapper", "no-such-program"], "mapper 'no-such-program' is neither on the agents"),
        (["-input", "/etc/hosts", "-mapper", "sh -c 'echo my word >&2; exit 7'"], "mapper exited with 7; its stderr"),
        (["-input", "/etc/hosts", "-mapper", "cat", "-reducer", "false"], "reduce 0 failed 4 times: reducer exited"),
        (["-input", "/etc/hosts", "-mapper", "cat", "-file", "/no/such"], "file /no/such, to be shipped"),
    ],
)
def test_what_cannot_go_well_is_said_in_one_line_and_nothing_is_left(mapreduce, words, says):
    assert says in mapreduce(*words, code=1).splitlines()[-1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can bound memory")
def test_a_job_that_takes_too_much_memory_is_given_up(mapreduce):
    """Its executor is ended for it: that counts as the attempt's own failure, or it would be tried for ever."""
    hog = f"{sys.executable} -c 'x = bytearray(10**9)'"
    said = mapreduce("-input", "/etc/hosts", "-mapper", hog, code=1).splitlines()[-1]
    assert "failed 4 times: memory limit of " in said


def test_an_output_that_exists_is_not_touched(cluster, tmp_path):
    (tmp_path / "out").mkdir()
    done = cluster.mesos("mapreduce", "-input", "/etc/hosts", "-mapper", "cat", "-output", f"{tmp_path}/out")
    assert (done.returncode, done.stderr) == (1, f"mesos: output {tmp_path}/out exists already\n")


def test_data_in_directories_of_single_agents(mapreduce, cluster, tmp_path):
    """Each is read where it is; the tasks say where they ran."""
    listed = []
    for number in (1, 2):
        path = tmp_path / f"data{number}"
        path.write_text(f"of host{number}\n")
        listed.append({"name": path.name, "size": path.stat().st_size, "hosts": {f"host{number}": str(path)}})
    (tmp_path / "catalogue.json").write_text(json.dumps(listed))
    mapper = "sh -c 'while read line; do echo \"$line in $PWD\"; done'"
    mapreduce("-input", f"catalogue:{tmp_path}/catalogue.json", "-mapper", mapper, "-reducer", "NONE")
    lines = words_of(tmp_path / "out").splitlines()
    assert len(lines) == 2
    for number, line in enumerate(sorted(lines), 1):
        assert line.startswith(f"of host{number} in ")
        assert f"/agent{number}/" in line


# Nodes that die

SLOW = """import os, pathlib, sys, time
notes = pathlib.Path(sys.argv[1])
node = next(part for part in os.getcwd().split("/") if part.startswith("agent"))
(notes / f"{node}.{os.environ['mapreduce_task_attempt_id']}").touch()
if (notes / "slow").exists():
    time.sleep(1.0)
sys.stdout.write(sys.stdin.read().replace(" ", "\\n"))
"""
TELLING = """import os, pathlib, sys, time
notes = pathlib.Path(sys.argv[1])
node = next(part for part in os.getcwd().split("/") if part.startswith("agent"))
(notes / f"{node}.{os.environ['mapreduce_task_attempt_id']}").touch()
while (notes / "wait").exists():
    time.sleep(0.1)
counts = {}
for line in sys.stdin:
    counts[line] = counts.get(line, 0) + 1
for line, count in counts.items():
    print(f"{count:7d} {line}", end="")
"""


@contextlib.contextmanager
def node_dies(cluster):
    """The agent and all that runs on it, at once; it comes back when the test is over."""

    def die(number):
        cluster.daemon(f"agent{number}").kill()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd().startswith(f"{cluster.work}/agent{number}/"):
                    process.kill()
        died.append(number)

    died = []
    try:
        yield die
    finally:
        for number in died:
            cluster.start_agent(number)
        cluster.wait_ready()


@pytest.mark.parametrize("when", ["map", "reduce"])
def test_a_node_dies_in_the_middle(cluster, text, tmp_path, when):
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / ("slow" if when == "map" else "wait")).touch()
    (tmp_path / "map.py").write_text(SLOW)
    (tmp_path / "reduce.py").write_text(TELLING)
    job = [
        "mapreduce", "-input", str(text), "-output", f"{tmp_path}/out",
        "-files", f"{tmp_path}/map.py,{tmp_path}/reduce.py",
        "-mapper", f"{sys.executable} map.py {notes}", "-reducer", f"{sys.executable} reduce.py {notes}",
        "-numReduceTasks", "2", *SMALL,
    ]  # fmt: skip
    kind = "_m_" if when == "map" else "_r_"
    with node_dies(cluster) as die, cluster.running(*job) as process:
        [note, *_] = wait_for(lambda: list(notes.glob(f"agent*{kind}*")), f"a {when} runs", PATIENCE_S)
        die(int(note.name.partition(".")[0].removeprefix("agent")))
        (notes / "wait").unlink(missing_ok=True)
        assert process.wait(PATIENCE_S) == 0, process.text()
    same(words_of(tmp_path / "out"), plain(f"tr ' ' '\n' < {text} | sort | uniq -c"))
    attempts = {note.name.rpartition("_")[2] for note in notes.glob("agent*")}
    assert attempts > {"0"}, "something was done again"


# mrjob

mrjob_examples = Path(pytest.importorskip("mrjob.examples").__file__).parent


def by_mrjob(cluster, job, *words, runner):
    hadoop = f"{sys.executable} -m mesos_py hadoop"
    how = ["--hadoop-bin", hadoop, "--hadoop-streaming-jar", "hadoop-streaming.jar", "--python-bin", sys.executable,
           "-D", "mapreduce.map.memory.mb=64", "-D", "mapreduce.reduce.memory.mb=64"]  # fmt: skip
    command = [sys.executable, str(mrjob_examples / f"{job}.py"), "-r", runner, *words, *(how * (runner == "hadoop"))]
    store = {"MESOS_STORE": str(cluster.work / "store"), "MESOS_BROKER": cluster.broker}
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment(**store))


@pytest.mark.parametrize(
    "words",
    ["mr_word_freq_count", "mr_next_word_stats", "mr_grep -e beta"],
)
def test_jobs_of_mrjob_run_unchanged(cluster, tmp_path, words):
    (tmp_path / "in.txt").write_text("alpha beta gamma\nbeta bug gamma\n" * 20)
    job, *options = shlex.split(words)
    ours, theirs = (
        by_mrjob(cluster, job, *options, str(tmp_path / "in.txt"), runner=runner) for runner in ("hadoop", "inline")
    )
    if job == "mr_grep":  # its mapper is a command, which the inline runner does not run
        theirs = by_mrjob(cluster, job, *options, str(tmp_path / "in.txt"), runner="local")
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout
    same(ours.stdout, theirs.stdout)


def test_a_job_of_mrjob_that_fails_says_why(cluster, tmp_path):
    (tmp_path / "in.txt").write_text("x\n")
    done = by_mrjob(cluster, "mr_boom", str(tmp_path / "in.txt"), runner="hadoop")
    assert done.returncode != 0
    assert "Exception: BOOM" in done.stderr
