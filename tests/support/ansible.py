"""Loads what Ansible loads by itself: our filters and modules, which are no package."""

import importlib.util

from tests.architecture.source import ROOT


def load(name):
    """A file of playbooks/, such as ``library/mesos_agent_mode``."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), ROOT / "playbooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
