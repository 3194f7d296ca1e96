"""How long a search may go on."""

import pytest

from evo_ensyth.selection import budget as budget_module
from evo_ensyth.selection.budget import Budget, SearchOver


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
