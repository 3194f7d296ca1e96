"""Costs in onnxruntime, with a clock that is told how long a graph takes."""

import json
import shutil

import numpy as np
import pytest

import evo_ensyth as ee
from evo_ensyth.deployment import costs
from evo_ensyth.deployment.timing import Timing
from evo_ensyth.errors import InputError
from evo_ensyth.io.deployed import CALL
from evo_ensyth.io.pool_folder import read_pool


@pytest.fixture
def measured(stored, tmp_path, monkeypatch):
    """A copy of the pool, whose graphs take a microsecond for every byte of theirs, give or take 25."""

    def timed(contents, images, rounds):
        n = len(images)
        return {chain: Timing(n * len(content) / 1000, 0, n * 0.05) for chain, content in contents.items()}

    monkeypatch.setattr(costs, "_timed", timed)
    folder = tmp_path / "pool"
    shutil.copytree(stored.pool, folder)
    return folder


def test_ensembles_pay_for_the_call_and_for_a_shared_trunk_once(call, measured):
    said = call("pool", "measure", measured, "--json")
    assert said.status == 0, said.err
    pool = read_pool(measured).pool
    assert said.json["costs"]["onnx_bytes"] == pool.costs["onnx_bytes"].tolist()
    parts = {part.name: (int(part.members.sum()), part.costs) for part in pool.shared}
    assert {name: n for name, (n, _) in parts.items()} == {"call": 8, "conv1+conv2": 6}
    dense = pool.names.index("dense")
    run = ee.search(pool, ["error", "onnx_ms_1", "onnx_ms_100"], selector="whole_pool", baselines=(), n_folds=0)
    (whole,) = run.front
    own = pool.costs["onnx_bytes"]
    shared = 7 * parts["call"][1]["onnx_bytes"] + 5 * parts["conv1+conv2"][1]["onnx_bytes"]
    assert whole.costs["onnx_bytes"] == own.sum() - shared
    # A member alone costs its whole graph, less the preparation that is part of the call.
    assert whole.costs["onnx_ms_1"] == pytest.approx(whole.costs["onnx_bytes"] / 1000, abs=0.3)
    assert whole.costs["onnx_ms_100"] == pytest.approx(whole.costs["onnx_bytes"] / 10, abs=30)
    assert own[dense] > parts["conv1+conv2"][1]["onnx_bytes"] > 4 * 1200
    assert run.pick(at_most={"onnx_ms_1": 1e6}).size == 8


def test_times_are_multiples_of_what_the_measurement_can_tell_apart(measured):
    pool = costs.measure_pool(measured)
    about = json.loads((measured / "deployed.json").read_text())["about"]
    assert about["resolution"] == {"onnx_ms_1": 0.05, "onnx_ms_100": 5}
    steps = pool.costs["onnx_ms_1"] / 0.05
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
    assert set(about["members"]) == set(pool.names)


def test_measuring_again_gives_the_same(measured):
    costs.measure_pool(measured)
    first = (measured / "deployed.json").read_bytes()
    costs.measure_pool(measured)
    assert (measured / "deployed.json").read_bytes() == first


def test_real_graphs_are_timed(stored, tmp_path):
    shutil.copytree(stored.pool, tmp_path / "pool")
    pool = costs.measure_pool(tmp_path / "pool", rounds=3)
    assert all((pool.costs[name] > 0).all() for name in ("onnx_bytes", "onnx_ms_1", "onnx_ms_100"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool": "0" * 64}, "was measured for another pool"),
        ({"format": 2}, "field 'format' is 2; this version reads 1"),
        ({"costs": {}}, "field 'call' is missing"),
        ({"costs": {CALL: {"onnx_bytes": -1}}}, "call: field 'onnx_bytes' is -1"),
    ],
)
def test_files_that_were_changed_are_refused(change, message, measured):
    costs.measure_pool(measured)
    content = json.loads((measured / "deployed.json").read_text())
    (measured / "deployed.json").write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=message):
        read_pool(measured)


def test_pools_of_other_data_are_refused(pool_folder):
    with pytest.raises(InputError, match="the data set 'none' does not come with this package"):
        costs.measure_pool(pool_folder)
