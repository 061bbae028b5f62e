"""The site that is broken, and the table of what that took."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from rich.console import Console
from rich.table import Table

from tests.chaos.load import Loads
from tests.chaos.site import SERVERS, Site
from tests.support.netns import network_namespace
from tests.support.rabbitmq import RabbitMQ
from tests.support.rabbitmq import installed as rabbitmq_installed
from tests.support.zookeeper import Zookeeper
from tests.support.zookeeper import installed as zookeeper_installed

COLUMNS = ("another leads", "without offers", "whole again", "load done", "jobs", "launched again")

Measure = Callable[[str, Loads], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def one_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Started once for all tests."""
    rabbitmq_installed()
    zookeeper_installed()
    if os.geteuid() != 0:
        pytest.skip("needs root: one agent has a network namespace")
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(network_namespace())
        rabbitmq = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), remote.ours)
        stack.callback(rabbitmq.close)
        ensemble = Zookeeper(tmp_path_factory.mktemp("ensemble"), SERVERS)
        stack.callback(ensemble.kill)
        rabbitmq.start()
        ensemble.start()
        site = Site(rabbitmq, ensemble, remote, tmp_path_factory.mktemp("site"))
        stack.callback(site.stop)
        try:
            site.start()
            yield site
        except BaseException:
            print(site.headlines())
            raise
        finally:
            site.mend()  # what is frozen cannot be stopped


@pytest.fixture
def site(one_site: Site) -> Iterator[Site]:
    """Whole, and with nothing running on it."""
    one_site.wait_ready()
    one_site.headlines()
    yield one_site
    print(one_site.headlines())  # shown if the test failed


@pytest.fixture
def measured(site: Site, record_property: Callable[[str, object], None]) -> Iterator[Measure]:
    """Around a fault, up to when all is whole again: its row of the table."""
    rows: list[tuple[str, Loads, list[str]]] = []

    @contextlib.contextmanager
    def measure(what: str, loads: Loads) -> Iterator[None]:
        began = time.time()
        yield
        ended = time.time()
        leading = site.leading(began)
        gap = max(load.longest_without_offers(began, ended) for load in loads)
        led = f"{leading[0] - began:.2f} s" if leading else "-"
        rows.append((what, loads, [led, f"{gap:.1f} s", f"{ended - began:.1f} s"]))

    yield measure
    for what, loads, figures in rows:
        again = sum(load.tries_again() for load in loads)
        record_property("chaos", [what, *figures, f"{loads.done_after_s:.1f} s", str(loads.jobs), str(again)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    ends = [report for report in reports if getattr(report, "when", "") == "teardown"]
    rows = [row for report in ends for name, row in report.user_properties if name == "chaos"]
    if not rows:
        return
    table = Table("fault", *COLUMNS, title="What was broken under load, and how long it took")
    for row in sorted(rows):
        table.add_row(*row)
    Console(width=130, file=terminalreporter._tw._file).print(table)
