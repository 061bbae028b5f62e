"""Fixtures for all tests."""

from tests.support.rabbitmq import rabbitmq
from tests.support.zookeeper import zookeeper

__all__ = ["rabbitmq", "zookeeper"]
