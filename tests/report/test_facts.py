"""What a report says, against what can be counted by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evo_ensyth.io.run_folder import read_run, write_run
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.report.facts import gather
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run

TRUTH = np.ones(10, int)
# On the search split the first member has 1 error, the second 2, the third 3, never on the same sample. A tie is an
# error, for it goes to class 0. So pairs have all the errors of their members, and all three together have none.
SEARCH = 1 - np.array([[1] + [0] * 9, [0, 1, 1] + [0] * 7, [0, 0, 0, 1, 1, 1] + [0] * 4])
# On the test split it is the other way round.
TEST = SEARCH[::-1]


def problem(names: tuple[str, ...] = ("error", "n_members"), *, test: bool = True) -> Problem:
    members = Members(("a", "b", "c"), costs={"ms": [3.0, 2.0, 1.0]})
    held_out = Votes(TEST, TRUTH, 2, "test") if test else None
    return Problem(Pool(members, Votes(SEARCH, TRUTH, 2, "search"), held_out, name="hand"), names)


def test_the_first_line_is_the_runs_own_front_and_those_of_the_baselines_follow():
    found = run(problem(), "nsga2", baselines=["whole_pool", "single_best"])
    facts = gather([found])
    assert [line.label for line in facts.lines] == ["nsga2", "whole_pool", "single_best"]
    assert facts.main is found
    assert facts.problem == "hand"
    assert facts.splits == ("search", "test")
    assert facts.lines[0].recommended == found.recommended == found.front[found.recommended_index]
    assert facts.lines[1].recommended is None


def test_values_are_those_of_the_split():
    facts = gather([run(problem(), "nsga2", baselines=["single_best"])])
    # the best single one is a, with 1 error to search on and 3 to test on
    assert facts.lines[0].values("search").tolist() == [[0.1, 1.0], [0.0, 3.0]]
    assert facts.lines[0].values("test").tolist() == [[0.3, 1.0], [0.0, 3.0]]
    assert facts.lines[1].values("test").tolist() == [[0.3, 1.0]]
    assert facts.references["best single member"].indices == (0,)
    assert facts.references["whole pool"].indices == (0, 1, 2)


def test_dominated_points_are_counted_on_each_split():
    # c alone: dominated by a to search on, and itself the best to test on
    found = run(problem(), "nsga2", baselines=["whole_pool"])
    whole = found.baselines[0].ensembles[0]
    third = replace(whole, indices=(2,), members=("c",), search={"error": 0.3, "n_members": 1.0},
                    test={"error": 0.1, "n_members": 1.0}, search_errors=3, test_errors=1)  # fmt: skip
    forged = replace(found, baselines=(replace(found.baselines[0], ensembles=(third,)),))
    assert gather([forged]).lines[1].dominated == {"search": (1, 1), "test": (0, 1)}
    assert gather([found]).lines[1].dominated == {"search": (0, 1), "test": (0, 1)}
    assert gather([found]).lines[0].dominated == {}


def test_without_a_test_split_nothing_is_said_of_it():
    facts = gather([run(problem(test=False), "nsga2", baselines=["whole_pool"])])
    assert facts.splits == ("search",)
    assert facts.lines[1].dominated == {"search": (0, 1)}


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (("error", "n_members"), ("n_members", "error")),
        (("n_members", "error"), ("n_members", "error")),
        (("error", "ms"), ("ms", "error")),
        (("ms", "n_members"), ("n_members", "ms")),
        (("error",), ("n_members", "error")),
        (("ms", "error", "n_members"), ("ms", "error")),
    ],
)
def test_error_goes_upwards_where_there_is_one(names, axes):
    assert gather([run(problem(names), "nsga2", baselines=["whole_pool"])]).axes == axes


def test_of_several_runs_the_first_is_shown_with_its_baselines_and_the_others_without():
    first = run(problem(), "nsga2", baselines=["whole_pool"])
    second = run(problem(), "random", baselines=["single_best"], budget=20, seed=2)
    third = run(problem(), "random", baselines=[], budget=20, seed=3)
    facts = gather([first, second, third])
    assert [line.label for line in facts.lines] == ["nsga2", "whole_pool", "random, seed 2", "random, seed 3"]
    assert [line.run.seed for line in facts.lines] == [1, 1, 2, 3]
    assert [line.recommended is None for line in facts.lines] == [False, True, False, False]


def test_a_run_that_was_read_back_gives_the_same_facts(tmp_path):
    found = run(problem(), "nsga2", baselines=["whole_pool"])
    write_run(found, tmp_path)
    facts, again = gather([found]), gather([read_run(tmp_path)])
    assert (again.problem, again.splits, again.axes, again.references) == (
        facts.problem, facts.splits, facts.axes, facts.references,
    )  # fmt: skip
    for line, other in zip(facts.lines, again.lines, strict=True):
        assert (line.label, line.recommended, line.dominated) == (other.label, other.recommended, other.dominated)
        np.testing.assert_array_equal(line.values("test"), other.values("test"))
    assert json.dumps(found.to_dict() | {"folder": str(tmp_path)}) == json.dumps(read_run(tmp_path).to_dict())
