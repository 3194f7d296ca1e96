"""Small problems for the tests of the search."""

import naive
import numpy as np
import pytest

from evo_ensyth import objectives
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.search.problem import Problem


@pytest.fixture
def make_problem():
    """A function that draws a problem; the same arguments give the same one."""

    def make(n_members=8, n_samples=120, n_classes=4, seed=0, goals=("error", "n_members"), with_test=True):
        rng = np.random.default_rng(seed)
        labels, truth = naive.random_votes(rng, n_members, 2 * n_samples, n_classes, 0.65)
        costs = {name: rng.integers(1, 50, n_members) for name in ("bytes", "parameters", "macs")}
        pool = Pool(tuple(f"m{i}" for i in range(n_members)), costs=costs)
        search = Votes(labels[:, :n_samples], truth[:n_samples], n_classes, "search")
        test = Votes(labels[:, n_samples:], truth[n_samples:], n_classes, "test") if with_test else None
        return Problem("drawn", pool, search, test, tuple(objectives.find(goal, pool) for goal in goals))

    return make
