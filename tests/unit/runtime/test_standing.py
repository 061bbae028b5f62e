"""What is told of something that goes up and down: each trouble once, its end once, never a flood, never nothing."""

import pytest

from mesos_py.runtime.loop import Loop
from mesos_py.runtime.standing import Standing


class Ward:
    def __init__(self) -> None:
        self.now = 1000.0
        self.loop = Loop(lambda: self.now)
        self.told: list[str] = []
        self.standing = Standing(self.loop, lambda what, why: self.told.append(f"{what}: {why}" if why else what))

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.loop.turn(0)

    def flap(self, why: str, times: int, every_s: float = 1.0) -> None:
        for _ in range(times):
            self.after(every_s)
            self.standing.bad("lost", why)
            self.after(0.1)
            self.standing.good("connected")


@pytest.fixture
def ward():
    ward = Ward()
    yield ward
    ward.standing.close()
    ward.loop.close()


def test_a_trouble_and_its_end_are_told_at_once(ward: Ward):
    ward.standing.good("connected")
    ward.after(5)
    ward.standing.bad("lost", "cut")
    ward.after(500)
    ward.standing.good("connected")
    assert ward.told == ["connected", "lost: cut", "connected"]


def test_a_trouble_that_goes_on_is_told_once(ward: Ward):
    for _ in range(100):
        ward.standing.bad("lost", "refused")
        ward.after(10)
    assert ward.told == ["lost: refused"]


def test_what_is_new_in_a_trouble_is_told(ward: Ward):
    for why in ("cut", "refused", "cut", "refused", "no such user"):
        ward.standing.bad("lost", why)
    assert ward.told == ["lost: cut", "lost: refused", "lost: no such user"]


def test_a_trouble_that_keeps_coming_back_is_told_twice_and_its_end_when_it_has_lasted(ward: Ward):
    ward.standing.good("connected")
    ward.after(100)
    ward.flap("may not publish", 500)
    assert ward.told == ["connected", "lost: may not publish", "connected", "lost: may not publish"]
    ward.after(29)
    assert len(ward.told) == 4
    ward.after(2)
    assert ward.told[4:] == ["connected"]
    ward.after(1000)
    assert len(ward.told) == 5


def test_a_later_trouble_is_a_new_one(ward: Ward):
    ward.standing.good("connected")
    for _ in range(3):
        ward.flap("cut", 1, every_s=100)
    assert ward.told == ["connected", *["lost: cut", "connected"] * 3]


def test_what_is_always_told_late(ward: Ward):
    ward.standing.good("fits again")
    for _ in range(50):
        ward.standing.bad("overflows", "")
        ward.standing.good("fits again", at_once=False)
        ward.after(1)
    ward.after(31)
    assert ward.told == ["fits again", "overflows", "fits again"]


def test_ever_new_reasons_are_no_flood_either(ward: Ward):
    for number in range(10_000):
        ward.standing.bad("lost", f"reason {number}")
    assert len(ward.told) == 100
