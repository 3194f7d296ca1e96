"""Pools made from predictions in memory: the same pool from every form, and one clear line for what does not fit."""

import re

import numpy as np
import pytest
from oracles import splitting
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members, Parent, Pool, Votes

NAMES = ("rf", "svm", "knn")
Y_PRED, Y_TRUE = naive.random_votes(np.random.default_rng(0), 3, 20, 4)
TEST_PRED, TEST_TRUE = naive.random_votes(np.random.default_rng(1), 3, 15, 4)
BY_NAME = dict(zip(NAMES, Y_PRED, strict=True))


def frame(library: str, columns: dict[str, np.ndarray]):
    return pytest.importorskip(library).DataFrame({name: list(values) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("predictions", "names"),
    [
        (BY_NAME, NAMES),
        ({name: values.tolist() for name, values in BY_NAME.items()}, NAMES),
        ({name: values.astype(float) for name, values in BY_NAME.items()}, NAMES),
        (Y_PRED, ("member-0", "member-1", "member-2")),
        (Y_PRED.tolist(), ("member-0", "member-1", "member-2")),
        (list(Y_PRED), ("member-0", "member-1", "member-2")),
    ],
)
def test_labels_may_be_a_mapping_or_an_array(predictions, names):
    pool = Pool.from_predictions(predictions, Y_TRUE)
    assert pool.names == names
    np.testing.assert_array_equal(pool.search.y_pred, Y_PRED)
    np.testing.assert_array_equal(pool.search.y_true, Y_TRUE)
    assert (len(pool), pool.search.n_classes, pool.search.split, pool.test) == (3, 4, "search", None)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_labels_may_be_a_data_frame(library):
    pool = Pool.from_predictions(
        frame(library, BY_NAME), frame(library, {"y": Y_TRUE})["y"], test=(frame(library, BY_NAME), Y_TRUE)
    )
    assert pool.names == NAMES
    np.testing.assert_array_equal(pool.search.y_pred, Y_PRED)
    np.testing.assert_array_equal(pool.search.y_true, Y_TRUE)
    np.testing.assert_array_equal(pool.test.y_pred, Y_PRED)


def test_columns_of_a_data_frame_need_not_have_texts_as_names():
    pandas = pytest.importorskip("pandas")
    assert Pool.from_predictions(pandas.DataFrame(Y_PRED.T), Y_TRUE).names == ("0", "1", "2")


def test_names_of_ten_members_sort_as_they_count():
    names = Pool.from_predictions(np.zeros((11, 2), int), [0, 1]).names
    assert names[0] == "member-00"
    assert names[-1] == "member-10"


def test_the_members_of_an_array_can_be_named():
    assert Pool.from_predictions(Y_PRED, Y_TRUE, names=NAMES).names == NAMES


@pytest.mark.parametrize("as_mapping", [False, True])
def test_members_vote_for_their_most_likely_class(as_mapping):
    scores = np.random.default_rng(2).dirichlet(np.ones(4), (3, 20))
    pool = Pool.from_predictions(dict(zip(NAMES, scores, strict=True)) if as_mapping else scores, Y_TRUE)
    np.testing.assert_array_equal(pool.search.y_pred, scores.argmax(axis=2))
    np.testing.assert_array_equal(np.array(pool.search.scores.members), scores)


def test_there_are_as_many_classes_as_columns_of_probabilities():
    scores = np.eye(3)[np.zeros((2, 4), int)]
    assert Pool.from_predictions(scores, [0, 0, 0, 0]).search.n_classes == 3
    with pytest.raises(
        InputError, match="the scores have 3 columns and the labels are 0, 1, 2, 4; give a column for each"
    ):
        Pool.from_predictions(scores, [0, 1, 2, 4])


def test_one_column_is_the_chance_of_the_second_of_two_classes():
    """A network with one sigmoid output was taken for a problem of one class, in which it is always right."""
    chances = np.array([[[0.2], [0.5], [0.7], [1.0]]])
    pool = Pool.from_predictions(chances, [0, 1, 1, 0])
    assert pool.search.y_pred.tolist() == [[0, 0, 1, 1]]
    np.testing.assert_array_equal(pool.search.scores.members[0], [[0.8, 0.2], [0.5, 0.5], [1 - 0.7, 0.7], [0, 1]])
    with pytest.raises(InputError, match=r"one column of scores, the chance of the second .* 2 \(sample 2\)"):
        Pool.from_predictions(np.array([[[0.2], [0.5], [2.0], [1.0]]]), [0, 1, 1, 0])


def test_labels_have_no_scores():
    with pytest.raises(InputError, match="the search split of this pool has labels only"):
        Pool.from_predictions(BY_NAME, Y_TRUE).search.scores  # noqa: B018


def test_the_test_split_is_kept_apart_and_put_in_the_order_of_the_search_split():
    held_out = {name: TEST_PRED[i] for i, name in reversed(list(enumerate(NAMES)))}
    pool = Pool.from_predictions(BY_NAME, Y_TRUE, test=(held_out, TEST_TRUE))
    np.testing.assert_array_equal(pool.test.y_pred, TEST_PRED)
    np.testing.assert_array_equal(pool.test.y_true, TEST_TRUE)
    assert (pool.search.split, pool.test.split) == ("search", "test")


def test_both_splits_have_as_many_classes_as_either_needs():
    pool = Pool.from_predictions([[0, 1]], [0, 1], test=([[0, 3]], [0, 2]))
    assert pool.search.n_classes == pool.test.n_classes == 4


def test_costs_belong_to_the_members_in_their_order():
    pool = Pool.from_predictions(BY_NAME, Y_TRUE, costs={"ms": [3, 1, 2], "bytes": np.array([10, 20, 30])})
    assert {name: values.tolist() for name, values in pool.costs.items()} == {"ms": [3, 1, 2], "bytes": [10, 20, 30]}


def test_predictions_and_truth_stay_as_they_are_and_cannot_be_changed_behind_the_pool():
    y_pred, y_true = Y_PRED.astype(np.int64), Y_TRUE.astype(np.int64)
    pool = Pool.from_predictions(y_pred, y_true)
    np.testing.assert_array_equal(y_pred, Y_PRED)
    y_pred[:], y_true[:] = 0, 0
    np.testing.assert_array_equal(pool.search.y_pred, Y_PRED)
    np.testing.assert_array_equal(pool.search.y_true, Y_TRUE)


def test_a_pool_has_a_name_and_shows_what_it_is():
    pool = Pool.from_predictions(BY_NAME, Y_TRUE, test=(BY_NAME, Y_TRUE), costs={"ms": [3, 1, 2]}, name="mine")
    assert pool.name == "mine"
    assert repr(pool) == "<Pool 'mine': 3 members, 4 classes, 20 search samples, 20 test samples, costs ms>"


SCORES = np.full((3, 20, 4), 0.25)
WITHOUT_KNN = {name: BY_NAME[name] for name in ("rf", "svm")}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (({}, Y_TRUE), {}, "the search predictions hold no member."),
        (
            (Y_TRUE, Y_TRUE),
            {},
            "the search predictions have shape (20,); expected a mapping, or (n_members, n_samples) or "
            "(n_members, n_samples, n_classes).",
        ),
        ((Y_PRED, Y_TRUE[:, None]), {}, "the search y_true have shape (20, 1); expected (n_samples,)"),
        ((Y_PRED, []), {}, "the search y_true have shape (0,); expected (n_samples,), at least one sample."),
        (
            (Y_PRED, Y_TRUE + 0.5),
            {},
            "the search y_true holds 3.5 (sample 0); class labels are whole numbers, booleans or text",
        ),
        ((Y_PRED, [[0]] * 20), {}, "the search y_true have shape (20, 1); expected (n_samples,)"),
        ((Y_PRED, [None] * 20), {}, "the search y_true has no value for sample 0; every sample needs one."),
        ((Y_PRED, [float("nan")] * 20), {}, "the search y_true has no value for sample 0"),
        ((Y_PRED, [float("inf")] * 20), {}, "the search y_true holds inf (sample 0); class labels are whole numbers"),
        ((Y_PRED[:, :9], Y_TRUE), {}, "predictions of 'member-0' have shape (9,); y_true has 20 samples."),
        (({**BY_NAME, "knn": Y_PRED[2, :9]}, Y_TRUE), {}, "predictions of 'knn' have shape (9,); y_true has 20"),
        (({"rf": SCORES}, Y_TRUE), {}, "the search predictions of 'rf' have shape (3, 20, 4); y_true has 20 samples."),
        (
            ({**BY_NAME, "knn": [{}] * 20}, Y_TRUE),
            {},
            "the search predictions of 'knn' holds something that is no label",
        ),
        (({**BY_NAME, "knn": Y_PRED[2] + 0.5}, Y_TRUE), {}, "the search predictions of 'knn' holds"),
        (
            ({**BY_NAME, "knn": SCORES[2]}, Y_TRUE),
            {},
            "some members of the search predictions give labels and others probabilities; give one kind.",
        ),
        (
            ({"rf": SCORES[0], "svm": SCORES[1, :, :2]}, Y_TRUE),
            {},
            "the search probabilities have 2 to 4 columns; give one per class.",
        ),
        ((BY_NAME, Y_TRUE), {"test": BY_NAME}, "test is a dict; expected a pair (predictions, y_true)."),
        ((BY_NAME, Y_TRUE), {"test": (BY_NAME,)}, "expected a pair (predictions, y_true)."),
        (
            (BY_NAME, Y_TRUE),
            {"test": (WITHOUT_KNN, Y_TRUE)},
            "test has the members rf, svm; the search split rf, svm, knn.",
        ),
        (
            (BY_NAME, Y_TRUE),
            {"test": ({**WITHOUT_KNN, "tree": Y_PRED[0]}, Y_TRUE)},
            "test has the members rf, svm, tree; the search split rf, svm, knn.",
        ),
        ((BY_NAME, Y_TRUE), {"test": (BY_NAME, TEST_TRUE)}, "the test predictions of 'rf' have shape (20,)"),
        ((Y_PRED, Y_TRUE), {"names": ["a", "b"]}, "names has 2 entries; there are 3 members."),
        ((Y_PRED, Y_TRUE), {"names": ["a", "b", "a"]}, "two members are called 'a'"),
        ((Y_PRED, Y_TRUE), {"costs": {"ms": [1, 2]}}, "cost 'ms' has shape (2,); the pool needs (3,)"),
        ((Y_PRED, Y_TRUE), {"costs": {"ms": [1, 2, np.nan]}}, "cost 'ms' is nan for member 2; it must be finite"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, options, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        Pool.from_predictions(*arguments, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [-0.1, np.inf])
def test_impossible_probabilities_are_refused_when_they_are_used(wrong):
    scores = SCORES.copy()
    scores[1, 2, 3] = wrong
    pool = Pool.from_predictions(scores, Y_TRUE)
    with pytest.raises(InputError, match=r"\(member 1, sample 2, class 3\); they are finite and at least 0"):
        pool.search.scores  # noqa: B018


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_may_hold_text(library):
    pool = Pool.from_predictions(frame(library, {"rf": np.array(["cat", "dog"])}), ["dog", "dog"])
    assert pool.classes == ("cat", "dog")
    assert pool.search.y_pred.tolist() == [[0, 1]]


def test_something_with_columns_that_is_no_data_frame_is_refused():
    class Table:
        columns = ("a", "b")

    with pytest.raises(InputError, match="the search predictions: no data frame that can be read"):
        Pool.from_predictions(Table(), Y_TRUE)


# Pools of parts


def test_votes_and_a_parent_must_belong_to_the_members():
    votes = Votes(Y_PRED, Y_TRUE, 4, "search")
    with pytest.raises(InputError, match="the search split holds 3 members, the pool 2"):
        Pool(Members(("a", "b")), votes)
    test = Votes(Y_PRED[:2], Y_TRUE, 4, "test")
    with pytest.raises(InputError, match="the test split holds 2 members, the pool 3"):
        Pool(Members(NAMES), votes, test)
    with pytest.raises(InputError, match=r"the parent's predictions on the search split have shape \(9,\); expected"):
        Pool(Members(NAMES), votes, parent=Parent({}, {"search": Y_TRUE[:9]}))


@pytest.mark.parametrize(("wanted", "names"), [([2, 0], ("knn", "rf")), (["*n*", "rf"], ("rf", "knn"))])
def test_a_part_has_what_its_members_have(wanted, names):
    pool = Pool.from_predictions(BY_NAME, Y_TRUE, test=(BY_NAME, Y_TRUE), costs={"ms": [3, 1, 2]}, name="mine")
    part = pool.part(wanted)
    rows = [NAMES.index(name) for name in names]
    assert (part.names, part.name) == (names, "mine")
    assert part.costs["ms"].tolist() == [[3, 1, 2][row] for row in rows]
    for votes in (part.search, part.test):
        np.testing.assert_array_equal(votes.y_pred, Y_PRED[rows])
        np.testing.assert_array_equal(votes.y_true, Y_TRUE)
    assert part.source.get("members") == (None if isinstance(wanted[0], int) else wanted)


def test_a_cost_can_be_added_and_the_old_pool_stays_as_it_is():
    pool = Pool.from_predictions(BY_NAME, Y_TRUE)
    assert pool.with_cost("ms", [3, 1, 2]).costs["ms"].tolist() == [3, 1, 2]
    assert dict(pool.costs) == {}


def test_a_pool_is_split_at_random_as_a_file_is():
    whole = Pool.from_predictions(BY_NAME, Y_TRUE)
    pool = whole.split(0.3, split_seed=5)
    test = splitting.stratified(Y_TRUE, 0.3, 5)
    rest = np.setdiff1d(np.arange(len(Y_TRUE)), test)
    assert pool.source["test_samples"] == test
    np.testing.assert_array_equal(pool.test.y_pred, Y_PRED[:, test])
    np.testing.assert_array_equal(pool.search.y_true, Y_TRUE[rest])
    assert whole.split(0).test is None
    with pytest.raises(InputError, match="this pool has a test split, or a parent"):
        pool.split()
    with pytest.raises(InputError, match="the test share is 1; it must be at least 0 and below 1"):
        whole.split(1)
