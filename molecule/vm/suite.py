"""Runs the tests of isolation in a virtual machine with Debian 12, systemd and a pure cgroup v2 hierarchy."""

import argparse
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vm.command import KVM, Machine, accelerator
from vm.image import PYTHON, cache_directory, find_image, find_packages
from vm.running import Running, free_port, running
from vm.tree import files_of, pack, with_byte_code

__all__ = ["SUITE", "arguments", "run", "suite_of"]

SUITE: Final = (
    "tests/vm/test_guest.py",
    "tests/contracts/test_cgroups*.py",
    "tests/contracts/test_containerizer*.py",
    "tests/integration/test_cgroup*.py",
    "tests/integration/test_isolation*.py",
    "tests/integration/test_containers.py",
)
"""What depends on the kernel's cgroups and on systemd; all of it also runs on hosts with cgroup v1.

What is marked posix is left out: it isolates nothing, and so is the same everywhere."""

_PYTEST: Final = (
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 /opt/venv/bin/python -m pytest -p pytest_timeout -o timeout=600 -vv --durations=8"
)
"""Importing the other plugins takes as long as some of the tests, where the processor is emulated."""

_TREE: Final = Path(__file__).resolve().parents[2]
_BOOT_S: Final = 300.0
_COPY_S: Final = 300.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Those of ``run``; what is left over goes to pytest."""
    parser.add_argument("--cache", type=Path, default=cache_directory(), help="where images are kept (%(default)s)")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for the tests (%(default)s)")
    parser.add_argument("--memory", type=int, default=1536, help="MB of the machine (%(default)s)")


def run(options: argparse.Namespace, words: list[str]) -> int:
    """Exits as pytest does in the guest; 124 if it took too long, 1 if there was no guest."""
    if sys.version_info[:2] != PYTHON:
        wanted = ".".join(map(str, PYTHON))
        _say(f"the guest has Python {wanted} and takes its packages from this environment: make it with python{wanted}")
        return 1
    try:
        return _run(options, words)
    except subprocess.TimeoutExpired as late:
        _say(f"not done within {late.timeout:.0f} s")
        return 124


def suite_of(tree: Path, patterns: Sequence[str] = SUITE) -> list[str]:
    """The files of the suite, relative."""
    return [str(file.relative_to(tree)) for pattern in patterns for file in sorted(tree.glob(pattern))]


def _run(options: argparse.Namespace, words: list[str]) -> int:
    with _phase("image"):
        image = find_image(options.cache)
    with _phase("packages"):
        packages = find_packages(options.cache, Path(sysconfig.get_path("purelib")))
    with tempfile.TemporaryDirectory(prefix="mesos-vm-") as scratch:
        machine = Machine(
            name="vm",
            directory=Path(scratch, "vm"),
            kernel=image.kernel,
            initrd=image.initrd,
            packages=packages,
            ssh_port=free_port(),
            memory_mb=options.memory,
        )
        began = time.monotonic()
        with running(machine, image, _BOOT_S) as guest:
            _say(f"boot ({accelerator().name}): {time.monotonic() - began:.1f} s")
            with _phase("copy"):
                _copy(guest)
            with _phase("tests"):
                return _test(guest, words, options.timeout)


def _copy(guest: Running) -> None:
    with tempfile.TemporaryFile() as packed:
        pack(_TREE, with_byte_code(_TREE, files_of(_TREE)), packed)
        packed.seek(0)
        script = "mount -o ro /dev/vdb /mnt/packages && tar -xzf - -C /srv/mesos_py"
        if code := guest.run(script, stdin=packed, timeout_s=_COPY_S):
            raise subprocess.CalledProcessError(code, "copying the tree into the guest")


def _test(guest: Running, words: list[str], timeout_s: float) -> int:
    chosen = shlex.join(words or [*suite_of(_TREE), "-k", "not posix"])
    patience = 1 if accelerator() == KVM else 10
    script = f"cd /srv/mesos_py && MESOS_TEST_PATIENCE={patience} {_PYTEST} {chosen}"
    return guest.run(script, timeout_s=timeout_s)


@contextmanager
def _phase(name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        _say(f"{name}: {time.monotonic() - began:.1f} s")


def _say(text: str) -> None:
    print(f"vm: {text}", file=sys.stderr, flush=True)
