"""The mesos command."""
