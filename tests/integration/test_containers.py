"""The containerizer with real processes: as an ordinary user has it, and with all isolators of root."""

import os
import pwd
import signal
import stat
import sys
from pathlib import Path

import psutil
import pytest

from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.runtime.loop import Loop
from mesos_py.types.tasks import Reason
from tests.support.containers import alive, as_root, environment_of, inside, launchers, make_containers, sandbox
from tests.unit.adapters.containers_support import PATH, Containers

pytestmark = pytest.mark.integration

AWKWARD = {
    "PATH": PATH,
    "PWD": "/elsewhere",
    "OLDPWD": "/before",
    "IFS": "x",
    "OPTIND": "text",
    "LINENO": "one",
    "PPID": "0",
    "PS1": "> ",
    "_": "underscore",
    "_s_ran": "mine",
    "dotted.name": "1",
    "dashed-name": 'it\'s "quoted" $HOME `x` \\',
    "BASH_FUNC_f%%": "() { :; }",
    "LD_LIBRARY_PATH": "/nonexistent",
    "LINES": "a\nb\n",
    "EMPTY": "",
    "UMLAUT": "Grüße",
    "-x": "dash",
}


# How it ends


@pytest.mark.parametrize("code", [0, 1, 2, 125, 200, 255])
def test_exit_codes(containers, code):
    exit_ = containers.run(f"exit {code}")
    assert exit_.exit_code == code
    assert exit_.message == (f"exited with status {code}" if code else "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGHUP])
def test_ends_by_signals(containers, number):
    exit_ = containers.run(f"kill -{int(number)} $$")
    assert (exit_.exit_code, exit_.signal) == (None, number)
    assert exit_.message == f"killed by {number.name}"


def test_what_a_task_does_to_its_own_process_group_stays_with_it(containers):
    exit_ = containers.run("trap 'exit 7' TERM; kill -TERM 0; exit 1")
    assert exit_.exit_code == 7


def test_an_exit_status_that_looks_like_a_signal_is_none(containers):
    exit_ = containers.run("exit 137")
    assert (exit_.exit_code, exit_.signal) == (137, None)


def test_a_killed_init_is_told_and_its_command_goes_too(containers):
    spec = containers.start("/bin/sleep", "100")
    first = psutil.Process(containers.started[spec.container_id])
    (sleeper,) = inside(containers, spec)
    first.kill()
    exit_ = containers.end_of(spec)
    if first == sleeper:
        assert exit_.signal == signal.SIGKILL
    else:
        assert exit_.reason is Reason.COMMAND_EXECUTOR_FAILED
        assert exit_.message == "its init was killed by SIGKILL"
    assert not alive(sleeper.pid)


def test_a_shell_line_naming_an_unknown_command(containers):
    spec = containers.sh("no-such-command-at-all")
    exit_ = containers.end_of(spec)
    assert (exit_.exit_code, exit_.message) == (127, "exited with status 127: command not found")
    assert "no-such-command-at-all: not found" in (sandbox(spec) / "stderr").read_text()


# What it is given


def test_output_goes_to_the_sandbox_and_nothing_comes_in(containers):
    spec = containers.sh("echo out; echo err >&2; wc -c; pwd")
    assert containers.end_of(spec).exit_code == 0
    assert (sandbox(spec) / "stdout").read_text() == f"out\n0\n{spec.sandbox}\n"
    assert (sandbox(spec) / "stderr").read_text() == "err\n"


def test_the_sandbox_is_private_and_latest_points_to_it(containers):
    spec = containers.sh("exit 0")
    containers.end_of(spec)
    assert stat.S_IMODE(sandbox(spec).stat().st_mode) == 0o750
    assert (sandbox(spec).parent / "latest").resolve() == sandbox(spec)


def test_latest_follows_the_newest_run(containers):
    first = containers.sh("exit 0")
    second = containers.spec("/bin/true")
    again = type(second)(
        container_id=second.container_id,
        framework_id=second.framework_id,
        sandbox=str(sandbox(first).parent / "another"),
        argv=second.argv,
    )
    containers.it.start(again)
    containers.end_of(again)
    assert (sandbox(first).parent / "latest").readlink() == Path("another")
    assert sorted(os.listdir(sandbox(first).parent)) == ["C-1", "another", "latest"]


@pytest.mark.parametrize("env", [{}, {"A": "1", "PATH": PATH}, AWKWARD], ids=["empty", "plain", "awkward"])
def test_the_environment_is_exactly_as_given(containers, env, monkeypatch):
    monkeypatch.setenv("MESOS_SECRET", "of the agent")
    spec = containers.start("/bin/cat", "/proc/self/environ", env=env)
    assert containers.end_of(spec).exit_code == 0
    assert environment_of((sandbox(spec) / "stdout").read_bytes()) == env


@pytest.mark.parametrize("env", [{"PATH": PATH}, AWKWARD], ids=["plain", "awkward"])
def test_words_are_exactly_as_given(containers, env):
    words = ["", "two words", "new\nline", "*", "$HOME", "'\"\\", "-n", "--", "Grüße"]
    code = "import sys; print(sys.argv[1:])"
    spec = containers.start(sys.executable, "-c", code, *words, env=env)
    assert containers.end_of(spec).exit_code == 0
    assert (sandbox(spec) / "stdout").read_text() == f"{words}\n"


@pytest.mark.parametrize("name", ["echo", "exit", "true", "test", "cd"])
def test_a_name_the_shell_knows_means_the_program(containers, name):
    spec = containers.start(name, "3")
    if name in ("exit", "cd"):
        assert containers.failure_of(spec)[1] == f"command not found: {name}"
    else:
        assert containers.end_of(spec).exit_code == 0
        assert (sandbox(spec) / "stdout").read_text() == ("3\n" if name == "echo" else "")


def test_descriptors_signals_and_session(tmp_path):
    leak = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(leak, True)
    code = """
import os, signal
print(sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")))
print([s.name for s in signal.Signals if signal.getsignal(s) is signal.SIG_IGN])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), os.getsid(0) == os.getpid())
"""
    for containers in make_containers(tmp_path):
        spec = containers.start(sys.executable, "-c", code)
        containers.end_of(spec)
        # Python itself ignores these two.
        assert (sandbox(spec) / "stdout").read_text() == "[0, 1, 2]\n['SIGPIPE', 'SIGXFSZ']\nset() True\n"
    os.close(leak)


def test_secrets_in_the_environment_are_not_in_any_command_line(containers):
    spec = containers.sh("sleep 100", env={"TOKEN": "s3cr3t", "PATH": PATH})
    for process in (psutil.Process(containers.started[spec.container_id]), *inside(containers, spec)):
        assert "s3cr3t" not in " ".join(process.cmdline())


# What cannot be started


@pytest.mark.parametrize(
    ("argv", "env", "message"),
    [
        ([], None, "there is no command to run"),
        (["/bin/echo", "a\0b"], None, "the command contains a NUL byte"),
        (["/bin/true"], {"A": "\0"}, "variable A contains a NUL byte"),
        (["/bin/true"], {"A=B": "1"}, "'A=B' cannot be the name of an environment variable"),
        (["/bin/true"], {"": "1"}, "'' cannot be the name of an environment variable"),
        (["/bin/true", "\ud800"], None, "the command is not valid text"),
        (["/bin/true", "x" * 200_000], None, "the command is too long: 200000 bytes, the system takes 131071"),
        (["nothing-of-that-name"], None, "command not found: nothing-of-that-name"),
        (["./nothing"], None, "command not found: ./nothing"),
        (["/etc"], None, "/etc is a directory, not a command"),
        (["/etc/passwd"], None, "/etc/passwd is not executable"),
    ],
)
def test_impossible_commands_get_a_clear_answer(containers, argv, env, message):
    spec = containers.start(*argv, env=env)
    assert containers.failure_of(spec) == (Reason.CONTAINER_LAUNCH_FAILED, message)


def test_too_much_environment(containers):
    spec = containers.start("/bin/true", env={f"V{n}": "x" * 100_000 for n in range(30)})
    reason, message = containers.failure_of(spec)
    assert reason is Reason.CONTAINER_LAUNCH_FAILED
    assert message.startswith("command and environment are too long")


def test_a_sandbox_that_cannot_be_made(containers):
    (containers.root / "task-1").write_text("in the way")
    spec = containers.start("/bin/true")
    assert "Not a directory" in containers.failure_of(spec)[1] or "File exists" in containers.failure_of(spec)[1]


def test_output_that_cannot_be_opened(containers):
    spec = containers.spec("/bin/true")
    (sandbox(spec) / "stdout").mkdir(parents=True)
    containers.it.start(spec)
    reason, message = containers.failure_of(spec)
    assert reason is Reason.CONTAINER_LAUNCH_FAILED
    assert message == "its stdout could not be opened in the sandbox: Is a directory"


@pytest.mark.parametrize("trap", ["link", "fifo"])
def test_output_that_leads_elsewhere_is_refused(containers, trap):
    spec = containers.spec("/bin/true")
    sandbox(spec).mkdir(parents=True)
    if trap == "link":
        (sandbox(spec) / "stdout").symlink_to(containers.root / "elsewhere")
    else:
        os.mkfifo(sandbox(spec) / "stdout")
    containers.it.start(spec)
    assert "its stdout could not be opened in the sandbox" in containers.failure_of(spec)[1]
    assert not (containers.root / "elsewhere").exists()


def test_a_script_without_an_interpreter(containers):
    script = containers.root / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    spec = containers.start(str(script))
    assert containers.failure_of(spec)[1] == f"the interpreter of {script} was not found"


# Users and limits


@as_root
def test_another_user_gets_a_sandbox_and_no_privileges(containers):
    line = "id -un; id -G; ls -ld . stdout | cut -d' ' -f3; echo again >>/dev/stderr; grep CapEff /proc/self/status"
    spec = containers.sh(line, user="nobody", env={"PATH": PATH, "LD_BIND_NOW": "1"})
    assert containers.end_of(spec).exit_code == 0
    user = pwd.getpwnam("nobody")
    groups = " ".join(map(str, os.getgrouplist("nobody", user.pw_gid)))
    out = (sandbox(spec) / "stdout").read_text()
    assert out == f"nobody\n{groups}\nnobody\nnobody\nCapEff:\t0000000000000000\n"
    assert (sandbox(spec) / "stderr").read_text() == "again\n"


@as_root
def test_the_environment_of_another_user_is_exact(containers):
    spec = containers.start("/bin/cat", "/proc/self/environ", env=AWKWARD, user="nobody")
    assert containers.end_of(spec).exit_code == 0
    assert environment_of((sandbox(spec) / "stdout").read_bytes()) == AWKWARD


def test_a_user_that_does_not_exist(containers):
    spec = containers.start("/bin/true", user="nobody-of-that-name")
    assert containers.failure_of(spec)[1] == "user 'nobody-of-that-name' does not exist on this host"


def test_the_own_user_needs_no_change(containers):
    spec = containers.sh("id -u", user=pwd.getpwuid(os.geteuid()).pw_name)
    assert containers.end_of(spec).exit_code == 0
    assert (sandbox(spec) / "stdout").read_text() == f"{os.geteuid()}\n"


# Launchers


def test_a_launcher_that_dies_is_replaced_and_its_containers_run_on(containers):
    before = containers.start("/bin/sleep", "100")
    (launcher,) = launchers(containers.root)
    os.kill(launcher, signal.SIGKILL)
    after = containers.sh("exit 4")
    assert containers.end_of(after).exit_code == 4
    assert alive(containers.started[before.container_id])
    containers.it.signal(before.container_id, signal.SIGTERM)
    assert containers.end_of(before)


def test_launches_under_way_when_a_launcher_dies_get_their_answer(containers):
    first = containers.run("exit 0")
    assert first.exit_code == 0
    (launcher,) = launchers(containers.root)
    os.kill(launcher, signal.SIGSTOP)
    specs = [containers.spec("/bin/sleep", "100") for _ in range(5)]
    for spec in specs:
        containers.it.start(spec)
    containers.loop.turn(0)
    os.kill(launcher, signal.SIGKILL)
    containers.until(lambda: all(s.container_id in containers.failed | containers.started for s in specs))
    assert {why for _reason, why in containers.failed.values()} <= {"its launcher ended before it could be started"}


def test_a_launcher_serves_so_many_and_no_more(tmp_path):
    loop = Loop()
    containerizer = ProcessContainerizer(loop, tmp_path / "run", containers_per_launcher=2)
    containers = Containers(loop, containerizer, tmp_path)
    kept = containers.start("/bin/sleep", "100")
    for code in range(5):
        assert containers.run(f"exit {code}").exit_code == code
    containers.until(lambda: len(launchers(tmp_path)) <= 2)  # that of the first container, and the present one
    containers.it.destroy(kept.container_id)
    assert containers.end_of(kept).signal == signal.SIGKILL
    containers.it.close()
    loop.close()


def test_closing_leaves_containers_running(containers):
    spec = containers.start("/bin/sleep", "100")
    pid = containers.started.pop(spec.container_id)
    (launcher,) = launchers(containers.root)
    containers.it.close()
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(launcher, 0)  # it ends with its last container
    containers.it.open(containers)
    assert containers.it.recover([]) == {}
