"""mesos_py: one cluster, shared by many frameworks through resource offers.

For the author of a framework everything is here: ``from mesos_py import Framework, command_task``. Names are loaded
when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "mesos_py.driver.executor": ("Executor",),
    "mesos_py.driver.framework": ("Framework",),
    "mesos_py.errors": ("ConfigError", "FrameworkEndedError", "MesosError", "UserError"),
    "mesos_py.messages.scheduler": (
        "AgentReturned",
        "Error",
        "ErrorReason",
        "Failure",
        "FailureReason",
        "MessageReceived",
    ),
    "mesos_py.scheduler.effects": ("Registered",),
    "mesos_py.scheduler.toolkit": (
        "Blacklist",
        "BlacklistPolicy",
        "Constraint",
        "Delay",
        "DelayPolicy",
        "DemandStatement",
        "Launchable",
        "Ledger",
        "Locality",
        "Packing",
        "Place",
        "Placement",
        "Retries",
        "RetryPolicy",
        "Sightings",
        "TaskQueue",
        "TaskSpec",
        "best_fit",
        "command_task",
        "delay_fit",
        "first_fit",
        "parse_constraint",
        "spread",
        "why_not_here",
    ),
    "mesos_py.types.host": ("RLimit", "Volume", "VolumeMode"),
    "mesos_py.types.infos": ("AttributeConstraint", "Demand", "MasterInfo", "OfferFilter", "Operator"),
    "mesos_py.types.offers": ("Launch", "LaunchGroup", "Offer"),
    "mesos_py.types.resources": ("Resources",),
    "mesos_py.types.tasks": (
        "LIVE",
        "TERMINAL",
        "URI",
        "CommandInfo",
        "ExecutorInfo",
        "HealthCheck",
        "KillPolicy",
        "Reason",
        "Source",
        "TaskInfo",
        "TaskState",
        "TaskStatus",
    ),
}
"""Module to the names that come from it; ``__init__.pyi`` says the same to type checkers."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604 - a table of names


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
