"""Features behind a frozen trunk: members have the bits that they have without, and a trunk is computed once."""

import copy
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from evo_ensyth.synthesis import frozen_trunk, networks
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.descent import fine_tune
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures
from evo_ensyth.synthesis.network import SequentialNetwork
from evo_ensyth.synthesis.training import FineTuning

pytestmark = pytest.mark.usefixtures("one_thread")

FROZEN = FineTuning(name="x", epochs=2, batch=20, keep=0.5, l2=(("fc1", 0.1),), convolutions=False)


def drawn_split(shape, n_samples=50):  # the last batch is smaller
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_samples, *shape)).astype(np.uint8)
    return Split(images, rng.integers(0, 10, n_samples).astype(np.uint8))


@pytest.fixture
def small():
    network = networks.build("small", 10, seed=1)
    network.fc1.weight.data[::2] = 0
    return network


@pytest.fixture
def data():
    return drawn_split((1, 8, 8))


@pytest.fixture
def passes(monkeypatch):
    """Images that went through a trunk, call by call."""
    seen, kept = [], frozen_trunk._batches

    def counted(*arguments):
        for batch in kept(*arguments):
            seen.append(len(batch))
            yield batch

    monkeypatch.setattr(frozen_trunk, "_batches", counted)
    return seen


def assert_same_bits(one, other):
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


@pytest.mark.parametrize("name", ["small", "lenet", "dropnet_b"])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_features_do_not_change_a_bit(name, bfloat16):
    network = networks.build(name, 10, seed=1)
    channels, side, _ = network.preparation.shape
    data, settings = drawn_split((channels, side, side)), replace(FROZEN, bfloat16=bfloat16)
    features = TrunkFeatures()
    for seed in (1, 2):
        expected = fine_tune(network, data, settings, seed=seed)
        assert_same_bits(fine_tune(network, data, settings, seed=seed, features=features), expected)


def test_a_trunk_is_computed_once_for_all_its_heads(small, data, passes):
    features, other = TrunkFeatures(), copy.deepcopy(small)
    other.fc1.weight.data *= 2
    for network in (small, other, small):
        fine_tune(network, data, FROZEN, seed=1, features=features)
    assert passes == [20, 20, 10]
    other.conv2.weight.data *= 2
    found = fine_tune(other, data, FROZEN, seed=1, features=features)
    assert passes == [20, 20, 10] * 2
    assert_same_bits(found, fine_tune(other, data, FROZEN, seed=1))
    fine_tune(other, copy.deepcopy(data), FROZEN, seed=1, features=features)
    assert passes == [20, 20, 10] * 3


def test_large_features_are_mapped_and_leave_no_file(small, data, monkeypatch, tmp_path):
    monkeypatch.setattr(frozen_trunk, "MOST_IN_MEMORY", 1000)
    features = TrunkFeatures(tmp_path / "work")
    found = fine_tune(small, data, FROZEN, seed=1, features=features)
    monkeypatch.undo()
    assert_same_bits(found, fine_tune(small, data, FROZEN, seed=1))
    assert not list((tmp_path / "work").iterdir())


def test_features_in_bfloat16_are_mapped_too(small, data, monkeypatch, tmp_path):
    for layer in (small.conv1, small.conv2):
        layer.requires_grad_(False)
    found = []
    for most in (1000, 10**6):
        monkeypatch.setattr(frozen_trunk, "MOST_IN_MEMORY", most)
        features, head = TrunkFeatures(tmp_path).of(small, data, batch=20, autocast=True)
        assert next(head.parameters()) is small.fc1.weight
        found.append(features)
    assert found[0].dtype == torch.bfloat16
    assert torch.equal(*found)


def test_there_are_no_features_where_something_is_trained_drawn_or_remembered(small, data, passes):
    trained = replace(FROZEN, convolutions=True)
    norm = nn.BatchNorm2d(8)
    layers = [(name, module) for name, module in small.named_children()]
    remembering = SequentialNetwork(OrderedDict([layers[0], ("norm", norm), *layers[1:]]), small.preparation)
    cifar, images = networks.build("cifar", 10, seed=1), drawn_split((3, 32, 32))
    for network, shown, settings in ((small, data, trained), (cifar, images, FROZEN), (remembering, data, FROZEN)):
        found = fine_tune(network, shown, settings, seed=1, features=TrunkFeatures())
        assert_same_bits(found, fine_tune(network, shown, settings, seed=1))
    assert passes == [20, 20, 10]  # of the convolution in front of the normalisation
