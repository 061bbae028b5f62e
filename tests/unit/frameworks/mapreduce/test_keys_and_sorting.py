"""Keys, order and partitions, and the sort on disk: against plain Python and sort(1)."""

import itertools
import subprocess
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesos_py.frameworks.mapreduce.job import KeyRules, SortKey
from mesos_py.frameworks.mapreduce.keys import key_room, order_of, partition_of, to_reducers
from mesos_py.frameworks.mapreduce.sorting import Sorter
from mesos_py.frameworks.mapreduce.streaming import parse_sort_keys

LINES = st.lists(st.binary(max_size=6).map(lambda text: text.replace(b"\n", b"\t")), max_size=60)


def run_of(sorter, partitions):
    run = sorter.finish()
    return [[line for piece in run.lines(number) for line in piece] for number in range(partitions)]


@given(LINES, st.integers(1, 4), st.sampled_from([1, 200, 10**6]))
def test_lines_come_out_by_partition_and_key_and_in_the_order_they_came(tmp_path_factory, lines, partitions, limit):
    rules = KeyRules()
    order, partition = order_of(rules), partition_of(rules, partitions)
    sorter = Sorter(tmp_path_factory.mktemp("sort"), order, partition, partitions, limit)
    for line in lines:
        sorter.add([line], len(line) + 1)
    expected = [
        sorted((line for line in lines if partition(line) == number), key=order) for number in range(partitions)
    ]
    assert run_of(sorter, partitions) == expected


def test_more_runs_than_are_merged_at_once(tmp_path):
    order = order_of(KeyRules())
    sorter = Sorter(tmp_path, order, lambda line: len(line) % 2, 2, 1)
    lines = [b"%d\t%d" % (number * 7919 % 200, number) for number in range(200)]
    for line in lines:
        sorter.add([line], 1)
    assert len(sorter.runs) == 200
    assert run_of(sorter, 2) == [sorted((x for x in lines if len(x) % 2 == odd), key=order) for odd in (0, 1)]
    assert not list(tmp_path.glob("run*"))


@pytest.mark.parametrize(("form", "options"), [(b"%d", ""), (b"%d\t1", ""), (b"%d\t1", "-k1,1nr")])
def test_it_takes_about_as_much_memory_as_it_may(tmp_path, form, options):
    """Also of lines so short that Python needs ten times their size for them, and when 16 runs are merged."""
    limit = 2 << 20
    rules = KeyRules(sort=parse_sort_keys(options))
    tracemalloc.start()
    try:
        sorter = Sorter(tmp_path, order_of(rules), lambda _line: 0, 1, limit, key_room=key_room(rules))
        for start in range(0, 200_000, 1000):
            lines = [form % (number * 7919 % 99_991) for number in range(start, start + 1000)]
            sorter.add(lines, sum(map(len, lines)) + 1000)
        run = sorter.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(sorter.runs) >= 10
    assert run.count() == 200_000
    assert peak < 1.5 * limit


def test_the_combiner_sees_each_key_together_once_per_run(tmp_path):
    def combine(pieces):
        lines = [line for piece in pieces for line in piece]
        counts = Counter(line.partition(b"\t")[0] for line in lines)
        assert len({(a, b) for a, b in itertools.pairwise(lines) if a != b}) == len(counts) - 1
        yield [b"%s\t%d" % (key, count) for key, count in counts.items()]

    rules = KeyRules()
    sorter = Sorter(tmp_path, order_of(rules), partition_of(rules, 3), 3, 10**6, combine)
    sorter.add([b"a\t1", b"b\t1", b"c\t1"] * 5, 60)
    assert sorted(itertools.chain(*run_of(sorter, 3))) == [b"a\t5", b"b\t5", b"c\t5"]


@pytest.mark.parametrize("options", ["-k1,1", "-k2,2n -k1,1", "-k2nr -k1", "-k2,2r -k1,1", "-nr", "-k1.2,1.3"])
@given(st.lists(st.tuples(st.text("abc", min_size=3, max_size=4), st.integers(-20, 20)), min_size=1, max_size=25))
@settings(max_examples=15)
def test_the_comparator_orders_as_sort_does(options, rows):
    rows = [f"{number}\t{word}" if options == "-nr" else f"{word}\t{number}" for word, number in rows]
    rules = KeyRules(fields=2, sort=parse_sort_keys(options))
    done = subprocess.run(
        ["sort", "-s", "-t", "\t", *options.split()], input="\n".join(rows) + "\n", capture_output=True, text=True,
        env={"LC_ALL": "C"}, check=True,
    )  # fmt: skip
    ours = sorted((row.encode() for row in rows), key=order_of(rules))
    assert [row.decode() for row in ours] == done.stdout.splitlines()


def test_the_partitioner_looks_at_its_fields_only():
    rules = KeyRules(fields=2, partition=(SortKey(first=1, last=1),))
    partition = partition_of(rules, 1000)
    assert partition(b"user\t1\tx") == partition(b"user\t2\ty")
    whole = partition_of(KeyRules(fields=2), 1000)
    assert whole(b"user\t1\tx") != whole(b"user\t2\ty")


def test_another_separator_becomes_a_tab_after_the_key():
    rewritten = to_reducers(KeyRules(separator=".", fields=2))
    assert [rewritten(line) for line in (b"a.b.c.d", b"a.b", b"a")] == [b"a.b\tc.d", b"a.b", b"a"]
    assert to_reducers(KeyRules()) is None
