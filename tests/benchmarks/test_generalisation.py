import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import paired
import pytest
import unseen
from oracles.votes import errors, random_votes

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members, Votes

ROOT = Path(__file__).parents[2]

METHODS = (
    "backward_elimination",
    "forward_greedy",
    "caruana",
    "single_best",
    "whole_pool",
    "nsga2",
    "nsga2@shrunk_error",
)


@pytest.fixture
def everything() -> unseen.Everything:
    labels, truth = random_votes(np.random.default_rng(3), 25, 500, 4)
    return unseen.Everything("drawn", Members(tuple(f"m{i}" for i in range(25))), Votes(labels, truth, 4, "search"))


@pytest.fixture
def referee(tmp_path, npz, environment):
    """Call the benchmark on a small file of predictions; gives what it says and its JSON."""
    labels, truth = random_votes(np.random.default_rng(4), 7, 380, 3)
    pool = npz({"labels": labels, "truth": truth}, "seven.npz")

    def referee(*arguments: object) -> tuple[str, dict]:
        folder = tmp_path / "results"
        command = [sys.executable, ROOT / "benchmarks" / "generalisation.py", "--pools", pool, "--results", folder]
        command += ["--search-samples", 60, "--repeats", 2, "--budget", 500, *arguments]
        done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads((folder / "generalisation.json").read_text())

    return referee


def without_seconds(facts: dict) -> dict:
    for cell in facts["cells"]:
        for records in cell["records"].values():
            for record in records:
                del record["seconds"]
    return facts


def test_numbers_do_not_depend_on_jobs_and_only_what_is_missing_is_searched(referee, tmp_path):
    said, first = referee("--jobs", 1)
    assert "0 searches are there, 16 are missing" in said
    lines = tmp_path / "results" / "results.jsonl"
    kept = lines.read_text().splitlines(keepends=True)
    lines.write_text("".join(kept[:3]) + kept[3][:40])  # the last line was cut short when it was written
    said, again = referee("--jobs", 2, "--methods", "single_best@smoothed_error", "--markdown")
    assert "3 searches are there, 15 are missing" in said
    assert "| single_best@smoothed_error |" in said
    assert len(again["cells"][0]["records"].pop("single_best@smoothed_error")) == 2
    assert without_seconds(again)["cells"] == without_seconds(first)["cells"]
    assert len(lines.read_text().splitlines()) == 3 + 1 + 15  # the cut line swallowed none


def test_search_part_and_test_part_share_no_sample():
    n_samples = 700
    numbered = Votes(np.zeros((3, n_samples), int), np.arange(n_samples), n_samples, "search")
    everything = unseen.Everything("numbered", Members(("a", "b", "c")), numbered)
    search, test, _ = unseen.draws(everything, 300, 0, 1)
    assert sorted([*search.y_true, *test.y_true]) == list(range(n_samples))
    assert search.n_samples == 300
    again, _, _ = unseen.draws(everything, 300, 0, 1)
    other, _, _ = unseen.draws(everything, 300, 1, 1)
    np.testing.assert_array_equal(again.y_true, search.y_true)
    assert (other.y_true != search.y_true).any()


@pytest.mark.parametrize("name", METHODS)
def test_no_method_sees_the_test_part(everything, name):
    """Whatever the test part holds, the choice is the same."""
    votes = everything.votes
    order = np.arange(votes.n_samples)
    numbered = Votes(np.zeros((25, votes.n_samples), int), order, votes.n_samples, "search")
    _, hidden, _ = unseen.draws(unseen.Everything("drawn", everything.pool, numbered), 150, 0, 1)
    labels = votes.y_pred.copy()
    labels[:, hidden.y_true] = 3 - labels[:, hidden.y_true]
    poisoned = unseen.Everything("drawn", everything.pool, Votes(labels, votes.y_true, 4, "search"))
    chosen = ("recommended", "exactly_on_search", "recommended_errors_on_search", "evaluations")
    played = [unseen.played(pool, 150, 0, unseen.Method(name), budget=2_000, seed=1) for pool in (everything, poisoned)]
    assert [played[0][what] for what in chosen] == [played[1][what] for what in chosen]
    assert played[0]["exactly"] != played[1]["exactly"]


def test_the_errors_reported_are_those_of_votes_counted_by_hand(everything):
    unseen.check(everything, 150, [unseen.Method(name) for name in METHODS], budget=2_000, seed=1)
    search, test, _ = unseen.draws(everything, 150, 0, 1)
    played = unseen.played(everything, 150, 0, unseen.Method("backward_elimination"), budget=1, seed=1)
    best_first = np.argsort(search.member_errors, kind="stable")
    for size, wrong in enumerate(played["exactly"], 1):
        assert wrong == errors(np.isin(np.arange(25), best_first[:size]), test.y_pred, test.y_true, 4)


def test_check_says_which_number_differs(everything, monkeypatch):
    monkeypatch.setattr(unseen, "wrong_by_hand", lambda votes, subset: 0)
    with pytest.raises(InputError, match="single_best: 'exactly' is"):
        unseen.check(everything, 150, [unseen.Method("single_best")], budget=2_000, seed=1)


def test_sizes_without_an_ensemble_are_filled_by_smaller_ones():
    inf = np.inf
    exactly, up_to = unseen.offered(np.array([0.3, inf, 0.2, 0.25, inf, 0.2]), 6)
    assert exactly.tolist() == [0, 0, 2, 3, 3, 5]
    assert up_to.tolist() == [0, 0, 2, 2, 2, 2]
    exactly, up_to = unseen.offered(np.array([inf, inf, 0.2, inf, 0.1]), 4)
    assert exactly.tolist() == up_to.tolist() == [2, 2, 2, 2]


def test_recorder_keeps_the_best_of_every_size(make_problem):
    problem = make_problem(n_members=5, n_samples=12)  # with many ties
    search = unseen.Recorder(problem, 31)
    subsets = (np.arange(1, 32)[:, None] >> np.arange(5) & 1).astype(bool)
    values = np.concatenate([search.evaluate(some).values[:, 0] for some in np.split(subsets, [10, 20])])
    sizes = subsets.sum(axis=1)
    for size in range(1, 6):
        first = np.flatnonzero(sizes == size)[values[sizes == size].argmin()]
        np.testing.assert_array_equal(search.best[size - 1], subsets[first])
        assert search.values[size - 1] == values[first]


def cell(pool: str, wrong: dict[str, list[list[int]]]) -> paired.Cell:
    records = {
        method: [{"exactly": row, "recommended_errors": row[0], "recommended": [0]} for row in rows]
        for method, rows in wrong.items()
    }
    return paired.Cell(pool, 2, 50, 100, records)


def test_interval_over_these_pools_comes_from_the_draws_within_them():
    groups = [np.array([1.0, 2.0, 3.0]), np.array([11.0, 12.0, 13.0])]
    here = paired.Difference.of_means(groups)
    # of equal variances, 1, and equal numbers of draws: four degrees of freedom, and 2.7764 standard errors
    assert here.mean == 7.0
    assert here.high - here.mean == pytest.approx(2.7764 * np.sqrt(1 / 3 + 1 / 3) / 2, rel=1e-4)
    one, plain = paired.Difference.of_means(groups[:1]), paired.Difference.of(groups[0])
    assert (one.low, one.high) == pytest.approx((plain.low, plain.high))
    same = paired.Difference.of_means([np.ones(3), np.zeros(3)])
    assert (same.low, same.high, same.verdict) == (0.5, 0.5, "loss")


def test_pools_weigh_the_same_and_verdicts_follow_the_intervals():
    cells = [
        cell("a", {"new": [[10, 10], [12, 10]], "old": [[20, 20], [20, 20]]}),
        cell("b", {"new": [[30, 30], [31, 29], [30, 30]], "old": [[30, 30], [30, 30], [31, 29]]}),
    ]
    compared = paired.Comparison.of(cells, "new", "old", "mean")
    assert compared.overall.mean == pytest.approx((-9.5 + 0) / 2)
    # t with one degree of freedom: 12.706 standard errors; the two means are 9.5 apart, so their standard error is 4.75
    assert compared.overall.high - compared.overall.mean == pytest.approx(12.7062 * 4.75, rel=1e-4)
    # the draws of the first pool: -10 and -9, standard error 0.5
    assert compared.cells[0].low == pytest.approx(-9.5 - 12.7062 * 0.5, rel=1e-4)
    assert compared.score == (1, 1, 0)
    sure = cell("a", {"new": [[10, 10], [11, 10], [10, 10]], "old": [[20, 20], [21, 20], [19, 20]]})
    assert paired.Comparison.of([sure], "new", "old", "mean").score == (1, 0, 0)
    assert paired.Comparison.of([sure], "old", "new", "mean").score == (0, 0, 1)
    one = paired.Comparison.of([cell("a", {"new": [[3]], "old": [[2]]})], "new", "old", "recommended")
    assert (one.overall.mean, one.overall.text, one.score) == (1.0, "+1.00", (0, 1, 0))


def test_a_grid_shows_every_cell_and_the_mean_over_pools():
    def record(wrong, size):
        return {"exactly": [wrong], "recommended_errors": wrong, "recommended": list(range(size))}

    def cell(pool, n_search, a, b):
        return paired.Cell(pool, 5, n_search, 200, {"a": [record(a, 2)], "b": [record(b, 3)]})

    cells = [cell("one", 50, 10, 20), cell("one", 60, 20, 40), cell("two", 50, 6, 4)]
    means = paired.grid_sheet(cells, "mean")
    assert means.rows[:2] == (("one, 50", "5.00", "10.00"), ("one, 60", "10.00", "20.00"))
    assert means.rows[-1] == ("mean over the pools", "5.25", "8.50")  # (7.5 + 3) / 2, (15 + 2) / 2
    assert paired.grid_sheet(cells, "recommended").rows[2] == ("two, 50", "3.00 (2.0)", "2.00 (3.0)")


def test_rules_take_the_smallest_that_is_close_enough_to_the_lowest():
    record = {
        "exactly": [30, 20, 10],
        "exactly_on_search": [13, 12, 10],
        "recommended_errors": 4,
        "recommended": [1, 2],
    }
    cell = paired.Cell("one", 5, 100, 200, {"a": [record]})
    rows = {row[0]: row[1:] for row in paired.rule_sheet([cell], "a", ["a"]).rows}
    # a standard error of 10 in 100 is 3: half of it, 11.5, does not reach 12, and all of it, 13, reaches 13
    assert rows["a, the lowest"] == rows["a, within 0.5 standard errors"] == ("5.00", "3.0")
    assert rows["a, within 1 standard errors"] == ("15.00", "1.0")
    assert rows["a"] == ("2.00", "2.0")
