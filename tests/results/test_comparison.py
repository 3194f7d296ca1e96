"""What an ensemble is worth beside what is simpler to have, counted by hand."""

from dataclasses import replace

import naive
import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.results.comparison import Comparison, Versus, beside_rivals, cautions, compared, rival_name
from evo_ensyth.search import selectors
from evo_ensyth.search.evaluator import Evaluator


def test_counts_are_those_of_votes_counted_by_hand(make_problem):
    problem = make_problem(n_members=6, with_parent=True)
    subsets = np.array(list(naive.all_subsets(6)))
    counts = beside_rivals(problem.on_search(subsets), problem.on_test(subsets), problem.pool.parent)
    best_first = sorted(
        range(6), key=lambda i: naive.errors(np.arange(6) == i, problem.search.y_pred, problem.search.y_true, 4)
    )
    for subset, versus in zip(subsets, counts, strict=True):
        best_k = np.isin(np.arange(6), best_first[: subset.sum()])
        alone = np.isin(np.arange(6), best_first[:1])
        rivals = {"best_k": best_k, "single_best": alone}
        assert set(versus) == {"parent", *(rival for rival in rivals if (rivals[rival] != subset).any())}
        for votes, split in ((problem.search, "search"), (problem.test, "test")):
            ours = naive.plurality(subset, votes.y_pred, 4) != votes.y_true
            for rival in versus:
                answers = (
                    naive.plurality(rivals[rival], votes.y_pred, 4)
                    if rival in rivals
                    else problem.pool.parent.y_pred[split]
                )
                theirs = answers != votes.y_true
                assert getattr(versus[rival], split) == ((ours & ~theirs).sum(), (theirs & ~ours).sum())


def test_the_rivals_are_the_best_on_the_search_split_wherever_they_are_judged(make_problem):
    """On the test split another member may be best; taking that one would be choosing by it."""
    problem = make_problem(n_members=6)
    assert problem.search.member_errors.argmin() != problem.test.member_errors.argmin()
    only = np.eye(6, dtype=bool)[[problem.search.member_errors.argmin()]]
    assert beside_rivals(problem.on_search(only), problem.on_test(only), None) == [{}]


def test_the_best_k_members_are_what_backward_elimination_leaves(make_problem):
    problem = make_problem(n_members=9)
    evaluator = Evaluator(problem)
    selectors.load("backward_elimination").select(evaluator, np.random.default_rng(0))
    subsets = evaluator.archive.subsets
    assert len(subsets) > 2
    assert not any("best_k" in row for row in beside_rivals(problem.on_search(subsets), None, None))


def test_what_the_counts_say():
    (told,) = compared([{"best_k": Versus((3, 9), (2, 12))}], 60, 50)
    comparison = told["best_k"]
    assert (comparison.on_search, comparison.on_test) == (-0.1, -0.2)
    assert comparison.interval == pytest.approx((-0.3447087, -0.0611124), abs=1e-6)
    assert comparison.p_value == comparison.corrected == pytest.approx(2 * (1 + 14 + 91) / 2**14)
    assert comparison.verdict == "better"
    assert str(comparison) == "-20.00 (-34.47 to -6.11)"


def test_p_values_are_corrected_for_the_points_that_have_this_rival():
    rows = [
        {"best_k": Versus((0, 0), (0, 8)), "parent": Versus((0, 0), (0, 8))},
        {"best_k": Versus((0, 0), (0, 7))},
        {},
    ]
    told = compared(rows, 100, 100)
    p = 2 / 2**8
    assert told[0]["best_k"].corrected == pytest.approx(2 * p)
    assert told[1]["best_k"].corrected == pytest.approx(2 * p)  # its own, twice as large, is the last one
    assert told[0]["parent"].corrected == pytest.approx(p)
    assert told[2] == {}


def test_without_a_test_split_only_the_search_split_speaks():
    (told,) = compared([{"best_k": Versus((3, 9), None)}], 60, None)
    assert told["best_k"] == Comparison(-0.1)
    assert (told["best_k"].verdict, str(told["best_k"])) == ("unknown", "-")


def doubts(rival: str, search: tuple[int, int], test: tuple[int, int] | None, size: int = 3) -> list[str]:
    beside = compared([{rival: Versus(search, test)}], 1000, 1000 if test else None)[0]
    codes = [caution.code for caution in cautions(size, False, beside, tested=test is not None)]
    return [code for code in codes if code != "best_k_is_all"]  # where only another rival is given


@pytest.mark.parametrize("rival", ["best_k", "single_best", "parent"])
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
def test_a_gain_that_does_not_hold_is_told(rival, search, test, codes):
    assert doubts(rival, search, test) == codes


@pytest.mark.parametrize(("rival", "codes"), [("best_k", ["no_gain"]), ("single_best", ["no_gain"]), ("parent", [])])
def test_a_parent_alone_may_be_better(rival, codes):
    for counts in ((20, 20), (50, 10)):
        assert doubts(rival, counts, (20, 20)) == codes


def test_the_best_single_member_is_told_as_such_and_compared_with_the_parent_alone():
    beside = compared([{"parent": Versus((10, 50), (50, 10))}], 1000, 1000)[0]
    codes = [(caution.code, caution.rival) for caution in cautions(1, True, beside, tested=True)]
    assert codes == [("single_best_is_all", None), ("gain_reversed", "parent")]


def test_another_single_member_is_compared_with_the_best_one_once():
    beside = compared([dict.fromkeys(("best_k", "single_best"), Versus((10, 50), (50, 10)))], 1000, 1000)[0]
    (caution,) = cautions(1, False, beside, tested=True)
    assert (caution.code, caution.rival) == ("gain_reversed", "single_best")
    assert caution.text == (
        "The gain over the best single member turns into a loss: -4.00 points on the search split, "
        "+4.00 (+2.58 to +5.63) points on the test split."
    )


def test_the_best_members_of_a_number_are_told_as_such():
    beside = compared([{"single_best": Versus((10, 50), (10, 50))}], 1000, 1000)[0]
    (caution,) = cautions(4, False, beside, tested=True)
    assert (caution.code, caution.text) == ("best_k_is_all", "These are the best 4 members, which need no search.")


def test_a_run_without_comparisons_says_so():
    assert [caution.code for caution in cautions(3, False, {}, tested=True)] == ["not_compared"]


def test_rivals_have_names():
    assert [rival_name(rival, 4) for rival in ("best_k", "single_best", "parent")] == [
        "the best 4 members", "the best single member", "the parent",
    ]  # fmt: skip
    assert rival_name("best_k", 1) == "the best single member"


def test_answers_of_a_parent_must_fit_the_split(make_problem):
    problem = make_problem(with_parent=True)
    parent = replace(problem.pool.parent, y_pred={**problem.pool.parent.y_pred, "test": np.zeros(7, np.uint8)})
    with pytest.raises(
        InputError, match=r"the parent's predictions on the test split have shape \(7,\); expected \(120,\)"
    ):
        replace(problem.pool, parent=parent)


def test_a_parent_that_answered_on_one_split_alone_is_no_rival(make_problem):
    problem = make_problem(with_parent=True)
    subsets = np.eye(8, dtype=bool)
    for split in ("search", "test"):
        half = replace(problem.pool.parent, y_pred={split: problem.pool.parent.y_pred[split]})
        counts = beside_rivals(problem.on_search(subsets), problem.on_test(subsets), half)
        assert not any("parent" in versus for versus in counts)


@pytest.mark.parametrize(
    ("pair", "verdict"), [((1, 7), "open"), ((7, 1), "open"), ((0, 8), "better"), ((8, 0), "worse")]
)
def test_a_verdict_takes_the_exact_test_as_well_as_the_interval(pair, verdict):
    [told] = compared([{"single_best": Versus((0, 3), pair)}], 500, 500)
    low, high = told["single_best"].interval
    assert low > 0 or high < 0  # the interval alone would have decided all four
    assert told["single_best"].verdict == verdict
