"""Rules that are fitted to each ensemble, for all subsets of a pool, against plain loops.

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

N_SAMPLES, N_CLASSES = 16, 3
SIZES = pytest.mark.parametrize("n_members", [9, pytest.param(12, marks=pytest.mark.long)])


class Remembered:
    """A rule of labels that remembers the weights of each ensemble, in the order of fitting."""

    adds = "labels"

    def __init__(self, name, **settings):
        self.rule, self.given = voting.load(name, settings), []

    def weights(self, votes):
        self.given.append((votes, self.rule.weights(votes)))
        return self.given[-1][1]


def drawn(n_members, seed, split):
    """Members of unlike accuracy, a fifth of whose answers are missing, and groups."""
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, N_SAMPLES, N_CLASSES, 0.5)
    truth[:N_CLASSES] = range(N_CLASSES)
    return Votes(naive.silenced(rng, labels, 0.2), truth.astype(int), N_CLASSES, split, groups=np.arange(N_SAMPLES) % 4)


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


def check_all_subsets(rule, n_members):
    """Votes of all subsets on the test split, and, for some, errors of groups and those of five folds by hand."""
    search, test = drawn(n_members, 0, "search"), drawn(n_members, 1, "test")
    subsets = np.array(list(naive.all_subsets(n_members)))
    fitted = voting.fit(rule, search)
    tally = fitted.tally(test)
    found, given = tally.predictions(subsets), rule.given[:]
    assert {votes.split for votes, _ in given} == {"search"}
    expected = votes_of(subsets, given, test)
    assert_array_equal(found, expected)
    some = slice(5, None, 61)
    wrong = expected[some] != test.y_true
    assert_array_equal(tally.errors(subsets[some]), wrong.sum(axis=1))
    by_group = np.array([wrong[:, test.groups == group].sum(axis=1) for group in range(4)]).T
    assert_array_equal(tally.errors_by(test.groups, 4, subsets[some]), by_group)
    rule.given.clear()
    found, fold = fitted.tally(search).predictions(subsets[some]), folds(search, FOLDS)
    for i in range(FOLDS):
        expected = votes_of(subsets[some], rule.given[i::FOLDS], search)
        assert_array_equal(found[:, fold == i], expected[:, fold == i])
        assert all(votes.n_samples == np.count_nonzero(fold != i) for votes, _ in rule.given[i::FOLDS])
    return search, subsets, given


@SIZES
@pytest.mark.slow
def test_all_subsets_vote_with_the_weights_of_samme(n_members):
    _, _, given = check_all_subsets(Remembered("samme", rounds=6), n_members)
    for votes, weights in given[::7]:
        assert_allclose(weights, samme_weights(votes, 6), rtol=1e-9, atol=1e-12)


@SIZES
@pytest.mark.slow
def test_all_subsets_vote_with_the_best_weights_of_stacking(n_members):
    """No share that moves to one member brings the squared distance down by more than rounding does."""
    search, subsets, given = check_all_subsets(Remembered("stacking"), n_members)
    ballots = (search.y_pred[:, :, None] == np.arange(N_CLASSES)).reshape(n_members, -1).astype(float)
    truth = (search.y_true[:, None] == np.arange(N_CLASSES)).ravel()
    for subset, (_, weights) in zip(subsets, given, strict=True):
        shares, own = weights / weights.sum(), ballots[subset]
        slope = 2 * own @ (shares @ own - truth) / N_SAMPLES
        assert shares @ slope - slope.min() < 0.004
