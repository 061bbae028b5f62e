"""Whom a container runs as: the user its task names, with all groups of that user, if tasks may be that user.

Users of the system are none: a task that runs as the user of a daemon reads what that daemon keeps secret.
"""

import os
import pwd
import re
from collections.abc import Sequence
from typing import ClassVar, Final

from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Credentials, Launch, LaunchError
from mesos_py.errors import ConfigError
from mesos_py.types.containers import ContainerSpec

__all__ = ["UserIsolator", "other_user", "parse_uids", "user_of"]

_UIDS: Final = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?")


def parse_uids(text: str) -> list[range]:
    """From ids and pairs of them, such as ``1000-60000,65534``. Raises ConfigError."""
    found = []
    for part in filter(None, map(str.strip, text.split(","))):
        match = _UIDS.fullmatch(part)
        if match is None:
            raise ConfigError(f"task_uids: {part!r:.50} is neither an id nor two of them, such as 1000-60000")
        first = int(match[1])
        found.append(range(first, int(match[2] or first) + 1))
    return found


class UserIsolator(Isolator):
    """Changes the user; an agent that is not root runs everything as itself, and nothing for others."""

    name: ClassVar[str] = "user"

    def __init__(self, uids: Sequence[range], *, euid: int | None = None) -> None:
        """Tasks may run as users with these ids, and as the agent's own, which is ``euid``."""
        self._uids = uids
        self._euid = os.geteuid() if euid is None else euid

    def why_not(self) -> str:
        """Part of Isolator."""
        return "" if self._euid == 0 else f"the agent is not root: all tasks run as {_name_of(self._euid)}"

    def describe(self) -> str:
        """Part of Isolator."""
        return "tasks run as the user they name" if self._euid == 0 else f"tasks run as {_name_of(self._euid)}"

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        user = other_user(spec, self._uids, self._euid)
        if user is not None:
            groups = os.getgrouplist(user.pw_name, user.pw_gid)
            launch.credentials = Credentials(uid=user.pw_uid, gid=user.pw_gid, groups=groups)


def other_user(spec: ContainerSpec, uids: Sequence[range], euid: int) -> pwd.struct_passwd | None:
    """Whom a container is to run as; None for the agent itself.

    Raises LaunchError for whom there is not, or whom tasks may not be.
    """
    if not spec.user:
        return None
    user = user_of(spec)
    if user.pw_uid == euid:
        return None
    if euid != 0:
        raise LaunchError(f"cannot run as user {spec.user!r}: the agent does not run as root")
    if not any(user.pw_uid in some for some in uids):
        raise LaunchError(f"cannot run as user {spec.user!r}: its id, {user.pw_uid}, is none that tasks may have here")
    return user


def user_of(spec: ContainerSpec) -> pwd.struct_passwd:
    """The user that a container names. Raises LaunchError if there is none."""
    try:
        return pwd.getpwnam(spec.user)
    except (KeyError, ValueError):  # no name at all, such as one with a NUL
        raise LaunchError(f"user {spec.user!r:.100} does not exist on this host") from None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
