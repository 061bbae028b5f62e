"""What is told to systemd arrives as it expects it."""

import os

import pytest

from mesos_py.adapters.systemd import ServiceManager
from tests.support.systemd import Manager


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    with Manager(tmp_path / "notify" if request.param == "path" else "") as manager:
        yield manager


def test_each_word_is_a_line_of_one_datagram(manager):
    told = ServiceManager({"NOTIFY_SOCKET": manager.address})
    assert told.tell(READY="1", STATUS="leading\nepoch 3")
    assert manager.receive() == b"READY=1\nSTATUS=leading epoch 3"
    told.close()
    assert not told.tell(READY="1")


def test_systemds_variables_are_for_us_alone(manager):
    environ = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "A": "b",
    }
    assert ServiceManager(environ).watchdog_s == 30
    assert environ == {"A": "b"}


@pytest.mark.parametrize(
    "variables",
    [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}],
)
def test_nobody_watches_unless_it_is_said(manager, variables):
    assert ServiceManager({"NOTIFY_SOCKET": manager.address, **variables}).watchdog_s is None


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:3", "/nowhere/notify"])
def test_without_somebody_to_tell_nothing_is_said_and_nothing_breaks(address):
    assert not ServiceManager({"NOTIFY_SOCKET": address}).tell(READY="1")
