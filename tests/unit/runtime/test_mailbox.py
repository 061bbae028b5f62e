from mesos_py.runtime.loop import Loop
from mesos_py.runtime.mailbox import Mailbox

TICK = "tick"


class Counter:
    """A core that answers every event and wants a tick at a time."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []
        self.deadline: float | None = None

    def handle(self, event: str, now: float) -> list[str]:
        self.seen.append((event, now))
        if event == TICK:
            self.deadline = None
            return []
        return [f"{event}!"]

    def next_deadline(self) -> float | None:
        return self.deadline


def a_mailbox(now: float = 50.0, **options):
    loop = Loop(lambda: now)
    core, done = Counter(), []
    mailbox = Mailbox(loop, core, done.append, TICK, **options)
    mailbox.start()
    return loop, mailbox, core, done


def test_everything_that_waits_is_handled_in_order_in_one_turn():
    loop, mailbox, core, done = a_mailbox()
    mailbox.put("a")
    mailbox.post("b")
    loop.turn(0)
    assert sorted(core.seen) == [("a", 50.0), ("b", 50.0)]
    assert sorted(done) == ["a!", "b!"]
    loop.close()


def test_the_tick_comes_when_it_is_due_and_after_what_waits():
    loop, mailbox, core, _done = a_mailbox()
    core.deadline = 50.5
    loop.turn(0)
    assert core.seen == []
    core.deadline = 50.0
    mailbox.put("a")
    loop.turn(0)
    assert [event for event, _ in core.seen] == ["a", TICK]
    loop.close()


def test_events_put_by_effects_are_handled_in_the_same_turn():
    loop = Loop(lambda: 1.0)
    core = Counter()
    mailbox: Mailbox[str, str]

    def perform(effect: str) -> None:
        if len(effect) < 4:
            mailbox.put(effect)

    mailbox = Mailbox(loop, core, perform, TICK)
    mailbox.start()
    mailbox.put("a")
    loop.turn(0)
    assert [event for event, _ in core.seen] == ["a", "a!", "a!!"]
    loop.close()


def test_a_watcher_sees_events_and_effects():
    story = []
    loop, mailbox, _core, _done = a_mailbox(watch=lambda event, effects, now: story.append((event, list(effects), now)))
    mailbox.put("a")
    loop.turn(0)
    assert story == [("a", ["a!"], 50.0)]
    loop.close()


def test_after_stop_nothing_is_handled():
    loop, mailbox, core, _done = a_mailbox()
    mailbox.put("a")
    mailbox.stop()
    loop.turn(0)
    assert core.seen == []
    loop.close()
