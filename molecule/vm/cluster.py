"""Several machines that wake together, stay until they are ended, and can be hurt as real hosts can."""

import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vm.command import Machine, accelerator, command, hardware_address
from vm.image import Image
from vm.qmp import Monitor
from vm.running import SSH_OPTIONS, BootError, Running, free_port
from vm.snapshot import Saved

__all__ = ["FAULTS", "Cluster", "Settle", "find_cluster", "kill", "on_all", "start", "wake", "write_ssh_config"]

_FIRST: Final = 11
"""The number of the first machine, and so the end of its address."""
_WAKE_S: Final = 300.0

Settle = Callable[[Running, Machine], None]

_pause = threading.Event().wait


@dataclass(frozen=True)
class Cluster:
    """Machines node1, node2, ... of one directory; they share a segment, and leave nothing when they are ended."""

    directory: Path
    machines: Mapping[str, Machine]
    key: Path
    """Logs in as root to each of them."""

    def inventory(self) -> dict[str, Any]:
        """For Ansible: the hosts and how to reach them."""
        return {"all": {"hosts": {name: self._host(machine) for name, machine in self.machines.items()}}}

    def instances(self) -> list[dict[str, Any]]:
        """For Molecule: the same as its instance configuration."""
        reached = {"address": "127.0.0.1", "user": "root", "identity_file": str(self.key)}
        return [{"instance": name, "port": each.ssh_port, **reached} for name, each in self.machines.items()]

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`: each machine by its name; it may be logged in to over one connection, over and over."""
        return self.directory / "ssh_config"

    def guest(self, name: str) -> Running:
        """To run commands in it. Raises KeyError."""
        return Running(self.machines[name], self.key)

    def down(self) -> None:
        """End all of them at once, and remove what they wrote."""
        for machine in self.machines.values():
            kill(machine)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _host(self, machine: Machine) -> dict[str, Any]:
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": machine.ssh_port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": " ".join(SSH_OPTIONS),
            "ansible_python_interpreter": "/usr/bin/python3",
            "mesos_cluster_address": machine.address.partition("/")[0],
        }


def find_cluster(directory: Path) -> Cluster | None:
    """What was woken there and has not been ended; None if there is nothing."""
    try:
        noted = json.loads((directory / "cluster.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return _cluster(directory, noted["ports"], Path(noted["image"]))


def wake(directory: Path, image: Image, saved: Mapping[str, Saved], settle: Settle | None = None) -> Cluster:
    """Bring up machines of these names, each from what was saved. What ran in the directory is ended first.

    Then each is told the time and, unless ``settle`` tells it something else, that it is somebody of its own.

    Raises BootError, CalledProcessError, MonitorError; then nothing is left.
    """
    if (old := find_cluster(directory)) is not None:
        old.down()
    directory.mkdir(parents=True)
    cluster = _cluster(directory, {name: free_port() for name in saved}, image.directory)
    noted = {"ports": {name: each.ssh_port for name, each in cluster.machines.items()}, "image": str(image.directory)}
    (directory / "cluster.json").write_text(json.dumps(noted), encoding="utf-8")
    write_ssh_config(cluster)
    try:
        _wake_all(cluster, saved, settle or _become)
    except BaseException:
        cluster.down()
        raise
    return cluster


def _cluster(directory: Path, ports: Mapping[str, int], image: Path) -> Cluster:
    base = Image(image)
    # a port that one of them listens on is not another cluster's
    segment = f"230.77.0.2:{next(iter(ports.values()))}"
    machines = {
        name: Machine(
            name=name,
            directory=directory / name,
            kernel=base.kernel,
            initrd=base.initrd,
            ssh_port=port,
            number=_FIRST + index,
            cpus=accelerator().cpus,
            segment=segment,
        )
        for index, (name, port) in enumerate(ports.items())
    }
    return Cluster(directory, machines, base.key)


def write_ssh_config(cluster: Cluster) -> None:
    """Put it where the cluster says it is."""
    hosts = [f"Host {name}\n  Port {each.ssh_port}\n" for name, each in cluster.machines.items()]
    options = [word.replace("=", " ", 1) for word in SSH_OPTIONS if word != "-o"]
    shared = ["ControlMaster auto", "ControlPersist 10m", "ControlPath ~/.ssh/vm-%C", "ServerAliveInterval 10"]
    all_of_them = ["HostName 127.0.0.1", "User root", f'IdentityFile "{cluster.key}"', *options, *shared]
    text = "".join(hosts) + "Host *\n" + "".join(f"  {line}\n" for line in all_of_them)
    cluster.ssh_config.write_text(text, encoding="utf-8")
    (Path.home() / ".ssh").mkdir(mode=0o700, exist_ok=True)  # for the sockets of connections that are shared


def _wake_all(cluster: Cluster, saved: Mapping[str, Saved], settle: Settle) -> None:
    machines = cluster.machines.values()
    on_all(lambda machine: _load(machine, saved[machine.name]), machines)
    for machine in machines:
        with Monitor(machine.monitor) as monitor:
            monitor("cont")
    on_all(lambda machine: settle(cluster.guest(machine.name), machine), machines)


def on_all(act: Callable[[Machine], None], machines: Iterable[Machine]) -> None:
    """Do it to each of them, at the same time."""
    with ThreadPoolExecutor() as threads:
        list(threads.map(act, machines))


def _load(machine: Machine, saved: Saved) -> None:
    machine.directory.mkdir()
    overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(saved.disk), str(machine.disk)]
    subprocess.run(overlay, check=True)
    start(machine, saved.state)
    with Monitor(machine.monitor) as monitor:
        monitor.wait_loaded()


def start(machine: Machine, state: Path | None = None) -> None:
    """As if its power came back; or from a saved state, in which it waits then."""
    started = [*command(machine, accelerator(), state), "-daemonize"]
    subprocess.run(started, check=True, cwd=machine.directory, stdin=subprocess.DEVNULL)


def _become(guest: Running, machine: Machine) -> None:
    """It has slept, and is a twin of all others: tell it the time, and who it is."""
    deadline = time.monotonic() + _WAKE_S
    who = (machine.name, machine.address, hardware_address(1, machine.number), secrets.token_hex(16))
    while guest.run(f"vm-become {' '.join(who)} {time.time():.3f}", timeout_s=_WAKE_S) != 0:
        if time.monotonic() > deadline:
            raise BootError(f"{machine.name} does not answer after {_WAKE_S:.0f} s\n{console(machine)}")
        _pause(0.5)


def console(machine: Machine) -> str:
    """The end of what it wrote there."""
    return machine.console.read_text(errors="replace")[-4000:] if machine.console.exists() else ""


def kill(machine: Machine) -> None:
    """As if its power went. Its disk stays."""
    try:
        pid = int(machine.pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return
    if str(machine.disk).replace(",", ",,").encode() not in words:
        return  # QEMU has ended, and somebody else has its number
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [])
    finally:
        os.close(handle)


def _tell(*words: str, **arguments: Any) -> Callable[[Machine], None]:
    def tell(machine: Machine) -> None:
        with Monitor(machine.monitor) as monitor:
            monitor(*words, **arguments)

    return tell


FAULTS: Final[Mapping[str, Callable[[Machine], None]]] = {
    "cut": _tell("set_link", name="n1", up=False),
    "join": _tell("set_link", name="n1", up=True),
    "pause": _tell("stop"),
    "resume": _tell("cont"),
    "reset": _tell("system_reset"),
    "kill": kill,
    "start": start,
}
"""What can be done to a machine: its segment's cable pulled and put in, all of it halted and let on, its button for
reset pressed, its power gone and back."""
