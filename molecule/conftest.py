"""What all scenarios' tests have: the machines, as Testinfra speaks with them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import testinfra


@pytest.fixture(scope="session")
def hosts(request: pytest.FixtureRequest) -> dict[str, Any]:
    """All of them, by name, as the ssh_config has them that the scenario was given."""
    config = request.config.option.ssh_config
    names = re.findall(r"^Host (\w+)$", Path(config).read_text(encoding="utf-8"), re.MULTILINE)
    return {name: testinfra.get_host(f"ssh://{name}", ssh_config=config, timeout=60) for name in names}


@pytest.fixture(scope="session")
def host(hosts: Mapping[str, Any]) -> Any:
    """The first of them."""
    return hosts["node1"]
