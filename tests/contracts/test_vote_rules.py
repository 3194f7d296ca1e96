"""What holds for every vote rule there is: a new file is tested by being there."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import onnx_ir as ir
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import ballots
from oracles import votes as naive
from oracles.vote_rules import predictions_of_all, sums, winner

from evo_ensyth import objectives, voting
from evo_ensyth.deployment.ensemble_graph import ensemble_graph
from evo_ensyth.deployment.member_graph import MemberGraph
from evo_ensyth.deployment.verify import session_of
from evo_ensyth.deployment.vote_graph import VoteFactors
from evo_ensyth.engine.fixed_point import tempered
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members, Scores, Votes

NAMES = voting.names()
RULES = [voting.load(name) for name in NAMES] + [
    voting.load("plurality", {"ties": ties}) for ties in ("scores", "log_odds", "lowest")
]
RULES += [voting.load(name, {"temper": False}) for name in ("plurality", "soft", "half")]
RULES += [
    voting.load("stacking", {"adds": adds, "loss": loss}) for adds, loss in (("scores", "brier"), ("labels", "log"))
]
# By name, so that `-k NAME` selects them; other settings by what they are.
each_rule = pytest.mark.parametrize("rule", RULES, ids=[*NAMES, *map(repr, RULES[len(NAMES) :])])
EVERYBODY = np.ones(6, bool)


def drawn(n_members=6, n_samples=90, n_classes=3, *, seed=0, split="search", holes=0.0):
    """Votes, and probabilities in steps of 1/64 whose largest is the vote."""
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, n_samples, n_classes, 0.6)
    scores = (
        rng.multinomial(31, rng.dirichlet(np.ones(n_classes), (n_members, n_samples))) + 33 * np.eye(n_classes)[labels]
    )
    labels = np.where(rng.random(labels.shape) < holes, -1, labels.astype(np.int64))
    return scored(labels, truth, scores / 64, split)


def scored(labels, truth, scores, split="search"):
    """Votes with scores."""
    return Votes(labels, truth, scores.shape[-1], split, lambda: Scores(scores, truth, split))


def by_hand(vote, votes, members):
    """Label of each sample by sums in plain loops: the rounded ballots, and -1 where nobody answers."""
    labels = np.where(votes.answered, votes.y_pred.astype(np.int64), -1)[members]

    def ballots(weights):
        shares = [
            np.rint(tempered(votes.scores.members[i], temperature) * 2.0**16) / 2.0**16
            for i, temperature in zip(members, weights.temperatures, strict=True)
        ]
        every = range(len(members))
        return [sums(every, weights.label, weights.score, labels, shares, s, 3) for s in range(votes.n_samples)]

    first = ballots(vote.weights)
    second = [None] * votes.n_samples if vote.ties is None else ballots(vote.ties)
    answered = (labels != -1).any(axis=0)
    return np.array([winner(*both) if there else -1 for *both, there in zip(first, second, answered, strict=True)])


@each_rule
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_the_vote_is_what_loops_over_its_weights_give(rule, holes):
    votes, test_votes = drawn(holes=holes), drawn(seed=1, split="test", holes=holes)
    fitted = voting.fit(rule, votes)
    subset = np.array([1, 0, 1, 1, 0, 1], bool)
    members = np.flatnonzero(subset)
    vote = fitted.of(subset)
    found = vote.predict(test_votes.part(members))
    expected = by_hand(vote, test_votes, members)
    # A sum of rounded probabilities may tie where the sum of ballots, rounded once, does not.
    assert np.count_nonzero(np.where(found == 3, -1, found.astype(int)) != expected) <= 1


@each_rule
def test_all_subsets_are_counted_as_they_predict(rule):
    """The tally, which judges, and the vote that is handed over are one: on the search split, too, unless refitted."""
    votes, test_votes = drawn(5, 40), drawn(5, 40, seed=1, split="test")
    fitted = voting.fit(rule, votes)
    subsets = np.array(list(naive.all_subsets(5)))[::3]
    for split in (votes, test_votes):
        tally = fitted.tally(split)
        predictions = tally.predictions(subsets)
        wrong = predictions != split.y_true
        assert_array_equal(tally.errors(subsets), wrong.sum(axis=1))
        by_class = [[np.count_nonzero(row & (split.y_true == c)) for c in range(3)] for row in wrong]
        assert_array_equal(tally.errors_by(split.y_true.astype(np.int64), 3, subsets), by_class)
        if split is votes and fitted.everybody is None:
            continue  # cross-fitted
        for subset, predicted in zip(subsets, predictions, strict=True):
            assert_array_equal(fitted.of(subset).predict(split.part(np.flatnonzero(subset))), predicted)


@each_rule
@pytest.mark.parametrize("holes", [0.0, 0.5])
def test_the_class_with_the_largest_sum_is_the_one_that_is_predicted(rule, holes):
    """Also among all subsets of a few members, where ties and unanswered samples are many."""
    votes, test_votes = drawn(4, 50, holes=holes), drawn(4, 50, seed=1, split="test", holes=holes)
    fitted = voting.fit(rule, votes)
    for split in (votes, test_votes):
        tally = fitted.tally(split)
        subsets = np.array(list(naive.all_subsets(4)))
        for subset, predicted in zip(subsets, tally.predictions(subsets), strict=True):
            sums = tally.sums(subset)
            assert sums.shape == (50, 3)
            silent = sums.max(axis=1) == 0
            assert_array_equal(predicted[silent], np.full(silent.sum(), 3))
            largest = sums.max(axis=1)
            assert (sums[np.arange(50), np.minimum(predicted, 2)][~silent] == largest[~silent]).all()
            assert silent[~split.answered[subset].any(axis=0)].all()


@each_rule
@pytest.mark.parametrize("subset", [[1, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0]])
def test_a_graph_votes_as_the_engine(rule, subset):
    votes, test_votes = drawn(), drawn(seed=1, split="test", n_samples=300)
    members = np.flatnonzero(np.array(subset))
    vote, votes = voting.fit(rule, votes).of(np.array(subset, bool)), test_votes.part(members)
    scores = np.stack(votes.scores.members, axis=1).astype(np.float32)
    graphs = [MemberGraph(str(i), "probabilities", "", partial(_column, i=i)) for i in range(len(members))]
    shape = {"input_type": scores.dtype, "shape": scores.shape[1:], "opset": 21, "weights": "plain"}
    model = ensemble_graph(graphs, VoteFactors.of(vote), votes.classes, **shape)
    session = session_of(ir.to_proto(model).SerializeToString(), "graph")
    label, share = session.run(None, {"input": scores})
    assert_array_equal(label, vote.predict(votes))
    assert_allclose(share, vote.shares(votes), atol=1e-7)


def _column(tape, given, how, i):
    return tape.op("Gather", [given, tape.constant(np.array(i))], {"axis": 1})


@each_rule
def test_neighbours_swaps_and_multisets_are_those_counted_one_by_one(rule):
    votes = drawn(5, 30)
    tally = voting.fit(rule, votes).tally(votes)
    for subset in ([1, 0, 0, 0, 0], [1, 1, 0, 1, 0]):
        subset = np.array(subset, bool)
        flips = naive.flips(subset)
        expected = [tally.errors(flip[None])[0] if flip.any() else 30 for flip in flips]
        assert_array_equal(tally.neighbour_errors(subset), expected)
        swaps = np.array(naive.swaps(subset))
        assert_array_equal(tally.swap_errors(subset).ravel(), tally.errors(swaps))
        filled = np.array([flip for flip in flips if flip.any()])
        assert_array_equal(tally.smoothed_losses(filled, subset), tally.smoothed_losses(filled))
    pairs = np.array([[2, 1, 0, 0, 0], [1, 1, 1, 0, 0]])
    errors = tally.multiset_errors(pairs)
    assert errors.shape == (2,)
    assert tally.joined_errors(np.array([1, 1, 0, 0, 0]), np.array([0, 2])).tolist() == errors.tolist()


def whole_numbers_given(votes, weights):
    """What members give to each class: in steps of `Ballots` if they add scores or have unlike weights."""
    labels = np.where(votes.answered, votes.y_pred.astype(np.int64), -1)[:, :, None] == np.arange(votes.n_classes)
    if not any(weights.score) and len(set(weights.label)) == 1:
        return labels.astype(np.int64)
    return np.array(ballots.given(votes, weights.label, weights.score, weights.temperatures))


def whole_numbers_for_ties(votes, weights):
    labels = np.where(votes.answered, votes.y_pred.astype(np.int64), -1)[:, :, None] == np.arange(votes.n_classes)
    pairs = zip(votes.scores.members, weights.temperatures, strict=True)
    shares = np.array([np.rint(tempered(scores, t) * 65_535) for scores, t in pairs]).astype(np.int64)
    given = labels * np.array(weights.label)[:, None, None] + shares * np.array(weights.score)[:, None, None]
    return given * votes.answered[:, :, None]


@pytest.mark.parametrize("rule", [rule for rule in RULES if getattr(rule, "alone", False)], ids=repr)
@pytest.mark.parametrize("holes", [0.0, 0.4])
def test_all_subsets_of_twelve_members_vote_as_plain_sums_do(rule, holes):
    """Errors, those of groups, predictions, neighbours and swaps, with ties and with samples that nobody answers."""
    votes = drawn(12, 20, seed=7, holes=holes)
    fitted = voting.fit(rule, votes)
    vote, tally = fitted.of(np.ones(12, bool)), fitted.tally(votes)
    subsets = np.array(list(naive.all_subsets(12)))
    second = None if vote.ties is None else whole_numbers_for_ties(votes, vote.ties)
    expected = predictions_of_all(subsets, whole_numbers_given(votes, vote.weights), second)
    wrong, groups = expected != votes.y_true, np.arange(20) % 4
    errors = np.concatenate([[20], wrong.sum(axis=1)])  # by the bits of the subset
    assert_array_equal(tally.predictions(subsets), expected)
    assert_array_equal(tally.errors(subsets), errors[1:])
    by_group = np.array([wrong[:, groups == group].sum(axis=1) for group in range(4)]).T
    assert_array_equal(tally.errors_by(groups, 4, subsets), by_group)
    bits = 1 << np.arange(12)
    for subset in subsets[::97]:
        code = bits @ subset
        assert_array_equal(tally.neighbour_errors(subset), errors[code ^ bits])
        swapped = code - bits[subset][:, None] + bits[~subset]
        assert_array_equal(tally.swap_errors(subset), errors[swapped])


@each_rule
def test_smoothed_losses_fall_as_margins_grow(rule):
    truth = np.arange(60) % 3
    good, bad = np.tile(truth, (3, 1)), np.tile((truth + 1) % 3, (3, 1))
    labels = np.concatenate([good, bad])
    votes = scored(labels, truth, np.eye(3)[labels] * 0.8 + 0.2 / 3)
    tally = voting.fit(rule, votes).tally(votes)
    losses = tally.smoothed_losses(np.array([[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]], bool))
    assert losses[0] <= losses[1] < losses[2]
    assert losses[0] >= 0
    assert losses[2] <= 60 * 2**20


@each_rule
def test_a_part_of_a_pool_votes_as_it_does_alone(rule):
    votes = drawn()
    subset = np.array([0, 1, 0, 1, 1, 0], bool)
    alone = voting.fit(rule, votes.part(np.flatnonzero(subset))).of(np.ones(3, bool))
    vote = voting.fit(rule, votes).of(subset)
    test_votes = drawn(seed=3, split="test").part(np.flatnonzero(subset))
    assert_array_equal(vote.predict(test_votes), alone.predict(test_votes))


@each_rule
def test_what_is_handed_over_is_json_values(rule):
    vote = voting.fit(rule, drawn()).of(EVERYBODY)
    content = json.loads(json.dumps(vote.to_dict(), allow_nan=False))
    assert set(content) == {"weights", "ties"}
    assert len(content["weights"]["label"]) == 6


@each_rule
def test_identical_members_answer_what_one_of_them_does(rule):
    votes = drawn(n_members=1).part(np.zeros(4, int))
    assert_array_equal(voting.fit(rule, votes).of(np.ones(4, bool)).predict(votes), votes.y_pred[0])


@each_rule
@pytest.mark.parametrize("n_members", [1, 2, 3])
def test_an_ensemble_answers_where_its_members_are_always_wrong(rule, n_members):
    truth = drawn().y_true
    labels = np.tile((truth + 1) % 3, (n_members, 1))
    votes = scored(labels, truth, np.eye(3)[labels])
    assert voting.fit(rule, votes).tally(votes).errors(np.ones((1, n_members), bool)).tolist() == [votes.n_samples]


@each_rule
@pytest.mark.parametrize("n_samples", [2, 5])
def test_one_class_works(rule, n_samples):
    votes = scored(np.zeros((3, n_samples), int), np.zeros(n_samples, int), np.ones((3, n_samples, 1)))
    assert voting.fit(rule, votes).tally(votes).errors(np.ones((1, 3), bool)).tolist() == [0]


@each_rule
def test_nothing_handed_in_changes(rule):
    votes = drawn()
    before, first = votes.fingerprint, [member.copy() for member in votes.scores.members]
    weights = [voting.fit(rule, votes).of(EVERYBODY) for _ in range(2)]
    assert weights[0] == weights[1]
    assert Votes(votes.y_pred, votes.y_true, 3, "search").fingerprint == before
    assert_array_equal(votes.scores.members, first)


@each_rule
def test_labels_alone_do_where_labels_are_added_and_else_it_says_so(rule):
    votes = drawn()
    labels_only = replace(votes, read_scores=None)
    if rule.adds == "labels" and getattr(rule, "ties", "auto") != "scores":
        voting.fit(rule, labels_only).tally(labels_only).errors(EVERYBODY[None])
        return
    with pytest.raises(InputError, match="the search split of this pool has labels only, and probabilities"):
        voting.fit(rule, labels_only).tally(labels_only).errors(EVERYBODY[None])


@each_rule
def test_the_default_criterion_is_an_objective(rule):
    assert objectives.find(voting.criterion_of(rule), Members(("a",))).name == voting.criterion_of(rule)


def test_ties_are_broken_by_scores_if_there_are_any():
    votes = drawn()
    assert voting.fit(voting.load("plurality"), votes).in_words == "plurality, ties by probabilities"
    labels_only = replace(votes, read_scores=None)
    assert voting.fit(voting.load("plurality"), labels_only).in_words == "plurality, ties by log-odds"
    lowest = voting.load("plurality", {"ties": "lowest"})
    assert voting.fit(lowest, votes).in_words == "plurality, ties to the lowest class"
    assert voting.fit(voting.load("soft"), votes).in_words == "soft, tempered"
    assert voting.fit(voting.load("soft", {"temper": False}), votes).in_words == "soft"


def test_a_rule_that_is_fitted_to_each_ensemble_is_cross_fitted_on_the_search_split():
    """Five folds by hand: each is judged by weights from the other four."""
    rule, votes = voting.load("samme"), drawn(n_samples=31)
    subset = np.array([1, 1, 1, 0, 1, 0], bool)
    members = np.flatnonzero(subset)
    place = {sample: i for i, sample in enumerate(sorted(range(31), key=lambda s: (votes.y_true[s], s)))}
    expected = 0
    for fold in range(5):
        inside = np.array([place[sample] % 5 == fold for sample in range(31)])
        vote = voting.fit(rule, votes.part(samples=~inside)).of(subset)
        held_out = votes.part(members, inside)
        expected += np.count_nonzero(vote.predict(held_out) != held_out.y_true)
    assert voting.fit(rule, votes).tally(votes).errors(subset[None]).tolist() == [expected]


@pytest.mark.parametrize(
    "subset", [np.ones(5, bool), np.ones(6), np.zeros(6, bool), np.ones((1, 6), bool)], ids=lambda s: f"{s.shape}"
)
def test_what_is_no_subset_is_refused(subset):
    with pytest.raises(InputError, match=r"expected bool, \(6,\), with at least one member"):
        voting.fit(voting.load("plurality"), drawn()).of(subset)


@dataclass(frozen=True)
class Odd:
    given: tuple
    adds: str = "labels"
    alone: ClassVar[bool] = True

    def weights(self, votes):
        return np.array(self.given)


@pytest.mark.parametrize("given", [(1, 2), (1, 2, -1), (1, 2, np.nan), (1, 2, np.inf), ("a", "b", "c"), (True,) * 3])
def test_weights_of_somebody_else_that_are_none_are_refused(given):
    with pytest.raises(InputError, match=r"Odd weighs 3 members with .*; expected 3 finite numbers of at least 0"):
        voting.fit(Odd(given), drawn(3))


def test_what_adds_something_else_is_refused():
    with pytest.raises(InputError, match="Odd adds 'votes'; expected labels, scores or both"):
        voting.fit(Odd((1, 1, 1), "votes"), drawn(3))


def test_where_no_member_earns_a_weight_all_get_the_same():
    assert voting.fit(Odd((0.0, 0.0, 0.0)), drawn(3)).of(np.ones(3, bool)).weights.label == (1, 1, 1)


def test_an_unknown_name_or_setting_is_refused():
    with pytest.raises(InputError, match=r"no vote called 'plurallity'. Did you mean 'plurality'\?"):
        voting.load("plurallity")
    with pytest.raises(InputError, match=r"vote 'samme' has no setting 'round'; it has rounds"):
        voting.load("samme", {"round": 2})


def test_the_solver_is_imported_when_it_is_used():
    program = (
        "import sys\n"
        "from evo_ensyth import voting\n"
        "for name in voting.names(): voting.load(name)\n"
        "assert not {'clarabel', 'scipy.sparse'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
