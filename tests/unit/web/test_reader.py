"""Readers get what the core knows, and can never cost it more than a fortieth of its time."""

import asyncio
import threading

import pytest

from mesos_py.runtime.loop import Loop
from mesos_py.web.reader import BusyError, Reader


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(coroutine):
    async def limited():
        async with asyncio.timeout(10):
            return await coroutine

    return asyncio.run(limited())


def test_a_read_runs_in_the_loops_thread(loop):
    assert run(Reader(loop).read(threading.get_ident)) != threading.get_ident()


def test_what_a_read_raises_reaches_the_asker_and_not_the_loop(loop):
    async def ask():
        reader = Reader(loop)
        with pytest.raises(KeyError):
            await reader.read(lambda: {}["nothing"])
        return await reader.read(lambda: "still turning")

    assert run(ask()) == "still turning"


def test_a_loop_that_does_not_turn_is_busy():
    still = Loop()
    with pytest.raises(BusyError):
        run(Reader(still, timeout_s=0.01).read(lambda: 1))
    still.turn(0)  # runs what was posted, for nobody: no harm
    still.close()


def test_a_snapshot_serves_until_forty_times_its_cost_has_passed(loop):
    clock = FakeClock()
    made = []

    def build():
        made.append(clock.now)
        clock.now += 0.1
        return len(made)

    async def ask():
        reader = Reader(loop, clock=clock)
        values = []
        for wait in (0.0, 2.0, 1.8, 0.2, 4.0):
            clock.now += wait
            values.append((await reader.snapshot("x", build)).value)
        return values

    assert run(ask()) == [1, 1, 1, 2, 3]


def test_all_snapshots_share_one_budget(loop):
    clock = FakeClock()
    busy = 0.0

    def build():
        nonlocal busy
        busy += 0.03
        clock.now += 0.03
        return 0

    async def ask():
        reader = Reader(loop, clock=clock)
        begin = clock.now
        for _ in range(4000):
            clock.now += 0.01
            for key in "abc":
                await reader.snapshot(key, build)
        return busy / (clock.now - begin)

    assert 0.015 < run(ask()) < 0.0275


def test_a_snapshot_nobody_asks_for_no_longer_counts(loop):
    clock = FakeClock()

    def slow():
        clock.now += 10
        return "slow"

    async def ask():
        reader = Reader(loop, clock=clock)
        await reader.snapshot("slow", slow)
        await reader.snapshot("quick", lambda: 1)
        clock.now += 401
        await reader.snapshot("quick", lambda: 2)  # the slow one is dropped here
        clock.now += 0.06
        return (await reader.snapshot("quick", lambda: 3)).value

    assert run(ask()) == 3


def test_many_who_ask_at_once_share_one_snapshot(loop):
    made = []

    async def ask():
        reader = Reader(loop)
        asked = [reader.snapshot("x", lambda: made.append(1) or len(made)) for _ in range(50)]
        return {snapshot.value for snapshot in await asyncio.gather(*asked)}

    assert run(ask()) == {1}


def test_what_is_made_of_a_snapshot_is_made_once_and_counts(loop):
    clock = FakeClock()
    made = []

    async def make(value):
        made.append(value)
        await asyncio.sleep(0)
        clock.now += 0.1
        return str(value).encode()

    async def ask():
        reader = Reader(loop, clock=clock)
        snapshot = await reader.snapshot("x", lambda: len(made))
        first, *others = [asyncio.create_task(reader.once(snapshot, "text", make)) for _ in range(50)]
        await asyncio.sleep(0)
        first.cancel()
        assert set(await asyncio.gather(*others)) == {b"0"}
        clock.now += 3.8
        assert (await reader.snapshot("x", lambda: len(made))).value == 0
        clock.now += 0.2
        assert (await reader.snapshot("x", lambda: len(made))).value == 1

    run(ask())
    assert made == [0]


def test_one_who_gives_up_does_not_disturb_the_others(loop):
    gate = threading.Event()

    async def ask():
        reader = Reader(loop)
        first = asyncio.create_task(reader.snapshot("x", lambda: gate.wait(5) and "value"))
        second = asyncio.create_task(reader.snapshot("x", lambda: "other"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        return (await second).value

    assert run(ask()) == "value"


def test_later_gives_a_newer_snapshot(loop):
    numbers = iter(range(10))

    async def ask():
        reader = Reader(loop)
        first = await reader.snapshot("x", lambda: next(numbers))
        newer = await reader.later("x", lambda: next(numbers), first)
        return first.value, newer.value, newer.taken - first.taken

    first, newer, apart = run(ask())
    assert (first, newer) == (0, 1)
    assert apart >= 0.05


def test_a_change_makes_snapshots_void_also_those_being_made(loop):
    made = iter(range(10))

    async def ask():
        reader = Reader(loop, clock=FakeClock())
        assert (await reader.snapshot("n", lambda: next(made))).value == 0
        assert (await reader.snapshot("n", lambda: next(made))).value == 0
        reader.void()
        early = asyncio.create_task(reader.snapshot("n", lambda: next(made)))
        await asyncio.sleep(0)
        reader.void()
        late = await reader.snapshot("n", lambda: next(made))
        assert {(await early).value, late.value} == {1, 2}
        return (await reader.snapshot("n", lambda: next(made))).value - late.value

    assert run(ask()) == 0


def test_a_failed_snapshot_is_tried_again(loop):
    outcomes = iter([ValueError("no"), None])

    def build():
        if error := next(outcomes):
            raise error
        return "made"

    async def ask():
        reader = Reader(loop)
        with pytest.raises(ValueError, match="no"):
            await reader.snapshot("x", build)
        return (await reader.snapshot("x", build)).value

    assert run(ask()) == "made"
