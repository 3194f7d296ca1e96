"""The command line: what is printed is what the file says by hand, and what is wrong takes one line."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import naive
import numpy as np
import pytest

from evo_ensyth.cli import main as cli
from evo_ensyth.cli import progress
from evo_ensyth.errors import InputError

KEYS = [
    "problem", "selector", "criterion", "seed", "budget", "evaluations", "seconds", "objectives", "bounds", "reference",
    "hypervolume", "n_members", "front", "chosen", "against", "certified_sizes", "lowest_error", "warnings",
    "parent_costs",
]  # fmt: skip
ENTRY_KEYS = [
    "indices", "members", "search", "test", "search_interval", "test_interval", "optimism", "costs", "versus",
]  # fmt: skip
RUN_FOLDER = ["front.csv", "front.png", "front.svg", "history.csv", "report.md", "run.json"]


def by_hand(path: Path, **options) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Labels and truth of each split, by the rules that the documentation gives and by numpy alone."""
    with np.load(path) as file:
        arrays = dict(file)
    for key in [key for key in arrays if key.endswith("scores")]:
        arrays.setdefault(key.replace("scores", "labels"), arrays[key].argmax(axis=2))
    if "search_truth" in arrays:
        return {s: (arrays[f"{s}_labels"], arrays[f"{s}_truth"]) for s in ("search", "test") if f"{s}_truth" in arrays}
    n = len(arrays["truth"])
    order = np.random.default_rng(options.get("split_seed", 0)).permutation(n)
    n_test = round(options.get("test_share", 0.5) * n)
    parts = {"search": order[n_test:], "test": order[:n_test]}
    return {s: (arrays["labels"][:, part], arrays["truth"][part]) for s, part in parts.items() if len(part)}


def check_by_hand(said: dict, path: Path, costs: dict[str, np.ndarray] | None = None, **options) -> None:
    """Every number of a result, once more by hand."""
    assert list(said) == KEYS
    splits = by_hand(path, **options)
    n_classes = max(int(max(labels.max(), truth.max())) for labels, truth in splits.values()) + 1
    for entries in (said["front"], *said["against"].values()):
        assert entries
        assert [len(entry["indices"]) for entry in entries] == sorted(len(entry["indices"]) for entry in entries)
        for entry in entries:
            assert list(entry) == ENTRY_KEYS
            assert entry["indices"] == sorted(set(entry["indices"]))
            subset = np.isin(np.arange(said["n_members"]), entry["indices"])
            assert ("test" in splits) == (entry["test"] is not None)
            for split, (labels, truth) in splits.items():
                values = dict(entry[split])
                assert list(values) == said["objectives"]
                if "error" in values:
                    errors = naive.errors(subset, labels, truth, n_classes)
                    assert values.pop("error") == pytest.approx(errors / len(truth), abs=1e-12)
                if "n_members" in values:
                    assert values.pop("n_members") == len(entry["indices"])
                for cost, value in values.items():
                    assert value == pytest.approx(costs[cost][subset].sum())
    check_comparisons(said, splits, n_classes)
    if said["criterion"] == "error" or "error" not in said["objectives"]:
        points = [[entry["search"][goal] for goal in said["objectives"]] for entry in said["front"]]
        assert len(naive.non_dominated(points)) == len(points)
        for entries in said["against"].values():
            for other in ([entry["search"][goal] for goal in said["objectives"]] for entry in entries):
                assert not any(all(a <= b for a, b in zip(other, p, strict=True)) and other != p for p in points)
    if said["objectives"] == ["error", "n_members"]:
        for name, entries in ((said["selector"], said["front"]), *said["against"].items()):
            front = [[entry["search"]["error"], entry["search"]["n_members"]] for entry in entries]
            assert said["hypervolume"][name] == pytest.approx(area(front, said["reference"]))
    if "error" in said["objectives"]:
        ranked = sorted((entry["search"]["error"], len(entry["indices"])) for entry in said["front"])
        chosen = said["front"][said["chosen"]]
        assert (chosen["search"]["error"], len(chosen["indices"])) == ranked[0]


def check_comparisons(said: dict, splits: dict[str, tuple[np.ndarray, np.ndarray]], n_classes: int) -> None:
    """Differences to the best k members and to the best one, and which of them are told."""
    labels, truth = splits["search"]
    best_first = np.argsort([(row != truth).sum() for row in labels], kind="stable")
    for i, entry in enumerate(said["front"]):
        rivals = {"best_k": best_first[: len(entry["indices"])], "single_best": best_first[:1]}
        assert list(entry["versus"]) == [r for r, who in rivals.items() if sorted(who.tolist()) != entry["indices"]]
        for rival, told in entry["versus"].items():
            subsets = [np.isin(np.arange(said["n_members"]), who) for who in (entry["indices"], rivals[rival])]
            for split, (votes, right) in splits.items():
                ours, theirs = (naive.errors(subset, votes, right, n_classes) for subset in subsets)
                assert told[f"on_{split}"] == pytest.approx((ours - theirs) / len(right), abs=1e-12)
            if "test" in splits:
                assert told["interval"][0] <= told["on_test"] <= told["interval"][1]
                assert 0 < told["p_value"] <= told["corrected"] <= 1
        codes = [warning["code"] for warning in said["warnings"]]
        assert ("no_test_split" in codes) == ("test" not in splits)
        if i == said["chosen"]:
            assert ("single_best_is_all" in codes) == (entry["indices"] == [best_first[0]])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def area(front: list[list[float]], reference: list[float]) -> float:
    """Area between a front of two objectives and the reference point, strip by strip."""
    best, total, edges = reference[1], 0.0, sorted(naive.non_dominated(front))
    for (x, y), end in zip(edges, [*[x for x, _ in edges[1:]], reference[0]], strict=True):
        best = min(best, y)
        total += max(0.0, min(end, reference[0]) - x) * (reference[1] - best)
    return total


# --- What is printed -----------------------------------------------------------------------------------------------


def test_a_file_is_searched_and_every_number_can_be_found_by_hand(call, npz, arrays, tmp_path):
    path = npz(arrays, "mine.npz")
    said = call("search", path, "--json")
    assert (said.status, said.err) == (0, "")
    check_by_hand(said.json, path)
    assert said.json["problem"] == "mine"
    assert (said.json["selector"], said.json["seed"], said.json["budget"]) == ("nsga2", 1, None)
    assert list(said.json["against"]) == ["backward_elimination"]
    assert said.out.count("\n") == 1
    assert sorted(p.name for p in (tmp_path / "runs" / "mine" / "nsga2-seed1").iterdir()) == RUN_FOLDER


def test_only_members_that_match_may_vote(call, npz, arrays, tmp_path):
    """The front of a part is that of a file that holds this part alone, and the run says which part it was."""
    n_members = len(arrays["search_labels"])
    arrays["names"] = np.array([f"{'odd' if i % 2 else 'even'}-{i}" for i in range(n_members)])
    said = call("search", npz(arrays, "mine.npz"), "--members", "odd-*", "--members", "even-0", "--json")
    assert (said.status, said.err) == (0, "")
    rows = [0, *range(1, n_members, 2)]
    part = {key: values if key.endswith("truth") else values[rows] for key, values in arrays.items()}
    alone = call("search", npz(part, "part.npz"), "--json").json
    assert said.json["n_members"] == len(rows)
    assert [entry["members"] for entry in said.json["front"]] == [entry["members"] for entry in alone["front"]]
    assert said.json["hypervolume"] == alone["hypervolume"]
    folder = tmp_path / "runs" / "mine" / "nsga2-seed1"
    assert json.loads((folder / "run.json").read_text())["source"]["members"] == ["odd-*", "even-0"]
    assert r"only members whose names match \['odd-\*', 'even-0'\]" in (folder / "report.md").read_text()


def test_a_pattern_that_no_member_matches_is_told_before_anything_is_searched(call, npz, arrays, tmp_path):
    said = call("search", npz(arrays, "mine.npz"), "--members", "net*")
    assert said.status == 2
    assert "no member's name matches 'net*'" in said.err
    assert not (tmp_path / "runs").exists()


def test_the_front_of_a_small_pool_is_that_of_all_its_subsets(call, npz, arrays):
    path = npz(arrays)
    front = call("search", path, "--json", "--criterion", "error").json["front"]
    labels, truth = by_hand(path)["search"]
    everything = [
        (naive.errors(subset, labels, truth, 3) / truth.size, subset.sum()) for subset in naive.all_subsets(len(labels))
    ]
    found = sorted((entry["search"]["error"], entry["search"]["n_members"]) for entry in front)
    assert found == [tuple(map(float, point)) for point in naive.non_dominated(everything)]


@pytest.mark.parametrize("options", [{}, {"test_share": 0.2, "split_seed": 5}, {"test_share": 0.0}])
def test_a_file_that_is_split_here_can_be_checked_by_hand_too(call, npz, options):
    labels, truth = naive.random_votes(np.random.default_rng(2), 6, 60, 4)
    path = npz({"labels": labels, "truth": truth})
    said = call("search", path, "--json", *(f"--{key.replace('_', '-')}={value}" for key, value in options.items()))
    check_by_hand(said.json, path, **options)


def test_costs_of_the_file_are_objectives(call, npz, arrays):
    path = npz({**arrays, "cost_watts": np.array([5, 4, 3, 2, 1])})
    said = call("search", path, "--json", "--objectives", "error, latency,watts").json
    assert said["objectives"] == ["error", "latency", "watts"]
    check_by_hand(said, path, {"latency": arrays["cost_latency"], "watts": np.array([5, 4, 3, 2, 1])})


def test_several_selectors_are_compared_once_each(call, npz, arrays):
    path = npz(arrays)
    names = ["forward_greedy", "single_best", "whole_pool", "single_best", "random", "nsga2"]
    said = call("search", path, "--json", "--budget", 200, *(x for name in names for x in ("--against", name))).json
    assert list(said["against"]) == ["forward_greedy", "single_best", "whole_pool", "random"]
    assert set(said["hypervolume"]) == {"nsga2", *said["against"]}
    assert said["budget"] == 200
    assert said["evaluations"] <= 200
    check_by_hand(said, path)


def test_the_same_seed_says_the_same(call, npz, arrays):
    first, second = (call("search", npz(arrays), "--json", "--selector", "random", "--seed", 7).json for _ in range(2))
    first.pop("seconds")
    second.pop("seconds")
    assert first == second


def test_results_go_into_a_folder_of_their_own_each_time(call, npz, arrays, tmp_path):
    path = npz(arrays)
    for folder in ("runs/votes/random-seed3", "runs/votes/random-seed3.2", "runs/votes/random-seed3.3"):
        said = call("search", path, "--selector", "random", "--budget", 50, "--seed", 3)
        assert f"written to {folder}:" in said.out
        assert sorted(p.name for p in (tmp_path / folder).iterdir()) == RUN_FOLDER
    assert call("search", path, "--out", "deep/er/mine", "--budget", 50, "--quiet").status == 0
    assert sorted(p.name for p in (tmp_path / "deep/er/mine").iterdir()) == RUN_FOLDER


def test_the_run_folder_says_what_was_printed(call, npz, tmp_path):
    labels, truth = naive.random_votes(np.random.default_rng(2), 6, 60, 4)
    path = npz({"labels": labels, "truth": truth})
    said = call("search", path, "--json", "--out", "mine").json
    folder = tmp_path / "mine"
    record = json.loads((folder / "run.json").read_text())
    assert [e["indices"] for e in record["found"]["entries"]] == [e["indices"] for e in said["front"]]
    assert record["chosen"] == said["chosen"]
    rows = table(folder / "front.csv")
    ours = [row for row in rows if row["selector"] == "nsga2"]
    assert [list(map(int, row["indices"].split())) for row in ours] == [e["indices"] for e in said["front"]]
    assert [float(row["search_error"]) for row in ours] == [e["search"]["error"] for e in said["front"]]
    assert [float(row["test_error"]) for row in ours] == [e["test"]["error"] for e in said["front"]]
    assert [row["chosen"] for row in ours].index("1") == said["chosen"]
    assert {row["selector"] for row in table(folder / "history.csv")} == {"nsga2", "backward_elimination"}
    samples = [int(row["sample"]) for row in table(folder / "test_samples.csv")]
    assert samples == sorted(np.random.default_rng(0).permutation(60)[:30])


def test_a_person_sees_a_table_and_quiet_is_quiet(call, npz, arrays):
    path = npz(arrays)
    said = call("search", path, "--criterion", "error")
    assert said.status == 0
    for text in ("votes: nsga2, seed 1", "hypervolume on the search split", "(whole pool)", "eel", "warning (!)"):
        assert text in said.out
    first, second = said.out.splitlines()[:2]
    assert first.startswith("recommended (*): ")
    assert "On unseen samples it errs on" in first
    assert "members" in second
    quiet = call("search", path, "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def test_progress_goes_to_standard_error_and_results_to_standard_output(call, npz, arrays, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    said = call("search", npz(arrays), "--json", "--selector", "random", "--budget", 600)
    assert "random: 256 judged, hypervolume" in said.err
    assert said.err.startswith("5 of 600: backward_elimination: 5 judged")
    assert set(said.json) == set(KEYS)


def test_a_pool_folder_is_searched_with_shared_parts_paid_once(call, pool_folder):
    said = call("search", pool_folder, "--json", "--objectives", "error,bytes").json
    assert said["problem"] == "by-hand"
    for entry in said["front"]:
        expected = (
            sum(10 + i for i in entry["indices"]) + 100 * (min(entry["indices"]) < 3) + 100 * (3 in entry["indices"])
        )
        assert entry["search"]["bytes"] == entry["test"]["bytes"] == expected


@pytest.mark.parametrize("file", ["human_silhouette.npz", "openml_18.npz", "digits_sklearn_200.npz"])
def test_real_pools_are_searched_and_checked_by_hand(call, real_pools, file):
    said = call("search", real_pools / file, "--json")
    assert said.status == 0, said.err
    check_by_hand(said.json, real_pools / file)


# --- Edges that work -----------------------------------------------------------------------------------------------


def constant(n_members: int, label: int, n_samples: int = 12) -> np.ndarray:
    return np.full((n_members, n_samples), label)


TRUTH = np.arange(12) % 3
EDGES = {
    "one member": {"labels": TRUTH[None] // 2, "truth": TRUTH},
    "two members": {"labels": np.array([TRUTH // 2, TRUTH]), "truth": TRUTH},
    "members that all agree": {"labels": constant(4, 1), "truth": TRUTH},
    "a class that nobody names": {"labels": constant(3, 0), "truth": TRUTH},
    "all members always wrong": {"labels": np.array([TRUTH + 1] * 3), "truth": TRUTH},
    "all perfect": {"labels": np.array([TRUTH] * 3), "truth": TRUTH},
    "one perfect": {"labels": TRUTH[None], "truth": TRUTH},
    "one class": {"labels": constant(3, 0), "truth": TRUTH * 0},
    "256 classes": {"labels": np.array([TRUTH, TRUTH + 253, TRUTH // 2]), "truth": TRUTH},
    "257 classes": {"labels": np.array([TRUTH, TRUTH + 254, TRUTH // 2]), "truth": TRUTH},
    "65,536 classes": {"labels": np.array([TRUTH, TRUTH + 65_533, TRUTH // 2]), "truth": TRUTH + 65_533},
    "an abstention class": {
        "labels": np.array([TRUTH, np.where(TRUTH, TRUTH, 16), TRUTH * 0 + 16]),
        "truth": TRUTH,
    },
    "four samples": {"labels": np.array([TRUTH, TRUTH // 2])[:, :4], "truth": TRUTH[:4]},
    "scores": {"search_scores": np.eye(3)[np.array([TRUTH, TRUTH // 2])], "search_truth": TRUTH},
}


@pytest.mark.parametrize("criterion", ["error", "shrunk_error"])
@pytest.mark.parametrize("what", EDGES)
def test_the_edges_work_from_end_to_end(call, npz, what, criterion, tmp_path):
    path = npz(EDGES[what])
    said = call("search", path, "--json", "--out", "run", "--criterion", criterion)
    assert said.status == 0, said.err
    check_by_hand(said.json, path)
    assert call("report", "run", "--quiet").status == 0
    assert sorted(p.name for p in (tmp_path / "runs/votes/report").iterdir()) == ["front.png", "front.svg", "report.md"]


@pytest.mark.parametrize("max_size", [2, 5])
def test_exact_fronts_say_what_is_proven(call, npz, arrays, max_size):
    path = npz(arrays)
    said = call("search", path, "--json", "--selector", "exact", "--max-size", max_size)
    assert said.status == 0, said.err
    check_by_hand(said.json, path)
    proven = list(range(1, max_size + 1))
    assert said.json["certified_sizes"] == proven
    best = [min(e["search"]["error"] for e in said.json["front"] if len(e["indices"]) <= k) for k in proven]
    assert said.json["lowest_error"][:max_size] == best
    assert len(said.json["lowest_error"]) == 5


def test_what_is_proven_is_marked(call, npz, arrays, tmp_path):
    said = call("search", npz(arrays), "--out", "run", "--criterion", "error")
    assert "proven (=): no ensemble of 1 to 5 members has a lower search error" in said.out
    assert "=*" in said.out
    assert "none of them has a lower error" in (tmp_path / "run/report.md").read_text()


def test_nothing_is_proven_of_other_objectives(call, npz, arrays):
    said = call("search", npz(arrays), "--json", "--objectives", "error").json
    assert said["certified_sizes"] == []
    assert said["lowest_error"] is None


# --- Wrong input ---------------------------------------------------------------------------------------------------


@pytest.fixture
def refused(call, tree):
    """Call with what is wrong: one line on standard error, status 2, and nothing new anywhere."""

    def refused(*arguments: object) -> str:
        before = tree()
        said = call(*arguments)
        assert (said.status, said.out) == (2, ""), said
        assert said.err.count("\n") == 1
        assert said.err.startswith("evo_ensyth: ")
        assert said.err.rstrip("\n").isprintable()
        assert tree() == before
        return said.err

    return refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--selector", "nsga4"],
            "no selector called 'nsga4'. Did you mean 'nsga3'? There is age_moea, backward_elimination,",
        ),
        (["--selector", "../nsga2"], "no selector called '../nsga2'"),
        (["--selector", "os.path"], "has 0 classes with a method 'select'"),
        (["--selector", ""], "no selector called ''"),
        (["--against", "backward"], "no selector called 'backward'"),
        (
            ["--objectives", "eror,n_members"],
            "no objective called 'eror'. Did you mean 'error'? There is ",
        ),
        (["--objectives", "error,"], "no objective called ''"),
        (["--objectives", ""], "no objective called ''"),
        (["--objectives", "error,error"], "objective 'error' stands twice"),
        (["--objectives", "latenzy"], "Did you mean 'latency'?"),
        (["--objectives", "error,bytes"], "bytes"),
        (["--budget", "0"], "--budget"),
        (["--budget", "-5"], "--budget"),
        (["--budget", "many"], "--budget"),
        (["--budget", "1.5"], "--budget"),
        (["--seconds", "0"], "the time limit is 0 seconds; it must be above 0"),
        (["--seconds", "-1"], "--seconds"),
        (["--seconds", "nan"], "--seconds"),
        (["--seconds", "inf"], "the time limit is inf seconds"),
        (["--seconds", "soon"], "--seconds"),
        (["--max-size", "0"], "--max-size"),
        (["--max-size", "3"], "selector 'nsga2' has no setting 'max_size'; it has "),
        (["--selector", "exact", "--max-size", "6"], "max_size is 6; with 5 members it lies between 1 and 5"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "x"], "--seed"),
        (["--test-share", "1"], "the test share is 1; it must be at least 0 and below 1"),
        (["--test-share", "nan"], "the test share is nan"),
        (["--split-seed", "-1"], "--split-seed"),
        (["--out", "taken"], "taken exists already; name another folder"),
        (["--out", "votes.npz"], "votes.npz exists already"),
        (["--out", "votes.npz/run"], "votes.npz/run cannot be made: Not a directory"),
        (["--out", "x" * 300], "cannot be made: File name too long"),
        (["--out", "link"], "link exists already"),
        (["--out"], "--out"),
        (["--bugdet", "5"], "No such option"),
        (["another"], "unexpected extra argument"),
    ],
)
def test_wrong_options_take_one_line(refused, npz, arrays, tmp_path, arguments, message):
    npz(arrays)
    (tmp_path / "taken").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    assert message in refused("search", "votes.npz", *arguments)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("digit", "no problem called 'digit'. Did you mean 'digits'?"),
        ("nowhere.npz", "nowhere.npz does not exist"),
        ("folder", "folder holds no finished pool"),
        ("text.npz", "text.npz is no whole .npz file"),
        ("half.npz", "half.npz is no whole .npz file"),
        ("nan.npz", "nan.npz: 'search_scores' is nan for member 1, sample 2, class 0: not finite"),
        ("pickled.npz", "pickled.npz: 'search_labels' holds pickled objects, which are never loaded"),
        ("\x1b[31mred\n.npz", "\\x1b[31mred .npz does not exist"),
        ("\udcff.npz", "\\udcff.npz does not exist"),
    ],
)
def test_what_cannot_be_searched_takes_one_line(refused, npz, arrays, tmp_path, target, message):
    whole = npz(arrays).read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.npz").write_text("text")
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    scores = np.eye(3)[arrays["search_labels"]]
    scores[1, 2, 0] = np.nan
    npz({"search_scores": scores, "search_truth": arrays["search_truth"]}, "nan.npz")
    npz({**arrays, "search_labels": arrays["search_labels"].astype(object)}, "pickled.npz")
    assert message in refused("search", target)


def test_a_hostile_key_is_shown_but_not_obeyed(refused, npz):
    assert "found \\x1b[31m" in refused("search", npz({"\x1b[31m": np.zeros(2)}))


def test_an_unknown_command_takes_one_line(refused):
    assert "No such command 'serch'. Did you mean 'search'?" in refused("serch")
    assert "--nope" in refused("--nope")
    assert "RUN..." in refused("report")
    assert "PROBLEM" in refused("pool")
    assert "no problem called 'digts'. Did you mean 'digits'?" in refused("pool", "digts")


def test_a_dry_run_says_which_members_there_would_be_and_what_they_take_and_makes_nothing(call, tree, monkeypatch):
    said = call("pool", "digits_mixed", "--dry-run", "--workers", "3")
    lines = said.out.splitlines()
    assert said.status == 0
    assert lines[64] == "64 members"
    assert re.fullmatch(r"about .* to .* with 3 processes and nothing else at work", lines[65])
    assert re.fullmatch(r".* MB on disk, and .* MB at most while they are made", lines[66])
    told = call("pool", "digits_mixed", "--dry-run", "--json").json
    estimate = told.pop("estimate")
    assert told == {"problem": "digits_mixed", "n_members": 64, "members": lines[:64]}
    assert (estimate["n_made"], estimate["n_planned"], estimate["unknown"]) == (0, 64, [])
    assert 0 < estimate["seconds"][0] < estimate["seconds"][1]
    assert call("pool", "digits_mixed", "--dry-run", "--quiet").out == ""
    assert tree() == {}

    def missing(name):
        raise InputError("nobody has it.")

    monkeypatch.setattr("evo_ensyth.synthesis.datasets.load", missing)
    lines = call("pool", "digits_mixed", "--dry-run").out.splitlines()
    assert lines[64:] == ["64 members", "what they would take is unknown: nobody has it."]
    assert call("pool", "digits_mixed", "--dry-run", "--json").json["estimate"] == {"reason": "nobody has it."}


OWN_METHOD = """
import copy, os
from dataclasses import dataclass
from pathlib import Path
from evo_ensyth.synthesis import FineTuning, Recipe, Route, Training
from evo_ensyth.synthesis.compression import Variant

@dataclass(frozen=True)
class Copying:
    counts: tuple = (1, 2)

    def names(self):
        return tuple(f"copy-{count}" for count in self.counts)

    def variants(self, parent, material, *, seed, scratch=None, progress=print):
        for count, name in zip(self.counts, self.names()):
            if count == 2 and not Path("go").exists():
                raise ZeroDivisionError("not yet")
            yield Variant(name, {"method": "copying"}, copy.deepcopy(parent), {})

def recipe():
    return Recipe(
        dataset="digits", n_search=500, network="small", training=Training(epochs=1), compressors=(Route(Copying()),),
        fine_tunings=(FineTuning(name="none", epochs=0),), n_calibration=10,
    )
"""


def test_a_pool_is_made_by_workers_with_a_method_of_ones_own(call, tmp_path):
    """One member of it fails at first."""
    (tmp_path / "mine.py").write_text(OWN_METHOD)
    status = call("pool", "status", "mine.py", "--json").json
    folder = "runs/mine/pool"
    nothing = {"problem": "mine.py", "folder": folder, "closed": False, "made": [], "failed": {}}
    assert status == {**nothing, "missing": ["copy-1", "copy-2"]}
    said = call("pool", "mine.py", "--workers", "1", "--json", "--quiet")
    assert said.status == 1
    assert re.fullmatch(
        r"evo_ensyth: runs/mine/pool: 1 of 2 could not be made: copy-2 \(it needs mine-\w+: ZeroDivisionError: not yet"
        r"\)\. The others are kept; run it again to try these again, or with --without-failed to do without them\.\n",
        said.err,
    )
    assert said.json == call("pool", "status", "mine.py", "--json").json
    assert said.json["made"] == ["copy-1"]
    assert list(said.json["failed"]) == ["copy-2"]
    shown = call("pool", "status", "mine.py").out
    for text in ("copy-1", "not yet", "1 made, 1 failed, 0 missing", "python -m evo_ensyth pool mine.py goes on"):
        assert text in shown
    (tmp_path / "go").touch()
    assert call("pool", "mine.py", "--workers", "0", "--json").json["members"] == ["copy-1", "copy-2"]
    assert call("pool", "status", "mine.py").out.splitlines()[-1] == "it can be searched"


def test_an_exported_pool_is_searched_as_the_pool_is(call, pool_folder, refused):
    assert call("pool", "export", pool_folder, "votes.npz", "--json").json["n_members"] == 4
    fronts = [call("search", target, "--json").json["front"] for target in (pool_folder, "votes.npz")]
    assert [[entry[what] for entry in fronts[0]] for what in ("members", "search", "test")] == [
        [entry[what] for entry in fronts[1]] for what in ("members", "search", "test")
    ]
    assert call("pool", "export", pool_folder, "scores.npz", "--scores", "--quiet").out == ""
    soft = [
        call("search", target, "--objectives", "soft_error,n_members", "--json").json["front"]
        for target in (pool_folder, "scores.npz")
    ]
    assert [entry["members"] for entry in soft[0]] == [entry["members"] for entry in soft[1]]
    assert "is there already" in refused("pool", "export", pool_folder, "votes.npz")
    assert "does not end with .npz" in refused("pool", "export", pool_folder, "votes")
    assert "nowhere/votes.npz cannot be written: No such file" in refused(
        "pool", "export", pool_folder, "nowhere/votes.npz"
    )
    (pool_folder / "members" / "c-1" / "search.scores.npy").unlink()
    assert "c-1/search.scores.npy does not exist" in refused("pool", "export", pool_folder, "other.npz", "--scores")


def test_a_pool_is_shown_and_what_is_shown_is_kept(call, pool_folder):
    said = call("pool", "show", pool_folder)
    assert said.status == 0
    for text in (
        "by-hand: 4 members by 1 methods",
        "c-1",
        "(the parent)",
        "cannot be said",
        "runs/by-hand/pool-shown",
        "3 members share conv, which an ensemble of them pays once: 100 bytes, 7.5 macs",
        "weights that are not zero",
        "0.0 (14.4)",
        "3 pairs are left out",
    ):
        assert text in said.out
    files = ["curves.png", "curves.svg", "disagreement.png", "disagreement.svg", "pool-shown.json"]
    assert sorted(path.name for path in Path("runs/by-hand/pool-shown").iterdir()) == files
    told = call("pool", "show", pool_folder, "--json", "--cost", "macs", "--out", "there").json
    assert told == json.loads(Path("there/pool-shown.json").read_text())
    assert told["cost"] == "macs"
    assert told["shared"] == [{"layers": "conv", "n_members": 3, "costs": {"bytes": 100, "macs": 7.5}}]
    (pair,) = told["supports"]["pairs"]
    assert (pair["methods"], pair["n_pairs"], pair["jaccard"], pair["overlap"]) == (["hand", "hand"], 3, 0, 0)
    assert told["supports"]["n_pairs_left_out"] == 3
    for name in "ab":
        (pool_folder / "members" / name / "weights.safetensors").unlink()
    said = call("pool", "show", pool_folder)
    assert "what they share of them cannot be said" in said.out
    assert call("pool", "show", pool_folder, "--quiet").out == ""
    assert Path("runs/by-hand/pool-shown.2").exists()


def test_what_cannot_be_shown_takes_one_line(refused, pool_folder):
    assert "the pool of 'digits' is not made yet" in refused("pool", "show", "digits")
    assert "no problem called 'digts'" in refused("pool", "show", "digts")
    assert "no cost 'euros'" in refused("pool", "show", pool_folder, "--cost", "euros")
    assert "no problem called 'digts'" in refused("pool", "status", "digts")
    assert "--workers" in refused("pool", "digits", "--workers", "-1")


def test_a_wrong_name_is_found_before_a_pool_is_made(refused, monkeypatch):
    monkeypatch.setattr(cli, "_make_pool", lambda name, quiet: pytest.fail("a pool was made"))
    assert "no selector called 'nsga4'" in refused("search", "digits", "--selector", "nsga4")
    assert "no selector called 'all'" in refused("search", "digits", "--against", "all")
    assert "--budget" in refused("search", "digits", "--budget", "0")


def test_a_folder_that_cannot_be_made_is_found_before_the_search(refused, npz, arrays, monkeypatch, tmp_path):
    from evo_ensyth.search import run

    monkeypatch.setattr(run, "run", lambda *arguments, **options: pytest.fail("a search began"))
    (tmp_path / "runs").write_text("in the way")
    assert "runs/votes/nsga2-seed1 cannot be made: Not a directory" in refused("search", npz(arrays))


def test_a_report_that_fails_leaves_nothing(refused, npz, arrays, monkeypatch, tmp_path):
    from evo_ensyth.report import plots

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "write_front", full)
    assert "runs/votes/nsga2-seed1 cannot be written: No space left on device" in refused("search", npz(arrays))


# --- report --------------------------------------------------------------------------------------------------------


def test_runs_of_one_problem_are_compared(call, npz, arrays, tmp_path):
    path = npz(arrays)
    for seed, selector in ((1, "nsga2"), (2, "random"), (3, "random")):
        call("search", path, "--selector", selector, "--seed", seed, "--out", f"run{seed}", "--budget", 100)
    said = call("report", "run1", "run2", "run3", "--out", "both")
    assert said.status == 0
    assert "votes: 4 fronts" in said.out
    page = (tmp_path / "both" / "report.md").read_text()
    for text in ("nsga2", "random", "backward_elimination"):
        assert text in page
    several = json.loads(call("report", "run1", "run2", "--json").out)
    assert [(run["selector"], run["seed"]) for run in several] == [("nsga2", 1), ("random", 2)]
    assert list(several[0]) == KEYS


def test_runs_that_cannot_be_compared_are_refused(refused, call, npz, arrays, tmp_path):
    call("search", npz(arrays), "--out", "one")
    other = {**arrays, "search_truth": (arrays["search_truth"] + 1) % 3}
    call("search", npz(other), "--out", "two")
    call("search", npz(arrays), "--out", "three", "--objectives", "error,latency")
    assert "field 'fingerprints' of their run.json differs" in refused("report", "one", "two")
    assert "field 'objectives'" in refused("report", "one", "three")
    assert "nowhere/run.json does not exist" in refused("report", "nowhere")
    assert "one exists already" in refused("report", "one", "--out", "one")
    (tmp_path / "two" / "run.json").write_text("{}")
    assert "two/run.json: field 'format' is not 1 or 2" in refused("report", "two")
    record = json.loads((tmp_path / "one" / "run.json").read_text())
    (tmp_path / "two" / "run.json").write_text(json.dumps({**record, "problem": "../../elsewhere"}))
    assert "'../../elsewhere' has no folder under runs" in refused("report", "two")


# --- pick ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def searched(call, npz) -> dict:
    labels, truth = naive.random_votes(np.random.default_rng(3), 9, 400, 4)
    costs = {"cost_watts": np.arange(1, 10), "cost_ms": np.linspace(0.5, 4.5, 9)}
    return call("search", npz({"labels": labels, "truth": truth, **costs}), "--json", "--out", "run").json


def test_the_recommended_ensemble_is_picked_where_no_rule_is_given(call, searched):
    said = call("pick", "run", "--json")
    assert said.status == 0
    entry = searched["front"][searched["chosen"]]
    assert {key: said.json[key] for key in ENTRY_KEYS} == entry
    assert said.json["warnings"] == searched["warnings"]
    assert said.json["vote"] == "plurality, ties to the lowest class"
    again = call("pick", "run", "--within-one-standard-error", "--json").json
    assert again["indices"] == entry["indices"]


def test_an_ensemble_is_picked_by_size_and_by_cost(call, searched):
    for entry in searched["front"]:
        assert call("pick", "run", "--size", len(entry["indices"]), "--json").json["indices"] == entry["indices"]
        watts, ms = entry["costs"]["watts"], entry["costs"]["ms"]
        assert watts == sum(i + 1 for i in entry["indices"])
        picked = call("pick", "run", "--at-most", f"watts={watts}", "--at-most", f"ms={ms}", "--json").json
        assert picked["search"]["error"] <= entry["search"]["error"]
        assert picked["costs"]["watts"] <= watts
        assert picked["costs"]["ms"] <= ms


def test_a_person_sees_who_votes_how_well_and_beside_what(call, searched):
    entry = max(searched["front"], key=lambda entry: len(entry["indices"]))
    size = len(entry["indices"])
    said = call("pick", "run", "--size", size).out
    for name in entry["members"]:
        assert f"  {name} (" in said
    low, high = entry["test_interval"]
    for text in (
        f"votes: {size} of 9 members, the best of size {size}",
        "they vote by plurality, ties to the lowest class",
        f"test error % (95 %): {100 * entry['test']['error']:.2f} ({100 * low:.2f} to {100 * high:.2f})",
        f"the best {size} members",
        f"watts: {entry['costs']['watts']:g}",
    ):
        assert text in said


def test_the_knee_lies_between_the_ends(call, searched):
    sizes = [len(entry["indices"]) for entry in searched["front"]]
    assert min(sizes) < len(call("pick", "run", "--knee", "--json").json["indices"]) < max(sizes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere/run.json does not exist"),
        (["votes.npz"], "votes.npz/run.json"),
        (["run", "--size", "0"], "--size"),
        (["run", "--size", "99"], "no ensemble of 99 members is on this front; the nearest in size has "),
        (["run", "--at-most", "watts=0"], "no ensemble of this front costs so little; the nearest has watts="),
        (["run", "--at-most", "wats=5"], "no cost in this run called 'wats'. Did you mean 'watts'?"),
        (["run", "--at-most", "watts"], "a limit is 'watts'; expected a cost and a number"),
        (["run", "--size", "2", "--knee"], "are one rule each: give one"),
    ],
)
def test_what_cannot_be_picked_takes_one_line(refused, searched, arguments, message):
    assert message in refused("pick", *arguments)


# --- Hostile names -------------------------------------------------------------------------------------------------

HOSTILE = ["[red]loud[/red]", ":bug: <b>&amp;", "=HYPERLINK(1)", "$x_{1}$ 100 $", "模型🦀" + "long " * 60 + "end"]


@pytest.mark.parametrize(
    "name", ["[bold]$y^{2}$ :bug:.npz", "=1+1.npz", "\x1b[31mred.npz", "模型🦀\u0378.npz", "x" * 240 + ".npz"]
)
def test_hostile_names_are_shown_as_they_are(call, npz, arrays, name):
    path = npz({**arrays, "names": np.array(HOSTILE)})
    path.rename(name)
    said = call("search", name, "--criterion", "error")
    assert (said.status, said.err) == (0, "")
    assert "\x1b" not in said.out
    flat = "".join(said.out.split()).replace("│", "")
    for shown in HOSTILE[:4]:
        assert shown.replace(" ", "") in flat
    assert name.removesuffix(".npz").replace("\x1b", "\\x1b").replace(" ", "").replace("\u0378", "\\u0378") in flat
    (folder,) = Path("runs").glob("*/*")
    for row in table(folder / "front.csv"):
        texts = [cell for cell in row.values() if not re.fullmatch(r"-?[\d.e-]+", cell)]
        assert not [cell for cell in texts if cell[:1] in tuple("=+-@\t")], "a spreadsheet would calculate"


def test_a_terminal_that_knows_only_ascii_is_enough(npz, arrays, tmp_path, environment):
    path = npz({**arrays, "names": np.array(["模型", "bee", "cow", "dög", "eel"])}, "größe.npz")
    for setting, shown in (
        ({"PYTHONIOENCODING": "ascii"}, rb"gr\xf6\xdfe: nsga2"),
        # here not even the file's name can be decoded
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, rb"gr\udcc3\udcb6\udcc3\udc9fe: nsga2"),
    ):
        said = subprocess.run(
            [sys.executable, "-W", "error", "-m", "evo_ensyth", "search", os.fsencode(path)],
            cwd=tmp_path, env={**environment, **setting}, capture_output=True, check=False,
        )  # fmt: skip
        assert (said.returncode, said.stderr) == (0, b"")
        assert shown in said.stdout
        assert b"search error %" in said.stdout


@pytest.mark.parametrize("option", ["--json", "--seed=1"])
def test_a_reader_who_leaves_early_is_no_disaster(npz, arrays, tmp_path, environment, option):
    search = subprocess.Popen(
        [sys.executable, "-m", "evo_ensyth", "search", npz(arrays), option],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    search.stdout.close()
    assert search.stderr.read() == b""
    assert search.wait() != 0
    search.stderr.close()


# --- Stopping ------------------------------------------------------------------------------------------------------


def test_a_time_limit_is_kept(call, npz):
    labels, truth = naive.random_votes(np.random.default_rng(0), 60, 4_000, 10)
    path = npz({"labels": labels, "truth": truth})
    start = time.perf_counter()
    said = call("search", path, "--json", "--seconds", 0.5, "--against", "random")
    assert said.status == 0
    assert 0.5 <= said.json["seconds"] < 1.5
    assert time.perf_counter() - start < 10


@pytest.fixture
def long_search(npz, tmp_path, environment):
    """Start a search that would take 30 seconds, and wait until it says that it has begun."""
    labels, truth = naive.random_votes(np.random.default_rng(0), 60, 20_000, 10)
    path = npz({"labels": labels, "truth": truth})
    started = []

    def long_search(*arguments: str) -> subprocess.Popen:
        code = (
            "from evo_ensyth.cli import main as cli, progress\n"
            "progress.SECONDS_BETWEEN_LINES = 0\n"  # so that we see when it has begun
            "cli.main()"
        )
        search = subprocess.Popen(
            [sys.executable, "-c", code, "search", path, "--seconds", "30", *arguments],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(search)
        return search

    yield long_search
    for search in started:
        search.kill()
        search.communicate()


def wait_for(search: subprocess.Popen, text: str) -> threading.Thread:
    """Read progress until it says so, and keep reading behind our back, lest the pipe fills up."""
    for line in search.stderr:
        if text in line:
            reader = threading.Thread(target=lambda: search.stderr.read(), daemon=True)
            reader.start()
            return reader
    raise AssertionError(f"the search ended with status {search.wait()}")


def test_ctrl_c_keeps_what_was_found_in_a_whole_run_folder(long_search, tmp_path):
    search = long_search("--json", "--out", "stopped")
    reader = wait_for(search, "nsga2: ")
    start = time.perf_counter()
    search.send_signal(signal.SIGINT)
    said = json.loads(search.stdout.read())
    assert search.wait() == 130
    assert time.perf_counter() - start < 15
    reader.join()
    assert said["selector"] == "nsga2"
    assert said["front"]
    folder = tmp_path / "stopped"
    assert sorted(p.name for p in folder.iterdir()) == sorted([*RUN_FOLDER, "test_samples.csv"])
    assert json.loads((folder / "run.json").read_text())["interrupted"] is True
    assert "**Interrupted:**" in (folder / "report.md").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["stopped", "votes.npz"]


SLEEPER = '''
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Sleeper:
    """Does not look up from its work."""

    def select(self, search, rng):
        import numpy as np

        search.evaluate(np.ones((1, len(search.pool)), bool))
        time.sleep(60)
'''


def test_a_second_ctrl_c_ends_at_once_and_leaves_nothing(long_search, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sleeper.py").write_text(SLEEPER)
    before = sorted(tmp_path.iterdir())
    search = long_search("--selector", "mine.sleeper", "--out", "stopped")
    reader = wait_for(search, "mine.sleeper: ")
    search.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        search.wait(0.5)
    start = time.perf_counter()
    search.send_signal(signal.SIGINT)
    assert search.wait() == 130
    assert time.perf_counter() - start < 5
    reader.join()
    assert [p for p in sorted(tmp_path.iterdir()) if p.name != "__pycache__"] == before


# --- What is imported ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["--help"],
        ["search", "--help"],
        ["report", "--help"],
        ["pool", "--help"],
        ["pick", "--help"],
        ["pool", "make", "--help"],
        ["pool", "show", "--help"],
        ["pool", "status", "--help"],
    ],
)
def test_help_comes_without_the_heavy_libraries(tmp_path, environment, command):
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "evo_ensyth", *command],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Usage: evo_ensyth" in said.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"numpy", "torch", "numba", "matplotlib", "scipy", "pymoo", "moocore", "cvxpy", "sklearn"}


def test_help_comes_at_once(tmp_path, environment):
    """The best of several, for the machine may be busy with other things."""
    seconds = []
    command = [sys.executable, "-m", "evo_ensyth", "--help"]
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
        if seconds[-1] < 0.5:
            return
    pytest.fail(f"--help took {min(seconds):.2f} s at best")


def test_search_and_report_do_without_torch(npz, arrays, pool_folder, tmp_path, environment):
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'cvxpy', 'sklearn'):\n"
        "            raise ImportError(name + ' is not needed here')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from evo_ensyth.cli import main as cli\n"
        "for arguments in (['search', 'votes.npz', '--out', 'a'], ['search', 'pool', '--out', 'b'], ['report', 'a']):\n"
        "    assert cli.run([*arguments, '--quiet']) == 0\n"
        "assert cli.run(['pool', 'digits']) != 0\n"
    )
    npz(arrays)
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "ImportError: torch is not needed here" in said.stderr, said.stderr  # only the last one asks for it
    assert {p.name for p in tmp_path.iterdir()} >= {"a", "b", "runs"}
    assert (tmp_path / "runs" / "votes" / "report" / "report.md").exists()


def test_the_version_can_be_asked_for(call):
    from evo_ensyth import __version__

    said = call("--version")
    assert (said.status, said.out) == (0, f"{__version__}\n")


def test_the_help_names_every_option_that_is_promised(call):
    text = call("search", "--help").out
    for option in (
        "selector",
        "against",
        "objectives",
        "budget",
        "seconds",
        "seed",
        "out",
        "json",
        "quiet",
        "test-share",
    ):
        assert f"--{option}" in text
