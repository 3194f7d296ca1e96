"""Labels of any kind: one order for them, and votes that do not depend on how classes are numbered."""

import json

import numpy as np
import pandas
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.votes import random_votes

import evo_ensyth as ee
from evo_ensyth.errors import InputError
from evo_ensyth.io import read_predictions, write_predictions
from evo_ensyth.io.run_folder import read_run, write_run
from evo_ensyth.pool import Pool
from evo_ensyth.pool.classes import LabelCodes, ordered, sorted_labels

LABELS, TRUTH = random_votes(np.random.default_rng(0), 5, 60, 3)
KINDS = {
    "from 0": (0, 1, 2),
    "from 1": (1, 2, 3),
    "gaps": (3, 8, 20),
    "years": (1999, 2007, 2026),
    "signed": (-1, 0, 1),
    "big ids": (10**15, 2 * 10**15, 2**62),
    "numbers as text": ("9", "10", "100"),
    "text": ("ant", "bee", "cow"),
    "text with blanks, commas and the like": ("a, b", "c=[d]", "e\"f'"),
    "floats": (0.0, 1.0, 2.0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [np.array, list, pandas.Series, polars.Series])
def test_votes_are_the_same_whatever_the_classes_are_called(kind, container):
    named = np.array(KINDS[kind])
    members = {f"m{i}": container(named[row].tolist()) for i, row in enumerate(LABELS)}
    pool = Pool.from_predictions(members, container(named[TRUTH].tolist()))
    plain = Pool.from_predictions(LABELS, TRUTH)
    assert pool.search.fingerprint == plain.search.fingerprint
    whole = kind not in ("text", "text with blanks, commas and the like")
    assert pool.classes == tuple(int(name) if whole else name for name in KINDS[kind])


def test_booleans_are_classes_and_mix_with_numbers():
    pool = Pool.from_predictions({"a": [True, False], "b": [False, False]}, [True, False])
    assert pool.classes == (False, True)
    assert [type(label) for label in pool.classes] == [bool, bool]
    mixed = Pool.from_predictions({"a": np.array([True, False]), "b": [0, 0]}, [1, 0])
    assert [type(label) for label in mixed.classes] == [int, int]
    assert mixed.search.fingerprint == pool.search.fingerprint


def test_minus_one_is_no_answer_unless_it_is_true_somewhere():
    assert Pool.from_predictions([[1, -1, 0]], [1, 1, 0], missing="abstain").classes == (0, 1)
    pool = Pool.from_predictions([[1, -1, 0]], [1, -1, 0])
    assert pool.classes == (-1, 0, 1)
    assert not pool.search.has_holes


@given(
    st.lists(st.one_of(st.integers(-9, 9), st.sampled_from(["a", "b", "10", "07", "-1"]), st.booleans()), min_size=1)
)
@settings(deadline=None, max_examples=60)
def test_places_keep_labels_apart_and_in_order(labels):
    codes = LabelCodes()
    places = codes.add(list(labels), "labels")
    order = ordered(codes, set(places.tolist()))
    found = [order.classes[place] for place in order.rank[places]]
    as_text = any(isinstance(label, str) and label in ("a", "b", "07") for label in labels)
    only_booleans = all(isinstance(label, bool) for label in labels)
    if as_text:
        # True and 1 are one label where both occur.
        numbers = [
            int(label) if isinstance(label, bool) and not all(isinstance(other, bool) for other in labels) else label
            for label in labels
        ]
        assert found == list(map(str, numbers))
    else:
        assert found == (labels if only_booleans else list(map(int, labels)))
    assert list(order.classes) == sorted(set(order.classes))


def test_numbers_are_sorted_as_numbers_and_the_rest_as_text():
    assert sorted_labels(["10", "9", 2]) == (2, 9, 10)
    assert sorted_labels(["10", "9", "x"]) == ("10", "9", "x")
    assert sorted_labels(["007", "7"]) == ("007", "7")


@pytest.mark.parametrize(
    ("truth", "names", "classes"),
    [
        ([0, 1, 2], None, (0, 1, 2)),
        ([0, 1, 1], None, (0, 1, 2)),
        (["cat", "ant", "bee"], None, ("ant", "bee", "cat")),
        ([1, 2, 3], None, (1, 2, 3)),
        (["cat", "ant", "ant"], ["cat", "ant", "bee"], ("ant", "bee", "cat")),
        ([0, 1, 0], ["cat", "ant", "bee"], ("ant", "bee", "cat")),
    ],
)
def test_columns_of_scores_are_the_classes_in_order_or_those_that_are_named(truth, names, classes):
    scores = np.random.default_rng(0).random((2, 3, 3))
    pool = Pool.from_predictions(scores, truth, classes=names)
    assert pool.classes == classes
    columns = names or classes
    for member, row in enumerate(pool.search.y_pred):
        assert [classes[i] for i in row] == [columns[j] for j in scores[member].argmax(axis=1)]
    expected = scores[:, :, [columns.index(name) for name in classes]]
    np.testing.assert_array_equal(np.array(pool.search.scores.members), expected)


@pytest.mark.parametrize(
    ("truth", "names", "message"),
    [
        (["a", "b", "b"], None, "the scores have 3 columns and the labels are a, b; give a column for each class"),
        (["a", "b", "b"], ["a", "b"], "the scores have 3 columns and there are 2 classes, a, b"),
        (["a", "b", "x"], ["a", "b", "c"], "the label 'x' is none of the classes a, b, c"),
        (["a", "b", "b"], ["a", "b", "b"], "classes must be different names"),
    ],
)
def test_columns_that_do_not_fit_the_classes_are_refused(truth, names, message):
    with pytest.raises(InputError, match=message):
        Pool.from_predictions(np.full((2, 3, 3), 0.5), truth, classes=names)


@pytest.mark.parametrize("kind", [*KINDS, "booleans"])
@pytest.mark.parametrize("with_holes", [False, True])
def test_a_file_keeps_the_classes(tmp_path, kind, with_holes):
    named = np.array(KINDS.get(kind, (False, True, True)))
    rows = [named[row].tolist() for row in LABELS]
    if with_holes:
        rows[0][0] = None
    pool = Pool.from_predictions({f"m{i}": row for i, row in enumerate(rows)}, named[TRUTH].tolist(), missing="abstain")
    write_predictions(tmp_path / "pool.npz", pool)
    found = read_predictions(tmp_path / "pool.npz", missing="abstain")
    assert (found.classes, found.search.fingerprint) == (pool.classes, pool.search.fingerprint)
    assert list(map(type, found.classes)) == list(map(type, pool.classes))


def test_a_file_keeps_classes_that_nobody_names(tmp_path):
    pool = Pool.from_predictions(np.eye(4)[LABELS], TRUTH)
    write_predictions(tmp_path / "pool.npz", pool)
    found = read_predictions(tmp_path / "pool.npz")
    assert found.classes == (0, 1, 2, 3)
    assert found.search.fingerprint == pool.search.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["from 0", "gaps", "text", "signed"])
def test_objectives_and_limits_take_the_names_of_classes(call, npz, kind):
    named = np.array(KINDS[kind])
    first = KINDS[kind][0]
    path = npz({"search_labels": named[LABELS], "search_truth": named[TRUTH]})
    objectives = f"error,error_of_class_{first}"
    found = call(
        "search", path, "--selector", "exact", "--objectives", objectives, "--at-least", f"recall_of_class_{first}=0.5",
        "--json",
    )  # fmt: skip
    assert found.status == 0, found.err
    plain = npz({"search_labels": LABELS, "search_truth": TRUTH}, "plain.npz")
    wanted = call(
        "search", plain, "--selector", "exact", "--objectives", "error,error_of_class_0",
        "--at-least", "recall_of_class_0=0.5", "--json",
    )  # fmt: skip
    keys = [f"error_of_class_{first}", "error_of_class_0"]
    values = [
        [(e["indices"], e["search"][key]) for e in json.loads(said.out)["front"]["ensembles"]]
        for said, key in zip((found, wanted), keys, strict=True)
    ]
    assert values[0] == values[1]


def test_a_class_that_is_not_there_is_refused_with_those_that_are(call, npz):
    named = np.array(["ant", "bee", "cow"])
    path = npz({"search_labels": named[LABELS], "search_truth": named[TRUTH]})
    said = call("search", path, "--objectives", "error,error_of_class_ann")
    assert said.status == 2
    assert "no sample of the search split is of class ann; there are ant, bee, cow. Did you mean 'ant'?" in said.err


@pytest.fixture(scope="module")
def plain_run():
    return ee.search(Pool.from_predictions(LABELS, TRUTH), ["error", "n_members"], selector="exact", n_folds=0)


@pytest.mark.parametrize("kind", ["from 0", "gaps", "signed", "text", "big ids"])
def test_an_ensemble_predicts_what_the_pool_calls_its_classes(tmp_path, plain_run, kind):
    named = np.array(KINDS[kind])
    pool = Pool.from_predictions(named[LABELS], named[TRUTH])
    run = ee.search(pool, ["error", "n_members"], selector="exact", n_folds=0)
    found = run.recommended.predict(named[LABELS])
    np.testing.assert_array_equal(found, named[plain_run.recommended.predict(LABELS)])
    write_run(run, tmp_path)
    again = read_run(tmp_path)
    assert again.classes == pool.classes
    assert again.to_dict()["classes"] == named.tolist()
    np.testing.assert_array_equal(
        again.recommended.predict(pandas.DataFrame(dict(zip(pool.names, named[LABELS], strict=True)))), found
    )


def test_an_ensemble_predicts_booleans_and_says_where_nobody_answers():
    pool = Pool.from_predictions([[True, False, True], [True, True, False]], [True, False, True])
    best = ee.search(pool, ["error", "n_members"], selector="exact", n_folds=0).single_best
    assert best.predict([[True, False, True]]).dtype == bool
    named = Pool.from_predictions([["a", "b", "a"], ["b", "b", "a"]], ["a", "b", "a"])
    best = ee.search(named, ["error", "n_members"], selector="exact", n_folds=0).single_best
    assert best.predict([["a", None, "new"]]).tolist() == ["a", "", "new"]
