"""Members that do not answer every sample, against a count sample by sample with -1 for no answer."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.engine import BitPlanes, Ensembles, views
from evo_ensyth.pool import Members, Votes

N_CLASSES = 4
LOSSES = np.random.default_rng(9).integers(0, 1000, 101)


def losses(n_members):
    """Losses that differ from margin to margin and from size to size."""
    return lambda size: np.roll(LOSSES, size)[: 2 * n_members + 1]


class Case:
    """A pool with holes, all of its subsets, and its labels with -1."""

    def __init__(self, name, n_members, labels, truth, n_classes=N_CLASSES):
        self.name, self.labels, self.truth, self.n_classes = name, labels, truth, n_classes
        self.votes = Votes(labels, truth, n_classes, "search")
        self.planes = BitPlanes.of(self.votes)
        self.subsets = np.array(list(naive.all_subsets(n_members)))
        self.wrong = [naive.wrong(subset, labels, truth, n_classes) for subset in self.subsets]
        self._errors = {subset.tobytes(): wrong.sum() for subset, wrong in zip(self.subsets, self.wrong, strict=True)}

    def errors(self, subset):
        """Count by hand; a subset without members is wrong everywhere."""
        return self._errors.get(subset.tobytes(), self.votes.n_samples)


def cases():
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        labels, truth = naive.random_votes(rng, 5, 130, N_CLASSES, 0.6)
        yield Case(f"{share:.0%} silent", 5, naive.silenced(rng, labels, share), truth.astype(int))
    # Truths at both ends: the lowest class wins all ties with classes, and nobody still beats it where it has no vote.
    for only in (0, N_CLASSES - 1):
        labels = naive.silenced(rng, np.full((4, 80), only), 0.7)
        yield Case(f"class {only} is all there is", 4, labels, np.full(80, only))
    yield Case("no sample is answered", 3, np.full((3, 90), -1), np.arange(90) % N_CLASSES)
    labels, truth = naive.random_votes(rng, 5, 70, N_CLASSES, 0.7)
    labels = labels.astype(int)
    labels[2] = -1
    yield Case("a member never answers", 5, labels, truth.astype(int))
    labels, truth = naive.random_votes(rng, 5, 64, 2, 0.9)
    labels = labels.astype(int)
    labels[1, 63] = -1
    yield Case("one hole", 5, labels, truth.astype(int), 2)
    yield Case("one class", 3, naive.silenced(rng, np.zeros((3, 70)), 0.5), np.zeros(70, int), 1)


CASES = list(cases())
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each_case
def test_an_unanswered_sample_is_wrong_and_the_others_are_decided_by_those_who_answer(case):
    assert_array_equal(case.planes.errors(case.subsets), [case.errors(subset) for subset in case.subsets])


@each_case
def test_errors_by_sample_and_by_group_are_those_counted_by_hand(case):
    n_samples = case.votes.n_samples
    assert_array_equal(case.planes.errors_by(np.arange(n_samples), n_samples, case.subsets), case.wrong)
    groups = np.arange(n_samples) % 3
    assert_array_equal(
        case.planes.errors_by(groups, 3, case.subsets), [np.bincount(groups, each, 3) for each in case.wrong]
    )


@each_case
def test_the_margin_of_an_unanswered_sample_is_minus_one(case):
    expected = [naive.margin_counts(subset, case.labels, case.truth, case.n_classes) for subset in case.subsets]
    assert_array_equal(case.planes.margin_counts(case.subsets), expected)
    loss = losses(case.votes.n_members)
    sums = [counts @ loss(subset.sum()) for counts, subset in zip(expected, case.subsets, strict=True)]
    assert_array_equal(case.planes.margin_losses(case.subsets, loss), sums)
    by_subset = {subset.tobytes(): value for subset, value in zip(case.subsets, sums, strict=True)}
    for subset in case.subsets[:: max(1, len(case.subsets) // 9)]:
        movers = np.flatnonzero(~subset) if subset.sum() == 1 else np.arange(len(subset))
        found = case.planes.neighbour_losses(subset, movers, loss)
        assert_array_equal(found, [by_subset[naive.flips(subset)[mover].tobytes()] for mover in movers])


@each_case
def test_neighbours_and_swaps_are_counted_as_by_hand(case):
    for subset in case.subsets:
        flipped = [case.errors(flip) for flip in naive.flips(subset)]
        assert_array_equal(case.planes.neighbour_errors(subset), flipped)
        if not subset.all():
            swapped = [case.errors(swap) for swap in naive.swaps(subset)]
            assert_array_equal(case.planes.swap_errors(subset).ravel(), swapped)


@each_case
def test_multisets_are_counted_as_by_hand(case):
    n_members = case.votes.n_members
    multisets = np.random.default_rng(1).integers(0, 4, (40, n_members))
    multisets[~multisets.any(axis=1), 0] = 1
    multisets = np.concatenate([multisets, np.eye(n_members, dtype=np.int64)])

    def by_hand(multiset):
        return naive.multiset_errors(multiset, case.labels, case.truth, case.n_classes)

    assert_array_equal(case.planes.multiset_errors(multisets), [by_hand(each) for each in multisets])
    one_more = np.eye(n_members, dtype=np.int64)
    for multiset in (np.zeros(n_members, np.int64), *multisets[:6]):
        found = case.planes.joined_errors(multiset, np.arange(n_members))
        assert_array_equal(found, [by_hand(multiset + more) for more in one_more])


@each_case
def test_what_an_ensemble_predicts_and_leaves_unanswered_is_as_by_hand(case):
    members = Members(tuple("abcdefgh"[: case.votes.n_members]))
    ensembles = Ensembles(case.subsets, members, case.votes)
    by_hand = [naive.plurality(subset, case.labels, case.n_classes) for subset in case.subsets]
    expected = np.where(np.array(by_hand) == -1, case.n_classes, by_hand)
    assert_array_equal(ensembles.predictions, expected)
    assert_array_equal(ensembles.unanswered, [naive.unanswered(subset, case.labels) for subset in case.subsets])


@pytest.mark.parametrize("n_members", [9, 64, 130])
def test_large_ensembles_skip_no_sample_that_they_might_not_answer(n_members):
    # Few truths in a sea of holes: leaving out any of them may leave nobody, and the planes skip by leads.
    rng = np.random.default_rng(n_members)
    labels, truth = naive.random_votes(rng, n_members, 1_100, 3, 0.8)
    labels = np.where(rng.random(labels.shape) < rng.random(1_100) ** 0.2, -1, labels.astype(int))
    votes = Votes(labels, truth.astype(int), 3, "search")
    left_out = rng.integers(0, n_members, 24)
    subsets = np.array([rng.permutation(n_members) >= n for n in left_out])
    planes = BitPlanes.of(votes)
    assert_array_equal(planes.errors(subsets), [naive.errors(each, labels, truth, 3) for each in subsets])
    for subset in subsets[:3]:
        flips = naive.flips(subset)
        movers = rng.permutation(n_members)[:9]
        found = planes.neighbour_errors(subset, movers)
        assert_array_equal(found, [naive.errors(flips[mover], labels, truth, 3) for mover in movers])


@pytest.mark.parametrize(("n_classes", "kind"), [(255, np.uint8), (256, np.uint16), (65_535, np.uint16)])
def test_the_mark_of_a_hole_is_no_class_up_to_the_last_one_that_fits(n_classes, kind):
    labels = np.array([[n_classes - 1, -1, -1, 0], [-1, n_classes - 1, -1, n_classes - 1]])
    truth = np.array([n_classes - 1, n_classes - 1, n_classes - 1, n_classes - 1])
    votes = Votes(labels, truth, n_classes, "search")
    assert votes.y_pred.dtype == kind
    assert_array_equal(BitPlanes.of(votes).errors(np.array([[1, 0], [0, 1], [1, 1]], bool)), [3, 2, 2])


def test_a_pool_without_holes_has_no_bits_for_them():
    votes = Votes(np.zeros((2, 70), int), np.zeros(70, int), 2, "search")
    assert not views.holes(votes)
    assert_array_equal(views.holes(votes).unanswered(np.ones((1, 2), bool)), [0])
