"""Keys of a file of predictions that mean nothing: each is told, none is passed over."""

import re
import zipfile

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_predictions


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("test_label", "'test_label' is no key of a file of predictions and is not used. Did you mean 'test_labels'?"),
        ("name", "Did you mean 'names'?"),
        ("search_group", "Did you mean 'search_groups'?"),
        ("costs_ms", "'costs_ms' is no key"),
        ("val_labels", "'val_labels' is no key"),
        ("labels", "'labels' is not used, because there are keys that name a split."),
        ("groups", "'groups' is not used, because there are keys that name a split."),
    ],
)
def test_a_key_that_is_not_used_is_told(npz, arrays, key, told):
    pool = read_predictions(npz({**arrays, key: np.zeros(40)}))
    assert len(pool.notes) == 1
    assert told in pool.notes[0]
    assert read_predictions(npz(arrays)).notes == ()


@pytest.mark.parametrize("key", ["names", "classes", "search_groups", "cost_ms", "shared_members"])
def test_an_optional_key_that_is_damaged_in_one_of_its_two_places_is_refused(npz, arrays, key):
    path = npz({**arrays, key: np.arange(3)})
    content = path.read_bytes()
    name = f"{key}.npy".encode()
    assert content.count(name) == 2
    for place in (content.index(name), content.rindex(name)):
        path.write_bytes(content[:place] + b"x" + content[place + 1 :])
        with pytest.raises(InputError, match=r"is not a complete \.npz file"):
            read_predictions(path)


def test_an_entry_that_swallows_the_next_ones_as_its_comment_is_refused(npz, arrays):
    path = npz(arrays)
    content = bytearray(path.read_bytes())
    entries = [match.start() for match in re.finditer(b"PK\1\2", content)]
    length = content.index(b"PK\5\6") - entries[2]
    content[entries[1] + 32 : entries[1] + 34] = length.to_bytes(2, "little")
    path.write_bytes(content)
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == ["search_labels.npy", "search_truth.npy"]
    with pytest.raises(InputError, match=r"is not a complete \.npz file: its directory is damaged"):
        read_predictions(path)


def test_what_is_told_stands_on_standard_error_and_in_the_run(call, npz, arrays):
    said = call("search", npz({**arrays, "diagnosis_2020": np.ones(40)}), "--selector", "single_best", "--json")
    assert said.err.startswith("evo_ensyth: 'diagnosis_2020' is no key of a file of predictions")
    assert said.json["source"]["notes"] == ["'diagnosis_2020' is no key of a file of predictions and is not used."]


@pytest.mark.parametrize("shape", [(3, 4, 1), (3, 4)])
def test_one_column_of_scores_is_the_chance_of_the_second_class(npz, shape):
    chances = np.array([[0.1, 0.9, 0.5, 0.6], [0.4, 0.3, 0.2, 1.0], [0.0, 1.0, 0.51, 0.49]])
    pool = read_predictions(npz({"search_scores": chances.reshape(shape), "search_truth": [0, 1, 1, 0]}))
    assert pool.search.y_pred.tolist() == (chances > 0.5).astype(int).tolist()
    assert pool.search.n_classes == 2
    np.testing.assert_array_equal(np.array(pool.search.scores.members), np.stack([1 - chances, chances], axis=2))
    assert pool.notes == ("The scores have one column, read as the chance of class 1, of 0 and 1.",)


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        (np.full((2, 3, 1), 0.5), [0, 1, 2], "the scores have 2 columns and the labels are 0, 1, 2"),
        (
            np.full((2, 3, 1), 1.5),
            [0, 1, 1],
            "'search_scores' of member 0 has one column of scores, the",
        ),
        (
            np.full((2, 3, 2), 0.5),
            [0, 1, 2],
            "the scores have 2 columns and the labels are 0, 1, 2; give",
        ),
    ],
)
def test_scores_without_a_column_for_a_class_are_refused(npz, scores, truth, message):
    with pytest.raises(InputError, match=message):
        read_predictions(npz({"search_scores": scores, "search_truth": truth}))


def test_splits_with_columns_of_their_own_are_refused(npz):
    stored = {f"{split}_scores": np.full((2, 3, n), 0.5) for split, n in (("search", 3), ("test", 2))}
    with pytest.raises(InputError, match="'search_scores' has 3 columns and 'test_scores' has 2 columns"):
        read_predictions(npz({**stored, "search_truth": [0, 1, 1], "test_truth": [0, 1, 1]}))


@pytest.mark.parametrize("key", ["weights", "sample_weight", "sample_weights", "search_weights", "test_sample_weight"])
def test_weights_of_samples_are_refused_by_name(npz, arrays, key):
    path = npz({**arrays, key: np.ones(40)})
    with pytest.raises(InputError, match=rf"'{key}' gives samples weights, and all samples count alike here"):
        read_predictions(path)
