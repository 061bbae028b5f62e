"""How often a broken connection is tried again, and how often somebody is told."""

import pytest

from mesos_py.adapters.mending import Mender
from mesos_py.runtime.loop import Loop


class Ward:
    """A mender under a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.loop = Loop(lambda: self.now)
        self.attempts = 0
        self.told: list[str] = []
        self.mender = Mender(self.loop, self._attempt, self.told.append)
        self.mender.start()

    def _attempt(self) -> None:
        self.attempts += 1

    def wait_for_attempt(self) -> float:
        """Until it tries again; how long that took."""
        start, before = self.now, self.attempts
        deadline = self.mender.next_deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        self.loop.turn(0)
        assert self.attempts == before + 1
        assert self.mender.next_deadline() is None
        return self.now - start


@pytest.fixture
def ward():
    ward = Ward()
    yield ward
    ward.loop.close()


def test_the_first_attempt_is_at_once_and_the_waits_grow_to_a_cap(ward: Ward):
    assert ward.wait_for_attempt() == 0.0
    waits = []
    for _ in range(12):
        ward.mender.failed("refused")
        waits.append(ward.wait_for_attempt())
    assert 0.05 <= waits[0] <= 0.1
    assert all(5.0 <= wait <= 10.0 for wait in waits[8:])
    assert ward.told == ["refused"]


def test_each_reason_of_a_loss_is_told_once(ward: Ward):
    ward.wait_for_attempt()
    ward.mender.mended()
    for reason in ("cut", "refused", "refused", "cut", "refused"):
        ward.mender.failed(reason)
        ward.wait_for_attempt()
    ward.mender.mended()
    ward.mender.failed("cut again")
    assert ward.told == ["cut", "refused", "cut again"]


def test_ever_new_reasons_are_no_flood(ward: Ward):
    for number in range(1000):
        ward.mender.failed(f"reason {number}")
    assert len(ward.told) == 20


def test_a_connection_that_never_lasts_is_tried_ever_more_slowly(ward: Ward):
    ward.wait_for_attempt()
    waits = []
    for _ in range(10):
        ward.mender.mended()
        ward.mender.failed("kicked out")
        waits.append(ward.wait_for_attempt())
    assert waits[-1] >= 5.0


def test_a_connection_that_has_lasted_is_mended_quickly(ward: Ward):
    ward.wait_for_attempt()
    for _ in range(10):
        ward.mender.failed("refused")
        ward.wait_for_attempt()
    ward.mender.mended()
    ward.now += 60.0
    ward.mender.failed("cut")
    assert ward.wait_for_attempt() <= 0.1


def test_no_attempt_after_stop(ward: Ward):
    ward.mender.stop()
    ward.loop.turn(0)
    assert ward.attempts == 0
