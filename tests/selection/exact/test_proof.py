"""Proofs go through every subset once, whatever the order, the threads and the interruptions."""

import math
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.engine import BitPlanes
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.selection.exact import proof as proofs
from evo_ensyth.selection.exact.proof import Proof, limits_of, prove_some
from evo_ensyth.selection.exact.sizes import passes, subsets_of


@pytest.fixture
def votes():
    labels, truth = naive.random_votes(np.random.default_rng(1), 17, 140, 4, 0.6)
    return Votes(labels, truth, 4, "search")


def finished(proof):
    found = []
    while proof.next_pass is not None:
        for better in proof.rounds():
            found += better
    return found


def lowest(votes):
    subsets = np.array(list(naive.all_subsets(votes.n_members)))
    return limits_of(subsets, BitPlanes.of(votes).errors(subsets), votes.n_samples)


@pytest.mark.parametrize(("n_members", "max_size"), [(1, 1), (5, 3), (15, 15), (16, 16), (36, 36), (36, 10), (200, 4)])
def test_passes_hold_every_size_once_and_in_order(n_members, max_size):
    assert [size for sizes in passes(n_members, max_size) for size in sizes] == list(range(1, max_size + 1))


@pytest.mark.parametrize(("n_members", "reach"), [(65, 13), (500, 5), (1_100, 4), (10_000, 3)])
def test_however_many_members_the_parts_are_a_list_that_can_be_held_and_hold_every_subset_once(
    n_members, reach, monkeypatch
):
    monkeypatch.setattr(proofs, "LEAST_BY_TREE", 2**60)
    proof = Proof(Votes(np.zeros((n_members, 1), int), np.zeros(1, int), 2, "search"))
    assert proof.reach == reach
    sizes = range(reach, reach + 1)
    parts = proof._parts(sizes)
    assert len(parts) <= proofs.MOST_PARTS
    held = sum(math.comb(n_members - part.first, reach - part.size) for part in parts)
    assert held == subsets_of(n_members, sizes) <= 2**45
    assert max(part.mask.bit_count() for part in parts) <= reach


def test_a_pool_of_more_members_than_a_float_can_count_the_subsets_of_is_proven_as_far_as_it_goes():
    labels, truth = naive.random_votes(np.random.default_rng(0), 1_100, 60, 3, 0.2)
    votes = Votes(labels, truth, 3, "search")
    proof = prove_some(votes, np.full(1_101, 61), 1_100 + math.comb(1_100, 2))
    assert proof.proven == [1, 2]
    pairs = np.array([(i, j) for i in range(1_100) for j in range(i)])
    subsets = np.zeros((len(pairs), 1_100), bool)
    np.put_along_axis(subsets, pairs, True, axis=1)
    assert proof.limits[2] == min(votes.member_errors.min(), BitPlanes.of(votes).errors(subsets).min())


def test_large_sizes_are_proven_together_where_that_pays():
    assert list(passes(36, 36))[-1] == range(12, 37)
    assert all(len(sizes) == 1 for sizes in passes(36, 8))


def test_all_sizes_are_proven_and_the_best_of_each_is_found(votes):
    proof = Proof(votes)
    found = finished(proof)
    assert proof.proven == list(range(1, 18))
    assert_array_equal(proof.limits, lowest(votes))
    assert_array_equal(proof.lowest_errors()[1:], lowest(votes)[1:])
    assert proof.covered == proof.n_subsets == 2**17 - 1
    assert proof.counted <= proof.covered
    for best in found:
        assert naive.errors(best.subset, votes.y_pred, votes.y_true, 4) == best.errors


@pytest.fixture
def many_parts(monkeypatch):
    """Parts and rounds so small that a pool of 17 members has many."""
    monkeypatch.setattr(proofs, "SMALLEST_PART", 100)
    monkeypatch.setattr(proofs, "ROUND", 3)


@pytest.mark.usefixtures("many_parts")
def test_threads_change_nothing(votes, monkeypatch):
    told = []
    for n in (1, 2, 5):
        monkeypatch.setattr(proofs, "threads", lambda n=n: n)
        proof = Proof(votes, 8)
        found = finished(proof)
        told.append((proof.counted, [(best.errors, best.subset.tolist()) for best in found]))
    assert told[0] == told[1] == told[2]


@pytest.mark.usefixtures("many_parts")
@pytest.mark.parametrize("rounds_before", [1, 5, 40])
def test_a_proof_that_was_interrupted_ends_like_one_that_was_not(votes, rounds_before):
    whole = Proof(votes, 9)
    everything = [best.subset.tolist() for best in finished(whole)]
    first = Proof(votes, 9)
    found = []
    n = 0
    while n < rounds_before and first.next_pass is not None:
        for better in first.rounds():
            found += better
            n += 1
            if n == rounds_before:
                break
    second = Proof(votes, 9)
    second.resume(first.state())
    second.lower_limits(first.limits)
    found += finished(second)
    assert [best.subset.tolist() for best in found] == everything
    assert second.state() == whole.state()


@pytest.fixture
def slow(monkeypatch):
    """A proof whose third pass is a single part of 166 million subsets, which takes half a minute."""
    monkeypatch.setattr(proofs, "SMALLEST_PART", 2**40)
    monkeypatch.setattr(proofs, "LARGEST_PART", 2**40)
    labels, truth = naive.random_votes(np.random.default_rng(1), 1_000, 5_000, 10, 0.6)
    proof = Proof(Votes(labels, truth, 10, "search"), 3)
    assert [len(list(proof.rounds())) for _ in range(2)] == [1, 1]
    return proof


def test_a_round_is_broken_off_when_it_is_told_to_and_leaves_no_trace(slow):
    before, limits = slow.state(), slow.limits.copy()
    answers = iter([True, True])
    start = time.perf_counter()
    assert list(slow.rounds(lambda: next(answers, False))) == []
    assert time.perf_counter() - start < 10
    assert slow.state() == before
    assert_array_equal(slow.limits, limits)


def test_a_round_is_broken_off_by_the_stop_key_too(slow):
    before = slow.state()

    def interrupted():
        raise KeyboardInterrupt

    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        list(slow.rounds(interrupted))
    assert time.perf_counter() - start < 10
    assert slow.state() == before


def test_an_estimate_takes_no_longer_than_it_may(slow):
    start = time.perf_counter()
    estimate = slow.estimate()
    assert time.perf_counter() - start < 10
    assert estimate.n_subsets == math.comb(1_000, 3)
    assert 0 < estimate.least <= estimate.seconds <= estimate.most
    assert slow.estimate(lambda: False).seconds > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"proven": [2]},
        {"proven": list(range(1, 12))},
        {"parts_done": 10**6},
        {"parts_done": -1},
    ],
    ids=str,
)
def test_a_state_that_cannot_be_is_refused(votes, changes):
    with pytest.raises(InputError, match=r"field"):
        Proof(votes, 9).resume({**Proof(votes, 9).state(), **changes})


@pytest.mark.parametrize("max_size", [0, 18])
def test_a_size_that_no_ensemble_has_is_refused(votes, max_size):
    with pytest.raises(InputError, match="between 1 and 17"):
        Proof(votes, max_size)


def test_an_estimate_leaves_the_proof_as_it_is(votes):
    proof = Proof(votes)
    before = proof.state()
    estimate = proof.estimate()
    assert proof.state() == before
    assert estimate.n_subsets == 2**17 - 1
    assert 0 < estimate.least <= estimate.seconds <= estimate.most


def test_some_is_proven_as_far_as_it_goes(votes):
    nothing_known = np.full(18, 141)
    proof = prove_some(votes, nothing_known, 17 + math.comb(17, 2))
    assert proof.proven == [1, 2]
    proof = prove_some(votes, lowest(votes), 10**9)
    assert proof.proven == list(range(1, 18))


@pytest.mark.usefixtures("many_parts")
def test_a_proof_ends_when_it_is_told_to_and_keeps_what_it_found(votes):
    answers = iter([True] * 5)
    proof = prove_some(votes, np.full(18, 141), 10**9, keep_going=lambda: next(answers, False))
    assert 0 < len(proof.proven) < 17


def test_nothing_is_proven_where_memory_does_not_reach(votes, monkeypatch):
    monkeypatch.setattr(proofs, "MOST_BYTES", 10)
    assert prove_some(votes, np.full(18, 141), 10**9) is None


def test_limits_fall_with_the_size():
    subsets = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 1]], bool)
    assert_array_equal(limits_of(subsets, np.array([5, 7, 3]), 9), [10, 5, 5, 3, 3])
    assert subsets_of(4, range(1, 5)) == 15


def test_of_many_members_only_small_ensembles_are_in_reach_and_the_estimate_is_soon_there():
    labels, truth = naive.random_votes(np.random.default_rng(0), 200, 70, 3, 0.7)
    proof = Proof(Votes(labels, truth, 3, "search"))
    assert proof.reach == 7
    assert proof.estimate().n_subsets == sum(math.comb(200, size) for size in range(1, 8))


@pytest.mark.parametrize("most_parts", [1, 3, 1000])
def test_parts_are_no_more_than_a_list_can_hold(votes, most_parts, monkeypatch):
    monkeypatch.setattr(proofs, "PARTS_OF_A_PASS", 1)
    monkeypatch.setattr(proofs, "LARGEST_PART", 1)
    expected = lowest(votes)
    monkeypatch.setattr(proofs, "MOST_PARTS", most_parts)
    proof = Proof(votes, 6)
    finished(proof)
    assert_array_equal(proof.limits[1:7], np.minimum.accumulate(expected[1:7]))
    assert len(proof._parts(range(5, 6))) <= most_parts
