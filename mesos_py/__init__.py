"""mesos_py: one cluster, shared by many frameworks through resource offers."""

__version__ = "0.1.0"
