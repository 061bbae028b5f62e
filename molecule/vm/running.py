"""A machine that runs: starts it, waits for it, runs commands in it, and ends it."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from vm.command import READY, Machine, accelerator, command
from vm.image import Image

__all__ = ["SSH_OPTIONS", "BootError", "Running", "free_port", "running"]

SSH_OPTIONS: Final = (
    *("-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60"),
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes"),
    *("-o", "KexAlgorithms=curve25519-sha256", "-o", "Ciphers=chacha20-poly1305@openssh.com"),
)
"""Everybody who can reach a machine is on this host, so nobody proves who he is; the ciphers are the quickest."""

_pause = threading.Event().wait


class BootError(Exception):
    """It did not come up; the text has the end of its console."""


class Running:
    """A machine whose ssh answers."""

    def __init__(self, machine: Machine, key: Path) -> None:
        self.machine = machine
        self.ssh = ["ssh", "-i", str(key), "-p", str(machine.ssh_port), *SSH_OPTIONS, "root@127.0.0.1"]
        """The words that log in."""

    def run(self, script: str, *, stdin: IO[bytes] | None = None, timeout_s: float | None = None) -> int:
        """What a shell in the guest exits with, 255 if it cannot be reached. Output goes where ours goes.

        Raises TimeoutExpired.
        """
        source = subprocess.DEVNULL if stdin is None else stdin
        return subprocess.run([*self.ssh, script], stdin=source, timeout=timeout_s, check=False).returncode


@contextmanager
def running(machine: Machine, image: Image, boot_s: float) -> Iterator[Running]:
    """Boot it and have it; it is gone at the end, however that comes, and what it wrote with it.

    Raises BootError when it takes longer than ``boot_s``, CalledProcessError.
    """
    machine.directory.mkdir(parents=True)
    qemu: subprocess.Popen[bytes] | None = None
    try:
        overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b"]
        subprocess.run([*overlay, str(image.disk), str(machine.disk)], check=True)
        # The signal reaches it even if we are killed; its own session keeps the terminal's Ctrl-C for us.
        tied = ["setpriv", "--pdeathsig", "KILL", *command(machine, accelerator())]
        qemu = subprocess.Popen(tied, stdin=subprocess.DEVNULL, start_new_session=True, cwd=machine.directory)
        _wait_ready(machine, qemu, boot_s)
        yield Running(machine, image.key)
    finally:
        if qemu is not None:
            qemu.kill()  # nothing it has written is kept
            qemu.wait()
        shutil.rmtree(machine.directory)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_ready(machine: Machine, qemu: subprocess.Popen[bytes], boot_s: float) -> None:
    deadline = time.monotonic() + boot_s
    said = ""
    while READY not in said:
        if qemu.poll() is not None:
            raise BootError(f"{machine.name}: QEMU has ended with {qemu.returncode}\n{said[-2000:]}")
        if time.monotonic() > deadline:
            raise BootError(f"{machine.name} is not up after {boot_s:.0f} s\n{said[-2000:]}")
        _pause(0.1)
        said = machine.console.read_text(errors="replace") if machine.console.exists() else ""
