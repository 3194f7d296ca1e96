"""How long a search may go on."""

import json
import time

import numba
import numpy as np
import pytest

from evo_ensyth.engine.kernels import compiler
from evo_ensyth.errors import InputError
from evo_ensyth.selection import budget as budget_module
from evo_ensyth.selection import run as run_module
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.run import run
from evo_ensyth.selection.selectors.exact import exact


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand."""
    now = [100.0]
    monkeypatch.setattr(budget_module.time, "perf_counter", lambda: now[0])
    return now


def test_without_limits_nothing_ends_a_search_but_a_stop():
    budget = Budget()
    budget.spend(10**9)
    assert (budget.limited, budget.remaining, budget.done) == (False, float("inf"), False)
    budget.stop()
    assert budget.done
    with pytest.raises(SearchOver):
        budget.raise_if_done()


def test_what_a_kernel_counts_that_is_not_compiled_can_be_written_as_json():
    budget = Budget()
    budget.spend(np.int64(7))
    assert json.dumps(budget.n_evaluations) == "7"


def test_what_does_not_fit_is_not_counted():
    budget = Budget(10)
    budget.spend(7)
    with pytest.raises(SearchOver):
        budget.spend(4)
    assert (budget.n_evaluations, budget.remaining, budget.done) == (7, 3, False)
    budget.spend(3)
    assert budget.done
    with pytest.raises(SearchOver):
        budget.spend(0)


def test_time_ends_a_search_that_has_a_result(clock):
    budget = Budget(seconds=5)
    clock[0] += 6
    assert budget.limited
    assert not budget.done  # nothing was evaluated yet
    budget.spend(1)
    assert budget.done


def test_the_clock_stands_still_once_it_is_closed(clock):
    budget = Budget()
    clock[0] += 2
    assert budget.elapsed == 2
    budget.close()
    clock[0] += 2
    assert budget.elapsed == 2


def test_compiling_is_not_counted_as_search(clock, monkeypatch):
    compiled = [3.0]
    monkeypatch.setattr(budget_module, "seconds_compiling", lambda: compiled[0])
    budget = Budget(seconds=5)
    budget.spend(1)
    clock[0] += 20
    compiled[0] += 18
    assert (budget.elapsed, budget.compiling, budget.done) == (2, 18, False)
    clock[0] += 3
    assert budget.ended_by == "seconds"
    budget.close()
    compiled[0] += 1
    assert (budget.elapsed, budget.compiling) == (5, 18)


def test_a_kernel_that_is_compiled_takes_none_of_the_time():
    before = compiler.seconds_compiling()
    budget = Budget()
    start = time.perf_counter()
    numba.njit(lambda x: x + 1)(1)
    took = time.perf_counter() - start
    assert compiler.seconds_compiling() - before == budget.compiling > 0
    assert budget.elapsed < took


def test_the_time_that_is_left_is_that_of_the_nearer_limit(clock):
    assert Budget().seconds_left is None
    budget = Budget(100, seconds=60)
    assert budget.seconds_left == 60
    budget.spend(10)
    clock[0] += 4
    assert budget.seconds_left == pytest.approx(36)
    clock[0] += 50
    assert budget.seconds_left == pytest.approx(6)
    clock[0] += 50
    assert budget.seconds_left == 0


def test_patience_with_a_budget_counts_evaluations_and_never_looks_at_the_clock(clock):
    budget = Budget(100, seconds=1_000, patience=0.5)
    for _ in range(4):
        budget.spend(10)
        budget.gained()
    clock[0] += 900
    budget.spend(49)
    assert not budget.done
    budget.spend(1)
    assert budget.ended_by == "patience"
    with pytest.raises(SearchOver):
        budget.spend(1)
    budget.gained()
    assert not budget.done


def test_patience_with_a_time_limit_alone_counts_seconds(clock):
    budget = Budget(seconds=100, patience=0.5)
    clock[0] += 60
    assert not budget.done  # nothing was evaluated yet
    budget.spend(10)
    budget.gained()
    clock[0] += 39
    budget.spend(10_000)
    assert not budget.done
    budget = Budget(seconds=100, patience=0.3)
    budget.spend(10)
    budget.gained()
    clock[0] += 31
    assert budget.ended_by == "patience"


@pytest.mark.parametrize(
    "budget",
    [
        Budget(patience=0.1),  # without a limit, the selector has a rule of its own
        Budget(10_000, patience=None),
        Budget(10_000, patience=0),
        Budget(10_000, patience=0.1, least_patience=9_001),
    ],
)
def test_patience_has_no_end(budget):
    budget.spend(9_000)
    assert not budget.done


@pytest.mark.parametrize(("spend", "ended_by"), [(3, "selector"), (10, "budget"), (11, "budget")])
def test_what_ended_a_search_is_kept(spend, ended_by):
    budget = Budget(10)
    assert budget.ended_by is None
    over = False
    try:
        budget.spend(spend)
        budget.raise_if_done()
    except SearchOver:
        over = True
    budget.close(over=over)
    budget.stop()
    assert (budget.ended_by, budget.stopped) == (ended_by, True)


class Stagnates:
    """Finds nothing new after the first ensemble."""

    def select(self, search, rng):
        while True:
            search.evaluate(np.ones((10, len(search.pool)), bool))


def test_a_search_that_gains_nothing_ends_early_and_a_proof_does_not(make_problem, monkeypatch):
    monkeypatch.setattr(run_module, "LEAST_PATIENCE", 12)
    problem = make_problem(n_members=11, goals=("error", "bytes"))
    found = run(problem, Stagnates(), budget=1_000, n_folds=0)
    assert (found.front.ended_by, found.front.n_evaluations) == ("patience", 510)
    assert (found.patience, found.interrupted) == (0.5, False)
    for patience in (0, None):
        whole = run(problem, Stagnates(), budget=1_000, patience=patience, n_folds=0)
        assert (whole.front.ended_by, whole.front.n_evaluations) == ("budget", 1_000)
    monkeypatch.setattr(exact, "BLOCK", 10)
    for goals in (["error", "bytes"], ["error", "n_members"]):
        proven = run(problem.with_objectives(goals), "exact", budget=3_000, patience=0.01, n_folds=0)
        assert (proven.front.ended_by, proven.front.proven_sizes) == ("selector", tuple(range(1, 12)))


@pytest.mark.parametrize("patience", [-0.1, 1.1, float("nan")])
def test_patience_is_a_share(make_problem, patience):
    with pytest.raises(InputError, match="it is a share of the budget or the time, from 0 to 1"):
        run(make_problem(), "random", budget=10, patience=patience)
