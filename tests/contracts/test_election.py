"""What an election promises, held by ZooKeeper's and by the one in memory alike."""

import time

import pytest

from mesos_py.runtime.election import Candidate
from tests.support.elections import FakeBench, ZookeeperBench, ZookeeperPeer
from tests.support.rabbitmq import free_ports


@pytest.fixture(params=["memory", pytest.param("zookeeper", marks=pytest.mark.integration)])
def bench(request):
    bench = FakeBench() if request.param == "memory" else ZookeeperBench(request.getfixturevalue("zookeeper"))
    yield bench
    bench.close()


def test_the_first_leads_and_the_others_know_whom_they_follow(bench):
    first, second, third = bench.peer("first"), bench.peer("second"), bench.peer("third")
    assert first.story == ["elected"]
    assert second.story == third.story == []
    assert second.leader == third.leader == first.us
    assert first.leader is None


def test_each_knows_who_contends_and_in_which_order(bench):
    first, second = bench.peer("first"), bench.peer("second")
    bench.until(lambda: first.election.contenders() == second.election.contenders() == [first.us, second.us])
    first.election.resign()
    bench.until(lambda: first.election.contenders() == second.election.contenders() == [second.us, first.us])
    second.stop()
    bench.until(lambda: first.election.contenders() == [first.us])


def test_the_epoch_is_above_that_of_a_master_that_had_only_a_clock(bench):
    before = int(time.time())
    assert bench.peer("first").epochs[0] >= before


def test_a_leader_that_stops_hands_over(bench):
    first, second, third = bench.peer("first"), bench.peer("second"), bench.peer("third")
    first.stop()
    bench.until(lambda: second.leads and third.leader == second.us)
    assert second.epochs[0] > first.epochs[0]
    assert first.story == ["elected"]
    assert third.story == []


def test_a_leader_that_resigns_stands_behind_the_others(bench):
    first, second = bench.peer("first"), bench.peer("second")
    first.election.resign()
    bench.until(lambda: second.leads and first.leader == second.us)
    assert first.story == ["elected", "deposed"]
    second.election.resign()
    bench.until(lambda: first.leads)
    assert second.story == ["elected", "deposed"]
    assert first.epochs[0] < second.epochs[0] < first.epochs[1]


def test_who_stands_alone_and_resigns_leads_with_another_epoch(bench):
    only = bench.peer("only")
    only.election.resign()
    bench.until(lambda: len(only.epochs) == 2)
    assert only.story == ["elected", "deposed", "elected"]
    assert only.epochs[0] < only.epochs[1]


def test_who_resigns_while_it_is_being_elected_is_elected_anew(bench):
    for rounds in range(8):
        peer = bench._make(f"peer{rounds}")
        bench.peers.append(peer)
        peer.election.start(peer)
        for _ in range(rounds):
            bench.loop.turn(0.002)
        peer.election.resign()
        bench.until(lambda peer=peer: peer.leads)
        assert peer.story in (["elected"], ["elected", "deposed", "elected"])
        peer.stop()
        bench.until(lambda peer=peer: peer.stopped)


def test_a_standby_may_resign(bench):
    first, second, third = bench.peer("first"), bench.peer("second"), bench.peer("third")
    second.election.resign()
    first.stop()
    bench.until(lambda: second.leads or third.leads)
    assert [second.story, third.story] == [[], ["elected"]]


def test_a_leader_whose_session_is_over_is_deposed_and_contends_again(bench):
    first, second = bench.peer("first"), bench.peer("second")
    first.expire()
    bench.until(lambda: second.leads and first.leader == second.us)
    assert [word for word in first.story if word != "suspended"] == ["elected", "deposed"]
    assert second.epochs[0] > first.epochs[0]
    second.stop()
    bench.until(lambda: first.leads)


def test_a_standby_whose_session_is_over_contends_again(bench):
    first, second = bench.peer("first"), bench.peer("second")
    second.expire()
    third = bench.peer("third")
    first.stop()
    bench.until(lambda: second.leads or third.leads)
    (second if second.leads else third).stop()
    bench.until(lambda: second.epochs and third.epochs)


def test_a_leader_that_is_cut_off_for_a_moment_goes_on(bench):
    first, second = bench.peer("first"), bench.peer("second")
    first.cut_off()
    bench.until(lambda: first.story[-1] == "suspended")
    first.connect()
    bench.until(lambda: first.story[-1] == "resumed")
    assert first.story == ["elected", "suspended", "resumed"]
    assert second.story == []


def test_a_leader_that_is_cut_off_for_long_is_replaced_before_it_knows(bench):
    first, second = bench.peer("first"), bench.peer("second")
    first.cut_off()
    bench.until(lambda: first.story[-1] == "suspended")
    first.expire()
    bench.until(lambda: second.leads)
    assert first.story == ["elected", "suspended"]
    first.connect()
    bench.until(lambda: first.leader == second.us)
    assert first.story == ["elected", "suspended", "deposed"]
    assert second.epochs[0] > first.epochs[0]


def test_a_standby_that_is_cut_off_learns_later_who_leads(bench):
    first, second, third = bench.peer("first"), bench.peer("second"), bench.peer("third")
    third.cut_off()
    first.stop()
    bench.until(lambda: second.leads)
    third.connect()
    bench.until(lambda: third.leader == second.us)
    assert third.story == []


@pytest.mark.integration
def test_who_lives_and_is_taken_for_dead_is_left_to_its_session(zookeeper):
    """Lifelines that cannot be reached, as behind a proxy that refuses: the others are deceived once, not for ever."""
    bench = ZookeeperBench(zookeeper)
    try:
        [nobody] = free_ports(1)
        peers = [ZookeeperPeer(name, bench, f"127.0.0.1:{nobody}") for name in ("first", "second")]
        bench.peers += peers
        for peer in peers:
            peer.election.start(peer)
        bench.until(
            lambda: any(peer.leader == Candidate(other.us.url) for peer in peers for other in peers if other.leads)
        )
        leads = [(peer.leads, peer.epochs) for peer in peers]
        third = bench.peer("third")  # by then they would have deceived each other again
        assert third.leader == next(Candidate(peer.us.url) for peer in peers if peer.leads)
        assert [(peer.leads, peer.epochs) for peer in peers] == leads
    finally:
        bench.close()
