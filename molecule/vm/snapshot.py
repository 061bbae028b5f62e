"""Machines that are up already: one is booted and saved with its memory, and others wake from that in seconds."""

import hashlib
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vm.command import Machine, accelerator
from vm.image import Image, being_made, find_image
from vm.qmp import Monitor
from vm.running import free_port, running

__all__ = ["Saved", "find_snapshot"]

_SEGMENT: Final = "230.77.0.1:9"
"""So that it has the second card; nobody else is there."""
_BOOT_S: Final = 600.0
_WARM: Final = (
    "python3 -c 'import apt, ctypes, json, logging, subprocess, tempfile, zipfile'; apt-cache policy systemd; "
    "systemctl daemon-reload; systemctl is-system-running --wait; sync"
)
"""What Ansible uses first is in memory then."""


@dataclass(frozen=True)
class Saved:
    """A machine's disk and memory at one moment. Nothing of it is ever written to."""

    directory: Path

    @property
    def disk(self) -> Path:
        """An overlay over the image's."""
        return self.directory / "disk.qcow2"

    @property
    def state(self) -> Path:
        """Its memory and devices, compressed."""
        return self.directory / "state.lz4"


def find_snapshot(cache: Path) -> tuple[Image, Saved]:
    """Of this recipe's image on this kind of host; made if it is not there, which takes about a minute.

    Raises CalledProcessError, BootError, MonitorError.
    """
    image = find_image(cache)
    saved = Saved(cache / f"snapshot-{_key(image)}")
    with being_made(saved.directory) as made:
        if made is not None:
            _make(image, Saved(made))
    return image, saved


def _key(image: Image) -> str:
    """A state can only be loaded by a QEMU of the same version for a machine that is made of the same."""
    version = subprocess.run(["qemu-system-x86_64", "--version"], check=True, capture_output=True).stdout
    parts = (image.directory.name, version, accelerator(), (Path(__file__).parent / "command.py").read_bytes(), _WARM)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _make(image: Image, saved: Saved) -> None:
    with tempfile.TemporaryDirectory(prefix="mesos-vm-") as scratch:
        machine = Machine(
            name="template",
            directory=Path(scratch, "vm"),
            kernel=image.kernel,
            initrd=image.initrd,
            ssh_port=free_port(),
            cpus=accelerator().cpus,
            segment=_SEGMENT,
        )
        with running(machine, image, _BOOT_S) as guest:
            guest.run(f"{{ {_WARM}; }} >/dev/null 2>&1", timeout_s=_BOOT_S)
            with Monitor(machine.monitor) as monitor:
                monitor("stop")
                monitor.save(f"lz4 -q -1 > {shlex.quote(str(saved.state))}")
            copied = ["cp", "--sparse=always", str(machine.disk), str(saved.disk)]
            subprocess.run(copied, check=True)
