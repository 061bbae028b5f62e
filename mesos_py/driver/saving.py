"""What an author keeps for the next process of the framework, beside its id."""

from typing import TypeVar

from mesos_py.driver.state_file import StateFile
from mesos_py.errors import UserError
from mesos_py.types.ids import FrameworkID

__all__ = ["Saving"]

T = TypeVar("T")


class Saving:
    """The part of a framework that saves; whoever inherits sees to it that what was saved is written."""

    def __init__(self, state_file: StateFile | None) -> None:
        """Without a ``state_file`` nothing can be saved."""
        self._state_file = state_file

    def _have_saved(self) -> None:
        raise NotImplementedError

    def _kept_id(self) -> FrameworkID | None:
        return self._state_file.read() if self._state_file is not None else None

    def _keep(self, framework_id: FrameworkID) -> None:
        if self._state_file is not None:
            self._state_file.keep(framework_id)

    def _flush(self) -> None:
        if self._state_file is not None:
            self._state_file.flush()

    def _let_go(self, *, for_good: bool) -> None:
        if self._state_file is not None:
            if for_good:
                self._state_file.forget()
            self._state_file.close()

    def saved(self, kind: type[T]) -> T | None:
        """What an earlier process saved last in the ``state_file``, as a ``kind`` (anything that msgspec knows).

        Raises:
            ConfigError: The state file cannot be read, or holds something else.
            UserError: There is no state file.
        """
        return self._own_state_file().saved(kind)

    def save(self, value: object) -> None:
        """Keep this (anything that msgspec can put as JSON) in the ``state_file``, in place of what was saved before.

        It is written once at the end of the callback, before what the callback asks for is sent: a launch, or the
        acknowledgement of an update. From another thread, give what nobody changes any more, and ask for things after.
        If it cannot be written, the framework ends with ConfigError.
        """
        self._own_state_file().save(value)
        self._have_saved()

    def _own_state_file(self) -> StateFile:
        if self._state_file is None:
            raise UserError("nothing can be saved without a state_file")
        return self._state_file
