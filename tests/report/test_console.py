"""What is printed of a run: the legend speaks of the columns that are there."""

import pytest

from evo_ensyth.report import console
from evo_ensyth.selection.run import run


@pytest.mark.parametrize(("width", "has_columns"), [(160, True), (60, False)])
def test_the_legend_explains_comparisons_where_there_is_room_for_them(
    make_problem, monkeypatch, capsys, width, has_columns
):
    monkeypatch.setattr(console, "WIDTH", width)
    console.print_run(run(make_problem(), "forward_greedy", n_folds=0), None)
    said = " ".join(capsys.readouterr().out.split())
    assert ("minus best" in said) == has_columns
    assert ("minus: test error minus that of the best k members" in said) == has_columns
    assert ("the whole pool is in report.md" in said) != has_columns
