"""What `mesos celery` is asked to do, checked and in our own types."""

import sys

from msgspec import Struct, field

from mesos_py.frameworks.celery.scaling import Fleet
from mesos_py.types.ids import Role
from mesos_py.types.roles import ANY_ROLE
from mesos_py.types.tasks import URI

__all__ = ["CeleryOptions"]


class CeleryOptions(Struct, frozen=True, kw_only=True):
    """One application, and the fleets of its workers."""

    app: str
    """As for Celery's -A."""
    broker: str
    """URL of the cluster's."""
    fleets: tuple[Fleet, ...]
    """The first may have no queues: it then serves those that the application's workers serve by themselves."""
    name: str = "celery"
    """Of the framework, and the start of each worker's id."""
    role: Role = ANY_ROLE
    workdir: str = "."
    """Absolute: where the application is, here and on agents ..."""
    in_sandbox: bool = False
    """... unless it is fetched into the sandbox there."""
    python: str = sys.executable
    """With Celery and what the application needs, here and on agents."""
    environment: dict[str, str] = field(default_factory=dict)
    """Of the workers, and of whoever looks at the application here."""
    uris: tuple[URI, ...] = ()
    user: str = ""
    worker_options: tuple[str, ...] = ()
    """Passed on to `celery worker`."""
    linger_s: float = 30.0
    """A worker that was not needed for so long is stopped."""
    grace_s: float = 60.0
    """How long a worker may take to end when it is killed, as an operator or a drained agent does."""
    state_file: str = ""
    """To survive a restart: a path, or zk://host:port/path."""
