"""``search``: what is printed and written is what the file of predictions gives by hand."""

import json

import numpy as np
import pytest
from oracles import dominance, splitting
from oracles import votes as naive

from cli.by_hand import RUN_FOLDER, RUN_KEYS, check_run, splits_of, table
from evo_ensyth.cli import progress
from evo_ensyth.files import read_json, sealed


def test_every_number_of_a_search_can_be_found_by_hand(call, npz, arrays, tmp_path):
    path = npz(arrays, "mine.npz")
    said = call("search", path, "--json")
    assert (said.status, said.err) == (0, "")
    check_run(said.json, path)
    run = said.json
    assert (run["problem"], run["selector"], run["seed"], run["budget"]) == ("mine", "nsga2", 1, None)
    assert [baseline["selector"] for baseline in run["baselines"]] == ["backward_elimination"]
    assert said.out.count("\n") == 1
    assert sorted(p.name for p in (tmp_path / "runs" / "mine" / "nsga2-seed1").iterdir()) == RUN_FOLDER


def test_only_members_that_match_may_vote(call, npz, arrays, tmp_path):
    """The front of a part is that of a file that holds this part alone, and the run records which part it was."""
    n_members = len(arrays["search_labels"])
    arrays["names"] = np.array([f"{'odd' if i % 2 else 'even'}-{i}" for i in range(n_members)])
    said = call("search", npz(arrays, "mine.npz"), "--members", "odd-*", "--members", "even-0", "--json")
    assert (said.status, said.err) == (0, "")
    rows = [0, *range(1, n_members, 2)]
    part = {key: values if key.endswith("truth") else values[rows] for key, values in arrays.items()}
    alone = call("search", npz(part, "part.npz"), "--json").json
    assert said.json["n_members"] == len(rows)
    assert said.json["front"]["ensembles"] == alone["front"]["ensembles"]
    assert said.json["front"]["hypervolume"] == alone["front"]["hypervolume"]
    folder = tmp_path / "runs" / "mine" / "nsga2-seed1"
    assert json.loads((folder / "run.json").read_text())["source"]["members"] == ["odd-*", "even-0"]
    assert r"only members whose names match \['odd-\*', 'even-0'\]" in (folder / "report.md").read_text()


def test_the_front_of_a_small_pool_is_that_of_all_its_subsets(call, npz, arrays):
    path = npz(arrays)
    front = call("search", path, "--json", "--objectives", "error,n_members", "--ties", "lowest").json["front"][
        "ensembles"
    ]
    labels, truth = splits_of(path)["search"]
    everything = [
        (naive.errors(subset, labels, truth, 3) / truth.size, subset.sum()) for subset in naive.all_subsets(len(labels))
    ]
    found = sorted((ensemble["search"]["error"], ensemble["search"]["n_members"]) for ensemble in front)
    assert found == [tuple(map(float, point)) for point in dominance.non_dominated(everything)]


@pytest.mark.parametrize("options", [{}, {"test_share": 0.2, "split_seed": 5}, {"test_share": 0.0}])
def test_a_file_that_is_split_here_can_be_checked_by_hand_too(call, npz, options):
    labels, truth = naive.random_votes(np.random.default_rng(2), 6, 60, 4)
    path = npz({"labels": labels, "truth": truth})
    said = call("search", path, "--json", *(f"--{key.replace('_', '-')}={value}" for key, value in options.items()))
    check_run(said.json, path, **options)


def test_costs_of_the_file_are_objectives(call, npz, arrays):
    path = npz({**arrays, "cost_watts": np.array([5, 4, 3, 2, 1])})
    run = call("search", path, "--json", "--objectives", "error, latency,watts").json
    assert run["objectives"] == ["error", "latency", "watts"]
    check_run(run, path, {"latency": arrays["cost_latency"], "watts": np.array([5, 4, 3, 2, 1])})


def test_constraints_are_kept_and_recorded(call, npz, arrays):
    limits = ["--at-most", "n_members=3", "--at-most", "latency=9", "--at-least", "accuracy=0.5"]
    run = call("search", npz(arrays), "--json", "--objectives", "error,n_members", *limits).json
    assert run["constraints"] == {"at_most": {"n_members": 3, "latency": 9}, "at_least": {"accuracy": 0.5}}
    for front in (run["front"], *run["baselines"]):
        for ensemble in front["ensembles"]:
            assert len(ensemble["indices"]) <= 3
            assert arrays["cost_latency"][ensemble["indices"]].sum() <= 9
            assert ensemble["search"]["error"] <= 0.5


def test_each_baseline_is_searched_once(call, npz, arrays):
    path = npz(arrays)
    names = ["forward_greedy", "single_best", "whole_pool", "single_best", "random", "nsga2"]
    run = call("search", path, "--json", "--budget", 200, *(x for name in names for x in ("--baseline", name))).json
    expected = ["forward_greedy", "single_best", "whole_pool", "random"]
    assert [baseline["selector"] for baseline in run["baselines"]] == expected
    assert run["budget"] == 200
    assert all(front["n_evaluations"] <= 200 for front in (run["front"], *run["baselines"]))
    check_run(run, path)


def test_the_same_seed_gives_the_same_run(call, npz, arrays):
    def without_times(run: dict) -> dict:
        del run["time"], run["folder"]
        for front in (run["front"], *run["baselines"]):
            del front["seconds"], front["seconds_compiling"]
            for milestone in front["history"]:
                del milestone["seconds"]
        return run

    options = ("search", npz(arrays), "--json", "--selector", "random", "--seed")
    first, second = (without_times(call(*options, 7).json) for _ in range(2))
    assert first == second


def test_each_search_has_a_folder_of_its_own(call, npz, arrays, tmp_path):
    path = npz(arrays)
    for folder in ("runs/votes/random-seed3", "runs/votes/random-seed3.2", "runs/votes/random-seed3.3"):
        said = call("search", path, "--selector", "random", "--budget", 50, "--seed", 3)
        assert f"written to {folder}:" in said.out
        assert sorted(p.name for p in (tmp_path / folder).iterdir()) == RUN_FOLDER
    assert call("search", path, "--out", "deep/er/mine", "--budget", 50, "--quiet").status == 0
    assert sorted(p.name for p in (tmp_path / "deep/er/mine").iterdir()) == RUN_FOLDER


def test_the_run_folder_holds_what_was_printed(call, npz, tmp_path):
    labels, truth = naive.random_votes(np.random.default_rng(2), 6, 60, 4)
    path = npz({"labels": labels, "truth": truth})
    run = call("search", path, "--json", "--out", "mine").json
    folder = tmp_path / "mine"
    assert read_json(folder / "run.json") == sealed(run)
    ensembles = run["front"]["ensembles"]
    rows = table(folder / "front.csv")
    ours = [row for row in rows if row["selector"] == "nsga2"]
    assert [list(map(int, row["indices"].split())) for row in ours] == [e["indices"] for e in ensembles]
    assert [float(row["search_error"]) for row in ours] == [e["search_errors"] / run["n_search"] for e in ensembles]
    assert [float(row["test_error"]) for row in ours] == [e["test_errors"] / run["n_test"] for e in ensembles]
    assert [row["recommended"] for row in ours].index("1") == run["recommended_index"]
    assert {row["selector"] for row in table(folder / "history.csv")} == {"nsga2", "backward_elimination"}
    samples = [int(row["sample"]) for row in table(folder / "test_samples.csv")]
    assert samples == splitting.stratified(truth, 0.5, 0)


def test_a_person_sees_the_verdict_first_and_last_and_a_table_between(call, npz, tmp_path):
    labels, truth = naive.random_votes(np.random.default_rng(3), 15, 200, 4)
    path = npz({"labels": labels, "truth": truth})
    said = call("search", path, "--objectives", "error,n_members", "--budget", 300, "--out", "run")
    assert said.status == 0
    title, *lines = said.out.splitlines()
    assert title == "votes: nsga2, seed 1; vote: plurality, ties by log-odds; minimised: error, n_members"
    assert lines[:3] == lines[-3:]
    for line, start in zip(lines[:3], ("Take th", "Expect an error of ", ""), strict=True):
        assert line.startswith(start)
    table = lines[3 : next(i for i, line in enumerate(lines) if line.startswith("* recommended"))]
    assert max(map(len, table)) <= 120
    page = (tmp_path / "run" / "report.md").read_text()
    assert all(line.replace("_", r"\_") in page.replace("_", r"\_") for line in lines[1:3])
    for text in ("hypervolume on the search split", "(whole pool)", "(best single member)", "minus best"):
        assert text in said.out


def test_few_rows_are_shown_unless_all_are_asked_for(call, npz):
    """The rows go from the cheapest to the dearest, and the recommended one is among them."""
    labels, truth = naive.random_votes(np.random.default_rng(3), 15, 200, 4)
    path = npz({"labels": labels, "truth": truth, "cost_ms": np.arange(15)[::-1] + 0.5})
    options = ("search", path, "--objectives", "ms,smoothed_error", "--budget", 300, "--folds", 0)
    run = call(*options, "--json").json
    n_front = len(run["front"]["ensembles"])
    assert n_front > 10
    few, everything = (call(*options, *more).out.splitlines() for more in ((), ("--all",)))
    for lines, n_rows in ((few, 8), (everything, n_front)):
        start = next(i for i, line in enumerate(lines) if set(line.strip()) == {"─"}) + 1
        rows = lines[start : start + n_rows]
        costs = [float(row.replace("*", " ").split()[0]) for row in rows]
        assert costs == sorted(costs)
        assert sum("*" in row for row in rows) == 1
    assert f"and {n_front - 8} more ensembles; --all shows them, and so does report.md" in few


def test_quiet_prints_the_folder_of_the_results_alone(call, npz, arrays):
    path = npz(arrays)
    for options, folder in (([], "runs/votes/nsga2-seed1"), (["--out", "mine"], "mine")):
        said = call("search", path, "--quiet", *options)
        assert (said.status, said.out, said.err) == (0, f"{folder}\n", "")


def test_progress_goes_to_standard_error_and_results_to_standard_output(call, npz, arrays, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    said = call("search", npz(arrays), "--json", "--selector", "random", "--budget", 600)
    assert "random: 256 judged, hypervolume" in said.err
    assert said.err.startswith("5 of 600: backward_elimination: 5 judged")
    assert list(said.json) == RUN_KEYS


def test_a_pool_folder_is_searched_with_shared_parts_paid_once(call, pool_folder):
    run = call("search", pool_folder, "--json", "--objectives", "error,bytes").json
    assert run["problem"] == "by-hand"
    for ensemble in run["front"]["ensembles"]:
        indices = ensemble["indices"]
        expected = sum(10 + i for i in indices) + 100 * (min(indices) < 3) + 100 * (3 in indices)
        assert ensemble["search"]["bytes"] == ensemble["test"]["bytes"] == ensemble["costs"]["bytes"] == expected


@pytest.mark.parametrize("file", ["human_silhouette.npz", "openml_18.npz", "digits_sklearn_200.npz"])
def test_real_pools_are_searched_and_checked_by_hand(call, real_pools, file):
    said = call("search", real_pools / file, "--json", "--ties", "lowest", "--folds", 0)
    assert said.status == 0, said.err
    check_run(said.json, real_pools / file)


@pytest.mark.parametrize("max_size", [2, 5])
def test_exact_fronts_record_what_is_proven(call, npz, arrays, max_size):
    path = npz(arrays)
    said = call("search", path, "--json", "--selector", "exact", "--max-size", max_size)
    assert said.status == 0, said.err
    check_run(said.json, path)
    proven = list(range(1, max_size + 1))
    front = said.json["front"]
    assert front["proven_sizes"] == proven
    assert front["settings"] == {"max_size": max_size, "device": "cpu"}
    best = [min(e["search_errors"] for e in front["ensembles"] if len(e["indices"]) <= k) for k in proven]
    assert said.json["lowest_errors"][:max_size] == best
    assert len(said.json["lowest_errors"]) == 5


def test_what_is_proven_is_marked(call, npz, arrays, tmp_path):
    said = call("search", npz(arrays), "--out", "run", "--objectives", "error,n_members")
    assert "= proven: no ensemble of 1 to 5 members has a lower error" in said.out
    assert "=*" in said.out
    assert "none of them has a lower error" in " ".join((tmp_path / "run/report.md").read_text().split())


def test_no_lowest_errors_are_proven_by_other_objectives(call, npz, arrays):
    run = call("search", npz(arrays), "--json", "--objectives", "error").json
    assert run["front"]["proven_sizes"] == [1, 2, 3, 4, 5]  # all subsets were evaluated
    assert run["lowest_errors"] is None


# Edges


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


@pytest.mark.parametrize("goal", ["error", "smoothed_error"])
@pytest.mark.parametrize("what", EDGES)
def test_the_edges_work_from_end_to_end(call, npz, what, goal, tmp_path):
    path = npz(EDGES[what])
    said = call("search", path, "--json", "--out", "run", "--objectives", f"{goal},n_members", "--ties", "lowest")
    assert said.status == 0, said.err
    check_run(said.json, path)
    assert call("compare", "run", "--out", "compared", "--quiet").status == 0
    assert sorted(p.name for p in (tmp_path / "compared").iterdir()) == [
        "front.html",
        "front.png",
        "front.svg",
        "report.md",
    ]
