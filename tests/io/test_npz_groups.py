"""Groups in a file of predictions: any values, kept together where the file is split on reading."""

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_predictions


def patients(kind=lambda number: number):
    """Forty patients with 15 slices each, which are answered alike, in random order."""
    rng = np.random.default_rng(3)
    of = rng.permutation(np.repeat(np.arange(40), 15))
    truth = rng.integers(0, 4, 40)[of]
    labels = np.array([np.where(rng.random(40) < 0.6, -1, rng.integers(0, 4, 40))[of] for _ in range(20)])
    labels = np.where(labels == -1, truth, labels)
    return {"labels": labels, "truth": truth, "groups": np.array([kind(number) for number in of])}


KINDS = {
    "small numbers": lambda number: number,
    "large ids": lambda number: 10**11 + 7919 * number,
    "names": lambda number: f"patient {number}",
    "-1 for unknown": lambda number: number - 1,
    "dates": lambda number: np.datetime64("2024-01-01") + number,
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_patient_is_in_both_splits_whatever_identifies_patients(npz, kind):
    arrays = patients(KINDS[kind])
    pool = read_predictions(npz(arrays))
    test = pool.source["test_samples"]
    assert len(test) == 300
    assert not set(arrays["groups"][test]) & set(np.delete(arrays["groups"], test))
    assert not set(pool.search.groups) & set(pool.test.groups)
    assert pool.source["split"] == "groups stay together"


def test_truth_values_are_two_groups(npz):
    arrays = patients(lambda number: number % 2 == 0)
    pool = read_predictions(npz(arrays))
    assert len(set(pool.search.groups)) == len(set(pool.test.groups)) == 1


def test_without_groups_the_split_is_stratified(npz):
    arrays = patients()
    del arrays["groups"]
    pool = read_predictions(npz(arrays), test_share=0.3)
    assert pool.source["split"] == "stratified by class"
    assert (np.abs(pool.test.class_sizes - 0.3 * np.bincount(arrays["truth"])) < 1).all()


def test_groups_in_both_splits_of_a_file_are_told(npz):
    arrays = patients()
    half = np.arange(600) < 300
    whole = {
        f"{split}_{key}": values[..., which]
        for split, which in (("search", half), ("test", ~half))
        for key, values in arrays.items()
    }
    shared = len(set(arrays["groups"][half]) & set(arrays["groups"][~half]))
    (note,) = read_predictions(npz(whole)).source["notes"]
    assert note.startswith(f"{shared} of 40 groups have samples in both splits")
    apart = np.argsort(arrays["groups"], kind="stable")
    whole = {
        key: values[..., apart[half if key.startswith("search") else ~half]]
        for key, values in {
            f"{split}_{key}": values for split in ("search", "test") for key, values in arrays.items()
        }.items()
    }
    assert "notes" not in read_predictions(npz(whole)).source


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.full(600, np.nan), "'groups' have no value for sample 0; give every sample a group"),
        (np.zeros(600), "all samples are of one group, which cannot be in both splits; use a test share of 0"),
        (np.zeros(599), r"'groups' has shape \(599,\), 'truth' \(600,\)"),
    ],
)
def test_what_cannot_be_grouped_is_refused_in_words_about_groups(npz, groups, message):
    with pytest.raises(InputError, match=message):
        read_predictions(npz({**patients(), "groups": groups}))
