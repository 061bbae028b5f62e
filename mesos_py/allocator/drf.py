"""The default policy: roles share by dominant resource fairness, in proportion to their weights."""

from fractions import Fraction

from mesos_py.allocator.base import Allocator, AllocatorConfig
from mesos_py.allocator.hierarchical import HierarchicalAllocator

__all__ = ["drf"]

_PRECISION_BITS = 40
"""Of a weighted share beyond that of the share, which is exact: weights such as 3 do not divide it."""


class _ByWeightedShare:
    """A role of weight 2 is served before its sibling of weight 1 until it has twice as much."""

    def rank(self, weight: float) -> tuple[int, int]:
        return Fraction(str(weight)).as_integer_ratio()

    def lead(self, share: int, rank: tuple[int, int]) -> int:
        numerator, denominator = rank
        return (share * denominator << _PRECISION_BITS) // numerator


def drf(config: AllocatorConfig) -> Allocator:
    """Make the policy."""
    return HierarchicalAllocator(config, _ByWeightedShare())
