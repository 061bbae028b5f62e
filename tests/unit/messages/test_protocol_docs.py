"""docs/protocol.md and docs/protocol.schema.json say what the code does."""

import json
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path

import jsonschema
import msgspec
import pytest

from mesos_py.messages import codec
from mesos_py.messages.codec import JSON, Malformed, to_builtins
from mesos_py.messages.schema import FAMILIES, definitions, field_docs, protocol_schema
from mesos_py.types.tasks import LIVE, TERMINAL, TaskInfo, TaskState

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGE = (DOCS / "protocol.md").read_text()
BLOCKS = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CODECS = [
    codec.SCHEDULER_CALLS,
    codec.SCHEDULER_EVENTS,
    codec.AGENT_CALLS,
    codec.AGENT_ORDERS,
    codec.EXECUTOR_CALLS,
    codec.EXECUTOR_EVENTS,
]


def test_what_is_made_from_the_types_is_not_stale():
    done = subprocess.run(
        [sys.executable, DOCS / "protocol.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block.split())[:60])
def test_every_example_can_be_read_and_holds_only_known_fields(block):
    readings = [reader.decode(block.encode(), JSON) for reader in CODECS]
    good = [messages for messages in readings if not any(isinstance(one, Malformed) for one in messages)]
    assert good, readings
    shown = json.loads(block)
    shown = shown if isinstance(shown, list) else [shown]
    assert any(_holds(to_builtins(messages), shown) for messages in good), "a field is unknown or has another value"


def _holds(read, shown) -> bool:
    """Whether everything shown was read; defaults may be shown and are not written again."""
    if isinstance(shown, dict):
        return isinstance(read, dict) and all(name in read and _holds(read[name], shown[name]) for name in shown)
    if isinstance(shown, list):
        return len(read) == len(shown) and all(map(_holds, read, shown))
    return read == shown


@pytest.mark.parametrize("cls", definitions().values(), ids=lambda cls: cls.__name__)
def test_every_message_type_and_field_is_described(cls):
    tag = None if issubclass(cls, Enum) else cls.__struct_config__.tag
    heading = f"#### {cls.__name__}\n"
    section = PAGE.partition(heading if heading in PAGE else f"#### {tag}\n")[2]
    assert section
    if issubclass(cls, Enum):
        assert all(f"| `{member.value}` |" in section for member in cls)
    else:
        assert all(f"| `{field.encode_name}` |" in PAGE for field in msgspec.structs.fields(cls))
    assert cls.__doc__


def test_links_within_the_page_lead_somewhere():
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= anchors
    assert all((DOCS / file).exists() for file in re.findall(r"\]\(([^#)][^)]*)\)", PAGE))


def test_the_table_of_states_agrees_with_the_code():
    rows = {
        name: (holds, ended)
        for name, holds, ended in re.findall(r"^\| ([A-Z_]+) \| (yes|no) \| (yes|no) \|", PAGE, re.MULTILINE)
    }
    assert rows == {
        state.value: ("yes" if state in LIVE else "no", "yes" if state in TERMINAL else "no") for state in TaskState
    }


def test_examples_satisfy_the_schema_of_their_family():
    schema = protocol_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validators = [
        jsonschema.Draft202012Validator({"$ref": f"#/$defs/{family}", "$defs": schema["$defs"]}) for family in FAMILIES
    ]
    for block in BLOCKS:
        shown = json.loads(block)
        for message in shown if isinstance(shown, list) else [shown]:
            assert any(validator.is_valid(message) for validator in validators), message
    calls = validators[0]
    assert not calls.is_valid({"type": "KILL", "framework_id": "F"})
    demand = {"count": 1, "slice": {"cpus": "1"}}
    assert not calls.is_valid({"type": "REQUEST", "framework_id": "F", "role": "a", "demands": [demand]})


def test_the_schema_carries_the_texts_of_the_source():
    described = protocol_schema()["$defs"]["TaskInfo"]
    assert described["description"].startswith("One task as a scheduler describes it")
    assert (
        described["properties"]["data"]["description"]
        == field_docs(TaskInfo)["data"]
        == "For the executor; opaque to us."
    )
    assert "task_id" not in field_docs(TaskInfo)


def test_no_word_has_two_entries_in_the_glossary():
    glossary = (DOCS / "glossary.md").read_text()
    words = re.findall(r"^\| ([a-z][a-z ]*) \|", glossary, re.MULTILINE)
    words = [word for word in words if word != "word"]
    assert len(words) == len(set(words))
    for section in glossary.split("\n## ")[1:]:
        in_section = [word for word in re.findall(r"^\| ([a-z][a-z ]*) \|", section, re.MULTILINE) if word != "word"]
        assert in_section == sorted(in_section)
