"""The plain containerizer with real processes."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.adapters.launch import limit_resources, switch_user
from mesos_py.adapters.runlog import read_run_log
from mesos_py.runtime.loop import Loop
from mesos_py.types.tasks import Reason
from tests.unit.adapters.containers_support import PATH, Containers

pytestmark = pytest.mark.integration

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")
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


@pytest.fixture(name="containers")
def _containers(tmp_path):
    yield from _make(tmp_path)


def _make(root, **options):
    before = _resources()
    loop = Loop()
    containers = Containers(loop, ProcessContainerizer(loop, root / "run", **options), root)
    yield containers
    for container_id in containers.started:
        containers.it.destroy(container_id)
    containers.until(lambda: containers.started.keys() == containers.ended.keys())
    containers.it.close()
    loop.close()
    for what, were, are in zip(("descriptors", "children", "threads"), before, _resources(), strict=True):
        assert are <= were, f"{what} are left"


def _resources():
    me = psutil.Process()
    return me.num_fds(), len(me.children()), threading.active_count()


def sandbox(spec) -> Path:
    return Path(spec.sandbox)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def environment_of(text: bytes) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in os.fsdecode(text).split("\0") if pair)


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


def test_a_supervisor_survives_what_a_task_does_to_its_own_process_group(containers):
    exit_ = containers.run("trap 'exit 7' TERM; kill -TERM 0; exit 1")
    assert exit_.exit_code == 7


def test_a_killed_supervisor_is_told_and_its_command_goes_too(containers):
    spec = containers.start("/bin/sleep", "100")
    supervisor = psutil.Process(containers.started[spec.container_id])
    containers.until(supervisor.children)
    (sleeper,) = supervisor.children()
    supervisor.kill()
    exit_ = containers.end_of(spec)
    assert exit_.reason is Reason.COMMAND_EXECUTOR_FAILED
    assert exit_.message == "its supervisor was killed by SIGKILL"
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
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), os.getsid(0) == os.getppid())
"""
    for containers in _make(tmp_path):
        spec = containers.start(sys.executable, "-c", code)
        containers.end_of(spec)
        # Python itself ignores these two.
        assert (sandbox(spec) / "stdout").read_text() == "[0, 1, 2]\n['SIGPIPE', 'SIGXFSZ']\nset() True\n"
    os.close(leak)


def test_secrets_in_the_environment_are_not_in_any_command_line(containers):
    for env in ({"TOKEN": "s3cr3t", "PATH": PATH}, {"TOKEN": "s3cr3t", "LD_X": "", "PATH": PATH}):
        spec = containers.sh("echo ready >ready; sleep 100", env=env)
        containers.until((sandbox(spec) / "ready").exists)
        supervisor = psutil.Process(containers.started[spec.container_id])
        for process in (supervisor, *supervisor.children(recursive=True)):
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
    exit_ = containers.end_of(spec)
    assert exit_.reason is Reason.CONTAINER_LAUNCH_FAILED
    assert exit_.message == "its stdout and stderr could not be opened in the sandbox"


# Killing


def test_a_signal_reaches_all_processes_but_the_supervisor(containers):
    line = (
        "(trap 'echo one >>got; exit' TERM; echo x >>up; while :; do sleep 0.05; done) & "
        "setsid sh -c 'trap \"echo two >>got; exit\" TERM; echo x >>up; while :; do sleep 0.05; done' & "
        "trap 'wait; exit 9' TERM; echo x >>up; wait"
    )
    spec = containers.sh(line)
    up = sandbox(spec) / "up"
    containers.until(lambda: up.exists() and up.read_text() == "x\n" * 3)
    containers.it.signal(spec.container_id, signal.SIGTERM)
    assert containers.end_of(spec).exit_code == 9
    assert sorted((sandbox(spec) / "got").read_text().split()) == ["one", "two"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", ["sleep", "/bin/sleep"])
def test_a_signal_right_after_the_start_is_not_lost(containers, number, program):
    specs = [containers.spec(program, "100") for _ in range(20)]
    for spec in specs:
        containers.it.start(spec)
    signalled = set()

    def all_ended():
        for container_id in containers.started.keys() - signalled:
            signalled.add(container_id)
            containers.it.signal(container_id, number)
        return len(containers.ended) == 20

    containers.until(all_ended)
    assert {exit_.signal for exit_ in containers.ended.values()} == {number}


def test_leftovers_of_the_session_die_with_the_command(containers):
    spec = containers.sh("sleep 100 & echo $! >pid; nohup sleep 100 & exit 0")
    assert containers.end_of(spec).exit_code == 0
    assert not alive(int((sandbox(spec) / "pid").read_text()))


def test_destroy_reaches_escaped_sessions_of_living_parents(containers):
    line = "trap '' TERM HUP; setsid sh -c 'echo $$ >escaped; sleep 100 & echo $! >>escaped; wait' & wait; sleep 100"
    spec = containers.sh(line)
    escaped = sandbox(spec) / "escaped"
    containers.until(lambda: escaped.exists() and len(escaped.read_text().split()) == 2)
    containers.it.destroy(spec.container_id)
    assert containers.end_of(spec).signal == signal.SIGKILL
    assert not any(alive(int(pid)) for pid in escaped.read_text().split())


def test_a_fork_storm_is_ended(containers):
    spec = containers.sh("echo x >up; while :; do sleep 0.01 & done")
    containers.until((sandbox(spec) / "up").exists)
    containers.it.destroy(spec.container_id)
    containers.end_of(spec)
    supervisor = containers.started[spec.container_id]
    assert not [p for p in psutil.process_iter() if _session(p.pid) == supervisor and alive(p.pid)]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def test_a_stopped_supervisor_cannot_keep_its_container(containers):
    spec = containers.start("/bin/sleep", "100")
    supervisor = psutil.Process(containers.started[spec.container_id])
    containers.until(supervisor.children)
    supervisor.suspend()
    containers.it.destroy(spec.container_id)
    assert containers.end_of(spec).message == "its supervisor was killed by SIGKILL"


def test_one_listing_serves_many_kills(containers, monkeypatch):
    from mesos_py.adapters import containerizer as module

    signalled = []
    family = module.ProcessTable.family
    monkeypatch.setattr(
        module.ProcessTable, "family", lambda table, pid: signalled.append((id(table), pid)) or family(table, pid)
    )
    specs = [containers.spec("/bin/sleep", "100") for _ in range(100)]
    for spec in specs:
        containers.it.start(spec)
    containers.until(lambda: len(containers.started) == 100)
    for spec in specs:
        containers.it.signal(spec.container_id, signal.SIGTERM)
    containers.until(lambda: signalled)
    assert len({table for table, _pid in signalled}) == 1
    assert {pid for _table, pid in signalled} == set(containers.started.values())
    containers.until(lambda: len(containers.ended) == 100)


def test_a_burst_leaves_the_loop_time_for_others(containers):
    for _ in range(50):
        containers.it.start(containers.spec("/bin/true"))
    containers.loop.turn(0)
    assert len(containers.started) <= 8
    containers.until(lambda: len(containers.ended) == 50)


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


def test_limits(tmp_path):
    hooks = (switch_user, limit_resources({"nofile": 77, "core": 0, "as": 1 << 30}))
    for containers in _make(tmp_path, hooks=hooks):
        spec = containers.sh("ulimit -n; ulimit -c; ulimit -v")
        containers.end_of(spec)
        assert (sandbox(spec) / "stdout").read_text() == f"77\n0\n{1 << 20}\n"


def test_a_limit_that_cannot_be_set(tmp_path):
    for containers in _make(tmp_path, hooks=(limit_resources({"nofile": 1 << 60}),)):
        exit_ = containers.end_of(containers.start("/bin/true"))
        assert exit_.message == "its resource limits could not be set"


# Outliving the agent


def test_a_container_outlives_its_agent_and_its_end_is_on_record(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.runtime.loop import Loop
from tests.unit.adapters.containers_support import Containers
loop = Loop()
containers = Containers(loop, ProcessContainerizer(loop, Path({str(tmp_path / "run")!r})), Path({str(tmp_path)!r}))
spec = containers.sh("echo up >up; while [ ! -e go ]; do sleep 0.02; done; exit 4")
containers.until((Path(spec.sandbox) / "up").exists)
import os, signal
os.killpg(0, signal.SIGKILL)
"""
    agent = subprocess.run([sys.executable, "-c", code], start_new_session=True, check=False)
    assert agent.returncode == -signal.SIGKILL
    began, ended = read_run_log(tmp_path / "run" / "containers")
    ((container_id, (pid, _ticks)),) = began.items()
    assert not ended
    supervisor = psutil.Process(pid)
    assert container_id in supervisor.cmdline()
    (tmp_path / "task-1" / "C-1" / "go").touch()
    supervisor.wait(5)
    assert read_run_log(tmp_path / "run" / "containers")[1] == {"C-1": "4"}


def test_closing_leaves_containers_running(tmp_path):
    loop = Loop()
    containers = Containers(loop, ProcessContainerizer(loop, tmp_path / "run"), tmp_path)
    spec = containers.start("/bin/sleep", "100")
    pid = containers.started[spec.container_id]
    containers.it.close()
    loop.close()
    assert alive(pid)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
