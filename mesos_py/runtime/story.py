"""The last events and effects of a core: what to read when it broke a rule."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Story"]


class Story:
    """Remembers what went through a core, and checks the core after each event if asked to."""

    def __init__(self, check: Callable[[], None] | None = None, length: int = 200) -> None:
        """``check`` is the core's own; given in tests and with ``--paranoid``."""
        self._told: deque[tuple[float, Any, Sequence[Any]]] = deque(maxlen=length)
        self._check = check

    def watch(self, event: Any, effects: Sequence[Any], now: float) -> None:
        """Part of Mailbox: see one event and what it led to."""
        self._told.append((now, event, effects))
        if self._check is not None:
            self._check()

    def text(self) -> str:
        """The story, oldest first."""
        lines = []
        for now, event, effects in self._told:
            lines.append(f"{now:.6f} {event!r}")
            lines.extend(f"    -> {effect!r}" for effect in effects)
        return "\n".join(lines) + "\n"

    def dump(self, path: Path) -> None:
        """Write it to a file that only we may read: it may tell what was told in confidence."""
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(self.text())
