from typing import NamedTuple

import psutil
import pytest

from mesos_py.adapters.detection import detect_hostname, detect_resources
from mesos_py.errors import UserError
from mesos_py.types.ids import Role
from mesos_py.types.resources import Resources

GB = 1 << 30


class Total(NamedTuple):
    total: int


@pytest.fixture(autouse=True)
def host(monkeypatch):
    sizes = {"cpus": 8, "mem": 16 * GB, "disk": 100 * GB}
    monkeypatch.setattr(psutil, "cpu_count", lambda: sizes["cpus"])
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Total(sizes["mem"]))

    def usage(path):
        if sizes["disk"] is None or not path.startswith("/"):
            raise OSError(path)
        return Total(sizes["disk"])

    monkeypatch.setattr(psutil, "disk_usage", usage)
    return sizes


def test_everything_is_detected(tmp_path):
    assert detect_resources("", tmp_path) == Resources.parse("cpus:8;mem:15360;disk:97280;ports:[31000-32000]")


@pytest.mark.parametrize(
    ("name", "has", "offers"),
    [
        ("mem", 2 * GB, 1024),
        ("mem", 2 * GB - 2, 1023),
        ("mem", 1 * GB, 512),
        ("disk", 10 * GB, 5120),
        ("disk", 8 * GB, 4096),
        ("disk", None, 10240),
        ("cpus", None, 1),
    ],
)
def test_small_hosts(host, tmp_path, name, has, offers):
    host[name] = has
    assert detect_resources("", tmp_path).scalar(name) == offers * 1000


def test_what_is_given_is_not_detected(tmp_path):
    found = detect_resources("cpus:0.5; mem(ads):100;ports:[1-2];gpus:1", tmp_path)
    assert found == Resources.parse("cpus:0.5;mem(ads):100;ports:[1-2];gpus:1;disk:97280")


def test_gpus_are_offered_where_they_can_be_given(tmp_path):
    assert detect_resources("", tmp_path, gpus=2).gpus == 2
    assert detect_resources("gpus:1", tmp_path, gpus=2).gpus == 1


def test_given_as_nothing_is_nothing(tmp_path):
    assert detect_resources("cpus:0;disk:0", tmp_path) == Resources.parse("mem:15360;ports:[31000-32000]")


def test_the_default_role_goes_for_all(tmp_path):
    found = detect_resources("cpus:1;mem(web):5", tmp_path, default_role=Role("ads"))
    assert found == Resources.parse("cpus(ads):1;mem(web):5;disk(ads):97280;ports(ads):[31000-32000]")


def test_a_directory_that_is_not_there_yet(tmp_path):
    assert detect_resources("", tmp_path / "a" / "b").disk == 97280


def test_nonsense_is_refused(tmp_path):
    with pytest.raises(UserError):
        detect_resources("cpus=4", tmp_path)


def test_the_host_has_a_name():
    assert detect_hostname()
