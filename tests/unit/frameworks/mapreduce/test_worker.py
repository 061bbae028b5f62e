"""What a reduce does about map output that it cannot have."""

from http.client import responses

import pytest

from mesos_py.frameworks.mapreduce.job import Job
from mesos_py.frameworks.mapreduce.orders import Order, Outcome
from mesos_py.frameworks.mapreduce.transfer import Server
from mesos_py.frameworks.mapreduce.worker import Worker

OUTPUTS = {"map-0.1/0": b"a\t1\n", "map-1.1/0": b"b\t2\n"}


@pytest.fixture
def reduce(tmp_path):
    """Carries out a reduce that is given these maps; two there must be."""
    server = Server("secret", OUTPUTS.get, "127.0.0.1")
    directory = tmp_path / "work"
    directory.mkdir()

    def carry_out(indices, *, map_count=2):
        order = Order(
            attempt="reduce-0.1",
            job_id="job_1_0001",
            job=Job(name="j", inputs=(), output="o"),
            kind="reduce",
            index=0,
            base="",
            staging=str(tmp_path / "elsewhere"),
            maps=[f"http://127.0.0.1:{server.port}/secret/map-{index}.1/0" for index in indices],
            map_indices=indices,
            map_count=map_count,
        )
        return Worker(order, directory, lambda _progress: None).run()

    yield carry_out
    server.close()


def test_a_reduce_takes_the_output_of_all_maps(reduce, tmp_path):
    assert not reduce([0, 1]).failure
    assert (tmp_path / "out").read_bytes() == b"a\t1\nb\t2\n"


@pytest.mark.parametrize(("there", "lost"), [([1], [0]), ([0], [1]), ([], [0, 1])])
def test_a_reduce_that_is_not_given_all_maps_has_lost_the_others(reduce, there, lost):
    why = f"the output of {len(lost)} maps was lost before it could be fetched"
    assert reduce(there) == Outcome(failure=why, lost=lost)


def test_output_that_is_not_there_any_more_is_lost(reduce):
    outcome = reduce([0, 1, 2], map_count=3)
    assert outcome.lost == [2]
    assert responses[404] in outcome.failure
