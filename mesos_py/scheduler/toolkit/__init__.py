"""What every scheduler needs, so that nobody writes it again. Pure: no clock, no broker, no threads.

- :class:`TaskSpec` and :class:`TaskQueue`: what waits for a place, in which order.
- :func:`first_fit`, :func:`best_fit` and :func:`spread`: waiting specs and offers in, launches and leftovers out.
- :func:`delay_fit` with a :class:`Delay`: the same for tasks that wait a while for a place near their data.
- :class:`Blacklist`: which nodes to leave alone, because too much fails there.
- :class:`Constraint`: where tasks may go, in Marathon's words.
- :func:`why_not_here` and :class:`Sightings`: why something waits, and whether it waits in vain.
- :class:`RetryPolicy` and :class:`Retries`: what is tried again, and when.
- :class:`DemandStatement`: how much is wanted, told whenever that changes.
- :class:`Ledger`: the tasks that the next process of the framework must know of.
"""

from mesos_py.scheduler.toolkit.blacklist import Blacklist, BlacklistPolicy
from mesos_py.scheduler.toolkit.constraints import Constraint, Place, parse_constraint
from mesos_py.scheduler.toolkit.ledger import Ledger
from mesos_py.scheduler.toolkit.locality import Delay, DelayPolicy, Locality
from mesos_py.scheduler.toolkit.packing import (
    Launchable,
    Packing,
    Placement,
    best_fit,
    delay_fit,
    first_fit,
    spread,
)
from mesos_py.scheduler.toolkit.queue import TaskQueue
from mesos_py.scheduler.toolkit.refusals import Sightings, why_not_here
from mesos_py.scheduler.toolkit.retry import Retries, RetryPolicy
from mesos_py.scheduler.toolkit.specs import TaskSpec, command_task
from mesos_py.scheduler.toolkit.wanted import DemandStatement

__all__ = [
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
]
