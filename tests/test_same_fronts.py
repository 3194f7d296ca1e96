"""The same seed, selector and objectives give the fronts that they gave before the package became a library.

``fixtures/fronts`` holds the ``front.csv`` of five searches by version e3b60d2, the last one before the redesign. The
name of one column has changed since: "chosen" is now "recommended". All rows are compared byte for byte. The drawn
pools are stored as version e3b60d2 split them; files without splits are now stratified.
"""

from pathlib import Path

import pytest

from evo_ensyth import api
from evo_ensyth.results.run import Run
from evo_ensyth.selection.selectors.exact.exact import Exact

ROOT = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures" / "fronts"
ENSYTH = ROOT / "runs" / "reference" / "fashion_mnist" / "predictions.npz"
MIXED = ROOT / "runs" / "reference" / "fashion_mnist_mixed" / "predictions.npz"
DRAWN = FIXTURES / "drawn.npz"
DRAWN_FOR_SOFT = FIXTURES / "drawn_for_soft.npz"


def default() -> Run:
    return api.search(ENSYTH, budget=20_000, seed=1)


def three_objectives() -> Run:
    return api.search(
        MIXED,
        ["error", "n_members", "bytes"],
        selector="nsga3",
        baselines=["forward_greedy"],
        members=["*net_trim*", "*magnitude*"],
        budget=6_000,
        seed=2,
    )


def constrained() -> Run:
    limits = {"at_most": {"ms": 1.5}, "at_least": {"accuracy": 0.4}}
    return api.search(DRAWN, selector="genetic", baselines=["random"], budget=3_000, seed=3, **limits)


def soft() -> Run:
    return api.search(DRAWN_FOR_SOFT, ["soft_error", "ms", "worst_group_error"], budget=4_000, seed=4)


def exact() -> Run:
    return api.search(ENSYTH, selector=Exact(max_size=4), baselines=["caruana", "local_search"], seed=5)


@pytest.mark.parametrize("search", [default, three_objectives, constrained, soft, exact])
def test_the_front_has_the_bytes_it_had_before_the_redesign(search, tmp_path):
    folder = search().save(tmp_path / "run")
    expected = (FIXTURES / f"{search.__name__}.csv").read_bytes()
    found = (folder / "front.csv").read_bytes()
    assert found.partition(b"\n")[0] == expected.partition(b"\n")[0].replace(b",chosen,", b",recommended,")
    assert found.partition(b"\n")[2] == expected.partition(b"\n")[2]
