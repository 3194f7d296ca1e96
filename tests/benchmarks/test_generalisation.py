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
PLAIN = "@error+plurality:lowest/lowest_error"
METHODS = ("nsga2", "forward_greedy/lowest_error", f"whole_pool{PLAIN}", f"single_best{PLAIN}")


@pytest.fixture(scope="module")
def everything() -> unseen.Everything:
    labels, truth = random_votes(np.random.default_rng(3), 25, 500, 4)
    return unseen.Everything("drawn", Members(tuple(f"m{i}" for i in range(25))), Votes(labels, truth, 4, "search"))


def played(everything, name, **more):
    return unseen.played(everything, 150, 0, unseen.Method(name), budget=2_000, seed=1, **more)


@pytest.fixture
def referee(tmp_path, npz, environment):
    """Call the benchmark on a small file of predictions; gives what it says and its JSON."""
    labels, truth = random_votes(np.random.default_rng(4), 7, 380, 3)
    pool = npz({"labels": labels, "truth": truth}, "seven.npz")

    def referee(*arguments: object) -> tuple[str, dict]:
        file = tmp_path / "facts.json"
        command = [sys.executable, ROOT / "benchmarks" / "generalisation.py", "--pools", pool, "--json", file]
        command += ["--results", tmp_path / "results", "--search-samples", 60, "--repeats", 2, "--budget", 500]
        words = [str(part) for part in (*command, *arguments)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr, json.loads(file.read_text())

    return referee


def test_numbers_do_not_depend_on_who_searches_and_only_what_is_missing_is_searched(referee, tmp_path):
    some = ("forward_greedy", "single_best:plain", "nsga2+half")  # there are no scores for the last one
    said, first = referee("--jobs", 1, "--folds", 4, "--methods", *some)
    assert "0 searches are there, 4 are missing" in said
    lines = tmp_path / "results" / "results.jsonl"
    kept = lines.read_text().splitlines(keepends=True)
    lines.write_text(kept[0] + kept[1][:40])  # the last line was cut short when it was written
    said, again = referee("--scheduler", "local:2", "--folds", 4, "--methods", *some)
    assert "1 searches are there, 3 are missing" in said
    assert again["sheets"] == first["sheets"]
    assert len(lines.read_text().splitlines()) == 1 + 1 + 3  # the cut line swallowed none


def test_search_part_and_test_part_share_no_sample():
    n_samples = 700
    numbered = Votes(np.zeros((3, n_samples), int), np.arange(n_samples), n_samples, "search")
    everything = unseen.Everything("numbered", Members(("a", "b", "c")), numbered)
    search, test = unseen.draw(everything, 300, 0, 1)
    assert sorted([*search.y_true, *test.y_true]) == list(range(n_samples))
    assert search.n_samples == 300
    unseen.draw.cache_clear()
    again, _ = unseen.draw(everything, 300, 0, 1)
    other, _ = unseen.draw(everything, 300, 1, 1)
    np.testing.assert_array_equal(again.y_true, search.y_true)
    assert (other.y_true != search.y_true).any()


@pytest.mark.parametrize("name", METHODS[:2])
def test_no_method_sees_the_test_part(everything, name):
    """Whatever the test part holds, the choice and the estimate are the same."""
    votes = everything.votes
    numbered = Votes(np.zeros_like(votes.y_pred), np.arange(500), 500, "search")
    _, hidden = unseen.draw(unseen.Everything("drawn", everything.pool, numbered), 150, 0, 1)
    labels = votes.y_pred.copy()
    labels[:, hidden.y_true] = 3 - labels[:, hidden.y_true]
    poisoned = unseen.Everything("drawn", everything.pool, Votes(labels, votes.y_true, 4, "search"))
    one, other = (played(pool, name, n_folds=3) for pool in (everything, poisoned))
    chosen = ("recommended", "errors_on_search", "estimated")
    assert [one[what] for what in chosen] == [other[what] for what in chosen]
    assert one["errors"] != other["errors"]


def test_the_errors_reported_are_those_of_votes_counted_by_hand(everything):
    unseen.check(everything, 150, [unseen.Method(name) for name in METHODS], budget=2_000, seed=1)
    search, test = unseen.draw(everything, 150, 0, 1)
    best = int(search.member_errors.argmin())
    alone = played(everything, METHODS[-1])
    assert alone["recommended"] == [best]
    assert alone["errors"] == errors(np.arange(25) == best, test.y_pred, test.y_true, 4)
    sizes = [size for _, size in played(everything, "nsga2")["shares"]]
    assert sizes == sorted(sizes, reverse=True)


def test_check_says_which_number_differs(everything, monkeypatch):
    monkeypatch.setattr(unseen, "wrong_by_hand", lambda votes, members, odds: 0)
    with pytest.raises(InputError, match=r"single_best.*: 'errors' is"):
        unseen.check(everything, 150, [unseen.Method(METHODS[3])], budget=2_000, seed=1)


def test_a_method_is_taken_apart(everything):
    method = unseen.Method(f"nsga2{PLAIN}")
    assert (method.selector, method.objective, method.vote.ties, method.rule) == (
        "nsga2", "error", "lowest", "lowest_error",
    )  # fmt: skip
    short = unseen.Method("nsga2")
    assert (short.objective, short.vote.ties, short.rule) == (None, "auto", "size_rule")
    assert not unseen.Method("nsga2+half").suits(everything)
    for wrong in ("nsga2/lowest", "nsga2+haf", "nsga", "@error"):
        with pytest.raises(InputError):
            unseen.Method(wrong)


# --- Paired comparisons ----------------------------------------------------------------------------------------------


def cell(pool: str, wrong: dict[str, list[int]], data: str = "", **more: list) -> paired.Cell:
    """A pool of 50 search and 100 test samples."""
    records = {
        method: [{"errors": n, "recommended": [0, 1], **{key: value[i] for key, value in more.items()}}
                 for i, n in enumerate(counts)]
        for method, counts in wrong.items()
    }  # fmt: skip
    return paired.Cell(pool, data or pool, 50, 100, records)


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


def test_data_sets_weigh_the_same_and_verdicts_follow_the_intervals():
    cells = [
        cell("a", {"new": [10, 11], "old": [20, 20]}),
        cell("b", {"new": [30, 29], "old": [30, 29]}, data="same"),
        cell("c", {"new": [32, 30], "old": [30, 30]}, data="same"),
    ]
    compared = paired.Comparison.of(cells, "new", "old")
    assert compared.here.mean == compared.anywhere.mean == pytest.approx((-9.5 + 0.5) / 2)
    # t with one degree of freedom: 12.706 standard errors; the two means are 10 apart, so their standard error is 5
    assert compared.anywhere.high - compared.anywhere.mean == pytest.approx(12.7062 * 5, rel=1e-4)
    # the draws of the first pool: -10 and -9, standard error 0.5
    assert compared.cells[0].low == pytest.approx(-9.5 - 12.7062 * 0.5, rel=1e-4)
    assert compared.score == (1, 2, 0)
    assert compared.text.endswith("1/2/0, worst +1.00")
    assert paired.error_sheet(cells, ["new", "old"]).rows[-1][1:] == ["20.38 (2.0)", "24.88 (2.0)"]
    assert [row[0] for row in paired.versus_sheet(cells, ["old", "new"], ["old"]).rows] == ["new", "old"]


def test_other_shares_show_what_they_would_recommend():
    of_shares = [[10, 9], [10, 8], [12, 6], [14, 4], [20, 1]]
    rows = paired.share_sheet([cell("a", {"nsga2": [10, 10]}, shares=[of_shares, of_shares])], "nsga2").rows
    expected = [[0.0, 10, 9], [0.02, 10, 8], [0.05, 12, 6], [0.1, 14, 4], [0.2, 20, 1]]
    np.testing.assert_allclose(rows, expected)


def test_coverage_counts_the_intervals_that_hold_the_error_on_the_test_part():
    # Wilson's intervals for 5, 10 and 20 of 50: 4.3 to 21.4, 11.2 to 33.0 and 27.6 to 53.8 %
    one = cell("a", {"nsga2": [10, 10, 27]}, estimated=[5, 10, 20], errors_on_search=[4, 4, 4])
    assert paired.coverage(one, "nsga2", 1.0).tolist() == [True, False, False]
    assert paired.coverage(one, "nsga2", 0.4).tolist() == [True, True, True]
    row = paired.estimate_sheet([one], "nsga2").rows[0]
    assert row[:2] == ["a, 50", 3]
    assert row[2:5] == pytest.approx([47 / 3, 8 - 47 / 3, 70 / 3 - 47 / 3])
    assert [share for share, *_ in paired.coverage_sheet([one], "nsga2").rows] == list(paired.EFFECTIVE)
