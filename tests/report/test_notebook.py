"""What notebooks show: a chart with its data inside, a table below 20 kB, and text, by media type."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from evo_ensyth.pool import Pool
from evo_ensyth.report.notebook import VEGA_LITE, display
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run

HOSTILE = ["</script><b>", '"><img src=x>', "\x1b[31m", "&" * 5_000, "'", "模型"]


def pool(names=("a", "b", "c", "d", "e", "f"), n_copies=1, costs=True) -> Pool:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (len(names) * n_copies, 50))
    every = [f"{name}{i or ''}" for i in range(n_copies) for name in names]
    given = {f"cost {name}": rng.random(len(every)) for name in names} if costs else {}
    truth = rng.integers(0, 3, 50)
    return Pool.from_predictions(labels, truth, test=(labels[:, ::-1], truth), names=every, costs=given)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)


@pytest.fixture(scope="module", params=["plain", "hostile"])
def shown(request):
    names = HOSTILE if request.param == "hostile" else ["a", "b", "c", "d", "e", "f"]
    found = run(Problem(pool(names), ("error", "n_members")), "nsga2")
    return {"run": found, "front": found.front, "pool": pool(names)}


@pytest.mark.parametrize("kind", ["run", "front", "pool"])
def test_each_form_is_there_and_small(shown, kind):
    bundle = shown[kind]._repr_mimebundle_()
    assert set(bundle) == {VEGA_LITE, "text/html", "text/plain"}
    assert bundle["text/plain"] == repr(shown[kind])
    assert len(bundle["text/html"]) < 20_000
    assert Tags(bundle["text/html"]).tags <= {"p", "table", "caption", "tr", "th", "td", "b"}
    spec = json.loads(json.dumps(bundle[VEGA_LITE], allow_nan=False))
    assert len(json.dumps(spec)) < 50_000
    assert spec["datasets"]["points"]


def test_the_points_of_a_front_are_its_errors(shown):
    front = shown["front"]
    points = front._repr_mimebundle_()[VEGA_LITE]["datasets"]["points"]
    expected = [(one.size, split, round(100 * one.error(split), 3)) for one in front for split in ("search", "test")]
    assert [(point["size"], point["split"], point["error"]) for point in points] == expected


def test_the_points_of_a_pool_are_its_members(shown):
    votes = shown["pool"].search
    points = shown["pool"]._repr_mimebundle_()[VEGA_LITE]["datasets"]["points"]
    found = sorted(point["error"] for point in points if point["split"] == "search")
    assert found == sorted(round(2 * float(count), 3) for count in votes.member_errors)


def test_large_ones_stay_small(shown):
    crowd = pool(n_copies=300, costs=False)._repr_mimebundle_()
    assert len(crowd["text/html"]) < 20_000
    assert len(json.dumps(crowd[VEGA_LITE])) < 200_000
    front = replace(shown["front"], ensembles=shown["front"].ensembles * 2_000)
    assert len(json.dumps(front._repr_mimebundle_()[VEGA_LITE])) < 500_000


@pytest.fixture
def notebook():
    """A shell of IPython, as a kernel has one; outputs are captured."""
    shells = pytest.importorskip("IPython.core.interactiveshell", reason="IPython is not installed")
    from IPython.utils.capture import capture_output

    shell = shells.InteractiveShell.instance()
    with capture_output() as captured:
        yield shell, captured
    shells.InteractiveShell.clear_instance()


@pytest.mark.parametrize("kind", ["run", "front", "pool"])
def test_the_chart_is_an_output_of_its_own(shown, kind, notebook):
    # JupyterLab draws the table of an output that has both.
    shell, captured = notebook
    bundle = shown[kind]._repr_mimebundle_()
    assert shell.display_formatter.format(shown[kind]) == ({}, {})
    chart, table = (output.data for output in captured.outputs)
    assert chart == {kind: bundle[kind] for kind in (VEGA_LITE, "text/plain")}
    assert table == {"text/html": bundle["text/html"]}


def test_without_a_chart_there_is_one_output(notebook):
    display({"text/html": "<p>", "text/plain": "."})
    assert [output.data for output in notebook[1].outputs] == [{"text/html": "<p>", "text/plain": "."}]
