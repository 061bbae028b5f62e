"""Writes what of the protocol's documentation can be made from the message types.

``python docs/protocol.py`` writes docs/protocol.schema.json and the reference at the end of docs/protocol.md;
with ``--check`` it writes nothing and fails if one of them is stale.
"""

import inspect
import json
import sys
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

import msgspec
from protocol_examples import EXAMPLES

from mesos_py.messages.codec import to_builtins
from mesos_py.messages.schema import FAMILIES, default_of, definitions, field_docs, protocol_schema
from mesos_py.types.resources import Resources

HERE = Path(__file__).parent
BEGIN = "<!-- From here on made by docs/protocol.py. Do not edit. -->\n"

WIDTH = 110
MESSAGES = {type(message) for examples in EXAMPLES.values() for message in examples}

HEADINGS = {
    "SchedulerCall": "Calls: scheduler to master",
    "SchedulerEvent": "Events: master to scheduler",
    "FromAgent": "Agent to master",
    "ToAgent": "Master to agent",
    "ExecutorCall": "Executor to agent",
    "ExecutorEvent": "Agent to executor",
}

PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", bytes: "bytes (base64 text in JSON)"}


def type_text(hint: Any) -> str:
    """An annotation in words, with links to what this page describes."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Resources:
        return "[resources](#resources)"
    if isinstance(hint, NewType):
        return str(hint.__name__)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in inner)
    if origin is list:
        return f"list of {type_text(inner[0])}"
    if origin is dict:
        return f"map from {type_text(inner[0])} to {type_text(inner[1])}"
    if origin in (UnionType, Union):
        some = " or ".join(type_text(one) for one in inner if one is not NoneType)
        return f"{some}, or null" if NoneType in inner else some
    if hint in MESSAGES:
        return f"{hint.__struct_config__.tag}, as a message"
    return f"[{hint.__name__}](#{hint.__name__.lower()})"


def prose(text: str) -> str:
    """A docstring as Markdown."""
    return inspect.cleandoc(text).replace("``", "`").replace("|", "\\|")


def fields(cls: type[msgspec.Struct]) -> str:
    """The fields of a Struct as a table."""
    hints, docs = get_type_hints(cls), field_docs(cls)
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(cls):
        default = default_of(field)
        shown = "required" if default is msgspec.NODEFAULT else f"`{json.dumps(default)}`"
        meaning = prose(docs.get(field.name, ""))
        rows.append(f"| `{field.encode_name}` | {type_text(hints[field.name])} | {shown} | {meaning} |")
    if len(rows) == 2:
        return "No fields.\n"
    return "\n".join(row.replace("|  |", "| |") for row in rows) + "\n"


def members(cls: type[Enum]) -> str:
    """The members of an Enum as a table."""
    docs = field_docs(cls)
    rows = [f"| `{member.value}` | {prose(docs.get(member.name, ''))} |".replace("|  |", "| |") for member in cls]
    return "\n".join(["| value | meaning |", "|---|---|", *rows]) + "\n"


def pretty(value: Any, indent: int = 0) -> str:
    """JSON that breaks lines only where it must."""
    line = json.dumps(value)
    if indent + len(line) <= WIDTH or not isinstance(value, (dict, list)):
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        inner = [f"{json.dumps(name)}: {pretty(item, indent + 2)}" for name, item in value.items()]
    else:
        inner = [pretty(item, indent + 2) for item in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"{begin}\n{pad}" + f",\n{pad}".join(inner) + f"\n{' ' * indent}{end}"


def message_text(message: Any) -> str:
    """One message: what it is for, its fields, an example."""
    cls = type(message)
    tag = cls.__struct_config__.tag
    example = pretty(to_builtins(message))
    return f"#### {tag}\n\n{prose(cls.__doc__ or '')}\n\n{fields(cls)}\n```json\n{example}\n```\n"


def reference() -> str:
    """Every message, then every type that is used in one."""
    parts = ["## 11. Reference\n"]
    for number, (family, examples) in enumerate(EXAMPLES.items(), 1):
        assert [type(message) for message in examples] == list(get_args(FAMILIES[family])), family
        parts.append(f"### 11.{number} {HEADINGS[family]}\n")
        parts += [message_text(message) for message in examples]
    parts.append("### 11.7 Types\n")
    for name, cls in sorted(definitions().items()):
        if cls not in MESSAGES:
            table = members(cls) if issubclass(cls, Enum) else fields(cls)  # type: ignore[arg-type]
            tag = getattr(getattr(cls, "__struct_config__", None), "tag", None)
            tagged = f"Its `type` is `{tag}`.\n\n" if tag else ""
            parts.append(f"#### {name}\n\n{prose(cls.__doc__ or '')}\n\n{tagged}{table}")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write or check both files."""
    page = HERE / "protocol.md"
    by_hand = page.read_text().partition(BEGIN)[0]
    made = {
        page: by_hand + BEGIN + "\n" + reference(),
        HERE / "protocol.schema.json": json.dumps(protocol_schema(), indent=1) + "\n",
    }
    stale = [file for file, text in made.items() if not file.exists() or file.read_text() != text]
    if "--check" in arguments:
        for file in stale:
            print(f"{file} is stale: run python docs/protocol.py", file=sys.stderr)
        return 1 if stale else 0
    for file in stale:
        file.write_text(made[file])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
