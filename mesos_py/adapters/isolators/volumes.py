"""Which files of the host a container sees besides its sandbox, and how: by the operator's list, after all links.

A volume is a bind mount in the container's own mount namespace. What it is mounted on, where that is in the sandbox,
is made here while the sandbox holds nothing of its user; a link put there is never followed.
"""

import contextlib
import os
import stat
from collections.abc import Mapping
from typing import ClassVar, Final

from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.launch import Launch, LaunchError, Mount
from mesos_py.adapters.sandbox import make_sandbox
from mesos_py.errors import ConfigError
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.host import Volume, VolumeMode, why_not_path

__all__ = ["VolumesIsolator", "parse_volumes"]

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def parse_volumes(configured: Mapping[str, str]) -> dict[str, VolumeMode]:
    """The allow-list from host directories and ``ro`` or ``rw``. Raises ConfigError."""
    allowed = {}
    for path, mode in configured.items():
        if not path.startswith("/") or why_not_path(path):
            raise ConfigError(f"volumes: {path!r} is not an absolute path without '..'")
        try:
            allowed[path] = VolumeMode(mode.upper())
        except ValueError:
            raise ConfigError(f"volumes: {path}={mode} says neither ro nor rw") from None
    return allowed


class VolumesIsolator(Isolator):
    """Mounts volumes from below the host directories that the operator allows."""

    name: ClassVar[str] = "volumes"

    def __init__(self, allowed: Mapping[str, VolumeMode], *, euid: int | None = None) -> None:
        """``allowed`` are host directories and the most that may be done below each; ``euid`` is the agent's own."""
        self._allowed = dict(allowed)
        self._euid = os.geteuid() if euid is None else euid

    def why_not(self) -> str:
        """Part of Isolator."""
        return "" if self._euid == 0 else "the agent is not root and cannot mount volumes"

    def describe(self) -> str:
        """Part of Isolator."""
        return f"volumes may be mounted from {self._list()}" if self._allowed else "no volumes may be mounted"

    def prepare(self, spec: ContainerSpec, launch: Launch) -> None:
        """Part of Isolator."""
        if not spec.volumes:
            return
        if why := self.why_not():
            raise LaunchError(why)
        mounts = [self._mount(volume, launch.sandbox) for volume in spec.volumes]
        launch.mounts[:0] = mounts  # before anything, such as a private /tmp, hides what they come from
        if "mount" not in launch.namespaces:
            launch.namespaces.append("mount")
        # Whoever chooses what lies where could otherwise deceive programs that change the user.
        launch.no_new_privs = True

    def _mount(self, volume: Volume, sandbox: str) -> Mount:
        """Raises LaunchError or OSError."""
        source, found = self._source(volume)
        is_directory = stat.S_ISDIR(found.st_mode)
        if volume.container_path.startswith("/"):
            target = os.path.normpath("/" + volume.container_path.lstrip("/"))
            if not os.path.exists(target) or os.path.isdir(target) != is_directory:
                kind = "directory" if is_directory else "file"
                raise LaunchError(f"volume {volume.host_path}: there is no {kind} {target} on this host to mount on")
        else:
            target = os.path.normpath(os.path.join(sandbox, volume.container_path))
            _make_target(sandbox, os.path.relpath(target, sandbox), is_directory=is_directory)
        identity = (found.st_dev, found.st_ino)
        return Mount(target=target, source=source, readonly=volume.mode is VolumeMode.RO, identity=identity)

    def _source(self, volume: Volume) -> tuple[str, os.stat_result]:
        """Its path without links, which is allowed, and what is there. Raises LaunchError."""
        try:
            source = os.path.realpath(volume.host_path, strict=True)
            found = os.lstat(source)
        except OSError:
            raise LaunchError(f"volume {volume.host_path} does not exist on this host") from None
        if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
            raise LaunchError(f"volume {volume.host_path} is neither a directory nor a plain file")
        most = self._most(source)
        if most is None:
            allowed = (
                f"this agent mounts {self._list()}" if self._allowed else "this agent is configured without volumes"
            )
            raise LaunchError(f"volume {volume.host_path} is not allowed: {allowed}")
        if most is VolumeMode.RO and volume.mode is VolumeMode.RW:
            raise LaunchError(f"volume {volume.host_path} may only be read: this agent mounts {self._list()}")
        return source, found

    def _most(self, source: str) -> VolumeMode | None:
        """What the nearest allowed directory above it allows; None if there is none."""
        found = [
            (len(real), mode is VolumeMode.RO, mode)
            for real, mode in ((os.path.realpath(path), mode) for path, mode in self._allowed.items())
            if source == real or source.startswith(real.rstrip("/") + "/")
        ]
        return max(found)[2] if found else None

    def _list(self) -> str:
        return ", ".join(f"{path}:{mode.lower()}" for path, mode in self._allowed.items())


def _make_target(sandbox: str, path: str, *, is_directory: bool) -> None:
    """Make what is missing of a mount point below the sandbox, as its owner's. Raises LaunchError or OSError."""
    make_sandbox(sandbox)
    *above, name = path.split("/")
    directory = os.open(sandbox, _DIRECTORY)
    try:
        for part in above:
            directory = _enter(directory, part)
        if is_directory:
            directory = _enter(directory, name)
        else:
            _make_file(directory, name)
    except OSError as error:
        raise LaunchError(f"cannot make {path} in the sandbox to mount on: {error.strerror}") from None
    finally:
        os.close(directory)


def _enter(directory: int, name: str) -> int:
    """The directory of that name, made if it is missing, in place of the one it is in. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=directory)
    inner = os.open(name, _DIRECTORY, dir_fd=directory)
    os.close(directory)
    return inner


def _make_file(directory: int, name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(name, flags, 0o644, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise FileExistsError(0, "something else is there")
    finally:
        os.close(fd)
