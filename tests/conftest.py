"""Fixtures for all tests."""

from tests.support.containers import containers
from tests.support.rabbitmq import rabbitmq
from tests.support.zookeeper import zookeeper

__all__ = ["containers", "rabbitmq", "zookeeper"]
