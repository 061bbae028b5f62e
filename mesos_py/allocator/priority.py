"""Strict priority between roles: siblings of higher weight first, those of equal weight by dominant share."""

from mesos_py.allocator.base import Allocator, AllocatorConfig
from mesos_py.allocator.hierarchical import HierarchicalAllocator

__all__ = ["priority"]


class _ByWeight:
    """A role is served when no sibling of higher weight wants what there is."""

    def rank(self, weight: float) -> float:
        return -weight

    def lead(self, share: int, rank: float) -> tuple[float, int]:
        return (rank, share)


def priority(config: AllocatorConfig) -> Allocator:
    """Make the policy."""
    return HierarchicalAllocator(config, _ByWeight())
