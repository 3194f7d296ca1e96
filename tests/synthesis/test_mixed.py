"""Pools of several methods: the mixed recipe for digits with short training, and methods one after the other."""

from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np
import pytest
from digests import contents
from safetensors.numpy import load_file

from evo_ensyth import workspace
from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint
from evo_ensyth.io import read_pool
from evo_ensyth.io.pool_folder import read_member
from evo_ensyth.synthesis import (
    APoZ,
    DropNet,
    FineTuning,
    Magnitude,
    NetTrim,
    Quantisation,
    QuantisationAware,
    Route,
    Training,
    build_pool,
    datasets,
    load_member,
    measure,
)
from evo_ensyth.synthesis.compression import Variant, silent
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.settings import as_json


def shortened(value):
    """The same recipe with one epoch of large batches wherever there are several, and with programs solved roughly."""
    if isinstance(value, tuple):
        return tuple(shortened(part) for part in value)
    if not is_dataclass(value):
        return value
    changes = {field.name: shortened(getattr(value, field.name)) for field in fields(value)}
    short = {"epochs": 1, "batch": 200, "max_iterations": 50, "growth_share": 0.3}
    return replace(value, **changes | {name: short[name] for name in short.keys() & changes.keys()})


RECIPE = replace(shortened(workspace.problem_module("digits_mixed").recipe()), n_calibration=100)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The pool of the mixed recipe, built in one go."""
    folder = tmp_path_factory.mktemp("runs") / "pool"
    build_pool(RECIPE, folder, problem="mixed")
    return folder


def test_the_recipe_makes_the_members_that_it_names(whole):
    names = read_pool(whole).pool.names
    assert names == tuple(member.name for member in RECIPE.members()) == workspace.planned_members("digits_mixed")
    assert len(names) == 64
    assert names[6:8] == ("net_trim-0.1-tuned", "net_trim-0.1-tuned-quantisation-4")
    assert sorted(path.name for path in (whole / "members").iterdir()) == sorted(names)


def test_what_a_member_answers_and_costs_is_what_its_network_does(whole):
    """Of every form: narrower, quantised, both or neither."""
    stored = read_pool(whole)
    test = datasets.load("digits").splits(500, derived_seed(RECIPE.seed, "splits"))["test"]
    for row, name in enumerate(stored.pool.names):
        network = load_member(stored, name)
        np.testing.assert_array_equal(stored.pool.test.y_pred[row], measure.predict(network, test).y_pred)
        assert read_member(whole, name)["layers"] == measure.layers(network)


def test_multiplications_disappear_with_units_and_bytes_with_bits(whole):
    stored = read_pool(whole)
    costs = {
        name: {cost: stored.pool.costs[cost][row] for cost in stored.pool.costs}
        for row, name in enumerate(stored.pool.names)
    }
    parent = stored.about["parent"]
    for name, cost in costs.items():
        assert (cost["macs"] < parent["macs"]) == name.startswith(("dropnet", "apoz"))
        if name.endswith("quantisation-4") and name != "quantisation-4":
            assert cost["bytes"] < 0.6 * costs[name.removesuffix("-quantisation-4")]["bytes"]
    assert costs["quantisation-8"]["bytes"] < parent["bytes"] / 3.5
    dropped = [costs[f"dropnet-minimum-{cycle}"]["macs"] for cycle in (1, 2, 3, 4)]
    assert dropped == sorted(dropped, reverse=True)


def test_a_member_that_is_quantised_keeps_its_zeros_and_names_its_origin(whole):
    stored = read_pool(whole)
    origins = dict(zip(stored.pool.names, stored.pool.members.origins, strict=True))
    for name in stored.pool.names:
        if not name.endswith("tuned-quantisation-4"):
            assert "of" not in origins[name]
            continue
        base = name.removesuffix("-quantisation-4")
        assert origins[name]["method"] == "quantisation"
        assert origins[name]["of"] == origins[base]
        assert origins[base]["fine_tuning"] == "tuned"
        before, after = (load_file(whole / "members" / one / "weights.safetensors") for one in (base, name))
        for tensor in (key for key in before if key.endswith("weight")):
            assert (after[tensor][before[tensor] == 0] == 0).all()
            assert len(np.unique(after[tensor][0])) <= 15
        assert not any(key.endswith("step") for key in before)


# One after the other

ROUTES = (
    Route(
        DropNet(n_cycles=2, training=Training(epochs=1, batch=50)),
        then=(Quantisation(bits=(8, 2)), Quantisation((3,), span="whole")),
    ),
    Route(
        Magnitude((0.5,)),
        (FineTuning(name="tuned", epochs=1, batch=50),),
        then=(Magnitude((0.8,), scope="layer"),),
    ),
)
CHAINED = replace(RECIPE, compressors=ROUTES)


@pytest.fixture(scope="module")
def chained(tmp_path_factory):
    """The pool of the routes above, and how often it reported progress."""
    messages = []
    folder = tmp_path_factory.mktemp("runs") / "pool"
    build_pool(CHAINED, folder, problem="tiny", progress=lambda *what: messages.append(what))
    return folder, len(messages)


def test_methods_follow_upon_one_another(chained):
    assert read_pool(chained[0]).pool.names == (
        "dropnet-minimum-1",
        "dropnet-minimum-1-quantisation-8",
        "dropnet-minimum-1-quantisation-2",
        "dropnet-minimum-1-quantisation-whole-3",
        "dropnet-minimum-2",
        "dropnet-minimum-2-quantisation-8",
        "dropnet-minimum-2-quantisation-2",
        "dropnet-minimum-2-quantisation-whole-3",
        "magnitude-global-0.5-tuned",
        "magnitude-global-0.5-tuned-magnitude-layer-0.8",
    )


class InterruptionError(Exception):
    pass


@pytest.mark.parametrize("share", [0.2, 0.6, 0.75, 0.9])
def test_a_build_that_was_interrupted_ends_with_the_same_pool(chained, tmp_path, share):
    """In a cycle of DropNet, twice on the way from one method to the next, and among the members."""
    left = int(share * chained[1])

    def interrupt(done, total, text):
        nonlocal left
        left -= 1
        if left == 0:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        build_pool(CHAINED, tmp_path / "pool", problem="tiny", progress=interrupt)
    build_pool(CHAINED, tmp_path / "pool", problem="tiny")
    assert contents(tmp_path / "pool") == contents(chained[0])


def test_a_route_without_fine_tuning_leaves_variants_as_they_are(tmp_path):
    recipe = replace(RECIPE, compressors=(Route(Magnitude((0.5,))),))
    build_pool(recipe, tmp_path / "pool", problem="tiny")
    (name,) = read_pool(tmp_path / "pool").pool.names
    parent = load_file(tmp_path / "pool" / "parent.safetensors")
    for key, tensor in load_file(tmp_path / "pool" / "members" / name / "weights.safetensors").items():
        np.testing.assert_array_equal(tensor[tensor != 0], parent[key][tensor != 0])


@dataclass(frozen=True)
class Misnamed:
    """Makes other variants than it says."""

    def names(self):
        return ("one", "two")

    def variants(self, parent, inputs, *, seed, scratch=None, progress=silent):
        yield Variant("one", {"method": "misnamed"}, parent, {})


def test_a_method_that_does_not_make_what_it_names_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"made \['one'\]; its function 'names' says \('one', 'two'\)"):
        build_pool(replace(RECIPE, compressors=(Route(Misnamed()),)), tmp_path / "pool", problem="tiny")


def test_two_members_of_one_name_are_refused_before_anything_is_made(tmp_path):
    tuned = FineTuning(name="quantisation-4", epochs=1)
    routes = (Route(Magnitude((0.5,)), (), then=(Quantisation(bits=(4, 3)),)), Route(Quantisation(bits=(4,))))
    assert len(replace(RECIPE, compressors=routes).members()) == 4
    with pytest.raises(InputError, match="two variants are called 'quantisation-4'"):
        build_pool(replace(RECIPE, compressors=(*routes, Quantisation(bits=(4,)))), tmp_path / "pool", problem="tiny")
    twice = (Route(Magnitude((0.5,)), then=(Quantisation((4,)), Quantisation((4, 3)))),)
    with pytest.raises(InputError, match=r"two members are called 'magnitude-global-0\.5-quantisation-4'"):
        build_pool(replace(RECIPE, compressors=twice), tmp_path / "pool", problem="tiny")
    assert not (tmp_path / "pool").exists()
    with pytest.raises(InputError, match="the fine-tunings are called quantisation-4, quantisation-4; give each"):
        Route(Magnitude(), (tuned, tuned))


@pytest.mark.parametrize(
    ("problem", "digest"),
    [
        ("digits", "112cfad0fa3ce404"),
        ("fashion_mnist", "3705829e2cba036b"),
        ("mnist", "53b5272657d61d4a"),
        ("cifar10", "b67c2792c7db0bab"),
        ("cifar5", "11579cb3b5ed831f"),
    ],
)
def test_pools_that_were_made_before_are_recognised(problem, digest):
    """A setting with a default, added to a recipe or a method, would make them pools of another recipe."""
    assert fingerprint(as_json(workspace.problem_module(problem).recipe()))[:16] == digest


def test_one_method_at_two_settings_gives_members_of_different_names():
    """Both were called 'dropnet-minimum-1', and the recipe was refused."""
    cycle = Training(epochs=1, batch=64)
    a, b = FineTuning(name="a", epochs=1), FineTuning(name="b", epochs=2)
    pairs = (
        (DropNet(share=0.2, n_cycles=1, training=cycle), DropNet(share=0.4, n_cycles=1, training=cycle)),
        (NetTrim((0.1,)), NetTrim((0.1,), scheme="cascade", gamma=2.0)),
        (QuantisationAware(a, bits=(3,)), QuantisationAware(b, bits=(3,))),
        (APoZ(a, n_cycles=1), APoZ(a, n_cycles=1, excess=2.5, layers=("fc1", "fc2"))),
    )
    recipe = replace(RECIPE, compressors=tuple(Route(method) for pair in pairs for method in pair))
    assert [member.name for member in recipe.members()] == [
        "dropnet-minimum-1", "dropnet-minimum-1-share-0.4",
        "net_trim-0.1", "net_trim-0.1-scheme-cascade-gamma-2",
        "quantisation_aware-3", "quantisation_aware-3-tuning-b",
        "apoz-1", "apoz-1-excess-2.5-layers-fc1-fc2",
    ]  # fmt: skip


def test_a_route_may_have_a_label():
    routes = (Route(Magnitude((0.5,)), label="plain"), Route(Magnitude((0.5,)), then=(Quantisation((4,)),), label="q"))
    names = [member.name for member in replace(RECIPE, compressors=routes).members()]
    assert names == ["magnitude-global-0.5-plain", "magnitude-global-0.5-q", "magnitude-global-0.5-q-quantisation-4"]
    with pytest.raises(InputError, match="a route is labelled 'a/b'"):
        Route(Magnitude(), label="a/b")
