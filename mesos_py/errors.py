"""What can go wrong, by whose fault it is.

MesosError
├── PeerError        the other side broke the protocol: drop the message, count it, go on
├── ConfigError      the operator asked for something we cannot do: one clear line, then exit
├── FrameworkEndedError  the master has ended a framework; whoever runs it decides what to do
├── UserError        a caller of the library or the command line asked for something impossible
└── InvariantError   we broke our own rules: stop, dump the story, be restarted
"""

__all__ = ["ConfigError", "FrameworkEndedError", "InvariantError", "MesosError", "PeerError", "UserError"]


class MesosError(Exception):
    """Base of every error that mesos_py raises on purpose."""


class PeerError(MesosError):
    """The other side broke the protocol: drop the message, count it, go on."""


class ConfigError(MesosError):
    """The configuration asks for something that cannot be: say so in one line and exit."""


class FrameworkEndedError(MesosError):
    """The master has ended a framework: another instance took over, its id was removed, or it was refused."""

    def __init__(self, message: str, reason: str) -> None:
        """``reason`` is an ErrorReason, for programs to read."""
        super().__init__(message)
        self.reason = reason


class UserError(MesosError, ValueError):
    """A value given by a user of the library or the command line is wrong; the text says why."""


class InvariantError(MesosError):
    """We broke our own rules: stop, dump the story, let the service manager restart us."""
