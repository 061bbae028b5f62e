"""The batch system against a real cluster of three agents."""

import contextlib
import os
import sys

import httpx
import pytest

from tests.support.batch import MPI, MPIEXEC, batch_server, compiled
from tests.support.cluster import Cluster, cluster, wait_for

__all__ = ["cluster"]

pytestmark = pytest.mark.integration


class Hosts(Cluster):
    """Its agents have host names of their own, which mean something on each: MPI tells nodes apart by them."""

    def _start(self, name, *words, **more):
        number = name.removeprefix("agent")
        if number.isdigit() and os.geteuid() == 0:
            hosts = self.work / "hosts"
            hosts.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1{n} host{n}\n" for n in range(1, 4)))
            own = 'mount --bind "$0" /etc/hosts && hostname "$1" && shift && exec "$@"'
            more["prefix"] = ["unshare", "--uts", "--mount", "sh", "-c", own, str(hosts), f"host{number}"]
        super()._start(name, *words, **more)


@pytest.fixture(scope="module")
def one_cluster(rabbitmq, tmp_path_factory):
    cluster = Hosts(rabbitmq.url(), tmp_path_factory.mktemp("cluster"), agents=3)
    try:
        cluster.start()
        yield cluster
    except BaseException:
        print(cluster.news())
        raise
    finally:
        cluster.stop()


@pytest.fixture
def batch(cluster, tmp_path):
    with batch_server(cluster, tmp_path) as server:
        yield server
    wait_for(lambda: not cluster.processes(), "nothing of the jobs is left")


def test_a_script_with_directives_runs_unchanged(batch):
    script = (
        "#!/bin/bash\n#PBS -N hello\n#PBS -l nodes=2:ppn=2,walltime=00:01:00,mem=256mb\n#PBS -j oe -m abe\n"
        'cd "$PBS_O_WORKDIR"\necho "$PBS_JOBID $PBS_JOBNAME $PBS_NP $GIVEN"\nsort $PBS_NODEFILE | uniq -c\nexit 3\n'
    )
    (batch.directory / "job.sh").write_text(script)
    done = batch.pbs("qsub", "-v", "GIVEN=a b", "job.sh")
    assert (done.stdout, done.returncode) == ("1.head\n", 0), done.stderr
    assert "-m is ignored: no mail is sent" in done.stderr
    job = batch.wait_state("1")
    assert job["exit_status"] == 3, job
    first, *nodes = batch.read("hello.o1").splitlines()
    assert first == "1.head hello 4 a b"
    assert len(nodes) == 2
    assert all(line.split()[0] == "2" and line.split()[1].startswith("host") for line in nodes)
    wait_for(lambda: ";E;1.head;" in batch.accounting(), "it is accounted for")
    assert "Exit_status=3" in batch.accounting()


@pytest.mark.parametrize("flavour", MPIEXEC)
def test_mpi_programs_over_three_agents(batch, flavour):
    ring, solve = (compiled(name, flavour, batch.directory) for name in ("ring", "solve"))
    script = f"{MPIEXEC[flavour]} {ring} && {MPIEXEC[flavour]} {solve} 60\n"
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    number = batch.submit(script, "-V", "-N", "mpi", "-l", "nodes=3:ppn=1,walltime=90", "-j", "oe", **root)
    job = batch.wait_state(number)
    text = batch.read(f"mpi.o{number}")
    assert job["exit_status"] == 0, (job, text)
    assert "ring 3 sum 3 size 3" in text
    assert "n 60 size 3" in text
    if os.geteuid() == 0:
        assert {line.split()[-1] for line in text.splitlines() if line.startswith("rank")} == {
            "host1",
            "host2",
            "host3",
        }


def test_a_ring_and_a_sum_by_mpi4py(batch):
    program = f"{MPIEXEC['mpich']} {sys.executable} {MPI / 'ring.py'}\n"
    number = batch.submit(program, "-N", "py", "-l", "nodes=3:ppn=1,walltime=90", "-j", "oe")
    job = batch.wait_state(number, patience_s=90)
    text = batch.read(f"py.o{number}")
    assert job["exit_status"] == 0, (job, text)
    assert sorted(text.splitlines()) == ["ring [0, 1, 2]", "total 0 6", "total 1 6", "total 2 6"]


@pytest.mark.parametrize("flavour", MPIEXEC)
def test_a_rank_that_dies_fails_the_job_and_nothing_is_left(batch, cluster, flavour):
    program = compiled("abort", flavour, batch.directory)
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    number = batch.submit(f"{MPIEXEC[flavour]} {program}\n", "-V", "-l", "nodes=3:ppn=1,walltime=60", **root)
    job = batch.wait_state(number)
    assert job["exit_status"] not in (0, None), job
    wait_for(lambda: not cluster.processes(), "nothing of the job is left")


DSH = """
pbsdsh sh -c 'echo "all $PBS_VNODENUM on $PBS_NODENUM: $1"; exit $PBS_VNODENUM' sh 'a  b'
echo "code $?"
pbsdsh -u sh -c 'echo "each $PBS_NODENUM"'
pbsdsh -v -n 2 echo third
pbsdsh -c 2 -s sh -c 'echo "first $PBS_VNODENUM"'
pbsdsh -n 9 true; pbsdsh -n x true; pbsdsh; pbsdsh no-such-program
echo "code $?"
pbsdsh sleep 1000 &
"""


def test_a_program_in_each_slot_by_pbsdsh(batch, cluster):
    number = batch.submit(DSH, "-N", "dsh", "-l", "nodes=2:ppn=2,walltime=60", "-j", "oe")
    assert batch.wait_state(number)["exit_status"] == 0
    lines = batch.read(f"dsh.o{number}").splitlines()
    assert sorted(line for line in lines if line.startswith("all")) == [
        f"all {slot} on {slot // 2}: a  b" for slot in range(4)
    ]
    assert [line for line in lines if line.startswith("code")] == ["code 3", "code 127"]
    assert sorted(line for line in lines if line.startswith("each")) == ["each 0", "each 1"]
    assert [line for line in lines if line.startswith("first")] == ["first 0", "first 1"]
    assert lines.count("third") == 1
    said = [line.removeprefix("pbsdsh: ") for line in lines if line.startswith("pbsdsh")]
    assert said[0].startswith("echo third in slot 2, on host")
    assert said[1] == f"job {number}.head has no such slot"
    assert said[2].startswith("'x' is no number; usage: pbsdsh [-suvo]")
    assert said[3].startswith("usage: pbsdsh [-suvo]")
    wait_for(lambda: not cluster.processes(), "nothing of the job is left")


def test_arrays_and_dependencies(batch):
    array = batch.submit("echo $PBS_ARRAYID\ntest $PBS_ARRAYID != 2\n", "-N", "a", "-t", "1-3%2")
    assert array == "1[]"
    good = batch.submit("true\n", "-W", "depend=afterok:1[3]")
    never = batch.submit("true\n", "-W", "depend=afterok:1[]")
    after = batch.submit("true\n", "-W", f"depend=afterany:1[],afterok:{good}")
    held = batch.submit("true\n", "-h")
    assert batch.wait_state(after)["exit_status"] == 0
    assert [job["exit_status"] for job in batch.jobs("1[]")] == [0, 1, 0]
    assert batch.read("a.o1-3") == "3\n"
    assert batch.job(never)["comment"] == "afterok of job 1[] can never be met"
    assert batch.job(held)["state"] == "H"
    assert batch.pbs("qrls", held).returncode == 0
    assert batch.wait_state(held)["exit_status"] == 0


def test_small_jobs_pass_a_wide_one_only_where_they_do_not_delay_it(batch):
    batch.submit("sleep 8\n", "-N", "long", "-l", "nodes=2:ppn=4,walltime=10")
    batch.wait_state("1", "R")
    batch.submit("true\n", "-N", "wide", "-l", "nodes=3:ppn=4,walltime=10")
    batch.submit("sleep 1\n", "-N", "short", "-l", "nodes=1:ppn=2,walltime=5")
    batch.submit("sleep 1\n", "-N", "late", "-l", "nodes=1:ppn=2,walltime=600")
    batch.wait_state("4")
    wide, short, late = batch.jobs("2", "3", "4")
    assert short["started"] < wide["started"] < late["started"]
    assert late["started"] >= wide["ended"] - 0.5


def test_walltime_is_kept_and_deleting_ends(batch, cluster):
    batch.submit("trap '' TERM\nsleep 60 & wait; sleep 60\n", "-N", "long", "-l", "walltime=1")
    batch.submit("sleep 60\n", "-N", "other")
    batch.wait_state("2", "R")
    assert batch.pbs("qdel", "2").returncode == 0
    job = batch.wait_state("1")
    assert job["comment"] == "killed: walltime 00:00:01 is over"
    assert job["exit_status"] in (256 + 9, 256 + 15)
    assert "walltime 00:00:01 is over" in batch.read("long.e1")
    assert batch.wait_state("2")["exit_status"] == 256 + 15
    wait_for(lambda: not cluster.processes(), "nothing of the jobs is left")


def test_jobs_outlive_the_server(batch, tmp_path):
    batch.submit(f"while ! test -e {tmp_path}/go; do sleep 0.1; done; exit 5\n", "-l", "nodes=2")
    batch.submit(f"test -e {tmp_path}/go\n", "-W", "depend=afterany:1")
    batch.wait_state("1", "R")
    batch.process.kill()
    batch.start()
    assert batch.job("1")["state"] == "R"
    batch.process.kill()
    (tmp_path / "go").touch()
    batch.start()
    assert batch.wait_state("1")["exit_status"] == 5
    assert batch.wait_state("2")["exit_status"] == 0
    assert batch.job("1")["attempt"] == 0


def test_jobs_outlive_master_and_agents(batch, cluster, tmp_path):
    batch.submit(f"while ! test -e {tmp_path}/go; do sleep 0.1; done; exit 6\n", "-l", "nodes=2:ppn=4")
    batch.wait_state("1", "R")
    cluster.daemon("master").kill()
    for number in range(1, 4):
        cluster.daemon(f"agent{number}").kill()
    cluster.start_master()
    for number in range(1, 4):
        cluster.start_agent(number, "--executor-reregistration-timeout-s", "15")  # the machine may be busy
    wait_for(lambda: _knows(cluster, {"1.0.0", "1.0.1"}), "the new master knows the job")
    (tmp_path / "go").touch()
    job = batch.wait_state("1")
    assert (job["exit_status"], job["attempt"]) == (6, 0)


@pytest.mark.parametrize(
    ("options", "script", "code", "line"),
    [
        ([], "#PBS -l nodes=1\n#PBS -G\ntrue\n", 2, "line 2: #PBS -G: option -G is not known, or not supported"),
        (["-l", "nodes=40"], "true\n", 1, "nodes=40:ppn=1 with 128 MB each is more than the cluster has"),
        (["-l", "walltime=soon"], "true\n", 2, "'soon' is no time"),
        (["-W", "depend=afterok:77"], "true\n", 1, "afterok of unknown job 77"),
        (["-q", "night"], "true\n", 1, "unknown queue night: there is batch"),
        ([], "\n", 2, "the script is empty"),
    ],
)
def test_bad_input_gets_one_line(batch, options, script, code, line):
    done = batch.pbs("qsub", *options, stdin=script)
    assert done.returncode == code
    assert done.stdout == ""
    (said,) = done.stderr.splitlines()
    assert line in said
    assert batch.pbs("qstat", "-x").stdout == ""


def _knows(cluster, task_ids):
    with contextlib.suppress(httpx.TransportError):
        return set(cluster.live_tasks()) == task_ids
    return False
