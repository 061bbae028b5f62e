"""What becomes of wishes that no isolator of this agent serves: the task is refused, not started without them."""

import os
from collections.abc import Collection
from typing import ClassVar

from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Launch, LaunchError
from mesos_py.adapters.isolators.user import user_of
from mesos_py.types.containers import ContainerSpec

__all__ = ["UnservedIsolator"]


class UnservedIsolator(Isolator):
    """Stands in for the isolators that are off."""

    name: ClassVar[str] = "unserved"

    def __init__(self, off: Collection[str], *, euid: int | None = None) -> None:
        """``off`` are their names, ``euid`` is the agent's own user id."""
        self._off = frozenset(off)
        self._euid = os.geteuid() if euid is None else euid

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        del launch
        if "user" in self._off and spec.user and user_of(spec).pw_uid != self._euid:
            raise LaunchError(f"cannot run as user {spec.user!r}: this agent runs all tasks as its own user")
        if "volumes" in self._off and spec.volumes:
            raise LaunchError("this agent mounts no volumes")
        if "rlimits" in self._off and spec.rlimits:
            raise LaunchError("this agent sets no rlimits")
