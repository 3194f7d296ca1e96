"""Sums of scores against an oracle that adds fractions, and the same answer however the work is cut."""

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from oracles import scores as slow
from oracles import votes as naive
from threadpoolctl import threadpool_limits

from evo_ensyth.engine import BitPlanes, SoftVotes
from evo_ensyth.engine import soft_votes as soft
from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool, read_scores
from evo_ensyth.pool import Scores, Votes

SHAPES = [(1, 5, 3), (2, 64, 2), (7, 50, 4), (5, 1, 6), (4, 9, 1), (1, 1, 1), (3, 20, 300), (40, 30, 10)]


def drawn(n_members, n_samples, n_classes, *, levels=None, seed=0):
    """Scores, truth, subsets; few levels make many ties."""
    rng = np.random.default_rng(seed)
    values = rng.random((n_members, n_samples, n_classes))
    if levels:
        values = np.floor(values * levels) / levels
    truth = rng.integers(0, n_classes, n_samples)
    subsets = rng.random((12, n_members)) < rng.random((12, 1))
    subsets[~subsets.any(axis=1), -1] = True
    return Scores(values.astype(np.float32), truth, "search"), subsets


def check(votes, subsets, expected, weights=None):
    assert_array_equal(votes.predictions(subsets, weights), expected)
    errors = votes.errors(subsets, weights)
    assert errors.dtype == np.int64
    assert_array_equal(errors, np.count_nonzero(expected != votes.source.y_true, axis=1))


# --- Against the oracle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [None, 2, 4])
def test_answers_equal_those_of_fractions(shape, levels):
    scores, subsets = drawn(*shape, levels=levels)
    check(SoftVotes.of(scores), subsets, slow.predictions(scores, subsets, soft.RESOLUTION))


@pytest.mark.parametrize("resolution", [2.0**-40, 2.0**-7, 0.25])
def test_a_resolution_is_what_scores_are_rounded_to(resolution):
    scores, subsets = drawn(7, 40, 5)
    check(SoftVotes.of(scores, resolution=resolution), subsets, slow.predictions(scores, subsets, resolution))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.uint8, np.int16, np.int64, np.uint64])
def test_scores_may_have_any_real_type(kind):
    drawn_scores, subsets = drawn(5, 30, 4)
    scores = Scores((np.array(drawn_scores.members) * 100).astype(kind), drawn_scores.y_true, "test")
    check(SoftVotes.of(scores, resolution=2.0**-10), subsets, slow.predictions(scores, subsets, 2.0**-10))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, np.float64])
def test_weighted_answers_equal_those_of_fractions(shape, kind):
    scores, subsets = drawn(*shape, levels=8)
    weights = np.random.default_rng(1).random(subsets.shape) * 5 + 1
    weights = weights.astype(kind)
    check(SoftVotes.of(scores), subsets, slow.predictions(scores, subsets, soft.RESOLUTION, weights), weights)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_small_votes_equal_those_of_fractions(data):
    n_members, n_samples, n_classes = (data.draw(st.integers(1, 4)) for _ in range(3))
    size = n_members * n_samples * n_classes
    values = data.draw(st.lists(st.floats(0, 4, width=32), min_size=size, max_size=size))
    truth = data.draw(st.lists(st.integers(0, n_classes - 1), min_size=n_samples, max_size=n_samples))
    scores = Scores(np.array(values).reshape(n_members, n_samples, n_classes), np.array(truth), "search")
    subsets = np.array(list(naive.all_subsets(n_members)))
    weights = data.draw(
        st.lists(st.floats(1e-300, 1e300), min_size=subsets.size, max_size=subsets.size)
        | st.lists(st.integers(1, 1000), min_size=subsets.size, max_size=subsets.size)
    )
    weights = np.array(weights).reshape(subsets.shape)
    resolution = data.draw(st.sampled_from([2.0**-20, 2.0**-16, 2.0**-3]))
    if round(scores.largest / resolution) > 0 or scores.largest == 0:
        votes = SoftVotes.of(scores, resolution=resolution, block_samples=data.draw(st.integers(1, 5)))
        check(votes, subsets, slow.predictions(scores, subsets, resolution))
        check(votes, subsets, slow.predictions(scores, subsets, resolution, weights), weights)


def test_sums_beyond_float32_are_added_in_float64_and_exact():
    """2^24 + 1 and 2^24 are the same float32."""
    values = np.array([[[2**24, 2**24]], [[0, 1]]], np.float64)
    votes = SoftVotes.of(Scores(values, np.array([1]), "search"), resolution=1)
    assert votes.kept.dtype == np.float32
    assert_array_equal(votes.errors(np.array([[True, False], [True, True]])), [1, 0])
    largest = SoftVotes.of(Scores(values[:1] * 2.0**28, np.array([0]), "search"), resolution=1)
    assert largest.kept.dtype == np.float64
    assert_array_equal(largest.predictions(np.array([[True]])), [[0]])


def test_the_largest_sums_that_fit_are_exact():
    values = np.array([[[2**52, 2**52 - 1]], [[2**52 - 2, 2**52 - 1]]], np.uint64)
    votes = SoftVotes.of(Scores(values[:, :, ::-1], np.array([0]), "search"), resolution=2.0)
    check(votes, np.array([[True, True]]), slow.predictions(votes.source, [[True, True]], 2.0))


# --- However the work is cut ----------------------------------------------------------------------------------------


def everything(votes, subsets, weights):
    return [
        values.tobytes()
        for chosen in (None, weights, weights * 7.3)
        for values in (votes.errors(subsets, chosen), votes.predictions(subsets, chosen))
    ]


@pytest.mark.parametrize("block_samples", [1, 7, 101, 10**9, None])
@pytest.mark.parametrize("kept_bytes", [0, 2**30])
def test_blocks_change_nothing(monkeypatch, block_samples, kept_bytes):
    scores, subsets = drawn(9, 101, 5, levels=64)
    weights = np.random.default_rng(2).integers(1, 2000, subsets.shape)
    expected = everything(SoftVotes.of(scores), subsets, weights)
    votes = SoftVotes.of(scores, block_samples=block_samples, kept_bytes=kept_bytes)
    assert (votes.kept is None) == (kept_bytes == 0)
    assert everything(votes, subsets, weights) == expected
    monkeypatch.setattr(soft, "BLOCK", 40)  # a few subsets at a time
    assert everything(votes, subsets, weights) == expected


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_threads_change_nothing(monkeypatch, n_threads):
    scores, subsets = drawn(30, 400, 10, seed=3)
    weights = np.random.default_rng(2).random(subsets.shape)
    with threadpool_limits(1):
        expected = everything(SoftVotes.of(scores), subsets, weights.round(2))
    monkeypatch.setattr(soft, "THREAD_SUMS", 1)
    monkeypatch.setattr(soft, "threads", lambda: n_threads)
    with threadpool_limits(n_threads):
        assert everything(SoftVotes.of(scores), subsets, weights.round(2)) == expected


def test_a_subset_answers_alone_as_it_does_in_a_batch():
    scores, subsets = drawn(9, 60, 4, levels=3)
    weights = np.random.default_rng(2).random(subsets.shape) * 10.0 ** np.arange(len(subsets))[:, None]
    votes = SoftVotes.of(scores)
    together = votes.predictions(subsets, weights)
    for i in range(len(subsets)):
        assert_array_equal(votes.predictions(subsets[i : i + 1], weights[i : i + 1])[0], together[i])


def test_nothing_that_was_handed_over_is_changed():
    scores, subsets = drawn(5, 20, 3)
    weights = np.random.default_rng(0).random(subsets.shape)
    before = [a.copy() for a in (*scores.members, subsets, weights)]
    everything(SoftVotes.of(scores, kept_bytes=0), subsets, weights)
    for a, b in zip((*scores.members, subsets, weights), before, strict=True):
        assert_array_equal(a, b)


# --- What votes come to ---------------------------------------------------------------------------------------------


def test_ties_go_to_the_lowest_class():
    values = np.array([[[0.25, 0.5, 0.25]], [[0.25, 0.25, 0.5]], [[0.5, 0.25, 0.25]]])
    subsets = np.array(list(naive.all_subsets(3)))
    for truth in range(3):
        votes = SoftVotes.of(Scores(values, np.array([truth]), "search"))
        check(votes, subsets, np.array([[1], [2], [1], [0], [0], [0], [0]]))


def test_scores_closer_than_the_resolution_tie():
    values = np.array([[[0.5, 0.5 + 2.0**-18]]])
    for resolution, winner in ((2.0**-16, 0), (2.0**-18, 1)):
        votes = SoftVotes.of(Scores(values, np.array([0]), "search"), resolution=resolution)
        assert_array_equal(votes.predictions(np.array([[True]])), [[winner]])


@pytest.mark.parametrize("shape", [(1, 5, 3), (9, 200, 4), (30, 100, 300), (3, 1, 1)])
def test_labels_without_weights_are_a_plurality(shape):
    n_members, n_samples, n_classes = shape
    labels, truth = naive.random_votes(np.random.default_rng(0), n_members, n_samples, n_classes, 0.3)
    votes = Votes(labels, truth, n_classes, "search")
    _, subsets = drawn(n_members, 1, 1)
    for kept_bytes in (0, 2**30):
        laid_out = SoftVotes.of(votes, kept_bytes=kept_bytes)
        for weights in (None, np.ones(subsets.shape, bool).astype(int), np.full(subsets.shape, 0.3)):
            assert_array_equal(laid_out.errors(subsets, weights), BitPlanes.of(votes).errors(subsets))
        expected = [naive.plurality(subset, labels, n_classes) for subset in subsets]
        assert_array_equal(laid_out.predictions(subsets), expected)


def test_weights_of_labels_are_votes_in_a_multiset():
    labels, truth = naive.random_votes(np.random.default_rng(0), 6, 150, 4, 0.4)
    multiset = np.array([[0, 3, 1, 0, 2, 1]])
    repeated = np.repeat(labels, multiset[0], axis=0)
    expected = naive.plurality(np.ones(len(repeated), bool), repeated, 4)
    check(SoftVotes.of(Votes(labels, truth, 4, "search")), multiset > 0, expected[None], multiset)


def test_weights_of_those_left_out_count_for_nothing():
    scores, subsets = drawn(6, 40, 4)
    weights = np.random.default_rng(0).random(subsets.shape)
    votes = SoftVotes.of(scores)
    assert_array_equal(
        votes.predictions(subsets, np.where(subsets, weights, 1e9)),
        votes.predictions(subsets, np.where(subsets, weights, 0)),
    )


def test_weights_in_proportion_come_to_the_same():
    scores, subsets = drawn(6, 40, 4, levels=5)
    weights = np.random.default_rng(0).integers(1, 100, subsets.shape)
    votes = SoftVotes.of(scores)
    for factor in (1.0, 2.0**-1000, 2.0**900):
        assert_array_equal(votes.predictions(subsets, weights * factor), votes.predictions(subsets, weights))


def test_real_weights_closer_than_their_resolution_tie():
    """The row's largest is below 2, so that weights are whole multiples of 2^-23."""
    votes = SoftVotes.of(Votes(np.array([[0], [1]]), np.array([0]), 2, "search"))
    subsets = np.ones((3, 2), bool)
    weights = np.array([[1, 1 + 2.0**-25], [1, 1 + 2.0**-23], [1 + 2.0**-24, 1]])
    assert_array_equal(votes.predictions(subsets, weights), [[0], [1], [0]])


def test_no_subsets_have_no_errors():
    scores, _ = drawn(4, 10, 3)
    nobody = np.zeros((0, 4), bool)
    for weights in (None, np.zeros((0, 4)), np.zeros((0, 4), int)):
        assert SoftVotes.of(scores).errors(nobody, weights).shape == (0,)
        assert SoftVotes.of(scores).predictions(nobody, weights).shape == (0, 10)


def test_scores_that_are_all_zero_are_a_tie():
    votes = SoftVotes.of(Scores(np.zeros((2, 3, 2)), np.array([0, 1, 0]), "search"))
    assert_array_equal(votes.errors(np.array([[True, True]])), [1])


# --- Files ----------------------------------------------------------------------------------------------------------


def test_scores_in_files_are_read_block_by_block(tmp_path):
    scores, subsets = drawn(5, 50, 4, levels=16)
    for i, member in enumerate(scores.members):
        np.save(tmp_path / f"{i}.npy", member)
    mapped = [np.load(tmp_path / f"{i}.npy", mmap_mode="r") for i in range(5)]
    weights = np.random.default_rng(2).random(subsets.shape)
    expected = everything(SoftVotes.of(scores), subsets, weights)
    for kept_bytes in (0, 2**30):
        in_files = Scores(mapped, scores.y_true, "search")
        votes = SoftVotes.of(in_files, kept_bytes=kept_bytes, block_samples=8)
        assert all(isinstance(member, np.memmap) for member in in_files.members)
        assert everything(votes, subsets, weights) == expected


def test_scores_of_a_stored_pool_are_mapped(pool_folder):
    stored = read_pool(pool_folder)
    for split in ("search", "test"):
        scores = read_scores(stored, split)
        assert all(isinstance(member, np.memmap) for member in scores.members)
        for name, member in zip(stored.pool.names, scores.members, strict=True):
            assert_array_equal(member, np.load(pool_folder / "members" / name / f"{split}.scores.npy"))
        assert scores.split == split
        assert_array_equal(scores.y_true, np.load(pool_folder / f"{split}.truth.npy"))


def test_files_that_do_not_fit_the_pool_are_refused(pool_folder):
    stored = read_pool(pool_folder)
    path = pool_folder / "members" / "c-1" / "search.scores.npy"
    shape = np.load(path).shape
    np.save(path, np.ones((3, 2), np.float32))
    with pytest.raises(InputError, match=r"c-1.search.scores.npy has shape \(3, 2\); the votes of its pool need"):
        read_scores(stored, "search")
    np.save(path, np.full(shape, -1, np.float32))
    with pytest.raises(InputError, match=r"pool: search scores hold -1 \(member 2, sample 0, class 0\)"):
        read_scores(stored, "search")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"search.scores.npy is not a complete .npy file"):
        read_scores(stored, "search")
    path.unlink()
    with pytest.raises(InputError, match=r"search.scores.npy does not exist; build the pool again"):
        read_scores(stored, "search")
    path.symlink_to(path.with_name("test.scores.npy"))
    with pytest.raises(InputError, match="is a symbolic link"):
        read_scores(stored, "search")


@pytest.mark.parametrize("value", [-0.1, 1.5, np.nan, np.inf])
def test_scores_that_change_after_the_check_are_noticed(value):
    values = np.ones((3, 4, 2))
    votes = SoftVotes.of(Scores(values, np.zeros(4, int), "search"), kept_bytes=0)
    values[1, 3, 1] = value
    with pytest.raises(InputError, match="search scores of member 1 have changed since they were checked"):
        votes.errors(np.ones((1, 3), bool))


# --- What is refused ------------------------------------------------------------------------------------------------

ONES = np.ones((2, 3, 4))
TRUTH = np.zeros(3, int)


def with_value(value):
    values = ONES.copy()
    values[1, 2, 3] = value
    return values


@pytest.mark.parametrize(
    ("members", "truth", "message"),
    [
        (ONES[0], TRUTH, r"search scores have shape \(3, 4\); expected \(n_members, n_samples, n_classes\)"),
        ([], TRUTH, "search scores hold no member"),
        ([ONES[0], ONES[0, 0]], TRUTH, r"of member 1 have shape \(4,\); expected \(n_samples, n_classes\)"),
        ([ONES[0], ONES[0, :2]], TRUTH, r"of member 1 have shape \(2, 4\); member 0 has \(3, 4\)"),
        (ONES.astype(str), TRUTH, "of member 0 have type <U32; they must be numbers of 64 bits or fewer"),
        (ONES.astype(complex), TRUTH, "of member 0 have type complex128; they must be numbers"),
        (ONES[:, :0], TRUTH[:0], r"of member 0 have shape \(0, 4\); there is nothing to vote on"),
        (ONES[:, :, :0], TRUTH, r"of member 0 have shape \(3, 0\); there is nothing to vote on"),
        (np.zeros((1, 1, 2**16 + 1)), TRUTH[:1], "there are 65537 classes; from 1 to 65536 fit"),
        (ONES, TRUTH[:2], r"search truth has shape \(2,\); the scores need \(3,\)"),
        (ONES, TRUTH + 4, "search truth hold 4; with 4 classes they go from 0 to 3"),
        (with_value(np.nan), TRUTH, r"search scores hold nan \(member 1, sample 2, class 3\); they are finite and"),
        (with_value(np.inf), TRUTH, r"hold inf \(member 1, sample 2, class 3\)"),
        (with_value(-np.inf), TRUTH, r"hold -inf \(member 1, sample 2, class 3\)"),
        (with_value(-1e-9), TRUTH, r"hold -1e-09 \(member 1, sample 2, class 3\); they are finite and at least 0"),
    ],
)
def test_scores_that_are_none_are_refused(monkeypatch, members, truth, message):
    monkeypatch.setattr("evo_ensyth.pool.scores.CHECKED", 8)  # two samples at a time: the third is in the second part
    with pytest.raises(InputError, match=message):
        Scores(members, truth, "search")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 0.1}, r"the resolution is 0.1; it must be a power of two, from 2\^-100 to 2\^100"),
        ({"resolution": -0.5}, "the resolution is -0.5"),
        ({"resolution": math.nan}, "the resolution is nan"),
        ({"resolution": 2.0**-101}, "it must be a power of two, from"),
        ({"resolution": 4.0}, "search scores reach 1, which 4 rounds to 0; use a finer resolution"),
        ({"resolution": 2.0**-52}, r"of 2 members add up to 9.01e\+15 times the resolution .* use a coarser one"),
        ({"block_samples": 0}, "block_samples is 0; a block has at least 1 sample"),
    ],
)
def test_settings_without_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SoftVotes.of(Scores(ONES, TRUTH, "search"), **settings)


def test_scores_beyond_every_float_are_refused():
    with pytest.raises(InputError, match=r"add up to .* use a coarser one"):
        SoftVotes.of(Scores(ONES * 1e307, TRUTH, "search"))


@pytest.mark.parametrize(
    ("subsets", "message"),
    [
        (np.ones((1, 2)), r"subsets have type float64 and shape \(1, 2\); expected bool, \(n_subsets, 2\)"),
        (np.ones(2, bool), r"subsets have type bool and shape \(2,\)"),
        (np.ones((1, 3), bool), r"subsets have type bool and shape \(1, 3\)"),
        (np.array([[True, True], [False, False]]), "subset 1 has no member; give every subset at least one"),
    ],
)
@pytest.mark.parametrize("ask", ["errors", "predictions"])
def test_subsets_that_do_not_fit_are_refused(subsets, message, ask):
    with pytest.raises(InputError, match=message):
        getattr(SoftVotes.of(Scores(ONES, TRUTH, "search")), ask)(subsets)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(2), r"weights have shape \(2,\); the subsets need \(2, 2\)"),
        (np.array([["1", "2"], ["1", "2"]]), "weights have type <U1; they must be numbers"),
        (
            np.array([[1.0, 1.0], [np.nan, 1.0]]),
            r"weights hold nan \(subset 1, member 0\); they are finite and at leas",
        ),
        (np.array([[1.0, np.inf], [1.0, 1.0]]), r"weights hold inf \(subset 0, member 1\)"),
        (np.array([[1, -2], [1, 1]]), r"weights hold -2 \(subset 0, member 1\)"),
        (np.array([[1, 1], [0, 1]]), "the members of subset 1 all have weight 0; give at least one of them more"),
        (np.array([[1, 1], [2**60, 1]]), r"scores of subset 1 add up to 7.56e\+22 times .* fewer bits in the weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    subsets = np.array([[True, True], [True, False]])
    with pytest.raises(InputError, match=message):
        SoftVotes.of(Scores(ONES, TRUTH, "search")).errors(subsets, weights)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_allocated(monkeypatch):
    scores, subsets = drawn(8, 1000, 16)
    kept = SoftVotes.of(scores)
    expected = kept.errors(subsets)
    large = SoftVotes.of(scores, kept_bytes=0, block_samples=1000)
    monkeypatch.setattr(os, "sysconf", lambda name: 1024)  # 1 MiB in all
    small = SoftVotes.of(scores, kept_bytes=0, block_samples=9)
    assert_array_equal(small.errors(subsets), expected)
    with pytest.raises(InputError, match=r"the rounded search scores would take 0.0 GiB; a quarter of this machine"):
        SoftVotes.of(scores)
    message = r"adding up the scores of 8 members for 1000 samples and 16 classes at once would take 0.0 GiB"
    with pytest.raises(InputError, match=message):
        large.errors(subsets)
    many = np.ones((300, 8), bool)
    with pytest.raises(InputError, match=r"what 300 subsets answer on 1000 samples would take 0.0 GiB"):
        kept.predictions(many)
