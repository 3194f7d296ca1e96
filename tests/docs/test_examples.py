"""The examples of the docs, by public names alone, run as printed and show what they say; ``make check`` types them."""

import re
import runpy
from collections.abc import Callable

import pytest
from conftest import ROOT

import evo_ensyth as ee

FOLDER = ROOT / "docs" / "examples"
PROGRAMS = sorted(FOLDER.glob("*.py"))


@pytest.fixture
def names(monkeypatch) -> Callable[[str], dict]:
    """Run an example; gives what it leaves behind, by name."""
    monkeypatch.chdir(ROOT)
    return lambda example: runpy.run_path(str(FOLDER / f"{example}.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_uses_public_names_alone_and_is_on_the_page(path):
    text = path.read_text()
    imported = set(re.findall(r"^(?:from|import) evo_ensyth.*", text, re.MULTILINE))
    assert imported <= {"import evo_ensyth as ee", "from evo_ensyth.sklearn import EnsembleSelector"}
    assert not re.search(r"\._(?!_)", text)
    assert f"{{literalinclude}} examples/{path.name}\n" in (ROOT / "docs" / "examples.md").read_text()


@pytest.mark.slow
def test_a_data_frame(names):
    left = names("data_frame")
    assert (left["labels"] == left["table"]["digit"].head(10)).sum() >= 7
    assert left["best"].error("test") < 0.2


@pytest.mark.slow
def test_a_budget(names):
    left = names("budget")
    assert left["ensemble"].error("test") < left["chosen"].error("test"), "more bytes bring fewer errors"
    for ensemble in (left["chosen"], left["strict"].recommended):
        assert ensemble.costs["bytes"] <= 3e6


@pytest.mark.slow
def test_the_latency_on_two_cores(names):
    left = names("latency")
    ms = [left["pool"].costs["ms"][i] for i in left["fastest"].indices]
    assert sum(ms) / 2 <= left["fastest"].search["two_cores"] <= 0.2


@pytest.mark.slow
def test_backward_elimination(names):
    left = names("backward_elimination")
    assert left["run"].recommended.comparisons["best_k"].interval[1] < 0, "the search beats it on new images"


@pytest.mark.slow
def test_soft_votes(names):
    left = names("soft_votes")
    assert left["low"] <= left["later"] <= left["high"]
    assert {run.vote for run in left["runs"].values()} == {"soft, tempered", "plurality, ties by probabilities"}


@pytest.mark.slow
def test_a_pipeline_of_scikit_learn(names):
    left = names("scikit_learn")
    assert left["search"].score(left["X_test"], left["y_test"]) > 0.9
    assert isinstance(left["chosen"].run_, ee.Run)


@pytest.mark.slow
def test_a_network_of_ones_own(names):
    left = names("own_network")
    assert len(left["pool"]) == 9
    assert (left["labels"] != left["new"][1]).mean() < 0.15


@pytest.mark.slow
def test_one_file_that_votes(names, monkeypatch):
    monkeypatch.setattr("evo_ensyth.deployment.timing.ROUNDS", 3)
    monkeypatch.setattr("evo_ensyth.deployment.timing.LEAST", 1e-6)
    left = names("export")
    assert left["verification"].n_differing == 0
    assert (
        left["label"][0]
        == left["best"].predict({n: left["models"][n].predict_proba(left["X_test"]) for n in left["members"]})[0]
    )


def test_every_example_has_a_test():
    tested = re.findall(r'names\("(\w+)"\)', (ROOT / "tests" / "docs" / "test_examples.py").read_text())
    assert sorted(tested) == [path.stem for path in PROGRAMS]
