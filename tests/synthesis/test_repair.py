"""Damaged pools: every file of a small pool, damaged in every way, is found, and a repair gives the pool that was."""

import itertools
import shutil

import numpy as np
import pytest
from digests import contents

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool
from evo_ensyth.io.pool_folder import read_scores
from evo_ensyth.synthesis import BuildFolder, Quantisation, build_pool
from evo_ensyth.synthesis.recipe import Recipe, Route
from evo_ensyth.synthesis.repair import damaged_parts
from evo_ensyth.synthesis.training import FineTuning, Training

RECIPE = Recipe(
    dataset="digits",
    n_search=500,
    network="small",
    training=Training(epochs=1, learning_rate=0.005, batch=50),
    compressors=(Route(Quantisation(bits=(2, 8))),),
    fine_tunings=(FineTuning(name="none", epochs=0),),
    n_calibration=10,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pool"
    build_pool(RECIPE, folder, problem="tiny")
    return folder


@pytest.fixture
def pool(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "pool")


def test_nothing_is_wrong_with_a_pool_as_it_was_built(whole):
    before = contents(whole)
    assert damaged_parts(BuildFolder(whole, RECIPE, "tiny")) == ()
    build_pool(RECIPE, whole, problem="tiny", repair=True)
    assert contents(whole) == before


@pytest.mark.slow
def test_whatever_file_is_damaged_is_made_again(whole, pool):
    before = contents(whole)
    files = sorted(path for path in whole.rglob("*") if path.is_file() and path.name != "recipe.json")
    for way, path in zip(itertools.cycle(["changed", "torn", "missing", "longer"]), files):
        damaged = pool / path.relative_to(whole)
        content = damaged.read_bytes()
        if way == "missing":
            damaged.unlink()
        else:
            changed = content[:-2] + bytes([content[-2] ^ 1, content[-1]])
            damaged.write_bytes({"changed": changed, "torn": content[:20], "longer": content + b"0"}[way])
        found = damaged_parts(BuildFolder(pool, RECIPE, "tiny"))
        assert found or way == "missing", damaged
        build_pool(RECIPE, pool, problem="tiny", repair=True)
        assert contents(pool) == before, damaged


def test_the_error_of_a_damaged_pool_names_what_mends_it(pool):
    path = next(pool.glob("members/*/search.labels.npy"))
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(InputError, match=r"search\.labels\.npy .*'pool build --repair' makes it again"):
        read_pool(pool)


def test_scores_that_are_not_those_listed_are_refused(pool):
    path = next(pool.glob("members/*/test.scores.npy"))
    scores = np.load(path)
    np.save(path, scores[:, ::-1])
    with pytest.raises(InputError, match=r"test\.scores\.npy is not the file that the manifest lists"):
        read_scores(read_pool(pool), "test")
