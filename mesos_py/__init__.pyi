# What type checkers see of the public names; __init__.py loads them on first use.

from mesos_py.driver.framework import (
    Framework as Framework,
)
from mesos_py.errors import (
    ConfigError as ConfigError,
    MesosError as MesosError,
    UserError as UserError,
)
from mesos_py.messages.scheduler import (
    Error as Error,
    ErrorReason as ErrorReason,
    Failure as Failure,
    MessageReceived as MessageReceived,
)
from mesos_py.scheduler.effects import (
    Registered as Registered,
)
from mesos_py.scheduler.toolkit import (
    Constraint as Constraint,
    Launchable as Launchable,
    Packing as Packing,
    Place as Place,
    Placement as Placement,
    Retries as Retries,
    RetryPolicy as RetryPolicy,
    Sightings as Sightings,
    TaskQueue as TaskQueue,
    TaskSpec as TaskSpec,
    best_fit as best_fit,
    command_task as command_task,
    first_fit as first_fit,
    parse_constraint as parse_constraint,
    why_not_here as why_not_here,
)
from mesos_py.types.infos import (
    AttributeConstraint as AttributeConstraint,
    Demand as Demand,
    MasterInfo as MasterInfo,
    OfferFilter as OfferFilter,
    Operator as Operator,
)
from mesos_py.types.offers import (
    Launch as Launch,
    LaunchGroup as LaunchGroup,
    Offer as Offer,
)
from mesos_py.types.resources import (
    Resources as Resources,
)
from mesos_py.types.tasks import (
    CommandInfo as CommandInfo,
    ExecutorInfo as ExecutorInfo,
    HealthCheck as HealthCheck,
    KillPolicy as KillPolicy,
    LIVE as LIVE,
    Reason as Reason,
    Source as Source,
    TERMINAL as TERMINAL,
    TaskInfo as TaskInfo,
    TaskState as TaskState,
    TaskStatus as TaskStatus,
    URI as URI,
)

__version__: str

__all__ = [
    "__version__",
    "Framework",
    "ConfigError",
    "MesosError",
    "UserError",
    "Error",
    "ErrorReason",
    "Failure",
    "MessageReceived",
    "Registered",
    "Constraint",
    "Launchable",
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
    "first_fit",
    "parse_constraint",
    "why_not_here",
    "AttributeConstraint",
    "Demand",
    "MasterInfo",
    "OfferFilter",
    "Operator",
    "Launch",
    "LaunchGroup",
    "Offer",
    "Resources",
    "CommandInfo",
    "ExecutorInfo",
    "HealthCheck",
    "KillPolicy",
    "LIVE",
    "Reason",
    "Source",
    "TERMINAL",
    "TaskInfo",
    "TaskState",
    "TaskStatus",
    "URI",
]
