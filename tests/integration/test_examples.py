"""Each example, as its own first lines say how to run it, and the demonstration."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mesos_py import TERMINAL, Framework, command_task
from mesos_py.daemons.config import LocalConfig
from mesos_py.daemons.local import embedded
from mesos_py.runtime.loop import Loop
from tests.support.cluster import Process, cluster, environment, one_cluster, wait_for

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def python(*words, **variables):
    done = subprocess.run(
        [sys.executable, *words],
        env=environment(**variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def example(cluster):
    return lambda name, *words: python(f"examples/{name}", *words, MESOS_BROKER=cluster.broker)


def test_hello_framework(example):
    lines = example("hello_framework.py")
    assert sorted(line for line in lines if "FINISHED" in line) == [f"hello-{n} FINISHED " for n in range(5)]


def test_hello_script(example):
    assert example("hello_script.py") == ["FINISHED 0"]


def test_custom_executor(example):
    assert example("custom_executor_framework.py")[-1] == "primes below 40,000: 4203"


def test_an_executor_in_perl(example):
    turned = [line.split(" FINISHED")[0] for line in example("perl_framework.py")]
    assert turned == ["stressed -> desserts", "drawer -> reward", "reward -> drawer"]


def test_without_the_library(example, cluster):
    lines = example("plain_amqp_framework.py", cluster.broker, "echo hello")
    assert lines[0].startswith("subscribed as ")
    assert [line.strip() for line in lines[1:]] == ["plain-1 RUNNING", "plain-1 FINISHED"]


def test_a_join_with_mapreduce(example, tmp_path):
    (tmp_path / "left").write_text("a 1\nb 2\nc 3\nb 4\n")
    (tmp_path / "right").write_text("b x\na y z\nd u\n")
    words = [str(tmp_path / name) for name in ("left", "right", "out")]
    (counters,) = example("mapreduce_join.py", *words)
    assert "'Map input records': 7" in counters
    joined = "".join(part.read_text() for part in (tmp_path / "out").glob("part-*"))
    assert sorted(joined.splitlines()) == ["a 1 y z", "b 2 x", "b 4 x"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["left", "out", "right"]
    with pytest.raises(AssertionError, match="exists already"):
        example("mapreduce_join.py", *words)


def test_failover_framework(cluster, tmp_path):
    words = [sys.executable, ROOT / "examples/failover_framework.py", tmp_path]

    def run(name):
        return Process(words, tmp_path / name, MESOS_BROKER=cluster.broker)

    def live():
        return {task["task_id"] for task in cluster.items("/tasks") if task["state"] == "RUNNING"}

    def told(process):
        """Of which tasks it was told; of one more than once, if the process before had no time to say that it knows."""
        return {line for line in process.text().splitlines() if "RUNNING" in line}

    first = run("first")
    try:
        wait_for(lambda: len(told(first)) == 3, "three tasks run")
        before = live()
        first.kill()
        second = run("second")
        try:
            wait_for(lambda: len(told(second)) == 3, "the next process finds them")
            assert live() == before
            (framework,) = [f for f in cluster.items("/frameworks") if f["status"] == "connected"]
            assert f"registered as {framework['framework_id']} again" in second.text()
            assert cluster.mesos("kill", min(before)).returncode == 0
            wait_for(lambda: len(live() - before) == 1, "one is replaced")
            third = run("third")
            assert second.wait() == 3
            wait_for(lambda: len(told(third)) == 3, "the third finds them, too")
            cluster.mesos("teardown", "--yes", framework["framework_id"])
            assert third.wait() == 3
        finally:
            second.stop()
    finally:
        first.stop()
        print(*(file.read_text() for file in tmp_path.iterdir()), sep="\n---\n")


def test_the_demonstration():
    lines = python("-m", "mesos_py.frameworks.wordcount")
    (checked,) = [line for line in lines if line.startswith("Checked: ")]
    assert checked.endswith(" s.")
    (offers,) = [line for line in lines if line.startswith("│ wordcount")]
    _, _, made, accepted, *_ = (cell.strip() for cell in offers.split("│"))
    assert int(made) >= int(accepted) > 0
    assert sum("agent1" in line for line in lines) == 1


def test_a_local_cluster_over_a_broker(rabbitmq, tmp_path):
    rabbitmq.ctl("add_vhost", "local")  # two masters in one would be two leaders
    rabbitmq.ctl("set_permissions", "-p", "local", "guest", ".*", ".*", ".*")
    broker = rabbitmq.url().removesuffix("//") + "/local"
    words = ["local", "--agents", "2", "--http-port", "0", "--broker", broker]
    local = Process([sys.executable, "-m", "mesos_py", *words], tmp_path / "local.log")
    try:
        wait_for(lambda: local.text().count("agent registered") == 2 or not local.is_running, "two agents registered")
        words = ["run", "--instances", "3", "--cpus", "0.1", "--mem", "16", "--", "echo $MESOS_TASK_ID is here"]
        lines = python_quiet("-m", "mesos_py", *words, MESOS_BROKER=broker)
        assert sorted(lines) == [f"echo-{n} | echo-{n} is here" for n in range(3)]
        local.interrupt()
        assert local.wait() == 0
    finally:
        local.stop()
        print(local.text())


def python_quiet(*words, **variables):
    done = subprocess.run(
        [sys.executable, *words],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_framework_in_the_same_process(tmp_path):
    with embedded(LocalConfig(agents=1, http_port=0, log_level="error", work_dir=str(tmp_path))) as cluster:
        assert cluster.broker.startswith("memory://")
        with Framework("started").start(cluster.broker) as framework:
            status = framework.run_task(command_task("t", "exit 3", cpus=0.1, mem=16), timeout=30)
            assert (status.state, status.exit_code) == ("FAILED", 3)


def test_a_framework_in_a_loop_of_ours(tmp_path):
    with embedded(LocalConfig(agents=1, http_port=0, log_level="error", work_dir=str(tmp_path))) as cluster:
        loop = Loop()
        framework = Framework("attached").attach(loop, cluster.broker)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            with framework:
                status = framework.run_task(command_task("t", "true", cpus=0.1, mem=16), timeout=30)
                assert status.state in TERMINAL
                assert status.exit_code == 0
        finally:
            loop.stop()
            thread.join()
            loop.close()
