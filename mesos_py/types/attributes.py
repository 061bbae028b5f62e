"""What an agent says of itself: ``rack:abc;zone:west;level:10;keys:[1000-1500]``.

Attributes are facts, not resources: nothing takes them up, every offer carries them. A value is text, a scalar
(a number on the wire) or ranges (a list of [begin, end] pairs).
"""

from mesos_py.errors import UserError
from mesos_py.types.values import (
    MAX_PIECES,
    format_value,
    normal_ranges,
    parse_value,
    scalar_to_number,
    signed_scalar_from,
)

__all__ = [
    "MAX_ATTRIBUTES",
    "AttributeValue",
    "Attributes",
    "attribute_text",
    "format_attributes",
    "parse_attributes",
    "why_not_attributes",
]

AttributeValue = str | float | list[list[int]]
Attributes = dict[str, AttributeValue]
"""Attribute name to value, in its wire form."""

MAX_ATTRIBUTES = 256
_MAX_TEXT = 1024


def parse_attributes(text: str) -> Attributes:
    """Read the text form. Raises UserError for an attribute without name or value, or given twice."""
    attributes: Attributes = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, colon, value_text = (piece.strip() for piece in part.partition(":"))
        if not colon or not name or not value_text:
            raise UserError(f"attribute {part!r} is not name:value")
        if name in attributes:
            raise UserError(f"attribute {name!r} is given twice")
        match parse_value(value_text):
            case frozenset():
                raise UserError(f"attribute {name!r} is a set; only text, numbers and ranges are possible")
            case tuple(ranges):
                attributes[name] = [[begin, end] for begin, end in ranges]
            case int(thousandths):
                attributes[name] = scalar_to_number(thousandths)
            case str(plain):
                attributes[name] = plain
    if why := why_not_attributes(attributes):
        raise UserError(why)
    return attributes


def why_not_attributes(attributes: Attributes) -> str | None:
    """Why what an agent sent cannot be its attributes, or None."""
    if len(attributes) > MAX_ATTRIBUTES:
        return f"{len(attributes)} attributes are more than the {MAX_ATTRIBUTES} there can be"
    for name, value in attributes.items():
        if not name or not name.isprintable() or any(c in ":;" for c in name) or len(name) > _MAX_TEXT:
            return f"{name!r:.100} is not an attribute name"
        if isinstance(value, (str, list)) and len(value) > (_MAX_TEXT if isinstance(value, str) else MAX_PIECES):
            return f"attribute {name!r:.100} is too long"
        try:
            _format(value)
        except UserError as error:
            return f"attribute {name!r:.100}: {error}"
    return None


def attribute_text(value: AttributeValue) -> str:
    """One value as text, as constraints compare it: numbers to the thousandth.

    Answers for every value, also one that why_not_attributes refuses.
    """
    try:
        return _format(value)
    except UserError:
        return str(value)


def _format(value: AttributeValue) -> str:
    match value:
        case str():
            return value
        case list():
            return format_value(normal_ranges(value))
        case _:
            return format_value(signed_scalar_from(value))


def format_attributes(attributes: Attributes) -> str:
    """The inverse of parse_attributes, names in alphabetical order."""
    return ";".join(f"{name}:{attribute_text(value)}" for name, value in sorted(attributes.items()))
