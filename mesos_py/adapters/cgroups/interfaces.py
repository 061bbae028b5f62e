"""What the files of cgroups hold, where cgroupspy has no interface for it yet; written as it writes its own."""

from collections.abc import Iterable
from typing import Any, Final

from cgroupspy.interfaces import BaseFileInterface

# ruff: noqa: D102  (a class says what its file holds)

__all__ = ["ControllersFile", "KeyValuesFile", "MaxIntegerFile", "OperationsFile", "QuotaFile"]

_MAX: Final = "max"


def _number(word: str) -> int | None:
    return None if word == _MAX else int(word)


def _word(number: int | None) -> str:
    return _MAX if number is None else str(int(number))


class _File(BaseFileInterface):  # type: ignore[misc]
    """Tells the type checker that these are descriptors: cgroupspy has no types."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        return super().__get__(instance, owner)

    def __set__(self, instance: Any, value: Any) -> None:
        super().__set__(instance, value)


class MaxIntegerFile(_File):
    """One integer; None stands for ``max``, which is no limit."""

    def sanitize_get(self, value: str) -> int | None:
        return _number(value.strip())

    def sanitize_set(self, value: int | None) -> str:
        return _word(value)


class QuotaFile(_File):
    """A quota and its period, ``max 100000``; (None, 100000) in Python. The quota alone may be set."""

    def sanitize_get(self, value: str) -> tuple[int | None, int]:
        quota, period = value.split()
        return _number(quota), int(period)

    def sanitize_set(self, value: tuple[int | None, int] | int | None) -> str:
        if isinstance(value, tuple):
            quota, period = value
            return f"{_word(quota)} {int(period)}"
        return _word(value)


class KeyValuesFile(_File):
    """Lines like ``8:0 rbytes=4096 wbytes=0``; {'8:0': {'rbytes': 4096, 'wbytes': 0}} in Python."""

    readonly = True

    def sanitize_get(self, value: str) -> dict[str, dict[str, int]]:
        result: dict[str, dict[str, int]] = {}
        for line in value.splitlines():
            key, *pairs = line.split()
            split = (pair.partition("=") for pair in pairs)
            result[key] = {name: int(number) for name, equals, number in split if equals and number.isdigit()}
        return result


class OperationsFile(_File):
    """Lines like ``8:0 Read 4096`` and a total; {'8:0': {'Read': 4096}} in Python, without the total."""

    readonly = True

    def sanitize_get(self, value: str) -> dict[str, dict[str, int]]:
        result: dict[str, dict[str, int]] = {}
        for line in value.splitlines():
            words = line.split()
            if len(words) == 3:
                device, operation, number = words
                result.setdefault(device, {})[operation] = int(number)
        return result


class ControllersFile(_File):
    """Names of controllers; set with an iterable of changes such as ``+cpu`` and ``-io``."""

    def sanitize_get(self, value: str) -> list[str]:
        return value.split()

    def sanitize_set(self, value: Iterable[str]) -> str:
        return " ".join(value)
