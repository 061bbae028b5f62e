"""What a fresh process does until it is the container's command, or the init above it."""

import contextlib
import errno
import os
import resource
import select
import signal
from typing import Any, Final

from . import system

__all__ = [
    "IGNORED",
    "RETRY_MS",
    "LaunchDict",
    "Setup",
    "SetupError",
    "append",
    "cgroup_to_be_born_in",
    "is_plain",
    "line",
    "spawn",
]

LaunchDict = dict[str, Any]
"""As ``isolators/launch.py`` describes it."""

IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""By Python, and a command must not inherit that."""
RETRY_MS: Final = 200
"""How long to wait for room on a full disk."""

_PLAIN: Final = {"container_id", "sandbox", "argv", "environment", "no_new_privs", "oom_score_adj", "notes"}
_AFTER_A_FORK: Final = {"rlimits", "credentials", "drop_capabilities"}
"""What a process must do to itself, and would spoil an init."""
_OUTPUT: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK


class SetupError(Exception):
    """A container cannot be started; the text is for the framework's author."""


class Setup:
    """Of one container; ``run`` never returns."""

    def __init__(self, launch: LaunchDict, log: int, gate: int, null: int, report: int) -> None:
        self._launch = launch
        self._log = log
        self._gate = gate
        self._null = null
        self._report = report
        self._has_init = "pid" in launch.get("namespaces", ())

    def run(self) -> None:
        """Report whatever goes wrong, and end."""
        try:
            self._prepare()
            if self._has_init:
                self._be_init()
            self._execute()
        except SetupError as error:
            self._fail(str(error))
        except OSError as error:
            where = f" ({os.fsdecode(error.filename)})" if error.filename else ""
            self._fail(f"the container could not be set up: {error.strerror}{where}")
        except BaseException as error:  # nothing may get out of a forked process
            self._fail(f"the container could not be set up: {error!r}")
        os._exit(1)

    def _fail(self, why: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._report, why[:4000].encode(errors="replace"))

    def _prepare(self) -> None:
        launch = self._launch
        _close_all_but(self._log, self._gate, self._null, self._report)
        system.die_with_parent(signal.SIGKILL)
        os.setsid()
        for directory in launch.get("cgroups", ()):
            system.write_file(directory + "/cgroup.procs", "0")
        pid, started = _own_name()
        if "mount" in launch.get("namespaces", ()):
            self._mount()
        if "network" in launch.get("namespaces", ()):
            system.loopback_up()
        os.chdir(launch["sandbox"])
        if self._has_init:
            with contextlib.suppress(OSError):  # only root may; then it shares the fate of what it runs
                system.write_file("/proc/self/oom_score_adj", "-1000")
        append(self._log, line("began", launch["container_id"], str(pid), str(started)))
        os.close(self._gate)
        system.die_with_parent(0)
        if not _has_reader(self._report):
            os._exit(1)  # the launcher died before we could die with it

    def _mount(self) -> None:
        system.mounts_stay_here()
        for mount in self._launch.get("mounts", ()):
            target, source = mount["target"], mount.get("source", "")
            if not source:
                system.mount(mount["type"], target, mount.get("options", ""))
                continue
            system.mount_over(source, target)
            if "identity" in mount and mount["identity"] != [(found := os.stat(target)).st_dev, found.st_ino]:
                raise SetupError(f"{source} was changed while it was being mounted")
            if mount.get("readonly"):
                system.make_readonly(target)

    def _be_init(self) -> None:
        """Process 1 of the container: its command is a child. Where that needs a fork, it returns in the child.

        Raises SetupError or OSError.
        """
        launch = self._launch
        if launch.keys() & _AFTER_A_FORK:
            command = os.fork()
            if command == 0:
                os.setsid()
                return
        else:
            if launch.get("no_new_privs"):
                system.no_new_privs()
            command = spawn(launch, self._null)
        os.close(self._report)
        for number in (0, 1, 2):
            os.dup2(self._null, number)
        os.chdir("/")
        while True:
            pid, status = os.wait()
            if pid == command:
                ended = line("ended", launch["container_id"], str(os.waitstatus_to_exitcode(status)))
                while True:
                    try:
                        append(self._log, ended)
                    except OSError:  # on a full disk, as soon as there is room
                        select.poll().poll(RETRY_MS)
                    else:
                        os._exit(0)

    def _execute(self) -> None:
        launch = self._launch
        owner = launch["credentials"]["uid"] if launch.get("credentials") else None
        stdout, stderr = (_open_output(name, owner) for name in ("stdout", "stderr"))
        for name, (soft, hard) in launch.get("rlimits", {}).items():
            _limit(name, soft, hard)
        with contextlib.suppress(PermissionError):
            system.write_file("/proc/self/oom_score_adj", str(launch.get("oom_score_adj", 0)))
        _give_up_privileges(launch)
        for ignored in IGNORED:
            signal.signal(ignored, signal.SIG_DFL)
        for number, fd in enumerate((self._null, stdout, stderr)):
            os.dup2(fd, number)
        _exec(launch["argv"], launch.get("environment", {}))


def line(*words: str) -> bytes:
    """For the log. It begins with a line's end, too: what a full disk has torn of an earlier one ends there."""
    return b"\n" + " ".join(words).replace("\n", " ").encode(errors="replace") + b"\n"


def append(log: int, text: bytes) -> None:
    """Write it all, at once. Raises OSError; then part of it may be there."""
    if os.write(log, text) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# Without a fork


def is_plain(launch: LaunchDict) -> bool:
    """Whether there is nothing to set up but the working directory and the output."""
    if launch.keys() - _PLAIN:
        return False
    if launch.get("no_new_privs"):
        if os.geteuid() == 0:
            return False
        system.no_new_privs()  # for ourselves: one that is not root has none to lose
    return True


def spawn(launch: LaunchDict, null: int) -> int:
    """Start the command without a fork; gives its pid. Raises SetupError or OSError."""
    argv, environment = launch["argv"], launch.get("environment", {})
    os.chdir(launch["sandbox"])
    outputs: list[int] = []
    try:
        outputs += [_open_output("stdout")]
        outputs += [_open_output("stderr")]
        pid = os.posix_spawn(
            _found(argv[0], environment),
            argv,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((null, *outputs))],
            setsid=True,
            setsigmask=(),
            setsigdef=IGNORED,
        )
    except OSError as error:
        raise SetupError(_why_not_executed(argv[0], error)) from None
    finally:
        for fd in outputs:
            os.close(fd)
        os.chdir("/")
    with contextlib.suppress(OSError):
        system.write_file(f"/proc/{pid}/oom_score_adj", str(launch.get("oom_score_adj", 0)))
    return pid


def _found(name: str, environment: dict[str, str]) -> str:
    """The file that a name means."""
    if "/" in name:
        return name
    paths = [os.path.join(directory, name) for directory in os.get_exec_path(environment)]
    there = [path for path in paths if os.path.isfile(path)]
    return next((path for path in there if os.access(path, os.X_OK)), there[0] if there else name)


def _own_name() -> tuple[int, int]:
    """Our pid as the host sees it, and our start time: while /proc is still the host's."""
    pid = int(os.readlink("/proc/self"))
    return pid, system.start_time(pid)


def _close_all_but(*kept: int) -> None:
    last = 2
    for fd in sorted(kept):
        os.closerange(last + 1, fd)
        last = fd
    os.closerange(last + 1, 1 << 20)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(kept[2], 0)  # the agent must not wait for us when the launcher ends


def _has_reader(pipe: int) -> bool:
    poll = select.poll()
    poll.register(pipe, 0)
    return not poll.poll(0)


def _limit(name: str, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (soft, hard))
    except (ValueError, OSError) as error:
        raise SetupError(f"the limit {name}={soft}:{hard} could not be set: {error}") from None


def _give_up_privileges(launch: LaunchDict) -> None:
    if launch.get("drop_capabilities"):
        system.drop_bounding_set()
    credentials = launch.get("credentials")
    if credentials:
        os.setgroups(credentials["groups"])
        os.setresgid(*[credentials["gid"]] * 3)
        os.setresuid(*[credentials["uid"]] * 3)
    if launch.get("drop_capabilities"):
        system.drop_capabilities()
    if launch.get("no_new_privs"):
        system.no_new_privs()


def _exec(argv: list[str], environment: dict[str, str]) -> None:
    """Become the command. Raises SetupError."""
    try:
        os.execve(_found(argv[0], environment), argv, environment)  # noqa: S606 - without a shell, as it should be
    except OSError as error:
        raise SetupError(_why_not_executed(argv[0], error)) from None


def _why_not_executed(name: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if "/" in name and os.path.exists(name):
            return f"the interpreter of {name} was not found"
        case errno.ENOENT | errno.ENOTDIR:
            return f"command not found: {name}"
        case errno.EACCES if os.path.isdir(name):
            return f"{name} is a directory, not a command"
        case errno.EACCES:
            return f"{name} is not executable"
        case _:
            return f"{name} could not be executed: {error.strerror}"


# Files


def _open_output(name: str, owner: int | None = None) -> int:
    """Raises SetupError, also for a file that is not the owner's: who asks is root, the command must not profit."""
    try:
        fd = os.open(name, _OUTPUT, 0o644)
    except OSError as error:
        raise SetupError(f"its {name} could not be opened in the sandbox: {error.strerror}") from None
    if owner not in (None, os.fstat(fd).st_uid):
        raise SetupError(f"its {name} is a file of another user")
    os.set_blocking(fd, True)
    return fd


def cgroup_to_be_born_in(cgroups: list[str]) -> str:
    """The cgroup to be born into: there is one, of version 2."""
    return cgroups[0] if len(cgroups) == 1 and os.path.exists(cgroups[0] + "/cgroup.controllers") else ""
