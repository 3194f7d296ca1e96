"""Pools of several parents: other weights, other architectures."""

import sys
from collections import OrderedDict
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json, sha256, write_json
from evo_ensyth.io import read_pool
from evo_ensyth.io.pool_folder import read_member
from evo_ensyth.synthesis import (
    BuildFolder,
    FineTuning,
    Latency,
    Magnitude,
    OtherParent,
    Quantisation,
    Recipe,
    Route,
    Training,
    build_pool,
    datasets,
    load_member,
    measure,
    networks,
)
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.network import Scaled, SequentialNetwork
from evo_ensyth.synthesis.reproducibility import derived_seed, reproducible

TRAINING = Training(epochs=2, batch=50, learning_rate=3e-3)
TUNED = FineTuning(name="tuned", epochs=1, batch=50)
PRUNED = Magnitude((0.5,))
RECIPE = Recipe(
    dataset="digits",
    n_search=500,
    network="small",
    training=TRAINING,
    compressors=(
        Route(PRUNED, (TUNED,)),
        Route(PRUNED, (TUNED,), then=(Quantisation(bits=(4,)),), parent="second"),
        Route(Quantisation(bits=(8,)), parent="flat"),
    ),
    fine_tunings=(TUNED,),
    n_calibration=100,
    parents=(
        OtherParent(name="second", network="small", training=TRAINING),
        OtherParent(name="flat", network="mylab.flat", training=replace(TRAINING, epochs=3)),
    ),
)
NAMES = (
    "magnitude-global-0.5-tuned",
    "second-magnitude-global-0.5-tuned",
    "second-magnitude-global-0.5-tuned-quantisation-4",
    "flat-quantisation-8",
)


@pytest.fixture(autouse=True)
def flat_network(monkeypatch):
    """A network of another architecture for digits, in a module of one's own."""

    def flat(n_classes, rng):
        layers = OrderedDict(flatten=nn.Flatten(), fc1_dropout=nn.Dropout(0.0), fc1=nn.Linear(64, n_classes))
        nn.init.normal_(layers["fc1"].weight, std=0.1, generator=rng)
        nn.init.zeros_(layers["fc1"].bias)
        return SequentialNetwork(layers, Scaled((1, 8, 8), largest=16))

    module = ModuleType("mylab.flat")
    module.build = flat
    monkeypatch.setitem(sys.modules, "mylab.flat", module)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs") / "pool"


@pytest.fixture
def stored(folder):
    build_pool(RECIPE, folder, problem="parents")
    return read_pool(folder)


def test_members_come_from_the_parents_that_their_routes_name(stored):
    assert stored.pool.names == NAMES
    splits = datasets.load("digits").splits(500, derived_seed(RECIPE.seed, "splits"))
    for row, name in enumerate(NAMES):
        network = load_member(stored, name)
        assert list(dict(network.named_children())) == list(
            dict(networks.build("mylab.flat" if name.startswith("flat") else "small", 10, seed=0).named_children())
        )
        np.testing.assert_array_equal(stored.pool.test.y_pred[row], measure.predict(network, splits["test"]).y_pred)
    origins = [origin.get("parent") for origin in stored.pool.members.origins]
    assert origins == [None, "second", "second", "flat"]


def test_parents_of_one_architecture_differ(stored, folder):
    first = load_file(folder / "parent.safetensors")
    (second,) = (folder / "parents").glob("second-*.safetensors")
    assert not torch.equal(first["fc1.weight"], load_file(second)["fc1.weight"])
    one, other = (load_file(folder / "members" / name / "weights.safetensors")["fc1.weight"] for name in NAMES[:2])
    assert not torch.equal(one != 0, other != 0)


def test_a_parent_is_trained_as_it_says(stored, folder):
    described = stored.about["parents"]
    assert list(described) == ["second", "flat"]
    assert described["flat"]["network"] == "mylab.flat"
    assert described["flat"]["bytes"] == 4 * 650
    (path,) = (folder / "parents").glob("flat-*.safetensors")
    split = datasets.load("digits").splits(500, derived_seed(RECIPE.seed, "splits"))
    network = networks.build("mylab.flat", 10, seed=0)
    network.load_state_dict(load_file(path))
    for name in ("search", "test"):
        right = measure.accuracy(measure.predict(network, split[name]), split[name])
        assert described["flat"]["accuracy"][name] == right
    assert described["flat"]["accuracy"]["test"] > 0.5


@pytest.mark.parametrize(("name", "network", "epochs"), [("second", "small", 2), ("flat", "mylab.flat", 3)])
def test_a_parent_is_what_training_makes_of_weights_that_its_name_draws(stored, folder, name, network, epochs):
    data = datasets.load("digits").splits(500, derived_seed(RECIPE.seed, "splits"))["train"]
    untrained = networks.build(network, 10, derived_seed(RECIPE.seed, "weights", name))
    settings = replace(TRAINING, epochs=epochs)
    with reproducible(RECIPE.threads):
        expected = train(untrained, data, settings, seed=derived_seed(RECIPE.seed, "training", name)).state_dict()
    (path,) = (folder / "parents").glob(f"{name}-*.safetensors")
    found = load_file(path)
    assert set(found) == set(expected)
    assert all(torch.equal(found[key], expected[key]) for key in found)


def test_a_parent_may_be_added_and_costs_nothing_that_is_there(tmp_path):
    folder = tmp_path / "pool"
    before = replace(RECIPE, compressors=RECIPE.compressors[:1], parents=())
    build_pool(before, folder, problem="parents")
    weights = folder / "members" / NAMES[0] / "weights.safetensors"
    stamp = weights.stat().st_mtime_ns
    assert BuildFolder(folder, RECIPE, "parents").status().missing == NAMES[1:]
    build_pool(RECIPE, folder, problem="parents", workers=0)
    assert weights.stat().st_mtime_ns == stamp
    assert read_pool(folder).pool.names == NAMES


def test_a_parent_that_changes_before_its_members_are_made_is_trained_anew(tmp_path):
    folder = tmp_path / "pool"
    begun = replace(RECIPE, compressors=(*RECIPE.compressors, Route(Magnitude((0.99,)), parent="flat")))
    changed = replace(RECIPE, parents=(RECIPE.parents[0], replace(RECIPE.parents[1], training=TRAINING)))
    build_pool(changed, folder, problem="parents")
    with pytest.raises(InputError, match="flat-quantisation-8 would now be made differently"):
        build_pool(begun, folder, problem="parents")
    alone = replace(changed, compressors=RECIPE.compressors[:2], parents=RECIPE.parents[:1])
    folder = tmp_path / "other"
    build_pool(alone, folder, problem="parents")
    build_pool(changed, folder, problem="parents")
    build_pool(replace(changed, compressors=(*changed.compressors, begun.compressors[-1])), folder, problem="parents")
    assert len(list((folder / "parents").glob("flat-*"))) == 1
    whole = tmp_path / "pool" / "members" / NAMES[3] / "member.json"
    assert whole.read_bytes() == (folder / "members" / NAMES[3] / "member.json").read_bytes()


def test_latencies_are_measured_of_every_architecture(tmp_path):
    folder = tmp_path / "pool"
    build_pool(replace(RECIPE, latency=Latency(repeats=2)), folder, problem="parents")
    assert (read_pool(folder).pool.costs["latency_ms"] > 0).all()


def test_a_parent_that_diverges_costs_its_own_members_only(tmp_path):
    folder = tmp_path / "pool"
    wild = replace(RECIPE.parents[1], training=Training(epochs=2, optimiser="sgd", learning_rate=3e38))
    recipe = replace(RECIPE, parents=(RECIPE.parents[0], wild))
    build_pool(recipe, folder, problem="parents", without_failed=True)
    stored = read_pool(folder)
    assert stored.pool.names == NAMES[:3]
    assert list(stored.about["parents"]) == ["second"]
    assert "diverged" in stored.about["failed"][NAMES[3]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parents": RECIPE.parents[:1]}, "a route names the parent 'flat'; the recipe has second"),
        ({"parents": ()}, "a route names the parent 'flat'; the recipe has none"),
        ({"parents": (*RECIPE.parents, RECIPE.parents[0])}, "two parents are called 'second'"),
        ({"compressors": RECIPE.compressors[:2]}, "no route names the parent 'flat'"),
        ({"parents": (replace(RECIPE.parents[0], name="../x"),)}, "a parent is called '../x'"),
        ({"parents": (replace(RECIPE.parents[0], name=""),)}, "a parent is called ''"),
    ],
)
def test_parents_and_routes_must_fit(changes, message):
    with pytest.raises(InputError, match=message):
        replace(RECIPE, **changes)


def test_a_parent_must_see_images_of_the_data_set(tmp_path):
    lenet = replace(RECIPE.parents[1], network="lenet")
    with pytest.raises(InputError, match="the network 'lenet' sees images of shape"):
        build_pool(replace(RECIPE, parents=(RECIPE.parents[0], lenet)), tmp_path / "pool", problem="parents")


def test_a_manifest_without_a_parents_network_is_refused(stored):
    origin = dict(read_member(stored.folder, NAMES[3])["origin"])
    about = {**stored.about, "parents": {"flat": {"network": 3}}}
    assert origin["parent"] == "flat"
    with pytest.raises(InputError, match="does not name the network of the parent 'flat'"):
        load_member(replace(stored, about=about), NAMES[3])
    with pytest.raises(InputError, match="does not name the network of the parent 'flat'"):
        load_member(replace(stored, about={**stored.about, "parents": []}), NAMES[3])


def test_weights_of_another_network_are_refused_even_if_they_are_listed(stored):
    path = stored.folder / "members" / NAMES[0] / "weights.safetensors"
    about = read_json(path.with_name("member.json"))
    for wrong in ({}, {"fc1.weight": torch.zeros(3)}, {"fc1.weight": torch.zeros((0, 5))}):
        path.write_bytes(save(wrong))
        files = {**about["files"], path.name: sha256(path.read_bytes())}
        write_json(path.with_name("member.json"), {**about, "files": files})
        with pytest.raises(InputError, match=r"weights\.safetensors does not fit the network 'small': "):
            load_member(stored, NAMES[0])


def test_recipes_without_other_parents_are_what_they_were(tmp_path):
    """Folders that were begun before there were other parents are known again."""
    folder = tmp_path / "pool"
    alone = replace(RECIPE, compressors=RECIPE.compressors[:1], parents=())
    build_pool(alone, folder, problem="parents")
    begun = read_json(folder / "recipe.json")
    assert "parents" not in begun["recipe"]
    assert "parent" not in begun["recipe"]["compressors"][0]
    write_json(folder / "recipe.json", begun)
    build_pool(alone, folder, problem="parents")
