"""NSGA-II: exact on small pools, never worse than its baselines, the same everywhere."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import dominance
from oracles import votes as naive
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function

from evo_ensyth.selection import selectors
from evo_ensyth.selection.budget import Budget
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary import _loop
from evo_ensyth.selection.selectors.evolutionary._loop import first_generation
from evo_ensyth.selection.selectors.evolutionary._pymoo import crowding_distance
from evo_ensyth.selection.selectors.evolutionary.nsga2 import NSGA2


def searched(problem, selector=None, seed=1, budget=None, seconds=None):
    search = Evaluator(problem, Budget(budget, seconds))
    (selector or NSGA2()).select(search, np.random.default_rng(seed))
    return search


@pytest.mark.parametrize("n_members", [1, 2, 3, 5, 6, 7, 8, 10, 12])
@pytest.mark.parametrize("goals", [("error", "n_members"), ("error", "bytes")])
def test_the_front_of_a_small_pool_is_the_enumerated_one(make_problem, n_members, goals):
    problem = make_problem(n_members=n_members, n_samples=60, seed=n_members, goals=goals)
    everything = Evaluator(problem).evaluate(np.array(list(naive.all_subsets(n_members)))).values
    expected = dominance.non_dominated(everything)
    assert sorted(map(tuple, searched(problem).archive.values)) == expected
    evolved = searched(problem, NSGA2(enumerate=0))
    assert sorted(map(tuple, evolved.archive.values)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_no_baseline_has_a_point_that_dominates_the_front(make_problem, seed):
    from evo_ensyth.selection.archive import dominates

    problem = make_problem(n_members=30, n_samples=200, seed=seed)
    front = searched(problem, seed=seed).archive
    for name in ("backward_elimination", "backward_wrapper", "forward_greedy", "single_best", "whole_pool"):
        baseline = Evaluator(problem)
        selectors.load(name).select(baseline, np.random.default_rng(seed))
        assert not dominates(baseline.archive.values, front.values).any()
        assert front.hypervolume >= baseline.archive.hypervolume


def test_no_subset_is_judged_twice_or_empty(make_problem, monkeypatch):
    judged = []
    evaluate = Evaluator.evaluate

    def recording(self, subsets):
        judged.extend(map(bytes, np.packbits(subsets, axis=1)))
        assert subsets.any(axis=1).all()
        return evaluate(self, subsets)

    problem = make_problem(n_members=16)
    monkeypatch.setattr(Evaluator, "evaluate", recording)
    selector = NSGA2(generations=30, enumerate=0)
    monkeypatch.setattr(_loop, "walk_baselines", lambda search, rng: None)
    searched(problem, selector)
    assert 31 * 100 < len(judged) <= 31 * 100 + 30 * selector.walk
    assert len(set(judged)) == len(judged)


def test_the_first_generation_has_sizes_from_one_to_all(make_problem):
    problem = make_problem(n_members=200, n_samples=30)
    start = first_generation(Evaluator(problem), 100, np.random.default_rng(0))
    sizes = np.sort(start.sum(axis=1))
    assert_allclose(np.quantile(sizes, [0.1, 0.5, 0.9]), [20, 100, 180], atol=25)


@pytest.mark.parametrize("seed", range(5))
def test_crowding_is_that_of_pymoo_where_values_differ(seed):
    x = np.random.default_rng(seed).permutation(20).astype(float)
    values = np.column_stack([x, 30 - x**1.5])
    theirs = get_crowding_function("cd").do(values, n_remove=0)
    # pymoo divides by the number of objectives
    assert_allclose(crowding_distance(values), theirs * np.where(np.isinf(theirs), 1, 2))


def test_equal_values_crowd_each_other_out():
    values = np.array([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
    assert_array_equal(crowding_distance(values), [np.inf, 2.0, 0.0, np.inf])


PROGRAM = """
import hashlib, sys
sys.path.insert(0, {tests!r})
import numpy as np
from oracles import votes as naive
from evo_ensyth import objectives
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run
from evo_ensyth.io.run_folder import _front_table
rng = np.random.default_rng(0)
labels, truth = naive.random_votes(rng, 40, 600, 5, 0.6)
members = Members(tuple(f"m{{i}}" for i in range(40)), costs={{"ms": rng.random(40)}})
pool = Pool(members, Votes(labels[:, :300], truth[:300], 5, "search"), Votes(labels[:, 300:], truth[300:], 5, "test"))
problem = Problem(pool, ("error", "ms", "n_members"))
found = run(problem, "nsga2", baselines=["random"], budget=6000, seed=3)
print(hashlib.sha256(_front_table(found)).hexdigest())
"""


# Kernels are compiled anew for another processor, which takes most of a minute.
@pytest.mark.parametrize("processor", [{}, pytest.param({"NUMBA_CPU_NAME": "generic"}, marks=pytest.mark.long)])
def test_the_front_is_the_same_bytes_on_every_number_of_threads_and_every_processor(request, processor):
    program = [sys.executable, "-c", PROGRAM.format(tests=str(request.config.rootpath / "tests"))]
    settings = {
        "four threads": {"NUMBA_NUM_THREADS": "4", "OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"},
        "no wide vectors in numpy": {"NPY_DISABLE_CPU_FEATURES": _wide_vectors()},
        "no wide vectors in kernels": processor,
        "another order of sets": {"PYTHONHASHSEED": "7"},
    }

    def digest(*names):
        environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
        for name in names:
            environment |= settings[name]
        done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    plain = digest()
    if digest(*settings) != plain:  # all at once, as each process takes seconds; then one by one, to say which it is
        digests = {name: digest(name) for name in settings}
        pytest.fail(json.dumps({"one thread": plain, **digests}, indent=1))


def _wide_vectors():
    """Those above the baseline that numpy found here; it complains about any that are not there."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))
