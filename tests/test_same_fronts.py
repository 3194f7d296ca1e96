"""The same seed, selector and objectives give the ensembles that they gave before.

``fixtures/fronts`` holds the ``front.csv`` of five searches by version e3b60d2. The main front of each is compared:
members, errors on both splits and their intervals. That version gave ties to the lowest class, and its default search
minimised ``shrunk_error`` where it showed the error. The drawn pools are stored as it split them; files without splits
are now stratified. Of pools with groups the intervals are left out: groups have become their units.
"""

import csv
from pathlib import Path

import pytest

from evo_ensyth import api
from evo_ensyth.results.run import Run
from evo_ensyth.selection.selectors.exact.exact import Exact
from evo_ensyth.voting import Plurality

ROOT = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures" / "fronts"
ENSYTH = ROOT / "runs" / "reference" / "fashion_mnist" / "predictions.npz"
MIXED = ROOT / "runs" / "reference" / "fashion_mnist_mixed" / "predictions.npz"
DRAWN = FIXTURES / "drawn.npz"
DRAWN_FOR_SOFT = FIXTURES / "drawn_for_soft.npz"


COLUMNS = ("selector", "size", "search_error", "test_error", "indices")
INTERVALS = ("test_low", "test_high")


def search(pool, *objectives, **options) -> Run:
    return api.search(pool, *objectives, vote=Plurality(ties="lowest"), n_folds=0, **options)


def default() -> Run:
    return search(ENSYTH, ["shrunk_error", "n_members"], budget=20_000, seed=1)


def three_objectives() -> Run:
    return search(
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
    return search(
        DRAWN, ["error", "n_members"], selector="genetic", baselines=["random"], budget=3_000, seed=3, **limits
    )


def soft() -> Run:
    return search(DRAWN_FOR_SOFT, ["soft_error", "ms", "worst_group_error"], budget=4_000, seed=4)


def exact() -> Run:
    return search(ENSYTH, selector=Exact(max_size=4), baselines=["caruana", "local_search"], seed=5)


@pytest.mark.parametrize("make", [default, three_objectives, constrained, soft, exact])
def test_the_front_is_the_one_that_an_earlier_version_found(make, tmp_path):
    run = make()
    columns = COLUMNS if run.recommended.intervals else COLUMNS + INTERVALS
    found = rows(run.save(tmp_path / "run") / "front.csv", columns)
    assert found == rows(FIXTURES / f"{make.__name__}.csv", columns)


def rows(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    with path.open(newline="") as file:
        everything = list(csv.DictReader(file))
    return [[row[name] for name in columns] for row in everything if row["selector"] == everything[0]["selector"]]
