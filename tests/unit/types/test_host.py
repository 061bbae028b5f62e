"""What a command asks of its host: every refusal has its sentence, and what makes sense has none."""

import math
import resource

import pytest

from mesos_py.errors import UserError
from mesos_py.types.host import (
    RLIMITS,
    RLimit,
    Volume,
    VolumeMode,
    parse_rlimit,
    parse_volume,
    why_not_limits,
    why_not_rlimits,
    why_not_volumes,
)
from mesos_py.types.resources import Resources

REQUEST = Resources.of(cpus=1, mem=128)


@pytest.mark.parametrize("limits", [{}, {"cpus": 1.0}, {"cpus": 8.0, "mem": 128.0}, {"mem": "inf"}, {"cpus": math.inf}])
def test_a_task_may_burst(limits):
    assert why_not_limits(limits, REQUEST) is None


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"disk": 5.0}, "only cpus and mem can have limits, not 'disk'"),
        ({"cpus": 0.5}, "the limit for cpus, 0.5, is below the request 1"),
        ({"cpus": 2.0, "mem": 127.999}, "the limit for mem, 127.999, is below the request 128"),
        ({"mem": math.nan}, "the limit for mem, nan, is below the request 128"),
        ({"mem": -math.inf}, "the limit for mem, -inf, is below the request 128"),
    ],
)
def test_a_limit_below_the_request_is_refused(limits, sentence):
    assert why_not_limits(limits, REQUEST) == sentence


def test_every_rlimit_of_this_system_has_its_name():
    there = {name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_")}
    assert there - {"ofile"} == set(RLIMITS)  # that one is nofile by an older name


@pytest.mark.parametrize(
    "rlimits",
    [
        {},
        {"nofile": RLimit(soft=1024, hard=4096), "core": RLimit(soft=0, hard=0)},
        {"stack": RLimit()},
        {"as": RLimit(soft=2**63 - 1, hard=2**63 - 1)},
    ],
)
def test_good_rlimits(rlimits):
    assert why_not_rlimits(rlimits) is None


@pytest.mark.parametrize(
    ("rlimits", "sentence"),
    [
        ({"files": RLimit()}, "there is no rlimit 'files'; there are as, core,"),
        ({"NOFILE": RLimit()}, "there is no rlimit 'NOFILE'"),
        ({"nofile": RLimit(soft=1)}, "rlimit nofile needs both soft and hard, or neither"),
        ({"nofile": RLimit(hard=1)}, "rlimit nofile needs both soft and hard, or neither"),
        ({"nofile": RLimit(soft=2, hard=1)}, "rlimit nofile: soft 2 is above hard 1"),
        ({"nofile": RLimit(soft=-1, hard=1)}, "rlimit nofile must be from 0 to"),
        ({"nofile": RLimit(soft=1, hard=2**63)}, "rlimit nofile must be from 0 to"),
    ],
)
def test_bad_rlimits(rlimits, sentence):
    assert sentence in why_not_rlimits(rlimits)


def volume(host_path="/data", container_path="data", **more):
    return Volume(host_path=host_path, container_path=container_path, **more)


@pytest.mark.parametrize(
    "volumes",
    [
        [],
        [volume(), volume("/data/", "/opt/data", mode=VolumeMode.RW)],
        [
            volume("/", "root"),
            volume("/data", "./root/..data"),
            volume(container_path="/processed"),
            volume("/a", "/var/tmpl"),
        ],
    ],
)
def test_good_volumes(volumes):
    assert why_not_volumes(volumes) is None


@pytest.mark.parametrize(
    ("volumes", "sentence"),
    [
        ([volume("data")], "host_path 'data' is not absolute"),
        ([volume("")], "host_path '' is not absolute"),
        ([volume("/data/../etc")], "'/data/../etc' holds '..'"),
        ([volume("/da\0ta")], "holds a NUL character"),
        ([volume("/" + "x" * 4095)], "is longer than 4095 bytes"),
        ([volume(container_path="a/../../b")], "'a/../../b' holds '..'"),
        ([volume(container_path="a\0")], "holds a NUL character"),
        ([volume(container_path="")], "container_path '' names nothing to mount on"),
        ([volume(container_path="./.")], "container_path './.' names nothing to mount on"),
        ([volume(container_path="//")], "container_path '//' names nothing to mount on"),
        ([volume(container_path="/proc/1")], "lies in one of /proc, /sys, /dev, /tmp, /var/tmp"),
        ([volume(container_path="//dev/./shm")], "lies in one of /proc,"),
        ([volume(container_path="/var//tmp")], "lies in one of /proc,"),
        ([volume(), volume("/other", "./data/")], "container_path './data/' is taken twice"),
        ([volume(container_path=str(n)) for n in range(65)], "a command has at most 64 volumes, this one 65"),
    ],
)
def test_bad_volumes(volumes, sentence):
    assert sentence in why_not_volumes(volumes)


# As people write them


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("64", RLimit(soft=64, hard=64)),
        ("0:64", RLimit(soft=0, hard=64)),
        ("inf", RLimit()),
        ("unlimited", RLimit()),
    ],
)
def test_rlimits_are_written_in_three_ways(text, limit):
    assert parse_rlimit(text) == limit


@pytest.mark.parametrize("text", ["", "many", "1:", ":1", "1:2:3", "1.5"])
def test_what_is_no_rlimit(text):
    with pytest.raises(UserError, match="is not of the form 1024, 1024:4096 or inf"):
        parse_rlimit(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data:models", volume("/data", "models")),
        ("/data:models:ro", volume("/data", "models")),
        ("/data:/opt/models:RW", volume("/data", "/opt/models", mode=VolumeMode.RW)),
        ("/data:a:b:rw", volume("/data", "a:b", mode=VolumeMode.RW)),
    ],
)
def test_volumes_are_written_with_colons(text, expected):
    assert parse_volume(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/data", "is not of the form"),
        ("/data:", "is not of the form"),
        (":x", "is not of the form"),
        ("/data:x:write", "is not of the form"),
        ("data:x", "'data' is not absolute"),
        ("/data:../x", "holds '..'"),
    ],
)
def test_what_is_no_volume(text, words):
    with pytest.raises(UserError, match=words):
        parse_volume(text)
