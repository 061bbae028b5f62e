"""Which containers can never gain privileges: all that do not run as root. Comes after ``user``, which says who runs.

A task of root keeps root's capabilities: whoever may run as root is trusted with the host.
"""

import os
from typing import ClassVar

from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Launch
from mesos_py.types.containers import ContainerSpec

__all__ = ["PrivilegesIsolator"]


class PrivilegesIsolator(Isolator):
    """Takes all capabilities from tasks of ordinary users, and makes set-user-id programs no way to get them."""

    name: ClassVar[str] = "no_new_privs"

    def __init__(self, *, euid: int | None = None) -> None:
        """``euid`` is the agent's own user id."""
        self._euid = os.geteuid() if euid is None else euid

    def describe(self) -> str:
        """Part of Isolator."""
        return "tasks that are not root's have no capabilities and cannot gain privileges"

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        del spec
        uid = self._euid if launch.credentials is None else launch.credentials.uid
        if uid != 0:
            launch.no_new_privs = True
            launch.drop_capabilities = self._euid == 0  # others have none that could be dropped
