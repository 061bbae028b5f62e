"""A node is emptied while masters change."""

import pytest

from tests.integration.test_masters import all_masters, masters
from tests.support.cluster import wait_for
from tests.support.jobs import DRAINED, Job

__all__ = ["all_masters", "masters"]

pytestmark = pytest.mark.integration


def test_the_leader_is_killed_while_a_node_is_drained(masters):
    leader, standby = masters.leader(), masters.standby()
    masters.wait_standing_by(besides=leader)
    with Job(masters, "trap '' TERM; sleep 1000", grace_s=6) as job:
        url = masters._urls[standby]
        with masters.running("agent", "drain", job.host, "--wait", "--master", url) as waiting:
            wait_for(lambda: "tasks run" in waiting.text(), "it is drained")
            masters.daemon(leader).kill()
            assert waiting.wait(60) == 0, waiting.text()
        assert masters.leader() == standby
        assert job.why() == DRAINED
        assert job.agent()["mode"] == "DRAINED"
        assert masters.mesos("agent", "reactivate", job.host, "--master", url).returncode == 0
