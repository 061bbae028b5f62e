"""What goes wrong on the command line ends in one line and an exit code, never in a traceback."""

from mesos_py.errors import MesosError

__all__ = ["EXIT_CONFIG", "EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_USAGE", "CliError"]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CONFIG = 78
"""A daemon's configuration cannot be used: to start it again is useless (sysexits.h EX_CONFIG)."""
EXIT_INTERRUPTED = 130


class CliError(MesosError):
    """It cannot be done; the text says why in one line."""
