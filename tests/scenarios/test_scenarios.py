"""Plays every script in this directory. ``REWRITE=1 pytest tests/scenarios`` accepts what is; then read the diff."""

import os
from pathlib import Path
from typing import get_args

import pytest

from mesos_py.master.effects import MasterEffect
from mesos_py.master.events import MasterEvent, OperatorCall
from mesos_py.master.registry import RaiseEpoch, RegistryOperation
from mesos_py.messages.agent import FromAgent, ToAgent
from mesos_py.messages.scheduler import Call, Event
from mesos_py.testing.scenarios import play

SCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_scenario(script):
    before = script.read_text()
    played = play(before)
    if os.environ.get("REWRITE"):
        script.write_text(played)
    else:
        assert played == before


def test_everything_that_can_be_said_or_happen_has_a_scenario():
    seen: set[type] = set()
    for script in SCRIPTS:
        play(script.read_text(), seen.add)
    families = (Call, Event, FromAgent, ToAgent, MasterEvent, MasterEffect, OperatorCall, RegistryOperation)
    everything = {member for family in families for member in get_args(family)}
    # Written by daemons where there is no ZooKeeper, never by the core.
    missing = everything - seen - {RaiseEpoch}
    assert not missing, f"no scenario has {', '.join(sorted(kind.__name__ for kind in missing))}"
