"""Starts containers for an agent, and outlives it: ``python -I -S launcher.py LOG``, with the agent's socket as stdin.

A program of its own, of the standard library only: the agent is large and must not fork, this is small and does
little else. One line of JSON asks for a container (``isolators/launch.py`` has the form), one line answers::

    {"container_id": "C-1", "argv": ["/bin/true"], ...}  ──▶
                                                         ◀──  {"container_id": "C-1", "pid": 4711, "start_time": 99}
                                                         or   {"container_id": "C-1", "error": "command not found"}

A container with a pid namespace gets an init, a fork of this program, as process 1; the command of any other is our
own child. What happened is noted in LOG, each line by one append, so that it is known to an agent that was away::

    launcher PID START_TIME BOOT_ID       begins ID NOTES      began ID PID START_TIME
    failed ID WHY                         ended ID CODE        gone ID CODE

``ended`` is the command's exit code (negative: the signal that ended it), ``gone`` that of its first process. Whoever
may still write ``begins`` or ``began`` holds a lock on LOG: once an agent has it, it is final which containers began.
When the agent is gone, nothing more is started, and the program ends with its last container.
"""

import contextlib
import ctypes
import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from typing import Any

_CLONE = {"pid": 0x20000000, "mount": 0x00020000, "ipc": 0x08000000, "uts": 0x04000000, "network": 0x40000000}
_CLONE_INTO_CGROUP = 0x200000000
_SYS_CLONE3 = 435
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}.get(os.uname().machine)
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
_MS_BIND, _MS_REC, _MS_SLAVE = 4096, 16384, 1 << 19
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK

_Launch = dict[str, Any]
"""As ``isolators/launch.py`` describes it."""

_libc = ctypes.PyDLL(None, use_errno=True)


class SetupError(Exception):
    """A container cannot be started; the text is for the framework's author."""


class Launcher:
    """Starts what the agent asks for, and notes how it ends."""

    def __init__(self, log: str) -> None:
        self._agent = socket.socket(fileno=0)
        self._unread = b""
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._gate = os.open(log, os.O_RDONLY)
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        self._null = os.open(os.devnull, os.O_RDWR)
        self._poll = select.poll()
        self._starting: dict[int, tuple[str, int]] = {}
        """By the pipe on which its setup reports: container and pid."""
        self._children: dict[int, tuple[str, bool]] = {}
        """By pid: container, and whether an init notes how its command ends."""
        self._poll.register(self._agent, select.POLLIN)
        self._hears = True
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._poll.register(self._wake, select.POLLIN)
        with open("/proc/sys/kernel/random/boot_id") as file:
            self._note("launcher", str(os.getpid()), str(start_time(os.getpid())), file.read().strip())

    def run(self) -> None:
        """Until the agent is gone and the last container has ended."""
        while self._hears or self._starting or self._children:
            for fd, _ready in self._poll.poll():
                if fd == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                    self._reap()
                elif fd in self._starting:
                    self._set_up(fd)
                elif self._hears and fd == self._agent.fileno():
                    self._hear()

    def _note(self, *words: str) -> None:
        os.write(self._log, " ".join(words).replace("\n", " ").encode(errors="replace") + b"\n")

    # The agent

    def _hear(self) -> None:
        try:
            text = self._agent.recv(1 << 18)
        except OSError:
            text = b""
        if not text:
            self._agent_is_gone()
            return
        *lines, self._unread = (self._unread + text).split(b"\n")
        for line in lines:
            if self._hears:  # not if an answer has just shown that nobody listens
                self._start(json.loads(line))

    def _agent_is_gone(self) -> None:
        if self._hears:
            self._hears = False
            self._poll.unregister(self._agent)
            self._agent.close()
            os.close(self._gate)  # those that are being set up hold it, too

    def _answer(self, **words: object) -> None:
        if self._hears:
            try:
                self._agent.sendall(json.dumps(words).encode() + b"\n")
            except OSError:
                self._agent_is_gone()

    # Starting

    def _start(self, launch: _Launch) -> None:
        container_id = launch["container_id"]
        self._note("begins", container_id, json.dumps(launch.get("notes", {})))
        namespaces = launch.get("namespaces", ())
        report, setup = os.pipe()
        os.set_blocking(report, False)
        try:
            pid = clone(namespaces, _only_v2(launch.get("cgroups", ())))
        except OSError as error:
            os.close(report)
            os.close(setup)
            self._failed(container_id, f"no process could be made for it: {error.strerror}")
            return
        if pid == 0:
            _Setup(launch, self._log, self._gate, self._null, setup).run()
        os.close(setup)
        self._starting[report] = container_id, pid
        self._children[pid] = container_id, "pid" in namespaces
        self._poll.register(report, select.POLLIN)

    def _set_up(self, report: int) -> None:
        """The command is being executed, or its setup has said why not."""
        try:
            why = os.read(report, 4096)
        except BlockingIOError:
            return  # another one, which has the descriptor of one just closed
        container_id, pid = self._starting.pop(report)
        self._poll.unregister(report)
        os.close(report)
        if why:
            self._children.pop(pid, None)
            self._failed(container_id, why.decode(errors="replace"))
        else:
            self._answer(container_id=container_id, pid=pid, start_time=start_time(pid))

    def _failed(self, container_id: str, why: str) -> None:
        self._note("failed", container_id, why)
        self._answer(container_id=container_id, error=why)

    # Ending

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in (pid for _container, pid in self._starting.values()):
                self._report_of(pid)
            container_id, has_init = self._children.pop(pid, ("", False))
            if container_id:
                code = str(os.waitstatus_to_exitcode(status))
                self._note("gone" if has_init else "ended", container_id, code)

    def _report_of(self, pid: int) -> None:
        """It ended before its report was read: that comes first."""
        for report in [report for report, (_container, child) in self._starting.items() if child == pid]:
            self._set_up(report)


class _Setup:
    """What a fresh process does until it is the container's command, or the init above it. It never returns."""

    def __init__(self, launch: _Launch, log: int, gate: int, null: int, report: int) -> None:
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
        _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
        os.setsid()
        for directory in launch.get("cgroups", ()):
            _write(directory + "/cgroup.procs", "0")
        pid, started = _own_name()
        if "mount" in launch.get("namespaces", ()):
            self._mount()
        if "network" in launch.get("namespaces", ()):
            _loopback_up()
        os.chdir(launch["sandbox"])
        if self._has_init:
            with contextlib.suppress(OSError):  # only root may; then it shares the fate of what it runs
                _write("/proc/self/oom_score_adj", "-1000")
        os.write(self._log, f"began {launch['container_id']} {pid} {started}\n".encode())
        os.close(self._gate)
        _check(_libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0), "prctl")
        if not _has_reader(self._report):
            os._exit(1)  # the launcher died before we could die with it

    def _mount(self) -> None:
        _mount("", "/", "", _MS_REC | _MS_SLAVE)
        for mount in self._launch.get("mounts", ()):
            target, source = mount["target"], mount.get("source", "")
            if not source:
                flags = _MS_NOSUID | _MS_NODEV | (_MS_NOEXEC if mount["type"] == "proc" else 0)
                _mount(mount["type"], target, mount["type"], flags, mount.get("options", ""))
                continue
            _mount(source, target, "", _MS_BIND | _MS_REC)
            if "identity" in mount and mount["identity"] != [(found := os.stat(target)).st_dev, found.st_ino]:
                raise SetupError(f"{source} was changed while it was being mounted")
            if mount.get("readonly"):
                _make_readonly(target)

    def _be_init(self) -> None:
        """Process 1 of the container: its command is a child; returns in that child only."""
        command = os.fork()
        if command == 0:
            return
        os.close(self._report)
        for number in (0, 1, 2):
            os.dup2(self._null, number)
        os.chdir("/")
        while True:
            pid, status = os.wait()
            if pid == command:
                line = f"ended {self._launch['container_id']} {os.waitstatus_to_exitcode(status)}\n"
                os.write(self._log, line.encode())
                os._exit(0)

    def _execute(self) -> None:
        launch = self._launch
        stdout, stderr = (_open_output(name) for name in ("stdout", "stderr"))
        for name, (soft, hard) in launch.get("rlimits", {}).items():
            _limit(name, soft, hard)
        with contextlib.suppress(PermissionError):
            _write("/proc/self/oom_score_adj", str(launch.get("oom_score_adj", 0)))
        _give_up_privileges(launch)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python
            signal.signal(ignored, signal.SIG_DFL)
        os.umask(0o022)
        for number, fd in enumerate((self._null, stdout, stderr)):
            os.dup2(fd, number)
        _exec(launch["argv"], launch.get("environment", {}))


# Processes


def clone(namespaces: list[str], cgroup: str) -> int:
    """Fork, into namespaces of its own and a cgroup (v2) at once; 0 in the child. Raises OSError."""
    if not namespaces and not cgroup:
        return os.fork()
    flags = sum(_CLONE[name] for name in namespaces)
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY) if cgroup else 0
    try:
        if cgroup:
            flags |= _CLONE_INTO_CGROUP
        arguments = struct.pack("11Q", flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, fd)
        pid = _libc.syscall(_SYS_CLONE3, arguments, ctypes.c_size_t(len(arguments)))
    finally:
        if cgroup:
            os.close(fd)
    return _check(pid, "clone3")


def start_time(pid: int) -> int:
    """When a process began, in the kernel's ticks; 0 if it is no more."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return 0


def _own_name() -> tuple[int, int]:
    """Our pid as the host sees it, and our start time: while /proc is still the host's."""
    pid = int(os.readlink("/proc/self"))
    return pid, start_time(pid)


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


def _give_up_privileges(launch: _Launch) -> None:
    if launch.get("drop_capabilities"):
        for capability in range(64):
            if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                break
    credentials = launch.get("credentials")
    if credentials:
        os.setgroups(credentials["groups"])
        os.setresgid(*[credentials["gid"]] * 3)
        os.setresuid(*[credentials["uid"]] * 3)
    if launch.get("drop_capabilities") and _SYS_CAPSET is not None:
        header, nothing = struct.pack("Ii", 0x20080522, 0), bytes(24)
        _check(_libc.syscall(_SYS_CAPSET, header, nothing), "capset")
    if launch.get("no_new_privs"):
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _exec(argv: list[str], environment: dict[str, str]) -> None:
    """Become the command. Raises SetupError."""
    name = argv[0]
    try:
        os.execvpe(name, argv, environment)  # noqa: S606 - without a shell, as it should be
    except (FileNotFoundError, NotADirectoryError):
        if "/" in name and os.path.exists(name):
            raise SetupError(f"the interpreter of {name} was not found") from None
        raise SetupError(f"command not found: {name}") from None
    except PermissionError:
        if os.path.isdir(name):
            raise SetupError(f"{name} is a directory, not a command") from None
        raise SetupError(f"{name} is not executable") from None
    except OSError as error:
        raise SetupError(f"{name} could not be executed: {error.strerror}") from None


# Files


def _open_output(name: str) -> int:
    try:
        fd = os.open(name, _OUTPUT, 0o644)
    except OSError as error:
        raise SetupError(f"its {name} could not be opened in the sandbox: {error.strerror}") from None
    os.set_blocking(fd, True)
    return fd


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def _only_v2(cgroups: list[str]) -> str:
    """The cgroup to be born into: there is one, of version 2."""
    return cgroups[0] if len(cgroups) == 1 and os.path.exists(cgroups[0] + "/cgroup.controllers") else ""


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [os.fsencode(text) if text else None for text in (source, target, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(options) or None), target)


def _make_readonly(target: str) -> None:
    """With all that is mounted below it."""
    attributes = struct.pack("4Q", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    where = (_AT_FDCWD, os.fsencode(target), _AT_RECURSIVE)
    _check(_libc.syscall(_SYS_MOUNT_SETATTR, *where, attributes, ctypes.c_size_t(len(attributes))), target)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(sock, _SIOCGIFFLAGS, request)
        flags = struct.unpack_from("H", request, 16)[0] | _IFF_UP
        struct.pack_into("H", request, 16, flags)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, bytes(request))


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def main() -> None:
    """Serve the agent on stdin."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        _write("/proc/self/oom_score_adj", "-999")
    launcher = Launcher(sys.argv[1])
    gc.collect()
    gc.freeze()
    gc.disable()
    launcher.run()


if __name__ == "__main__":
    main()
