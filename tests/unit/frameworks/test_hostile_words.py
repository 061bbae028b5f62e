"""Whatever is typed for qsub or a streaming job: something that can be sent, or one clear refusal."""

import contextlib
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.errors import UserError
from mesos_py.frameworks.batch.directives import parse_submission
from mesos_py.frameworks.batch.requests import Request
from mesos_py.frameworks.mapreduce.job import Job
from mesos_py.frameworks.mapreduce.streaming import parse_streaming

HUGE = "9" * 5000
PIECES = st.sampled_from(
    [
        *(
            "nodes=",
            "2",
            ":ppn=",
            "mem=",
            "pmem=",
            "procs=",
            "walltime=",
            "1:2:3",
            ",",
            HUGE,
            "9" * 30,
            "gb",
            "mb",
            "%",
        ),
        *("-", "1-3", "depend=", "afterok:", "1", "[]", "[2]", "W", "²", "٣", "\ud800", "\x00", "=", "A=1", "'", '"'),
        *("x", " ", "\t", "/", "host:", "é", "\n", "+", "#", ":"),
    ]
)
VALUES = st.lists(PIECES, max_size=6).map("".join)
LINES = st.sampled_from([f"#PBS -{letter} " for letter in "ltWvpNoSd"] + ["echo\n"])
SCRIPTS = st.lists(st.one_of(LINES, PIECES), max_size=8).map("".join)
NUMBERS = [
    *("mapreduce.job.reduces", "mapreduce.map.memory.mb", "mapreduce.task.io.sort.mb", "mapreduce.map.cpu.vcores"),
    *("stream.num.map.output.key.fields", "mapreduce.map.maxattempts", "mapreduce.input.fileinputformat.split.maxsize"),
]


def submitted(script, *options, **environ):
    request, _notes = parse_submission(script, options, name="x", environ={"PATH": "/bin", **environ}, work_dir="/w")
    assert msgspec.json.decode(msgspec.json.encode(request), type=Request) == request
    return request


def streamed(*words):
    job = parse_streaming(["-input", "a", "-output", "o", *words])
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job
    assert all(map(math.isfinite, (job.cpus, job.map_mem, job.reduce_mem)))
    return job


@given(SCRIPTS, st.lists(st.tuples(st.sampled_from("ACdejklmMNopqrStvwWhVz"), VALUES), max_size=3))
def test_any_submission(script, options):
    with contextlib.suppress(UserError):
        submitted(script, *options)


@given(st.lists(st.one_of(st.sampled_from(["-D", "-mapper", "-files", "-cmdenv", "-io", "NONE"]), VALUES), max_size=8))
def test_any_streaming_job(words):
    with contextlib.suppress(UserError):
        streamed(*words)


@pytest.mark.parametrize(
    ("letter", "value", "says"),
    [
        ("l", f"mem={HUGE}mb", "is no size"),
        ("t", f"1-3%{HUGE}", "is no array"),
        ("l", f"procs={HUGE}", "is no number"),
        ("N", "x\udce9", "must be text in UTF-8"),
        ("v", "A=\udce9", "must be text in UTF-8"),
    ],
)
def test_what_cannot_be_sent_is_refused(letter, value, says):
    with pytest.raises(UserError, match=says):
        submitted("true\n", (letter, value))


def test_variables_that_are_no_text_stay_behind_unless_they_are_named():
    assert submitted("true\n", ("V", ""), ODD="\udcff", EVEN="2").environment == {
        "EVEN": "2",
        "PATH": "/bin",
        "PBS_O_PATH": "/bin",
    }
    with pytest.raises(UserError, match="must be text in UTF-8"):
        submitted("true\n", ("v", "ODD"), ODD="\udcff")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["inf", "nan", "1e999", HUGE, "-1", "many", "1e20"])
def test_numbers_that_make_no_sense_are_refused(name, value):
    with pytest.raises(UserError, match=f"{name}=.*: that is no number from"):
        streamed("-D", f"{name}={value}")


def test_a_name_that_is_no_text_is_refused():
    with pytest.raises(UserError, match="must be text in UTF-8"):
        streamed("-mapper", "x\udce9")
    assert streamed("-D", f"mapreduce.input.fileinputformat.split.maxsize={2**63 - 1}").split_bytes == 2**63
