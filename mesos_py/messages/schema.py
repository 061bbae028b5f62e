"""The protocol as JSON Schema, made from the message types: for those who write a framework in another language.

``make protocol`` (``python docs/protocol.py``) writes it to ``docs/protocol.schema.json``.
"""

import ast
import inspect
from enum import Enum
from functools import cache
from textwrap import dedent
from typing import Any, Final

import msgspec

from mesos_py.messages.agent import FromAgent, ToAgent
from mesos_py.messages.codec import encode_hook
from mesos_py.messages.executor import ExecutorCall, ExecutorEvent
from mesos_py.messages.scheduler import Call, Event
from mesos_py.types.resources import Resources

__all__ = ["FAMILIES", "default_of", "definitions", "field_docs", "protocol_schema"]

FAMILIES: Final[dict[str, Any]] = {
    "SchedulerCall": Call,
    "SchedulerEvent": Event,
    "FromAgent": FromAgent,
    "ToAgent": ToAgent,
    "ExecutorCall": ExecutorCall,
    "ExecutorEvent": ExecutorEvent,
}
"""Who says what to whom, by the name it has in the schema."""

_RESOURCES: Final = {
    "title": "Resources",
    "description": (
        "Name, or name(role) for a reserved resource, to value: a number, a list of inclusive [begin, end] ranges, "
        "or a list of strings. mem and disk are in MB. Numbers count to the thousandth."
    ),
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0}}},
            {"type": "array", "items": {"type": "string"}},
        ]
    },
}


@cache
def field_docs(cls: type) -> dict[str, str]:
    """The text below each field of a Struct, or below each member of an Enum."""
    tree = ast.parse(dedent(inspect.getsource(cls)))
    assert isinstance(tree.body[0], ast.ClassDef)
    docs: dict[str, str] = {}
    name = ""
    for node in tree.body[0].body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                pass
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                docs[name] = " ".join(text.split())
                name = ""
            case _:
                name = ""
    return docs


def definitions() -> dict[str, type]:
    """Every Struct and Enum of the protocol by its name."""
    found: dict[str, type] = {}
    for family in FAMILIES.values():
        _collect(msgspec.inspect.type_info(family), found)
    return found


def _collect(kind: Any, found: dict[str, type]) -> None:
    if isinstance(kind, (msgspec.inspect.StructType, msgspec.inspect.EnumType)):
        if kind.cls.__name__ in found:
            return
        found[kind.cls.__name__] = kind.cls
    children = [getattr(kind, name, None) for name in ("item_type", "key_type", "value_type")]
    children += getattr(kind, "types", ())
    children += [field.type for field in getattr(kind, "fields", ())]
    for child in filter(None, children):
        _collect(child, found)


def protocol_schema() -> dict[str, Any]:
    """The schema of a whole body: one message or an array of messages of one family."""
    families, components = msgspec.json.schema_components(
        list(FAMILIES.values()), schema_hook=_schema_of_ours, ref_template="#/$defs/{name}"
    )
    for name, cls in definitions().items():
        _describe(cls, components[name])
    for name, family in zip(FAMILIES, families, strict=True):
        components[name] = {"title": name, "description": f"What is in a body of this kind: {name}.", **family}
    one_of_all = [{"$ref": f"#/$defs/{name}"} for name in FAMILIES]
    arrays = [{"type": "array", "items": one} for one in one_of_all]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mesos_py protocol",
        "description": "A body of any family. For one family, start at #/$defs/ and its name.",
        "anyOf": one_of_all + arrays,
        "$defs": {"Resources": _RESOURCES, **dict(sorted(components.items()))},
    }


def _schema_of_ours(cls: type) -> dict[str, Any]:
    if cls is Resources:
        return {"$ref": "#/$defs/Resources"}
    raise NotImplementedError(f"{cls.__name__} has no schema")


def _describe(cls: type, schema: dict[str, Any]) -> None:
    schema["description"] = inspect.cleandoc(cls.__doc__ or "")
    docs = field_docs(cls)
    if issubclass(cls, Enum):
        schema["description"] += "".join(f"\n{name}: {text}" for name, text in docs.items())
        return
    for name, text in docs.items():
        schema["properties"][name] = {**schema["properties"][name], "description": text}


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """A field's default as it would look on the wire; ``msgspec.NODEFAULT`` if it must be given."""
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory(), enc_hook=encode_hook)
    return msgspec.to_builtins(field.default, enc_hook=encode_hook) if not field.required else msgspec.NODEFAULT
