"""A run from end to end, and back from its files."""

import json
from dataclasses import replace

import moocore
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose

from evo_ensyth import objectives
from evo_ensyth.errors import InputError
from evo_ensyth.io.run_folder import read_run, write_run
from evo_ensyth.objectives import judge
from evo_ensyth.pool import Votes
from evo_ensyth.report.facts import gather
from evo_ensyth.report.markdown import page
from evo_ensyth.search.run import run

ENTRY_KEYS = {
    "indices", "members", "search", "test", "search_interval", "test_interval", "optimism", "costs", "versus",
}  # fmt: skip


@pytest.fixture
def found(make_problem):
    return run(make_problem(n_members=12), "nsga2", against=["backward_elimination", "random"], budget=2000)


def test_errors_on_both_splits_are_those_counted_by_hand(make_problem, found):
    problem = make_problem(n_members=12)
    for selection in found.selections:
        for entry in selection.entries:
            subset = np.isin(np.arange(12), entry.indices)
            for votes, values, errors in (
                (problem.search, entry.search, entry.search_errors),
                (problem.test, entry.test, entry.test_errors),
            ):
                expected = naive.errors(subset, votes.y_pred, votes.y_true, 4)
                assert errors == expected
                assert values == {"error": expected / votes.n_samples, "n_members": len(entry.indices)}
            assert entry.members == tuple(f"m{i}" for i in entry.indices)


def test_the_summary_is_what_was_promised(found):
    summary = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert list(summary) == [
        "problem",
        "selector",
        "criterion",
        "seed",
        "budget",
        "evaluations",
        "seconds",
        "objectives",
        "bounds",
        "reference",
        "hypervolume",
        "n_members",
        "front",
        "chosen",
        "against",
        "certified_sizes",
        "lowest_error",
        "warnings",
        "parent_costs",
    ]
    assert set(summary["against"]) == {"backward_elimination", "random"}
    assert set(summary["hypervolume"]) == {"nsga2", "backward_elimination", "random"}
    for entries in (summary["front"], *summary["against"].values()):
        sizes = [len(entry["indices"]) for entry in entries]
        assert sizes == sorted(sizes)
        assert all(set(entry) == ENTRY_KEYS for entry in entries)
    assert 0 <= summary["chosen"] < len(summary["front"])


def test_versions_are_those_of_all_that_selectors_use(found):
    assert {"evo_ensyth", "python", "numpy", "numba", "pymoo", "deap", "cma"} <= set(found.versions)


def test_the_reference_is_a_tenth_beyond_the_worst_of_singles_and_the_whole_pool(make_problem, found):
    problem = make_problem(n_members=12)
    worst = problem.search.member_errors.max() / problem.search.n_samples
    assert_allclose(found.reference, [1.1 * worst, 1.1 * 12])


def test_the_default_is_led_by_the_shrunk_error_and_told_by_the_error(make_problem, found):
    problem = make_problem(n_members=12)
    led = problem.guided_by(objectives.find("shrunk_error", problem.pool))
    assert found.found.criterion == "shrunk_error"
    assert [s.criterion for s in found.against] == ["error", "error"]
    subsets = np.array(list(naive.all_subsets(12)))
    best = naive.non_dominated(judge(led.objectives, led.on_search(subsets)))
    shown = np.array([np.isin(np.arange(12), entry.indices) for entry in found.found.entries])
    assert sorted(map(tuple, judge(led.objectives, led.on_search(shown)))) == best
    assert all(list(entry.search) == ["error", "n_members"] for entry in found.found.entries)


@pytest.mark.parametrize("criterion", ["error", "smoothed_error", "bytes"])
def test_any_objective_may_lead(make_problem, criterion):
    problem = make_problem(n_members=10)
    found = run(problem, "nsga2", criterion=objectives.find(criterion, problem.pool))
    led = problem.guided_by(objectives.find(criterion, problem.pool))
    best = naive.non_dominated(judge(led.objectives, led.on_search(np.array(list(naive.all_subsets(10))))))
    shown = np.array([np.isin(np.arange(10), entry.indices) for entry in found.found.entries])
    assert sorted(map(tuple, judge(led.objectives, led.on_search(shown)))) == best


def test_hypervolumes_are_those_of_the_objectives_that_were_asked_for(found):
    for selection in found.selections:
        values = np.array([list(entry.search.values()) for entry in selection.entries])
        assert selection.hypervolume == pytest.approx(moocore.hypervolume(values, ref=found.reference))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("criterion", ["error", "shrunk_error"])
def test_a_proven_size_has_no_ensemble_below_the_front_up_to_it(make_problem, monkeypatch, seed, criterion):
    monkeypatch.setattr("evo_ensyth.search.run.PROVEN_PER_EVALUATION", 10**6)
    problem = make_problem(n_members=8, n_samples=60, seed=seed)
    found = run(problem, "nsga2", criterion=objectives.find(criterion, problem.pool), seed=seed)
    errors, sizes = problem.on_search(subsets := np.array(list(naive.all_subsets(8)))).errors, subsets.sum(axis=1)
    for size in range(1, 9):
        lowest = errors[sizes == size].min()
        shown = min(entry.search_errors for entry in found.found.entries if entry.size <= size)
        assert (size in found.found.certified_sizes) <= (shown <= lowest)
        assert found.lowest_errors[size - 1] <= lowest
    assert criterion != "error" or len(found.found.certified_sizes) == 8


def test_a_criterion_needs_an_error_to_replace(make_problem):
    problem = make_problem(goals=("bytes", "n_members"))
    with pytest.raises(InputError, match="takes the place of the objective 'error'; ask for that, too"):
        run(problem, "nsga2", criterion=objectives.find("smoothed_error", problem.pool))
    assert run(problem, "nsga2").found.criterion == "bytes"


def test_without_a_test_split_there_is_no_test_value(make_problem):
    found = run(make_problem(with_test=False), "random", budget=50)
    assert found.n_test is None
    assert all(entry.test is None for entry in found.found.entries)
    assert found.test_interval(found.found.entries[0]) is None


def test_a_run_comes_back_from_its_files_as_it_was(found, tmp_path):
    write_run(found, tmp_path)
    back = read_run(tmp_path)
    assert back.summary() == found.summary()
    assert back.found == found.found
    assert back.marks == found.marks


def test_the_same_seed_writes_the_same_front(make_problem, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_run(run(make_problem(n_members=20), "nsga2", budget=2500, seed=4), tmp_path / name)
    assert (tmp_path / "a" / "front.csv").read_bytes() == (tmp_path / "b" / "front.csv").read_bytes()


def test_the_test_split_is_read_when_selection_is_over(make_problem, monkeypatch):
    from evo_ensyth.search import run as module
    from evo_ensyth.search.problem import Problem

    order = []
    on_test, search = Problem.on_test, module._search
    monkeypatch.setattr(Problem, "on_test", lambda *a: order.append("test") or on_test(*a))
    monkeypatch.setattr(module, "_search", lambda *a: order.append("search") or search(*a))
    run(make_problem(), "nsga2", against=["random", "whole_pool"], budget=300)
    assert order == ["search", "search", "search", "test"]


@pytest.mark.parametrize("selector", ["nsga2", "exact"])
def test_a_thousand_members_and_more_are_searched_and_what_can_be_is_proven(make_problem, selector):
    """Of so many members there are more subsets than a float can say."""
    found = run(make_problem(n_members=1_100, n_samples=60), selector, budget=605_000)
    assert found.found.certified_sizes[:1] == (1,)
    assert found.found.hypervolume > 0


@pytest.mark.parametrize("selector", ["nsga2", "backward_wrapper", "local_search", "exact"])
def test_what_is_found_and_chosen_does_not_depend_on_the_test_split(make_problem, selector):
    """Whatever stands there: the truth turned round, and answers that nobody gave."""
    problem = make_problem(n_members=10, with_parent=True)
    rng = np.random.default_rng(7)
    garbage = Votes(rng.integers(0, 4, problem.test.y_pred.shape), 3 - problem.test.y_true, 4, "test")
    other_parent = replace(problem.pool.parent, y_pred={**problem.pool.parent.y_pred, "test": 3 - problem.test.y_true})
    seen = []
    for test, parent in ((problem.test, problem.pool.parent), (garbage, other_parent), (None, None)):
        found = run(
            replace(problem, pool=replace(problem.pool, test=test, parent=parent)),
            selector,
            against=["random"],
            budget=1100,
        )
        on_search = [
            [(e.indices, e.search, e.search_errors, e.costs) for e in selection.entries]
            for selection in found.selections
        ]
        rivals = [[(r, v.search) for r, v in e.versus.items() if r != "parent"] for e in found.found.entries]
        marks = {name: entry.indices for name, entry in found.marks.items()}
        seen.append((on_search, rivals, found.chosen, marks, found.lowest_errors, found.found.hypervolume))
    assert seen[0] == seen[1] == seen[2]


def test_costs_and_the_parents_costs_are_kept(make_problem, tmp_path):
    problem = make_problem(n_members=8, with_parent=True)
    found = run(problem, "nsga2", budget=400)
    write_run(found, tmp_path)
    for told in (found, read_run(tmp_path)):
        assert told.parent_costs == {"bytes": 90.0}
        for entry in told.found.entries:
            assert entry.costs == {
                name: values[list(entry.indices)].sum() for name, values in problem.pool.costs.items()
            }
            assert "parent" in entry.versus


def test_a_run_of_format_1_is_read_without_what_it_lacks(found, tmp_path):
    write_run(found, tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["format"] == 2
    content["format"] = 1
    del content["parent_costs"]
    for selection in (content["found"], *content["against"]):
        for entry in selection["entries"]:
            del entry["costs"], entry["versus"]
    for entry in content["marks"].values():
        del entry["costs"], entry["versus"]
    (tmp_path / "run.json").write_text(json.dumps(content))
    back = read_run(tmp_path)
    assert [warning.code for warning in back.warnings] == ["not_compared"]
    assert "an earlier version" in page(gather([back]))
    assert [e["versus"] for e in back.summary()["front"]] == [{}] * len(found.found.entries)


def test_a_stop_keeps_what_was_found(make_problem):
    stopped = []

    def observe(selector, milestone):
        if selector == "random" and milestone.evaluations > 500:
            stopped[-1].budget.stop()

    found = run(
        make_problem(n_members=15), "random", against=["whole_pool"], seconds=60, observe=observe, attach=stopped.append
    )
    assert found.interrupted
    assert 500 < found.found.evaluations < 1500
    assert [s.selector for s in found.against] == ["whole_pool"]


def test_a_stop_among_the_comparisons_tells_what_they_found(make_problem):
    evaluators = []
    found = run(
        make_problem(n_members=15),
        "nsga2",
        against=["random"],
        budget=5000,
        attach=evaluators.append,
        observe=lambda selector, milestone: evaluators[-1].budget.stop(),
    )
    assert found.interrupted
    assert found.found.selector == "random"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"selector": "nsga4"}, "no selector called 'nsga4'"),
        ({"against": ["best"]}, "no selector called 'best'"),
        ({"budget": 0}, "the budget is 0; it takes at least 1 evaluation"),
        ({"seconds": 0.0}, "the time limit is 0 seconds; it must be above 0"),
        ({"seconds": float("nan")}, "the time limit is nan seconds"),
        ({"seed": -1}, "the seed is -1; it must be 0 or more"),
    ],
)
def test_what_cannot_be_run_is_refused_first(make_problem, arguments, message):
    with pytest.raises(InputError, match=message):
        run(make_problem(), **{"selector": "whole_pool", **arguments})


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c.pop("found"),
        lambda c: c.update(format=99),
        lambda c: c.update(chosen=99),
        lambda c: c["found"].update(entries=[{}]),
        lambda c: c.update(marks=3),
    ],
)
def test_a_damaged_run_is_refused_by_name(found, tmp_path, damage):
    write_run(found, tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    damage(content)
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"run\.json"):
        read_run(tmp_path)


def nodes(content, path=()):
    """Every place in a JSON document."""
    yield path
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from nodes(value, (*path, key))


def test_a_run_that_was_changed_anywhere_is_refused_or_can_be_told(make_problem, tmp_path):
    found = run(make_problem(n_members=4, n_samples=20), "nsga2", against=["whole_pool"])
    write_run(found, tmp_path)
    file = tmp_path / "run.json"
    whole = file.read_text()
    refused = 0
    for path in list(nodes(json.loads(whole)))[1:]:
        for instead in (None, -1, "x", []):
            content = json.loads(whole)
            place = content
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = instead
            file.write_text(json.dumps(content))
            try:
                page(gather([read_run(tmp_path)]))
            except InputError:
                refused += 1
    assert refused > 300
