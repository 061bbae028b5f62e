"""Sees that what is used leaves no descriptor open."""

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from typing import Final

from tests.support.patience import PATIENCE

__all__ = ["none_left_open"]

_PATIENCE_S: Final = 10.0 * PATIENCE
"""Other tests' threads may open one for a moment."""


def _open() -> dict[str, str]:
    files = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            files[number] = os.readlink(f"/proc/self/fd/{number}")
    return files


@contextlib.contextmanager
def none_left_open() -> Iterator[None]:
    """After what is done in the ``with`` block no more are open than before, or AssertionError says which are.

    What only the collector would close counts as open.
    """
    gc.collect()  # what earlier tests left to the collector is not ours
    before = _open()
    yield
    deadline = time.monotonic() + _PATIENCE_S
    while len(after := _open()) > len(before):
        threads = sorted(thread.name for thread in threading.enumerate())
        new = sorted(set(after.items()) - set(before.items()))
        assert time.monotonic() < deadline, f"descriptors are left open: {new}; threads that run: {threads}"
