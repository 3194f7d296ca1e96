"""What holds for every objective there is: a new file is tested by being there."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import votes as naive

from evo_ensyth import objectives
from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members, Scores, Votes
from evo_ensyth.pool.labels import signed_labels

NAMES = objectives.names()
each_objective = pytest.mark.parametrize("name", NAMES)
N_MEMBERS, N_CLASSES = 6, 3


def drawn(seed=0, n_samples=70):
    """All subsets of six members that answer most samples with probabilities, in three groups of samples."""
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, N_MEMBERS, n_samples, N_CLASSES)
    scores = rng.dirichlet(np.ones(N_CLASSES), (N_MEMBERS, n_samples)) + np.eye(N_CLASSES)[labels]
    scores[naive.silenced(rng, labels, 0.1) == -1] = 0
    return ensembles_of(np.rint(scores * 2**9) / 2**10, truth, rng.integers(0, 3, n_samples))


def ensembles_of(scores, truth, groups, members=slice(None)):
    costs = {name: np.arange(1, N_MEMBERS + 1)[members] for name in ("bytes", "macs", "parameters")}
    pool = Members(tuple("abcdef"), costs=costs)
    labels = np.where(scores.any(axis=2), scores.argmax(axis=2), -1)
    votes = Votes(labels, truth, N_CLASSES, "search", lambda: Scores(scores, truth, "search"), groups)
    return Ensembles(np.array(list(naive.all_subsets(N_MEMBERS))), pool, votes)


def values(name, ensembles):
    return objectives.judge([objectives.find(name, ensembles.pool)], ensembles)[:, 0]


@each_objective
def test_every_ensemble_has_a_finite_value(name):
    ensembles = drawn()
    found = objectives.find(name, ensembles.pool)
    assert found.name == name
    assert found.unit
    assert values(name, ensembles).shape == (2**N_MEMBERS - 1,)


@each_objective
def test_a_value_does_not_depend_on_the_batch(name):
    ensembles = drawn(1)
    together = values(name, ensembles)
    for row in (0, 7, 31, 62):
        alone = replace(ensembles, subsets=ensembles.subsets[row : row + 1])
        assert values(name, alone) == together[row]
    some = ensembles.subsets[40:12:-3]
    assert_array_equal(values(name, replace(ensembles, subsets=some)), together[40:12:-3])


@each_objective
def test_neighbours_that_are_counted_together_have_the_same_values(name):
    ensembles = drawn(2)
    around = np.array([1, 0, 1, 1, 0, 0], bool)
    neighbours = around ^ np.eye(N_MEMBERS, dtype=bool)
    plain = values(name, replace(ensembles, subsets=neighbours))
    assert_array_equal(values(name, replace(ensembles, subsets=neighbours, around=around)), plain)


@each_objective
def test_neither_the_order_of_members_nor_that_of_samples_matters(name):
    ensembles = drawn(3)
    votes = ensembles.votes
    scores = np.array(votes.scores.members)
    members, samples = np.array([3, 0, 5, 1, 4, 2]), np.random.default_rng(0).permutation(votes.n_samples)
    shuffled = ensembles_of(scores[members][:, samples], votes.y_true[samples], votes.groups[samples], members)
    shuffled = replace(shuffled, subsets=ensembles.subsets[:, members])
    assert_allclose(values(name, shuffled), values(name, ensembles), rtol=1e-12, atol=1e-15)


@each_objective
def test_nothing_that_is_handed_in_changes(name):
    ensembles = drawn(4)
    votes = ensembles.votes
    before = [votes.y_pred.copy(), votes.y_true.copy(), votes.groups.copy(), np.array(votes.scores.members)]
    subsets = ensembles.subsets.copy()
    ensembles.subsets.setflags(write=False)
    values(name, ensembles)
    assert_array_equal(ensembles.subsets, subsets)
    after = [votes.y_pred, votes.y_true, votes.groups, np.array(votes.scores.members)]
    for old, new in zip(before, after, strict=True):
        assert_array_equal(new, old)


@each_objective
def test_labels_alone_do_or_the_message_says_what_is_missing(name):
    ensembles = drawn(5)
    votes = ensembles.votes
    labels = signed_labels(votes.y_pred, N_CLASSES)
    bare = replace(ensembles, votes=Votes(labels, votes.y_true, N_CLASSES, "search"))
    try:
        found = values(name, bare)
    except InputError:
        with pytest.raises(InputError, match=r"scores|groups"):
            values(name, bare)
    else:
        assert_array_equal(found, values(name, ensembles))


@each_objective
def test_what_it_says_it_counts_is_what_it_counts(name):
    ensembles = drawn(6)
    counts = objectives.find(name, ensembles.pool).counts
    votes = ensembles.votes
    labels = signed_labels(votes.y_pred, N_CLASSES)
    errors = [naive.errors(subset, labels, votes.y_true, N_CLASSES) for subset in ensembles.subsets]
    assert (counts == "errors") == np.array_equal(values(name, ensembles), np.array(errors) / votes.n_samples)
    assert (counts == "members") == np.array_equal(values(name, ensembles), ensembles.subsets.sum(axis=1))


@each_objective
def test_what_it_estimates_is_another_objective_of_the_same_unit(name):
    pool = drawn().pool
    found = objectives.find(name, pool)
    if found.estimates:
        estimated = objectives.find(found.estimates, pool)
        assert estimated.name != name
        assert estimated.unit == found.unit
        assert not found.counts
