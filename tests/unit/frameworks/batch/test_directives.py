"""What is read from scripts and options, and what is refused with which words."""

import pytest

from mesos_py.errors import UserError
from mesos_py.frameworks.batch.amounts import format_time, parse_array, parse_mem, parse_time
from mesos_py.frameworks.batch.directives import parse_submission, split_words
from mesos_py.frameworks.batch.requests import Condition, Dependency, parse_job_id


def read(script, *words, **environ):
    options, rest = split_words(words)
    assert not rest
    return parse_submission(script, options, name="s.sh", environ=environ, work_dir="/w")


def test_directives_are_read_until_the_first_command():
    request, notes = read(
        "#!/bin/sh\n# a comment\n#PBS -l nodes=2:ppn=4,walltime=1:30:00\n#PBS -l mem=2gb -N x -j oe\n"
        "#PBS -q fast -p 5 -r n -o out/ -e here:err\n\necho\n#PBS -N y\n"
    )
    assert (request.nodes, request.ppn, request.walltime_s, request.mem_mb) == (2, 4, 5400, 2048)
    assert (request.name, request.join, request.queue, request.priority) == ("x", "oe", "fast", 5)
    assert (request.rerunnable, request.stdout, request.stderr) == (False, "out/", "err")
    assert notes == []


def test_the_command_line_wins():
    request, _ = read("#PBS -N a -l nodes=2\ntrue\n", "-N", "b", "-lnodes=3")
    assert (request.name, request.nodes) == ("b", 3)


def test_memory_of_each_process():
    assert read("true\n", "-l", "pmem=100mb", "-l", "nodes=2:ppn=3")[0].mem_mb == 600


def test_variables():
    request, _ = read("true\n", "-v", "A=1,B,C", B="2", HOME="/h")
    assert request.environment == {"A": "1", "B": "2", "PBS_O_HOME": "/h"}
    request, _ = read("#PBS -V\ntrue\n", B="2")
    assert request.environment == {"B": "2"}


def test_arrays_and_dependencies():
    request, _ = read("true\n", "-t", "1-3,7%2", "-W", "depend=afterok:1:2[3].head,afteranyarray:4[]")
    assert (request.array, request.slots) == ([1, 2, 3, 7], 2)
    assert request.dependencies == [
        Dependency(condition=Condition.AFTER_OK, job="1"),
        Dependency(condition=Condition.AFTER_OK, job="2[3]"),
        Dependency(condition=Condition.AFTER_ANY, job="4[]"),
    ]


def test_what_makes_no_difference_is_noted():
    _, notes = read("#PBS -m abe -M me@example.org\ntrue\n")
    assert notes == [
        "line 1: #PBS -m abe -M me@example.org: -m is ignored: no mail is sent",
        "line 1: #PBS -m abe -M me@example.org: -M is ignored: no mail is sent",
    ]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#PBS -G\n", "line 1: #PBS -G: option -G is not known, or not supported"),
        ("#PBS -I\n", "line 1: #PBS -I: option -I is not known, or not supported"),
        ("#PBS -N\n", "line 1: #PBS -N: option -N needs a value"),
        ("#PBS nodes=2\n", "line 1: #PBS nodes=2: 'nodes=2' is no option"),
        ("#PBS -N 'a\n", "line 1: #PBS -N 'a: No closing quotation"),
        ("#PBS -l walltime=1h\n", "line 1: #PBS -l walltime=1h: '1h' is no time: [[DD:]HH:]MM:SS or seconds"),
        ("#PBS -l walltime=0\n", "'0' is no time for a job"),
        ("#PBS -l mem=2xb\n", "'2xb' is no size"),
        ("#PBS -l nodes=node7:gpus=1\n", "nodes=node7:gpus=1 is not supported: nodes=N or nodes=N:ppn=P"),
        ("#PBS -l nodes=0\n", "nodes=0 makes no sense"),
        ("#PBS -l software=x\n", "resource 'software' is not known"),
        ("#PBS -t 3-1\n", "'3-1' is no array"),
        ("#PBS -t 0-99999\n", "'0-99999' is too large an array"),
        ("#PBS -W depend=before:1\n", "-W depend=before:1: after, afterok, afternotok, afterany"),
        ("#PBS -W depend=afterok:x\n", "'x' is no job"),
        ("#PBS -W umask=022\n", "-W umask is not supported"),
        ("#PBS -j x\n", "-j 'x': one of oe, eo, n is wanted"),
        ("#PBS -N a/b\n", "-N 'a/b' is no name of a job"),
        ("", "the script is empty"),
        ("a\0b", "the script is no text"),
        ("x" * 40_000, "the script has more than 32 kB"),
    ],
)
def test_what_is_refused(script, why):
    with pytest.raises(UserError) as error:
        read(script)
    assert why in str(error.value)


def test_amounts():
    assert [parse_time(text) for text in ("90", "1:30", "1:00:00", "1:00:00:00")] == [90, 90, 3600, 86400]
    assert [parse_mem(text) for text in ("1", "512mb", "2gb", "1g", "1500kb")] == [1, 512, 2048, 1024, 2]
    assert format_time(3661) == "01:01:01"
    assert parse_array("5") == ([5], 0)


def test_job_ids():
    assert parse_job_id("12.head.example.org") == (12, None, False)
    assert parse_job_id("12[3].head") == (12, 3, False)
    assert parse_job_id("12[]") == (12, None, True)
    with pytest.raises(UserError):
        parse_job_id("../12")
