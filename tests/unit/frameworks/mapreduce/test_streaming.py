"""The arguments of Hadoop Streaming."""

import pytest

from mesos_py.errors import UserError
from mesos_py.frameworks.mapreduce.job import Shipped, SortKey
from mesos_py.frameworks.mapreduce.streaming import parse_streaming

LEAST = ["-input", "in", "-output", "out", "-mapper", "cat"]


def test_a_job_in_full():
    job = parse_streaming(
        [
            "-files", "hdfs:///a/b.py#c.py,d.py", "-archives", "e.tgz#e", "-D", "mapred.reduce.tasks=3",
            "-Dstream.num.map.output.key.fields=2", "-D", "mapreduce.partition.keypartitioner.options=-k1,1",
            "-partitioner", "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner", "-cmdenv", "A=b=c",
            "-input", "x,y", "-input", "z", "-output", "o", "-mapper", "/bin/sh -ex 'a b'", "-combiner", "c",
            "-reducer", "r",
        ],
        lambda path: path.replace("hdfs://", "/store"),
    )  # fmt: skip
    assert job.inputs == ("x", "y", "z")
    assert job.mapper == ("/bin/sh", "-ex", "a b")
    assert (job.combiner, job.reducer, job.reduces) == (("c",), ("r",), 3)
    assert job.files == (
        Shipped(path="/store/a/b.py", name="c.py"),
        Shipped(path="d.py", name="d.py"),
        Shipped(path="e.tgz", name="e", archive=True),
    )
    assert job.environment == {"A": "b=c"}
    assert (job.keys.fields, job.keys.partition) == (2, (SortKey(first=1, last=1),))
    assert job.conf["mapreduce.job.reduces"] == "3"


def test_what_is_not_said():
    job = parse_streaming(LEAST)
    assert (job.reduces, job.reducer, job.combiner, job.keys.fields, job.attempts) == (1, (), None, 1, 4)


@pytest.mark.parametrize("words", [["-reducer", "NONE"], ["-numReduceTasks", "0"], ["-D", "mapreduce.job.reduces=0"]])
def test_a_job_without_reduces(words):
    assert parse_streaming([*LEAST, *words]).reduces == 0


def test_aggregate_is_a_reducer_and_nothing_else():
    assert parse_streaming([*LEAST, "-reducer", "aggregate"]).reducer == ("aggregate",)
    with pytest.raises(UserError, match="-combiner aggregate is a Java class"):
        parse_streaming([*LEAST, "-combiner", "aggregate"])


def test_identities_pass_lines_on():
    job = parse_streaming(["-input", "i", "-output", "o", "-mapper", "org.apache.hadoop.mapred.lib.IdentityMapper"])
    assert job.mapper == ()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-output", "o"], "needs -input"),
        (["-input", "i"], "needs -output"),
        ([*LEAST, "-nonsense"], "-nonsense is no option"),
        ([*LEAST, "-cmdenv"], "-cmdenv needs a value"),
        ([*LEAST, "-cmdenv", "A"], "not NAME=VALUE"),
        ([*LEAST, "-numReduceTasks", "many"], "no number"),
        ([*LEAST, "-mapper", "'x"], "no closing quotation"),
        ([*LEAST, "-mapper", ""], "-mapper is empty"),
        ([*LEAST, "-reducer", "org.example.Reducer"], "Java class"),
        ([*LEAST, "-inputformat", "org.example.Format"], "Java class"),
        ([*LEAST, "-partitioner", "org.example.P"], "Java class"),
        ([*LEAST, "-io", "typedbytes"], "only text"),
        ([*LEAST, "-D", "mapreduce.map.speculative=maybe"], "neither true nor false"),
        ([*LEAST, "-D", "mapreduce.job.output.key.comparator.class=org.example.C"], "KeyFieldBasedComparator"),
        ([*LEAST, "-D", "mapred.output.compress=true", "-D", "mapred.output.compression.codec=Lz4Codec"], "codec"),
    ],
)
def test_what_cannot_be(words, says):
    with pytest.raises(UserError, match=says):
        parse_streaming(words)
