"""`mesos run` against a real cluster."""

import os
import signal
import subprocess
import sys
import tarfile
import time

import pytest

from tests.support.cluster import AGENTS, cluster, environment, json_lines, one_cluster, wait_for
from tests.support.rabbitmq import free_ports

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration


def test_two_hundred_instances(cluster):
    done = cluster.run("--instances", "200", "--name", "ids", "--", "sh", "-c", "echo $MESOS_TASK_ID")
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" | ") for line in done.stdout.splitlines()]
    assert sorted(line for _, _, line in lines) == sorted(f"ids-{number}" for number in range(200))
    assert all(prefix == line for prefix, _, line in lines)
    assert "200 instances" in done.stderr
    assert "FINISHED" in done.stderr
    cluster.wait_ready()
    frameworks = cluster.items("/frameworks")
    assert [(f["status"], f["completed"]) for f in frameworks if f["name"] == "ids"] == [("removed", 200)]


def test_a_failing_command_gives_its_exit_code(cluster):
    done = cluster.run("--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert done.returncode == 7
    assert done.stdout == "sh-0 | out\n"
    assert "sh-0 | err\n" in done.stderr
    assert "FAILED" in done.stderr


def test_what_runs_for_too_long_is_killed(cluster):
    began = time.monotonic()
    done = cluster.run("--kill-after", "0.3", "--", "sleep", "60")
    assert done.returncode == 1
    assert "sleep-0: FAILED" in done.stderr
    assert time.monotonic() - began < 20


def test_ctrl_c_kills_the_tasks(cluster, tmp_path):
    command = f"echo $$ >> {tmp_path}/pids; exec sleep 60"
    with cluster.running("run", "--cpus", "0.1", "--mem", "16", "--instances", "3", "--", command) as run:
        wait_for(lambda: started(tmp_path, 3), "three tasks started")
        wait_for(lambda: len(cluster.processes()) == 3, "the launcher has left the last sandbox")
        run.interrupt()
        assert run.wait() == 130
        assert "Traceback" not in run.text()
        assert "killed" in run.text()
    wait_for(lambda: not cluster.processes(), "the tasks' processes ended")
    cluster.wait_ready()


def started(directory, number):
    file = directory / "pids"
    pids = [int(line) for line in file.read_text().splitlines()] if file.exists() else []
    return pids if len(pids) == number else None


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def one_line(done, code=1):
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("mesos: ")
    return lines


def test_impossible_requests_get_one_line(cluster):
    (line,) = one_line(cluster.run("--cpus", "64", "--", "true"))
    assert line == "mesos: no agent has 64 cpus; the most that one has is 4"
    (line,) = one_line(cluster.run("--constraint", "rack:IS:r9", "--", "true"))
    assert line == "mesos: no agent satisfies the constraint rack:IS:r9"


def test_a_broker_that_is_not_there(tmp_path):
    port = free_ports(1)[0]
    began = time.monotonic()
    command = [sys.executable, "-m", "mesos_py", "run", "--broker", f"amqp://me:secret@127.0.0.1:{port}", "--", "true"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert 4 < time.monotonic() - began < 10
    lines = one_line(done)
    assert len(lines) == 2  # what is being waited for is told at once
    assert f"connection refused by 127.0.0.1:{port}" in lines[0]
    assert f"connection refused by 127.0.0.1:{port}" in lines[1]
    assert "secret" not in done.stderr


def test_constraints_choose_the_agent(cluster):
    done = cluster.run(
        *("--instances", "6", "--constraint", "rack:IS:r2", "--name", "placed", "--"),
        *("sh", "-c", "echo $MESOS_AGENT_ID"),
    )
    assert done.returncode == 0, done.stderr
    wanted = {a["agent_id"] for a in cluster.items("/agents") if a["attributes"] == {"rack": "r2"}}
    assert {line.partition(" | ")[2] for line in done.stdout.splitlines()} == wanted
    done = cluster.run("--instances", str(AGENTS), "--constraint", "@hostname:UNIQUE", "--", "echo $MESOS_AGENT_ID")
    assert done.returncode == 0, done.stderr
    assert len({line.partition(" | ")[2] for line in done.stdout.splitlines()}) == AGENTS


def test_uris_and_variables(cluster, tmp_path):
    (tmp_path / "input.txt").write_text("from a file\n")
    (tmp_path / "tool.sh").write_text("echo from an archive\n")
    with tarfile.open(tmp_path / "tools.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "tool.sh", "tools/tool.sh")
    done = cluster.run(
        *("--uri", str(tmp_path / "input.txt"), "--uri", f"file://{tmp_path}/tools.tar.gz", "--env", "WORD=a b=c"),
        *("--name", "job", "--", 'cat input.txt && sh tools/tool.sh && echo "$WORD"'),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["job-0 | from a file", "job-0 | from an archive", "job-0 | a b=c"]


def test_a_uri_that_is_not_there(cluster):
    done = cluster.run("--uri", "/does/not/exist", "--", "true")
    assert done.returncode == 1
    assert "/does/not/exist" in done.stderr


def test_what_failed_is_tried_again(cluster, tmp_path):
    command = f"echo try >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) -ge 2"
    done = cluster.run("--max-retries", "1", "--name", "stubborn", "--", command)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("trying again") == 1
    assert (tmp_path / "tries").read_text() == "try\n" * 2


def test_lines_of_json(cluster):
    done = cluster.run("--json", "--instances", "2", "--name", "j", "--", "sh", "-c", 'printf "\\"a\\" \\303\\251"')
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = json_lines(done.stdout)
    said = [(line["task_id"], line["stream"], line["line"]) for line in lines if "line" in line]
    assert sorted(said) == [("j-0", "stdout", '"a" é'), ("j-1", "stdout", '"a" é')]
    states = [line["status"]["state"] for line in lines if "status" in line]
    assert states.count("FINISHED") == 2
    assert lines[-1]["summary"] == {"FINISHED": 2}
    assert lines[-1]["unfinished"] == 0
    assert not lines[-1]["interrupted"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_task_is_killed_when_nobody_reads(cluster, form):
    command = [sys.executable, "-m", "mesos_py", "run", "--broker", cluster.broker, *form, "--", "sh", "-c"]
    endless = "while :; do echo word; sleep 0.01; done"
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, endless], env=environment(), text=True, **pipe) as run:
        while "word" not in run.stdout.readline():
            pass
        run.stdout.close()
        assert run.wait(30) == 1
        assert run.stderr.read() == ""
    cluster.wait_ready()


def test_terminated_like_ctrl_c(cluster):
    with cluster.running("run", "--cpus", "0.1", "--mem", "16", "--", "sleep", "60") as run:
        wait_for(cluster.live_tasks, "the task started")
        run.popen.send_signal(signal.SIGTERM)
        assert run.wait() == 143
    cluster.wait_ready()


def test_an_embedded_cluster():
    command = [sys.executable, "-m", "mesos_py", "run", "--local", "--instances", "4", "--cpus", "0.1", "--mem", "16"]
    done = subprocess.run(
        [*command, "--", "sh", "-c", "echo $MESOS_TASK_ID"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"sh-{number} | sh-{number}" for number in range(4)]
