"""What all scenarios' tests have: the machines, as Testinfra speaks with them, and a job that goes on meanwhile."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import testinfra

from shared.clusters import EACH, is_whole, run_on_each, start_job, task_processes
from shared.hosts import done, until

_TASK = "sleep 86393"


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


@pytest.fixture(scope="module")
def job(hosts: Mapping[str, Any]) -> Iterator[str]:
    """A task on each of three hosts; gives what it runs."""
    until(lambda: is_whole(hosts), 600.0)
    start_job(hosts["node1"], "steady", *EACH, "--", *_TASK.split())
    until(lambda: all(task_processes(host, _TASK) for host in hosts.values()))
    yield _TASK
    done(hosts["node1"], "systemctl stop steady")


@pytest.fixture
def survivors() -> list[str]:
    """Hosts whose tasks are to go on; a test takes out those of which it is not asked."""
    return ["node1", "node2", "node3"]


@pytest.fixture
def no_worse(hosts: Mapping[str, Any], job: str, survivors: list[str]) -> Iterator[None]:
    """The tasks go on, and once it is over the cluster takes tasks everywhere."""
    before = {name: task_processes(host, job) for name, host in hosts.items()}
    yield
    until(lambda: is_whole(hosts), 600.0)
    after = {name: task_processes(hosts[name], job) for name in survivors}
    assert after == {name: before[name] for name in survivors}
    run_on_each(hosts["node1"], "true")
