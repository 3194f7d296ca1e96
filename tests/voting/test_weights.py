"""Weights against formulas, loops and dense grids."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import losses
from oracles import votes as naive
from oracles.weights import samme_weights

from evo_ensyth import voting
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Scores, Votes
from evo_ensyth.voting._simplex_program import SimplexProgram


def drawn(n_members, n_samples=80, n_classes=3, *, seed=0):
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, n_samples, n_classes, 0.6)
    scores = rng.dirichlet(np.ones(n_classes), (n_members, n_samples)) + np.eye(n_classes)[labels]
    return scored(labels, truth, scores / 2)


def scored(labels, truth, scores):
    """Votes with scores."""
    return Votes(labels, truth, scores.shape[-1], "search", lambda: Scores(scores, truth, "search"))


def weights(name, votes, **settings):
    return voting.load(name, settings).weights(votes)


# --- Log-odds -------------------------------------------------------------------------------------------------------


def with_errors(errors, n_samples, n_classes):
    """Members who make so many errors each."""
    truth = np.arange(n_samples) % n_classes
    labels = [np.where(np.arange(n_samples) < wrong, (truth + 1) % n_classes, truth) for wrong in errors]
    return Votes(np.array(labels), truth, n_classes, "search")


@pytest.mark.parametrize("name", ["log_odds", "samme"])
def test_weights_do_not_depend_on_how_classes_are_numbered(name):
    votes = drawn(4, n_classes=2)
    codes = np.array([3, 2019])
    renumbered = Votes(codes[votes.y_pred], codes[votes.y_true], 2020, "search")
    assert_allclose(weights(name, renumbered), weights(name, votes))


def test_log_odds_are_those_of_the_formula():
    found = weights("log_odds", with_errors([0, 2, 4, 8], 8, 2))
    assert_allclose(found, [math.log(9), math.log(7 / 3), 0, 0], rtol=1e-15)
    found = weights("log_odds", with_errors([0, 2, 6, 8], 8, 4))
    assert_allclose(found, [math.log(27), math.log(7), math.log(9 / 7), 0], rtol=1e-15)


def test_of_independent_voters_log_odds_choose_the_likelier_class():
    """Bayes' rule by enumeration: two classes, equally frequent, members who err independently."""
    wrong = [5, 20, 30]
    votes = with_errors(wrong, 98, 2)
    vote = voting.fit(voting.load("log_odds"), votes).of(np.ones(3, bool))
    right = [(98 - errors + 1) / 100 for errors in wrong]
    for ballot in itertools.product((0, 1), repeat=3):
        chances = [math.prod(p if said == c else 1 - p for p, said in zip(right, ballot, strict=True)) for c in (0, 1)]
        one = Votes(np.array(ballot)[:, None], [0], 2, "test")
        assert vote.predict(one)[0] == np.argmax(chances)


# --- SAMME ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("rounds", [1, 2, 7, 30])
def test_samme_gives_the_weights_of_a_plain_loop(n_classes, rounds):
    votes = drawn(5, 60, n_classes)
    assert_allclose(weights("samme", votes, rounds=rounds), samme_weights(votes, rounds), rtol=1e-9)


def test_samme_lets_a_perfect_member_decide_alone():
    votes = drawn(4)
    labels = votes.y_pred.copy()
    labels[2] = votes.y_true
    assert_array_equal(weights("samme", Votes(labels, votes.y_true, 3, "search")) > 0, [0, 0, 1, 0])


def test_samme_gives_no_vote_to_a_member_no_better_than_a_guess():
    for errors in ([4, 5], [5, 6]):
        assert_array_equal(weights("samme", with_errors(errors, 8, 2)), 0)
    assert weights("samme", with_errors([4, 5], 8, 3)).any()


# --- Stacking -------------------------------------------------------------------------------------------------------


def loss(kind, shares, votes, adds):
    ballots = np.eye(votes.n_classes)[votes.y_pred] if adds == "labels" else np.array(votes.scores.members)
    return losses.stacking_loss(kind, shares, ballots, votes.y_true)


def simplex(n_members, steps):
    for cut in itertools.product(range(steps + 1), repeat=n_members - 1):
        if sum(cut) <= steps:
            yield np.array([*cut, steps - sum(cut)]) / steps


@pytest.mark.parametrize("kind", ["brier", "log"])
@pytest.mark.parametrize("adds", ["labels", "scores"])
@pytest.mark.parametrize(("n_members", "steps"), [(2, 400), (3, 60)])
@pytest.mark.parametrize("seed", range(2))
def test_no_point_of_a_dense_grid_has_less_loss(kind, adds, n_members, steps, seed):
    votes = drawn(n_members, seed=seed)
    found = weights("stacking", votes, adds=adds, loss=kind)
    lowest = min(loss(kind, shares, votes, adds) for shares in simplex(n_members, steps))
    assert loss(kind, found / found.sum(), votes, adds) <= lowest + 1e-6


def test_stacking_of_two_members_is_at_the_vertex_of_a_parabola():
    """Labels that never agree where they are wrong: the squared distance is (a w^2 + b (1 - w)^2) / n times 2."""
    truth = np.zeros(12, int)
    labels = [[1] * 2 + [0] * 10, [0] * 2 + [1] * 4 + [0] * 6]
    found = weights("stacking", Votes(labels, truth, 2, "search"))
    assert_allclose(found / found.sum(), [4 / 6, 2 / 6], atol=1e-3)


@pytest.mark.parametrize("kind", ["brier", "log"])
@pytest.mark.parametrize("adds", ["labels", "scores"])
def test_a_perfect_member_takes_all_the_weight(kind, adds):
    votes = drawn(3)
    labels = votes.y_pred.copy()
    labels[1] = votes.y_true
    votes = scored(labels, votes.y_true, np.eye(3)[labels])
    found = weights("stacking", votes, adds=adds, loss=kind)
    assert_array_equal(found, [0, 1024, 0])


@pytest.mark.parametrize("kind", ["brier", "log"])
def test_identical_members_share_a_weight(kind):
    votes = drawn(2)
    votes = Votes(votes.y_pred[[0, 0, 0, 1]], votes.y_true, 3, "search")
    found = weights("stacking", votes, loss=kind)
    assert np.ptp(found[:3]) <= 1


def test_scores_that_are_no_probabilities_are_refused():
    votes = drawn(2)
    twice = scored(votes.y_pred, votes.y_true, np.array(votes.scores.members) * [[[1.0]], [[2.0]]])
    with pytest.raises(InputError, match=r"search scores of member 1 add up to 2 for sample \d+; stacking needs prob"):
        weights("stacking", twice, adds="scores")


@pytest.mark.parametrize("kind", ["brier", "log"])
def test_where_one_solver_gives_up_another_one_finds_the_weights(kind, monkeypatch):
    votes = drawn(4)
    expected = weights("stacking", votes, loss=kind)
    monkeypatch.setattr(SimplexProgram, "_by_clarabel", lambda *_: None)
    assert_allclose(weights("stacking", votes, loss=kind), expected, atol=5)
