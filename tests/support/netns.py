"""A network namespace for tests: a host of its own on this machine, whose cable can be pulled.

It has an address on a link to us and nothing else, lives as long as the process that holds it, and leaves nothing
behind even if the tests are killed.
"""

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator


class NetworkNamespace:
    """``ours`` and ``theirs`` are the addresses at the two ends of the link."""

    def __init__(self) -> None:
        """Make it. Needs root."""
        block = random.Random(os.urandom(8)).randrange(2**15)  # of four addresses in 198.18.0.0/15, meant for tests
        second, rest = 18 + block // 2**14, block % 2**14 * 4
        self.ours, self.theirs = (f"198.{second}.{rest // 256}.{rest % 256 + host}" for host in (1, 2))
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", "echo made; exec sleep infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"made\n"
        self._link = f"mesos{self._holder.pid}"
        _run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        _run("ip", "address", "add", f"{self.ours}/30", "dev", self._link)
        _run("ip", "link", "set", self._link, "up")
        for words in (f"address add {self.theirs}/30 dev eth0", "link set eth0 up", "link set lo up"):
            _run(*self.prefix, "ip", *words.split())

    @property
    def prefix(self) -> list[str]:
        """Before a command, to run it there; the process stays the same, and what is mounted."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]

    def cut(self) -> None:
        """Pull the cable: what is sent is lost, and nobody is told."""
        _run("ip", "link", "set", self._link, "down")

    def heal(self) -> None:
        _run("ip", "link", "set", self._link, "up")

    def close(self) -> None:
        """It ends with the last process in it."""
        self._holder.kill()
        self._holder.wait()
        subprocess.run(["ip", "link", "delete", self._link], check=False, capture_output=True)


def _run(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


@contextlib.contextmanager
def network_namespace() -> Iterator[NetworkNamespace]:
    namespace = NetworkNamespace()
    try:
        yield namespace
    finally:
        namespace.close()
