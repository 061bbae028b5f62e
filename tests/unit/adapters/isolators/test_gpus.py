"""Whole gpus, each for one container."""

import threading

import pytest

from mesos_py.adapters.cgroups.v1 import CgroupsV1
from mesos_py.adapters.isolators.gpus import GpusIsolator, find_gpus
from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from tests.unit.adapters.isolators.support import a_launch, a_spec

FOUR = ["/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia2", "/dev/nvidia3"]
NOT_ENFORCED = CgroupsV1({}, "mesos", "key")


def prepared(isolator, number, gpus):
    spec = a_spec(container_id=f"C-{number}", resources=Resources.parse(f"gpus:{gpus}"))
    launch = a_launch(spec)
    isolator.claim(spec)
    isolator.prepare(spec, launch)
    return launch


def granted(isolator, number, gpus):
    return prepared(isolator, number, gpus).environment["NVIDIA_VISIBLE_DEVICES"]


def test_each_is_given_once():
    isolator = GpusIsolator(NOT_ENFORCED, FOUR)
    assert granted(isolator, 1, 1) == "0"
    assert granted(isolator, 2, 2) == "1,2"
    with pytest.raises(LaunchError, match=r"^2 gpus are wanted, 1 of 4 are free$"):
        prepared(isolator, 3, 2)
    isolator.ended(ContainerID("C-3"))
    isolator.ended(ContainerID("C-2"))
    isolator.ended(ContainerID("C-2"))
    assert granted(isolator, 4, 3) == "1,2,3"


@pytest.mark.parametrize("gpus", [0.5, 1.001])
def test_a_part_of_one_is_refused(gpus):
    with pytest.raises(LaunchError, match=f"^gpus cannot be shared: a whole number is needed, not {gpus}$"):
        prepared(GpusIsolator(NOT_ENFORCED, FOUR), 1, gpus)


def test_who_asks_for_none_sees_none():
    launch = prepared(GpusIsolator(NOT_ENFORCED, FOUR), 1, 0)
    assert launch.environment == {"CUDA_VISIBLE_DEVICES": "", "NVIDIA_VISIBLE_DEVICES": "void"}
    assert launch.notes == {}


def test_the_task_s_own_idea_of_its_gpus_does_not_count():
    spec = a_spec(resources=Resources.parse("gpus:1"), environment={"CUDA_VISIBLE_DEVICES": "0,1,2,3"})
    launch = a_launch(spec)
    isolator = GpusIsolator(NOT_ENFORCED, FOUR)
    prepared(isolator, 9, 1)
    isolator.claim(spec)
    isolator.prepare(spec, launch)
    assert launch.environment["CUDA_VISIBLE_DEVICES"] == "1"


def test_after_a_restart_they_are_still_taken():
    notes = prepared(GpusIsolator(NOT_ENFORCED, FOUR), 1, 2).notes
    isolator = GpusIsolator(NOT_ENFORCED, FOUR)
    isolator.recovered(a_spec(), 1, notes)
    isolator.recovered(a_spec(container_id="C-7"), 1, {})
    assert granted(isolator, 2, 2) == "2,3"


def test_a_gpu_that_was_taken_out_meanwhile_is_forgotten():
    notes = prepared(GpusIsolator(NOT_ENFORCED, FOUR), 1, 2).notes
    isolator = GpusIsolator(NOT_ENFORCED, FOUR[1:])
    isolator.recovered(a_spec(), 1, notes)
    assert granted(isolator, 2, 2) == "2,3"


def test_a_container_keeps_what_it_has_when_it_is_resized():
    isolator = GpusIsolator(NOT_ENFORCED, FOUR)
    one = ContainerID("C-1")
    prepared(isolator, 1, 1)
    prepared(isolator, 2, 1)
    isolator.update(one, Resources.parse("gpus:3"), {})
    with pytest.raises(OSError, match=r"1 gpus are wanted, 0 of 4 are free$"):
        isolator.update(ContainerID("C-3"), Resources.parse("gpus:1"), {})
    isolator.update(one, Resources.parse("gpus:1"), {})
    assert granted(isolator, 3, 2) == "2,3"


def test_many_threads_never_share_one():
    isolator = GpusIsolator(NOT_ENFORCED, [f"/dev/nvidia{number}" for number in range(64)])
    start, got = threading.Barrier(8), []

    def take(first):
        start.wait()
        got.extend(granted(isolator, first * 8 + number, 1) for number in range(8))

    threads = [threading.Thread(target=take, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got, key=int) == [str(number) for number in range(64)]


def test_they_are_found_in_the_order_of_their_numbers(tmp_path):
    for name in ("nvidia10", "nvidia2", "nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-caps", "null"):
        (tmp_path / name).touch()
    assert find_gpus("", tmp_path) == [str(tmp_path / name) for name in ("nvidia0", "nvidia2", "nvidia10")]
    assert find_gpus(" /dev/a , /dev/b,", tmp_path) == ["/dev/a", "/dev/b"]
    assert find_gpus("", tmp_path / "none") == []


def test_other_cards_are_numbered_by_their_place():
    isolator = GpusIsolator(NOT_ENFORCED, ["/dev/card-a", "/dev/card-b"])
    assert [granted(isolator, number, 1) for number in (1, 2)] == ["0", "1"]


def test_what_is_no_device_node_is_told():
    assert GpusIsolator(NOT_ENFORCED, ["/dev/null"]).why_not() == ""
    assert GpusIsolator(NOT_ENFORCED, ["/etc/passwd"]).why_not() == "gpu /etc/passwd: not a device node"
    assert GpusIsolator(NOT_ENFORCED, ["/dev/no"]).why_not() == "gpu /dev/no: No such file or directory"


def test_what_is_done_with_them_is_told():
    assert GpusIsolator(NOT_ENFORCED, []).describe() == "no gpus here"
    assert GpusIsolator(NOT_ENFORCED, FOUR[:1]).describe().endswith("not enforced")
