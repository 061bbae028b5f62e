"""Fixtures for all tests."""

from tests.support.rabbitmq import rabbitmq

__all__ = ["rabbitmq"]
