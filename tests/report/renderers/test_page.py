"""The page is one file that asks for nothing, lets nothing run that is not its own, and has every number in a table."""

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest

from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.report.charts.front_rows import ordered
from evo_ensyth.report.facts import Facts, gather
from evo_ensyth.report.renderers.page import MOST_ROWS, render
from evo_ensyth.report.verdict import verdict
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run

HOSTILE = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<!--", "a & b", "'x'", "\x1b[31m")


def facts(
    names=("ant", "bee", "cow", "dog", "eel"), goals=("error", "ms"), *, test=True, name="hand", **options
) -> Facts:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    labels = np.where(rng.random((len(names), 60)) < 0.7, truth, 1 - truth)
    costs = {"ms": 1.5 * np.arange(1, len(names) + 1), "bytes": 10 * np.arange(len(names), 0, -1)}
    held_out = Votes(labels[:, ::-1], truth[::-1], 2, "test") if test else None
    pool = Pool(Members(tuple(names), costs=costs), Votes(labels, truth, 2, "search"), held_out, name=name)
    return gather([run(Problem(pool, goals), "nsga2", **{"baselines": ["backward_elimination"], **options})])


@pytest.fixture(scope="module")
def shown() -> Facts:
    return facts()


class Page(HTMLParser):
    """What a page consists of: tags, attributes, texts of scripts and styles, and rows of tables."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "p": [], "title": [], "h1": []}
        self.tables: list[list[list[str]]] = []
        self.feed(content.decode())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in self.inside:
            self.inside[tag].append("")
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, text):
        for tag in self.open[-1:]:
            if tag in self.inside:
                self.inside[tag][-1] += text
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += text

    def element(self, name: str) -> str:
        """Text of the script that has an id."""
        scripts = [about for tag, about in self.tags if tag == "script"]
        return self.inside["script"][[about.get("id") for about in scripts].index(name)]

    @property
    def facts(self) -> dict:
        return json.loads(self.element("facts"))

    def points(self, name: str = "points") -> list[dict]:
        """Rows of some data of the charts."""
        data = self.facts["data"][name]
        return [dict(zip(data["fields"], row, strict=True)) for row in data["rows"]]


def page(shown: Facts) -> Page:
    return Page(render(shown)["front.html"])


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_is_one_file_that_asks_for_nothing(shown):
    content = render(shown)["front.html"]
    assert len(content) < 600_000
    loading = {"src", "href", "action", "data", "poster", "srcset", "background", "ping", "formaction"}
    assert not [(tag, about) for tag, about in Page(content).tags if loading & set(about)]
    assert not [tag for tag, _ in Page(content).tags if tag in ("link", "iframe", "img", "object", "embed", "base")]
    assert "url(" not in Page(content).inside["style"][0]
    assert "@import" not in Page(content).inside["style"][0]


def test_only_what_the_policy_names_by_its_hash_may_run(shown):
    found = page(shown)
    (policy,) = (about["content"] for tag, about in found.tags if about.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    packed = base64.b64decode(found.element("vega"))
    scripts = {digest(found.inside["script"][-1]), digest(gzip.decompress(packed).decode())}
    assert set(re.findall("'sha256-([^']+)'", rules["script-src"])) == scripts
    assert rules["style-src"] == f"'sha256-{digest(found.inside['style'][0])}'"
    assert not [about for _, about in found.tags if "style" in about or any(name.startswith("on") for name in about)]


def test_vega_is_what_was_fetched_and_its_licences_are_there(shown):
    import fetch_vega

    scripts = gzip.decompress((files("evo_ensyth.report.web") / "vega.js.gz").read_bytes()).decode()
    licences = (files("evo_ensyth.report.web") / "LICENSES.txt").read_text()
    for package in (*fetch_vega.SCRIPTS, *fetch_vega.CONTAINED):
        name, _, version = package.rpartition("@")
        assert f"{package}" in licences
        if package in fetch_vega.SCRIPTS:
            assert f'"{version}"' in scripts, f"the scripts are not those of {name} {version}"
    assert "Redistribution and use in source and binary forms" in render(shown)["front.html"].decode()


def test_the_verdict_comes_first(shown):
    found = page(shown)
    assert found.inside["h1"] == ["hand: nsga2, seed 1; vote: plurality, ties by log-odds; minimised: error, ms"]
    assert found.inside["p"][:3] == list(verdict(shown.main))


def test_every_number_that_is_drawn_is_in_the_table(shown):
    found = page(shown)
    heading, *rows = found.tables[0]
    cells = [dict(zip(heading, row, strict=True)) for row in rows]
    points, intervals = found.points(), found.points("intervals")
    assert len(points) == len(cells) == len(ordered(shown))
    for point, cell, (line, ensemble) in zip(points, cells, ordered(shown), strict=True):
        assert point["row"] == points.index(point)
        assert point["cost"] == ensemble.search["ms"] == float(cell["ms"])
        assert cell["members"].split(",")[0] == str(point["size"]) == str(ensemble.size)
        for split in ("search", "test"):
            assert point[split] == round(100 * ensemble.error(split), 3)
            assert cell[f"{split} error, %"] == f"{100 * ensemble.error(split):.2f}"
        low, high = ensemble.interval("test")
        assert cell["95 % interval"] == f"{100 * low:.2f} to {100 * high:.2f}"
        assert cell["names of the members"] == ", ".join(ensemble.members)
        assert cell["found by"] == point["front"] == line.label
        if line is shown.lines[0]:
            assert (round(100 * low, 3), round(100 * high, 3)) in [(one["low"], one["high"]) for one in intervals]
            assert cell["members"].endswith(", recommended") == (ensemble is shown.main.recommended)
            assert "p " in cell["minus whole pool on the test split"] or ensemble.size == 5


def test_the_members_of_the_front_are_in_tables_alone_and_in_pairs(shown):
    found = page(shown)
    members = shown.main.front_members
    shares = members.disagreement(shown.main.n_search)
    _, alone, (names, *pairs), _ = found.tables
    assert names[1:] == list(members.names)
    assert [row[1:] for row in pairs] == [[f"{100 * share:.2f}" for share in row] for row in shares.tolist()]
    assert len(found.points("disagreement")) == len(members) ** 2
    for i, cells in enumerate(alone[1:]):
        cell = dict(zip(alone[0], cells, strict=True))
        assert cell["member"].removesuffix(", recommended") == members.names[i]
        assert cell["member"].endswith("recommended") == (members.indices[i] in shown.main.recommended.indices)
        assert cell["test error, %"] == f"{members.test_errors[i] / 0.6:.2f}"
        assert float(cell["ms"]) == members.costs["ms"][i]
        assert cell["disagrees, %"] == f"{100 * shares[i].sum() / (len(members) - 1):.2f}"


def test_the_slider_stops_at_each_cost_and_picks_what_the_run_picks(shown):
    found = page(shown)
    front, stops = shown.main.front, found.facts["stops"]
    assert [stop["limit"] for stop in stops] == sorted({ensemble.search["ms"] for ensemble in front})
    points = found.points()
    for stop in stops:
        picked = shown.main.pick(at_most={"ms": stop["limit"]})
        assert points[stop["row"]]["members"] == ", ".join(picked.members)
        words = found.facts["picks"][str(stop["row"])]
        assert ", ".join(picked.members) in words
        assert f"{100 * picked.error('test'):.2f} %" in words
    (slider,) = (about for tag, about in found.tags if tag == "input")
    assert int(slider["max"]) == len(stops) - 1


def test_more_than_two_objectives_are_drawn_side_by_side():
    found = page(facts(goals=("error", "ms", "bytes")))
    assert len(found.facts["specs"]["points"]["vconcat"]) == 2
    rows = found.points("parallel")
    labels = list(dict.fromkeys(row["objective"] for row in rows))
    assert [label.split("\n")[0] for label in labels] == ["error", "ms", "bytes"]
    for label in labels:
        scaled = [row["scaled"] for row in rows if row["objective"] == label]
        assert (min(scaled), max(scaled)) == (0, 1)
    assert len(page(facts()).facts["specs"]["points"]["vconcat"]) == 1


def test_no_name_leaves_its_place():
    shown = facts(HOSTILE, name=HOSTILE[0], goals=("error", "ms"))
    found = page(shown)
    plain = page(facts(("a", "b", "c", "d", "e", "f")))
    assert [tag for tag, _ in found.tags if tag != "tr"].count("script") == 3
    assert {tag for tag, _ in found.tags} == {tag for tag, _ in plain.tags}
    named = found.tables[0][1][-1].split(", ")
    assert set(named) <= {name.replace("\x1b", "\\x1b") for name in HOSTILE}
    assert found.inside["h1"][0].startswith(HOSTILE[0])


def test_of_very_many_ensembles_the_table_has_some_and_the_page_stays_small(shown):
    content = render(crowded(shown, 10_000))["front.html"]
    assert len(content) < 1_000_000
    found = Page(content)
    assert len(found.points()) > 10_000
    assert MOST_ROWS - 5 < len(found.tables[0]) - 1 <= MOST_ROWS
    assert sum(", recommended" in row[0] for row in found.tables[0]) == 1
    assert "front.csv has all of them" in content.decode()


def test_of_very_many_ensembles_a_comparison_says_whose_tables_have_all(shown):
    many = crowded(shown, MOST_ROWS).main
    content = render(gather([many, replace(many, seed=2)]))["front.html"].decode()
    assert "front.csv of each run has all of its own" in content
    assert "front.csv has all of them" not in content, "a comparison writes none"


def crowded(shown: Facts, n: int) -> Facts:
    """A run with so many ensembles on its front."""
    found = shown.main
    ensembles = tuple(
        replace(
            found.front[i % len(found.front)],
            search={"error": (n - i) / n / 2, "ms": 1.0 + i}, test={"error": 0.25, "ms": 1.0 + i},
            search_errors=31 - i * 30 // n, test_errors=10 + i % 20, criterion=(n - i) / n,
            discordant={},  # comparing so many takes seconds
        )
        for i in range(n)
    )  # fmt: skip
    return gather([replace(found, front=replace(found.front, ensembles=ensembles), recommended_index=n // 3)])


def test_without_a_test_split_nothing_of_one_is_shown():
    found = page(facts(test=False, n_folds=0))
    assert [panel["name"] for panel in found.facts["specs"]["points"]["vconcat"][0]["concat"]] == ["search"]
    assert not [heading for heading in found.tables[0][0] if heading.startswith(("test error", "95 %"))]


def test_several_runs_are_in_one_page(shown):
    other = run(Problem(Pool.from_predictions(np.zeros((2, 4), int), np.zeros(4, int))), "single_best", baselines=())
    assert "found by" not in page(gather([other])).tables[0][0], "one front needs no column"
    several = gather([shown.main, replace(shown.main, seed=2)])
    found = page(several)
    assert found.inside["h1"] == ["hand: runs compared"]
    assert {point["front"] for point in found.points()} == {line.label for line in several.lines}
    assert [row[0] for row in found.tables[-1][1:]] == [line.front.selector for line in several.lines]
