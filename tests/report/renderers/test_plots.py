"""Pictures: what is drawn are the facts, and no name can spoil them."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from oracles import dominance

from evo_ensyth.objectives import Objective
from evo_ensyth.objectives.error import error
from evo_ensyth.objectives.n_members import n_members
from evo_ensyth.objectives.smoothed_error import smoothed_error
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.report import write_report
from evo_ensyth.report.facts import Facts, gather
from evo_ensyth.report.renderers.plots import draw_front, plot_fronts, render
from evo_ensyth.report.verdict import verdict
from evo_ensyth.results.comparison import Discordant
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run


def facts(
    name: str = "hand", *, n: int = 5, goals: tuple[Objective, ...] = (error, n_members), test: bool = True, **options
) -> Facts:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    labels = np.where(rng.random((n, 60)) < 0.7, truth, 1 - truth)
    members = Members(tuple(f"m{i}" for i in range(n)))
    held_out = Votes(labels[:, ::-1], truth[::-1], 2, "test") if test else None
    problem = Problem(Pool(members, Votes(labels, truth, 2, "search"), held_out, name=name), goals)
    return gather([run(problem, "nsga2", **{"baselines": ["backward_elimination"], **options})])


def cost(name: str, unit: str = "", scale: float = 1.0) -> Objective:
    return Objective(name, lambda ensembles: ensembles.sizes * scale, unit)


@pytest.mark.parametrize("split", ["search", "test"])
def test_the_points_drawn_are_those_of_the_front(split):
    shown = facts()
    axes = draw_front(shown, split, ax=Figure().subplots())
    lines = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    for line in shown.lines:
        values = line.values(split)  # error, n_members
        expected = sorted((size, 100 * share) for share, size in values.tolist())
        np.testing.assert_allclose(lines[line.label], expected)
    assert list(shown.references) == ["best single member", "whole pool"]
    for label, ensemble in shown.references.items():
        np.testing.assert_allclose(lines[label], [(ensemble.size, 100 * ensemble.error(split))])
    recommended = shown.main.recommended
    np.testing.assert_allclose(lines["recommended"], [(recommended.size, 100 * recommended.error(split))])
    assert axes.get_xlabel() == "members"


def test_the_test_panel_shows_the_interval_of_each_ensemble():
    shown = facts()
    axes = draw_front(shown, "test", ax=Figure().subplots())
    drawn = {tuple(line.get_ydata()) for line in axes.get_lines() if len(line.get_xdata()) == 2 and line.get_alpha()}
    expected = {tuple(100 * x for x in ensemble.interval()) for ensemble in shown.main.front}
    assert drawn == expected


def test_only_points_that_no_other_beats_are_joined_by_a_line():
    shown = facts()
    axes = draw_front(shown, "test", ax=Figure().subplots())
    (joined,) = (line.get_xydata() for line in axes.get_lines() if line.get_linewidth() == 1.8)
    points = [(ensemble.size, 100 * ensemble.error("test")) for ensemble in shown.main.front]
    np.testing.assert_allclose(joined, dominance.non_dominated(points))


def test_the_verdict_the_rivals_and_the_estimate_are_in_the_picture():
    shown = facts(goals=(smoothed_error, n_members), n=7)
    explained = texts(render(shown)["front.svg"])
    assert "nested estimate, 95 % interval" in explained
    for text in ("what led the search", "error on the search split", "error on the test split", "recommended"):
        assert text in explained
    for sentence in verdict(shown.main)[1:]:
        assert sentence in explained


def test_names_of_points_stay_inside_their_panel():
    """`recommended, the best 4 members` lay over the axis where its point was left of the middle."""
    found = facts(n=9).main
    for index in range(len(found.front)):
        figure = Figure(figsize=(4.3, 4.4))
        axes = plot_fronts([replace(found, recommended_index=index)], "test", figure.subplots())
        FigureCanvasAgg(figure).draw()
        inside = axes.get_window_extent()
        for name in axes.texts:
            box = Text.get_window_extent(name)  # without its line to the point
            assert inside.x0 <= box.x0
            assert box.x1 <= inside.x1
            assert inside.y0 <= box.y0
            assert box.y1 <= inside.y1 + 1


@pytest.mark.parametrize("proven", [True, False])
def test_proven_sizes_have_a_mark_that_the_picture_explains(proven):
    found = facts().main
    sizes = [ensemble.size for ensemble in found.front] if proven else []
    shown = gather([replace(found, front=replace(found.front, proven_sizes=tuple(sizes)))])
    axes = draw_front(shown, "search", ax=Figure().subplots())
    marked = [
        line.get_xdata().tolist() for line in axes.get_lines() if line.get_label() == "proven on the search split"
    ]
    assert marked == ([sizes] if proven else [])
    explained = texts(render(shown)["front.svg"])
    assert explained.count("proven on the search split") == proven
    assert explained.count("95 % interval") >= 1


def test_the_parent_is_a_line_where_its_answers_are_known():
    shown = facts()
    assert shown.parent == {}
    found = shown.main
    first, *others = found.front
    discordant = {**first.discordant, "parent": Discordant((first.search_errors, 3), (first.test_errors, 9))}
    ensembles = (replace(first, discordant=discordant), *others)
    shown = gather([replace(found, front=replace(found.front, ensembles=ensembles))])
    for split, height in (("search", 5.0), ("test", 15.0)):  # 3 and 9 of 60
        axes = draw_front(shown, split, ax=Figure().subplots())
        (line,) = (line for line in axes.get_lines() if line.get_label() == "parent")
        np.testing.assert_allclose(line.get_ydata(), height)


def test_both_pictures_are_whole_and_come_out_the_same_twice():
    first, second = render(facts()), render(facts())
    assert first == second
    assert sorted(first) == ["front.png", "front.svg"]
    assert first["front.svg"].startswith(b"<?xml")
    assert first["front.png"].startswith(b"\x89PNG\r\n\x1a\n")
    assert first["front.png"].endswith(b"IEND\xaeB`\x82")


def texts(svg: bytes) -> str:
    return " ".join("".join(ElementTree.fromstring(svg).itertext()).split())  # noqa: S314 - our own file


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("$x_{1}$ and $", "$x_{1}$ and $"),
        (r"\$a\$ \frac{", r"\$a\$ \frac{"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("模型 🦀 \u0378", "模型 🦀 \\u0378"),
        ("\x1b[31m\x00\n\udcff", "\\x1b[31m\\x00 \\udcff"),
        ("x" * 5000, "x" * 57 + "..."),
        ("العربية", "العربية"),
    ],
)
def test_a_name_is_drawn_as_it_is_and_without_a_warning(name, shown):
    """The font lacks some of these characters; matplotlib would complain of it to the user."""
    drawn = texts(render(facts(name, goals=(error, cost(name, name)), test=False, n=3))["front.svg"])
    assert f"{shown}: which few of 3 members should vote?" in drawn
    assert f"{shown}, {shown}" in drawn


def test_a_readers_own_style_does_not_break_the_picture():
    with mpl.rc_context({"text.usetex": True, "text.parse_math": True}):
        files = render(facts("$x$"))
    assert "$x$: which few" in texts(files["front.svg"])


@pytest.mark.parametrize(
    "options",
    [
        {"n": 1},
        {"n": 2, "test": False},
        {"n": 14, "budget": 150},  # sizes on a logarithmic axis
        {"goals": (error,)},
        {"goals": (n_members, cost("ms", "ms"))},
        {"goals": (error, n_members, cost("big", "bytes", 1e18))},
        {"goals": (error, cost("tiny", "s", 1e-12))},
        {"goals": (error, cost("below", "", -1e6))},
        {"goals": (error, cost("nothing", "", 0.0))},
        {"goals": (error, cost("most", "", 1e70))},
        {"baselines": []},
    ],
)
def test_any_run_can_be_drawn_and_written_down(tmp_path, options):
    write_report([facts(**options).main], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["front.html", "front.png", "front.svg", "report.md"]
    assert "None" not in texts((tmp_path / "front.svg").read_bytes())
