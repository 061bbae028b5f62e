"""Decides how QEMU is called for one machine. No IO but the look at what this host's processor can do."""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["KVM", "READY", "TCG", "Accelerator", "Machine", "accelerator", "command", "hardware_address"]

READY: Final = "vm-ready"
"""What the guest writes to its console as soon as ssh answers."""

_KERNEL: Final = "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off apparmor=0 audit=0 norandmaps"
"""Mitigations guard nothing in a machine of tests, and are dear where the processor is emulated. So are addresses that
are other ones in each process: QEMU 7 translates libraries anew for each of them."""


@dataclass(frozen=True)
class Accelerator:
    """What carries out the guest's instructions."""

    name: str
    cpu: str
    options: str = ""
    cpus: int = 2
    """Of each machine of a cluster."""


KVM: Final = Accelerator("kvm", "host")
"""As fast as the host."""

TCG: Final = Accelerator("tcg", "Nehalem", ",thread=multi,tb-size=1024", cpus=1)
"""Newer processors take longer to emulate. At most so many MB of translated code are kept; when they are full, all of
it is thrown away, and with 256 a machine with a broker did little else. Several processors of one machine wait for each
other where a host has fewer than they are together."""


def accelerator(cpuinfo: str | None = None, device: str = "/dev/kvm") -> Accelerator:
    """KVM where the processor can and we may, else emulation, which is some fifteen times slower.

    The device alone says nothing: some hosts that are guests themselves have it, and then nothing boots.
    """
    if cpuinfo is None:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    can = re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo, re.MULTILINE)
    return KVM if can and os.access(device, os.R_OK | os.W_OK) else TCG


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One virtual machine. Several may run at once, each with a name, number, directory and port of its own."""

    name: str
    directory: Path
    """For its disk, its console's log and its pid file."""
    kernel: Path
    initrd: Path
    ssh_port: int
    """On this host's loopback; leads to the guest's port 22."""
    packages: Path | None = None
    """A read-only disk; /dev/vdb in the guest."""
    number: int = 1
    """From 1 to 254, the last byte of its hardware addresses."""
    cpus: int = 2
    memory_mb: int = 1536
    segment: str = ""
    """Address and port of a multicast group: machines that name the same one share an Ethernet (eth1), on loopback."""

    @property
    def disk(self) -> Path:
        """What it writes; the image below it stays as it is."""
        return self.directory / "disk.qcow2"

    @property
    def console(self) -> Path:
        """What the guest has written to its console."""
        return self.directory / "console.log"

    @property
    def monitor(self) -> Path:
        """Where QEMU takes commands."""
        return self.directory / "qmp.sock"

    @property
    def address(self) -> str:
        """On the segment, with the length of its network."""
        return f"10.77.0.{self.number}/24"

    @property
    def pid_file(self) -> Path:
        """Of QEMU."""
        return self.directory / "pid"


def command(machine: Machine, using: Accelerator, state: Path | None = None) -> list[str]:
    """The words that start it in its directory; from the beginning, or from a saved state, which it then waits in.

    It asks for no privileges, and opens no port but on loopback.
    """
    return [
        *("qemu-system-x86_64", "-name", machine.name, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "pc,usb=off,graphics=off", "-accel", using.name + using.options, "-cpu", using.cpu),
        *("-smp", str(machine.cpus), "-m", str(machine.memory_mb), "-rtc", "base=utc"),
        *("-kernel", str(machine.kernel), "-initrd", str(machine.initrd), "-append", _KERNEL),
        *("-serial", f"file:{machine.console}", "-pidfile", str(machine.pid_file), "-device", "virtio-rng-pci"),
        *_disk("root", machine.disk, "format=qcow2,cache=unsafe"),
        *(_disk("packages", machine.packages, "format=raw,readonly=on") if machine.packages else ()),
        *_card(0, f"user,id=n0,hostfwd=tcp:127.0.0.1:{machine.ssh_port}-:22", machine.number),
        *_segment(machine),
        # the kernel sees by it that it was copied, and draws other random numbers than its twins
        *("-device", "vmgenid,guid=auto", "-qmp", f"unix:{machine.monitor.name},server=on,wait=off"),
        *(("-incoming", f"exec:lz4 -dc {shlex.quote(str(state))}") if state else ()),
    ]


def hardware_address(card: int, number: int) -> str:
    """Of a machine's network card."""
    return f"52:54:00:c{card}:00:{number:02x}"


def _disk(name: str, file: Path, options: str) -> list[str]:
    escaped = str(file).replace(",", ",,")
    return ["-drive", f"id={name},if=none,{options},file={escaped}", "-device", f"virtio-blk-pci,drive={name}"]


def _segment(machine: Machine) -> list[str]:
    if not machine.segment:
        return []
    return _card(1, f"socket,id=n1,mcast={machine.segment},localaddr=127.0.0.1", machine.number)


def _card(index: int, network: str, number: int) -> list[str]:
    return [
        "-netdev",
        network,
        "-device",
        f"virtio-net-pci,netdev=n{index},mac={hardware_address(index, number)},romfile=",
    ]
