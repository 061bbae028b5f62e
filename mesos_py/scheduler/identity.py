"""Who we are to the master: an id that we came with or were given, until it is used up."""

from mesos_py.types.ids import FrameworkID

__all__ = ["Identity"]


class Identity:
    """One run's ids, one after the other."""

    def __init__(self, framework_id: FrameworkID | None) -> None:
        """``framework_id`` is an earlier run's."""
        self.framework_id = framework_id
        self.is_confirmed = False
        """A master gave it to us, or took it from us, in this run."""
        self.is_heir = framework_id is not None
        """There may be tasks of an earlier run, of which we know nothing."""
        self.replaces: FrameworkID | None = None
        """The id before, which the master has removed; until the user has been told."""

    def is_another(self, framework_id: FrameworkID | None) -> bool:
        """True if something is said of an id that is not ours (any more)."""
        return framework_id not in (None, self.framework_id)

    def granted(self, framework_id: FrameworkID) -> bool:
        """A master calls us so; True if that is no news."""
        again = framework_id == self.framework_id
        self.framework_id, self.is_confirmed = framework_id, True
        return again

    def removed(self) -> None:
        """The id is used up, with all its tasks."""
        self.replaces, self.framework_id = self.framework_id, None
        self.is_confirmed = self.is_heir = False
