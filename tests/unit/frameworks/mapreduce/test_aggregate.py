"""The reducer `aggregate`."""

import pytest

from mesos_py.frameworks.mapreduce.aggregate import aggregated


@pytest.mark.parametrize(
    ("function", "values", "result"),
    [
        ("DoubleValueSum", ["1.5", "2"], "3.5"),
        ("LongValueMax", ["9", "10"], "10"),
        ("LongValueMin", ["9", "10"], "9"),
        ("LongValueSum", ["9", "10", "-1"], "18"),
        ("StringValueMax", ["9", "10"], "9"),
        ("StringValueMin", ["9", "10"], "10"),
        ("UniqValueCount", ["a", "b", "a"], "2"),
        ("ValueHistogram", ["a", "b\t4", "a", "c"], "3\t1\t2\t4\t2.3333333333333335\t1.247219128924647"),
    ],
)
def test_what_each_function_says(function, values, result):
    assert list(aggregated(f"{function}:k:1\t{value}\n" for value in values)) == [f"k:1\t{result}\n"]


def test_keys_come_one_after_the_other():
    lines = ["LongValueMax:a\t1\n", "LongValueMax:a\t2\n", "LongValueSum:a\t1\n", "LongValueSum:b\t\n"]
    results = aggregated(lines)
    assert [next(results), next(results)] == ["a\t2\n", "a\t1\n"]
    with pytest.raises(ValueError, match="invalid literal"):
        next(results)


@pytest.mark.parametrize("key", ["word", "Nonsense:word"])
def test_a_key_without_a_function_is_refused(key):
    with pytest.raises(ValueError, match="does not begin with one of"):
        list(aggregated([f"{key}\t1\n"]))
