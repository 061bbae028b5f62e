"""What a role is sure of, and what it may not exceed."""

from msgspec import Struct

__all__ = ["Quota"]


class Quota(Struct, frozen=True, omit_defaults=True, gc=False):
    """Of a role with all roles below it; thousandths of scalar resources by name, reserved and unreserved together."""

    guarantee: dict[str, int] = {}
    """It can have that much whenever it wants; 0 where nothing is said."""
    limit: dict[str, int] = {}
    """It is never given more; without end where nothing is said."""

    def __bool__(self) -> bool:
        """True if anything is said."""
        return bool(self.guarantee or self.limit)
