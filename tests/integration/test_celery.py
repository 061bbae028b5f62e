"""`mesos celery` with real Celery workers: they follow the work, and every task's effect is counted.

MESOS_PY_CELERY_TASKS=20000 makes the long run ten times longer than usual.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from mesos_py.driver.state_file import StateFile
from tests.support.cluster import cluster, environment, one_cluster, wait_for
from tests.support.rabbitmq import free_ports

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration

APP = Path(__file__).with_name("celery_app.py")
TASKS = int(os.environ.get("MESOS_PY_CELERY_TASKS", "2000"))
PATIENCE_S = 60 + TASKS / 50
_numbers = itertools.count()


class Site:
    """An application with a virtual host of its own, and the command that serves it."""

    def __init__(self, cluster, rabbitmq, directory):
        vhost = f"celery{os.getpid()}-{next(_numbers)}"
        rabbitmq.ctl("add_vhost", vhost)
        rabbitmq.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
        self.cluster, self.directory = cluster, directory
        self.variables = {
            "CELERY_APP_BROKER": rabbitmq.url().removesuffix("//") + f"/{vhost}",
            "CELERY_APP_NOTES": str(directory),
        }
        shutil.copy(APP, directory)

    @contextlib.contextmanager
    def serving(self, *words):
        pairs = [f"{name}={value}" for name, value in self.variables.items()]
        env = [word for pair in pairs for word in ("--env", pair)]
        words = ("--cpus", "1", "--mem", "96", "--linger", "4", *words)
        with self.cluster.running("celery", "-A", "celery_app", "--workdir", str(self.directory), *env, *words) as one:
            yield one

    def send(self, code):
        """Run a program that has the application's tasks."""
        subprocess.run(
            [sys.executable, "-c", f"from celery_app import *\n{code}"],
            cwd=self.directory,
            env=environment(**self.variables),
            check=True,
            timeout=120,
        )

    def notes(self, what):
        file = self.directory / what
        return Counter(file.read_text().split()) if file.exists() else Counter()

    def wait_done(self, count):
        wait_for(lambda: len(self.notes("done")) >= count, f"{count} tasks done", PATIENCE_S)

    def workers(self, host=None):
        tasks = [t for t in self.cluster.items("/tasks") if t["framework_name"] == "celery" and t["state"] == "RUNNING"]
        return sorted(task["task_id"] for task in tasks if host in (None, task["hostname"]))

    def wait_workers(self, *numbers):
        wait_for(lambda: len(self.workers()) in numbers, f"{numbers} workers", PATIENCE_S)

    def processes(self, worker):
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(word.startswith(f"{worker}@") for word in process.cmdline()):
                    found.append(process)
        return found


@pytest.fixture
def site(cluster, rabbitmq, tmp_path):
    return Site(cluster, rabbitmq, tmp_path)


def kill(processes):
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_from_none_to_many_to_none_while_a_worker_and_a_node_die(site, cluster):
    halves = range(TASKS // 2)
    with site.serving("--max", "6", "--state-file", str(site.directory / "state")) as command:
        wait_for(lambda: "no workers" in command.text(), "the application is known")
        assert site.workers() == []
        site.send(
            f"for n in range({TASKS // 2}): early.delay(f'early-{{n}}'); late.delay(f'late-{{n}}')\n"
            "for n in range(6): early.delay(f'early-slow-{n}', 2.0); late.delay(f'late-slow-{n}', 2.0)"
        )
        wait_for(lambda: len(site.notes("done")) > TASKS // 10, "it works", PATIENCE_S)
        wait_for(lambda: site.workers("host1") and site.workers("host2"), "both agents have workers", PATIENCE_S)
        victims = site.workers("host1")[:1]
        kill(site.processes(victims[0]))
        wait_for(lambda: f"{victims[0]} on host1 ended as FAILED" in command.text(), "that is told")
        victims += site.workers("host2")
        cluster.daemon("agent2").kill()
        kill(process for victim in victims[1:] for process in site.processes(victim))
        wait_for(lambda: all(site.notes("done")[f"late-{n}"] for n in halves), "all late ones", PATIENCE_S)
        wait_for(lambda: all(site.notes("done")[f"late-slow-{n}"] for n in range(6)), "all slow ones", PATIENCE_S)
        wait_for(lambda: not site.workers(), "none is left", PATIENCE_S)
        assert "unreachable" in command.text()
        command.interrupt()
        assert command.wait() == 0
    cluster.forget("agent2")
    cluster.start_agent(2)
    done = site.notes("done")
    early = {name: times for name, times in done.items() if name.startswith("early")}
    late = {name: times for name, times in done.items() if name.startswith("late")}
    # Early ones are acknowledged as they begin, late ones as they end. A worker that dies has one of them in its slot:
    # an early one is lost, or done again if it was so short that the worker had no time to acknowledge; a late one is
    # done again if it was at its end.
    assert TASKS // 2 + 6 - len(early) + sum(early.values()) - len(early) <= len(victims)
    assert len(late) == TASKS // 2 + 6
    assert sum(late.values()) - len(late) <= len(victims)
    wait_for(site.cluster.is_ready, "both agents are back", 60)


def test_what_was_begun_is_finished_and_the_rest_stays(site):
    """A warm shutdown of all workers, in the midst of it."""
    with site.serving("--max", "3") as command:
        site.send("for n in range(6): early.delay(f'early-{n}', 2.0); late.delay(f'late-{n}', 2.0)")
        wait_for(lambda: len(site.notes("begun")) >= 3, "they are at it", PATIENCE_S)
        command.interrupt()
        assert command.wait(60) == 0
        assert "what they have begun they finish" in command.text()
    assert site.notes("done") == site.notes("begun")
    assert 3 <= len(site.notes("done")) < 12
    site.cluster.wait_ready()
    with site.serving("--max", "6") as command:
        site.wait_done(12)
        site.wait_workers(0)
        command.interrupt()
        assert command.wait() == 0
    assert set(site.notes("done").values()) == {1}
    assert site.notes("begun") == site.notes("done")


def test_a_command_that_is_killed_and_a_broker_that_is_restarted(site, cluster, rabbitmq, zookeeper):
    state = zookeeper.url("/celery-frameworks/celery")
    with site.serving("--min", "2", "--state-file", state) as command:
        wait_for(lambda: "2 ready" in command.text(), "two workers", PATIENCE_S)
        before = site.workers()
        command.kill()
    site.send("early.delay('unattended')")
    site.wait_done(1)
    with site.serving("--min", "2", "--state-file", state) as command:
        wait_for(lambda: "2 ready" in command.text(), "they are taken over", PATIENCE_S)
        assert site.workers() == before
        command.stop(signal.SIGTERM)
        assert command.wait() == 0
    assert site.workers() == before
    with site.serving("--min", "2", "--state-file", state) as command:
        wait_for(lambda: "2 ready" in command.text(), "they are taken over again", PATIENCE_S)
        rabbitmq.stop()
        wait_for(lambda: "the application's broker is not reached" in command.text(), "that is noticed")
        rabbitmq.start()
        wait_for(lambda: "the application's broker is reached again" in command.text(), "that, too", PATIENCE_S)
        site.send("for n in range(20): early.delay(f'early-{n}')")
        site.wait_done(21)
        assert set(before) <= set(site.workers())
        command.interrupt()
        assert command.wait(60) == 0
    assert set(site.notes("done").values()) == {1}
    assert StateFile(state).read() is None
    cluster.wait_ready()


def test_shapes_by_queue_and_what_status_shows(site, cluster):
    heavy = "heavy:cpus=0.5,mem=128,max=1,concurrency=2"
    uri = str(site.directory / "celery_app.py")
    with site.serving("--queues", "celery", "--queues", heavy, "--uri", uri, "--linger", "20") as command:
        site.send("heavy.delay('heavy'); early.delay('early', 6.0)")
        wait_for(lambda: site.notes("done")["heavy"] and site.notes("begun")["early"], "both run", PATIENCE_S)
        words = ["-A", "celery_app", "--workdir", str(site.directory)]
        done = cluster.mesos("celery", "status", *words, **site.variables)
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        assert {tuple(line[3:7]) for line in lines if "RUNNING" in line} <= {
            *((f"host{n}", "1", "96", "MB") for n in (1, 2)),
            *((f"host{n}", "0.5", "128", "MB") for n in (1, 2)),
        }
        assert {line[2] for line in lines if "RUNNING" in line} == {"celery", "heavy"}
        assert ["celery:", "0", "waiting"] in lines
        command.interrupt()
        assert command.wait(60) == 0
    done = cluster.mesos("celery", "status")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "no worker of celery is running\n"


# What cannot be


def one_line(command, code=1):
    assert command.wait(60) == code
    (line,) = [line for line in command.text().splitlines() if line.startswith("mesos: ")]
    return line


def test_an_application_that_cannot_be_imported(site, cluster):
    (site.directory / "celery_app.py").write_text("import nonsense\n")
    with site.serving() as command:
        said = "the application celery_app cannot be imported: ModuleNotFoundError: No module named 'nonsense'"
        assert one_line(command) == f"mesos: {said}"
    cluster.wait_ready()


def test_an_application_that_cannot_be_imported_where_the_workers_are(site, cluster):
    (site.directory / "celery_app.py").write_text(f"import os\nassert os.getcwd() == {str(site.directory)!r}\n")
    with (site.directory / "celery_app.py").open("a") as file:
        file.write(APP.read_text() + "assert 'MESOS_TASK_ID' not in os.environ, 'not here'\n")
    with site.serving("--min", "1") as command:
        assert one_line(command).startswith("mesos: the workers do not start; see: mesos logs celery-")
    cluster.wait_ready()


def test_a_broker_of_the_application_that_is_not_there(site, cluster):
    port = free_ports(1)[0]
    with site.serving("--app-broker", f"amqp://me:secret@127.0.0.1:{port}//", "--min", "1") as command:
        line = one_line(command)
        assert line.startswith("mesos: the application's broker is not reached: amqp://me:**@127.0.0.1:")
        assert "refused" in line
        assert "secret" not in command.text()
    cluster.wait_ready()


def test_more_than_any_agent_has(site, cluster):
    with site.serving("--min", "1", "--cpus", "64") as command:
        assert one_line(command) == "mesos: no agent has 64 cpus; the most that one has is 4"
    cluster.wait_ready()
