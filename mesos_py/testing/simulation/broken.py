"""What a simulation fails with."""

__all__ = ["PromiseError"]


class PromiseError(AssertionError):
    """A promise is broken; the message says how."""

    def __init__(self, promise: str, message: str) -> None:
        """``promise`` names it: a number of ARCHITECTURE's list and a few words."""
        super().__init__(f"{promise}: {message}")
        self.promise = promise
