"""`examples/three_frameworks.py`: fair sharing while all have work, and everything for who is alone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cluster import environment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

EXAMPLE = Path(__file__).parents[2] / "examples/three_frameworks.py"
PHASE = re.compile(r"(mapreduce alone|mapreduce and batch|all three) +\d+ +(\d+)% +(\d+)% +(\d+)%")


def test_each_gets_its_share_and_who_is_alone_gets_all(rabbitmq, tmp_path):
    rabbitmq.ctl("add_vhost", "three")
    rabbitmq.ctl("set_permissions", "-p", "three", "guest", ".*", ".*", ".*")
    done = subprocess.run(
        [
            sys.executable,
            EXAMPLE,
            "--agents",
            "3",
            "--cpus",
            "4",
            "--pause",
            "8",
            "--csv",
            tmp_path / "shares.csv",
            "--plot",
            tmp_path / "shares.svg",
        ],
        env=environment(MESOS_BROKER=rabbitmq.url(vhost="three"), TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shares = {found[1]: [int(share) for share in found.groups()[1:]] for found in PHASE.finditer(done.stdout)}
    alone, two, three = (shares[name] for name in ("mapreduce alone", "mapreduce and batch", "all three"))
    assert alone[0] >= 90, done.stdout
    assert all(35 <= share <= 65 for share in two[:2]), done.stdout
    assert all(20 <= share <= 47 for share in three), done.stdout
    header, *samples = (tmp_path / "shares.csv").read_text().splitlines()
    assert header == "s,mapreduce,batch,celery"
    assert len(samples) > 20
    assert b"<svg" in (tmp_path / "shares.svg").read_bytes()
    assert "naps" not in rabbitmq.ctl("list_queues", "-p", "three", "name")


@pytest.mark.parametrize(
    ("broker", "words", "says"),
    [
        ("", [], "MESOS_BROKER must be the URL of a RabbitMQ"),
        ("memory://local", [], "MESOS_BROKER must be the URL of a RabbitMQ"),
        ("amqp://nobody", ["--plot", "shares.txt"], "a plot goes into a file named *.png or *.svg, not 'shares.txt'"),
    ],
)
def test_what_is_missing_is_said_before_anything_starts(broker, words, says):
    done = subprocess.run(
        [sys.executable, EXAMPLE, *words],
        env=environment(MESOS_BROKER=broker),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]
