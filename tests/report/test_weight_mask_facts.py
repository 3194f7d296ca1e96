"""What is said of weight masks by method, against averages over pairs that are listed one by one."""

import numpy as np
import pytest

from evo_ensyth.io.weight_masks import WeightMasks
from evo_ensyth.report.weight_mask_facts import WeightMaskFacts

METHODS = ["a", "b", "a", "c", "b", "a"]


@pytest.fixture
def weight_masks():
    """Of the last member, weights have another shape."""
    rng = np.random.default_rng(3)
    shared, expected = (np.triu(rng.integers(1, 50, (6, 6)).astype(float)) for _ in range(2))
    for counts in (shared, expected):
        counts += np.triu(counts, 1).T
        counts[5, :5] = counts[:5, 5] = np.nan
    return WeightMasks(rng.integers(50, 99, 6), shared, expected)


def averaged(weight_masks, pairs):
    tables = [
        share(counts)
        for share in (weight_masks.jaccard, weight_masks.overlap)
        for counts in (weight_masks.shared, weight_masks.expected)
    ]
    return (len(pairs), *(np.mean([table[pair] for pair in pairs]) for table in tables))


def numbers_of(part):
    return (part.n_pairs, part.jaccard, part.jaccard_by_chance, part.overlap, part.overlap_by_chance)


def test_pairs_are_averaged_method_by_method(weight_masks):
    facts = WeightMaskFacts.of(weight_masks, METHODS)
    pairs = {("a", "a"): [(0, 2)], ("b", "b"): [(1, 4)], ("a", "c"): [(0, 3), (2, 3)], ("b", "c"): [(1, 3), (3, 4)]}
    pairs["a", "b"] = [(0, 1), (0, 4), (1, 2), (2, 4)]
    assert set(facts.between) == set(pairs)
    for methods, where in pairs.items():
        assert numbers_of(facts.between[methods]) == pytest.approx(averaged(weight_masks, where))
    assert facts.n_left_out == 5
    assert numbers_of(facts.with_others("b")) == pytest.approx(
        averaged(weight_masks, pairs["a", "b"] + pairs["b", "c"])
    )


def test_a_method_of_its_own_has_no_others(weight_masks):
    facts = WeightMaskFacts.of(weight_masks, ["a"] * 6)
    assert facts.with_others("a") is None
    assert facts.summary()["pairs"][0]["methods"] == ["a", "a"]
    assert facts.summary()["n_pairs_left_out"] == 5
