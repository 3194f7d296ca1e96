"""Measures of diversity as objectives: small is diverse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import votes as naive

from evo_ensyth import objectives
from evo_ensyth.engine import Diversity, Ensembles
from evo_ensyth.pool import Members, Votes

MEASURES = ("binary_disagreement", "cohen_kappa", "fleiss_kappa", "generalised_diversity", "kohavi_wolpert")
NAMES = (*MEASURES, "q_statistic", "focal_diversity")
# Members 0, 1 and 2 answer the same, and 3 and 4 err on samples of their own.
TRUTH = np.zeros(12, int)
LABELS = np.zeros((5, 12), int)
for member, wrong in enumerate(([0, 1, 9], [0, 1, 9], [0, 1, 9], [4, 5, 9], [7, 8, 9])):
    LABELS[member, wrong] = 1


def judged(name, labels, truth, subsets):
    pool = Members(tuple(f"m{i}" for i in range(len(labels))))
    votes = Votes(labels, truth, 4, "search")
    ensembles = Ensembles(np.array(subsets, bool), pool, votes)
    return objectives.judge([objectives.find(name, pool)], ensembles)[:, 0]


@pytest.mark.parametrize("name", NAMES)
def test_members_that_differ_score_less_than_members_that_are_alike(name):
    alike, mixed, different = judged(name, LABELS, TRUTH, [[1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 0, 0, 1, 1]])
    assert different < mixed < alike
    assert_allclose(alike, 1, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_every_ensemble_has_a_value_and_no_single_member_is_diverse(name):
    subsets = np.array(list(naive.all_subsets(5)))
    values = judged(name, LABELS, TRUTH, subsets)
    assert_array_equal(values[subsets.sum(axis=1) == 1], 1)
    assert values.max() <= 1 + 1e-14
    assert np.isfinite(judged(name, np.tile(TRUTH, (5, 1)), TRUTH, subsets)).all()


@pytest.mark.parametrize("name", MEASURES)
def test_an_objective_is_the_measure_of_its_name(name):
    labels, truth = naive.random_votes(np.random.default_rng(0), 5, 60, 4)
    subsets = [[1, 1, 0, 0, 1], [1, 1, 1, 1, 1]]
    measure = getattr(Diversity.of(Votes(labels, truth, 4, "search")), name)(np.array(subsets, bool))
    assert_array_equal(judged(name, labels, truth, subsets), measure if "kappa" in name else 1 - measure)


def test_focal_diversity_is_that_of_the_worked_example():
    """Generalised diversity is 2/3, 1 and 2/3 on the errors of the three members."""
    labels = np.array([[0, 1, 2, 0, 2, 1], [0, 1, 0, 1, 1, 2], [0, 0, 2, 0, 1, 0]])
    value = judged("focal_diversity", labels, np.array([0, 1, 2, 0, 1, 2]), [[1, 1, 1]])
    assert_allclose(value, 2 / 9, rtol=0, atol=1e-14)


def test_variance_ranks_ensembles_of_one_size_as_disagreement_does():
    labels, truth = naive.random_votes(np.random.default_rng(1), 9, 80, 4)
    subsets = np.array([s for s in naive.all_subsets(9) if s.sum() == 4])
    disagreement = 1 - judged("binary_disagreement", labels, truth, subsets)
    assert_allclose(1 - judged("kohavi_wolpert", labels, truth, subsets), disagreement * 3 / 8, rtol=0, atol=1e-14)
