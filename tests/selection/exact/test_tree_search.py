"""The search over a tree of members against enumeration: every tree, every way to cut the work, every kind of pool."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.engine import BitPlanes
from evo_ensyth.pool import Votes
from evo_ensyth.pool.labels import signed_labels
from evo_ensyth.selection.exact import member_tree
from evo_ensyth.selection.exact import proof as proofs
from evo_ensyth.selection.exact.member_tree import MemberTree
from evo_ensyth.selection.exact.pairwise_margins import PairwiseMargins
from evo_ensyth.selection.exact.proof import Proof
from evo_ensyth.selection.exact.tree_search import TreeSearch


def draw(n_members, n_samples, n_classes, accuracy, seed, alike=0.0):
    """Random votes, of which a share is that of the first member."""
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, n_samples, n_classes, accuracy)
    labels = np.where(rng.random(labels.shape) < alike, labels[0], labels)
    return Votes(labels, truth, n_classes, "search")


def tree_of(votes):
    return TreeSearch(votes, PairwiseMargins(votes), votes.n_members)


def fewest_by_size(votes):
    """Errors of the best subset of each size, by counting all of them; index 0 is no size."""
    subsets = np.array(list(naive.all_subsets(votes.n_members)))
    errors, sizes = BitPlanes.of(votes).errors(subsets), subsets.sum(axis=1)
    return [votes.n_samples + 1] + [int(errors[sizes == size].min()) for size in range(1, votes.n_members + 1)]


def best_of(search, size, most, limit):
    """Fewest errors below a limit, the subset, and what was counted, when the work is cut into parts."""
    best, n_judged, n_covered = None, 0, 0
    for part in search.subtrees(range(size, size + 1), most):
        limits = np.full(search.n_members + 1, limit)
        found = search.search(part, range(size, size + 1), limits)
        n_judged, n_covered = n_judged + found.judged, n_covered + found.covered
        if found.better:
            (best,) = found.better
            limit = best.errors
    return best, n_judged, n_covered


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 10), st.integers(1, 200), st.integers(2, 6), st.floats(0.05, 0.95), st.integers(0, 2**32 - 1),
    st.sampled_from([1, 20, 10**9]), st.sampled_from([0.0, 0.7, 0.95]),
)  # fmt: skip
def test_the_best_of_each_size_is_that_of_enumeration(m, n, c, accuracy, seed, most, alike):
    votes = draw(m, n, c, accuracy, seed, alike)
    expected, planes, search = fewest_by_size(votes), BitPlanes.of(votes), tree_of(votes)
    for size in range(1, m + 1):
        best, n_judged, n_covered = best_of(search, size, most, n + 1)
        assert best.errors == expected[size] == planes.errors(best.subset[None])
        assert best.subset.sum() == size
        assert 0 < n_judged <= n_covered == math.comb(m, size)
        assert best_of(search, size, most, expected[size])[0] is None


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("n_members", [1, 4, 8, 12])
def test_the_best_of_each_size_is_that_of_enumeration_where_members_do_not_answer(n_members, share):
    rng = np.random.default_rng(n_members)
    labels, truth = naive.random_votes(rng, n_members, 90, 4, 0.5)
    votes = Votes(naive.silenced(rng, labels, share), truth, 4, "search")
    expected, search = fewest_by_size(votes), tree_of(votes)
    for size in range(1, n_members + 1):
        best, _, _ = best_of(search, size, 20, 91)
        assert best.errors == expected[size]
        assert naive.errors(best.subset, signed_labels(votes.y_pred, 4), truth, 4) == expected[size]


@pytest.mark.parametrize("labels", [np.zeros((4, 5)), np.ones((4, 5)), [[0] * 5, [1] * 5, [2] * 5, [1] * 5]])
def test_pools_in_which_little_is_open(labels):
    votes = Votes(np.array(labels, int), np.zeros(5, int), 3, "search")
    expected, search = fewest_by_size(votes), tree_of(votes)
    assert [best_of(search, size, 10, 6)[0].errors for size in range(1, 5)] == expected[1:]


def test_members_that_are_alike_are_settled_together():
    votes = draw(18, 400, 4, 0.7, 4, alike=0.95)
    expected, search = fewest_by_size(votes), tree_of(votes)
    best, n_judged, n_covered = best_of(search, 9, 10**9, expected[9])
    assert best is None
    assert n_covered == math.comb(18, 9)
    assert n_judged < n_covered / 100


def test_a_search_that_is_halted_says_how_far_it_came():
    votes = draw(18, 150, 3, 0.7, 4)
    search, limits = tree_of(votes), np.full(19, 151)
    (whole,) = search.subtrees(range(9, 10), 10**9)
    halted = search.search(whole, range(9, 10), limits, np.ones(1, bool))
    assert 0 < halted.covered < search.search(whole, range(9, 10), limits).covered == math.comb(18, 9)


@pytest.mark.parametrize("most_linked", [400, 3])
@pytest.mark.parametrize("n_members", [1, 2, 3, 7, 20])
def test_a_tree_has_every_member_once_and_clusters_before_what_is_in_them(monkeypatch, n_members, most_linked):
    monkeypatch.setattr(member_tree, "MOST_LINKED", most_linked)
    tree = MemberTree.of(draw(n_members, 50, 3, 0.6, 1).y_pred)
    members = {cluster: {cluster} for cluster in range(n_members)}
    for cluster, one, other in tree.splits[::-1]:
        assert not members[one] & members[other]
        members[cluster] = members[one] | members[other]
    assert members[2 * n_members - 2] == set(range(n_members))
    assert [len(members[cluster]) for cluster in range(2 * n_members - 1)] == tree.sizes.tolist()


def test_members_that_are_most_alike_are_split_last():
    labels = np.random.default_rng(0).integers(0, 3, (3, 60))
    labels = np.repeat(labels, [1, 3, 2], axis=0)
    labels[2, :2] += 1
    tree = MemberTree.of(labels)
    assert {frozenset(pair) for pair in tree.splits[-2:, 1:].tolist()} == {frozenset((1, 3)), frozenset((4, 5))}


@pytest.fixture
def alike(monkeypatch):
    """Seventeen members that are alike, and proofs that search trees for them."""
    monkeypatch.setattr(proofs, "LEAST_BY_TREE", 1)
    monkeypatch.setattr(proofs, "SPLITS_PER_SUBSET", 10)
    monkeypatch.setattr(proofs, "SMALLEST_PART", 500)
    return draw(17, 200, 4, 0.6, 2, alike=0.8)


def finished(proof):
    return [best for _ in iter(lambda: proof.next_pass, None) for better in proof.rounds() for best in better]


def test_a_proof_by_tree_is_that_by_enumeration_on_any_number_of_threads(alike, monkeypatch):
    told = []
    for n_threads in (1, 3):
        monkeypatch.setattr(proofs, "threads", lambda n=n_threads: n)
        proof = Proof(alike)
        assert isinstance(proof.searcher, TreeSearch)
        told.append(([(best.errors, best.subset.tolist()) for best in finished(proof)], proof.state()))
        assert proof.proven == list(range(1, 18))
        assert proof.covered == proof.n_subsets == 2**17 - 1
    assert told[0] == told[1]
    monkeypatch.setattr(proofs, "LEAST_BY_TREE", 2**60)
    enumerated = Proof(alike)
    finished(enumerated)
    assert isinstance(enumerated.searcher, PairwiseMargins)
    assert_array_equal(enumerated.limits, proof.limits)
    assert_array_equal(proof.limits[1:], np.minimum.accumulate(fewest_by_size(alike)[1:]))


def test_a_proof_by_tree_that_was_interrupted_ends_like_one_that_was_not(alike):
    whole = Proof(alike, 9)
    everything = [best.subset.tolist() for best in finished(whole)]
    first, found = Proof(alike, 9), []
    for _ in range(6):
        found += next(first.rounds())
    second = Proof(alike, 9)
    second.resume(first.state())
    second.lower_limits(first.limits)
    found += finished(second)
    assert [best.subset.tolist() for best in found] == everything
    assert second.state() == whole.state()


def test_a_tree_is_searched_where_members_are_alike_and_not_where_they_are_independent(monkeypatch):
    monkeypatch.setattr(proofs, "LEAST_BY_TREE", 1)
    for alike, kind in ((0.98, TreeSearch), (0.0, PairwiseMargins)):
        votes = draw(20, 600, 5, 0.5, 3, alike)
        proof = Proof(votes)
        proof.lower_limits(np.full(21, int(votes.member_errors.min())))
        assert isinstance(proof.searcher, kind)
        estimate = proof.estimate()
        assert 0 < estimate.least <= estimate.seconds <= estimate.most
