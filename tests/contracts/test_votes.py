"""What holds for every combiner there is: a new file is tested by being there."""

import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive
from settings import refused

from evo_ensyth import combining
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Scores, Votes

NAMES = combining.names()
COMBINERS = [combining.load(name) for name in NAMES] + [
    combining.load("stacking", {"adds": adds, "loss": loss})
    for adds, loss in (("scores", "brier"), ("labels", "log"), ("scores", "log"))
]
each_combiner = pytest.mark.parametrize("combiner", COMBINERS, ids=repr)


def drawn(n_members=6, n_samples=90, n_classes=3, *, seed=0, split="search"):
    """Votes, and probabilities whose largest is the vote."""
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, n_samples, n_classes, 0.6)
    scores = rng.dirichlet(np.ones(n_classes), (n_members, n_samples)) + np.eye(n_classes)[labels]
    return scored(labels, truth, scores / 2, split)


def scored(labels, truth, scores, split="search"):
    """Votes with scores."""
    return Votes(labels, truth, scores.shape[-1], split, lambda: Scores(scores, truth, split))


def everybody(n):
    return np.ones(n, bool)


@each_combiner
def test_it_answers_what_a_loop_over_its_weights_answers(combiner):
    votes, test_votes = drawn(), drawn(seed=1, split="test")
    subset = np.array([1, 0, 1, 1, 1, 0], bool)
    fitted = combining.fit(combiner, votes, subset)
    assert (fitted.weights >= 0).all()
    assert fitted.weights.any()
    assert not fitted.weights[~subset].any()
    if combiner.adds == "labels":
        ballots = np.eye(3)[test_votes.y_pred]
    else:  # as the scores are rounded before they are added
        ballots = np.rint(np.array(test_votes.scores.members) * 2**16)
    expected = [
        int(
            np.argmax(
                [sum(w * member[s, c] for w, member in zip(fitted.weights, ballots, strict=True)) for c in range(3)]
            )
        )
        for s in range(test_votes.n_samples)
    ]
    assert_array_equal(fitted.answers(test_votes), expected)
    assert fitted.errors(test_votes) == np.count_nonzero(expected != test_votes.y_true)


@each_combiner
def test_identical_members_answer_what_one_of_them_does(combiner):
    votes = drawn(n_members=1).part(np.zeros(4, int))
    fitted = combining.fit(combiner, votes, everybody(4))
    assert_array_equal(fitted.answers(votes), votes.y_pred[0])


@each_combiner
@pytest.mark.parametrize("n_members", [1, 2, 3])
def test_an_ensemble_answers_where_its_members_are_always_wrong(combiner, n_members):
    truth = drawn().y_true
    labels = np.tile((truth + 1) % 3, (n_members, 1))
    votes = scored(labels, truth, np.eye(3)[labels])
    fitted = combining.fit(combiner, votes, everybody(n_members))
    assert fitted.errors(votes) == votes.n_samples


@each_combiner
def test_a_perfect_member_among_useless_ones_is_believed(combiner):
    truth = drawn().y_true
    labels = np.array([(truth + 1) % 3, truth])
    votes = scored(labels, truth, np.eye(3)[labels] * [[[0.9]], [[1.0]]] + [[[0.1 / 3]], [[0.0]]])
    fitted = combining.fit(combiner, votes, everybody(2))
    if type(combiner).__name__ == "Plurality":
        assert_array_equal(fitted.answers(votes), labels.min(axis=0))  # a tie
    else:
        assert fitted.errors(votes) == 0


@each_combiner
@pytest.mark.parametrize("n_samples", [1, 5])
def test_one_class_works(combiner, n_samples):
    votes = scored(np.zeros((3, n_samples), int), np.zeros(n_samples, int), np.ones((3, n_samples, 1)))
    assert combining.fit(combiner, votes, everybody(3)).errors(votes) == 0


@each_combiner
def test_ties_go_to_the_lowest_class(combiner):
    labels = np.array([[2, 1, 2, 1, 2, 1], [1, 2, 1, 2, 1, 2]])
    votes = scored(labels, np.array([1, 1, 2, 2, 1, 2]), np.eye(3)[labels])  # both are right three times
    fitted = combining.fit(combiner, votes, everybody(2))
    if np.ptp(fitted.weights) == 0:  # SAMME takes one first, and need not be even-handed
        assert_array_equal(fitted.answers(votes), 1)


@each_combiner
def test_the_same_split_gives_the_same_weights_and_nothing_handed_in_changes(combiner):
    votes = drawn()
    subset, before, first = everybody(6), votes.fingerprint, [member.copy() for member in votes.scores.members]
    weights = [combining.fit(combiner, votes, subset).weights for _ in range(2)]
    assert_array_equal(*weights)
    assert subset.all()
    assert Votes(votes.y_pred, votes.y_true, 3, "search").fingerprint == before
    assert_array_equal(votes.scores.members, first)


@each_combiner
def test_what_the_others_answer_does_not_matter(combiner):
    votes = drawn()
    subset = np.array([0, 1, 0, 1, 1, 0], bool)
    theirs = np.array(votes.scores.members)[subset]
    alone = combining.fit(combiner, scored(votes.y_pred[subset], votes.y_true, theirs), everybody(3))
    assert_array_equal(combining.fit(combiner, votes, subset).weights[subset], alone.weights)


@each_combiner
def test_cross_fitted_errors_are_those_of_folds_by_hand(combiner):
    votes = drawn(n_samples=31)
    subset = np.array([1, 1, 1, 0, 1, 0], bool)
    members, expected = np.array(votes.scores.members), 0
    place = {sample: i for i, sample in enumerate(sorted(range(31), key=lambda s: (votes.y_true[s], s)))}
    for fold in range(3):
        inside = np.array([place[sample] % 3 == fold for sample in range(31)])
        parts = [scored(votes.y_pred[:, part], votes.y_true[part], members[:, part]) for part in (~inside, inside)]
        expected += combining.fit(combiner, parts[0], subset).errors(parts[1])
    assert combining.cross_fitted_errors(combiner, votes, subset, folds=3) == expected


@each_combiner
def test_labels_alone_do_where_labels_are_added_and_else_it_says_so(combiner):
    votes = drawn()
    labels_only = Votes(votes.y_pred, votes.y_true, 3, "search")
    fitted = combining.fit(combiner, votes, everybody(6))
    if combiner.adds == "labels":
        assert_array_equal(combining.fit(combiner, labels_only, everybody(6)).weights, fitted.weights)
        assert_array_equal(fitted.answers(labels_only), fitted.answers(votes))
        return
    with pytest.raises(InputError, match="the search split of this pool has labels only; this takes scores"):
        fitted.answers(labels_only)


@pytest.mark.parametrize(
    "subset", [np.ones(5, bool), np.ones(6), np.zeros(6, bool), np.ones((1, 6), bool)], ids=lambda s: f"{s.shape}"
)
def test_what_is_no_subset_is_refused(subset):
    with pytest.raises(InputError, match=r"expected bool, \(6,\), with at least one member"):
        combining.fit(combining.load("plurality"), drawn(), subset)


@pytest.mark.parametrize("folds", [1, 91])
def test_folds_that_cannot_be_are_refused(folds):
    with pytest.raises(InputError, match=f"{folds} folds of 90 samples; there are from 2"):
        combining.cross_fitted_errors(combining.load("plurality"), drawn(), everybody(6), folds)


@dataclass(frozen=True)
class Odd:
    given: tuple
    adds: ClassVar[str] = "labels"

    def weights(self, votes):
        return np.array(self.given)


@pytest.mark.parametrize("given", [(1, 2), (1, 2, -1), (1, 2, np.nan), (1, 2, np.inf), ("a", "b", "c"), (True,) * 3])
def test_weights_of_somebody_else_that_are_none_are_refused(given):
    with pytest.raises(InputError, match=r"Odd weighs 3 members with .*; expected 3 finite numbers of at least 0"):
        combining.fit(Odd(given), drawn(3), everybody(3))


def test_where_no_member_earns_a_weight_all_get_the_same():
    assert_array_equal(combining.fit(Odd((0.0, 0.0, 0.0)), drawn(3), everybody(3)).weights, 1)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_checked_and_named_when_it_is_refused(name):
    combiner = type(combining.load(name))
    for field, value in refused(combiner):
        with pytest.raises(InputError, match=rf"^{combiner.__name__}: {field} is .*; it must be "):
            combining.load(name, {field: value})


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_one_line_what_it_is(name):
    line = combining.describe()[name]
    assert 20 <= len(line) <= 110
    assert line.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_name_class_and_instance_are_the_same_combiner(name):
    combiner = combining.load(name)
    assert getattr(combining, type(combiner).__name__) is type(combiner)
    assert combining.load(type(combiner)) == combiner
    assert combining.load(combiner) is combiner


def test_an_unknown_name_or_setting_is_refused():
    with pytest.raises(InputError, match=r"no combiner called 'plurallity'. Did you mean 'plurality'\?"):
        combining.load("plurallity")
    with pytest.raises(InputError, match=r"combiner 'samme' has no setting 'round'; it has rounds"):
        combining.load("samme", {"round": 2})


def test_the_solver_is_imported_when_it_is_used():
    program = (
        "import sys\n"
        "from evo_ensyth import combining\n"
        "for name in combining.names(): combining.load(name)\n"
        "assert 'cvxpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
