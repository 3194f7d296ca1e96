"""Taking one ensemble of a front: every rule against all entries, looked at one by one."""

from dataclasses import replace

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.results import pick as picking
from evo_ensyth.results.run import Run
from evo_ensyth.search.run import run


@pytest.fixture
def found(make_problem) -> Run:
    return run(make_problem(n_members=10, goals=("error", "n_members", "bytes")), "random", budget=400)


def rows(found: Run) -> list[tuple[int, int, float]]:
    return [(entry.search_errors, entry.size, entry.costs["bytes"]) for entry in found.found.entries]


def test_a_size_gives_the_best_of_that_size(found):
    for size in {entry.size for entry in found.found.entries}:
        index = picking.of_size(found, size)
        errors = [e for e, n, _ in rows(found) if n == size]
        assert rows(found)[index][:2] == (min(errors), size)


def test_a_size_that_is_not_there_is_told_with_its_neighbours(found):
    entries = [entry for entry in found.found.entries if entry.size in (1, 2, 5)]
    found = replace(found, found=replace(found.found, entries=tuple(entries)), chosen=0)
    for size, nearest in ((3, "2 and 5"), (4, "2 and 5"), (9, "5")):
        with pytest.raises(InputError, match=f"no ensemble of {size} members .* the nearest in size has {nearest}"):
            picking.of_size(found, size)


def test_limits_give_the_best_that_keeps_them(found):
    for limits in ({"bytes": 60.0}, {"bytes": 100.0, "n_members": 3.0}, {"error": 0.2}, {"parameters": 1e9}):
        index = picking.at_most(found, limits)
        fitting = [
            entry for entry in found.found.entries
            if all({**entry.search, **entry.costs}[cost] <= limit for cost, limit in limits.items())
        ]  # fmt: skip
        assert found.found.entries[index] in fitting
        assert found.found.entries[index].search_errors == min(entry.search_errors for entry in fitting)


def test_limits_that_nothing_keeps_are_told_with_the_nearest(found):
    least = min(cost for _, _, cost in rows(found))
    with pytest.raises(
        InputError, match=f"no ensemble of this front costs so little; the nearest has bytes={least:g}\\."
    ):
        picking.at_most(found, {"bytes": least - 1})
    with pytest.raises(InputError, match="the nearest has bytes="):
        picking.at_most(found, {"bytes": 0.0, "error": 0.0})


def test_a_cost_that_is_not_known_is_told_with_those_that_are(found):
    with pytest.raises(
        InputError, match=r"no cost in this run called 'byte'\. Did you mean 'bytes'\? There is bytes, error,"
    ):
        picking.at_most(found, {"byte": 1.0})


def test_a_limit_is_a_cost_and_a_number():
    assert picking.limit("bytes=2e6") == ("bytes", 2e6)
    for text in ("bytes", "=5", "bytes=", "bytes=many", "bytes=nan", ""):
        with pytest.raises(InputError, match="expected a cost and a number, such as bytes=2e6"):
            picking.limit(text)


def test_the_knee_is_that_of_error_against_size(make_problem):
    found = run(make_problem(n_members=12), "nsga2", budget=2000)
    points = np.array([(entry.size, entry.search_errors) for entry in found.found.entries], float)
    first, last = points[0], points[-1]
    normal = np.array([first[1] - last[1], last[0] - first[0]])
    distances = (first - points) @ normal
    assert distances.max() > 0
    assert picking.at_knee(found) == distances.argmax()


def test_a_front_of_one_has_no_knee(make_problem):
    with pytest.raises(InputError, match="this front has no knee"):
        picking.at_knee(run(make_problem(), "single_best"))


def test_no_rule_looks_at_the_test_split(make_problem):
    found = run(make_problem(n_members=12), "nsga2", budget=2000)
    blind = replace(
        found,
        n_test=None,
        found=replace(
            found.found, entries=tuple(replace(e, test=None, test_errors=None, versus={}) for e in found.found.entries)
        ),
    )
    for rule in (picking.at_knee, picking.within_one_standard_error, lambda r: picking.at_most(r, {"bytes": 99.0})):
        assert rule(found) == rule(blind)
