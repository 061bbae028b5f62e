"""How a container's command is started exactly as described: its words, its environment, its user, its limits.

The supervisor's shell passes its own environment on, which is the cheapest way. Some environments cannot go that way:
names that no shell variable can have, names that mean something to the shell or the loader, and every environment
whose owner is not the agent's own user, because the supervisor, which is still root, must not read another user's
``LD_PRELOAD``. These are written as a small script in memory, which a second shell reads after the change of user.
Neither way shows a value to other users of the host.
"""

import contextlib
import os
import pwd
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.types.containers import ContainerSpec

__all__ = [
    "RLIMITS",
    "Launch",
    "LaunchError",
    "LaunchHook",
    "limit_resources",
    "switch_user",
    "why_not_found",
    "why_not_runnable",
]

RLIMITS: Final = {
    "as": ("-v", 1024),
    "core": ("-c", 512),
    "cpu": ("-t", 1),
    "data": ("-d", 1024),
    "fsize": ("-f", 512),
    "memlock": ("-l", 1024),
    "nofile": ("-n", 1),
    "nproc": ("-p", 1),
    "stack": ("-s", 1024),
}
"""Each limit's letter for the shell's ulimit, and how many bytes (or seconds, or pieces) its unit is."""

_LONGEST: Final = 131_071
"""Bytes the kernel takes in one word or variable (MAX_ARG_STRLEN less its NUL)."""
_PLAIN_NAME: Final = re.compile(
    r"(?!(?:PWD|OLDPWD|IFS|OPTIND|PPID|LINENO|PS[124]|MAIL|MAILPATH|ATTY)\Z|LD_|GLIBC_|MALLOC_|_s_)[A-Za-z_]\w*\Z",
    re.ASCII,
)
_SETTABLE_NAME: Final = re.compile(r"(?!(?:OPTIND|PPID|LINENO)\Z)[A-Za-z_]\w*\Z", re.ASCII)
_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Launch:
    """What is about to be started; hooks change it before it is."""

    def __init__(self, spec: ContainerSpec) -> None:
        """As the spec says, with the agent's user and limits."""
        self.argv = spec.argv
        self.environment: Mapping[str, str] = spec.environment
        self.wrapper: list[str] = []
        """Words put before the command, such as those that change the user."""
        self.owner: tuple[int, int] | None = None
        """User and group id of the sandbox, None for the agent's own."""
        self.limits: list[str] = []
        """Words for the supervisor's ulimit, in pairs."""

    @property
    def is_plain(self) -> bool:
        """True if the environment can be passed through the supervisor."""
        return not self.wrapper and all(map(_PLAIN_NAME.match, self.environment))

    def words(self) -> tuple[list[str], Mapping[str, str], bytes | None]:
        """Command and environment for the supervisor, and the script for the command's stdin if there must be one."""
        if self.is_plain:
            return self.argv, self.environment, None
        return [*self.wrapper, "/bin/sh", "-s", "--", *self.argv], {}, self._script()

    def _script(self) -> bytes:
        lines = ["unset PWD OLDPWD"]
        others = ""
        for name, value in self.environment.items():
            if _SETTABLE_NAME.match(name):
                lines.append(f"export {name}={shlex.quote(value)}")
            else:
                others += " " + shlex.quote(f"{name}={value}")
        others = others and f" /usr/bin/env --{others}"
        lines.append(f'exec{others} "$@" </dev/null\n')
        return os.fsencode("\n".join(lines))


LaunchHook = Callable[[ContainerSpec, Launch], None]
"""Changes a launch before it happens, one per isolation feature. Raises LaunchError or OSError."""


def switch_user(spec: ContainerSpec, launch: Launch) -> None:
    """Run the command as the spec's user, if that is not who the agent is."""
    if not spec.user:
        return
    try:
        user = pwd.getpwnam(spec.user)
    except KeyError:
        raise LaunchError(f"user {spec.user!r} does not exist on this host") from None
    if user.pw_uid == os.geteuid():
        return
    if os.geteuid() != 0:
        raise LaunchError(f"cannot run as user {spec.user!r}: the agent does not run as root")
    launch.owner = (user.pw_uid, user.pw_gid)
    launch.wrapper += as_user(spec.user)


def as_user(name: str) -> list[str]:
    """Words before a command that root wants to run as an existing user, without any privilege."""
    user = pwd.getpwnam(name)
    return [
        "/usr/bin/setpriv",
        f"--reuid={user.pw_name}",
        f"--regid={user.pw_gid}",
        "--init-groups",
        "--inh-caps=-all",
        "--",
    ]


def limit_resources(rlimits: Mapping[str, int]) -> LaunchHook:
    """A hook that sets these limits (in bytes, seconds or pieces; see RLIMITS), soft and hard."""
    words: list[str] = []
    for name, value in rlimits.items():
        letter, unit = RLIMITS[name]
        words += [letter, str(value // unit)]

    def limit(_spec: ContainerSpec, launch: Launch) -> None:
        launch.limits += words

    return limit


def why_not_runnable(spec: ContainerSpec) -> str | None:
    """Why nobody could start this command, or None: only what is certain before it is tried."""
    if not spec.argv or not spec.argv[0]:
        return "there is no command to run"
    total = 0
    for what, text in (
        *(("the command", word) for word in spec.argv),
        *((f"variable {name}", f"{name}={value}") for name, value in spec.environment.items()),
    ):
        if "\0" in text:
            return f"{what} contains a NUL byte"
        try:
            size = len(os.fsencode(text))
        except UnicodeEncodeError:
            return f"{what} is not valid text"
        if size > _LONGEST:
            return f"{what:.100} is too long: {size} bytes, the system takes {_LONGEST}"
        total += size + 9
    if total > os.sysconf("SC_ARG_MAX"):
        return f"command and environment are too long: {total} bytes, the system takes {os.sysconf('SC_ARG_MAX')}"
    for name in spec.environment:
        if not name or "=" in name:
            return f"{name!r} cannot be the name of an environment variable"
    return None


def why_not_found(spec: ContainerSpec) -> str | None:
    """Why the program certainly cannot be executed, or None; once its sandbox is filled."""
    name = spec.argv[0]
    if "/" in name:
        return _why_not_executable(os.path.join(spec.sandbox, name), name)
    missing = None
    for directory in spec.environment.get("PATH", _DEFAULT_PATH).split(":"):
        missing = _why_not_executable(os.path.join(spec.sandbox, directory, name), name)
        if missing is None:
            return None
    return f"command not found: {name}" if missing else None


def _why_not_executable(path: str, name: str) -> str | None:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return f"command not found: {name}"
    except OSError:
        return None  # who knows; the attempt will tell
    if stat.S_ISDIR(mode):
        return f"{name} is a directory, not a command"
    if not mode & 0o111:
        return f"{name} is not executable"
    return None


@contextlib.contextmanager
def stdin_of(script: bytes | None, null: int) -> Iterator[int]:
    """A descriptor of what ``Launch.words`` wants on stdin: nothing, or a script that only its reader can see."""
    if script is None:
        yield null
        return
    fd = os.memfd_create("environment")
    try:
        view = memoryview(script)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
