# What type checkers see of the public names; __init__.py loads them on first use.

from mesos_py.driver.executor import (
    Executor,
)
from mesos_py.driver.framework import (
    Framework,
)
from mesos_py.errors import (
    ConfigError,
    FrameworkEndedError,
    MesosError,
    UserError,
)
from mesos_py.messages.scheduler import (
    AgentReturned,
    Error,
    ErrorReason,
    Failure,
    FailureReason,
    MessageReceived,
)
from mesos_py.scheduler.effects import (
    Registered,
)
from mesos_py.scheduler.toolkit import (
    Constraint,
    DemandStatement,
    Launchable,
    Ledger,
    Packing,
    Place,
    Placement,
    Retries,
    RetryPolicy,
    Sightings,
    TaskQueue,
    TaskSpec,
    best_fit,
    command_task,
    first_fit,
    parse_constraint,
    why_not_here,
)
from mesos_py.types.host import (
    RLimit,
    Volume,
    VolumeMode,
)
from mesos_py.types.infos import (
    AttributeConstraint,
    Demand,
    MasterInfo,
    OfferFilter,
    Operator,
)
from mesos_py.types.offers import (
    Launch,
    LaunchGroup,
    Offer,
)
from mesos_py.types.resources import (
    Resources,
)
from mesos_py.types.tasks import (
    LIVE,
    TERMINAL,
    URI,
    CommandInfo,
    ExecutorInfo,
    HealthCheck,
    KillPolicy,
    Reason,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)

__version__: str

__all__ = [
    "LIVE",
    "TERMINAL",
    "URI",
    "AgentReturned",
    "AttributeConstraint",
    "CommandInfo",
    "ConfigError",
    "Constraint",
    "Demand",
    "DemandStatement",
    "Error",
    "ErrorReason",
    "Executor",
    "ExecutorInfo",
    "Failure",
    "FailureReason",
    "Framework",
    "FrameworkEndedError",
    "HealthCheck",
    "KillPolicy",
    "Launch",
    "LaunchGroup",
    "Launchable",
    "Ledger",
    "MasterInfo",
    "MesosError",
    "MessageReceived",
    "Offer",
    "OfferFilter",
    "Operator",
    "Packing",
    "Place",
    "Placement",
    "RLimit",
    "Reason",
    "Registered",
    "Resources",
    "Retries",
    "RetryPolicy",
    "Sightings",
    "Source",
    "TaskInfo",
    "TaskQueue",
    "TaskSpec",
    "TaskState",
    "TaskStatus",
    "UserError",
    "Volume",
    "VolumeMode",
    "__version__",
    "best_fit",
    "command_task",
    "first_fit",
    "parse_constraint",
    "why_not_here",
]
