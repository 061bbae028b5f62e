"""What an agent says of itself: ``rack:abc;zone:west;level:10;keys:[1000-1500]``.

Attributes are facts, not resources: nothing takes them up, every offer carries them. A value is text, a scalar
(a number on the wire) or ranges (a list of [begin, end] pairs).
"""

from mesos_py.errors import UserError
from mesos_py.types.values import format_value, normal_ranges, parse_value, scalar_from, value_to_wire

__all__ = ["AttributeValue", "Attributes", "attribute_text", "format_attributes", "parse_attributes"]

AttributeValue = str | float | list[list[int]]
Attributes = dict[str, AttributeValue]
"""Attribute name to value, in its wire form."""


def parse_attributes(text: str) -> Attributes:
    """Read the text form. Raises UserError for an attribute without name or value, or given twice."""
    attributes: Attributes = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, colon, value_text = part.partition(":")
        name = name.strip()
        if not colon or not name or not value_text.strip():
            raise UserError(f"attribute {part!r} is not name:value")
        if name in attributes:
            raise UserError(f"attribute {name!r} is given twice")
        value = parse_value(value_text)
        if isinstance(value, frozenset):
            raise UserError(f"attribute {name!r} is a set; only text, numbers and ranges are possible")
        attributes[name] = value if isinstance(value, str) else value_to_wire(value)  # type: ignore[assignment]
    return attributes


def attribute_text(value: AttributeValue) -> str:
    """One value as text, as constraints compare it: numbers to the thousandth."""
    match value:
        case str():
            return value
        case list():
            return format_value(normal_ranges(value))
        case _:
            return ("-" if value < 0 else "") + format_value(scalar_from(abs(value)))


def format_attributes(attributes: Attributes) -> str:
    """The inverse of parse_attributes, names in alphabetical order."""
    return ";".join(f"{name}:{attribute_text(value)}" for name, value in sorted(attributes.items()))
