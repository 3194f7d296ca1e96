"""Ballots against an oracle of loops, and the same answer however the work is cut."""

import itertools
import os

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import ballots as slow
from oracles import votes as naive

from evo_ensyth.engine import Ballots, BitPlanes, ballots, fixed_point
from evo_ensyth.engine.smoothing import STEPS
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Scores, Votes

SHAPES = [(1, 5, 3), (6, 53, 2), (5, 20, 7), (4, 33, 1), (7, 16, 4), (3, 1, 6)]
RULES = ["soft", "half", "tempered", "mixed", "labels", "silent"]


def drawn(n_members, n_samples, n_classes, *, levels=4, holes=0.0, seed=0):
    """Votes with scores of few levels, so that sums often tie; some are all 0. A share of the answers is missing."""
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, n_samples, n_classes, 0.4)
    values = rng.integers(0, levels, (n_members, n_samples, n_classes)).astype(np.float32)
    values[rng.random((n_members, n_samples)) < 0.1] = 0
    labels = np.where(rng.random(labels.shape) < holes, -1, labels.astype(np.int64))
    return Votes(labels, truth, n_classes, "search", lambda: Scores(values, truth, "search"))


def weights(rule, n_members):
    """Label weights, score weights and temperatures."""
    rng = np.random.default_rng(2)
    ones, zeros = np.ones(n_members), np.zeros(n_members)
    return {
        "soft": (zeros, ones, ones),
        "half": (ones / 2, ones / 2, ones),
        "tempered": (ones / 2, ones / 2, rng.choice([0.25, 0.9, 1, 2, 6], n_members)),
        "mixed": (rng.integers(0, 3, n_members) + 0.1, rng.random(n_members).round(1), rng.choice([1, 3], n_members)),
        "labels": (rng.integers(0, 4, n_members) + (np.arange(n_members) == 0), zeros, ones),
        "silent": (zeros, 1.0 * (np.arange(n_members) == n_members - 1), ones),
    }[rule]


def some_subsets(n_members):
    rng = np.random.default_rng(1)
    subsets = rng.random((9, n_members)) < rng.random((9, 1))
    subsets[~subsets.any(axis=1), -1] = True
    subsets[0] = True
    return subsets


def everything(found, subsets):
    """What `Ballots` says of subsets."""
    n_members = found.n_members
    first, multisets = subsets[1], 2 * subsets + (np.arange(n_members) == n_members - 1)
    flips = np.array([flip for flip in naive.flips(first) if flip.any()], bool).reshape(-1, n_members)
    groups = np.arange(found.n_samples) % 3
    return {
        "errors": found.errors(subsets),
        "errors by group": found.errors_by(groups, 3, subsets),
        "predictions": found.predictions(subsets),
        "smoothed": found.smoothed_losses(subsets),
        "spherical": found.spherical_losses(subsets),
        "Brier": found.brier_losses(subsets),
        "neighbours": found.neighbour_errors(first),
        "smoothed neighbours": found.smoothed_losses(flips, around=first),
        "spherical neighbours": found.spherical_losses(flips, around=first),
        "Brier neighbours": found.brier_losses(flips, around=first),
        "swaps": found.swap_errors(first),
        "outcomes": np.concatenate([np.array(outcomes).sum(axis=2) for outcomes in found.outcomes(subsets)], axis=1),
        "multisets": found.multiset_errors(multisets),
        "joined": found.joined_errors(multisets[0], np.arange(n_members)[::-1]),
    }


# --- Against the oracle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "rule", "holes"),
    [
        *itertools.product(SHAPES, RULES, [0]),
        ((2, 3, 300), "labels", 0),
        ((2, 3, 300), "half", 0),
        ((4, 33, 3), "half", 0.5),
        ((3, 20, 2), "labels", 0.6),
        ((3, 20, 1), "soft", 0.3),
    ],
)
def test_answers_equal_those_of_loops(shape, rule, holes):
    votes, recipe = drawn(*shape, holes=holes), weights(rule, shape[0])
    found, subsets, truth = Ballots.of(votes, *recipe), some_subsets(shape[0]), votes.y_true
    given = slow.given(votes, *recipe)
    of_full = slow.full(*recipe[:2])
    assert_array_equal(found.full, of_full)
    said = everything(found, subsets)
    assert said["predictions"].dtype == (np.uint8 if shape[2] < 256 else np.uint16)
    assert_array_equal(said["predictions"], [slow.predictions(given, subset) for subset in subsets])
    assert_array_equal(said["errors"], [slow.errors(given, subset, truth) for subset in subsets])
    wrong = [slow.wrong(given, subset, truth) for subset in subsets]
    groups = np.arange(shape[1]) % 3
    by_group = [np.bincount(groups, weights=row, minlength=3) for row in wrong]
    assert_array_equal(said["errors by group"], by_group)
    sums = [slow.sums(given, subset) for subset in subsets]
    of_truth = [sum(row[right] for row, right in zip(rows, truth, strict=True)) for rows in sums]
    most, whole = ([sum(map(combine, rows)) for rows in sums] for combine in (max, sum))
    assert_array_equal(said["outcomes"], [of_truth, most, whole, shape[1] - said["errors"]])
    multisets = 2 * subsets + (np.arange(shape[0]) == shape[0] - 1)
    assert_array_equal(said["multisets"], [slow.errors(given, multiset, truth) for multiset in multisets])
    joined = [multisets[0] + (np.arange(shape[0]) == mover) for mover in range(shape[0])[::-1]]
    assert_array_equal(said["joined"], [slow.errors(given, multiset, truth) for multiset in joined])
    flips = naive.flips(subsets[1])
    assert_array_equal(said["neighbours"], [slow.errors(given, subset, truth) for subset in flips])
    swaps = [slow.errors(given, subset, truth) for subset in naive.swaps(subsets[1])]
    assert_array_equal(said["swaps"].ravel(), swaps)
    noise = 0.5 if recipe[1].any() else 1.0
    for name, chosen in (("", subsets), (" neighbours", [subset for subset in flips if subset.any()])):
        smoothed = [slow.smoothed_loss(given, subset, truth, of_full, noise) for subset in chosen]
        # the table's step of 1/1024 is a loss of at most 0.0002
        assert_allclose(said[f"smoothed{name}"] / STEPS, smoothed, atol=2.1e-4 * shape[1])
        spherical = [slow.spherical_loss(given, subset, truth) for subset in chosen]
        assert_allclose(said[f"spherical{name}"] / STEPS, spherical, atol=1e-6 * shape[1])
        brier = [slow.brier_loss(given, subset, truth, of_full, holes > 0) for subset in chosen]
        assert_allclose(said[f"Brier{name}"] / 2.0**32, brier, atol=1e-9 * shape[1])


def test_ballots_of_labels_with_equal_weights_are_plurality():
    votes = drawn(9, 500, 5, holes=0.5)
    found, planes = Ballots.of(votes, np.full(9, 0.3), np.zeros(9)), BitPlanes.of(votes)
    subsets = np.array(list(naive.all_subsets(9)))
    assert_array_equal(found.errors(subsets), planes.errors(subsets))
    losses = found.smoothed_losses(subsets) / STEPS
    assert_allclose(losses, planes.smoothed_losses(subsets) / STEPS, atol=2e-4 * 500)
    assert_array_equal(found.neighbour_errors(subsets[77]), planes.neighbour_errors(subsets[77]))
    assert_array_equal(found.swap_errors(subsets[77]), planes.swap_errors(subsets[77]))


# --- Scores ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-5, 1e-310, 1e300, 3.0])
def test_a_common_factor_of_the_scores_does_not_matter(factor):
    votes, ones = drawn(5, 40, 4), np.ones(5)
    scaled = [member.astype(np.float64) * factor for member in votes.scores.members]
    other = Votes(votes.y_pred, votes.y_true, 4, "search", lambda: Scores(scaled, votes.y_true, "search"))
    for temperature in (1, 2.5):
        found, again = (Ballots.of(each, 0 * ones, ones, temperature * ones) for each in (votes, other))
        subsets = some_subsets(5)
        assert_array_equal(found.predictions(subsets), again.predictions(subsets))
        assert_array_equal(found.brier_losses(subsets), again.brier_losses(subsets))


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_scores_that_change_after_the_check_are_noticed(value):
    values, truth = np.ones((3, 4, 2)), np.zeros(4, int)
    scores = Scores(values, truth, "search")
    values[1, 3, 1] = value
    votes = Votes(np.zeros((3, 4), int), truth, 2, "search", lambda: scores)
    with pytest.raises(InputError, match="search scores of member 1 have changed since they were checked"):
        Ballots.of(votes, np.zeros(3), np.ones(3))


def test_scores_in_files_are_read_and_not_kept(tmp_path):
    votes = drawn(5, 50, 4, levels=16)
    for i, member in enumerate(votes.scores.members):
        np.save(tmp_path / f"{i}.npy", member)
    mapped = Scores([np.load(tmp_path / f"{i}.npy", mmap_mode="r") for i in range(5)], votes.y_true, "search")
    in_files = Votes(votes.y_pred, votes.y_true, 4, "search", lambda: mapped)
    recipe = weights("tempered", 5)
    assert all(isinstance(member, np.memmap) for member in in_files.scores.members)
    assert_array_equal(Ballots.of(in_files, *recipe).units.ballots, Ballots.of(votes, *recipe).units.ballots)


# --- However the work is cut ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["tempered", "labels"])
def test_blocks_and_threads_do_not_matter(rule, monkeypatch):
    votes, subsets = drawn(11, 203, 6, levels=9), some_subsets(11)
    recipe = weights(rule, 11)
    expected = everything(Ballots.of(votes, *recipe), subsets)
    monkeypatch.setattr(ballots, "THREAD_BALLOTS", 1)
    monkeypatch.setattr(fixed_point, "THREAD_BALLOTS", 1)
    monkeypatch.setattr(ballots, "OUTCOMES", 500)
    for n_threads, prepared_bytes in ((1, 1), (2, 5000), (3, 2**25)):
        for module in (ballots, fixed_point):
            monkeypatch.setattr(module, "threads", lambda n=n_threads: n)
        said = everything(Ballots.of(votes, *recipe, prepared_bytes=prepared_bytes), subsets)
        for name, values in expected.items():
            assert_array_equal(said[name], values, name)


# --- Refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label_weights", "score_weights", "temperatures", "message"),
    [
        ([1, 1], [0, 0, 0], None, r"label weights have shape \(2,\); expected \(3,\)."),
        ([1, 1, 1], [0, -0.5, 0], None, r"score weights hold -0.5 \(member 1\); they are finite and at least 0."),
        ([1, 1, np.nan], [0, 0, 0], None, r"label weights hold nan \(member 2\)"),
        ([0, 0, 0], [0, 0, 0], None, "the largest weight is 0; it must be above 0 and finite."),
        ([1, 1, 1], [1, 1, 1], [1, 0, 1], "the temperature of member 1 is 0; it must be above 0."),
    ],
)
def test_a_recipe_that_makes_no_ballots_is_refused(label_weights, score_weights, temperatures, message):
    with pytest.raises(InputError, match=message):
        Ballots.of(drawn(3, 5, 2), label_weights, score_weights, temperatures)


def test_scores_and_labels_have_the_same_classes():
    votes = drawn(3, 5, 2)
    with pytest.raises(InputError, match="search scores have 2 classes; the labels have 3"):
        Ballots.of(Votes(votes.y_pred, votes.y_true, 3, "search", lambda: votes.scores), np.ones(3), np.ones(3))


def test_ballots_of_scores_need_scores():
    votes = drawn(3, 5, 2)
    with pytest.raises(InputError, match="has labels only"):
        Ballots.of(Votes(votes.y_pred, votes.y_true, 2, "search"), np.ones(3), np.ones(3))


def test_what_does_not_fit_into_memory_is_refused_before_it_is_allocated(monkeypatch):
    votes = drawn(8, 300, 16)
    found = Ballots.of(votes, np.ones(8), np.ones(8))
    monkeypatch.setattr(os, "sysconf", lambda name: 512)  # 256 KiB in all
    with pytest.raises(InputError, match=r"the ballots of the search split would take 0.0 GiB; a quarter of this mach"):
        Ballots.of(votes, np.ones(8), np.ones(8))
    with pytest.raises(InputError, match=r"what 300 subsets answer on 300 samples would take 0.0 GiB"):
        found.predictions(np.ones((300, 8), bool))


def test_sums_beyond_32_bits_are_refused():
    found = Ballots.of(drawn(3, 5, 2), np.ones(3), np.zeros(3))
    with pytest.raises(InputError, match="ballots add up to 2,147,516,416 steps"):
        found.multiset_errors(np.array([[1, 2**16, 0]]))
    with pytest.raises(InputError, match="ballots add up to"):
        found.joined_errors(np.array([0, 2**16, 0]), np.arange(3))
