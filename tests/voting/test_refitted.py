"""Rules that are fitted to each ensemble, for all 4,095 subsets of a pool, against plain loops.

Every ensemble is fitted anew, so what the loops compare with is what the rule gave while the subsets were counted.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import votes as naive
from oracles.vote_rules import predictions_of_all
from oracles.weights import samme_weights

from evo_ensyth import voting
from evo_ensyth.pool import Votes
from evo_ensyth.voting._refitted import FOLDS, folds

N_MEMBERS, N_SAMPLES, N_CLASSES = 12, 16, 3


class Remembered:
    """A rule of labels that remembers the weights of each ensemble, in the order of fitting."""

    adds = "labels"

    def __init__(self, name, **settings):
        self.rule, self.given = voting.load(name, settings), []

    def weights(self, votes):
        self.given.append((votes, self.rule.weights(votes)))
        return self.given[-1][1]


def drawn(seed, split):
    """Members of unlike accuracy, a fifth of whose answers are missing, and groups."""
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, N_MEMBERS, N_SAMPLES, N_CLASSES, 0.5)
    truth[:N_CLASSES] = range(N_CLASSES)
    return Votes(naive.silenced(rng, labels, 0.2), truth.astype(int), N_CLASSES, split, groups=np.arange(N_SAMPLES) % 4)


SEARCH, TEST = drawn(0, "search"), drawn(1, "test")
SUBSETS = np.array(list(naive.all_subsets(N_MEMBERS)))


def whole(weights):
    """Whole numbers in proportion to weights: 65,535 for the largest, and equal ones if all are 0."""
    if not weights.any():
        return np.ones(len(weights), int)
    return weights if weights.dtype.kind == "i" else np.rint(weights / weights.max() * 65_535).astype(int)


def votes_of(subsets, given, votes):
    """Label of each subset and sample, by plain sums of the weights that each subset was given."""
    weights = np.zeros(subsets.shape, int)
    for row, subset, (_, found) in zip(weights, subsets, given, strict=True):
        row[subset] = whole(found)
    return predictions_of_all(weights, (votes.y_pred[:, :, None] == np.arange(N_CLASSES)).astype(int))


def check_all_subsets(rule):
    """Votes of all subsets on the test split, and, for some, errors of groups and those of five folds by hand."""
    fitted = voting.fit(rule, SEARCH)
    tally = fitted.tally(TEST)
    found, given = tally.predictions(SUBSETS), rule.given[:]
    assert {votes.split for votes, _ in given} == {"search"}
    expected = votes_of(SUBSETS, given, TEST)
    assert_array_equal(found, expected)
    some = slice(5, None, 61)
    wrong = expected[some] != TEST.y_true
    assert_array_equal(tally.errors(SUBSETS[some]), wrong.sum(axis=1))
    by_group = np.array([wrong[:, TEST.groups == group].sum(axis=1) for group in range(4)]).T
    assert_array_equal(tally.errors_by(TEST.groups, 4, SUBSETS[some]), by_group)
    rule.given.clear()
    found, fold = fitted.tally(SEARCH).predictions(SUBSETS[some]), folds(SEARCH, FOLDS)
    for i in range(FOLDS):
        expected = votes_of(SUBSETS[some], rule.given[i::FOLDS], SEARCH)
        assert_array_equal(found[:, fold == i], expected[:, fold == i])
        assert all(votes.n_samples == np.count_nonzero(fold != i) for votes, _ in rule.given[i::FOLDS])
    return given


@pytest.mark.slow
def test_all_subsets_of_twelve_members_vote_with_the_weights_of_samme():
    given = check_all_subsets(Remembered("samme", rounds=6))
    for votes, weights in given[::7]:
        assert_allclose(weights, samme_weights(votes, 6), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_all_subsets_of_twelve_members_vote_with_the_best_weights_of_stacking():
    """No share that moves to one member brings the squared distance down by more than rounding does."""
    given = check_all_subsets(Remembered("stacking"))
    ballots = (SEARCH.y_pred[:, :, None] == np.arange(N_CLASSES)).reshape(N_MEMBERS, -1).astype(float)
    truth = (SEARCH.y_true[:, None] == np.arange(N_CLASSES)).ravel()
    for subset, (_, weights) in zip(SUBSETS, given, strict=True):
        shares, own = weights / weights.sum(), ballots[subset]
        slope = 2 * own @ (shares @ own - truth) / N_SAMPLES
        assert shares @ slope - slope.min() < 0.004
