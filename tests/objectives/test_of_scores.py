"""Objectives of the mean scores, against loops over samples."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import losses
from oracles import scores as slow
from oracles import votes as naive

from evo_ensyth import objectives
from evo_ensyth.engine import Ballots, Ensembles, views
from evo_ensyth.engine import ballots as engine_ballots
from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool, read_predictions
from evo_ensyth.pool import Members, Pool, Scores, Votes
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run
from evo_ensyth.voting import Half, Plurality

NAMES = ("soft_error", "log_loss", "brier_score", "spherical_loss", "calibration_error")
# Each score is rounded by at most 2^-16, so a share is off by about as much.
ROUNDING = 2.0**-12


def drawn(n_members=6, n_samples=150, n_classes=4, seed=0, scale=1.0):
    """Votes with scores that are right more often than not."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n_samples)
    logits = rng.normal(size=(n_members, n_samples, n_classes)) + 1.5 * (truth[:, None] == np.arange(n_classes))
    scores = np.exp(logits)
    scores *= scale / scores.sum(axis=2, keepdims=True)
    return of_scores(scores.astype(np.float32), truth)


def of_scores(scores, truth):
    truth = np.asarray(truth)
    return Votes(scores.argmax(axis=2), truth, scores.shape[2], "search", lambda: Scores(scores, truth, "search"))


def ensembles(votes, subsets=None):
    pool = Members(tuple(f"m{i}" for i in range(votes.n_members)))
    subsets = np.array(list(naive.all_subsets(votes.n_members))) if subsets is None else np.array(subsets, bool)
    return Ensembles(subsets, pool, votes)


def value(name, some):
    return objectives.judge([objectives.find(name, some.pool)], some)[:, 0]


@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_values_are_those_of_loops_over_samples(scale):
    some = ensembles(drawn(scale=scale))
    truth = some.votes.y_true
    found = {name: value(name, some) for name in NAMES}
    for i, subset in enumerate(some.subsets):
        share = slow.shares(some.votes.scores.members, subset)
        assert_allclose(found["log_loss"][i], losses.log_loss(share, truth, 2**-16), atol=ROUNDING)
        assert_allclose(found["brier_score"][i], losses.brier_score(share, truth), atol=ROUNDING)
        assert_allclose(found["calibration_error"][i], losses.calibration_error(share, truth), atol=ROUNDING)
        assert_allclose(found["spherical_loss"][i], losses.spherical_loss(share, truth), atol=ROUNDING)
        assert found["soft_error"][i] == np.mean(share.argmax(axis=1) != truth)


def test_values_worked_out_by_hand():
    scores = np.array([[[0.5, 0.5], [0.25, 0.75]], [[1.0, 0.0], [0.25, 0.75]]])
    some = ensembles(of_scores(scores, [0, 0]), [[1, 0], [1, 1]])
    assert_allclose(value("log_loss", some), [math.log(2 * 4) / 2, math.log(4 / 3 * 4) / 2], rtol=1e-9)
    assert_allclose(value("brier_score", some), [(0.5 + 1.125) / 2, (0.125 + 1.125) / 2], rtol=1e-9)
    # Confident by a half and right, by three quarters and wrong; then by three quarters both times, and right once.
    assert_allclose(value("calibration_error", some), [(0.5 + 0.75) / 2, 0.25], rtol=1e-9)
    assert_allclose(
        value("spherical_loss", some), [1 - (0.5**0.5 + 0.1**0.5) / 2, 1 - (0.9**0.5 + 0.1**0.5) / 2], atol=1e-6
    )
    assert_array_equal(value("soft_error", some), [0.5, 0.5])


@pytest.mark.parametrize("factor", [1e-5, 1e5])
@pytest.mark.parametrize("name", NAMES)
def test_a_common_factor_of_the_scores_does_not_matter(name, factor):
    votes = drawn()
    scaled = of_scores(np.array(votes.scores.members, np.float64) * factor, votes.y_true)
    assert_allclose(value(name, ensembles(scaled)), value(name, ensembles(votes)), atol=1e-4)


def test_values_are_of_the_vote_that_the_problem_adds_up():
    votes = drawn(n_members=4)
    pool = Pool(Members(tuple("abcd")), votes)
    subsets = np.array(list(naive.all_subsets(4)))
    problem = Problem(pool, "brier_score", vote=Half(temper=False))
    some, truth = problem.on_search(subsets), votes.y_true
    onehot = np.eye(4)[votes.y_pred]
    expected = [
        losses.brier_score(slow.shares((onehot + votes.scores.members) / 2, subset), truth) for subset in subsets
    ]
    assert_allclose(value("brier_score", some), expected, atol=ROUNDING)


def test_a_truth_that_nobody_thinks_of_costs_eleven_nats_and_silence_is_no_opinion():
    some = ensembles(of_scores(np.array([[[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]), [1, 1]))
    assert_allclose(value("log_loss", some), [(16 * math.log(2) + math.log(4)) / 2], rtol=1e-9)
    assert_allclose(value("brier_score", some), [(2 + 0.75) / 2], rtol=1e-9)
    assert_allclose(value("calibration_error", some), [(1 + 0.25) / 2], rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_neither_batch_nor_block_nor_threads_change_a_bit(name, monkeypatch):
    votes = drawn(n_members=5, n_samples=300)
    some = ensembles(votes)
    whole = value(name, some)
    alone = [value(name, ensembles(votes, subset[None]))[0] for subset in some.subsets]
    assert_array_equal(alone, whole)
    monkeypatch.setattr(engine_ballots, "THREAD_BALLOTS", 1)
    monkeypatch.setattr(engine_ballots, "threads", lambda: 3)
    monkeypatch.setattr(engine_ballots, "OUTCOMES", 1)
    blocks = Ballots.of(votes, np.zeros(5), np.ones(5), prepared_bytes=1)
    monkeypatch.setattr(views, "ballots", lambda votes: blocks)
    assert_array_equal(value(name, ensembles(votes)), whole)


@pytest.mark.parametrize("name", NAMES)
def test_labels_alone_are_not_enough(name, make_problem):
    problem = make_problem()
    with pytest.raises(InputError, match="the search split of this pool has labels only, and probabilities"):
        value(name, problem.on_search(np.ones((1, 8), bool)))


def test_a_problem_prepares_its_scores_once_and_only_when_asked():
    votes, asked = drawn(), []

    def read():
        asked.append(1)
        return Scores(votes.scores.members, votes.y_true, "search")

    watched = Votes(votes.y_pred, votes.y_true, votes.n_classes, "search", read)
    problem = Problem(Pool(Members(tuple("abcdef")), watched), "error", vote=Plurality(ties="lowest"))
    run(problem, "forward_greedy")
    assert asked == []
    run(problem.with_objectives((problem.find("log_loss"),)), "random", budget=600)
    assert asked == [1]


# --- Where scores come from -----------------------------------------------------------------------------------------


def test_a_stored_pool_maps_its_scores(pool_folder):
    stored = read_pool(pool_folder)
    assert isinstance(stored.pool.search.scores.members[0], np.memmap)
    assert stored.pool.test.scores.split == "test"


def test_a_file_of_predictions_gives_its_scores_to_the_split_they_belong_to(npz):
    votes = drawn(n_members=3, n_samples=40)
    values = np.array(votes.scores.members)
    named = read_predictions(
        npz({"search_scores": values[:, :25], "search_truth": votes.y_true[:25],
             "test_scores": values[:, 25:], "test_truth": votes.y_true[25:]})
    )  # fmt: skip
    assert_array_equal(named.search.scores.members, values[:, :25])
    assert_array_equal(named.test.scores.members, values[:, 25:])
    split = read_predictions(npz({"scores": np.asfortranarray(values), "truth": votes.y_true}), test_share=0.3)
    test = split.source["test_samples"]
    assert_array_equal(split.test.scores.members, values[:, test])
    assert_array_equal(split.search.scores.members, np.delete(values, test, axis=1))
    assert_array_equal(split.search.scores.y_true, split.search.y_true)


def test_a_file_without_scores_is_refused_and_what_it_lacks_is_named(npz, arrays):
    with pytest.raises(InputError, match=r"votes.npz: no 'search_scores', and labels alone do not say"):
        read_predictions(npz(arrays)).search.scores  # noqa: B018


def test_a_file_that_has_changed_since_is_refused(npz):
    votes = drawn(n_members=3, n_samples=40)
    stored = {"search_scores": np.array(votes.scores.members), "search_truth": votes.y_true}
    read = read_predictions(npz(stored))
    npz({**stored, "search_scores": stored["search_scores"][:2]})
    with pytest.raises(InputError, match=r"search scores are of 2 members and 40 samples; the labels have shape"):
        read.search.scores  # noqa: B018


@pytest.mark.slow
def test_the_command_line_searches_by_log_loss(call, npz):
    votes = drawn(n_members=5, n_samples=60)
    path = npz({"scores": np.array(votes.scores.members), "truth": votes.y_true})
    said = call("search", path, "--objectives", "log_loss,n_members", "--selector", "exact", "--json")
    assert said.status == 0
    best = said.json["front"]["ensembles"][-1]
    assert set(best["search"]) == set(best["test"]) == {"log_loss", "n_members"}
    said = call("search", npz({"labels": votes.y_pred, "truth": votes.y_true}), "--objectives", "log_loss")
    assert (said.status, said.out) == (2, "")
    assert "votes.npz: no 'scores', and labels alone" in said.err


def test_scores_of_one_split_alone_are_refused_before_anything_is_chosen(npz):
    votes = drawn(n_members=3, n_samples=40)
    stored = {"search_scores": np.array(votes.scores.members), "search_truth": votes.y_true}
    read = read_predictions(npz({**stored, "test_labels": votes.y_pred, "test_truth": votes.y_true}))
    with pytest.raises(InputError, match=r"votes.npz: no 'test_scores', and labels alone"):
        read.search.scores  # noqa: B018


def test_a_class_that_only_the_other_split_knows_needs_a_column(npz):
    votes = drawn(n_members=3, n_samples=40)
    values = np.array(votes.scores.members)
    stored = {
        "search_scores": values,
        "search_truth": votes.y_true,
        "test_scores": values,
        "test_truth": votes.y_true + 2,
    }
    with pytest.raises(
        InputError, match="the scores have 4 columns and the labels are 0, 1, 2, 3, 4, 5; give a column"
    ):
        read_predictions(npz(stored))
