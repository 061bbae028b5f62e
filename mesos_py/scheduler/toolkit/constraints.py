"""Where tasks may go, in the words that Marathon's users know: ``rack:LIKE:r[12]``, ``@hostname:UNIQUE``.

======================  ===============================================================================
``field:UNIQUE``        no two tasks with the same value
``field:CLUSTER:a``     only where the value is ``a``; without ``a``: all tasks with one value
``field:GROUP_BY:3``    as evenly as possible over the values, of which there are at least 3 (default 1)
``field:LIKE:regex``    only where the whole value matches (RE2 syntax)
``field:UNLIKE:regex``  only where it does not, or there is none
``field:MAX_PER:2``     at most 2 tasks with the same value
``field:IS:text``       only where the value is exactly this
======================  ===============================================================================

A field is an attribute of the agent, or ``@hostname``. "Tasks" are those placed so far that are counted together,
such as the instances of one application.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import re2
from msgspec import Struct, field

from mesos_py.errors import UserError
from mesos_py.types.attributes import Attributes, attribute_text
from mesos_py.types.offers import Offer

__all__ = ["Constraint", "ConstraintOperator", "Place", "parse_constraint"]


class Place(Struct, frozen=True, kw_only=True, gc=False):
    """Where a task was placed, as far as constraints care."""

    hostname: str
    attributes: Attributes = field(default_factory=dict)

    @classmethod
    def of(cls, offer: Offer) -> "Place":
        """Where a task on this offer runs."""
        return cls(hostname=offer.hostname, attributes=offer.attributes)


class ConstraintOperator(StrEnum):
    """How a constraint judges."""

    UNIQUE = "UNIQUE"
    CLUSTER = "CLUSTER"
    GROUP_BY = "GROUP_BY"
    LIKE = "LIKE"
    UNLIKE = "UNLIKE"
    MAX_PER = "MAX_PER"
    IS = "IS"


_NUMBERED: Final = (ConstraintOperator.GROUP_BY, ConstraintOperator.MAX_PER)
_TEXTUAL: Final = (ConstraintOperator.LIKE, ConstraintOperator.UNLIKE, ConstraintOperator.IS)


class Constraint(Struct, frozen=True, kw_only=True, gc=False):
    """One condition on places; made by :func:`parse_constraint`."""

    field: str
    operator: ConstraintOperator
    value: str = ""

    def allows(self, place: Place | Offer, placed: Sequence[Place] = ()) -> bool:
        """Whether one more task may go to ``place`` when the others are ``placed``."""
        here = self.value_at(place)
        if here is None:
            return self.operator is ConstraintOperator.UNLIKE
        match self.operator:
            case ConstraintOperator.LIKE:
                return bool(_pattern(self.value).fullmatch(here))
            case ConstraintOperator.UNLIKE:
                return not _pattern(self.value).fullmatch(here)
            case ConstraintOperator.IS:
                return here == self.value
            case _:
                return self._allows_among(here, self.counts(placed))

    def counts(self, placed: Iterable[Place]) -> Mapping[str, int]:
        """How many tasks there are with each value."""
        values = (self.value_at(place) for place in placed)
        return Counter(value for value in values if value is not None)

    def value_at(self, place: Place | Offer) -> str | None:
        """The field's value there as text, or None."""
        if self.field == "@hostname":
            return place.hostname
        value = place.attributes.get(self.field)
        return None if value is None else attribute_text(value)

    @property
    def looks_around(self) -> bool:
        """Whether it matters where the others are."""
        return self.operator not in _TEXTUAL

    def __str__(self) -> str:
        return ":".join(filter(None, (self.field, self.operator, self.value)))

    def _allows_among(self, here: str, counts: Mapping[str, int]) -> bool:
        match self.operator:
            case ConstraintOperator.UNIQUE:
                return here not in counts
            case ConstraintOperator.MAX_PER:
                return counts.get(here, 0) < int(self.value)
            case ConstraintOperator.GROUP_BY:
                expected = int(self.value or 1)
                # A value nobody was placed at yet counts as the emptiest group.
                smallest = min(counts.values(), default=0) if len(counts) >= expected else 0
                return counts.get(here, 0) <= smallest
            case _:  # CLUSTER
                return (not self.value or here == self.value) and all(value == here for value in counts)


def parse_constraint(text: str) -> Constraint:
    """Read ``field:OPERATOR`` or ``field:OPERATOR:value``; raises UserError, which says what is wrong.

    >>> parse_constraint("rack:LIKE:r[12]").allows(Place(hostname="h", attributes={"rack": "r1"}))
    True
    """
    name, _, rest = text.partition(":")
    word, _, value = rest.partition(":")
    name = name.strip()
    if not name or not word:
        raise UserError(f"constraint {text!r} is not field:OPERATOR or field:OPERATOR:value")
    try:
        operator = ConstraintOperator(word.strip().upper())
    except ValueError:
        raise UserError(f"constraint {text!r}: {word!r} is none of {', '.join(ConstraintOperator)}") from None
    if name == "hostname":
        name = "@hostname"
    _check_value(text, operator, value)
    return Constraint(field=name, operator=operator, value=value)


def _check_value(text: str, operator: ConstraintOperator, value: str) -> None:
    if operator in _TEXTUAL and not value:
        raise UserError(f"constraint {text!r}: {operator} needs a value")
    if operator is ConstraintOperator.UNIQUE and value:
        raise UserError(f"constraint {text!r}: UNIQUE takes no value")
    if operator is ConstraintOperator.MAX_PER and not value:
        raise UserError(f"constraint {text!r}: MAX_PER needs a number")
    if operator in _NUMBERED and value and not (value.isascii() and value.isdigit() and 1 <= int(value) <= 10**9):
        raise UserError(f"constraint {text!r}: {value!r} is not a whole number from 1 up")
    if operator in (ConstraintOperator.LIKE, ConstraintOperator.UNLIKE):
        try:
            _pattern(value)
        except re2.error as error:
            raise UserError(f"constraint {text!r}: {value!r} is not a regular expression: {error}") from None


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)


_pattern: Callable[[str], Any] = _compiled
