"""The unit that the role mesos_framework makes of an entry suits systemd, and is hardened as the master's is."""

import json
import re
import shlex
import shutil
import subprocess

import jinja2
import pytest
import yaml

from tests.architecture.source import ROOT

ROLE = ROOT / "roles/mesos_framework"
HARDENING = yaml.safe_load((ROLE / "vars/main.yml").read_text())["_mesos_framework_hardening"]

with_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd's tools (Debian: systemd)")


@pytest.fixture
def unit(tmp_path):
    """Writes the unit of an entry."""
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters |= {"to_json": json.dumps, "combine": lambda one, other: one | other}

    def make(**entry):
        template = environment.from_string((ROLE / "templates/framework.service.j2").read_text())
        given = {
            "_mesos_framework_hardening": HARDENING,
            "_mesos_framework_ca": {"stat": {}},
            "mesos_framework_certificates": "/etc/mesos/pki",
        }
        file = tmp_path / f"mesos-framework-{entry['name']}.service"
        file.write_text(template.render(item=entry, **given))
        return file

    return make


def analyzed(*words):
    command = ["systemd-analyze", "--no-pager", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@with_systemd
def test_systemd_has_nothing_to_say_against_it(unit):
    file = unit(name="shop", command=["/bin/true", "a b", 'say "$HOME" 100%'], environment={"WORDS": "two words"})
    done = analyzed("verify", "--man=no", "--recursive-errors=no", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert analyzed("security", "--offline=true", "--threshold=20", file).returncode == 0


def test_it_is_hardened_as_the_master_is(unit):
    lines = re.compile(r"^(\w+)=", re.MULTILINE)
    hardening = re.compile(
        r"Protect|Private|Restrict|MemoryDeny|NoNew|Capability|SystemCall|Lock|Keyring|UMask|ProcSubset"
    )
    wanted = {
        name for name in lines.findall((ROOT / "systemd/mesos-master.service").read_text()) if hardening.match(name)
    }
    assert wanted <= set(lines.findall(unit(name="shop", command=["/bin/true"]).read_text()))


def test_an_entry_may_replace_a_line(unit):
    text = unit(name="shop", command=["/bin/true"], settings={"MemoryDenyWriteExecute": "no"}).read_text()
    assert re.findall(r"^MemoryDenyWriteExecute=(.*)$", text, re.MULTILINE) == ["no"]


def test_words_reach_the_command_as_they_are(unit, tmp_path):
    """What systemd unquotes as a shell would, but for its own $ and %."""
    text = unit(name="shop", command=["/bin/printf", "%s|", "a b", "$HOME", 'q"']).read_text()
    [start] = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    (tmp_path / "broker").write_text("amqp://broker")
    command = shlex.split(start.replace("$$", "$").replace("%%", "%"))
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == 'a b|$HOME|q"|', done.stderr
