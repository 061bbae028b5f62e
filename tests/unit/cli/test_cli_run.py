"""`mesos run`: from words to RunOptions."""

import math
import sys
from types import ModuleType

import pytest

from mesos_py.frameworks.run_options import RunOptions
from mesos_py.scheduler.toolkit import parse_constraint
from mesos_py.types.host import RLimit, Volume, VolumeMode
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import URI, CommandInfo


@pytest.fixture
def run(mesos, monkeypatch):
    """Runs the words; gives the options that the framework got."""
    got: list[RunOptions] = []
    module = ModuleType("run")
    module.run_command = lambda options: got.append(options) or 7
    monkeypatch.setitem(sys.modules, "mesos_py.frameworks.run", module)

    def run(*words):
        got.clear()
        assert mesos("run", *words).code == 7
        return got[0]

    return run


def test_the_least(run):
    options = run("hostname")
    assert options == RunOptions(
        command=CommandInfo(argv=["hostname"]),
        resources=Resources.of(cpus=1, mem=128),
        name="hostname",
        broker=options.broker,
    )
    assert options.broker.startswith("amqp://")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["sleep", "10"], CommandInfo(argv=["sleep", "10"])),
        (["--", "sleep", "10"], CommandInfo(argv=["sleep", "10"])),
        (["echo hi | wc"], CommandInfo(value="echo hi | wc")),
        (["--", "tool", "--cpus", "-x", "--", "--help"], CommandInfo(argv=["tool", "--cpus", "-x", "--", "--help"])),
        (["tool", "--json", "-h"], CommandInfo(argv=["tool", "--json", "-h"])),
        (["echo", "a b"], CommandInfo(argv=["echo", "a b"])),
    ],
)
def test_commands(run, words, command):
    assert run(*words).command == command


def test_everything(run):
    options = run(
        *("--name", "job", "--instances", "3", "--cpus", "0.5", "--mem", "2GB", "--disk", "512", "--gpus", "1"),
        *("--env", "A=1", "-e", "B=x=y", "--uri", "https://example.org/a.tgz", "--uri", "/opt/b", "--role", "eng/web"),
        *("--volume", "/data:models", "--volume", "/scratch:tmp:rw", "--rlimit", "nofile=64:128", "--rlimit", "core=0"),
        *("--constraint", "rack:IS:r1", "--constraint", "@hostname:unique", "--kill-after", "60", "--max-retries", "2"),
        *("--user", "alice", "--cpus-limit", "inf", "--mem-limit", "4GB"),
        *("--broker", "amqp://b/", "--json", "--", "./start"),
    )
    assert options == RunOptions(
        command=CommandInfo(
            argv=["./start"],
            environment={"A": "1", "B": "x=y"},
            user="alice",
            uris=[URI(value="https://example.org/a.tgz"), URI(value="/opt/b")],
            rlimits={"nofile": RLimit(soft=64, hard=128), "core": RLimit(soft=0, hard=0)},
            volumes=[
                Volume(host_path="/data", container_path="models"),
                Volume(host_path="/scratch", container_path="tmp", mode=VolumeMode.RW),
            ],
        ),
        resources=Resources.of(cpus=0.5, mem=2048, disk=512, gpus=1),
        limits={"cpus": math.inf, "mem": 4096.0},
        name="job",
        instances=3,
        role="eng/web",
        constraints=(
            parse_constraint("rack:IS:r1"),
            parse_constraint("@hostname:UNIQUE"),
        ),
        kill_after_s=60.0,
        max_retries=2,
        broker="amqp://b/",
        json=True,
    )


@pytest.mark.parametrize(
    ("words", "agents", "argv"),
    [
        (["--local", "hostname"], 2, ["hostname"]),
        (["--local", "--", "hostname"], 2, ["hostname"]),
        (["--local", "5", "hostname"], 5, ["hostname"]),
        (["--local=5", "hostname"], 5, ["hostname"]),
        (["--cpus", "1", "--local", "--mem", "64", "hostname"], 2, ["hostname"]),
        (["--name=x", "--local", "hostname", "--local"], 2, ["hostname", "--local"]),
        (["tool", "--local"], 0, ["tool", "--local"]),
        (["--json", "--local", "tool", "3"], 2, ["tool", "3"]),
        (["--name", "--local", "tool"], 0, ["tool"]),
    ],
)
def test_local_takes_a_number_or_none(run, words, agents, argv):
    options = run(*words)
    assert (options.local_agents, options.command.argv) == (agents, argv)
    assert bool(options.broker) == (agents == 0)


@pytest.mark.parametrize(
    ("text", "mem"), [("512", 512), ("512m", 512), ("1.5g", 1536), ("2GiB", 2048), ("1 TB", 2**20)]
)
def test_sizes(run, text, mem):
    assert run("--mem", text, "x").resources.mem == mem


def test_the_environment_names_the_broker(run, monkeypatch):
    monkeypatch.setenv("MESOS_BROKER", "amqp://elsewhere/")
    assert run("x").broker == "amqp://elsewhere/"
    assert run("--local", "x").broker == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--mem", "lots", "x"],
        ["--mem", "0", "x"],
        ["--mem", "-5", "x"],
        ["--cpus", "0", "x"],
        ["--cpus", "nan", "x"],
        ["--gpus", "0.5", "x"],
        ["--instances", "0", "x"],
        ["--env", "A", "x"],
        ["--env", "1A=2", "x"],
        ["--uri", "relative/path", "x"],
        ["--role", "../up", "x"],
        ["--volume", "/data", "x"],
        ["--volume", "data:models", "x"],
        ["--volume", "/data:models:rwx", "x"],
        ["--volume", "/data:../models", "x"],
        ["--volume", "/data:a", "--volume", "/other:./a", "x"],
        ["--rlimit", "nofile", "x"],
        ["--rlimit", "files=1", "x"],
        ["--rlimit", "nofile=many", "x"],
        ["--rlimit", "nofile=2:1", "x"],
        ["--name", "a/b", "x"],
        ["--constraint", "rack=r1", "x"],
        ["--constraint", "rack:LIKE:(", "x"],
        ["--kill-after", "0", "x"],
        ["--mem-limit", "64", "x"],
        ["--cpus-limit", "-1", "x"],
        ["--max-retries", "-1", "x"],
        ["--local", "0", "x"],
        ["--local", "--broker", "amqp://b/", "x"],
        ["--local=many", "x"],
        ["--cpus", "1"],
        [""],
        ["  "],
    ],
)
def test_impossible_values_are_one_line(mesos, words):
    said = mesos("run", *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("mesos: ")
    assert said.err.count("\n") == 1
