"""ZooKeeper, started as the role's unit starts it, says in its log (the journal, there) what it does."""

import re
import shlex
import subprocess

import pytest
import yaml

from tests.architecture.source import ROOT
from tests.support.rabbitmq import free_ports

pytestmark = pytest.mark.integration

ROLE = ROOT / "roles/zookeeper"


def test_what_it_logs_comes_out(tmp_path):
    [port] = free_ports(1)
    [logging] = [
        task["ansible.builtin.copy"]["content"]
        for task in yaml.safe_load((ROLE / "tasks/configure.yml").read_text())
        if task.get("ansible.builtin.copy", {}).get("dest", "").endswith("/logging.properties")
    ]
    (tmp_path / "logging.properties").write_text(logging)
    (tmp_path / "zoo.cfg").write_text(f"dataDir={tmp_path}\nclientPort={port}\nadmin.enableServer=false\n")
    [start] = re.findall(r"^ExecStart=(.*)$", (ROLE / "templates/zookeeper.service.j2").read_text(), re.MULTILINE)
    start = re.sub(r"-Xm[sx]\{\{.*?\}\}m|\{\{.*?\}\}", "", start).replace("/etc/zookeeper/mesos", str(tmp_path))
    with subprocess.Popen(shlex.split(start), stderr=subprocess.PIPE, text=True) as server:
        try:
            said = next(line for line in server.stderr if "Starting server" in line)
        finally:
            server.kill()
    assert re.fullmatch(r"INFO \[org\.apache\.zookeeper\.\S+\] Starting server\n", said)
