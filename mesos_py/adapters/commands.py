"""A command of a container's owner, run in or beside that container: what is certain before, and its words.

Its environment is written as a small script in memory, which a shell reads after it has become the user: names that no
shell variable can have are passed by env(1), and whatever runs as root before must not read another user's
``LD_PRELOAD``. So no value is shown to other users of the host.
"""

import contextlib
import os
import pwd
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.types.containers import ContainerSpec

__all__ = ["Entry", "as_user", "script_of", "stdin_of", "why_not_runnable", "words_inside"]

_LONGEST: Final = 131_071
"""Bytes the kernel takes in one word or variable (MAX_ARG_STRLEN less its NUL)."""
_SETTABLE_NAME: Final = re.compile(r"(?!(?:OPTIND|PPID|LINENO)\Z)[A-Za-z_]\w*\Z", re.ASCII)
_ENTER: Final = 'for _dir in $0; do echo 0 >"$_dir/cgroup.procs" || exit 125; done; exec "$@"'
_NO_PRIVILEGE: Final = ("--inh-caps=-all", "--no-new-privs")
_GO: Final = 'cd "$0" && exec "$@"'


class Entry(Struct, frozen=True):
    """How to get into a running container."""

    pid: int = 0
    """Of its first process."""
    namespaces: Sequence[str] = ()
    """Those that are its own."""
    cgroups: Sequence[str] = ()


def words_inside(entry: Entry, directory: str, user: str, argv: Sequence[str]) -> list[str]:
    """A command to be run in a container, as a user; its stdin is its ``script_of``. Raises LaunchError.

    In a container's own mounts there may be anything in the place of any program: only the user executes what is there.
    """
    words = ["/bin/sh", "-c", _ENTER, " ".join(entry.cgroups)]
    if not entry.namespaces:
        return [*words, "/bin/sh", "-c", _GO, directory, *as_user(user), "/bin/sh", "-s", "--", *argv]
    found = _other_user(user)
    flags = [f"--{'net' if name == 'network' else name}" for name in entry.namespaces]
    flags.append(f"--wd=/proc/{entry.pid}/root{os.path.realpath(directory)}")
    if found is not None:
        groups = ",".join(map(str, os.getgrouplist(found.pw_name, found.pw_gid)))
        words += ["/usr/bin/setpriv", f"--regid={found.pw_gid}", f"--groups={groups}", *_NO_PRIVILEGE, "--"]
        flags.append(f"--setuid={found.pw_uid}")
    return [*words, "/usr/bin/nsenter", "--target", str(entry.pid), *flags, "--", "/bin/sh", "-s", "--", *argv]


def as_user(name: str) -> list[str]:
    """Words before a command that root wants to run as a user, without any privilege; none for ourselves.

    Raises LaunchError.
    """
    user = _other_user(name)
    if user is None:
        return []
    ids = [f"--reuid={user.pw_name}", f"--regid={user.pw_gid}", "--init-groups"]
    return ["/usr/bin/setpriv", *ids, *_NO_PRIVILEGE, "--"]


def _other_user(name: str) -> pwd.struct_passwd | None:
    """Who it is; None for ourselves. Raises LaunchError if there is none, or we cannot become it."""
    if not name:
        return None
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise LaunchError(f"user {name!r} does not exist on this host") from None
    if user.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise LaunchError(f"cannot run as user {name!r}: the agent does not run as root")
    return user


def script_of(environment: Mapping[str, str]) -> bytes:
    """For the stdin of a shell: become the words it was given, with exactly this environment."""
    lines = ["unset PWD OLDPWD"]
    others = ""
    for name, value in environment.items():
        if _SETTABLE_NAME.match(name):
            lines.append(f"export {name}={shlex.quote(value)}")
        else:
            others += " " + shlex.quote(f"{name}={value}")
    others = others and f" /usr/bin/env --{others}"
    lines.append(f'exec{others} "$@" </dev/null\n')
    return os.fsencode("\n".join(lines))


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


@contextlib.contextmanager
def stdin_of(script: bytes) -> Iterator[int]:
    """A descriptor of a script that only its reader can see."""
    fd = os.memfd_create("environment")
    try:
        view = memoryview(script)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
