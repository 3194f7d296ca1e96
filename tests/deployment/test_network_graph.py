"""Graphs of networks, against the networks themselves."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from evo_ensyth.deployment.network_graph import UnknownLayerError, add_network
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.network import Scaled, SequentialNetwork, StandardisedCrop


def images_for(network):
    channels, height, width = network.preparation.shape
    margin = 8 if isinstance(network.preparation, StandardisedCrop) else 0
    shape = (3, channels, height + margin, width + margin)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    images[0] = 7  # one colour
    return images


@pytest.mark.parametrize("name", ["cifar", "dropnet_a", "dropnet_b", "dropnet_c", "lenet", "small", "vgg11"])
def test_logits_are_those_of_the_network(name, computed):
    network = networks.build(name, 5, seed=1)
    drawn = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):  # as after a training: nothing is 0 or 1
            for tensor in (layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=drawn))
    images = images_for(network)
    with torch.inference_mode():
        expected = network(network.prepare(torch.tensor(images))).numpy()
    found = computed(lambda tape, given: add_network(tape, given, "packed", network=network), images, [5])
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


def test_a_network_that_is_no_row_of_layers_is_left_to_an_exporter(computed):
    network = networks.build("resnet20", 5, seed=1)
    with pytest.raises(UnknownLayerError, match="the order of layers of a ResNet"):
        computed(lambda tape, given: add_network(tape, given, "plain", network=network), images_for(network), [5])


@pytest.mark.parametrize("layer", [nn.Sigmoid(), nn.LocalResponseNorm(4), nn.Flatten(2)])
def test_layers_that_it_does_not_know_are_named(layer, computed):
    network = SequentialNetwork(OrderedDict(first=nn.ReLU(), strange=layer), Scaled((1, 4, 4)))
    with pytest.raises(UnknownLayerError, match=f"'strange', {type(layer).__name__}"):
        computed(lambda tape, given: add_network(tape, given, "plain", network=network), images_for(network), [])
