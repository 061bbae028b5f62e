"""What a container does not see of the host: its processes, its mounts, its /tmp, its shared memory, other sandboxes.

What hides the sandboxes of others, which tasks of the same user could else read and change, is a directory in which
only its own is, at its own path. A private /tmp would hide the sandbox, and the agent's socket, where the agent keeps
its files below /tmp: then these, and nothing else, are mounted into it at their own paths.

All this is made in the sandbox before it is given to its user, and mounted after that: so the launcher makes sure that
it mounts what was made, whatever other processes of the user have put in its place.
"""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar, Final

from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Launch, Mount
from mesos_py.types.containers import ContainerSpec

__all__ = ["NAMESPACES", "NamespacesIsolator"]

NAMESPACES: Final = ("pid", "mount", "ipc", "uts", "network")

_TMP: Final = ".tmp"
"""In the sandbox."""
_SANDBOXES: Final = ".sandboxes"
"""In the sandbox, too."""
_HIDDEN: Final = ("/tmp", "/var/tmp")  # noqa: S108 - no file is made there
_SYS_ADMIN: Final = 21
_PATIENCE_S: Final = 10.0


class NamespacesIsolator(Isolator):
    """Gives each container namespaces of its own."""

    name: ClassVar[str] = "namespaces"

    def __init__(
        self, namespaces: Sequence[str], *, private_tmp: bool = True, kept: Sequence[str] = (), sandboxes: str = ""
    ) -> None:
        """Some of NAMESPACES; ``kept`` are directories of the host that containers must see in a private /tmp, too.

        Of what is below ``sandboxes`` a container with mounts of its own sees its own sandbox only.
        """
        self._namespaces = list(namespaces)
        if ("pid" in namespaces or private_tmp) and "mount" not in namespaces:
            self._namespaces.append("mount")
        self._private_tmp = private_tmp
        self._kept = kept
        self._sandboxes = sandboxes

    def why_not(self) -> str:
        """Part of Isolator."""
        return _why_not(tuple(self._namespaces))

    def describe(self) -> str:
        """Part of Isolator."""
        return f"{', '.join(self._namespaces)}{'; private /tmp' if self._private_tmp else ''}"

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        del spec
        launch.namespaces += [name for name in self._namespaces if name not in launch.namespaces]
        if self._private_tmp:
            launch.mounts += self._tmp_mounts(launch.sandbox)
        if self._sandboxes and "mount" in self._namespaces:
            launch.mounts += self._sandbox_mounts(launch.sandbox)
        if "ipc" in self._namespaces and "mount" in self._namespaces:
            launch.mounts.append(Mount(target="/dev/shm", type="tmpfs", options="mode=1777"))  # noqa: S108
        if "pid" in self._namespaces:
            launch.mounts.append(Mount(target="/proc", type="proc"))

    def _tmp_mounts(self, sandbox: str) -> list[Mount]:
        tmp = f"{sandbox}/{_TMP}"
        with contextlib.suppress(FileExistsError):  # by an earlier agent process, and still our own
            os.mkdir(tmp)
        os.chmod(tmp, 0o1777)  # noqa: S103 - as every /tmp
        mounts = []
        for hidden in filter(os.path.isdir, _HIDDEN):
            for name, readonly in ((sandbox, False), *((kept, True) for kept in self._kept)):
                path = os.path.realpath(name)  # a link outside of /tmp may lead into it
                if path.startswith(hidden + "/"):
                    target = tmp + path.removeprefix(hidden)
                    os.makedirs(target, mode=0o755, exist_ok=True)
                    mounts.append(_bound(path, target, readonly=readonly))
        return mounts + [_bound(tmp, hidden) for hidden in _HIDDEN if os.path.isdir(hidden)]

    def _sandbox_mounts(self, sandbox: str) -> list[Mount]:
        root, own = os.path.realpath(self._sandboxes), os.path.realpath(sandbox)
        is_hidden = self._private_tmp and root.startswith(tuple(f"{hidden}/" for hidden in _HIDDEN))
        if is_hidden or not own.startswith(f"{root}/"):
            return []
        cover = f"{sandbox}/{_SANDBOXES}"
        target = cover + own.removeprefix(root)
        os.makedirs(target, mode=0o755, exist_ok=True)
        return [_bound(own, target), _bound(cover, root)]


def _bound(source: str, target: str, *, readonly: bool = False) -> Mount:
    """What is there now, and nothing else."""
    found = os.stat(source, follow_symlinks=False)
    return Mount(source=source, target=target, readonly=readonly, identity=(found.st_dev, found.st_ino))


@cache
def _why_not(namespaces: Sequence[str]) -> str:
    """Having the capability is not enough: a host that is itself a container may forbid it in other ways."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    if not effective >> _SYS_ADMIN & 1:
        return "the agent is not root (it lacks CAP_SYS_ADMIN)"
    flags = [f"--{'net' if name == 'network' else name}" for name in namespaces]
    words = ["unshare", *flags, *(["--fork", "--mount-proc"] if "pid" in namespaces else []), "true"]
    try:
        tried = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it could not be tried: {error}"
    return tried.stderr.strip() if tried.returncode else ""
