"""Finds allocation policies by name among the installed entry points."""

from importlib.metadata import entry_points

from mesos_py.allocator.base import Allocator, AllocatorConfig, AllocatorFactory
from mesos_py.errors import ConfigError

__all__ = ["make_allocator"]

GROUP = "mesos_py.allocators"


def make_allocator(name: str, config: AllocatorConfig) -> Allocator:
    """The policy of this name. Raises ConfigError with the names there are."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise ConfigError(f"there is no allocator {name!r}; installed are {', '.join(sorted(found))}")
    factory: AllocatorFactory = found[name].load()
    return factory(config)
