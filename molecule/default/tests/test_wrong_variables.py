"""A variable of the wrong kind ends the play before it has spoken to any host."""

import os
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mesos_agent_http_port=many", "argument 'mesos_agent_http_port' is of type str and we were unable to convert"),
        ("rabbitmq_state=broken", "value of rabbitmq_state must be one of: started, stopped, got: broken"),
        ("mesos_cluster_address=2001:db8::11", "mesos_cluster_address of node1 is 2001:db8::11, which is no address"),
    ],
)
def test_it_is_said_before_a_host_is_touched(given, message):
    # 192.0.2.11, which is this inventory's host, is nobody's address
    command = ["ansible-playbook", "-i", "playbooks/inventories/one", "playbooks/site.yml"]
    secret = "vault_cluster_secret=one-for-tests-that-is-long-enough"
    plain = os.environ | {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    words = [*command, "-e", secret, "-e", given]
    ran = subprocess.run(words, cwd=TREE, env=plain, capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    assert message in said
    assert "unreachable=0    failed=1" in said
    assert "changed=0" in said
    assert "Prepare all hosts" not in said
