"""The simulation itself: the same again for the same seed, faults as values, failures shrunk, and what users see."""

import hashlib
import os
import subprocess
import sys

import pytest

from mesos_py.cli.main import main
from mesos_py.errors import UserError
from mesos_py.testing.builders import an_agent
from mesos_py.testing.simulation import faults
from mesos_py.testing.simulation.agreement import disagreements
from mesos_py.testing.simulation.cluster import Cluster, Setup
from mesos_py.testing.simulation.explore import Outcome, draw_faults, run_seed
from mesos_py.testing.simulation.shrink import shrink
from mesos_py.testing.simulation.timeline import Clock
from mesos_py.testing.simulation.workload import RandomUser
from tests.simulation.mutating import SEEDS, seeds_needed
from tests.simulation.mutations import MUTATIONS

_DIGEST = """
import sys
from mesos_py.testing.simulation import explore
explore.PEACE_S = -1.0  # so that it fails in the end, and tells its story
outcome = explore.run_seed(int(sys.argv[1]))
print(outcome.events, outcome.failure, outcome.story)
"""


def _digest(seed, hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    words = [sys.executable, "-c", _DIGEST, str(seed)]
    return hashlib.sha256(subprocess.run(words, env=environment, check=True, capture_output=True).stdout).hexdigest()


@pytest.mark.parametrize("seed", [3, 16])
def test_a_seed_does_the_same_in_every_process(seed):
    assert _digest(seed, "1") == _digest(seed, "2")


def test_a_cluster_without_faults_agrees_soon():
    cluster = Cluster(1, Setup(agents=[an_agent(f"a{number}") for number in range(3)]))
    cluster.add_framework(RandomUser(cluster, "u", 8))
    cluster.run(60.0)
    assert disagreements(cluster) == []
    assert cluster.broker.lost == cluster.broker.doubled == 0


def test_faults_can_be_written_down_and_read_again():
    drawn = draw_faults(5)
    assert faults.read(faults.write(drawn)) == drawn


def test_what_is_no_fault_is_told_with_its_line():
    with pytest.raises(UserError, match="line 2 is not a fault"):
        faults.read('{"type":"DeleteQueues","at":1}\n{"type":"Earthquake","at":2}\n')


def test_every_kind_of_fault_is_drawn():
    drawn = {type(fault) for seed in range(60) for fault in draw_faults(seed)}
    assert drawn == set(faults.KINDS)


def test_shrinking_leaves_what_matters():
    def run(seed, wanted):
        broken = {"a", "b"} <= {fault.who for fault in wanted}
        return Outcome(seed=seed, faults=wanted, promise="1" if broken else "")

    everything = [faults.KillTask(at=float(number), who=who) for number, who in enumerate("xyzaxyzbxyz")]
    best, runs = shrink(run(0, everything), run)
    assert [fault.who for fault in best.faults] == ["a", "b"]
    assert runs < 40


def test_a_clock_that_drifts_goes_on_from_where_it_is():
    clock = Clock()
    before = clock.show(100.0)
    clock.drift(100.0, 0.5)
    assert clock.show(100.0) == before
    assert clock.show(102.0) == before + 1.0
    assert clock.when(before + 1.0) == pytest.approx(102.0)
    clock.drift(102.0, 1.0, ahead_s=5.0)
    assert clock.show(102.0) == before + 6.0


# Its users


def _mesos(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(["simulate", *words])
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def test_mesos_simulate_tells_of_each_seed(capsys):
    code, out, _ = _mesos(capsys, "--seeds", "1..2")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["seed 1", "seed 2"]


def test_mesos_simulate_shows_what_broke_a_promise_and_can_be_given_it_again(capsys, tmp_path):
    breaks = next(each for each in MUTATIONS if "loses the broker" in each.name)
    with breaks.breaks():
        code, out, _ = _mesos(capsys, "--seed", str(breaks.seed), "--story", "3")
        assert code == 1
        assert "BROKEN 4 tasks outlive the control plane" in out
        listed = "".join(f"{line}\n" for line in out.splitlines() if line.startswith("{"))
        assert 0 < len(faults.read(listed)) < 6
        again = tmp_path / "faults.jsonl"
        again.write_text(listed)
        code, out, _ = _mesos(capsys, "--seed", str(breaks.seed), "--faults", str(again), "--no-shrink")
        assert code == 1
    code, out, _ = _mesos(capsys, "--seed", str(breaks.seed), "--faults", str(again))
    assert code == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "either --seed or --seeds"),
        (["--seed", "1", "--seeds", "1..2"], "either --seed or --seeds"),
        (["--seeds", "9..1"], "--seeds is like 1..100, not '9..1'"),
        (["--seed", "1", "--faults", "/nowhere"], "/nowhere"),
    ],
)
def test_mesos_simulate_refuses_what_makes_no_sense(capsys, words, why):
    code, _, err = _mesos(capsys, *words)
    assert code == 2
    assert why in err


def test_mesos_simulate_says_which_line_is_no_fault(capsys, tmp_path):
    file = tmp_path / "faults.jsonl"
    file.write_text("\nhm\n")
    code, _, err = _mesos(capsys, "--seed", "1", "--faults", str(file))
    assert code == 1
    assert f"{file}: line 2 is not a fault: " in err


# Whether it would notice


@pytest.mark.parametrize("each", MUTATIONS, ids=lambda each: each.breaks.__name__)
def test_a_broken_promise_is_found(each):
    """By the seed that is known to find it; when the cores have changed, by another one."""
    seed, _ = seeds_needed(each, [each.seed, *range(SEEDS)])
    assert seed is not None
    assert not run_seed(seed).failure


def test_every_promise_is_broken_by_a_mutation():
    assert {each.promise for each in MUTATIONS} >= set("123456789")
