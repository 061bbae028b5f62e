"""Which nodes are left alone for a while, because tasks fail there that go well elsewhere."""

from collections.abc import Iterable

from msgspec import Struct

from mesos_py.errors import UserError

__all__ = ["Blacklist", "BlacklistPolicy"]


class BlacklistPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a node is bad, and for how long. Raises UserError if it makes no sense."""

    failures: int = 3
    """So many different pieces of work must have failed there ..."""
    within_s: float = 600.0
    """... in so many seconds."""
    for_s: float = 600.0
    """How long the node is left alone then."""
    most: float = 0.5
    """At most this share of the nodes seen is ever left alone: if all are bad, the work is."""

    def __post_init__(self) -> None:
        if self.failures < 1 or not self.within_s > 0 or not self.for_s > 0 or not 0 <= self.most <= 1:
            raise UserError("a blacklist needs at least one failure, times above 0, and a share from 0 to 1")


class Blacklist:
    """Follows failures by node. Only report those that may be the node's fault: not what was killed or lost.

    >>> blacklist = Blacklist(BlacklistPolicy(failures=2))
    >>> blacklist.saw(["good", "bad"])
    >>> blacklist.failed("bad", "job-1", now=1.0), blacklist.failed("bad", "job-2", now=2.0)
    (False, True)
    >>> blacklist.allows("bad", now=3.0), blacklist.allows("bad", now=700.0)
    (False, True)
    """

    def __init__(self, policy: BlacklistPolicy) -> None:
        """One policy for all nodes."""
        self._policy = policy
        self._seen: set[str] = set()
        self._failed_at: dict[str, dict[str, float]] = {}
        self._until: dict[str, float] = {}

    def saw(self, nodes: Iterable[str]) -> None:
        """These are in the cluster."""
        self._seen.update(nodes)

    def failed(self, node: str, work: str, now: float) -> bool:
        """A piece of work failed there; whether the node is left alone because of it, from now on."""
        self._seen.add(node)
        recent = {
            name: at for name, at in self._failed_at.get(node, {}).items() if at > now - self._policy.within_s
        } | {work: now}
        self._failed_at[node] = recent
        if len(recent) < self._policy.failures or node in self.nodes(now):
            return False
        if len(self.nodes(now)) + 1 > self._policy.most * len(self._seen):
            return False
        del self._failed_at[node]
        self._until[node] = now + self._policy.for_s
        return True

    def allows(self, node: str, now: float) -> bool:
        """Whether to launch there."""
        return self._until.get(node, now) <= now

    def nodes(self, now: float) -> list[str]:
        """Those left alone."""
        return [node for node, until in self._until.items() if until > now]

    def next_deadline(self, now: float) -> float | None:
        """When the next of them may be tried again; it has a clean record then."""
        return min((until for until in self._until.values() if until > now), default=None)
