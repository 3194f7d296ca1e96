"""The notebook of the docs, by public names alone, runs as printed; ``make check`` types it strictly."""

import runpy

from conftest import ROOT

from evo_ensyth import Ensemble, Pool, Run


def test_the_example_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    names = runpy.run_path(str(ROOT / "docs" / "example.py"))
    assert isinstance(names["run"], Run)
    assert isinstance(names["best"], Ensemble)
    assert isinstance(names["mine"], Pool)
    assert len(names["small"]) == 3
    printed = capsys.readouterr().out
    assert printed.startswith("<Run of predictions: nsga2, seed 1")
    assert "local_search" in printed


def test_it_uses_public_names_alone():
    text = (ROOT / "docs" / "example.py").read_text()
    assert [line for line in text.splitlines() if "import" in line and "evo_ensyth" in line] == [
        "import evo_ensyth as ee"
    ]
    assert "._" not in text
