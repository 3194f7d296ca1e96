"""Weights that evolve, and the multisets that are made of them."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary.cma_es import CMAES, shared_out


class Recorder(Evaluator):
    """Remembers every multiset, with its errors, and every set that was judged."""

    multisets, sets = (), ()

    def multiset_errors(self, multisets):
        errors = super().multiset_errors(multisets)
        self.multisets = [*self.multisets, (multisets.copy(), errors)]
        return errors

    def evaluate(self, subsets):
        self.sets = [*self.sets, *subsets.copy()]
        return super().evaluate(subsets)


def searched(problem, selector=None, seed=1, budget=None, seconds=None):
    search = Recorder(problem, Budget(budget, seconds))
    with contextlib.suppress(SearchOver):
        (selector or CMAES()).select(search, np.random.default_rng(seed))
    return search


def test_votes_are_shared_out_by_the_softmax():
    points = np.log([[0.5, 0.3, 0.2], [0.945, 0.045, 0.01], [0.86, 0.07, 0.07]])
    assert_array_equal(shared_out(points, 10), [[5, 3, 2], [9, 0, 0], [9, 1, 1]])
    assert_array_equal(shared_out(points + 700, 10), shared_out(points, 10))


def test_of_a_large_pool_as_many_of_the_best_members_take_part_as_there_are_votes(make_problem):
    problem = make_problem(n_members=30)
    search = searched(problem, CMAES(votes=8))
    voted = np.concatenate([multisets for multisets, _ in search.multisets]).any(axis=0)
    assert_array_equal(np.flatnonzero(voted), sorted(sorted(range(30), key=problem.search.member_errors.item)[:8]))
    assert all(multisets.any(axis=1).all() for multisets, _ in search.multisets)
    assert 8 * 8 <= search.budget.n_evaluations - 1 <= 8 * 8 + 20


@pytest.mark.parametrize("seed", range(3))
def test_it_begins_with_the_best_member_and_judges_the_best_multiset_of_each_generation(make_problem, seed):
    problem = make_problem(n_members=9, seed=seed)
    search = searched(problem)
    assert_array_equal(search.sets[0], np.arange(9) == problem.search.member_errors.argmin())
    expected = {}
    for multisets, errors in search.multisets:
        best = multisets[errors.argmin()]
        for level in sorted(set(best) - {0}):
            expected.setdefault((best >= level).tobytes(), best >= level)
    assert_array_equal(search.sets[1:], list(expected.values()))
    n_multisets = sum(len(multisets) for multisets, _ in search.multisets)
    assert search.budget.n_evaluations == n_multisets + len(search.sets)
    assert 50 * 9 <= search.budget.n_evaluations - 1 <= 50 * 9 + 20


@pytest.mark.parametrize("seed", range(3))
def test_small_pools_are_solved(make_problem, seed):
    problem = make_problem(n_members=4, n_samples=60, seed=seed)
    votes = problem.search
    fewest = min(naive.errors(s, votes.y_pred, votes.y_true, 4) for s in naive.all_subsets(4))
    assert round(searched(problem).archive.values[:, 0].min() * 60) == fewest


def test_when_the_cloud_rests_it_begins_anew(make_problem):
    problem = make_problem(n_members=2)
    assert searched(problem, budget=2_000).budget.n_evaluations > 1_900


def test_nothing_is_written(make_problem, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    searched(make_problem(), budget=300)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_the_library_is_imported_when_it_is_used():
    program = (
        "import sys\n"
        "from evo_ensyth.selection import selectors\n"
        "for name in selectors.names(): selectors.load(name)\n"
        "assert 'cma' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
