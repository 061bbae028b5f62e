"""What Cgroups keep, on every hierarchy that this host has: the test ids say which."""

import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest

from mesos_py.adapters.cgroups.hierarchy import find_cgroups, read_hierarchies
from mesos_py.errors import InvariantError
from mesos_py.types.ids import ContainerID
from tests.support.cgroups import Cell, cgroups_of, leftovers, parameters, until

pytestmark = pytest.mark.integration

C1, C2 = ContainerID("C-1"), ContainerID("C-2")

HIDES = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        print('hidden', flush=True)
        time.sleep(1000)
    os._exit(0)
os._exit(0)
"""
"""Ends itself; its grandchild lives on in a session of its own and belongs to nobody."""

RUNS_AWAY = """
import os
print('running', flush=True)
while True:
    if os.fork():
        os._exit(0)
"""
"""Its pid is never the same for long: whoever looks for it kills what is gone already."""

BOMB = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print('ticking', flush=True)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
"""


@pytest.fixture(params=parameters("v1", "v2", "v2-bare", "v2-before-5.14"))
def cell(request, tmp_path):
    cgroups = cgroups_of(request.param, tmp_path)
    for controller in ("cpu", "memory", "pids", "io", "devices"):
        cgroups.use(controller)
    cell = Cell(cgroups)
    yield cell
    cell.close()
    assert leftovers() == []


def ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline()


def has_ended(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_what_is_created_is_there_until_it_is_removed(cell):
    launch = cell.create()
    assert all(Path(directory, "cgroup.procs").read_text() == "" for directory in launch.cgroups)
    assert cell.cgroups.containers() == [C1]
    assert cell.cgroups.remove(C1)
    assert cell.cgroups.containers() == []
    assert not any(Path(directory).exists() for directory in launch.cgroups)


def test_what_was_never_created_has_nothing_to_be_killed_or_removed(cell):
    assert cell.cgroups.pids(C1) == []
    assert cell.cgroups.kill(C1)
    assert cell.cgroups.remove(C1)


def test_a_process_and_its_children_are_found(cell):
    process = cell.start(cell.create(), "/bin/sh", "-c", "sleep 1000 & sleep 1000")
    pids = until(lambda: len(found := cell.cgroups.pids(C1)) == 3 and found)
    assert process.pid in pids


def test_nothing_is_removed_while_a_process_is_in_it(cell):
    process = cell.start(cell.create(), "/bin/sleep", "1000")
    until(lambda: cell.cgroups.pids(C1))
    assert not cell.cgroups.remove(C1)
    assert process.poll() is None


def test_all_die(cell):
    process = cell.start(cell.create(), "/bin/sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000")
    until(lambda: len(cell.cgroups.pids(C1)) == 3)
    until(lambda: cell.cgroups.kill(C1))
    assert cell.cgroups.pids(C1) == []
    assert process.wait() == -signal.SIGKILL


def test_nobody_hides_in_a_session_of_its_own(cell):
    process = cell.start(cell.create(), "python", HIDES, stdout=subprocess.PIPE)
    ready(process)
    process.wait()
    [hidden] = until(lambda: len(found := cell.cgroups.pids(C1)) == 1 and found)  # its parent is just ending, too
    until(lambda: cell.cgroups.kill(C1))
    until(lambda: has_ended(hidden))


def test_nobody_runs_away(cell):
    process = cell.start(cell.create(), "python", RUNS_AWAY, stdout=subprocess.PIPE)
    ready(process)
    until(lambda: cell.cgroups.kill(C1))
    assert cell.cgroups.pids(C1) == []
    until(lambda: cell.cgroups.remove(C1))


def test_a_fork_bomb_dies(cell):
    if cell.cgroups.lacks("pids"):
        pytest.skip(cell.cgroups.lacks("pids"))
    launch = cell.create()
    pids = cell.cgroups.processes(C1)
    pids.set_max(150)
    cell.start(launch, "python", BOMB, stdout=subprocess.PIPE)
    until(lambda: pids.current() == 150)
    until(lambda: cell.cgroups.kill(C1))
    until(lambda: cell.cgroups.remove(C1))


def test_what_is_frozen_stands_still_goes_on_and_dies(cell):
    ticks = "while :; do printf x; sleep 0.01; done"
    process = cell.start(cell.create(), "/bin/sh", "-c", ticks, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(1)
    cell.cgroups.freeze(C1)
    until(lambda: "frozen" in state(cell, C1))
    os.set_blocking(process.stdout.fileno(), False)
    process.stdout.read()
    cell.loop.turn(0.1)
    assert not process.stdout.read()
    cell.cgroups.thaw(C1)
    until(process.stdout.read)
    cell.cgroups.freeze(C1)
    until(lambda: "frozen" in state(cell, C1))
    until(lambda: cell.cgroups.kill(C1))
    assert process.wait() == -signal.SIGKILL


def state(cell, container_id):
    if cell.cgroups.version == 1:
        return (
            Path(read_hierarchies().v1["freezer"], cell.cgroups.root, container_id, "freezer.state").read_text().lower()
        )
    events = Path(cell.cgroups.root, container_id, "cgroup.events").read_text()
    return "frozen" if "frozen 1" in events else "thawed"


def test_cgroups_of_its_own_hide_no_process_not_even_a_frozen_one(cell):
    launch = cell.create()
    process = cell.start(launch, "/bin/sleep", "1000")
    until(lambda: cell.cgroups.pids(C1))
    inner = Path(launch.cgroups[0], "inner", "most")
    inner.mkdir(parents=True)
    (inner / "cgroup.procs").write_text(str(process.pid))
    (inner / ("freezer.state" if cell.cgroups.version == 1 else "cgroup.freeze")).write_text(
        "FROZEN" if cell.cgroups.version == 1 else "1"
    )
    assert cell.cgroups.pids(C1) == [process.pid]
    until(lambda: cell.cgroups.kill(C1))
    assert process.wait() == -signal.SIGKILL
    until(lambda: cell.cgroups.remove(C1))
    assert not inner.exists()


def test_what_an_earlier_try_left_is_replaced(cell):
    first = cell.create()
    Path(first.cgroups[0], "inner").mkdir()
    second = cell.create()
    assert second.cgroups == first.cgroups
    assert not Path(first.cgroups[0], "inner").exists()


def test_what_an_earlier_try_left_running_is_not_mixed_with_the_next(cell):
    process = cell.start(cell.create(), "/bin/sleep", "1000")
    until(lambda: cell.cgroups.pids(C1))
    with pytest.raises(OSError, match="earlier container") as caught:
        cell.create()
    assert caught.value.errno == errno.EBUSY
    assert process.poll() is None


def test_one_is_killed_and_its_neighbour_is_not(cell):
    mine, other = cell.start(cell.create(1), "/bin/sleep", "1000"), cell.start(cell.create(2), "/bin/sleep", "1000")
    until(lambda: cell.cgroups.pids(C1) and cell.cgroups.pids(C2))
    cell.end(C1)
    mine.wait()
    assert other.poll() is None
    assert cell.cgroups.containers() == [C2]


def test_two_agents_know_nothing_of_each_other(cell, request, tmp_path):
    other = cgroups_of("v1" if cell.cgroups.version == 1 else "v2", tmp_path / "other")
    other.open()
    process = cell.start(cell.create(), "/bin/sleep", "1000")
    until(lambda: cell.cgroups.pids(C1))
    assert other.containers() == []
    assert other.kill(C1)
    assert other.remove(C1)
    other.close()
    assert process.poll() is None
    assert cell.cgroups.containers() == [C1]


def test_a_restarted_agent_finds_and_kills_its_containers(cell, tmp_path):
    process = cell.start(cell.create(), "/bin/sleep", "1000")
    until(lambda: cell.cgroups.pids(C1))
    again = cgroups_of("v1" if cell.cgroups.version == 1 else "v2", tmp_path)
    again.open()
    assert again.containers() == [C1]
    assert again.pids(C1) == [process.pid]
    until(lambda: again.kill(C1))
    until(lambda: again.remove(C1))


def test_an_agent_with_containers_keeps_its_root(cell):
    launch = cell.create()
    cell.cgroups.close()
    assert Path(launch.cgroups[0]).is_dir()


def test_looking_makes_nothing(cell, tmp_path):
    cgroups = find_cgroups(tmp_path / "nobody", f"mesos-looks-{os.getpid()}")
    for controller in ("cpu", "memory", "pids", "io", "devices"):
        cgroups.lacks(controller)
        cgroups.use(controller)
    cgroups.why_not()
    cgroups.cpu(C1), cgroups.memory(C1), cgroups.processes(C1), cgroups.io(C1)
    assert cgroups.containers() == []
    assert cgroups.pids(C1) == []
    found = read_hierarchies()
    assert not any(
        Path(mount, f"mesos-looks-{os.getpid()}").exists() for mount in (*found.v1.values(), found.v2 or "/")
    )


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../C-1", "C\0"])
def test_no_id_leads_elsewhere(cell, name):
    for use in (cell.cgroups.create, cell.cgroups.kill, cell.cgroups.remove, cell.cgroups.pids, cell.cgroups.cpu):
        with pytest.raises(InvariantError):
            use(ContainerID(name))


def test_a_process_that_leaves_the_freezer_dies_too(cell):
    if cell.cgroups.version != 1:
        pytest.skip("there is one hierarchy only")
    process = cell.start(cell.create(), "/bin/sleep", "1000")
    until(lambda: cell.cgroups.pids(C1))
    Path(read_hierarchies().v1["freezer"], "cgroup.procs").write_text(str(process.pid))
    assert cell.cgroups.pids(C1) == []
    until(lambda: cell.cgroups.kill(C1))
    assert process.wait() == -signal.SIGKILL
