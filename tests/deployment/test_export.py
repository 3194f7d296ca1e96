"""Exported ensembles against the votes of the runs that they come from."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hardening.forged import reseal
from numpy.testing import assert_allclose, assert_array_equal

import evo_ensyth as ee
from evo_ensyth.deployment.card import KEY
from evo_ensyth.deployment.verify import session_of
from evo_ensyth.errors import InputError
from evo_ensyth.files import sealed
from evo_ensyth.io.pool_folder import read_pool
from evo_ensyth.synthesis import datasets
from evo_ensyth.synthesis.networks import small
from evo_ensyth.voting import Plurality

ROOT = Path(__file__).parents[2]
EVERYBODY = list(range(8))
# The vote of every rule is tested in tests/contracts/test_vote_rules.py; these are the ways to count.
WAYS = [
    ([0, 3, 4], "plurality"),
    ([5, 6, 7], "soft"),
    (EVERYBODY, "half"),
    (EVERYBODY, "log_odds"),
    (EVERYBODY, Plurality(ties="log_odds")),
    ([2], Plurality(ties="lowest")),
]


@pytest.fixture(scope="module")
def digits_test():
    return datasets.load("digits").test


@pytest.mark.parametrize(("members", "rule"), WAYS)
def test_every_vote_gives_the_labels_of_the_run_in_any_batch(members, rule, run_of, stored, digits_test, tmp_path):
    run = run_of(members, rule)
    found = ee.export(run, tmp_path / "model.onnx", pool=stored.pool)
    assert (found.n_samples, found.n_differing) == (500, 0)
    votes = read_pool(stored.pool).pool.test.part(np.array(members))
    expected = run.recommended.predict(np.array(votes.scores.members))
    session = session_of((tmp_path / "model.onnx").read_bytes(), "model")
    for batch, n_samples in ((1, 20), (7, 70), (500, 500)):
        starts = range(0, n_samples, batch)
        parts = [session.run(None, {"input": digits_test.images[start : start + batch]}) for start in starts]
        label, share = (np.concatenate(each) for each in zip(*parts, strict=True))
        assert_array_equal(label, expected[:n_samples])
    assert_allclose(share, run.recommended.predict_proba(np.array(votes.scores.members)), atol=1e-4)


def small_by_another_name(n_classes, rng):
    return small.build(n_classes, rng)


@pytest.mark.parametrize("command", [("export", "run", "-o", "a.onnx"), ("pool", "measure", "pool")])
def test_networks_that_a_pool_names_are_exported_and_measured_with_trust(command, stored, call, tmp_path):
    shutil.copytree(stored.pool, tmp_path / "pool")
    shutil.copytree(stored.run, tmp_path / "run")
    name = f"{__name__}.small_by_another_name"
    reseal(tmp_path / "pool", lambda manifest: manifest["about"].update(network=name))
    refused = call(*command, "--quiet")
    assert (refused.status, f"names '{name}'" in refused.err) == (2, True)
    assert call(*command, "--quiet", "--trust").status == 0


def test_packed_weights_vote_as_plain_ones_bit_for_bit(run_of, stored, digits_test, tmp_path):
    run, shares, sizes = run_of(EVERYBODY, "soft"), [], []
    for weights in ("plain", "packed"):
        file = tmp_path / f"{weights}.onnx"
        sizes.append(ee.export(run, file, pool=stored.pool, weights=weights).n_bytes)
        shares.append(session_of(file.read_bytes(), weights).run(["share"], {"input": digits_test.images})[0])
    assert_array_equal(*shares)
    assert sizes[1] < sizes[0]


def test_what_members_share_is_stored_and_computed_once(run_of, stored, tmp_path):
    ee.export(run_of([0, 3, 4, 5, 6, 7, 1]), tmp_path / "model.onnx", pool=stored.pool)
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert (operators.count("Conv"), operators.count("Gemm"), operators.count("MaxPool")) == (4, 21, 2)


def test_two_exports_are_equal_and_name_no_place_of_the_machine(stored, tmp_path, monkeypatch):
    ee.export(stored.run, tmp_path / "a.onnx")
    monkeypatch.chdir(tmp_path)
    ee.export(stored.run, "b.onnx", pool=str(stored.pool))
    content = (tmp_path / "a.onnx").read_bytes()
    assert content == (tmp_path / "b.onnx").read_bytes()
    assert not re.search(rb"/[a-z]+/|tmp|digits/", content)


def test_the_card_says_what_is_in_the_file(stored, tmp_path):
    found = ee.export(stored.run, tmp_path / "model.onnx", size=2)
    model, run = onnx.load(tmp_path / "model.onnx"), ee.read_run(stored.run)
    told = {entry.key: entry.value for entry in model.metadata_props}
    card, ensemble = json.loads(told[KEY]), run.pick(size=2)
    assert card == sealed(found.card)
    assert json.loads(told["classes"]) == card["classes"] == list("0123456789")
    assert [member["name"] for member in card["members"]] == list(ensemble.members)
    assert card["members"][0]["sha256"] != card["members"][1]["sha256"]
    assert (card["picked_by"], card["vote"]["rule"]) == ("the best of size 2", run.vote)
    assert card["test_error"] == ensemble.error("test")
    assert card["test_interval"] == list(ensemble.interval("test"))
    assert card["fingerprints"] == run.fingerprints
    assert [
        (i.name, [d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim]) for i in model.graph.input
    ] == [("input", ["n", 1, 8, 8])]
    assert [output.name for output in model.graph.output] == ["label", "share"]
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 21}


def test_members_without_weight_are_left_out(run_of, stored, tmp_path):
    run = run_of(EVERYBODY, "samme")
    weights = dict(zip(run.recommended.members, run.recommended.voting.weights.label, strict=True))
    assert 0 in weights.values()
    card = ee.export(run, tmp_path / "model.onnx", pool=stored.pool).card
    assert {member["name"] for member in card["members"]} == {name for name, weight in weights.items() if weight}
    assert card["without_weight"] == [name for name, weight in weights.items() if not weight]


def test_a_file_that_differs_is_not_left_behind_unless_it_may(run_of, stored, tmp_path, monkeypatch):
    monkeypatch.setattr("evo_ensyth.deployment.vote_graph.LARGEST", 0)  # ties go to the lowest class
    run = run_of([0, 1])
    with pytest.raises(InputError, match=r"model.onnx is not written: \d+ of 500 labels differ.*--allow-different"):
        ee.export(run, tmp_path / "model.onnx", pool=stored.pool)
    assert list(tmp_path.iterdir()) == []
    found = ee.export(run, tmp_path / "model.onnx", pool=stored.pool, allow_different=400)
    assert 0 < found.n_differing <= 400


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"path": "model.pb"}, "model.pb does not end with .onnx"),
        ({"path": "none/model.onnx"}, "none is no folder"),
        ({"weights": "zip"}, "no way to store weights called 'zip'"),
        ({"opset": 17}, "opset is 17; from 18 to 25"),
        ({"inputs": np.zeros((3, 1, 8, 8), np.uint8)}, "there are 3 samples; the test split has 500"),
        ({"inputs": np.zeros((500, 64), np.uint8)}, r"takes images of 8-bit integers, \(1, 8, 8\) once prepared"),
        ({"members": {"elephant": "a.onnx"}}, "no member in this ensemble called 'elephant'"),
        ({"pool": "runs/reference/fashion_mnist/predictions.npz"}, "no member in this pool called"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(how, message, stored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "pool" in how:
        monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match=message):
        ee.export(stored.run, **{"path": tmp_path / "model.onnx"} | how)
    assert list(tmp_path.iterdir()) == []


def test_a_pool_of_predictions_asks_for_its_members(tmp_path):
    run = ee.search("runs/reference/fashion_mnist/predictions.npz", selector="single_best", baselines=(), n_folds=0)
    (name,) = run.recommended.members
    with pytest.raises(InputError, match=f"'{name}' is not stored, because this pool came from predictions; give it"):
        ee.export(
            run,
            tmp_path / "model.onnx",
            pool="runs/reference/fashion_mnist/predictions.npz",
            inputs=np.zeros((10000, 1, 28, 28), np.uint8),
        )


def test_a_run_on_another_pool_is_refused(run_of, stored, tmp_path):
    run = run_of([0, 1])
    other = replace(run.recommended, test_errors=run.recommended.test_errors + 1)
    run = replace(run, front=replace(run.front, ensembles=(other,)))
    with pytest.raises(InputError, match=r"this is not the pool that the run searched: .* Name the pool with --pool"):
        ee.export(run, tmp_path / "model.onnx", pool=stored.pool)
