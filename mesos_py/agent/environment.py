"""What a command is started with.

Besides the agent's base environment and the command's own, every command finds:

========================  ====================================================================
``MESOS_FRAMEWORK_ID``    its framework
``MESOS_AGENT_ID``        the agent it runs on
``MESOS_SANDBOX``         its directory (which is also its working directory)
``MESOS_DIRECTORY``       the same, under the name that older programs expect
``MESOS_ROLE``            the role whose share it uses
``MESOS_TASK_ID``         its task id (command tasks only)
``MESOS_EXECUTOR_ID``     its executor id (custom executors only)
``PORT0``, ``PORT1`` ...  the ports among a task's resources, in order, at most 128 (command tasks only)
``PORTS``                 the same, separated by commas
========================  ====================================================================
"""

from collections.abc import Iterable
from itertools import islice

from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo

__all__ = ["MAX_NAMED_PORTS", "argv_of", "port_variables"]

MAX_NAMED_PORTS = 128


def argv_of(command: CommandInfo) -> list[str]:
    """The argument vector: as given, or a shell for a shell line."""
    return command.argv or ["/bin/sh", "-c", command.value]


def port_variables(resources: Resources) -> dict[str, str]:
    """PORT0, PORT1, ... and PORTS; nothing for a task without ports."""
    if not any(key.startswith("ports") for key, _ in resources.items()):
        return {}
    ports = [str(port) for port in islice(_each(resources.ports), MAX_NAMED_PORTS)]
    return {f"PORT{n}": port for n, port in enumerate(ports)} | {"PORTS": ",".join(ports)}


def _each(ranges: Iterable[tuple[int, int]]) -> Iterable[int]:
    return (port for begin, end in ranges for port in range(begin, end + 1))
