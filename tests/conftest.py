"""Fixtures for all tests."""

from tests.support.rabbitmq import rabbitmq as rabbitmq
