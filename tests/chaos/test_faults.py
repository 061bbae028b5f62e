"""Each fault under a running load of real tasks: no task is lost, none runs twice, and the load finishes."""

import pytest

from mesos_py import TaskState
from tests.chaos.faults import FAULTS
from tests.chaos.site import SERVERS

CHEAP = ("two_masters_killed", "server_killed", "ensemble_killed")
"""Which run with all other tests; the rest is for `make chaos`."""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    "fault", [pytest.param(f, id=f.name, marks=() if f.name in CHEAP else pytest.mark.chaos) for f in FAULTS.values()]
)
def test_under_load(site, tmp_path, measured, fault):
    with site.under_load(tmp_path) as loads:
        with measured(fault.what, loads):
            fault.strike(site, loads)()
            site.mend()
            loads.mend()
            site.wait_whole()
        loads.wait_progress()
    heard = {update["state"] for load in loads for update in load.journal("update")}
    assert (TaskState.UNREACHABLE in heard) == (fault.name == "agent_cut_off_for_long")


@pytest.mark.chaos
def test_everything_is_restarted_in_turn(site, tmp_path, measured):
    with site.under_load(tmp_path) as loads, measured("everything: restarted in turn", loads):
        for name in (*site.masters, *site.agent_names):
            site.daemon(name).stop()
            site.mend()
            site.wait_whole()
        for number in range(SERVERS):
            site.kill_server(number)
            site.mend()
            site.wait_whole()
        site.stop_broker(hard=False)
        site.mend()
        site.wait_whole()
        for load in loads:
            load.process.kill()
            loads.mend()
            loads.wait_progress()
