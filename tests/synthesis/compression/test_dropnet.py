"""DropNet: published numbers of units, scores written out, and units that are really gone."""

import copy
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import measure, networks
from evo_ensyth.synthesis.compression.dropnet import (
    METRICS,
    DropNet,
    Patience,
    activity,
    held_out_split,
    without_lowest,
)
from evo_ensyth.synthesis.inspection.units import find_units
from evo_ensyth.synthesis.network import Scaled, SequentialNetwork, weighted_layers
from evo_ensyth.synthesis.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")

UNTRAINED = Training(epochs=0)
SHORT = Training(epochs=2, batch=30)

# What the published code's cached results have for model C, and its rule gives for model A.
GLOBAL_C = [308, 247, 198, 159, 128, 103, 83, 67, 54, 44, 36]
LAYER_C = [310, 250, 202, 164, 134, 110, 90, 74, 62, 50, 42, 36]
GLOBAL_A = [64, 52, 42, 34, 28, 23, 19, 16, 13, 11, 9, 8]


@pytest.fixture
def small():
    """Trained a little, as far as these tests care: with biases of many values."""
    network = networks.build("small", 10, seed=1)
    for layer in weighted_layers(network).values():
        layer.bias.data = torch.randn(len(layer.bias), generator=torch.Generator().manual_seed(0)) / 5
    return network


def units(variant):
    return sum(variant.report["units"].values())


def gone(scores, kept):
    return {(name, int(unit)) for name in scores for unit in np.flatnonzero(~kept[name])}


def chosen(metric, scores, share=0.2, seed=0):
    """Which units a metric drops."""
    kept = DropNet(metric=metric, share=share)._kept(scores, np.random.default_rng(seed))
    return gone(scores, kept)


# How many units go


def drawn_scores(sizes, seed=0):
    rng = np.random.default_rng(seed)
    return {f"layer{i}": rng.random(size) for i, size in enumerate(sizes)}


@pytest.mark.parametrize(
    ("sizes", "scope", "published"),
    [
        ((64, 64, 128, 128), "", GLOBAL_C),
        ((64, 64, 128, 128), "_layer", LAYER_C),
        ((40, 40), "", GLOBAL_A),
    ],
)
@pytest.mark.parametrize("metric", ["minimum", "maximum", "random"])
def test_as_many_units_are_left_after_each_cycle_as_published(sizes, scope, published, metric):
    method, rng = DropNet(metric=metric + scope), np.random.default_rng(0)
    scores, counts = drawn_scores(sizes), []
    for _ in published:
        kept = method._kept(scores, rng)
        scores = {name: values[kept[name]] for name, values in scores.items()}
        counts.append(sum(len(values) for values in scores.values()))
    assert counts == published


def test_networks_lose_as_many_units_as_published(inputs_of):
    """Model A on digits: two hidden layers of 40."""
    torch.manual_seed(0)
    layers = [("flatten", nn.Flatten()), ("fc1", nn.Linear(64, 40)), ("relu1", nn.ReLU())]
    layers += [("fc2", nn.Linear(40, 40)), ("relu2", nn.ReLU()), ("fc3", nn.Linear(40, 10))]
    parent = SequentialNetwork(OrderedDict(layers), Scaled((1, 8, 8), largest=16))
    method = DropNet(n_cycles=12, training=UNTRAINED)
    variants = list(method.variants(parent, inputs_of(parent), seed=0))
    assert [units(variant) for variant in variants] == GLOBAL_A
    for variant in variants:
        sizes = [variant.model.fc1.out_features, variant.model.fc2.out_features]
        assert list(variant.report["units"].values()) == sizes
        macs = sum(layer["costs"]["macs"] for layer in measure.layers(variant.model))
        assert macs == 64 * sizes[0] + sizes[0] * sizes[1] + sizes[1] * 10


def test_the_last_unit_of_a_layer_stays():
    scores = {"a": np.array([1.0, 2.0]), "b": np.array([9.0, 8.0, 7.0])}
    for _ in range(3):
        kept = without_lowest(scores, 0.2, np.random.default_rng(0))
        scores = {name: values[kept[name]] for name, values in scores.items()}
    assert {name: list(values) for name, values in scores.items()} == {"a": [2.0], "b": [9.0]}
    assert not gone(scores, without_lowest(scores, 0.2, np.random.default_rng(0)))


# Which units go


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_those_of_lowest_or_highest_score_go(share):
    scores = drawn_scores((10, 20, 5))
    ranked = sorted((value, name, unit) for name, values in scores.items() for unit, value in enumerate(values))
    count = max(1, int(share * 35))
    assert chosen("minimum", scores, share) == {(name, unit) for _, name, unit in ranked[:count]}
    assert chosen("maximum", scores, share) == {(name, unit) for _, name, unit in ranked[-count:]}
    assert not chosen("minimum", scores, share) & chosen("maximum", scores, share)
    for name, values in scores.items():
        count = max(1, int(share * len(values)))
        order = [(name, int(unit)) for unit in np.argsort(values)]
        assert {place for place in chosen("minimum_layer", scores, share) if place[0] == name} == set(order[:count])
        assert {place for place in chosen("maximum_layer", scores, share) if place[0] == name} == set(order[-count:])


def test_the_scale_of_a_layer_counts_among_all_units_but_not_within_the_layer():
    scores = drawn_scores((10, 20, 5))
    scaled = scores | {"layer1": 10 * scores["layer1"]}
    for metric in METRICS:
        same = chosen(metric, scores) == chosen(metric, scaled)
        assert same == (metric not in ("minimum", "maximum"))


def test_at_random_every_unit_goes_as_often_whatever_its_score():
    scores = drawn_scores((10, 30))
    for metric in ("random", "random_layer"):
        assert chosen(metric, scores, seed=1) == chosen(metric, scores, seed=1)
        drawn = [chosen(metric, scores, seed=seed) for seed in range(1000)]
        counts = [sum((name, unit) in drop for drop in drawn) for name in scores for unit in range(len(scores[name]))]
        # Binomial with p = 0.2: a standard deviation of 12.6, and 40 units.
        assert 150 < min(counts) <= max(counts) < 250


def test_equal_scores_are_ranked_at_random():
    scores = {"a": np.zeros(40)}
    assert len({frozenset(chosen("minimum", scores, seed=seed)) for seed in range(20)}) == 20


def test_scores_are_mean_activations_over_images_and_positions(small, digits):
    found = activity(small, digits, find_units(small), torch.device("cpu"))
    values = small.prepare(torch.from_numpy(digits.images))
    expected = {}
    with torch.inference_mode():
        for name, module in small.named_children():
            values = module(values)
            if name.endswith("_relu"):
                over = tuple(axis for axis in range(values.ndim) if axis != 1)
                expected[name.removesuffix("_relu")] = values.abs().double().mean(dim=over)
    assert list(found) == list(expected)
    for name, scores in found.items():
        np.testing.assert_allclose(scores, expected[name], rtol=1e-6)


@pytest.mark.parametrize("layer", ["conv2", "fc1"])
def test_a_silent_unit_goes_first_by_minimum_and_last_by_maximum(small, inputs_of, layer):
    weights = small.get_submodule(layer)
    weights.weight.data[3] = 0
    weights.bias.data[3] = -1.0
    images = inputs_of(small).calibration
    scores = activity(small, inputs_of(small).train, find_units(small), torch.device("cpu"))
    assert scores[layer][3] == 0
    others = {
        name: np.where(values == 0, 1e-9, values) for name, values in scores.items()
    }  # Some are silent by chance.
    others[layer][3] = 0
    assert chosen("minimum", others, share=0.001) == {(layer, 3)}
    assert (layer, 3) in chosen("minimum_layer", others, share=0.001)
    assert (layer, 3) not in chosen("maximum", others, share=0.9)
    # Nobody notices that it is gone.
    method = DropNet(metric="minimum", share=0.01, n_cycles=1, start="continue", training=UNTRAINED)
    (variant,) = method.variants(small, inputs_of(small), seed=0)
    with torch.inference_mode():
        np.testing.assert_allclose(variant.model(images), small(images), atol=1e-6)


# Where training begins


def rows(weight):
    return {tuple(row) for row in weight.detach().flatten(1).tolist()}


def test_every_cycle_begins_with_the_initial_weights_bit_for_bit(small, inputs_of):
    untrained = networks.build("small", 10, seed=9)
    variants = DropNet(n_cycles=4, training=UNTRAINED, layers=("conv1", "fc2"))
    for variant in variants.variants(small, inputs_of(untrained), seed=0):
        assert rows(variant.model.conv1.weight) < rows(untrained.conv1.weight)
        np.testing.assert_array_equal(variant.model.fc1.weight.detach(), untrained.fc1.weight.detach())
        assert rows(variant.model.fc2.weight) < rows(untrained.fc2.weight)
        assert rows(variant.model.fc3.weight.T) < rows(untrained.fc3.weight.T)


def test_continuing_it_begins_with_the_weights_there_are(small, inputs_of):
    method = DropNet(n_cycles=3, start="continue", training=UNTRAINED)
    for variant in method.variants(small, inputs_of(networks.build("small", 10, seed=9)), seed=0):
        assert rows(variant.model.conv1.weight) <= rows(small.conv1.weight)
        assert set(variant.model.fc3.bias.tolist()) == set(small.fc3.bias.tolist())


@pytest.mark.parametrize("start", ["initial", "continue"])
def test_units_only_become_fewer_and_what_is_left_is_trained(small, inputs_of, start):
    method = DropNet(metric="minimum_layer", n_cycles=3, start=start, training=SHORT)
    before = copy.deepcopy(small.state_dict())
    variants = list(method.variants(small, inputs_of(small), seed=0))
    assert tuple(variant.name for variant in variants) == method.names()
    counts = [(8, 16, 48, 24)] + [tuple(variant.report["units"].values()) for variant in variants]
    assert counts == [(8, 16, 48, 24), (7, 13, 39, 20), (6, 11, 32, 16), (5, 9, 26, 13)]
    for variant in variants:
        assert not variant.model.training
        assert variant.model.fc3.out_features == 10
        assert not rows(variant.model.fc2.weight) & rows(small.fc2.weight)
    for name, tensor in small.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])


@pytest.mark.parametrize("metric", METRICS)
def test_the_same_seed_gives_the_same_networks(small, inputs_of, metric):
    method = DropNet(metric=metric, n_cycles=1, training=replace(SHORT, epochs=1))
    one, other, third = (next(method.variants(small, inputs_of(small), seed=seed)).model for seed in (0, 0, 1))
    for name, tensor in one.state_dict().items():
        np.testing.assert_array_equal(tensor, other.state_dict()[name])
    assert not np.array_equal(one.fc3.weight.detach(), third.fc3.weight.detach())


# When training stops


def test_training_stops_when_held_out_loss_has_not_improved_for_so_many_epochs(digits):
    network = networks.build("small", 10, seed=1)
    patience = Patience(digits, 2)
    assert not patience(network)  # The first is the best so far.
    network.fc3.bias.data[0] += 5
    assert not patience(network)  # Worse, once.
    network.fc3.bias.data[0] -= 5
    network.fc3.weight.data *= 0
    network.fc3.bias.data = torch.tensor(np.bincount(digits.y_true) / len(digits)).log().float()
    assert not patience(network)  # The best constant answer; so the waiting begins anew.
    assert not patience(network)  # No better.
    assert patience(network)


def test_training_that_does_not_improve_ends_early(small, inputs_of):
    messages = []
    training = Training(epochs=50, batch=30, learning_rate=1e-12)  # Steps too small to change a float.
    list(
        DropNet(n_cycles=1, training=training, patience=3).variants(
            small, inputs_of(small), seed=0, progress=messages.append
        )
    )
    assert messages[-1].startswith("dropnet-minimum-1, epoch 4 of 50")


def test_samples_that_decide_when_to_stop_are_not_trained_on(digits):
    fitted, held_out = held_out_split(digits, seed=0)
    assert (len(fitted), len(held_out)) == (90, 10)
    images = [image.tobytes() for part in (fitted, held_out) for image in part.images]
    assert sorted(images) == sorted(image.tobytes() for image in digits.images)
    counts = np.bincount(digits.y_true) / 10
    assert (np.abs(np.bincount(held_out.y_true, minlength=10) - counts) < 1).all()


# What is reported, and what is refused


def test_names_hold_metric_start_and_cycle(small, inputs_of):
    assert DropNet(n_cycles=2).names() == ("dropnet-minimum-1", "dropnet-minimum-2")
    method = DropNet(metric="maximum_layer", n_cycles=1, start="continue", training=UNTRAINED)
    (variant,) = method.variants(small, inputs_of(small), seed=0)
    assert variant.name == "dropnet-maximum_layer-continue-1"
    assert variant.origin == {
        "method": "dropnet",
        "metric": "maximum_layer",
        "share": 0.2,
        "start": "continue",
        "cycle": 1,
    }


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"metric": "least"}, "metric is 'least'; there is minimum, maximum, random, minimum_layer"),
        ({"start": "again"}, "start is 'again'; there is initial, continue"),
        ({"share": 0.0}, r"share is 0\.0; it must lie between 0 and 1"),
        ({"n_cycles": 0}, "n_cycles is 0; it must be 1 or more"),
        ({"patience": 0}, "patience is 0; it must be 1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        DropNet(**settings)


def test_what_has_no_units_to_drop_is_refused(small, inputs_of):
    with pytest.raises(
        InputError, match=r"layers names 'fc3'; layers .* from which units can be removed are conv1, conv2, fc1"
    ):
        next(DropNet(layers=("fc3",)).variants(small, inputs_of(small), seed=0))
    method = DropNet(layers=("conv1",), share=0.9, n_cycles=3, training=UNTRAINED)
    with pytest.raises(InputError, match="dropnet-minimum-2: every layer is down to one unit; use fewer cycles"):
        list(method.variants(small, inputs_of(small), seed=0))
    (narrow,) = DropNet(n_cycles=1, training=UNTRAINED).variants(small, inputs_of(small), seed=0)
    with pytest.raises(InputError, match="the network has lost units already; DropNet starts from one with all"):
        next(DropNet().variants(narrow.model, inputs_of(small), seed=0))
