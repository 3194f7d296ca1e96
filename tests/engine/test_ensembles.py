"""What objectives see of a batch of ensembles."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members, SharedPart, Votes


def ensembles(subsets, pool, n_classes=4, seed=0):
    labels, truth = naive.random_votes(np.random.default_rng(seed), len(pool), 60, n_classes)
    votes = Votes(labels, truth, n_classes, "search")
    return Ensembles(np.array(subsets, bool), pool, votes)


def test_predictions_are_those_counted_by_hand():
    subsets = np.array(list(naive.all_subsets(6)))
    some = ensembles(subsets, Members(tuple("abcdef")))
    for subset, answer in zip(subsets, some.predictions, strict=True):
        assert_array_equal(answer, naive.plurality(subset, some.votes.y_pred, 4))
    assert_array_equal((some.predictions != some.votes.y_true).sum(axis=1), some.errors)
    assert_array_equal(some.error_rate, some.errors / 60)


def test_totals_add_up_and_the_largest_is_the_largest():
    pool = Members(("a", "b", "c"), costs={"bytes": np.array([10, 20, 30]), "ms": np.array([0.5, 0.25, 1.5])})
    some = ensembles([[1, 0, 0], [1, 1, 0], [1, 1, 1]], pool)
    assert_array_equal(some.total("bytes"), [10, 30, 60])
    assert some.total("bytes").dtype == np.int64
    assert_array_equal(some.total("ms"), [0.5, 0.75, 2.25])
    assert_array_equal(some.largest("ms"), [0.5, 0.5, 1.5])
    assert_array_equal(some.sizes, [1, 2, 3])


def test_what_members_share_is_paid_once():
    trunk = SharedPart("conv1", np.array([True, True, False]), {"bytes": 8})
    pool = Members(("a", "b", "c"), costs={"bytes": np.array([10, 20, 30])}, shared=(trunk,))
    some = ensembles([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 0, 1]], pool)
    assert_array_equal(some.total("bytes"), [10, 22, 40, 52, 30])


def test_a_sum_does_not_depend_on_the_batch():
    rng = np.random.default_rng(0)
    pool = Members(tuple(f"m{i}" for i in range(40)), costs={"ms": rng.random(40)})
    subsets = rng.random((300, 40)) < 0.5
    subsets[:, 0] = True
    together = ensembles(subsets, pool).total("ms")
    alone = [ensembles(subset[None], pool).total("ms")[0] for subset in subsets]
    assert_array_equal(together, alone)


def test_decimal_fractions_add_up_exactly():
    """Three members at 0.1 cost 0.30000000000000004: above a limit of 0.3, and dominated by others at 0.3."""
    rng = np.random.default_rng(0)
    cents = rng.integers(1, 1000, 8)
    trunk = SharedPart("conv1", np.arange(8) < 3, {"euros": 0.01})
    pool = Members(tuple("abcdefgh"), costs={"euros": cents / 100}, shared=(trunk,))
    subsets = np.array(list(naive.all_subsets(8)))
    right = [int(cents[s].sum()) - max(0, int(s[:3].sum()) - 1) for s in subsets]
    assert_array_equal(ensembles(subsets, pool).total("euros"), np.array(right) / 100)
    assert ensembles([[1, 1, 1]], Members(("a", "b", "c"), costs={"euros": np.full(3, 0.1)})).total("euros") == [0.3]


def test_a_cost_that_the_pool_lacks_is_named_with_those_it_has():
    pool = Members(("a", "b"), costs={"bytes": np.array([1, 2])})
    with pytest.raises(InputError, match=r"no cost of this pool called 'byte'. Did you mean 'bytes'\?"):
        ensembles([[1, 0]], pool).total("byte")
