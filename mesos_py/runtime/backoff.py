"""How long to wait before trying again, as arithmetic."""

__all__ = ["delay"]


def delay(attempt: int, *, first: float, cap: float, factor: float = 2.0, jitter: float = 0.0) -> float:
    """Seconds to wait before attempt number ``attempt`` + 1 (the first attempt is 1): first, doubled, ..., cap.

    ``jitter`` in [0, 1) shortens the wait by that fraction; whoever has a source of randomness supplies it.
    Raises ValueError for an attempt below 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    growth = min(attempt - 1, 64)
    return min(cap, first * factor**growth) * (1.0 - jitter)
