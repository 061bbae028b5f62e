"""How long the sandboxes of ended tasks and executors are kept: the shorter, the fuller their disk is."""

__all__ = ["allowed_age"]


def allowed_age(delay_s: float, headroom: float, used: float) -> float:
    """The age in seconds above which a sandbox is removed, as in Mesos (``src/slave/slave.cpp``, ``age``).

    ``headroom`` is the part of the disk that shall stay free, ``used`` the part that is taken; both from 0 to 1.

    >>> allowed_age(604_800.0, 0.1, 0.4)
    302400.0
    """
    return delay_s * max(0.0, 1.0 - headroom - used)
