"""Every node that we keep in ZooKeeper, made here and nowhere else.

::

    /mesos                      as configured
      masters/                  the contenders; the one with the lowest number leads
        m-<guid>-0000000007     ephemeral: where its HTTP API and its lifeline are
      epoch                     of the newest leader; its version is what every write of a leader is checked against
      registry/
        000 ... 255             agents, spread over buckets by their id
        roles ...               a document each: what is not about one agent
"""

import zlib
from typing import Final

__all__ = ["BUCKETS", "Paths", "bucket_of", "guid_of", "number_of"]

BUCKETS: Final = [f"{number:03}" for number in range(256)]
"""So many that a bucket of 50,000 agents, and what is remembered of lost ones, is far below ZooKeeper's 1 MB."""


class Paths:
    """The nodes below one base."""

    def __init__(self, base: str) -> None:
        """``base`` is an absolute path without a slash at its end."""
        self.masters = f"{base}/masters"
        self.epoch = f"{base}/epoch"
        self.registry = f"{base}/registry"

    def contender(self, guid: str) -> str:
        """What to create, as a sequence, for a contender."""
        return f"{self.masters}/m-{guid}-"

    def master(self, name: str) -> str:
        """A contender's node."""
        return f"{self.masters}/{name}"

    def kept(self, name: str) -> str:
        """A bucket or document of the registry."""
        return f"{self.registry}/{name}"


def guid_of(name: str) -> str:
    """Whose node this is."""
    return name[2:-11]


def number_of(name: str) -> int:
    """Where in the line a contender stands; -1 for what is none."""
    digits = name[-10:]
    return int(digits) if name.startswith("m-") and digits.isdecimal() else -1


def bucket_of(agent_id: str) -> str:
    """The bucket of an agent."""
    return BUCKETS[zlib.crc32(agent_id.encode()) % len(BUCKETS)]
