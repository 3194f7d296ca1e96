"""Every number that ``search --json`` prints, worked out again with numpy alone."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from oracles import dominance, splitting
from oracles import votes as naive
from oracles.losses import smoothed_error
from oracles.vote_rules import plurality_with_ties

RUN_KEYS = [
    "format", "time", "command", "folder", "problem", "vote", "selector", "seed", "budget", "seconds_limit", "patience",
    "interrupted", "interrupted_by", "objectives", "units", "constraints", "reference_point", "n_members", "n_search",
    "n_test", "recommend_by", "recommended_index",
    "estimate", "metrics", "front_members", "recommended", "front", "baselines", "single_best", "whole_pool",
    "lowest_errors", "parent_costs", "fingerprints", "source", "classes", "versions",
]  # fmt: skip
FRONT_KEYS = [
    "selector", "settings", "leading", "n_evaluations", "seconds", "seconds_compiling", "ended_by", "hypervolume",
    "proven_sizes", "ensembles", "history",
]  # fmt: skip
ENSEMBLE_KEYS = [
    "indices", "members", "search", "test", "search_errors", "test_errors", "search_interval", "test_interval",
    "optimism", "intervals", "criterion", "voting", "costs", "discordant", "comparisons", "warnings",
]  # fmt: skip
RUN_FOLDER = ["front.csv", "front.html", "front.png", "front.svg", "history.csv", "report.md", "run.json"]

Splits = dict[str, tuple[np.ndarray, np.ndarray]]


def splits_of(path: Path, *, test_share: float = 0.5, split_seed: int = 0) -> Splits:
    """Labels and truth of each split, by the rules that the documentation gives."""
    with np.load(path) as file:
        arrays = dict(file)
    for key in [key for key in arrays if key.endswith("scores")]:
        arrays.setdefault(key.replace("scores", "labels"), arrays[key].argmax(axis=2))
    if "search_truth" in arrays:
        return {s: (arrays[f"{s}_labels"], arrays[f"{s}_truth"]) for s in ("search", "test") if f"{s}_truth" in arrays}
    test = splitting.stratified(arrays["truth"], test_share, split_seed)
    parts = {"search": np.delete(np.arange(len(arrays["truth"])), test), "test": np.array(test, np.int64)}
    return {s: (arrays["labels"][:, part], arrays["truth"][part]) for s, part in parts.items() if len(part)}


def check_run(run: dict, path: Path, costs: dict[str, np.ndarray] | None = None, **split: float) -> None:
    """Check a run that ``--json`` printed against the file of predictions that was searched.

    ``costs`` holds those of the pool that are among the objectives; ``split`` is how the file was split.
    """
    assert list(run) == RUN_KEYS
    splits = splits_of(path, **split)
    n_classes = max(int(max(labels.max(), truth.max())) for labels, truth in splits.values()) + 1
    assert (run["n_search"], run["n_test"]) == tuple(
        len(splits[name][1]) if name in splits else None for name in ("search", "test")
    )
    for front in (run["front"], *run["baselines"]):
        assert list(front) == FRONT_KEYS
        sizes = [len(ensemble["indices"]) for ensemble in front["ensembles"]]
        assert sizes
        assert sizes == sorted(sizes)
        for ensemble in front["ensembles"]:
            _check_ensemble(run, ensemble, splits, n_classes, costs or {})
    best_first = _best_first(splits)
    assert run["single_best"]["indices"] == best_first[:1].tolist()
    assert run["whole_pool"]["indices"] == list(range(run["n_members"]))
    for reference in ("single_best", "whole_pool"):
        _check_ensemble(run, run[reference], splits, n_classes, costs or {})
    _check_comparisons(run, splits, n_classes, best_first)
    _check_members(run, splits)
    _check_fronts(run)


def area(front: list[list[float]], reference: list[float]) -> float:
    """Area between a front of two objectives and the reference point, strip by strip."""
    best, total, edges = reference[1], 0.0, sorted(dominance.non_dominated(front))
    for (x, y), end in zip(edges, [*[x for x, _ in edges[1:]], reference[0]], strict=True):
        best = min(best, y)
        total += max(0.0, min(end, reference[0]) - x) * (reference[1] - best)
    return total


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _check_members(run: dict, splits: Splits) -> None:
    found = run["front_members"]
    places = found["indices"]
    assert places == sorted({i for ensemble in run["front"]["ensembles"] for i in ensemble["indices"]})
    names = {i: n for one in run["front"]["ensembles"] for i, n in zip(one["indices"], one["members"], strict=True)}
    assert found["names"] == [names[i] for i in places]
    for split in ("search", "test"):
        labels, truth = splits.get(split, (None, None))
        errors = None if labels is None else [int((labels[i] != truth).sum()) for i in places]
        assert found[f"{split}_errors"] == errors
    labels = splits["search"][0]
    assert found["n_differ"] == [
        [int((labels[i] != labels[j]).sum()) for j in places[:k]] for k, i in enumerate(places)
    ]


def _check_ensemble(run: dict, ensemble: dict, splits: Splits, n_classes: int, costs: dict[str, np.ndarray]) -> None:
    assert list(ensemble) == ENSEMBLE_KEYS
    assert ensemble["indices"] == sorted(set(ensemble["indices"]))
    subset = np.isin(np.arange(run["n_members"]), ensemble["indices"])
    assert ("test" in splits) == (ensemble["test"] is not None) == (ensemble["test_errors"] is not None)
    shares = {}
    for split, (labels, truth) in splits.items():
        values = dict(ensemble[split])
        assert list(values) == run["objectives"]
        n_errors = int((predicted(run, subset, labels, splits, n_classes) != truth).sum())
        assert ensemble[f"{split}_errors"] == n_errors
        shares[split] = n_errors / len(truth)
        low, high = ensemble[f"{split}_interval"]
        assert low <= shares[split] <= high
        if "error" in values:
            assert values.pop("error") == pytest.approx(shares[split], abs=1e-12)
        if "smoothed_error" in values:
            expected = smoothed_error(subset, labels, truth, n_classes)
            assert values.pop("smoothed_error") == pytest.approx(expected, abs=1e-6)
        if "n_members" in values:
            assert values.pop("n_members") == len(ensemble["indices"])
        for cost, value in values.items():
            assert value == pytest.approx(costs[cost][subset].sum())
    if "test" in splits:
        assert ensemble["optimism"] == pytest.approx(shares["test"] - shares["search"], abs=1e-12)
    else:
        assert ensemble["optimism"] is ensemble["test_interval"] is None


def _check_comparisons(run: dict, splits: Splits, n_classes: int, best_first: np.ndarray) -> None:
    """Differences from the best k members and from the best one, and which of them are reported."""
    for ensemble in run["front"]["ensembles"]:
        baselines = {"best_k": best_first[: len(ensemble["indices"])], "single_best": best_first[:1]}
        baselines["whole_pool"] = best_first
        others = [name for name, members in baselines.items() if sorted(members.tolist()) != ensemble["indices"]]
        assert list(ensemble["comparisons"]) == list(ensemble["discordant"]) == others
        for name, comparison in ensemble["comparisons"].items():
            subsets = [np.isin(np.arange(run["n_members"]), who) for who in (ensemble["indices"], baselines[name])]
            for split, (labels, truth) in splits.items():
                ours, theirs = (predicted(run, subset, labels, splits, n_classes) != truth for subset in subsets)
                counts = [np.count_nonzero(ours & ~theirs), np.count_nonzero(theirs & ~ours)]
                assert ensemble["discordant"][name][split] == counts
                assert comparison[f"on_{split}"] == pytest.approx((counts[0] - counts[1]) / len(truth), abs=1e-12)
            if "test" in splits:
                assert comparison["interval"][0] <= comparison["on_test"] <= comparison["interval"][1]
                assert 0 < comparison["p_value"] <= comparison["corrected"] <= 1
        codes = [warning["code"] for warning in ensemble["warnings"]]
        assert ("no_test_split" in codes) == ("test" not in splits)
        assert ("single_best_is_all" in codes) == (ensemble["indices"] == best_first[:1].tolist())


def _check_fronts(run: dict) -> None:
    """Nothing is dominated, and hypervolumes are areas."""
    front, goals = run["front"], run["objectives"]
    values = {
        each["selector"]: [[ensemble["search"][goal] for goal in goals] for ensemble in each["ensembles"]]
        for each in (front, *run["baselines"])
    }
    points = values[front["selector"]]
    assert len(dominance.non_dominated(points)) == len(points)
    for other in (point for baseline in run["baselines"] for point in values[baseline["selector"]]):
        assert not any(all(a <= b for a, b in zip(other, p, strict=True)) and other != p for p in points)
    if goals == ["error", "n_members"]:
        for each in (front, *run["baselines"]):
            assert each["hypervolume"] == pytest.approx(area(values[each["selector"]], run["reference_point"]))
    ensembles = front["ensembles"]
    recommended = ensembles[run["recommended_index"]]
    assert run["recommended"] == recommended
    if run["recommend_by"] == "lowest_error":
        assert (recommended["search_errors"], len(recommended["indices"])) == min(
            (ensemble["search_errors"], len(ensemble["indices"])) for ensemble in ensembles
        )


def predicted(run: dict, subset: np.ndarray, labels: np.ndarray, splits: Splits, n_classes: int) -> np.ndarray:
    """Plurality votes by the tie rule that the run names, which is not to be by probabilities."""
    if run["vote"] == "plurality, ties to the lowest class":
        return naive.plurality(subset, labels, n_classes)
    assert run["vote"] == "plurality, ties by log-odds"
    of_search, truth = splits["search"]
    wrong, n, k = (of_search != truth).sum(axis=1), len(truth), len(np.unique(truth))
    odds = [max(0.0, math.log((n - e + 1) / (e + 1) * max(k - 1, 1))) for e in wrong.tolist()]
    largest = max(odds) or 1
    weights = [round(weight / largest * 65_535) for weight in odds]
    return plurality_with_ties(subset, labels, n_classes, weights, [0] * len(odds))


def _best_first(splits: Splits) -> np.ndarray:
    labels, truth = splits["search"]
    return np.argsort([(row != truth).sum() for row in labels], kind="stable")
