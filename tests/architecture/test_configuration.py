"""docs/configuration.md names every key of every daemon, with its default and what it means."""

import pytest
from msgspec import NODEFAULT

from mesos_py.cli.daemons import field_docs
from mesos_py.daemons.config import AgentConfig, DaemonConfig, LocalConfig, MasterConfig, print_config
from tests.architecture.source import ROOT

DOCUMENT = ROOT / "docs" / "configuration.md"
SECTIONS = {"All daemons": DaemonConfig, "Master": MasterConfig, "Agent": AgentConfig, "Local cluster": LocalConfig}


def default_of(kind, name):
    """As it would stand in the file; some depend on who asks."""
    if name == "work_dir" and kind in (MasterConfig, AgentConfig):
        role = "master" if kind is MasterConfig else "agent"
        return f"`/var/lib/mesos/{role}` for root, else `~/.local/state/mesos/{role}`"
    default = dict(zip(reversed(kind.__struct_fields__), reversed(kind.__struct_defaults__), strict=True))[name]
    assert default is not NODEFAULT
    [line] = [line for line in print_config(kind()).splitlines() if line.startswith(f"{name} = ")]
    return f"`{line.partition(' = ')[2]}`"


def rows(kind):
    own = [name for name in kind.__struct_fields__ if kind is DaemonConfig or name in kind.__annotations__]
    docs = field_docs(kind)
    return [f"| `{name}` | {default_of(kind, name)} | {docs[name].rstrip('.').replace('|', '/')} |" for name in own]


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_documented_as_it_is(title):
    [section] = [part for part in DOCUMENT.read_text().split("\n## ") if part.startswith(f"{title}\n")]
    told = [line for line in section.splitlines() if line.startswith("| `")]
    assert told == rows(SECTIONS[title])
