"""A search from end to end: every number on both splits, and nothing that the test split could have decided."""

import signal
from dataclasses import replace

import moocore
import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import dominance
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.objectives import judge
from evo_ensyth.pool import Votes
from evo_ensyth.selection.run import Progress, run
from evo_ensyth.selection.selectors import load
from evo_ensyth.selection.selectors.greedy.caruana import Caruana


@pytest.fixture
def found(make_problem):
    return run(make_problem(n_members=12), "nsga2", baselines=["backward_elimination", "random"], budget=2000)


def test_errors_on_both_splits_are_those_counted_by_hand(make_problem, found):
    problem = make_problem(n_members=12)
    for front in found.fronts:
        for ensemble in front:
            subset = np.isin(np.arange(12), ensemble.indices)
            for votes, values, errors in (
                (problem.search, ensemble.search, ensemble.search_errors),
                (problem.test, ensemble.test, ensemble.test_errors),
            ):
                expected = naive.errors(subset, votes.y_pred, votes.y_true, 4)
                assert errors == expected
                assert values == {"error": expected / votes.n_samples, "n_members": len(ensemble.indices)}
                assert ensemble.error(votes.split) == expected / votes.n_samples
            assert ensemble.members == tuple(f"m{i}" for i in ensemble.indices)


def test_the_best_single_member_and_the_whole_pool_are_judged_too(make_problem, found):
    problem = make_problem(n_members=12)
    alone = [naive.errors(np.arange(12) == i, problem.search.y_pred, problem.search.y_true, 4) for i in range(12)]
    assert found.single_best.indices == (int(np.argmin(alone)),)
    assert found.single_best.search_errors == min(alone)
    assert found.whole_pool.indices == tuple(range(12))
    for ensemble in (found.single_best, found.whole_pool):
        subset = np.isin(np.arange(12), ensemble.indices)
        assert ensemble.test_errors == naive.errors(subset, problem.test.y_pred, problem.test.y_true, 4)


def test_versions_are_those_of_all_that_selectors_use(found):
    assert {"evo_ensyth", "python", "numpy", "numba", "pymoo", "deap", "cma"} <= set(found.versions)


def test_the_reference_point_is_a_tenth_beyond_the_worst_of_singles_and_the_whole_pool(make_problem, found):
    problem = make_problem(n_members=12)
    worst = problem.search.member_errors.max() / problem.search.n_samples
    assert_allclose(found.reference_point, [1.1 * worst, 1.1 * 12])


@pytest.mark.parametrize("goals", [("error", "n_members"), None, ("bytes", "smoothed_error", "n_members")])
def test_a_front_is_what_nothing_dominates_in_the_objectives_that_head_it(make_problem, goals):
    problem = make_problem(n_members=10, goals=goals)
    found = run(problem, "nsga2", baselines=["backward_elimination"])
    for front, subsets in (
        (found.front, np.array(list(naive.all_subsets(10)))),
        (found.baselines[0], np.array([np.isin(np.arange(10), one.indices) for one in found.baselines[0]])),
    ):
        best = dominance.non_dominated(judge(problem.objectives, problem.on_search(subsets)))
        assert sorted(tuple(ensemble.search[goal] for goal in found.objectives) for ensemble in front) == best
    assert found.front.proven_sizes == tuple(range(1, 11))  # all subsets were evaluated


def test_by_default_the_criterion_of_the_vote_and_the_size_are_minimised(make_problem):
    found = run(make_problem(goals=None), "forward_greedy")
    assert found.objectives == ("smoothed_error", "n_members")
    assert found.front.leading == "smoothed_error"


def test_hypervolumes_are_those_of_the_objectives_that_were_asked_for(found):
    for front in found.fronts:
        values = np.array([list(ensemble.search.values()) for ensemble in front])
        assert front.hypervolume == pytest.approx(moocore.hypervolume(values, ref=found.reference_point))


@pytest.mark.parametrize("seed", range(6))
def test_a_proven_size_has_no_ensemble_below_the_front_up_to_it(make_problem, monkeypatch, seed):
    monkeypatch.setattr("evo_ensyth.selection.run.PROVEN_PER_EVALUATION", 10**6)
    problem = make_problem(n_members=8, n_samples=60, seed=seed)
    found = run(problem, "forward_greedy", seed=seed)
    errors, sizes = problem.on_search(subsets := np.array(list(naive.all_subsets(8)))).errors, subsets.sum(axis=1)
    for size in range(1, 9):
        lowest = errors[sizes == size].min()
        shown = min(ensemble.search_errors for ensemble in found.front if ensemble.size <= size)
        assert (size in found.front.proven_sizes) == (shown <= errors[sizes <= size].min())
        assert found.lowest_errors[size - 1] <= lowest


@pytest.mark.parametrize("names", [("forward_greedy", "backward_elimination"), ("caruana", "kappa_pruning")])
def test_what_a_selector_found_does_not_depend_on_its_role(make_problem, monkeypatch, names):
    """A proof used to add better ensembles to the front of the main selector."""
    monkeypatch.setattr("evo_ensyth.selection.run.PROVEN_PER_EVALUATION", 10**6)
    problem = make_problem(n_members=8, n_samples=60)
    one, other = run(problem, names[0], baselines=[names[1]]), run(problem, names[1], baselines=[names[0]])
    for first, second in ((one.front, other.baselines[0]), (one.baselines[0], other.front)):
        assert first.hypervolume == second.hypervolume
        assert [e.indices for e in first] == [e.indices for e in second]


def test_a_selector_with_settings_is_given_as_an_instance(make_problem):
    found = run(
        make_problem(),
        load("exact", {"max_size": 3}),
        baselines=[load("random", {"draws": 40}), "single_best"],
    )
    assert (found.front.selector, found.front.settings["max_size"]) == ("exact", 3)
    assert found.front.proven_sizes == (1, 2, 3)
    assert [front.selector for front in found.baselines] == ["random", "single_best"]
    assert found.baselines[0].settings == {"draws": 40}
    assert found.baselines[0].n_evaluations == 40


def test_a_selector_is_compared_with_others_alone_and_once_each(make_problem):
    found = run(make_problem(), "random", baselines=["single_best", "random", "single_best"], budget=100)
    assert [front.selector for front in found.fronts] == ["random", "single_best"]


def test_without_a_test_split_there_is_no_test_value(make_problem):
    found = run(make_problem(with_test=False), "random", budget=50)
    assert found.n_test is None
    assert all(ensemble.test is None and ensemble.test_errors is None for ensemble in found.front)
    assert found.front[0].interval("test") is None


def test_the_test_split_is_read_when_selection_is_over(make_problem, monkeypatch):
    from evo_ensyth.selection import run as module
    from evo_ensyth.selection.problem import Problem

    order = []
    on_test, search = Problem.on_test, module._search
    monkeypatch.setattr(Problem, "on_test", lambda *a: order.append("test") or on_test(*a))
    monkeypatch.setattr(module, "_search", lambda *a: order.append("search") or search(*a))
    run(make_problem(), "nsga2", baselines=["random", "whole_pool"], budget=300)
    assert order == ["search", "search", "search", "test"]


@pytest.mark.parametrize("selector", ["nsga2", "exact"])
def test_a_thousand_members_and_more_are_searched_and_what_can_be_is_proven(make_problem, selector):
    """Of so many members there are more subsets than a float can hold."""
    found = run(make_problem(n_members=1_100, n_samples=60), selector, budget=605_000)
    assert found.front.proven_sizes[:1] == (1,)
    assert found.front.hypervolume > 0


@pytest.mark.parametrize("selector", ["nsga2", "backward_wrapper", "local_search", "exact"])
def test_what_is_found_and_recommended_does_not_depend_on_the_test_split(make_problem, selector):
    """Whatever it holds: other true labels, and answers that nobody gave."""
    problem = make_problem(n_members=10, with_parent=True)
    rng = np.random.default_rng(7)
    garbage = Votes(rng.integers(0, 4, problem.test.y_pred.shape), 3 - problem.test.y_true, 4, "test")
    other_parent = replace(problem.pool.parent, y_pred={**problem.pool.parent.y_pred, "test": 3 - problem.test.y_true})
    seen = []
    for test, parent in ((problem.test, problem.pool.parent), (garbage, other_parent), (None, None)):
        found = run(
            replace(problem, pool=replace(problem.pool, test=test, parent=parent)),
            selector,
            baselines=["random"],
            budget=1100,
        )
        on_search = [[(e.indices, e.search, e.search_errors, e.costs) for e in front] for front in found.fronts]
        discordant = [[(b, d.search) for b, d in e.discordant.items() if b != "parent"] for e in found.front]
        references = found.single_best.indices, found.whole_pool.indices
        volumes = [front.hypervolume for front in found.fronts]
        seen.append((on_search, discordant, found.recommended_index, references, found.lowest_errors, volumes))
    assert seen[0] == seen[1] == seen[2]


def test_costs_of_the_ensembles_and_of_the_parent_are_kept(make_problem):
    problem = make_problem(n_members=8, with_parent=True)
    found = run(problem, "nsga2", baselines=["random"], budget=400)
    assert found.parent_costs == {"bytes": 90.0}
    for ensemble in (*found.front, *found.baselines[0], found.single_best, found.whole_pool):
        members = list(ensemble.indices)
        assert ensemble.costs == {name: values[members].sum() for name, values in problem.pool.costs.items()}
    assert all("parent" in ensemble.discordant for ensemble in found.front)
    assert not any(ensemble.discordant for ensemble in found.baselines[0])


def test_progress_is_reported_with_what_each_selector_spends(make_problem):
    heard: list[Progress] = []
    found = run(make_problem(), "nsga2", baselines=["random"], budget=700, on_progress=heard.append)
    assert list(dict.fromkeys(progress.selector for progress in heard)) == ["random", "nsga2"]
    assert {progress.budget for progress in heard} == {700}
    for front in found.fronts:
        own = [progress for progress in heard if progress.selector == front.selector]
        spent = [progress.n_evaluations for progress in own]
        volumes = [progress.hypervolume for progress in own]
        assert spent == sorted(spent)
        assert spent[-1] == front.n_evaluations
        assert volumes == sorted(volumes)
        assert front.history[-1].hypervolume == volumes[-1] > 0
    messages = {progress.message for progress in heard}
    assert "proving small sizes" in messages
    assert heard[-1].message == "estimating the error on unseen samples: fold 10 of 10"
    assert heard[0].message == ""


def interrupt_after(n_evaluations: int, selector: str):
    """Press Ctrl-C, as it were, once a selector has judged so many ensembles."""

    def on_progress(progress: Progress) -> None:
        far_enough = progress.selector == selector and progress.n_evaluations > n_evaluations
        # Only while a search listens: a second Ctrl-C ends the program.
        if far_enough and signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            signal.raise_signal(signal.SIGINT)

    return on_progress


def test_ctrl_c_keeps_what_was_found(make_problem):
    problem = make_problem(n_members=15)
    found = run(problem, "random", baselines=["whole_pool"], seconds=60, on_progress=interrupt_after(500, "random"))
    assert found.interrupted
    assert 500 < found.front.n_evaluations < 1500
    assert [front.selector for front in found.baselines] == ["whole_pool"]


def test_ctrl_c_among_the_baselines_reports_what_they_found(make_problem):
    problem = make_problem(n_members=15)
    found = run(
        problem,
        "nsga2",
        baselines=["whole_pool", "random"],
        budget=5000,
        on_progress=interrupt_after(0, "random"),
    )
    assert found.interrupted
    assert found.front.selector == "random"
    assert [front.selector for front in found.baselines] == ["whole_pool"]
    assert len(found.front) > 0


def test_ctrl_c_before_anything_was_judged_leaves_nothing_to_report(make_problem, monkeypatch):
    monkeypatch.setattr(
        "evo_ensyth.selection.selectors.baselines.whole_pool.WholePool.select",
        lambda self, search, rng: signal.raise_signal(signal.SIGINT),
    )
    with pytest.raises(KeyboardInterrupt):
        run(make_problem(), "whole_pool")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"selector": "nsga4"}, "no selector called 'nsga4'"),
        ({"baselines": ["best"]}, "no selector called 'best'"),
        ({"selector": object}, "is no selector; expected a name"),
        ({"budget": 0}, "the budget is 0; it takes at least 1 evaluation"),
        ({"seconds": 0.0}, "the time limit is 0 seconds; it must be above 0"),
        ({"seconds": float("nan")}, "the time limit is nan seconds"),
        ({"seed": -1}, "the seed is -1; it must be 0 or more"),
    ],
)
def test_what_cannot_be_run_is_refused_first(make_problem, arguments, message):
    with pytest.raises(InputError, match=message):
        run(make_problem(), **{"selector": "whole_pool", **arguments})


def test_two_settings_of_one_selector_are_refused_and_the_same_one_is_searched_once(make_problem):
    with pytest.raises(InputError, match="'caruana' is given with two different settings"):
        run(make_problem(), Caruana(rounds=3), baselines=["caruana"])
    found = run(make_problem(), Caruana(rounds=3), baselines=[Caruana(rounds=3), "single_best", "single_best"])
    assert [front.selector for front in found.fronts] == ["caruana", "single_best"]
