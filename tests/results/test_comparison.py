"""Ensembles against their baselines, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.results.comparison import Comparison, Discordant, baseline_name, cautions, compare, count_discordant
from evo_ensyth.selection import selectors
from evo_ensyth.selection.evaluator import Evaluator


def test_counts_are_those_of_votes_counted_by_hand(make_problem):
    problem = make_problem(n_members=6, with_parent=True)
    subsets = np.array(list(naive.all_subsets(6)))
    counts = count_discordant(problem.on_search(subsets), problem.on_test(subsets), problem.pool.parent)
    best_first = sorted(
        range(6), key=lambda i: naive.errors(np.arange(6) == i, problem.search.y_pred, problem.search.y_true, 4)
    )
    for subset, discordant in zip(subsets, counts, strict=True):
        best_k = np.isin(np.arange(6), best_first[: subset.sum()])
        alone = np.isin(np.arange(6), best_first[:1])
        baselines = {"best_k": best_k, "single_best": alone, "whole_pool": np.ones(6, bool)}
        assert set(discordant) == {"parent", *(name for name, other in baselines.items() if (other != subset).any())}
        for votes, split in ((problem.search, "search"), (problem.test, "test")):
            ours = naive.wrong(subset, votes.y_pred, votes.y_true, 4)
            for name in discordant:
                answers = (
                    naive.plurality(baselines[name], votes.y_pred, 4)
                    if name in baselines
                    else problem.pool.parent.y_pred[split]
                )
                theirs = answers != votes.y_true
                assert getattr(discordant[name], split) == ((ours & ~theirs).sum(), (theirs & ~ours).sum())


def test_the_baselines_are_the_best_on_the_search_split_on_whichever_split_they_are_judged(make_problem):
    """On the test split another member may be best; taking that one would be choosing by it."""
    problem = make_problem(n_members=6)
    assert problem.search.member_errors.argmin() != problem.test.member_errors.argmin()
    only = np.eye(6, dtype=bool)[[problem.search.member_errors.argmin()]]
    (found,) = count_discordant(problem.on_search(only), problem.on_test(only), None)
    assert set(found) == {"whole_pool"}


def test_the_best_k_members_are_what_backward_elimination_leaves(make_problem):
    problem = make_problem(n_members=9)
    evaluator = Evaluator(problem)
    selectors.load("backward_elimination").select(evaluator, np.random.default_rng(0))
    subsets = evaluator.archive.subsets
    assert len(subsets) > 2
    assert not any("best_k" in row for row in count_discordant(problem.on_search(subsets), None, None))


def test_what_the_counts_say():
    (comparisons,) = compare([{"best_k": Discordant((3, 9), (2, 12))}], 60, 50)
    comparison = comparisons["best_k"]
    assert (comparison.on_search, comparison.on_test) == (-0.1, -0.2)
    assert comparison.interval == pytest.approx((-0.3447087, -0.0611124), abs=1e-6)
    assert comparison.p_value == comparison.corrected == pytest.approx(2 * (1 + 14 + 91) / 2**14)
    assert comparison.verdict == "better"
    assert str(comparison) == "-20.00 (-34.47 to -6.11)"


def test_p_values_are_corrected_for_the_ensembles_that_have_this_baseline():
    rows = [
        {"best_k": Discordant((0, 0), (0, 8)), "parent": Discordant((0, 0), (0, 8))},
        {"best_k": Discordant((0, 0), (0, 7))},
        {},
    ]
    found = compare(rows, 100, 100)
    p = 2 / 2**8
    assert found[0]["best_k"].corrected == pytest.approx(2 * p)
    assert found[1]["best_k"].corrected == pytest.approx(2 * p)  # its own, twice as large, is the last one
    assert found[0]["parent"].corrected == pytest.approx(p)
    assert found[2] == {}


def test_without_a_test_split_only_the_search_split_is_compared():
    (comparisons,) = compare([{"best_k": Discordant((3, 9), None)}], 60, None)
    comparison = comparisons["best_k"]
    assert comparison == Comparison(-0.1)
    assert (comparison.verdict, str(comparison)) == ("unknown", "-")


def doubts(baseline: str, search: tuple[int, int], test: tuple[int, int] | None, size: int = 3) -> list[str]:
    comparisons = compare([{baseline: Discordant(search, test)}], 1000, 1000 if test else None)[0]
    codes = [caution.code for caution in cautions(size, False, comparisons, tested=test is not None)]
    return [code for code in codes if code != "best_k_is_all"]  # where only another baseline is given


@pytest.mark.parametrize("baseline", ["best_k", "single_best", "parent"])
@pytest.mark.parametrize(
    ("search", "test", "codes"),
    [
        ((10, 50), (10, 50), []),
        ((10, 50), (30, 31), ["gain_not_confirmed"]),
        ((10, 50), (31, 30), ["gain_not_confirmed"]),
        ((10, 50), (0, 0), ["gain_not_confirmed"]),
        ((10, 50), (50, 10), ["gain_reversed"]),
        ((20, 20), (10, 50), []),
        ((10, 50), None, ["no_test_split"]),
    ],
)
def test_a_gain_that_does_not_hold_is_warned_of(baseline, search, test, codes):
    assert doubts(baseline, search, test) == codes


@pytest.mark.parametrize(("baseline", "codes"), [("best_k", ["no_gain"]), ("single_best", ["no_gain"]), ("parent", [])])
def test_a_parent_alone_may_be_better(baseline, codes):
    for counts in ((20, 20), (50, 10)):
        assert doubts(baseline, counts, (20, 20)) == codes


def test_the_best_single_member_is_named_as_such_and_compared_with_the_parent_alone():
    comparisons = compare([{"parent": Discordant((10, 50), (50, 10))}], 1000, 1000)[0]
    codes = [(caution.code, caution.baseline) for caution in cautions(1, True, comparisons, tested=True)]
    assert codes == [("single_best_is_all", None), ("gain_reversed", "parent")]


def test_another_single_member_is_compared_with_the_best_one_once():
    comparisons = compare([dict.fromkeys(("best_k", "single_best"), Discordant((10, 50), (50, 10)))], 1000, 1000)[0]
    (caution,) = cautions(1, False, comparisons, tested=True)
    assert (caution.code, caution.baseline) == ("gain_reversed", "single_best")
    assert caution.text == (
        "The gain over the best single member turns into a loss: -4.00 points on the search split, "
        "+4.00 (+2.58 to +5.63) points on the test split."
    )


def test_the_best_members_of_a_number_are_named_as_such():
    comparisons = compare([{"single_best": Discordant((10, 50), (10, 50))}], 1000, 1000)[0]
    (caution,) = cautions(4, False, comparisons, tested=True)
    assert (caution.code, caution.text) == ("best_k_is_all", "These are the best 4 members, which need no search.")


def test_a_run_without_comparisons_says_so():
    assert [caution.code for caution in cautions(3, False, {}, tested=True)] == ["not_compared"]


def test_baselines_have_names():
    assert [baseline_name(baseline, 4) for baseline in ("best_k", "single_best", "parent")] == [
        "the best 4 members", "the best single member", "the parent",
    ]  # fmt: skip
    assert baseline_name("best_k", 1) == "the best single member"


def test_answers_of_a_parent_must_fit_the_split(make_problem):
    problem = make_problem(with_parent=True)
    parent = replace(problem.pool.parent, y_pred={**problem.pool.parent.y_pred, "test": np.zeros(7, np.uint8)})
    with pytest.raises(
        InputError, match=r"the parent's predictions on the test split have shape \(7,\); expected \(120,\)"
    ):
        replace(problem.pool, parent=parent)


def test_a_parent_that_answered_on_one_split_alone_is_no_baseline(make_problem):
    problem = make_problem(with_parent=True)
    subsets = np.eye(8, dtype=bool)
    for split in ("search", "test"):
        half = replace(problem.pool.parent, y_pred={split: problem.pool.parent.y_pred[split]})
        counts = count_discordant(problem.on_search(subsets), problem.on_test(subsets), half)
        assert not any("parent" in discordant for discordant in counts)


@pytest.mark.parametrize(
    ("pair", "verdict"), [((1, 7), "open"), ((7, 1), "open"), ((0, 8), "better"), ((8, 0), "worse")]
)
def test_a_verdict_takes_the_exact_test_as_well_as_the_interval(pair, verdict):
    (comparisons,) = compare([{"single_best": Discordant((0, 3), pair)}], 500, 500)
    low, high = comparisons["single_best"].interval
    assert low > 0 or high < 0  # the interval alone would have decided all four
    assert comparisons["single_best"].verdict == verdict
