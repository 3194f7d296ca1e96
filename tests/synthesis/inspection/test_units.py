"""Units found by evidence and removed, against the network in which nobody sees them."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from oracles.architectures import ARCHITECTURES, architecture, as_network
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.inspection.removal import keep_units
from evo_ensyth.synthesis.inspection.units import STAYS, find_units
from evo_ensyth.synthesis.network import weighted_layers

pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def known(name):
    """A network, its inputs and its units; not to be changed."""
    network, inputs = architecture(name)
    return network, inputs, find_units(network)


NOT_REMOVED = {"fixed width": "", "counting": "the network does not answer as if they were zero"}


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
    network, _, units = known(name)
    assert set(units.outputs) == ARCHITECTURES[name][2]
    grouped = {place for place, layer in weighted_layers(network).items() if getattr(layer, "groups", 1) > 1}
    assert set(units.left) | set(units.outputs) | grouped == set(weighted_layers(network))


@pytest.mark.parametrize("name", [name for name, (_, _, layers) in ARCHITECTURES.items() if layers])
def test_removed_is_as_if_nobody_saw_it(name):
    network, inputs, units = known(name)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    kept = half(units)
    if name in NOT_REMOVED:
        with pytest.raises(InputError, match=f"no unit can be removed: without some of its units.*{NOT_REMOVED[name]}"):
            keep_units(network, units, kept)
        return
    smaller, rest = keep_units(network, units, kept)
    whole = units.groups.keys() - rest.groups.keys()
    assert not whole or name == "shuffle"
    gone = np.concatenate([units.groups[group][~mask] for group, mask in kept.items() if group not in whole])
    with torch.no_grad():
        wanted = readers_blinded(network, units, gone)(inputs)
        torch.testing.assert_close(smaller(inputs), wanted, rtol=1e-4, atol=1e-5)
    assert all(len(sets) == kept[group].sum() for group, sets in rest.groups.items())
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
    sizes = {place: len(layer.weight) for place, layer in weighted_layers(smaller).items()}
    assert all(sizes[place] == len(sets) for place, sets in rest.outputs.items())


def test_what_is_left_is_found_again_in_the_smaller_network():
    network, _, units = known("residual")
    smaller, rest = keep_units(network, units, half(units))
    again = find_units(smaller)
    assert set(again.groups) == set(rest.groups)
    for name, sets in again.outputs.items():
        np.testing.assert_array_equal(np.argsort(np.argsort(rest.outputs[name])), np.argsort(np.argsort(sets)))


def test_units_around_a_residual_connection_go_together():
    units = known("residual")[2]
    assert {name: units.layers(name) for name in units.groups} == {
        "0": ("0", "3.conv2"),
        "3.conv1": ("3.conv1",),
        "4.conv1": ("4.conv1",),
        "4.conv2": ("4.conv2", "4.shortcut.0"),
    }
    np.testing.assert_array_equal(units.outputs["0"], units.outputs["3.conv2"])
    np.testing.assert_array_equal(units.channels["3.bn2"], units.outputs["0"])


def test_channels_of_a_depthwise_convolution_go_with_its_inputs():
    network, _, units = known("inverted residual")
    smaller, _ = keep_units(network, units, {"0": np.arange(10) < 7})
    depthwise, norm, slopes, reader = (smaller.get_submodule(name) for name in ("3", "4", "5", "6"))
    assert (depthwise.in_channels, depthwise.out_channels, depthwise.groups) == (7, 7, 7)
    assert (norm.num_features, slopes.num_parameters, reader.in_channels) == (7, 7, 7)
    assert norm.running_var.shape == slopes.weight.shape == (7,)


def test_evidence_finds_what_the_class_of_a_network_says():
    """But for a normalisation across channels, which the class takes to keep them apart."""
    small = networks.build("small", 10, seed=1)
    known, found = find_units(small), find_units(as_network(nn.Sequential(*small.children()), small.example()))
    for part in ("outputs", "inputs", "groups"):
        wanted, got = list(getattr(known, part).values()), list(getattr(found, part).values())
        assert len(wanted) == len(got)
        assert all(map(np.array_equal, wanted, got))
    assert set(find_units(networks.build("cifar", 10, seed=1)).outputs) == {"conv1", "conv2", "fc1", "fc2"}


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
        ("normalised in groups", "6", "its outputs are mixed"),
        ("convnext", "stem", "its outputs are mixed"),
    ],
)
def test_layers_that_keep_their_units_say_why(name, layer, reason):
    assert known(name)[2].left[layer] == reason


def test_a_layer_whose_outputs_may_not_be_nan_keeps_its_units():
    class Careful(nn.Tanh):
        def forward(self, x):
            if x.isnan().any():
                raise ValueError("no\nreally")
            return super().forward(x)

    network = nn.Sequential(nn.Linear(3, 4), Careful(), nn.Linear(4, 4), nn.Softplus(), nn.Linear(4, 2))
    units = find_units(as_network(network, torch.ones(1, 3)))
    assert set(units.outputs) == {"2"}
    assert units.left["0"] == "it cannot be probed (ValueError: no)"


def test_a_group_that_only_some_widths_allow_is_left_alone():
    network, _, units = known("shuffle")
    kept = {"left": np.array([1, 0, 1, 1], bool), "mixed": np.arange(6) < 4}
    smaller, rest = keep_units(network, units, kept)
    assert rest.left["left"].startswith("without some of its units the network")
    assert set(rest.groups) == set(units.groups) - {"left"}
    assert (smaller.get_submodule("left").out_channels, smaller.get_submodule("mixed").out_channels) == (4, 4)


def test_sets_that_remain_keep_their_numbers():
    rest = known("chain")[2].without(np.array([0, 7]))
    np.testing.assert_array_equal(rest.outputs["0"], [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(rest.inputs["7"], [6, 8, 9, 10])
    assert STAYS not in rest.outputs["0"]


def test_a_black_image_does_not_make_a_wrong_removal_pass():
    """Without biases, every answer to zeros is zero."""
    network = as_network(architecture("counting")[0].wrapped, torch.zeros(1, 6))
    for place in ("a", "head"):
        network.get_parameter(f"{place}.bias").data.zero_()
    units = find_units(network)
    with pytest.raises(InputError, match="does not answer as if they were zero"):
        keep_units(network, units, half(units))
