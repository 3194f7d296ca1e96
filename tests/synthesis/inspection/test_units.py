"""Units found by evidence and removed, against the network in which nobody sees them."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from oracles.architectures import ARCHITECTURES, architecture
from torch import nn

from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.inspection.removal import keep_units
from evo_ensyth.synthesis.inspection.units import STAYS, find_units
from evo_ensyth.synthesis.network import weighted_layers

@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other take longer than networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def known(name):
    """A network, its inputs and its units; not to be changed."""
    network, inputs = architecture(name)
    return network, inputs, find_units(network, inputs)


NOT_REMOVED = {"fixed width", "lossy"}  # found, but the smaller network fails or answers otherwise


def half(units, seed=0):
    """Keep about half of the units of every group, at least one and not all."""
    rng = np.random.default_rng(seed)
    kept = {name: rng.random(len(sets)) < 0.5 for name, sets in units.groups.items()}
    for mask in kept.values():
        mask[rng.permutation(len(mask))[:2]] = (True, False)
    return kept


def readers_blinded(network, units, gone):
    """The network, whose readers see zeros in place of some sets; by weights of zero."""
    network = copy.deepcopy(network)
    for name, sets in units.inputs.items():
        network.get_submodule(name).weight.data[:, np.isin(sets, gone)] = 0
    return network


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_layers_whose_units_can_be_removed_are_found(name):
    network, inputs, units = known(name)
    assert set(units.outputs) == ARCHITECTURES[name][2]
    convolutions = {place for place, layer in weighted_layers(network).items() if getattr(layer, "groups", 1) > 1}
    assert set(units.left) | set(units.outputs) | convolutions == set(weighted_layers(network))


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("seed", [0, 1])
def test_removed_is_as_if_nobody_saw_it(name, seed):
    network, inputs, units = known(name)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    kept = half(units, seed)
    smaller, rest, left = keep_units(network, units, kept, inputs)
    assert set(left) <= set(kept)
    assert bool(left) == (name in NOT_REMOVED) or name == "shuffle"
    gone = np.concatenate([[], *(units.groups[group][~mask] for group, mask in kept.items() if group not in left)])
    with torch.no_grad():
        wanted = readers_blinded(network, units, gone)(inputs)
        torch.testing.assert_close(smaller(inputs), wanted, rtol=1e-4, atol=1e-5)
    for group, sets in rest.groups.items():
        assert len(sets) == (len(kept[group]) if group in left else kept[group].sum())
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
    sizes = {place: len(layer.weight) for place, layer in weighted_layers(smaller).items()}
    assert all(sizes[place] == len(sets) for place, sets in rest.outputs.items())


def test_what_is_left_is_found_again_in_the_smaller_network():
    network, inputs, units = known("residual")
    smaller, rest, _ = keep_units(network, units, half(units), inputs)
    again = find_units(smaller, inputs)
    assert set(again.groups) == set(rest.groups)
    for name, sets in again.outputs.items():
        np.testing.assert_array_equal(np.argsort(np.argsort(rest.outputs[name])), np.argsort(np.argsort(sets)))


def test_units_around_a_residual_connection_go_together():
    network, inputs, units = known("residual")
    assert {name: units.layers(name) for name in units.groups} == {
        "0": ("0", "3.conv2"),
        "3.conv1": ("3.conv1",),
        "4.conv1": ("4.conv1",),
        "4.conv2": ("4.conv2", "4.shortcut.0"),
    }
    np.testing.assert_array_equal(units.outputs["0"], units.outputs["3.conv2"])
    np.testing.assert_array_equal(units.channels["3.bn2"], units.outputs["0"])


def test_channels_of_a_depthwise_convolution_go_with_its_inputs():
    network, inputs, units = known("inverted residual")
    smaller, _, _ = keep_units(network, units, {"0": np.arange(10) < 7}, inputs)
    depthwise, norm, slopes, reader = (smaller.get_submodule(name) for name in ("3", "4", "5", "6"))
    assert (depthwise.in_channels, depthwise.out_channels, depthwise.groups) == (7, 7, 7)
    assert (norm.num_features, slopes.num_parameters, reader.in_channels) == (7, 7, 7)
    assert norm.running_var.shape == slopes.weight.shape == (7,)


def test_units_are_those_of_the_layers_in_a_row_where_the_class_says_so():
    """Evidence finds the same, but for a normalisation across channels, which the class takes to keep them apart."""
    known = find_units(networks.build("small", 10, seed=1), None)
    network = networks.build("small", 10, seed=1)
    found = find_units(WithoutClass(network), torch.rand(1, 1, 8, 8))
    for part in ("outputs", "inputs", "groups"):
        assert set(getattr(known, part)) == set(getattr(found, part))
        for name, sets in getattr(known, part).items():
            np.testing.assert_array_equal(sets, getattr(found, part)[name])
    cifar = networks.build("cifar", 10, seed=1)
    assert set(find_units(cifar, None).outputs) == {"conv1", "conv2", "fc1", "fc2"}
    mixed = find_units(WithoutClass(cifar), torch.rand(1, 3, 24, 24))
    assert set(mixed.outputs) == {"fc1", "fc2"}
    assert mixed.left["conv1"] == "its outputs are mixed"


class WithoutClass(nn.Sequential):
    """The layers of a network of this package, as anybody's module."""

    def __init__(self, network):
        super().__init__(*())
        for name, module in network.named_children():
            self.add_module(name, module)


@pytest.mark.parametrize(
    ("name", "layer", "reason"),
    [
        ("tied", "a", "its weights are used elsewhere too"),
        ("tied", "c", "it is called 2 times"),
        ("grouped", "2", "it has groups"),
        ("grouped", "0", "'2' reads it, and it has groups"),
        ("transformer", "encoder.layers.0.self_attn.out_proj", "it is not called as a module"),
        ("transformer", "head", "it gives the answer"),
        ("normalised in groups", "0", "its outputs are mixed"),
        ("convnext", "stem", "its outputs are mixed"),
    ],
)
def test_layers_that_keep_their_units_say_why(name, layer, reason):
    assert known(name)[2].left[layer] == reason


def test_a_network_that_cannot_bear_nan_keeps_all_units():
    class Careful(nn.Linear):
        def forward(self, x):
            assert not x.isnan().any(), "NaN"
            return super().forward(x)

    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Sequential(Careful(4, 4), nn.Softplus()), nn.Linear(4, 2))
    network[2].register_forward_pre_hook(lambda *_: None)
    units = find_units(network.eval(), torch.randn(1, 3))
    assert set(units.outputs) == {"0", "2.0"}


def test_removal_that_only_some_widths_allow_is_refused_by_group():
    network, inputs, units = known("shuffle")
    kept = {"left": np.array([1, 0, 1, 1], bool), "mixed": np.arange(6) < 4}
    smaller, _, left = keep_units(network, units, kept, inputs)
    assert list(left) == ["left"]
    assert "does not answer as if they were zero" in left["left"] or "fails" in left["left"]
    assert (smaller.get_submodule("left").out_channels, smaller.get_submodule("mixed").out_channels) == (4, 4)


def test_sets_of_removed_units_are_numbered_as_before():
    network, inputs, units = known("chain")
    rest = units.without(np.array([0, 7]))
    np.testing.assert_array_equal(rest.outputs["0"], [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(rest.inputs["7"], [6, 8, 9, 10])
    assert STAYS not in rest.outputs["0"]
