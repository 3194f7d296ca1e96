"""Compression methods on networks of many kinds, as users write them."""

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from oracles.architectures import ARCHITECTURES, N_CLASSES, architecture, as_network
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import (
    APoZ,
    CloneAndPrune,
    DropNet,
    FineTuning,
    HceStyle,
    Magnitude,
    MagnitudeControl,
    NetTrim,
    Quantisation,
    QuantisationAware,
    SparseEvolution,
    StrategicSynthesis,
    Training,
    measure,
)
from evo_ensyth.synthesis.compression import CompressionInputs
from evo_ensyth.synthesis.compression._layer_inputs import layer_forms, layer_inputs, pruned_layers
from evo_ensyth.synthesis.layer_surgery import as_safetensors, quantised_bits, read_network
from evo_ensyth.synthesis.network import quantisable_layers, weight_matrices, weighted_layers
from evo_ensyth.synthesis.own_data import OwnData
from evo_ensyth.synthesis.trees import mapped, taken

pytestmark = pytest.mark.usefixtures("one_thread")

TUNING = FineTuning(name="short", epochs=1, batch=8, optimiser="adam", learning_rate=1e-3)
TRAINING = Training(epochs=1, batch=8)


@cache
def known(name):
    """A network of each kind, what a method may look at, and the fingerprint of its weights."""
    network, three = architecture(name)
    inputs = mapped(lambda tensor: tensor.repeat(4, *([1] * (tensor.ndim - 1))), three)
    labels = np.arange(12) % N_CLASSES
    train = OwnData(train=(inputs, labels), test=(inputs, labels)).given["train"]
    return network, CompressionInputs(inputs, train, architecture(name, seed=2)[0]), as_safetensors(network)


def made(method, name):
    """Variants of a method, of which every one answers, and comes back from its file."""
    network, inputs, before = known(name)
    variants = list(method.variants(network, inputs, seed=1))
    assert [variant.name for variant in variants] == list(method.names())
    assert as_safetensors(network) == before
    for variant in variants:
        again = read_network(architecture(name, seed=3)[0], as_safetensors(variant.model))
        with torch.no_grad():
            answer = variant.model(inputs.calibration)
            assert answer.shape == (12, N_CLASSES)
            assert answer.isfinite().all()
            assert torch.equal(again(inputs.calibration), answer)
    return variants


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_magnitude_takes_all_weights(name):
    (variant,) = made(Magnitude((0.6,)), name)
    matrices = weight_matrices(variant.model)
    zeros = sum(int((weight == 0).sum()) for weight in matrices.values())
    assert abs(zeros - 0.6 * sum(weight.numel() for weight in matrices.values())) <= 1
    assert set(variant.report["layers"]) == set(matrices)
    owned, before = set(map(id, matrices.values())), dict(known(name)[0].named_parameters())
    others = [key for key, parameter in variant.model.named_parameters() if id(parameter) not in owned]
    assert all(torch.equal(variant.model.get_parameter(key), before[key]) for key in others)


@pytest.mark.parametrize("name", ["transformer", "recurrent", "tied", "residual"])
def test_zeros_stay_through_fine_tuning(name):
    from evo_ensyth.synthesis.descent import fine_tune

    network, inputs, _ = known(name)
    (variant,) = Magnitude((0.6,)).variants(network, inputs, seed=1)
    tuned = fine_tune(variant.model, inputs.train, TUNING, seed=1)
    before, after = weight_matrices(variant.model), weight_matrices(tuned)
    for place, weight in before.items():
        assert torch.equal(weight == 0, after[place] == 0)
    assert not all(torch.equal(weight, after[place]) for place, weight in before.items())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_clones_share_as_little_as_they_can(name):
    one, other = made(CloneAndPrune(2), name)
    for first, second in zip(weight_matrices(one.model).values(), weight_matrices(other.model).values(), strict=True):
        assert ((first != 0) & (second != 0)).sum() <= 1


def test_clones_of_weights_that_lie_otherwise_in_memory():
    network, inputs, _ = known("residual")
    (as_it_is,) = CloneAndPrune(1).variants(network, inputs, seed=1)
    turned = copy.deepcopy(network).to(memory_format=torch.channels_last)
    assert not turned.get_parameter("3.conv1.weight").is_contiguous()
    (variant,) = CloneAndPrune(1).variants(turned, inputs, seed=1)
    assert as_safetensors(variant.model) == as_safetensors(as_it_is.model)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_quantisation_takes_layers_and_names_what_it_leaves(name):
    (variant,) = made(Quantisation((4,)), name)
    layers = quantisable_layers(variant.model)
    assert set(variant.report["layers"]) == set(layers) >= set(weighted_layers(variant.model))
    assert {quantised_bits(layer) for layer, _ in layers.values()} == {4}
    assert set(variant.report.get("left", {})) == set(weight_matrices(variant.model)) - set(layers)
    assert ("left" in variant.report) == (name == "recurrent")
    again = read_network(architecture(name, seed=3)[0], as_safetensors(variant.model))
    assert measure.layers(again) == measure.layers(variant.model)


@pytest.mark.parametrize("name", ["residual", "vision transformer", "transformer", "recurrent", "tied", "convnext"])
def test_quantisation_aware_tunes_everything_and_rounds_layers_of_their_own(name):
    (variant,) = made(QuantisationAware(TUNING, (3,)), name)
    found = {place: quantised_bits(layer) for place, (layer, _) in quantisable_layers(variant.model).items()}
    left = variant.report.get("left", {})
    assert {place for place, bits in found.items() if bits is None} == left.keys() & found.keys()
    assert (set(left) == {"a", "b"}) == (name == "tied")
    before, after = known(name)[0].state_dict(), variant.model.state_dict()
    norms = [key for key in before if "norm" in key or "bn" in key or key in ("token", "place", "scale")]
    assert all(not torch.equal(before[key], after[key]) for key in norms if before[key].is_floating_point())


# Net-Trim


@pytest.mark.parametrize(
    ("name", "convolutions"), [*((name, True) for name in ARCHITECTURES), ("dense", False), ("table", False)]
)
def test_net_trim_prunes_what_it_can_and_says_what_it_leaves(name, convolutions):
    (variant,) = made(NetTrim((0.3,), convolutions=convolutions, tolerance=0.05), name)
    layers = weighted_layers(variant.model)
    asked = {place for place, layer in layers.items() if convolutions or isinstance(layer, nn.Linear)}
    pruned, left = set(variant.report["layers"]), set(variant.report.get("left", {}))
    assert pruned | left == asked
    assert not pruned & left
    assert pruned
    for report in variant.report["layers"].values():
        assert report["ball"] <= 1.01
        assert report["overshoot"] <= 0.06
    before = weighted_layers(known(name)[0])
    assert all(
        torch.equal(layer.weight, before[place].weight) for place, layer in layers.items() if place not in pruned
    )
    assert any((layers[place].weight == 0).any() for place in pruned)


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("grouped", {"2": "it has groups"}),
        ("series", {"body.0": "its padding is 'same'"}),
        ("volume", {"0": "it has three dimensions"}),
        ("transformer", dict.fromkeys(
            [f"encoder.layers.{n}.self_attn.out_proj" for n in range(2)], "it is not called as a module")),
        ("tied", {"a": "its weights are used elsewhere too", "b": "its weights are used elsewhere too",
                  "c": "it is called 2 times"}),
    ],
)  # fmt: skip
def test_net_trim_gives_the_reason(name, left):
    network, inputs, _ = known(name)
    (variant,) = NetTrim((0.3,), convolutions=True, tolerance=0.1).variants(network, inputs, seed=0)
    assert variant.report["left"] == left
    first, reason = next(iter(left.items()))
    with pytest.raises(InputError, match=f"layers names '{first}', which cannot be pruned: {reason}"):
        next(NetTrim((0.3,), layers=(first,)).variants(network, inputs, seed=0))


@pytest.mark.parametrize("name", ["residual", "series", "table", "inverted residual", "volume", "transformer"])
def test_the_program_of_a_layer_computes_what_follows_it(name):
    """Rows times the matrix are the outputs behind the batch normalisation, if one alone reads the layer."""
    network, inputs, _ = known(name)
    uses, _ = pruned_layers(network, network.example(), None, convolutions=True)
    forms = layer_forms(network, uses)
    rows = layer_inputs(network, inputs.calibration, forms)
    assert any(use.batch_norm for use in uses.values()) or name in ("transformer", "series", "volume")
    for place, form in forms.items():
        seen = []
        watched = network.get_submodule(uses[place].batch_norm or place)
        hook = watched.register_forward_hook(lambda _, __, output, seen=seen: seen.append(output.clone()))
        with torch.no_grad():
            network(inputs.calibration)
        hook.remove()
        (outputs,) = seen
        units = outputs if isinstance(form.layer, nn.Linear) else outputs.movedim(1, -1)
        found = rows[place] @ form.matrix()
        torch.testing.assert_close(found, units.flatten(0, -2).double(), rtol=1e-4, atol=1e-5)
        changed = copy.deepcopy(network)
        there = layer_forms(changed, {place: uses[place]})[place]
        there.layer.weight.data.zero_()
        there.write(form.matrix().float())
        torch.testing.assert_close(there.matrix(), form.matrix(), rtol=1e-5, atol=1e-6)


def test_channels_that_a_batch_normalisation_silences_stay_silent():
    network, inputs, _ = known("residual")
    network = copy.deepcopy(network)
    network.get_parameter("1.weight").data[:2] = 0
    (variant,) = NetTrim((0.1,), layers=("0",)).variants(network, inputs, seed=0)
    layer = variant.model.get_submodule("0")
    assert (layer.weight[:2] == 0).all()
    assert layer.weight.isfinite().all()


def test_net_trim_knows_its_two_ways_to_name_layers():
    with pytest.raises(InputError, match="both layers and convolutions are given"):
        NetTrim((0.1,), layers=("0",), convolutions=True)
    assert NetTrim((0.1,), convolutions=True).names() == ("net_trim-convolutions-0.1",)


# Units

WITH_UNITS = [
    name for name, (_, _, layers) in ARCHITECTURES.items() if layers and name not in ("fixed width", "counting")
]


@pytest.mark.parametrize("name", WITH_UNITS)
def test_dropnet_removes_units_of_every_kind(name):
    method = DropNet(metric="minimum_layer", share=0.5, n_cycles=1, start="continue", training=TRAINING)
    (variant,) = made(method, name)
    before, after = weighted_layers(known(name)[0]), weighted_layers(variant.model)
    assert any(len(after[place].weight) < len(layer.weight) for place, layer in before.items())
    assert set(variant.report["units"]) | set(variant.report["left"]) >= ARCHITECTURES[name][2]


def test_dropnet_from_initial_weights_removes_the_same_units():
    network, inputs, _ = known("residual")
    methods = [
        DropNet(metric="maximum", n_cycles=1, start=start, training=replace(TRAINING, epochs=0))
        for start in ("initial", "continue")
    ]
    one, other = (next(method.variants(network, inputs, seed=1)).model for method in methods)
    assert [tensor.shape for tensor in one.parameters()] == [tensor.shape for tensor in other.parameters()]
    again = inputs.untrained.get_parameter("3.conv1.weight")
    assert torch.isin(one.get_parameter("3.conv1.weight"), again).all()


def test_dropnet_ranks_units_by_what_their_readers_see():
    """A residual stream of six channels, of which the first two are always zero."""
    network, inputs, _ = known("residual")
    network = copy.deepcopy(network)
    for place in ("1", "3.bn2"):
        network.get_parameter(f"{place}.weight").data[:2] = 0
        network.get_parameter(f"{place}.bias").data[:2] = 0
    method = DropNet(
        metric="minimum_layer", share=0.4, n_cycles=1, start="continue", training=replace(TRAINING, epochs=0)
    )
    (variant,) = method.variants(network, inputs, seed=1)
    assert torch.equal(variant.model.get_parameter("0.weight"), network.get_parameter("0.weight")[2:])
    assert len(variant.model.get_parameter("3.conv2.weight")) == 4


@pytest.mark.parametrize("name", ["chain", "residual", "squeeze-excite", "transformer", "two inputs"])
def test_apoz_removes_units_behind_a_relu(name):
    (variant,) = made(APoZ(TUNING, n_cycles=1), name)
    assert variant.report["units"]


@pytest.mark.parametrize("name", ["series", "vision transformer", "convnext", "volume"])
def test_apoz_refuses_where_nothing_is_ever_zero(name):
    network, inputs, _ = known(name)
    with pytest.raises(InputError, match="ever outputs zero; APoZ needs an activation function that does, as ReLU"):
        next(APoZ(TUNING, n_cycles=1).variants(network, inputs, seed=1))


@pytest.mark.parametrize("method", [DropNet(n_cycles=1, training=TRAINING), APoZ(TUNING, n_cycles=1)])
def test_a_network_without_units_to_remove_is_refused(method):
    network, inputs, _ = known("recurrent")
    with pytest.raises(InputError, match="the parent has no units that can be removed: 'head': it gives the answer"):
        next(method.variants(network, inputs, seed=1))


# The others


@pytest.mark.parametrize("name", ["vision transformer", "two inputs", "transformer", "tied"])
@pytest.mark.parametrize(
    "method",
    [
        SparseEvolution(TRAINING, n_events=1),
        StrategicSynthesis(replace(TRAINING, epochs=0), (0.06,)),
        HceStyle(TUNING),
        MagnitudeControl(Magnitude((0.5,))),
    ],
    ids=lambda method: type(method).__name__,
)
def test_methods_that_train_take_any_network(method, name):
    made(method, name)


def test_edges_need_a_dense_layer():
    network = as_network(nn.Sequential(nn.Conv2d(2, 4, 8), nn.Flatten()), torch.zeros(1, 2, 8, 8))
    inputs = replace(known("residual")[1], untrained=network)
    with pytest.raises(InputError, match="the parent has no dense layer with weights of its own"):
        next(SparseEvolution(TRAINING).variants(network, inputs, seed=1))


def test_few_samples_suffice():
    network, inputs, _ = known("residual")
    few = replace(inputs, calibration=taken(inputs.calibration, slice(0, 1)))
    (variant,) = NetTrim((0.1,)).variants(network, few, seed=1)
    assert list(variant.report["layers"]) == ["7"]
