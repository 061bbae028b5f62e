"""What can be said to `mesos celery`, and what is wrong with it."""

import pytest

from mesos_py.cli import celery as cli
from mesos_py.frameworks.celery import framework
from mesos_py.frameworks.celery.scaling import Fleet


@pytest.fixture
def asked(monkeypatch):
    options = []
    monkeypatch.setattr(framework, "run_celery", lambda given: options.append(given) or 0)
    return options


def fleets(asked, *words):
    cli.celery.main(["-A", "proj", *words], standalone_mode=False)
    return asked[-1].fleets


def test_without_queues_there_is_one_fleet(asked):
    assert fleets(asked) == (Fleet(queues=()),)
    assert fleets(asked, "--cpus", "2.5", "--mem", "1GB", "--min", "1", "--max", "3") == (
        Fleet(queues=(), slots=2, cpus=2.5, mem=1024, least=1, most=3),
    )


def test_each_queues_is_a_fleet(asked):
    words = ["--queues", "a,b", "-Q", "big:cpus=4,mem=2GB,max=3", "-Q", "io:concurrency=8,min=1", "--cpus", "0.5"]
    assert fleets(asked, *words) == (
        Fleet(queues=("a", "b"), cpus=0.5),
        Fleet(queues=("big",), slots=4, cpus=4, mem=2048, most=3),
        Fleet(queues=("io",), slots=8, cpus=0.5, least=1),
    )


def test_where_the_application_is(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fleets(asked, "--app-broker", "amqp://b", "--env", "A=1")
    assert (asked[-1].workdir, asked[-1].in_sandbox) == (str(tmp_path), False)
    assert asked[-1].environment == {"A": "1", "CELERY_BROKER_URL": "amqp://b"}
    fleets(asked, "--uri", "/srv/shop.tgz", "--workdir", "shop", "--worker-options", "-P threads -O fair")
    assert (asked[-1].workdir, asked[-1].in_sandbox) == (str(tmp_path / "shop"), True)
    assert asked[-1].worker_options == ("-P", "threads", "-O", "fair")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "which application? Give -A"),
        (["-A", "p", "--min", "5", "--max", "4"], "at least 5 workers (min) are more than at most 4 (max)"),
        (["-A", "p", "-Q", "a:min=3,max=2"], "at least 3 workers of a (min) are more than at most 2 (max)"),
        (["-A", "p", "-Q", "a", "-Q", "b,a"], "the queue a is given twice"),
        (["-A", "p", "-Q", "a,a"], "'a,a' are not names of queues with commas"),
        (["-A", "p", "-Q", ""], "'' are not names of queues with commas"),
        (["-A", "p", "-Q", "a:speed=9"], "'speed=9' is none of cpus=N, mem=SIZE, concurrency=N, min=N, max=N"),
        (["-A", "p", "-Q", "a:max=many"], "'max=many': 'many' is not a number"),
        (["-A", "p", "-Q", "a:mem=much"], "'much' is not a size such as 512, 512MB or 2GB"),
        (["-A", "p", "-Q", "a:concurrency=0"], "concurrency of a is at least 1, and min at least 0"),
        (["-A", "p", "--worker-options", "'"], "no closing quotation"),
    ],
)
def test_what_cannot_be_meant(words, why, asked, mesos):
    done = mesos("celery", *words)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert why in line
    assert asked == []
