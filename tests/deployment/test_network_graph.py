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


@pytest.mark.parametrize("name", networks.names())
def test_logits_are_those_of_the_network(name, computed):
    network = networks.build(name, 5, seed=1)
    images = images_for(network)
    with torch.inference_mode():
        expected = network(network.prepare(torch.tensor(images))).numpy()
    found = computed(lambda tape, given: add_network(tape, given, "packed", network=network), images, [5])
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("layer", [nn.Sigmoid(), nn.LocalResponseNorm(4), nn.Flatten(2)])
def test_layers_that_it_does_not_know_are_named(layer, computed):
    network = SequentialNetwork(OrderedDict(first=nn.ReLU(), strange=layer), Scaled((1, 4, 4)))
    with pytest.raises(UnknownLayerError, match=f"'strange', {type(layer).__name__}"):
        computed(lambda tape, given: add_network(tape, given, "plain", network=network), images_for(network), [])
