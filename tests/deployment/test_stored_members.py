"""Ensembles that predict in Python with the networks of their pool."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import evo_ensyth as ee
from evo_ensyth.errors import InputError
from evo_ensyth.io.pool_folder import read_pool
from evo_ensyth.synthesis import datasets


@pytest.mark.parametrize("rule", ["plurality", "soft"])
def test_stored_networks_vote_as_in_the_run(rule, run_of, stored):
    ensemble = run_of([0, 2, 4, 6], rule).recommended
    fitted = ensemble.with_members(ee.stored_members(stored.pool, ensemble.members))
    images = datasets.load("digits").test.images
    scores = np.array(read_pool(stored.pool).pool.test.scores.members)[list(ensemble.indices)]
    assert_array_equal(fitted.predict(images), ensemble.predict(scores))
    assert_allclose(fitted.predict_proba(images[:7]), ensemble.predict_proba(scores[:, :7]), atol=1e-4)


def test_members_that_are_not_there_are_named(stored):
    assert len(ee.stored_members(stored.pool)) == 8
    with pytest.raises(InputError, match="has no member 'elephant'"):
        ee.stored_members(stored.pool, ["elephant"])
