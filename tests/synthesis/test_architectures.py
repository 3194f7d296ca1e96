"""The networks: against the published counts, and their unusual layers against sums written out."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.network import PaddedCrop, Scaled, StandardisedCrop, weighted_layers

COUNTS = {
    "lenet": {"conv1": 832, "conv2": 51_264, "fc1": 1_606_144, "fc2": 5_130},
    "cifar": {"conv1": 4_864, "conv2": 102_464, "fc1": 885_120, "fc2": 73_920, "fc3": 1_930},
    "small": {"conv1": 80, "conv2": 1_168, "fc1": 12_336, "fc2": 1_176, "fc3": 250},
    "dropnet_a": {"fc1": 31_400, "fc2": 1_640, "fc3": 410},
    "dropnet_b": {"conv1": 640, "conv2": 36_928, "fc1": 31_370},
    "dropnet_c": {"conv1": 1_792, "conv2": 36_928, "conv3": 73_856, "conv4": 147_584, "fc1": 131_328, "fc2": 2_570},
}
TOTALS = {
    "lenet": 1_663_370,
    "cifar": 1_068_298,
    "small": 15_010,
    "dropnet_a": 33_450,
    "dropnet_b": 68_938,
    "dropnet_c": 394_058,
}


@pytest.mark.parametrize("name", COUNTS)
def test_layers_have_the_published_numbers_of_parameters(name):
    network = networks.build(name, 10, seed=1)
    layers = weighted_layers(network)
    assert {layer: sum(p.numel() for p in module.parameters()) for layer, module in layers.items()} == COUNTS[name]
    assert sum(parameter.numel() for parameter in network.parameters()) == TOTALS[name]


def test_a_block_without_weights_hands_on_what_goes_around_it():
    network = networks.build("resnet20", 10, seed=1)
    maps = torch.rand(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for block in (network.blocks[0], network.blocks[3]):
            block.conv2.weight.zero_()
        torch.testing.assert_close(network.blocks[0](maps), maps)
        halved = network.blocks[3](maps)  # of 16 channels on the way in, and 32 on the way out
    torch.testing.assert_close(halved[:, 8:24], maps[:, :, ::2, ::2])
    assert halved.shape == (2, 32, 4, 4)
    assert not halved[:, :8].any()
    assert not halved[:, 24:].any()


def test_crops_in_training_are_squares_of_the_padded_image_or_their_mirror_images():
    preparation = PaddedCrop((1, 4, 4), mean=(0.5,), sd=(0.25,), padding=1)
    images = torch.arange(1, 17, dtype=torch.uint8).reshape(1, 1, 4, 4).repeat(200, 1, 1, 1)
    crops = preparation.augment(images, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images[0], (1, 1, 1, 1)).float()
    squares = [padded[:, top : top + 4, left : left + 4] for top in range(3) for left in range(3)]
    possible = [(square / 255 - 0.5) / 0.25 for square in (*squares, *(square.flip(2) for square in squares))]
    seen = [[torch.allclose(crop, square) for square in possible] for crop in crops]
    assert np.all(np.sum(seen, axis=1) == 1)
    assert np.all(np.sum(seen, axis=0) > 0)
    torch.testing.assert_close(preparation.prepare(images)[0], possible[4])


def test_the_cifar_network_flattens_maps_of_six_by_six():
    network = networks.build("cifar", 10, seed=1)
    with torch.inference_mode():
        maps = nn.Sequential(*list(network.children())[:8])(torch.zeros(1, 3, 24, 24))
    assert maps.shape == (1, 64, 6, 6)


def test_initial_weights_are_cut_off_at_two_standard_deviations():
    network = networks.build("cifar", 10, seed=1)
    for name, sd, bias in (("conv1", 0.05, 0), ("fc1", 0.04, 0.1), ("fc3", 1 / 192, 0)):
        layer = network.get_submodule(name)
        assert layer.weight.abs().max() <= 2 * sd
        # A normal distribution cut off at two sd has a sd of 0.8796 times that.
        np.testing.assert_allclose(layer.weight.std().item(), 0.8796 * sd, rtol=0.05)
        assert torch.all(layer.bias == bias)


@pytest.mark.parametrize("name", ["dropnet_a", "dropnet_b", "dropnet_c"])
def test_weights_of_the_dropnet_networks_are_uniform_up_to_the_bound_of_glorot(name):
    network = networks.build(name, 10, seed=1)
    for layer in weighted_layers(network).values():
        outputs, inputs = layer.weight.shape[:2]
        bound = math.sqrt(6 / ((inputs + outputs) * layer.weight[0, 0].numel()))
        assert layer.weight.abs().max() <= bound
        # A uniform distribution up to a bound either way has a sd of bound / sqrt(3).
        np.testing.assert_allclose(layer.weight.std().item(), bound / math.sqrt(3), rtol=0.1)
        assert torch.all(layer.bias == 0)


def test_a_copy_prepares_images_like_the_original():
    network = networks.build("cifar", 10, seed=1)
    assert copy.deepcopy(network).preparation == network.preparation


# The two layers that are not as torch has them by default


def test_the_response_norm_is_the_published_one():
    values = 30 * torch.randn(2, 64, 3, 3, generator=torch.Generator().manual_seed(0))  # Large, so that it matters.
    expected = torch.empty_like(values)
    for channel in range(64):
        near = values[:, max(0, channel - 4) : channel + 5]
        expected[:, channel] = values[:, channel] / (1 + 0.001 / 9 * near.square().sum(dim=1)) ** 0.75
    norm = networks.build("cifar", 10, seed=1).norm1
    torch.testing.assert_close(norm(values), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", [24, 12])
def test_pooling_pads_like_same_at_the_far_edge_only(side):
    values = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    expected = torch.tensor(
        [[values[0, 0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max() for j in range(side // 2)] for i in range(side // 2)]
    )
    pooled = networks.build("cifar", 10, seed=1).pool1(values)
    assert torch.equal(pooled[0, 0], expected)


# Preparation


def random_images(*shape):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_grey_values_are_scaled_to_one():
    images = torch.tensor([[[[0, 8, 16]]]], dtype=torch.uint8)
    assert Scaled((1, 1, 3), largest=16).prepare(images).flatten().tolist() == [0, 0.5, 1]
    assert Scaled((1, 1, 3), largest=16).augment(images, torch.Generator()).flatten().tolist() == [0, 0.5, 1]


def test_every_channel_of_a_centre_crop_is_standardised_on_its_own():
    images = random_images(5, 3, 32, 32)
    prepared = StandardisedCrop((3, 24, 24)).prepare(images)
    torch.testing.assert_close(prepared.mean(dim=(2, 3)), torch.zeros(5, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(prepared.std(dim=(2, 3), correction=0), torch.ones(5, 3), atol=1e-5, rtol=0)
    # Centre: standardising keeps the order of values, so the largest pixel of the middle stays where it was.
    assert prepared[2, 1].argmax() == images[2, 1, 4:28, 4:28].flatten().int().argmax()


def test_a_channel_of_one_colour_becomes_zero():
    prepared = StandardisedCrop((3, 24, 24)).prepare(torch.full((1, 3, 32, 32), 200, dtype=torch.uint8))
    assert torch.all(prepared == 0)


def test_an_augmented_image_is_one_of_the_crops_or_its_mirror_and_each_occurs():
    crop = StandardisedCrop((1, 3, 3), noise=0.0)
    image = random_images(1, 1, 5, 5)
    squares = [image[:, :, top : top + 3, left : left + 3] for top in range(3) for left in range(3)]
    known = [crop.prepare(square) for square in squares]
    known += [prepared.flip(3) for prepared in known]
    drawn = crop.augment(image.repeat(400, 1, 1, 1), torch.Generator().manual_seed(1))
    matches = torch.stack([torch.isclose(drawn, prepared, atol=1e-5).all(dim=(1, 2, 3)) for prepared in known])
    assert torch.all(matches.sum(dim=0) == 1)
    # Each of 18 is expected 22 times; fewer than 6 or more than 45 would be five standard deviations off.
    assert matches.sum(dim=1).min() >= 6
    assert matches.sum(dim=1).max() <= 45


def test_training_images_of_cifar_have_a_little_noise():
    images = random_images(50, 3, 24, 24)  # As large as the crop: nothing but mirror and noise.
    crop = StandardisedCrop((3, 24, 24))
    drawn, still = crop.augment(images, torch.Generator().manual_seed(1)), crop.prepare(images)
    off = torch.minimum((drawn - still).flatten(1).std(dim=1), (drawn - still.flip(3)).flatten(1).std(dim=1))
    assert math.isclose(off.mean().item(), 0.001, rel_tol=0.05)
