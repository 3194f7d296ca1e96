"""Metrics of the recommended ensemble against resamples that are drawn and judged one by one."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from evo_ensyth.engine import Ensembles
from evo_ensyth.objectives import judge, objective
from evo_ensyth.pool import Pool
from evo_ensyth.results.run import Run
from evo_ensyth.selection import metrics, recommendation
from evo_ensyth.selection.metrics import clearly_worse, is_metric, judged_by_metrics
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.recommendation import nested_estimate, recommend, stratified_folds
from evo_ensyth.selection.run import run


@objective()
def share_of_zeros(ensembles):
    """Share of samples that are predicted to be of class 0."""
    return (ensembles.predictions == 0).mean(axis=1)


@objective(unit="ms")
def latency(ensembles):
    """Cost that no sample changes."""
    return ensembles.largest("bytes")


def grouped(problem, n_groups):
    """The same problem with samples in groups."""
    parts = {
        name: replace(votes, groups=np.arange(votes.n_samples) % n_groups)
        for name, votes in problem.pool.splits.items()
    }
    return replace(problem, pool=replace(problem.pool, **parts))


def by_hand(problem, goal, subsets, split, n_resamples, n_groups):
    """Values of subsets on resamples, each made a split of its own: (n_resamples, n_ensembles)."""
    votes = problem.pool.splits[split]
    rng = np.random.default_rng(0)
    values = []
    for drawn in rng.integers(0, n_groups or votes.n_samples, (n_resamples, n_groups or votes.n_samples)):
        units = np.arange(votes.n_samples) % n_groups if n_groups else np.arange(votes.n_samples)
        samples = np.concatenate([np.flatnonzero(units == unit) for unit in drawn])
        part = votes.part(samples=samples)
        tally = problem.fitted_vote.tally(part)
        values.append(judge([goal], Ensembles(subsets, problem.pool.members, part, counted_by=tally))[:, 0])
    return np.array(values)


@pytest.mark.parametrize("goal", ["balanced_error", "auc_loss", share_of_zeros], ids=["balanced", "auc", "own"])
@pytest.mark.parametrize("n_groups", [None, 11])
def test_values_and_intervals_are_those_of_resamples_by_hand(make_problem, monkeypatch, goal, n_groups):
    monkeypatch.setattr(metrics, "RESAMPLES", 60)
    monkeypatch.setattr(metrics, "FEW_RESAMPLES", 60)
    problem = make_problem(n_members=6, n_samples=50, goals=(goal, "n_members"))
    problem = grouped(problem, n_groups) if n_groups else problem
    subset = np.array([1, 0, 1, 1, 0, 0], bool)
    (metric,) = judged_by_metrics(problem, subset)
    best_first = np.argsort(problem.search.member_errors, kind="stable")
    rivals = {"best_k": best_first[:3], "single_best": best_first[:1], "whole_pool": best_first}
    subsets = np.stack([subset, *(np.isin(np.arange(6), members) for members in rivals.values())])
    (goal, _) = problem.objectives
    for split, ensembles in (("search", problem.on_search(subsets)), ("test", problem.on_test(subsets))):
        exact = judge([goal], ensembles)[:, 0]
        values = by_hand(problem, goal, subsets, split, 60, n_groups)
        assert getattr(metric, split) == exact[0]
        assert_allclose(getattr(metric, f"{split}_interval"), np.quantile(values[:, 0], [0.025, 0.975]), atol=1e-12)
        for i, name in enumerate(rivals, start=1):
            difference = metric.differences[name]
            assert getattr(difference, split) == exact[0] - exact[i]
            if split == "test":
                expected = np.quantile(values[:, 0] - values[:, i], [0.025, 0.975])
                assert_allclose(difference.interval, expected, atol=1e-12)


def test_errors_sizes_and_costs_are_no_metrics(make_problem):
    goals = ("error", "n_members", "smoothed_error", "bytes", latency, "balanced_error", share_of_zeros)
    problem = make_problem(goals=goals)
    found = [goal.name for goal in problem.objectives if is_metric(problem, goal)]
    assert found == ["balanced_error", "share_of_zeros"]
    assert judged_by_metrics(make_problem(goals=("error", latency)), np.ones(8, bool)) == ()


def test_what_is_the_same_is_not_compared_and_a_stored_run_has_it_again(make_problem):
    found = run(make_problem(n_members=5, goals=("balanced_error", "n_members")), "forward_greedy", n_folds=0)
    metric = found.leading_metric
    assert metric.name == "balanced_error"
    assert metric.search == found.recommended.search["balanced_error"]
    assert Run.from_dict(found.to_dict()).metrics == found.metrics
    alone = make_problem(n_members=2, goals=("balanced_error", "n_members"))
    (metric,) = judged_by_metrics(alone, np.ones(2, bool))
    assert set(metric.differences) == {"single_best"}
    assert run(make_problem(), "forward_greedy", n_folds=0).leading_metric is None


def test_large_pools_and_votes_fitted_anew_have_values_without_intervals(make_problem, monkeypatch):
    stacked = make_problem(n_members=4, n_samples=60, goals=(share_of_zeros, "n_members")).voting_by("samme")
    (metric,) = judged_by_metrics(stacked, np.ones(4, bool))
    assert metric.search_interval is None
    assert metric.test_interval is not None
    monkeypatch.setattr(metrics, "MOST_LABELS", 100)
    (metric,) = judged_by_metrics(make_problem(goals=(share_of_zeros, "n_members")), np.ones(8, bool))
    assert metric.test_interval is None
    assert metric.differences["single_best"].verdict == "unknown"


def test_what_a_metric_says_is_clearly_worse_is_not_recommended(make_problem):
    problem = make_problem(n_members=6, n_samples=400, goals=("balanced_error", "n_members"))
    (goal, _) = problem.objectives
    worst, whole = np.arange(6) == problem.search.member_errors.argmax(), np.ones(6, bool)
    assert clearly_worse(problem, goal, worst, whole)
    assert not clearly_worse(problem, goal, whole, worst)
    assert not clearly_worse(problem, goal, whole, whole)
    nearly = np.arange(6) != problem.search.member_errors.argmax()
    # Of a front that holds the worst member alone twice cheaper, the other one is taken.
    assert recommend(problem, np.stack([worst, nearly])) == 1


def test_the_estimate_of_a_metric_is_the_mean_of_folds_by_hand(make_problem, monkeypatch):
    chosen = []

    def recommended(problem, front, rule):
        chosen.append((problem, front[-1]))
        return len(front) - 1

    monkeypatch.setattr(recommendation, "recommend", recommended)
    problem = make_problem(n_members=5, n_samples=97, goals=("balanced_error", "n_members"))
    estimate = nested_estimate(problem, "size_rule", 3, n_folds=4)
    fold, total = stratified_folds(problem.search.y_true, None, 4), 0.0
    for i, (inner, subset) in enumerate(chosen):
        held_out = problem.search.part(samples=np.flatnonzero(fold == i))
        votes = Pool(problem.pool.members, held_out)
        value = judge(inner.objectives[:1], Problem(votes, vote=problem.vote).on_search(subset[None]))[0, 0]
        total += value * held_out.n_samples
    assert estimate.value == pytest.approx(total / 97)
    assert nested_estimate(make_problem(), "size_rule", 3, n_folds=2).value is None


def test_samples_in_groups_have_wider_intervals(make_problem):
    """Every sample four times tells as much as once."""
    once = make_problem(n_members=6, n_samples=80)
    parts = {
        name: replace(votes.part(samples=np.repeat(np.arange(80), 4)), groups=np.repeat(np.arange(80), 4))
        for name, votes in once.pool.splits.items()
    }
    repeated = run(replace(once, pool=replace(once.pool, **parts)), "forward_greedy", n_folds=5)
    single = parts | {name: replace(votes, groups=np.arange(80)) for name, votes in once.pool.splits.items()}
    alone = run(replace(once, pool=replace(once.pool, **single)), "forward_greedy", n_folds=5)
    assert [one.indices for one in repeated.front] == [one.indices for one in alone.front]
    for ours, theirs in zip(repeated.front, alone.front, strict=True):
        # A sample that is alone in its group cannot tell more than one sample: a limit that copies do not reach.
        assert_allclose(ours.interval("test"), theirs.interval("test"), atol=5e-3)
        assert_allclose(ours.interval("search"), theirs.interval("search"), atol=5e-3)
        for name, comparison in ours.comparisons.items():
            other = theirs.comparisons[name]
            assert comparison.on_test == pytest.approx(other.on_test)
            # Both have the correction for a finite number of groups, 80 / 79.
            assert_allclose(comparison.interval, other.interval, atol=2e-3)
            assert comparison.corrected == pytest.approx(other.corrected, abs=0.05)
    assert Run.from_dict(repeated.to_dict()).front == repeated.front
    # The folds differ, for they hold whole groups; the estimate tells as much as one sample of each.
    assert 60 < repeated.estimate.n_independent < 100  # itself an estimate
    assert repeated.estimate.n_samples == 320
