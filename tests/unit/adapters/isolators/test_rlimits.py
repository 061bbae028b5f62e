import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.adapters.isolators.rlimits import RlimitsIsolator, may_raise_limits, parse_rlimits
from mesos_py.errors import ConfigError
from mesos_py.types.host import RLIMITS, RLimit
from tests.unit.adapters.isolators.support import a_launch, a_spec


def limits(rlimits, defaults=None, *, privileged=True):
    spec = a_spec(rlimits=rlimits)
    launch = a_launch(spec)
    RlimitsIsolator(defaults or {}, privileged=privileged).prepare(spec, launch)
    return launch.rlimits


def test_nobody_wishes_anything():
    assert limits({}) == {}


def test_a_command_wishes_before_the_agent_does():
    defaults = {"nofile": RLimit(soft=64, hard=64), "core": RLimit(soft=0, hard=0)}
    assert limits({"nofile": RLimit(soft=32, hard=128), "cpu": RLimit()}, defaults) == {
        "nofile": (32, 128),
        "core": (0, 0),
        "cpu": (-1, -1),
    }


def test_no_host_opens_files_without_bound():
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    assert limits({"nofile": RLimit(soft=1, hard=most)}) == {"nofile": (1, most)}
    with pytest.raises(LaunchError, match=f"rlimit nofile cannot be unlimited: this host opens at most {most} files"):
        limits({"nofile": RLimit()})


def test_an_ordinary_agent_cannot_give_more_than_it_has():
    own = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert limits({"nofile": RLimit(soft=1, hard=own)}, privileged=False) == {"nofile": (1, own)}
    with pytest.raises(LaunchError, match=f"cannot be 1:{own + 1}"):
        limits({"nofile": RLimit(soft=1, hard=own + 1)}, privileged=False)


def test_may_raise_limits_tells_the_truth():
    """What it says is what the kernel does, with and without the capability."""
    code = (
        "import resource as r; from mesos_py.adapters.isolators.rlimits import may_raise_limits as may\n"
        "{drop}\n"
        "may = may(); soft, hard = r.getrlimit(r.RLIMIT_CORE); r.setrlimit(r.RLIMIT_CORE, (0, 0))\n"
        "try:\n    r.setrlimit(r.RLIMIT_CORE, (0, 1))\nexcept ValueError:\n    assert not may\nelse:\n    assert may"
    )
    for drop in ("", "import os; os.geteuid() or os.setuid(65534)"):
        subprocess.run([sys.executable, "-c", code.replace("{drop}", drop)], check=True)


def test_every_name_can_be_looked_up():
    assert all(hasattr(resource, f"RLIMIT_{name.upper()}") for name in RLIMITS)


def test_limits_are_configured_in_three_ways():
    assert parse_rlimits({"nofile": "1024:4096", "core": "0", "stack": "inf", "as": "unlimited"}) == {
        "nofile": RLimit(soft=1024, hard=4096),
        "core": RLimit(soft=0, hard=0),
        "stack": RLimit(),
        "as": RLimit(),
    }


@pytest.mark.parametrize(
    ("configured", "words"),
    [
        ({"nofile": "many"}, "rlimits: 'many' is not of the form 1024, 1024:4096 or inf"),
        ({"nofile": "1:"}, "is not of the form"),
        ({"nofile": ":1"}, "is not of the form"),
        ({"nofile": "2:1"}, "rlimits: rlimit nofile: soft 2 is above hard 1"),
        ({"files": "1"}, "rlimits: there is no rlimit 'files'"),
    ],
)
def test_bad_configuration(configured, words):
    with pytest.raises(ConfigError, match=words):
        parse_rlimits(configured)


def test_it_says_what_it_does():
    assert RlimitsIsolator({}).describe() == "rlimits as commands wish, otherwise those of the agent"
    assert "otherwise core=0:0, cpu=unlimited" in RlimitsIsolator(parse_rlimits({"core": "0", "cpu": "inf"})).describe()
    assert isinstance(may_raise_limits(), bool)
