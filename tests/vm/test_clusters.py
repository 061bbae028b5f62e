"""How clusters of virtual machines are called, spoken with and ended; QEMU is never started."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.vm.test_tools import a_machine, options_of
from vm import checkpoint
from vm.cluster import FAULTS, find_cluster, write_ssh_config
from vm.command import TCG, command
from vm.image import Image
from vm.qmp import Monitor, MonitorError
from vm.running import BootError
from vm.snapshot import Saved


def noted(directory, *ports):
    directory.mkdir(parents=True)
    names = {f"node{number}": port for number, port in enumerate(ports, 1)}
    (directory / "cluster.json").write_text(json.dumps({"ports": names, "image": "/i"}))
    cluster = find_cluster(directory)
    for machine in cluster.machines.values():
        machine.directory.mkdir()
    return cluster


class Qemu:
    """Answers what it is told to, one connection after the other."""

    def __init__(self, path, answers, connections, told):
        self.asked = []
        self._told = told
        self._answers = answers
        self._connections = connections
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        for _ in range(self._connections):
            self._serve_one()

    def _serve_one(self):
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rwb") as lines:
            lines.write(b'{"QMP": {}}\n')
            lines.flush()
            while line := lines.readline():
                said = json.loads(line)
                self.asked.append((said["execute"], said["arguments"]))
                self._told.append(said["execute"])
                for answer in self._answers.get(said["execute"], ({"return": {}},)):
                    lines.write(json.dumps(answer).encode() + b"\n")
                lines.flush()

    def close(self):
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def qemu(tmp_path):
    made = []

    def make(answers=None, path=None, connections=1, told=None):
        made.append(Qemu(path or tmp_path / "qmp.sock", answers or {}, connections, [] if told is None else told))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_machine_that_wakes_reads_its_state():
    words = command(a_machine(), TCG, Path("/c/a b/state.lz4"))
    assert options_of(words, "-incoming") == ["exec:lz4 -dc '/c/a b/state.lz4'"]
    assert options_of(command(a_machine(), TCG), "-incoming") == []


def test_machines_are_found_again_as_they_were_woken(tmp_path):
    cluster = noted(tmp_path / "c", 2201, 2202)
    assert [machine.address for machine in cluster.machines.values()] == ["10.77.0.11/24", "10.77.0.12/24"]
    assert {machine.segment for machine in cluster.machines.values()} == {"230.77.0.2:2201"}
    hosts = cluster.inventory()["all"]["hosts"]
    assert [(name, host["ansible_port"], host["mesos_cluster_address"]) for name, host in hosts.items()] == [
        ("node1", 2201, "10.77.0.11"),
        ("node2", 2202, "10.77.0.12"),
    ]
    assert [(each["instance"], each["port"]) for each in cluster.instances()] == [("node1", 2201), ("node2", 2202)]


def test_where_nothing_was_woken_there_is_nothing(tmp_path):
    assert find_cluster(tmp_path) is None


def test_what_qemu_returns_is_had_and_events_are_passed_over(tmp_path, qemu):
    qemu({"query-status": ({"event": "RESUME"}, {"return": {"status": "running"}})})
    with Monitor(tmp_path / "qmp.sock") as monitor:
        assert monitor("query-status") == {"status": "running"}
        monitor.wait_loaded()


def test_what_qemu_refuses_is_told(tmp_path, qemu):
    qemu({"set_link": ({"error": {"desc": "no such card"}},)})
    with Monitor(tmp_path / "qmp.sock") as monitor, pytest.raises(MonitorError, match="set_link: no such card"):
        monitor("set_link", name="n9", up=False)


def test_a_qemu_that_is_not_there_is_told(tmp_path):
    with pytest.raises(MonitorError, match="No such file"):
        Monitor(tmp_path / "qmp.sock")


def test_a_state_that_cannot_be_saved_is_told(tmp_path, qemu):
    failed = {"return": {"status": "failed", "error-desc": "no room"}}
    qemu({"query-migrate": (failed,)})
    with Monitor(tmp_path / "qmp.sock") as monitor, pytest.raises(MonitorError, match="no room"):
        monitor.save("cat > /dev/null")


def test_a_place_with_a_long_name_is_reached(tmp_path, qemu, monkeypatch):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.chdir(deep)
    qemu(path="qmp.sock")
    with Monitor(deep / "qmp.sock") as monitor:
        assert monitor("cont") == {}


def test_the_cable_of_the_segment_is_pulled(tmp_path, qemu):
    [machine] = noted(tmp_path / "c", 2201).machines.values()
    served = qemu(path=machine.monitor)
    FAULTS["cut"](machine)
    assert served.asked[-1] == ("set_link", {"name": "n1", "up": False})


def test_all_machines_stand_still_before_one_is_saved_and_go_on_after_the_last(tmp_path, qemu):
    cluster, told = noted(tmp_path / "c", 2201, 2202), []
    for machine in cluster.machines.values():
        machine.disk.write_text(f"of {machine.name}")
        qemu({"query-migrate": ({"return": {"status": "completed"}},)}, machine.monitor, connections=3, told=told)
    checkpoint.save(cluster, tmp_path / "saved")
    words = [word for word in told if word in {"stop", "migrate", "cont"}]
    assert words == ["stop", "stop", "migrate", "migrate", "cont", "cont"]
    assert (tmp_path / "saved/node2/disk.qcow2").read_text() == "of node2"


def test_one_cluster_of_a_name_is_kept_that_of_the_last_tree(tmp_path, qemu):
    [machine] = (cluster := noted(tmp_path / "c", 2201)).machines.values()
    machine.disk.write_text("converged")
    (cluster.directory / "controller").mkdir()
    (cluster.directory / "controller/ca.key").write_text("its CA's")
    completed = {"query-migrate": ({"return": {"status": "completed"}},)}
    served = qemu(completed, machine.monitor, connections=6)
    before, now = (tmp_path / f"checkpoint-c-{digit * 16}" for digit in "ab")
    checkpoint.keep(cluster, before)
    checkpoint.keep(cluster, now)
    checkpoint.keep(cluster, now)  # is there, and is not made again
    assert [each for each, _ in served.asked].count("migrate") == 2
    assert not before.exists()
    assert (now / "machines/node1/disk.qcow2").read_text() == "converged"
    assert (now / "controller/ca.key").read_text() == "its CA's"


def test_others_than_were_kept_cannot_be_woken(tmp_path):
    for name in ("node1", "node2"):
        (tmp_path / "kept/machines" / name).mkdir(parents=True)
    with pytest.raises(BootError, match="2 machines were kept, not 3"):
        checkpoint.wake_kept(tmp_path / "c", Image(tmp_path), tmp_path / "kept", 3)
    assert not (tmp_path / "c").exists()


def test_what_is_kept_is_of_this_tree_only(tmp_path):
    tree = tmp_path / "tree"
    for place in ("roles/pki", "docs", "molecule/c"):
        (tree / place).mkdir(parents=True)
    files = [tree / name for name in ("docs/x.md", "roles/pki/x.yml", "molecule/c/molecule.yml")]
    for file in files:
        file.write_text("1")
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    places = [checkpoint.kept_directory(tmp_path, "c", tree, Saved(tmp_path / "snapshot-1"))]
    for file in files:
        file.write_text("2")
        places.append(checkpoint.kept_directory(tmp_path, "c", tree, Saved(tmp_path / "snapshot-1")))
    assert places[0] == places[1]  # the page changes nothing
    assert len(set(places)) == 3


def test_machines_that_were_not_saved_are_left_alone(tmp_path):
    cluster = noted(tmp_path / "c", 2201)
    running = sleeper(f"file={cluster.machines['node1'].disk}")
    try:
        cluster.machines["node1"].pid_file.write_text(f"{running.pid}\n")
        with pytest.raises(FileNotFoundError, match="saved"):
            checkpoint.resume(cluster, tmp_path / "saved")
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()


def sleeper(*words):
    script = "import time; print('up', flush=True); time.sleep(1000)"
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, words)], stdout=subprocess.PIPE)
    with process.stdout as said:
        said.readline()  # before that its words may not be seen yet
    return process


def test_ending_machines_leaves_no_process_and_no_file(tmp_path):
    cluster = noted(tmp_path / "c", 2201, 2202)
    running = [sleeper(f"file={machine.disk}") for machine in cluster.machines.values()]
    for machine, process in zip(cluster.machines.values(), running, strict=True):
        machine.pid_file.write_text(f"{process.pid}\n")
    cluster.down()
    assert [process.wait(10) for process in running] == [-9, -9]
    assert not cluster.directory.exists()


def test_a_process_that_has_the_number_of_an_ended_machine_is_left_alone(tmp_path):
    cluster = noted(tmp_path / "c", 2201)
    other = sleeper("something else")
    try:
        cluster.machines["node1"].pid_file.write_text(f"{other.pid}\n")
        cluster.down()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_ssh_knows_the_machines_by_their_names(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    cluster = noted(tmp_path / "c", 2201, 2202)
    write_ssh_config(cluster)
    asked = ["ssh", "-G", "-F", str(cluster.ssh_config), "node2"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    wanted = {"hostname 127.0.0.1", "port 2202", "user root", "identityfile /i/id_ed25519", "batchmode yes"}
    assert wanted <= set(said)
    assert (tmp_path / ".ssh").stat().st_mode & 0o777 == 0o700
