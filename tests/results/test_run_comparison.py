"""Several runs side by side, and which of them cannot be."""

from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from evo_ensyth.errors import InputError
from evo_ensyth.results.run_comparison import RunComparison
from evo_ensyth.selection.run import run


@pytest.fixture(scope="module")
def runs(make_problem):
    problem = make_problem()
    return (
        run(problem, "nsga2", baselines=["whole_pool"], budget=400),
        run(problem, "random", baselines=["single_best"], budget=200, seed=2),
        run(problem, "random", budget=200, seed=3),
    )


def test_it_is_a_collection_of_runs(runs):
    comparison = RunComparison(runs)
    assert len(comparison) == 3
    assert tuple(comparison) == runs
    assert comparison.to_dict() == [one.to_dict() for one in runs]


def test_it_is_shown_as_a_table_of_fronts(runs):
    lines = repr(RunComparison(runs)).splitlines()
    assert lines[0].strip() == "drawn: 4 fronts"
    assert max(map(len, lines)) <= 140
    for front, seed in ((runs[0].front, 1), (runs[0].baselines[0], 1), (runs[1].front, 2), (runs[2].front, 3)):
        (cells,) = [
            cells for line in lines
            if (cells := [cell.strip() for cell in line.strip("│").split("│")])[:2] == [front.selector, str(seed)]
        ]  # fmt: skip
        assert cells[2] == str(front.n_evaluations)
        assert cells[4:6] == [f"{front.hypervolume:.6g}", str(len(front))]
    assert "single_best" not in "".join(lines)


def test_all_fronts_are_drawn_on_the_axes_given(runs):
    axes = Figure().subplots()
    assert RunComparison(runs).plot("test", ax=axes) is axes
    labels = {line.get_label() for line in axes.get_lines()}
    assert {"nsga2", "whole_pool", "random, seed 2", "random, seed 3"} <= labels


def test_pictures_and_a_page_are_written_into_a_new_folder(runs, tmp_path):
    folder = RunComparison(runs).save(tmp_path / "compared")
    assert folder == tmp_path / "compared"
    assert sorted(path.name for path in folder.iterdir()) == ["front.html", "front.png", "front.svg", "report.md"]
    assert "| random | 2 |" in (folder / "report.md").read_text()
    with pytest.raises(InputError, match="compared"):
        RunComparison(runs).save(folder)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"problem": "other"}, "problem"),
        ({"fingerprints": {"search": "0" * 64, "test": "0" * 64}}, "fingerprints"),
        ({"objectives": ("n_members", "error")}, "objectives"),
        ({"reference_point": (1.0, 1.0)}, "reference_point"),
    ],
)
def test_runs_of_other_problems_are_not_compared(runs, changes, field):
    with pytest.raises(InputError, match=f"cannot be compared: field '{field}' of their run.json differs"):
        RunComparison((*runs, replace(runs[1], **changes)))


def test_no_run_cannot_be_compared():
    with pytest.raises(InputError, match="there is no run to compare; give at least one"):
        RunComparison(())
