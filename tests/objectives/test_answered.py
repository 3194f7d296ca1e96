"""Objectives of what is answered, against counts by hand, and a search with a limit on them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive

import evo_ensyth as ee
from evo_ensyth import objectives
from evo_ensyth.engine import Ensembles
from evo_ensyth.pool import Members, Pool, Votes

N_CLASSES = 3


def drawn(share, n_members=5, n_samples=120):
    rng = np.random.default_rng(0)
    labels, truth = naive.random_votes(rng, n_members, n_samples, N_CLASSES, 0.7)
    labels = naive.silenced(rng, labels, share)
    votes = Votes(labels, truth, N_CLASSES, "search")
    return labels, truth, Pool(Members(tuple("abcde"[:n_members])), votes)


def values(name, pool):
    subsets = np.array(list(naive.all_subsets(len(pool))))
    some = Ensembles(subsets, pool.members, pool.search)
    return subsets, objectives.judge([objectives.find(name, pool.members)], some)[:, 0]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_shares_are_those_counted_by_hand(share):
    labels, truth, pool = drawn(share)
    subsets, unanswered = values("unanswered", pool)
    _, error_when_answered = values("error_when_answered", pool)
    for row, subset in enumerate(subsets):
        predicted = naive.plurality(subset, labels, N_CLASSES)
        answered = predicted != -1
        assert unanswered[row] == np.mean(~answered)
        wrong = (predicted != truth)[answered]
        assert error_when_answered[row] == (wrong.mean() if len(wrong) else 1.0)


def test_without_missing_answers_everything_is_answered():
    labels, truth, _ = drawn(0.0)
    labels = np.where(labels == -1, 0, labels)
    pool = Pool(Members(tuple("abcde")), Votes(labels, truth, N_CLASSES, "search"))
    assert not values("unanswered", pool)[1].any()
    assert_array_equal(values("error_when_answered", pool)[1], values("error", pool)[1])


def test_a_limit_on_unanswered_samples_is_kept():
    labels, truth, pool = drawn(0.5)
    run = ee.search(
        pool, ["error_when_answered", "n_members"], selector="exact", baselines=(), at_most={"unanswered": 0.15}
    )
    allowed = [
        (subset, naive.plurality(subset, labels, N_CLASSES))
        for subset in naive.all_subsets(5)
        if naive.unanswered(subset, labels) / 120 <= 0.15
    ]
    best = min(np.mean((predicted != truth)[predicted != -1]) for _, predicted in allowed)
    assert run.front.ensembles
    assert min(one.search["error_when_answered"] for one in run.front.ensembles) == best
    for one in run.front.ensembles:
        assert naive.unanswered(np.isin(np.arange(5), one.indices), labels) / 120 <= 0.15
