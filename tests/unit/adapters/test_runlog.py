import fcntl
import os

import pytest

from mesos_py.adapters.container import exit_of
from mesos_py.adapters.processes import start_time
from mesos_py.adapters.reattaching import reattach
from mesos_py.adapters.runlog import Run, RunLog, boot_id
from mesos_py.types.containers import ContainerExit, ContainerLives, NeverBegan
from mesos_py.types.tasks import Reason

ME = os.getpid(), start_time(os.getpid())
NOBODY = 2**22 + 1, 1


def write(path, *lines, boot=None, launcher=NOBODY):
    first = f"launcher {launcher[0]} {launcher[1]} {boot or boot_id()}"
    path.write_text("\n".join([first, *lines]) + "\n")
    return RunLog(path)


def fates(directory, *wanted):
    return reattach(directory, wanted).fates


def test_what_is_noted_is_read_as_it_comes(tmp_path):
    log = write(tmp_path / "1.log", 'begins C-1 {"gpus": "/dev/a /dev/b"}', "began C-1 17 99")
    log.read_on()
    assert log.runs == {"C-1": Run(notes={"gpus": "/dev/a /dev/b"}, pid=17, started=99)}
    with (tmp_path / "1.log").open("a") as file:
        file.write("ended C-1 ")
        file.flush()
        log.read_on()
        assert log.runs["C-1"].ended is None
        file.write("-15\n")
    log.read_on()
    assert log.runs["C-1"].ended == -15
    log.forget("C-1")
    assert not log.runs


@pytest.mark.parametrize(
    "line", ["", "began", "began C-1", "began C-1 x y", "ended C-1 x", "begins C-1 {", "nonsense C-1"]
)
def test_spoiled_lines_say_nothing(tmp_path, line):
    log = write(tmp_path / "1.log", line, "ended C-2 0")
    log.read_on()
    assert log.runs["C-2"].ended == 0
    assert log.runs.get("C-1", Run()) == Run()


def test_a_container_that_never_began(tmp_path):
    write(tmp_path / "1.log", "begins C-1 {}")
    assert fates(tmp_path, "C-2") == {"C-2": NeverBegan()}


def test_a_container_that_lives(tmp_path):
    write(tmp_path / "1.log", "begins C-1 {}", f"began C-1 {ME[0]} {ME[1]}")
    assert fates(tmp_path, "C-1") == {"C-1": ContainerLives(ME[0])}


def test_a_process_of_the_same_number_is_another(tmp_path):
    write(tmp_path / "1.log", "begins C-1 {}", f"began C-1 {ME[0]} {ME[1] - 1}")
    assert fates(tmp_path, "C-1")["C-1"].reason is Reason.COMMAND_EXECUTOR_FAILED


def test_a_container_of_an_earlier_boot(tmp_path):
    write(tmp_path / "1.log", "begins C-1 {}", f"began C-1 {ME[0]} {ME[1]}", boot="another")
    fate = fates(tmp_path, "C-1")["C-1"]
    assert (fate.reason, fate.message) == (Reason.AGENT_RESTARTED, "the host was restarted while it ran")


def test_a_log_that_does_not_say_of_which_boot_it_is(tmp_path):
    log = write(tmp_path / "1.log", "begins C-1 {}", f"began C-1 {ME[0]} {ME[1]}")
    log.path.write_text(log.path.read_text().replace("launcher ", "lau"))
    assert fates(tmp_path, "C-1") == {"C-1": ContainerLives(ME[0])}


def test_after_a_reboot_nobody_can_say_that_a_container_never_began(tmp_path):
    rebooted = ContainerExit(reason=Reason.AGENT_RESTARTED, message="the host was restarted while it ran")
    assert fates(tmp_path, "C-1") == {"C-1": NeverBegan()}
    (tmp_path / "boot").write_text("another")
    write(tmp_path / "1.log", "begins C-2 {}", "ended C-2 0", boot="another")
    assert fates(tmp_path, "C-1", "C-2") == {"C-1": rebooted, "C-2": ContainerExit(exit_code=0)}
    assert (tmp_path / "boot").read_text() == boot_id()
    again = reattach(tmp_path, ["C-1", "C-3"])  # the agent was killed before it had written that down
    assert again.fates == {"C-1": rebooted, "C-3": NeverBegan()}
    assert again.ended["C-1"].runs.keys() == {"C-1"}


def test_a_reboot_before_any_container_was_asked_for(tmp_path):
    (tmp_path / "boot").write_text("another")
    assert fates(tmp_path) == {}
    assert fates(tmp_path, "C-1") == {"C-1": NeverBegan()}
    assert not list(tmp_path.glob("*.log"))


def test_what_ended_before_a_reboot_ended_so(tmp_path):
    write(tmp_path / "1.log", "begins C-1 {}", "began C-1 17 99", "ended C-1 3", boot="another")
    assert fates(tmp_path, "C-1") == {"C-1": ContainerExit(exit_code=3, message="exited with status 3")}


def test_one_that_was_being_started_when_its_launcher_was_killed(tmp_path):
    write(tmp_path / "1.log", "begins C-1 {}")
    assert fates(tmp_path, "C-1")["C-1"].message == "it was being started when its launcher ended"


def test_one_that_could_not_be_started(tmp_path):
    write(tmp_path / "1.log", "begins C-1 {}", "began C-1 17 99", "failed C-1 command not found: x y")
    assert fates(tmp_path, "C-1") == {
        "C-1": ContainerExit(reason=Reason.CONTAINER_LAUNCH_FAILED, message="command not found: x y")
    }


def test_the_newest_log_counts(tmp_path):
    write(tmp_path / "1.log", "begins C-1 {}", "failed C-1 no")
    write(tmp_path / "2.log", "begins C-1 {}", "began C-1 17 99", "ended C-1 0")
    assert fates(tmp_path, "C-1") == {"C-1": ContainerExit(exit_code=0)}


def test_those_that_nobody_asks_for_are_found_too(tmp_path):
    write(tmp_path / "1.log", 'begins C-1 {"a": "b"}', f"began C-1 {ME[0]} {ME[1]}")
    ((container_id, (_log, run)),) = reattach(tmp_path, []).living.items()
    assert (container_id, run.notes) == ("C-1", {"a": "b"})


def test_a_log_is_final_when_nobody_holds_it(tmp_path):
    log = write(tmp_path / "1.log")
    with log.path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not log.is_final()
    assert log.is_final()


def test_no_directory_is_no_container(tmp_path):
    assert fates(tmp_path / "none", "C-1") == {"C-1": NeverBegan()}


@pytest.mark.parametrize(
    ("run", "was_killed", "expected"),
    [
        (Run(pid=1, ended=0), False, ContainerExit(exit_code=0)),
        (Run(pid=1, ended=137, gone=0), False, ContainerExit(exit_code=137, message="exited with status 137")),
        (Run(pid=1, ended=-9, gone=0), False, ContainerExit(signal=9, message="killed by SIGKILL")),
        (Run(pid=1, ended=-40), False, ContainerExit(signal=40, message="killed by signal 40")),
        (Run(pid=1, gone=-9), True, ContainerExit(signal=9, message="killed by SIGKILL")),
        (
            Run(pid=1, gone=-9),
            False,
            ContainerExit(reason=Reason.COMMAND_EXECUTOR_FAILED, message="its init was killed by SIGKILL"),
        ),
        (None, True, ContainerExit(reason=Reason.COMMAND_EXECUTOR_FAILED, message="nobody noted how it ended")),
        (Run(pid=1), True, ContainerExit(reason=Reason.COMMAND_EXECUTOR_FAILED, message="nobody noted how it ended")),
    ],
)
def test_how_it_ended(run, was_killed, expected):
    assert exit_of(run, was_killed=was_killed) == expected
