"""A disk that is full while containers begin and end: what they note may be late, never lost."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.adapters.isolators.namespaces import NamespacesIsolator
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerLives
from tests.unit.adapters.containers_support import Containers

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is easily filled"),
]

PAGE = 4096


@pytest.fixture(name="disk")
def _disk(tmp_path):
    """Of a few pages, which are allotted one by one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={16 * PAGE}", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), open(disk / "filler", "ab", buffering=0) as filler:
        while True:
            filler.write(bytes(PAGE))


def leave(log: Path, room: int) -> None:
    """Let so many bytes be left in the last page."""
    with log.open("ab") as file:
        file.write(b"x" * ((PAGE - log.stat().st_size - room - 1) % PAGE) + b"\n")


@pytest.mark.parametrize("isolators", [[NamespacesIsolator(["pid", "mount"])], []], ids=["init", "launcher"])
@pytest.mark.parametrize("room", [3, 9, 10])
def test_an_end_that_is_noted_in_two_parts(disk, tmp_path, isolators, room):
    """Another container ends on the full disk, too: neither may spoil what the other notes."""
    loop = Loop()
    it = ProcessContainerizer(loop, disk / "run", isolators=isolators)
    containers = Containers(loop, it, tmp_path)
    specs = [containers.sh("until [ -e go ]; do sleep 0.01; done; exit 137") for _ in range(2)]
    it.close()
    (log,) = (disk / "run" / "containers").glob("*.log")
    leave(log, room)
    fill(disk)
    for spec in specs:
        Path(spec.sandbox, "go").touch()
    containers.until(lambda: log.stat().st_size % PAGE == 0)
    (disk / "filler").unlink()
    it = ProcessContainerizer(loop, disk / "run", isolators=isolators)
    again = Containers(loop, it, tmp_path)
    fates = it.recover(specs)
    again.started |= {spec.container_id: 0 for spec in specs}
    again.ended |= {cid: fate for cid, fate in fates.items() if not isinstance(fate, ContainerLives)}
    for spec in specs:
        assert again.end_of(spec).exit_code == 137, (again.ended, log.read_bytes()[-100:])
    it.close()
    loop.close()
