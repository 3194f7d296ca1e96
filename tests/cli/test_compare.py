"""``compare``: runs of one problem side by side, and which runs cannot be compared."""

import json

from cli.by_hand import RUN_KEYS
from evo_ensyth.files import read_json, sealed, unsealed


def test_runs_of_one_problem_are_compared(call, npz, arrays, tmp_path):
    path = npz(arrays)
    for seed, selector in ((1, "nsga2"), (2, "random"), (3, "random")):
        call("search", path, "--selector", selector, "--seed", seed, "--out", f"run{seed}", "--budget", 100)
    said = call("compare", "run1", "run2", "run3", "--out", "both")
    assert said.status == 0
    assert "votes: 4 fronts" in said.out
    assert "written to both: front.html, front.png, front.svg, report.md" in said.out
    page = (tmp_path / "both" / "report.md").read_text()
    for text in ("| nsga2 | 1 |", "| random | 2 |", "| random | 3 |", "| backward_elimination | 1 |"):
        assert text in page
    several = call("compare", "run1", "run2", "--json").json
    assert [list(run) for run in several] == [RUN_KEYS, RUN_KEYS]
    assert [sealed(run) for run in several] == [read_json(tmp_path / name / "run.json") for name in ("run1", "run2")]


def test_each_comparison_has_a_folder_of_its_own(call, npz, arrays, tmp_path):
    call("search", npz(arrays), "--out", "run")
    for folder in ("runs/votes/comparison", "runs/votes/comparison.2"):
        said = call("compare", "run", "--quiet")
        assert (said.status, said.out, said.err) == (0, f"{folder}\n", "")
        assert sorted(p.name for p in (tmp_path / folder).iterdir()) == [
            "front.html",
            "front.png",
            "front.svg",
            "report.md",
        ]


def test_runs_that_cannot_be_compared_are_refused(refused, call, npz, arrays, tmp_path):
    call("search", npz(arrays), "--out", "one")
    other = {**arrays, "search_truth": (arrays["search_truth"] + 1) % 3}
    call("search", npz(other), "--out", "two")
    call("search", npz(arrays), "--out", "three", "--objectives", "error,latency")
    assert "field 'fingerprints' of their run.json differs" in refused("compare", "one", "two")
    assert "field 'objectives'" in refused("compare", "one", "three")
    assert "nowhere/run.json does not exist" in refused("compare", "nowhere")
    assert "one exists already" in refused("compare", "one", "--out", "one")
    assert "RUN..." in refused("compare")
    (tmp_path / "two" / "run.json").write_text("{}")
    assert "two/run.json: field 'format' is None; this version reads 1, 2, 3, 4" in refused("compare", "two")
    record = unsealed("one", read_json(tmp_path / "one" / "run.json"))
    (tmp_path / "two" / "run.json").write_text(json.dumps({**record, "problem": "../../elsewhere"}))
    assert "'../../elsewhere' has no folder under runs" in refused("compare", "two")
