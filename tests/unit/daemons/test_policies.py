"""Allocation policies are found by name."""

import pytest

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.daemons.policies import make_allocator
from mesos_py.errors import ConfigError


@pytest.mark.parametrize("name", ["drf", "priority"])
def test_the_installed_policies_are_found(name):
    allocator = make_allocator(name, AllocatorConfig())
    assert allocator.shares() == []
    allocator.check()


def test_an_unknown_policy_is_told_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no allocator 'drv'; installed are drf, priority"):
        make_allocator("drv", AllocatorConfig())
