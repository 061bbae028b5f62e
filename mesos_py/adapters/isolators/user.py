"""Whom a container runs as: the user its task names, with all groups of that user."""

import os
import pwd
from typing import ClassVar

from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Credentials, Launch, LaunchError
from mesos_py.types.containers import ContainerSpec

__all__ = ["UserIsolator", "user_of"]


class UserIsolator(Isolator):
    """Changes the user; an agent that is not root runs everything as itself, and nothing for others."""

    name: ClassVar[str] = "user"

    def __init__(self, *, euid: int | None = None) -> None:
        """``euid`` is the agent's own user id."""
        self._euid = os.geteuid() if euid is None else euid

    def why_not(self) -> str:
        """Part of Isolator."""
        return "" if self._euid == 0 else f"the agent is not root: all tasks run as {_name_of(self._euid)}"

    def describe(self) -> str:
        """Part of Isolator."""
        return "tasks run as the user they name" if self._euid == 0 else f"tasks run as {_name_of(self._euid)}"

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        if not spec.user:
            return
        user = user_of(spec)
        if user.pw_uid == self._euid:
            return
        if self._euid != 0:
            raise LaunchError(f"cannot run as user {spec.user!r}: the agent does not run as root")
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        launch.credentials = Credentials(uid=user.pw_uid, gid=user.pw_gid, groups=groups)


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
