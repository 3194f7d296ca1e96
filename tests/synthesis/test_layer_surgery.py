"""Layer surgery: networks without some units compute as if these were silent."""

import copy

import numpy as np
import pytest
import torch

from evo_ensyth.synthesis import layer_surgery, measure, networks
from evo_ensyth.synthesis.inspection import removal
from evo_ensyth.synthesis.inspection.units import find_units
from evo_ensyth.synthesis.network import weighted_layers

pytestmark = pytest.mark.usefixtures("one_thread")


def keep_units(network, kept):
    return removal.keep_units(network, find_units(network), kept)[0]


def silenced(network, kept):
    """The whole network with the weights and biases of the other units at zero: after ReLU they say nothing."""
    network = copy.deepcopy(network)
    for name, units in kept.items():
        layer = network.get_submodule(name)
        layer.weight.data[torch.from_numpy(~units)] = 0
        layer.bias.data[torch.from_numpy(~units)] = 0
    return network


def drawn_units(network, seed, layers):
    rng = np.random.default_rng(seed)
    kept = {name: rng.random(len(network.get_submodule(name).weight)) < 0.6 for name in layers}
    return {name: units | (np.arange(len(units)) == 0) for name, units in kept.items()}


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("small", ("conv1",)),
        ("small", ("conv2",)),
        ("small", ("conv1", "conv2", "fc1", "fc2")),
        ("small", ("fc1", "fc2")),
        ("lenet", ("conv1", "conv2", "fc1")),
        ("dropnet_c", ("conv2", "conv4")),
    ],
)
def test_without_some_units_a_network_answers_as_if_they_were_silent(name, layers):
    network = networks.build(name, 10, seed=1)
    kept = drawn_units(network, 3, layers)
    smaller = keep_units(network, kept)
    images = torch.rand(5, *network.preparation.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        np.testing.assert_allclose(smaller(images), silenced(network, kept)(images), atol=1e-6, rtol=1e-5)
    for layer_name, units in kept.items():
        assert len(smaller.get_submodule(layer_name).weight) == int(units.sum()) < len(units)
    assert not smaller.training


def test_what_is_gone_costs_nothing():
    network = networks.build("small", 10, seed=1)
    kept = {"conv1": np.arange(8) < 4, "fc1": np.arange(48) < 10}
    smaller = keep_units(network, kept)
    costs = {layer["name"]: layer["costs"] for layer in measure.layers(smaller)}
    assert {name: cost["macs"] for name, cost in costs.items()} == {
        "conv1": 64 * 9 * 4,
        "conv2": 16 * 9 * 4 * 16,
        "fc1": 256 * 10,
        "fc2": 10 * 24,
        "fc3": 24 * 10,
    }
    assert sum(cost["parameters"] for cost in costs.values()) == 4 * 10 + 16 * 37 + 10 * 257 + 24 * 11 + 10 * 25
    layer = smaller.conv2
    assert (layer.in_channels, layer.out_channels) == (4, 16)
    assert (smaller.fc1.in_features, smaller.fc1.out_features) == (256, 10)


def test_the_network_itself_stays_as_it_is():
    network = networks.build("small", 10, seed=1)
    before = copy.deepcopy(network.state_dict())
    smaller = keep_units(network, {"fc1": np.arange(48) < 5})
    smaller.fc3.weight.data.zero_()
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])


def test_a_form_comes_back_from_its_weights():
    """Narrower, and quantised in part."""
    network = networks.build("small", 10, seed=1)
    other = keep_units(network, drawn_units(network, 4, ("conv1", "conv2", "fc2")))
    other.fc3.weight.data = other.fc3.weight.sign() * 0.25
    layer_surgery.mark_quantised(other.fc3, torch.full((10,), 0.25), bits=2)
    again = layer_surgery.with_state(networks.build("small", 10, seed=7), other.state_dict())
    assert measure.layers(again) == measure.layers(other)
    assert repr(again) == repr(other)
    assert layer_surgery.quantised_bits(again.fc3) == 2
    assert [layer_surgery.quantised_bits(layer) for layer in weighted_layers(again).values()] == [None] * 4 + [2]
