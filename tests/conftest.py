"""Fixtures for all tests, and how Hypothesis tries."""

from hypothesis import HealthCheck, settings

from tests.support.command import mesos
from tests.support.containers import containers
from tests.support.rabbitmq import rabbitmq
from tests.support.zookeeper import zookeeper

__all__ = ["containers", "mesos", "rabbitmq", "zookeeper"]

# Nothing is timed: other work on the machine counts, too. What is printed of a failure is enough to replay it.
settings.register_profile("mesos_py", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("mesos_py")
