"""An exported ensemble in a browser: the demo page of the docs, by onnxruntime-web in a real Chromium."""

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium

import evo_ensyth as ee
from evo_ensyth.deployment.verify import session_of
from evo_ensyth.synthesis import datasets

DEMO = Path(__file__).parents[2] / "docs" / "demo"
FILES = ("index.html", "digits.css", "digits.js")
pytestmark = pytest.mark.slow


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(stored, tmp_path_factory) -> Path:
    """The page beside an exported ensemble and onnxruntime-web."""
    if not (DEMO / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("onnxruntime-web is not installed: npm install --prefix docs/demo")
    folder = tmp_path_factory.mktemp("demo")
    for name in FILES:
        shutil.copy(DEMO / name, folder)
    (folder / "node_modules").symlink_to(DEMO / "node_modules")
    ee.export(stored.run, folder / "digits.onnx")
    return folder


@pytest.fixture(scope="module")
def browser(folder, tmp_path_factory) -> Iterator[Chromium]:
    """The page in a browser, ready to read digits."""
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.open(f"http://127.0.0.1:{server.server_port}/index.html")
        browser.wait("document.body.dataset.ready == 'yes'")
        yield browser
    finally:
        browser.close()
        server.shutdown()
        server.server_close()


def read(browser: Chromium, images: np.ndarray) -> dict[str, list]:
    """What the page reads on images, uint8 (n, 8, 8)."""
    numbers = json.dumps(images.ravel().tolist())
    return browser.evaluate(f"import('./digits.js').then(page => page.read({numbers}))")


def test_no_label_differs_from_those_of_the_run(browser, stored):
    images = datasets.load("digits").test.images
    run = ee.read_run(stored.run)
    votes = ee.load(stored.pool).test.part(np.array(run.recommended.indices))
    assert read(browser, images)["labels"] == run.recommended.voting.predict(votes).tolist()


def test_a_drawn_digit_is_read_as_what_the_members_see(browser, folder):
    x, y = browser.evaluate("(({x, y}) => [x, y])(document.getElementById('drawing').getBoundingClientRect())")
    browser.drag((x + 140, y + 40), (x + 140, y + 240))
    browser.wait("document.getElementById('answer').textContent.startsWith('This is a ')")
    line = [[[140, 40], [140, 140], [140, 240]]]
    seen = browser.evaluate(f"import('./digits.js').then(page => page.pixels({json.dumps(line)}))")
    image = np.array(seen, np.uint8).reshape(8, 8)
    assert image[:, [0, 1, 2, 5, 6, 7]].sum() == 0, "a line is scaled to the height and drawn in the middle"
    assert (image[1:7, 3] + image[1:7, 4] == 20).all(), "five of the cells in a row of the bitmap are inked"
    session = session_of((folder / "digits.onnx").read_bytes(), "digits.onnx")
    label, share = session.run(["label", "share"], {"input": image[None, None]})
    assert browser.evaluate("document.getElementById('answer').textContent") == f"This is a {label[0]}."
    shown = browser.evaluate("[...document.querySelectorAll('#shares meter')].map(meter => meter.value)")
    np.testing.assert_allclose(shown, share[0], atol=1e-5)
    browser.evaluate("document.getElementById('clear').click()")
    assert browser.evaluate("document.getElementById('answer').textContent") == "Nothing is drawn."


def test_the_page_asks_this_machine_alone_and_complains_of_nothing(browser):
    assert {address.split("/")[2].split(":")[0] for address in browser.requests} == {"127.0.0.1"}
    assert browser.complaints == []
