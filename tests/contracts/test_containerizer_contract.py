"""What every Containerizer keeps: the fake is held to it together with the real one."""

import signal

import pytest

from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.runtime.loop import Loop
from mesos_py.testing.containers import Fate, NullContainerizer
from mesos_py.types.containers import ContainerExit
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason
from tests.unit.adapters.containers_support import Containers

COMMANDS = {
    "succeeds": ["/bin/true"],
    "exits with 3": ["/bin/sh", "-c", "exit 3"],
    "runs": ["/bin/sleep", "100"],
    "ignores TERM": ["/bin/sh", "-c", "trap '' TERM; echo ready >ready; while :; do sleep 100; done"],
    "is not there": ["/no/such/program"],
}
FATES = {
    "succeeds": Fate(),
    "exits with 3": Fate(exit=ContainerExit(exit_code=3)),
    "runs": Fate(exit=None),
    "ignores TERM": Fate(exit=None, ignores=frozenset({signal.SIGTERM})),
    "is not there": Fate(fails="command not found: /no/such/program"),
}


@pytest.fixture(params=["real", "fake"])
def containers(request, tmp_path):
    loop = Loop()
    if request.param == "real":
        containerizer = ProcessContainerizer(loop, tmp_path / "run")
    else:
        fates = {tuple(argv): FATES[name] for name, argv in COMMANDS.items()}
        containerizer = NullContainerizer(loop, lambda spec: fates[tuple(spec.argv)])
    containers = Containers(loop, containerizer, tmp_path)
    yield containers
    for container_id in containers.started:
        containerizer.destroy(container_id)
    containers.until(lambda: containers.started.keys() == containers.ended.keys())
    containerizer.close()
    loop.close()


def test_a_command_that_succeeds_is_started_and_ends_with_zero(containers):
    exit_ = containers.end_of(containers.start(*COMMANDS["succeeds"]))
    assert (exit_.exit_code, exit_.signal, exit_.reason) == (0, None, None)


def test_the_exit_code_is_told(containers):
    assert containers.end_of(containers.start(*COMMANDS["exits with 3"])).exit_code == 3


def test_answers_come_later_never_from_within_the_call(containers):
    spec = containers.spec(*COMMANDS["succeeds"])
    containers.it.start(spec)
    assert not containers.started
    containers.end_of(spec)


def test_what_cannot_be_started_fails_and_is_not_started(containers):
    spec = containers.start(*COMMANDS["is not there"])
    assert containers.failure_of(spec) == (Reason.CONTAINER_LAUNCH_FAILED, "command not found: /no/such/program")
    assert not containers.started


def test_a_signal_ends_a_command(containers):
    spec = containers.start(*COMMANDS["runs"])
    containers.it.signal(spec.container_id, signal.SIGTERM)
    exit_ = containers.end_of(spec)
    assert (exit_.exit_code, exit_.signal) == (None, signal.SIGTERM)


def test_a_command_may_ignore_term_but_not_destroy(containers):
    spec = containers.start(*COMMANDS["ignores TERM"])
    if isinstance(containers.it, ProcessContainerizer):
        ready = containers.root / "task-1" / "C-1" / "ready"
        containers.until(ready.exists)
    containers.it.signal(spec.container_id, signal.SIGTERM)
    for _ in range(5):
        containers.loop.turn(0.02)
    assert not containers.ended
    containers.it.destroy(spec.container_id)
    containers.it.destroy(spec.container_id)
    assert containers.end_of(spec).signal == signal.SIGKILL


def test_destroy_before_the_start_is_a_failure(containers):
    spec = containers.spec(*COMMANDS["runs"])
    containers.it.start(spec)
    containers.it.destroy(spec.container_id)
    reason, _message = containers.failure_of(spec)
    assert reason is Reason.TASK_KILLED_DURING_LAUNCH
    assert not containers.started


def test_orders_for_what_has_ended_do_nothing(containers):
    spec = containers.start(*COMMANDS["succeeds"])
    containers.end_of(spec)
    containers.it.signal(spec.container_id, signal.SIGTERM)
    containers.it.destroy(spec.container_id)
    containers.it.update(spec.container_id, Resources.of(cpus=1), {})
    containers.loop.turn(0)
    assert len(containers.ended) == 1


def test_many_at_once_each_get_their_answers(containers):
    specs = [containers.spec(*COMMANDS["exits with 3" if n % 2 else "succeeds"]) for n in range(30)]
    for spec in specs:
        containers.it.start(spec)
    containers.until(lambda: len(containers.ended) == 30)
    assert [containers.ended[spec.container_id].exit_code for spec in specs] == [0, 3] * 15
