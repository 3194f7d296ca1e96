"""The page in a real browser: it asks for nothing, complains of nothing, and can be used without a mouse."""

import hashlib
import json
import shutil
import subprocess
import tarfile
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium
from report.renderers.test_page import HOSTILE, crowded, facts

from evo_ensyth.io import StoredPool
from evo_ensyth.pool import Pool
from evo_ensyth.report import pool_page
from evo_ensyth.report.facts import Facts
from evo_ensyth.report.pool_facts import gather_pool
from evo_ensyth.report.renderers.page import render

AXE = "axe-core@4.14.1"  # its licence is the MPL, so it is not among the files of this project
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
DRAWN = "document.body.dataset.drawn == 'yes'"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Chromium(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def shown() -> Facts:
    return facts(goals=("error", "ms", "bytes"))


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """Source of axe-core, which npm fetches."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm here, which fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "pack", "--silent", AXE, "--pack-destination", folder]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip("npm cannot fetch axe-core here")
    (path,) = folder.glob("*.tgz")
    assert b64encode(hashlib.sha512(path.read_bytes()).digest()).decode() == AXE_SHA512
    with tarfile.open(path) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode()


@pytest.fixture
def opened(browser: Chromium, shown: Facts, tmp_path: Path) -> Chromium:
    return shows(browser, shown, tmp_path)


def shows(browser: Chromium, shown: Facts, folder: Path, *, width: int = 1100, colours: str = "light") -> Chromium:
    """The browser with a page, whose charts are drawn."""
    path = folder / "front.html"
    path.write_bytes(render(shown)["front.html"])
    browser.window(width)
    browser.colours(colours)
    browser.open(path.as_uri())
    browser.wait(DRAWN)
    return browser


def rows(browser: Chromium, what: str) -> list[str]:
    """Numbers of the rows of the table that are marked."""
    return browser.evaluate(f"[...document.querySelectorAll('tr.{what}')].map(row => row.dataset.row)")


def test_it_asks_for_nothing_but_itself_and_complains_of_nothing(opened, tmp_path):
    assert opened.requests == [(tmp_path / "front.html").as_uri()]
    assert opened.complaints == []
    assert opened.evaluate("document.querySelectorAll('.chart svg .mark-symbol path').length") > 20
    drawn = "[...document.querySelectorAll('.chart')].map(place => place.querySelectorAll('svg.marks').length)"
    assert opened.evaluate(drawn) == [1, 1, 1]


def test_the_policy_stops_what_is_not_named(opened):
    opened.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.x = 1'}))"
    )
    opened.evaluate("document.body.setAttribute('style', 'color: red')")
    assert opened.evaluate("window.x === undefined && getComputedStyle(document.body).color != 'rgb(255, 0, 0)'")
    assert all("Content Security Policy" in text for text in opened.complaints)
    assert len(opened.complaints) == 2


def test_the_slider_is_moved_by_keys_and_rings_what_it_picks(opened, shown):
    opened.evaluate("document.getElementById('budget').focus()")
    front = shown.main.front
    costs = sorted({ensemble.search["ms"] for ensemble in front})
    opened.press("Home")
    picked = shown.main.pick(at_most={"ms": costs[0]})
    text = opened.evaluate("document.getElementById('picked').textContent")
    assert text.startswith(f"At most {costs[0]:g}: {picked.size} member")
    assert ", ".join(picked.members) in text
    assert (
        opened.evaluate("document.getElementById('budget').getAttribute('aria-valuetext')") == f"at most {costs[0]:g}"
    )
    cheap = [str(row) for row, dear in enumerate(is_dear(opened, costs[0])) if not dear]
    assert set(rows(opened, "over")).isdisjoint(cheap)
    (row,) = rows(opened, "picked")
    assert row in cheap
    # One ring around the recommended ensemble and one around the picked one, on each split.
    assert ring_colours(opened).count("#E69F00") == 2
    opened.press("End")
    assert rows(opened, "over") == []
    assert rows(opened, "picked") != [row]


def is_dear(browser: Chromium, limit: float) -> list[bool]:
    costs = browser.evaluate("[...document.querySelectorAll('tr[data-row]')].map(row => Number(row.dataset.cost))")
    return [cost > limit for cost in costs]


def ring_colours(browser: Chromium) -> list[str]:
    code = "[...document.querySelectorAll('#points .mark-symbol path')].map(ring => ring.getAttribute('stroke'))"
    return browser.evaluate(code)


def test_a_brush_on_one_split_greys_the_others_on_both_and_marks_rows(opened):
    grey = "document.querySelectorAll('#points [class*=points_] path[fill=\"#808080\"]').length"
    assert opened.evaluate(grey) == 0
    places = opened.evaluate(
        "[...document.querySelectorAll('#points path.background')].map(path => path.getBoundingClientRect())"
        ".map(box => [box.left, box.top, box.width, box.height])"
    )
    left, top, width, height = next(box for box in places if 150 < box[3] < 300)  # the first panel
    opened.drag((left + 2, top + 2), (left + width / 2, top + height - 2))
    opened.wait(f"{grey} > 0")
    marked = rows(opened, "brushed")
    assert 0 < len(marked) < len(is_dear(opened, 0))
    n_points = len(is_dear(opened, 0))
    assert opened.evaluate(grey) == 2 * (n_points - len(marked)), "the same ones on both splits"


def test_a_heading_sorts_the_table_by_keys_and_says_so(opened):
    column = "[...document.querySelectorAll('tr[data-row]')].map(row => Number(row.cells[1].textContent))"
    opened.evaluate("document.querySelectorAll('th button')[1].focus()")
    opened.press("Enter")
    assert opened.evaluate(column) == sorted(opened.evaluate(column))
    heading = "document.querySelectorAll('th')[1].getAttribute('aria-sort')"
    assert opened.evaluate(heading) == "ascending"
    opened.press("Enter")
    assert opened.evaluate(column) == sorted(opened.evaluate(column), reverse=True)
    assert opened.evaluate(heading) == "descending"
    assert opened.evaluate("document.querySelectorAll('[aria-sort]').length") == 1


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_nothing_is_wider_than_the_window(browser, shown, tmp_path, width):
    shows(browser, shown, tmp_path, width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    boxes = "[...document.querySelectorAll('.chart')].map(place => place.scrollWidth - place.clientWidth)"
    assert browser.evaluate(boxes) == [0, 0, 0], "charts fit, and need not be scrolled"


def test_no_name_runs_or_leaves_its_place(browser, tmp_path):
    shows(browser, facts(HOSTILE, name=HOSTILE[0]), tmp_path)
    assert browser.complaints == []
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert browser.evaluate("document.querySelectorAll('script').length") == 4  # Vega-Lite is the fourth
    assert browser.evaluate("document.title").startswith(HOSTILE[0])


def test_without_scripts_the_page_can_be_read(browser, shown, tmp_path):
    path = tmp_path / "front.html"
    path.write_bytes(render(shown)["front.html"])
    browser.scripts(on=False)
    try:
        browser.open(path.as_uri())
        assert browser.complaints == []
        text = browser.evaluate("document.body.innerText")
        assert "Scripts are off" in text
        assert "Expect an error of" in text
        assert browser.evaluate("document.querySelectorAll('tr[data-row]').length") > 3
        assert not browser.evaluate("document.getElementById('budget').checkVisibility()")
    finally:
        browser.scripts(on=True)


def test_in_the_dark_the_page_and_its_charts_are_dark(browser, shown, tmp_path):
    shows(browser, shown, tmp_path, colours="dark")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    label = "document.querySelector('#points .role-axis-label text').getAttribute('fill')"
    assert browser.evaluate(label) == "#e6e8eb"
    browser.colours("light")
    browser.wait(f"{label} == '#1b1e23'")
    assert browser.complaints == []


def test_the_page_of_a_pool_is_drawn(browser, tmp_path):
    rng = np.random.default_rng(0)
    pool = Pool.from_predictions(rng.integers(0, 3, (6, 50)), rng.integers(0, 3, 50), names=HOSTILE)
    path = tmp_path / "pool.html"
    path.write_bytes(pool_page.render(gather_pool(StoredPool(tmp_path, "<b>", pool, {}, ((),) * 6)))["pool.html"])
    browser.window(360)
    browser.open(path.as_uri())
    browser.wait(DRAWN)
    assert browser.requests == [path.as_uri()]
    assert browser.complaints == []
    assert browser.evaluate("document.querySelectorAll('.chart svg.marks').length") == 2
    assert browser.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.slow
def test_ten_thousand_ensembles_are_painted_within_two_seconds(browser, shown, tmp_path):
    shows(browser, crowded(facts(), 10_000), tmp_path)
    paints = browser.evaluate("performance.getEntriesByType('paint').map(entry => entry.startTime)")
    assert 0 < max(paints) < 2_000
    assert browser.complaints == []
    assert browser.evaluate("document.querySelectorAll('#points canvas').length") == 1


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, shown, axe, tmp_path, colours):
    shows(browser, shown, tmp_path, colours=colours)
    browser.evaluate(f"{axe}; undefined")
    found = json.loads(browser.evaluate("axe.run().then(found => JSON.stringify(found.violations))"))
    assert [(one["id"], one["impact"], [node["html"] for node in one["nodes"]]) for one in found] == []
