"""What a job's scheduler tells its reduces, and what it makes of what they miss."""

import msgspec
import pytest

from mesos_py.frameworks.mapreduce import framework, plan
from mesos_py.frameworks.mapreduce.job import Job
from mesos_py.frameworks.mapreduce.orders import Order, Outcome
from mesos_py.messages.scheduler import Accept, Error, ErrorReason
from mesos_py.runtime.loop import Loop
from mesos_py.testing.builders import a_status, an_offer
from mesos_py.types.tasks import TaskState
from tests.unit.scheduler.small_master import SmallMaster


class SlowMaster(SmallMaster):
    """Its tasks do not end."""

    def status(self, task_id, state, update_id):
        if state != "FINISHED":
            super().status(task_id, state, update_id)

    def launched(self):
        return {task.task_id for call in self.heard(Accept) for task in call.operations[0].tasks}


class Told:
    """A job of two maps and two reduces, without a master."""

    def __init__(self, directory):
        for name in ("one", "two"):
            (directory / name).write_text("x\n")
        job = Job(name="j", inputs=(f"{directory}/one", f"{directory}/two"), output=f"{directory}/out", reduces=2)
        settings = framework.Settings(broker="memory://none", address="127.0.0.1")
        self.run = framework._JobRun(job, settings, framework.Watcher())
        self.run._carry_out(self.run._plan.begin())

    def launch(self, **agents):
        """``map_0_1="A"``"""
        for words, agent in agents.items():
            name = "{}-{}.{}".format(*words.split("_"))
            self.run._queue.remove(name)
            self.run._launched(name, an_offer(agent_id=agent, hostname=agent))

    def finish(self, *attempts):
        for attempt in attempts:
            data = msgspec.json.encode(Outcome(url=f"http://{attempt}"))
            self.run._on_update(a_status(attempt, TaskState.FINISHED, data=data))

    def miss(self, attempt, *lost):
        data = msgspec.json.encode(Outcome(failure="x", lost=list(lost)))
        self.run._on_update(a_status(attempt, TaskState.FAILED, data=data))

    def order(self, attempt):
        return msgspec.json.decode(self.run._order(attempt), type=Order)

    def waiting(self):
        return [spec.task.task_id for spec in self.run._queue]


@pytest.fixture
def told(tmp_path):
    told = Told(tmp_path)
    told.launch(map_0_1="A", map_1_1="B")
    told.finish("map-0.1", "map-1.1")
    told.launch(reduce_0_1="B", reduce_1_1="B")
    yield told
    told.run._server.close()


def test_a_reduce_is_told_how_many_maps_there_are(told):
    """Of those that it was launched for one may be gone when it asks which they are."""
    assert told.order("reduce-0.1").map_indices == [0, 1]
    told.run._happened(plan.SiteLost("A"))
    order = told.order("reduce-1.1")
    assert (order.map_indices, order.map_count) == ([1], 2)


def test_a_reduce_that_was_not_given_all_waits_for_the_map_that_is_done_again(told):
    told.run._happened(plan.SiteLost("A"))
    told.order("reduce-1.1")
    told.launch(map_0_2="B")
    told.miss("reduce-1.1", 0)
    assert told.waiting() == []
    told.finish("map-0.2")
    assert told.waiting() == ["reduce-1.2"]


def test_what_a_reduce_missed_is_what_it_was_given_and_not_what_has_been_made_since(told):
    told.order("reduce-0.1")
    told.order("reduce-1.1")
    told.miss("reduce-0.1", 0)
    assert told.waiting() == ["map-0.2"]
    told.launch(map_0_2="B")
    told.finish("map-0.2")
    told.miss("reduce-1.1", 0)
    assert told.waiting() == ["reduce-0.2", "reduce-1.2"]


def test_a_job_that_the_master_has_removed_goes_on_with_a_fresh_id(tmp_path):
    told = Told(tmp_path)
    loop = Loop()
    master = SlowMaster(loop, "memory://removed-mapreduce")
    told.run._framework.attach(loop, "memory://removed-mapreduce")

    def until_launched(*attempts):
        for _ in range(400):
            if not master.launched() >= set(attempts):
                loop.turn(0.05)
        assert master.launched() >= set(attempts)

    until_launched("map-0.1", "map-1.1")
    master.removed = {"F1"}
    master.say(Error(reason=ErrorReason.NOT_SUBSCRIBED, message="who are you?"))
    until_launched("map-0.2", "map-1.2")
    assert not told.run._failure
    told.run._server.close()
