"""Measures of diversity: published values, identities, and every definition written out sample by sample."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import diversity as slow
from oracles import votes as naive

from evo_ensyth.engine import Diversity
from evo_ensyth.engine.diversity import MEASURES
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes, memory

ALL = [*MEASURES, "double_fault"]
# Each member is right on four of six samples.
WORKED = [[0, 1, 2, 0, 2, 1], [0, 1, 0, 1, 1, 2], [0, 0, 2, 0, 1, 0]]
WORKED_TRUTH = [0, 1, 2, 0, 1, 2]
# Measures are sums of whole numbers, and a few divisions.
EXACT = {"rtol": 0, "atol": 1e-14}


def diversity(labels, truth, n_classes=4):
    return Diversity.of(Votes(np.array(labels), np.array(truth), n_classes, "search"))


def drawn(seed, n_members=8, n_samples=90, n_classes=4):
    return naive.random_votes(np.random.default_rng(seed), n_members, n_samples, n_classes, 0.6)


def everybody(n_members):
    return np.ones((1, n_members), bool)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("binary_disagreement", 5 / 9),
        ("double_fault", 1 / 18),
        ("kohavi_wolpert", 5 / 27),
        ("generalised_diversity", 5 / 6),
        ("q_statistic", -1 / 2),
        ("cohen_kappa", 1 / 12),
        ("fleiss_kappa", 5 / 104),
    ],
)
def test_the_worked_example_has_its_values(measure, value):
    assert_allclose(getattr(diversity(WORKED, WORKED_TRUTH), measure)(everybody(3)), value, **EXACT)


def test_the_pairs_of_the_worked_example_have_their_values():
    worked = diversity(WORKED, WORKED_TRUTH)
    upper = np.triu_indices(3, 1)
    assert_allclose(worked.q_statistics[upper], [-1, 0.5, -1], **EXACT)
    assert_allclose(worked.kappas[upper], [0, 0.25, 0], **EXACT)
    assert_array_equal(worked.joint_errors, [[2, 0, 1], [0, 2, 0], [1, 0, 2]])
    assert_array_equal(worked.disagreements, [[0, 4, 2], [4, 0, 4], [2, 4, 0]])
    assert_array_equal(worked.agreements.diagonal(), [6, 6, 6])


def test_the_focal_values_of_the_worked_example():
    """Where one member errs, two of three pairs disagree; of generalised diversities there are 2/3, 1 and 2/3."""
    worked = diversity(WORKED, WORKED_TRUTH)
    assert_allclose(worked.focal("binary_disagreement", everybody(3)), 2 / 3, **EXACT)
    assert_allclose(worked.focal("generalised_diversity", everybody(3)), 7 / 9, **EXACT)


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize("seed", range(3))
def test_sums_over_pairs_are_the_definitions_written_out(measure, seed):
    labels, truth = drawn(seed)
    subsets = np.array([s for s in naive.all_subsets(8) if s.sum() > 1])
    some, expected = diversity(labels, truth), getattr(slow, measure)
    assert_allclose(getattr(some, measure)(subsets), [float(expected(labels[s], truth)) for s in subsets], **EXACT)
    few = subsets[seed::12]
    assert_allclose(some.focal(measure, few), [float(slow.focal(expected, labels[s], truth)) for s in few], **EXACT)


@pytest.mark.parametrize("measure", ALL)
def test_no_answer_is_wrong_and_one_more_label(measure):
    labels, truth = drawn(5, n_members=6, n_classes=3)
    labels = naive.silenced(np.random.default_rng(0), labels, 0.4)
    subsets = np.array([s for s in naive.all_subsets(6) if s.sum() > 1])
    some, expected = diversity(labels, truth, 3), getattr(slow, measure)
    assert_allclose(getattr(some, measure)(subsets), [float(expected(labels[s], truth)) for s in subsets], **EXACT)
    few = subsets[::9]
    assert_allclose(some.focal(measure, few), [float(slow.focal(expected, labels[s], truth)) for s in few], **EXACT)


@pytest.mark.parametrize("size", range(2, 9))
def test_measures_of_errors_are_bound_to_each_other(size):
    labels, truth = drawn(size, n_members=size)
    some = diversity(labels, truth)
    error = some.errors.mean() / len(truth)
    disagreement, fault = some.binary_disagreement(everybody(size)), some.double_fault(everybody(size))
    assert_allclose(fault + disagreement / 2, error, **EXACT)
    assert_allclose(some.kohavi_wolpert(everybody(size)), disagreement * (size - 1) / (2 * size), **EXACT)
    assert_allclose(some.generalised_diversity(everybody(size)), disagreement / (2 * error), **EXACT)
    assert_allclose(1 - some.generalised_diversity(everybody(size)), fault / error, **EXACT)


def test_of_two_members_the_focal_likeness_is_how_often_one_errs_where_the_other_does():
    labels, truth = drawn(7, n_members=2)
    first, second = labels != truth
    expected = (np.mean(second[first]) + np.mean(first[second])) / 2
    some = diversity(labels, truth)
    assert_allclose(some.likeness("binary_disagreement", everybody(2), focal=True), expected, **EXACT)


def test_identical_members_are_not_diverse():
    labels, truth = drawn(1, n_members=1)
    some = diversity(np.repeat(labels, 5, axis=0), truth)
    for measure, grows in MEASURES.items():
        assert_allclose(getattr(some, measure)(everybody(5)), 0 if grows else 1, **EXACT)
        assert_allclose(some.likeness(measure, everybody(5)), 1, **EXACT)


def test_independent_members_agree_as_often_as_by_chance():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 40_000)
    wrong = rng.random((4, 40_000)) < 0.3
    some = diversity(np.where(wrong, (truth + 1) % 4, truth), truth)
    # four standard errors of Q, which is about 1 / (sqrt(n) * 0.21) / 2 for a pair
    assert abs(some.q_statistics[np.triu_indices(4, 1)]).max() < 4 / (2 * 200 * 0.21)
    assert_allclose(some.generalised_diversity(everybody(4)), 0.7, atol=0.02)
    guesses = diversity(rng.integers(0, 4, (4, 40_000)), truth)
    assert abs(guesses.cohen_kappa(everybody(4))) < 0.01
    assert abs(guesses.fleiss_kappa(everybody(4))) < 0.01


def test_where_a_pair_says_nothing_kappa_is_that_of_equals_and_q_that_of_strangers():
    truth = np.array([0, 0, 1, 1])
    ones, zeros, right = np.ones(4, int), np.zeros(4, int), truth
    assert diversity([ones, ones], truth).cohen_kappa(everybody(2)) == 1
    assert diversity([ones, ones], truth).fleiss_kappa(everybody(2)) == 1
    assert diversity([ones, zeros], truth).cohen_kappa(everybody(2)) == 0
    assert diversity([right, zeros], truth).q_statistic(everybody(2)) == 0
    assert diversity([right, right], truth).q_statistic(everybody(2)) == 0


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("focal", [False, True])
def test_single_members_have_no_diversity(measure, focal):
    some, single = diversity(*drawn(0)), np.eye(8, dtype=bool)
    assert np.isnan(some.focal(measure, single) if focal else getattr(some, measure)(single)).all()
    assert_array_equal(some.likeness(measure, single, focal), np.ones(8))


@pytest.mark.parametrize("measure", MEASURES)
def test_where_nobody_errs_a_focal_measure_says_nothing(measure):
    truth = np.arange(12) % 4
    perfect = diversity([truth, truth, truth], truth)
    assert np.isnan(perfect.generalised_diversity(everybody(3)))
    assert np.isnan(perfect.focal(measure, everybody(3)))
    assert perfect.likeness(measure, everybody(3), focal=True) == 1


def test_a_member_that_never_errs_has_no_focus_but_takes_part():
    truth = np.arange(12) % 4
    erring = (truth + (np.arange(12) < 3)) % 4
    some = diversity([truth, erring], truth)
    assert some.focal("generalised_diversity", everybody(2)) == 1


@pytest.mark.parametrize("measure", MEASURES)
def test_a_value_does_not_depend_on_the_batch(measure):
    some = diversity(*drawn(4, n_members=30))
    subsets = np.random.default_rng(1).random((60, 30)) < 0.4
    together = some.likeness(measure, subsets), some.likeness(measure, subsets, focal=True)
    for row in range(60):
        assert some.likeness(measure, subsets[row : row + 1]) == together[0][row]
        assert some.likeness(measure, subsets[row : row + 1], focal=True) == together[1][row]


def test_a_pool_with_too_many_triples_is_refused(monkeypatch):
    some = diversity(*drawn(0))
    monkeypatch.setattr(memory.os, "sysconf", lambda name: 64)
    with pytest.raises(InputError, match="what the focal diversity of 8 members counts would take"):
        some.focal("kohavi_wolpert", everybody(8))
