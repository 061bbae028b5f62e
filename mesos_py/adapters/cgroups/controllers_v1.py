"""Controllers of cgroup v1 that cgroupspy lacks, or of which it lacks some files; written as it writes its own."""

from cgroupspy.controllers import BlkIOController as _BlkIOController
from cgroupspy.controllers import Controller
from cgroupspy.controllers import MemoryController as _MemoryController
from cgroupspy.interfaces import BaseFileInterface, DictFile, FlagFile, IntegerFile

from mesos_py.adapters.cgroups.interfaces import MaxIntegerFile, OperationsFile

__all__ = ["BlkIOController", "FreezerController", "MemoryController", "PidsController"]


class PidsController(Controller):  # type: ignore[misc]
    """Provides access to pids.current, pids.events and pids.max."""

    current = IntegerFile("pids.current", readonly=True)
    events = DictFile("pids.events", readonly=True)
    max = MaxIntegerFile("pids.max")


class FreezerController(Controller):  # type: ignore[misc]
    """Provides access to freezer.parent_freezing, freezer.self_freezing and freezer.state."""

    FROZEN = "FROZEN"
    FREEZING = "FREEZING"
    THAWED = "THAWED"

    parent_freezing = FlagFile("freezer.parent_freezing", readonly=True)
    self_freezing = FlagFile("freezer.self_freezing", readonly=True)
    state = BaseFileInterface("freezer.state")


class MemoryController(_MemoryController):  # type: ignore[misc]
    """Provides access to cgroup.event_control too, and reads memory.oom_control as it is."""

    event_control = BaseFileInterface("cgroup.event_control", writeonly=True)
    oom_control = DictFile("memory.oom_control")


class BlkIOController(_BlkIOController):  # type: ignore[misc]
    """Provides access to blkio.throttle.io_service_bytes and blkio.throttle.io_service_bytes_recursive too."""

    throttle_io_service_bytes = OperationsFile("blkio.throttle.io_service_bytes")
    throttle_io_service_bytes_recursive = OperationsFile("blkio.throttle.io_service_bytes_recursive")
