"""A whole cluster as it was at one moment: its machines can go back to it, with all that ran on them."""

import hashlib
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from vm.cluster import Cluster, kill, on_all, start, wake
from vm.command import Machine
from vm.image import Image, being_made
from vm.qmp import Monitor
from vm.running import BootError, Running
from vm.snapshot import Saved
from vm.tree import files_of

__all__ = ["keep", "kept_directory", "resume", "save", "wake_kept"]

_CLOCK_S: Final = 120.0
_MADE_OF: Final = (
    *("mesos_py/", "playbooks/", "requirements/", "roles/", "systemd/", "tools/"),
    *("molecule/shared/", "molecule/vm/", ".config/molecule/"),
)
"""What a converged cluster depends on, besides the machines it woke from."""


def save(cluster: Cluster, directory: Path) -> None:
    """Keep the machines' disks and memories there. What was kept there before is replaced.

    All of them stand still meanwhile, so that what they have told each other agrees. Raises MonitorError.
    """
    machines = cluster.machines.values()
    on_all(_stop, machines)
    on_all(lambda machine: _save(machine, _saved(directory, machine.name)), machines)
    on_all(_go_on, machines)


def resume(cluster: Cluster, directory: Path) -> None:
    """End what runs, and go on as it was when it was saved, but with the right time. Raises FileNotFoundError."""
    machines = cluster.machines.values()
    for machine in machines:
        _saved(directory, machine.name).state.stat()
    on_all(lambda machine: _load(machine, _saved(directory, machine.name)), machines)
    on_all(_go_on, machines)
    on_all(lambda machine: _tell_time(cluster.guest(machine.name), machine), machines)


def kept_directory(cache: Path, name: str, tree: Path, snapshot: Saved) -> Path:
    """Where a cluster of this name that this tree has made is kept. Raises CalledProcessError."""
    digest = hashlib.sha256(snapshot.directory.name.encode())
    for file in files_of(tree):
        if str(file).startswith((*_MADE_OF, f"molecule/{name}/molecule.yml")):
            digest.update(f"{file}\0".encode() + hashlib.sha256((tree / file).read_bytes()).digest())
    return cache / f"checkpoint-{name}-{digest.hexdigest()[:16]}"


def keep(cluster: Cluster, directory: Path) -> None:
    """Save it there, where it outlives its machines, unless it is there. What was kept of other trees is removed.

    What Ansible has put beside the machines for itself, such as their CA, goes with them.
    """
    with being_made(directory) as made:
        if made is None:
            return
        for old in directory.parent.glob(f"{directory.name.rpartition('-')[0]}-{'[0-9a-f]' * 16}"):
            shutil.rmtree(old)
        save(cluster, made / "machines")
        if _controller(cluster.directory).is_dir():
            shutil.copytree(_controller(cluster.directory), _controller(made))


def wake_kept(directory: Path, image: Image, kept: Path, nodes: int | None = None) -> Cluster:
    """Machines as they were kept, with the right time.

    Raises BootError, also where there are not as many as wanted; CalledProcessError, MonitorError.
    """
    saved = {path.name: Saved(path) for path in sorted((kept / "machines").iterdir())}
    if nodes not in (None, len(saved)):
        raise BootError(f"{len(saved)} machines were kept, not {nodes}")
    cluster = wake(directory, image, saved, _tell_time)
    if _controller(kept).is_dir():
        shutil.copytree(_controller(kept), _controller(directory))
    return cluster


def _controller(directory: Path) -> Path:
    return directory / "controller"


def _saved(directory: Path, name: str) -> Saved:
    return Saved(directory / name)


def _stop(machine: Machine) -> None:
    with Monitor(machine.monitor) as monitor:
        monitor("stop")


def _save(machine: Machine, saved: Saved) -> None:
    saved.directory.mkdir(parents=True, exist_ok=True)
    with Monitor(machine.monitor) as monitor:
        monitor.save(f"lz4 -q -1 > {shlex.quote(str(saved.state))}")
    _copy(machine.disk, saved.disk)


def _load(machine: Machine, saved: Saved) -> None:
    kill(machine)
    _copy(saved.disk, machine.disk)
    start(machine, saved.state)
    with Monitor(machine.monitor) as monitor:
        monitor.wait_loaded()


def _go_on(machine: Machine) -> None:
    with Monitor(machine.monitor) as monitor:
        monitor("cont")


def _tell_time(guest: Running, machine: Machine) -> None:
    if guest.run(f"date -s @{time.time():.3f} >/dev/null", timeout_s=_CLOCK_S) != 0:
        raise BootError(f"{machine.name} does not answer")


def _copy(source: object, target: object) -> None:
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)
