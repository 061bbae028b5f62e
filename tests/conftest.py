"""Fixtures for all tests."""

from tests.support.command import mesos
from tests.support.containers import containers
from tests.support.rabbitmq import rabbitmq
from tests.support.zookeeper import zookeeper

__all__ = ["containers", "mesos", "rabbitmq", "zookeeper"]
