"""Networks and data of users, from the parent to an ensemble that is loaded in another process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import own_networks
import pytest

import evo_ensyth as ee
from evo_ensyth.io import read_pool
from evo_ensyth.synthesis import (
    DropNet,
    FineTuning,
    Magnitude,
    NetTrim,
    Quantisation,
    QuantisationAware,
    Recipe,
    Route,
    Training,
    build_pool,
)

TUNED = FineTuning(name="tuned", epochs=1, batch=50, optimiser="adam", learning_rate=3e-3)
METHODS = {"quantisation", "quantisation_aware", "magnitude", "net_trim", "dropnet"}
AGAIN = """
import sys
import numpy as np, own_networks
import evo_ensyth as ee
test = own_networks.digits()[2]
for folder, samples in zip(sys.argv[1:], (test[0], own_networks.Rows(*test), own_networks.table()[2][0])):
    network = own_networks.trained_table() if "table" in folder else None
    for name, member in ee.stored_members(folder, network=network, trust=True).items():
        np.save(f"{folder}/{name}.npy", member(samples))
"""


def recipe(**settings):
    return Recipe(
        training=Training(epochs=6, batch=50, learning_rate=1e-2),
        compressors=(
            Route(Quantisation(bits=(8, 4, 3))),
            Route(QuantisationAware(TUNED, bits=(4, 2))),
            Route(Magnitude((0.5, 0.8)), (TUNED,), then=(Quantisation(bits=(4,)),)),
            Route(NetTrim(epsilons=(0.1, 0.2), convolutions=True, max_iterations=25), (TUNED,)),
            Route(DropNet("minimum_layer", n_cycles=2, start="continue", training=Training(epochs=1, batch=50))),
        ),
        fine_tunings=(),
        n_calibration=100,
        **settings,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three pools: of a residual network, of a transformer, and of a table's network, which is trained already."""
    root = tmp_path_factory.mktemp("own")
    build_pool(recipe(network=own_networks.residual, dataset=own_networks.image_data()), root / "residual", problem="r")
    build_pool(recipe(network=own_networks.transformer, dataset=own_networks.row_data()), root / "rows", problem="t")
    train, search, test = own_networks.table()
    ee.compress(
        own_networks.trained_table(),
        train=train,
        search=search,
        test=test,
        out=root / "table",
        methods=[
            "quantisation",
            Magnitude((0.5, 0.8)),
            NetTrim(epsilons=(0.1, 0.2), max_iterations=25),
            "dropnet",
            "quantisation_aware",
        ],
        epochs=4,
        fine_tune=own_networks.train,
    )
    return [root / name for name in ("residual", "rows", "table")]


def test_a_pool_has_members_by_five_methods(folders):
    for folder in folders:
        stored = read_pool(folder)
        assert len(stored.pool.names) >= 12
        assert {origin["method"] for origin in stored.pool.members.origins} == METHODS
        assert min(stored.pool.test.member_errors) < 0.5 * stored.pool.test.n_samples
        assert stored.about["own"]["kind"] == "OwnNetwork"


def test_an_ensemble_answers_in_another_process_as_it_did(folders, environment):
    path = f"{Path(own_networks.__file__).parent}:{environment['PYTHONPATH']}"
    subprocess.run(
        [sys.executable, "-c", AGAIN, *map(str, folders)], env={**environment, "PYTHONPATH": path}, check=True
    )
    for folder in folders:
        pool = read_pool(folder).pool
        run = ee.search(pool, ["error", "bytes"], selector="forward_greedy", baselines=(), n_folds=0)
        assert len(run.front) > 0
        cached = {name: np.load(folder / "members" / name / "test.scores.npy") for name in pool.names}
        again = {name: np.load(folder / f"{name}.npy") for name in pool.names}
        for name in pool.names:
            np.testing.assert_array_equal(again[name], cached[name], err_msg=f"{folder.name}, {name}")
        members = run.recommended.members
        found, expected = (run.recommended.predict({name: of[name] for name in members}) for of in (again, cached))
        np.testing.assert_array_equal(found, expected)
