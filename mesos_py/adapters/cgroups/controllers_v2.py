"""Controllers of cgroup v2, which cgroupspy does not know yet; written as it writes those of v1."""

from cgroupspy.controllers import Controller
from cgroupspy.interfaces import BaseFileInterface, DictFile, FlagFile, IntegerFile, MultiLineIntegerFile

from mesos_py.adapters.cgroups.interfaces import ControllersFile, KeyValuesFile, MaxIntegerFile, QuotaFile

__all__ = ["CoreController", "CpuController", "IOController", "MemoryController", "PidsController"]


class CoreController(Controller):  # type: ignore[misc]
    """What every cgroup has.

    cgroup.controllers
    cgroup.events
    cgroup.freeze
    cgroup.kill
    cgroup.max.depth
    cgroup.max.descendants
    cgroup.procs
    cgroup.stat
    cgroup.subtree_control
    cgroup.threads
    cgroup.type
    """

    controllers = ControllersFile("cgroup.controllers", readonly=True)
    events = DictFile("cgroup.events", readonly=True)
    freeze = FlagFile("cgroup.freeze")
    kill = FlagFile("cgroup.kill", writeonly=True)
    max_depth = MaxIntegerFile("cgroup.max.depth")
    max_descendants = MaxIntegerFile("cgroup.max.descendants")
    stat = DictFile("cgroup.stat", readonly=True)
    subtree_control = ControllersFile("cgroup.subtree_control")
    threads = MultiLineIntegerFile("cgroup.threads")
    type = BaseFileInterface("cgroup.type")


class CpuController(Controller):  # type: ignore[misc]
    """The cpu controller.

    cpu.idle
    cpu.max
    cpu.max.burst
    cpu.stat
    cpu.weight
    cpu.weight.nice
    """

    idle = FlagFile("cpu.idle")
    max = QuotaFile("cpu.max")
    max_burst = IntegerFile("cpu.max.burst")
    stat = DictFile("cpu.stat", readonly=True)
    weight = IntegerFile("cpu.weight")
    weight_nice = IntegerFile("cpu.weight.nice")


class MemoryController(Controller):  # type: ignore[misc]
    """The memory controller.

    memory.current
    memory.events
    memory.events.local
    memory.high
    memory.low
    memory.max
    memory.min
    memory.oom.group
    memory.peak
    memory.stat
    memory.swap.current
    memory.swap.events
    memory.swap.max
    """

    current = IntegerFile("memory.current", readonly=True)
    events = DictFile("memory.events", readonly=True)
    events_local = DictFile("memory.events.local", readonly=True)
    high = MaxIntegerFile("memory.high")
    low = MaxIntegerFile("memory.low")
    max = MaxIntegerFile("memory.max")
    min = MaxIntegerFile("memory.min")
    oom_group = FlagFile("memory.oom.group")
    peak = IntegerFile("memory.peak")
    stat = DictFile("memory.stat", readonly=True)
    swap_current = IntegerFile("memory.swap.current", readonly=True)
    swap_events = DictFile("memory.swap.events", readonly=True)
    swap_max = MaxIntegerFile("memory.swap.max")


class PidsController(Controller):  # type: ignore[misc]
    """The pids controller.

    pids.current
    pids.events
    pids.max
    pids.peak
    """

    current = IntegerFile("pids.current", readonly=True)
    events = DictFile("pids.events", readonly=True)
    max = MaxIntegerFile("pids.max")
    peak = IntegerFile("pids.peak", readonly=True)


class IOController(Controller):  # type: ignore[misc]
    """The io controller.

    io.stat
    io.weight
    """

    stat = KeyValuesFile("io.stat")
    weight = DictFile("io.weight")
