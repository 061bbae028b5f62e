"""A whole cluster as it was at one moment: its machines can go back to it, with all that ran on them."""

import shlex
import subprocess
import time

from vm.cluster import Cluster, kill, on_all, start
from vm.command import Machine
from vm.qmp import Monitor
from vm.running import Running
from vm.snapshot import Saved

__all__ = ["resume", "save"]

_CLOCK_S = 120.0


def save(cluster: Cluster) -> None:
    """Keep the machines' disks and memories beside them, until they are ended. What was kept before is replaced.

    All of them stand still meanwhile, so that what they have told each other agrees. Raises MonitorError.
    """
    machines = cluster.machines.values()
    on_all(_stop, machines)
    on_all(_save, machines)
    on_all(_go_on, machines)


def resume(cluster: Cluster) -> None:
    """End what runs, and go on as it was when it was saved, but with the right time. Raises FileNotFoundError."""
    machines = cluster.machines.values()
    for machine in machines:
        _saved(machine).state.stat()
    on_all(_load, machines)
    on_all(_go_on, machines)
    on_all(lambda machine: _tell_time(cluster.guest(machine.name)), machines)


def _saved(machine: Machine) -> Saved:
    return Saved(machine.directory / "saved")


def _stop(machine: Machine) -> None:
    with Monitor(machine.monitor) as monitor:
        monitor("stop")


def _save(machine: Machine) -> None:
    saved = _saved(machine)
    saved.directory.mkdir(exist_ok=True)
    with Monitor(machine.monitor) as monitor:
        monitor.save(f"lz4 -q -1 > {shlex.quote(str(saved.state))}")
    _copy(machine.disk, saved.disk)


def _load(machine: Machine) -> None:
    kill(machine)
    _copy(_saved(machine).disk, machine.disk)
    start(machine, _saved(machine).state)
    with Monitor(machine.monitor) as monitor:
        monitor.wait_loaded()


def _go_on(machine: Machine) -> None:
    with Monitor(machine.monitor) as monitor:
        monitor("cont")


def _tell_time(guest: Running) -> None:
    guest.run(f"date -s @{time.time():.3f} >/dev/null", timeout_s=_CLOCK_S)


def _copy(source: object, target: object) -> None:
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)
