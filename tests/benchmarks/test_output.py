"""What benchmarks print and write, and the page made from what they wrote."""

import json
import sys

import figures
import output
import pytest
from conftest import ROOT
from output import Output, Sheet

SHEET = Sheet("Speed", {"how": "", "where": "<", "us": ",.2f"}, [["loop", "here", 1234.5], ["planes", "there", None]])


def test_a_table_is_written_as_markdown():
    assert SHEET.markdown() == (
        "**Speed**\n\n| how | where | us |\n| --- | --- | ---: |\n| loop | here | 1,234.50 |\n| planes | there |  |\n"
    )


def test_a_table_is_printed_with_the_same_cells():
    table = SHEET.rich()
    assert [list(column.cells) for column in table.columns] == [["loop", "planes"], ["here", "there"], ["1,234.50", ""]]
    assert [column.justify for column in table.columns] == ["left", "left", "right"]


def test_a_row_needs_a_value_for_each_column():
    with pytest.raises(ValueError, match="longer"):
        Sheet("Speed", {"how": "", "us": ""}, [["loop"]]).cells()


def test_figures_say_when_where_and_by_which_command(tmp_path, monkeypatch, capsys):
    file = tmp_path / "votes.json"
    monkeypatch.setattr(sys, "argv", ["benchmarks/votes.py", "--json", str(file), "--fast", "2", "--markdown"])
    doc = "How fast\nis it.\n\n    python benchmarks/votes.py\n"
    parser = output.arguments(doc)
    parser.add_argument("--fast", type=int)
    with Output(doc, parser.parse_args()) as out:
        out.note("All agree.")
        out.show(SHEET)
    written = json.loads(file.read_text())
    assert written["command"] == "python benchmarks/votes.py --fast 2"
    assert written["machine"].keys() == {"processor", "cores", "threads", "load"}
    assert {"python", "numpy", "numba"} <= written["versions"].keys()
    assert (written["title"], written["notes"]) == ("How fast is it", ["All agree."])
    assert written["sheets"] == [{"title": "Speed", "columns": dict(SHEET.columns), "rows": SHEET.rows}]
    assert "| loop | here | 1,234.50 |" in capsys.readouterr().out
    page = figures.page(tmp_path)
    assert f"## How fast is it\n\n`python benchmarks/votes.py --fast 2`, {written['date']}; " in page
    assert SHEET.markdown() in page


def test_a_benchmark_that_fails_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks/votes.py", "--json", str(tmp_path / "votes.json")])
    with pytest.raises(SystemExit), Output("How fast.", output.arguments(None).parse_args()):
        sys.exit("they count other errors")
    assert list(tmp_path.iterdir()) == []


SCRIPTS = [path for path in sorted((ROOT / "benchmarks").glob("*.py")) if "python benchmarks/" in path.read_text()]


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.name != "figures.py"], ids=lambda path: path.name)
def test_every_benchmark_takes_json(path):
    """One has a form of its own: `before_after.py`, of two checkouts."""
    text = path.read_text()
    assert path.name == "before_after.py" or ("arguments(__doc__)" in text and "Output(__doc__, " in text)


def test_the_page_of_the_docs_is_what_the_figures_say():
    assert figures.PAGE.read_text() == figures.page(), "run python benchmarks/figures.py"
    for name in figures.ORDER:
        assert (figures.FOLDER / f"{name}.json").exists()
