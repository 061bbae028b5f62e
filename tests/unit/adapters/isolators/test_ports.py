import os
import socket
import subprocess
import sys

import pytest

from mesos_py.adapters.isolators.ports import PortsIsolator, listening_ports, listening_sockets
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason
from tests.unit.adapters.containers_support import turn_until
from tests.unit.adapters.isolators.support import a_spec

OWN = [os.getpid()]


@pytest.fixture
def listen():
    """Listens on a free port, and says which."""
    sockets = []

    def make(family=socket.AF_INET, address="127.0.0.1"):
        listener = socket.socket(family)
        listener.bind((address, 0))
        listener.listen()
        sockets.append(listener)
        return listener.getsockname()[1]

    yield make
    for listener in sockets:
        listener.close()


def test_listening_sockets_are_found_with_their_process(listen):
    ports = {listen(), listen(address="0.0.0.0")}
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
        ports.add(listen(socket.AF_INET6, "::1"))
    assert ports <= set(listening_ports(OWN, listening_sockets()))
    assert listening_ports([os.getppid()], listening_sockets()) != listening_ports(OWN, listening_sockets())


def test_connections_and_bound_sockets_do_not_listen(listen):
    port = listen()
    with socket.create_connection(("127.0.0.1", port)) as client, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        found = listening_ports(OWN, listening_sockets())
        assert port in found
        assert client.getsockname()[1] not in found
        assert bound.getsockname()[1] not in found


def test_processes_that_are_gone_hold_nothing():
    process = subprocess.Popen(["true"])
    process.wait()
    assert listening_ports([process.pid], listening_sockets()) == []


# The isolator


class Rig:
    def __init__(self, **options):
        self.now = 1000.0
        self.loop = Loop(lambda: self.now)
        self.limited = []
        self.pids = {}
        self.isolator = PortsIsolator(lambda container_id: self.pids[container_id], interval_s=30.0, **options)
        self.isolator.open(self.loop, lambda container_id, limitation: self.limited.append((container_id, limitation)))

    def start(self, container_id, *pids, ports=()):
        self.pids[container_id] = list(pids)
        resources = Resources.from_wire({"cpus": 1, "ports": [[port, port] for port in ports]})
        self.isolator.started(a_spec(container_id=container_id, resources=resources), 1)

    def ports_of(self, container_id):
        usage = ContainerUsage(container_id=container_id)
        self.isolator.measure(container_id, usage)
        return usage.listening_ports

    def look(self):
        assert self.isolator.next_deadline() is not None
        self.now += 30.0
        self.loop.turn(timeout=0)
        turn_until(self.loop, lambda: self.isolator.next_deadline() is not None)


@pytest.fixture
def make_rig():
    rigs = []

    def make(**options):
        rigs.append(Rig(**options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.isolator.close()
        rig.loop.close()


def _in_another_process():
    """A process that listens, and its port."""
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return process, int(process.stdout.readline())


def test_ports_are_accounted_to_who_listens(make_rig):
    process, port = _in_another_process()
    with process:
        rig = make_rig()
        rig.start("C-1", process.pid)
        rig.start("C-2")
        assert rig.ports_of("C-1") is None
        rig.look()
        assert (rig.ports_of("C-1"), rig.ports_of("C-2")) == ([port], [])
        assert rig.limited == []  # it only looks
        process.communicate(b"\n")
    rig.look()
    assert rig.ports_of("C-1") == []


def test_whoever_listens_on_others_ports_is_told_on(make_rig, listen):
    own, strange = listen(), listen()
    rig = make_rig(enforce=True)
    rig.start("C-1", *OWN, ports=[port for port in listening_ports(OWN, listening_sockets()) if port != strange])
    rig.start("C-2", *OWN, ports=listening_ports(OWN, listening_sockets()))
    rig.start("C-3")
    rig.look()
    [(container_id, limitation)] = rig.limited
    assert (container_id, limitation.reason) == ("C-1", Reason.CONTAINER_LIMITATION)
    assert limitation.message.startswith(f"it listens on ports [{strange}-{strange}], of its own it has [")
    assert str(own) in limitation.message


def test_only_guarded_ports_must_be_ones_own(make_rig, listen):
    port = listen()
    free = make_rig(enforce=True, guarded=((1, 1),))
    free.start("C-1", *OWN)
    free.look()
    assert free.limited == []
    assert port in free.ports_of("C-1")
    strict = make_rig(enforce=True, guarded=((1, 1), (port, port)))
    strict.start("C-1", *OWN)
    strict.look()
    assert f"it listens on ports [{port}-{port}], of its own it has []" == strict.limited[0][1].message


def test_resources_change(make_rig, listen):
    listen()
    rig = make_rig(enforce=True)
    rig.start("C-1", *OWN)
    ports = [[port, port] for port in listening_ports(OWN, listening_sockets())]
    rig.isolator.update("C-1", Resources.from_wire({"ports": ports}), {})
    rig.look()
    assert rig.limited == []


def test_what_was_started_by_an_earlier_agent_is_watched(make_rig, listen):
    port = listen()
    rig = make_rig()
    rig.pids["C-1"] = OWN
    rig.isolator.recovered(a_spec(container_id="C-1"), 1, {})
    rig.look()
    assert port in rig.ports_of("C-1")


def test_who_ends_during_a_look_is_of_no_interest(make_rig, listen):
    listen()
    rig = make_rig(enforce=True)
    rig.start("C-1", *OWN)
    rig.start("C-2")
    rig.isolator.run_due(1030.0)
    rig.isolator.ended("C-1")
    turn_until(rig.loop, lambda: rig.ports_of("C-2") is not None)
    assert rig.limited == []
    rig.isolator.ended("C-2")
    rig.isolator.run_due(1060.0)
    assert rig.isolator.next_deadline() is None


def test_a_container_that_cannot_be_looked_at_spoils_nothing(make_rig, listen):
    port = listen()

    def pids(container_id):
        if container_id == "C-1":
            raise FileNotFoundError(2, "its cgroup is gone")
        return OWN

    rig = make_rig()
    rig.isolator._pids = pids
    rig.start("C-1")
    rig.start("C-2")
    rig.look()
    assert rig.ports_of("C-1") is None
    assert port in rig.ports_of("C-2")


def test_it_says_what_it_does():
    assert PortsIsolator(list).describe() == "listening ports are looked up every 30 s; nobody is kept from others'"
    guarded = PortsIsolator(list, enforce=True, guarded=((31000, 32000),))
    assert guarded.describe().endswith("whoever takes others' in [31000-32000] is ended")
    assert guarded.why_not() == ""
