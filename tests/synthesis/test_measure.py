"""Measuring: counts against closed forms, chains against what they promise."""

import copy
import math
import time

import numpy as np
import pytest
import torch
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import datasets, layer_surgery, measure, networks
from evo_ensyth.synthesis.network import Scaled


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


def chains(network):
    return {layer["name"]: layer["chain"] for layer in measure.layers(network)}


# Answers


def test_labels_are_the_most_probable_classes(small):
    split = datasets.load("digits").test
    answered = measure.predict(small, split)
    with torch.inference_mode():
        logits = small(torch.from_numpy(split.images).float() / 16).double().numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert answered.y_pred.dtype == np.uint8
    assert answered.scores.dtype == np.float32
    np.testing.assert_allclose(answered.scores, probabilities, atol=1e-6)
    np.testing.assert_array_equal(answered.y_pred, probabilities.argmax(axis=1))
    assert measure.accuracy(answered, split) == np.mean(probabilities.argmax(axis=1) == split.y_true)


def test_ties_go_to_the_lowest_class(small):
    small.fc3.weight.data.zero_()
    small.fc3.bias.data = torch.tensor([0.0, 1, 2, 0, 2, 1, 2, 0, 0, 0])
    assert set(measure.predict(small, datasets.load("digits").test).y_pred) == {2}


def test_more_classes_than_a_byte_holds_get_two_bytes():
    network = networks.build("small", 300, seed=1)
    network.fc3.bias.data[299] = 100
    answered = measure.predict(network, datasets.load("digits").test)
    assert answered.y_pred.dtype == np.uint16
    assert set(answered.y_pred) == {299}


# Costs


@pytest.mark.parametrize(
    ("name", "macs", "convolutional"),
    [
        ("lenet", {"conv1": 627_200, "conv2": 10_035_200, "fc1": 1_605_632, "fc2": 5_120}, 0.869),
        ("cifar", {"conv1": 2_764_800, "conv2": 14_745_600, "fc1": 884_736, "fc2": 73_728, "fc3": 1_920}, 0.948),
    ],
)
def test_multiplications_are_those_of_the_published_networks(name, macs, convolutional):
    found = {layer["name"]: layer["costs"]["macs"] for layer in measure.layers(networks.build(name, 10, seed=1))}
    assert found == macs
    assert round((macs["conv1"] + macs["conv2"]) / sum(macs.values()), 3) == convolutional
    assert round(sum(macs.values()) / 1e6, 2) == {"lenet": 12.27, "cifar": 18.47}[name]


@pytest.mark.parametrize(("name", "parameters"), [("lenet", 1_663_370), ("cifar", 1_068_298)])
def test_parameters_are_those_of_the_published_networks_but_for_zero_biases(name, parameters):
    network = networks.build(name, 10, seed=1)
    zeros = sum(int((parameter == 0).sum()) for parameter in network.parameters())
    assert zeros == {"lenet": 0, "cifar": 74}[name]  # Biases of conv1 and fc3 start at 0.
    assert sum(layer["costs"]["parameters"] for layer in measure.layers(network)) == parameters - zeros


def test_zeros_cost_no_parameter_and_no_sparse_multiplication_but_a_dense_one(small):
    dense = {layer["name"]: layer["costs"] for layer in measure.layers(small)}
    small.fc1.weight.data[:, :200] = 0
    small.fc1.bias.data[:8] = 0
    small.conv2.weight.data[0] = 0
    costs = {layer["name"]: layer["costs"] for layer in measure.layers(small)}
    assert costs["fc1"]["parameters"] == 48 * 56 + 40
    assert costs["fc1"]["sparse_macs"] == 48 * 56
    assert costs["conv2"]["sparse_macs"] == 15 * 8 * 9 * 16  # 16 positions of 15 filters.
    assert {name: cost["macs"] for name, cost in costs.items()} == {name: cost["macs"] for name, cost in dense.items()}
    assert costs["fc2"] == dense["fc2"]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.96, 0.97, 1])
def test_a_tensor_is_stored_in_the_format_that_takes_fewest_bytes(count, share):
    tensor = torch.zeros(count)
    nonzero = int(share * count)
    tensor[:nonzero] = 0.1
    formats = {
        "dense": 4 * count,
        "bitmask": math.ceil(count / 8) + 4 * nonzero,
        "csr": 8 * nonzero + 8,  # value and column of each; where the row begins and where it ends
    }
    name, stored = measure.storage(tensor)
    assert stored == formats[name] == min(formats.values())


def test_formats_by_hand():
    """40 rows of 50 weights, of which 10 are left, at 32 and at 3 bits."""
    tensor = torch.ones(40, 50)
    assert measure.storage(tensor) == ("dense", 8_000)
    assert measure.storage(tensor, bits=3) == ("dense", 750)
    tensor[10:] = 0
    assert measure.storage(tensor) == ("bitmask", 250 + 2_000)
    assert measure.storage(tensor, bits=3) == ("bitmask", 250 + 188)  # 500 times 3 bits are 187.5 bytes
    tensor[:, 1:] = 0
    assert measure.storage(tensor) == ("csr", 40 + 40 + 164)
    assert measure.storage(tensor, bits=3) == ("csr", 4 + 40 + 164)


def test_a_mask_pays_below_about_97_percent():
    tensor = torch.ones(10_000)
    assert measure.storage(tensor) == ("dense", 40_000)
    tensor[:320] = 0
    assert measure.storage(tensor) == ("bitmask", 1_250 + 4 * 9_680)


def test_bytes_of_a_quantised_layer_are_codes_steps_and_biases(small):
    """Counted by hand: fc2 is 48 to 24, conv1 has 8 filters of 9 weights; their biases are floats."""
    small.fc2.weight.data = small.fc2.weight.sign()
    small.fc2.weight.data[:, :24] = 0
    small.conv1.weight.data = 3.0 * small.conv1.weight.sign()
    layer_surgery.mark_quantised(small.fc2, torch.ones(24), bits=2)
    layer_surgery.mark_quantised(small.conv1, torch.ones(8), bits=3)
    costs = {layer["name"]: layer for layer in measure.layers(small)}
    assert costs["fc2"]["weights"] == {"format": "dense", "bits": 2}
    assert costs["fc2"]["costs"]["bytes"] == 48 * 24 * 2 / 8 + 4 * 24 + 4 * 24
    assert costs["conv1"]["weights"] == {"format": "dense", "bits": 3}
    assert costs["conv1"]["costs"]["bytes"] == 8 * 9 * 3 / 8 + 4 * 8 + 4 * 8
    assert costs["fc1"]["weights"] == {"format": "dense", "bits": 32}
    small.fc2.weight.data[:, :36] = 0
    costs = {layer["name"]: layer for layer in measure.layers(small)}
    assert costs["fc2"]["weights"] == {"format": "bitmask", "bits": 2}
    assert costs["fc2"]["costs"]["bytes"] == 48 * 24 / 8 + 12 * 24 * 2 / 8 + 4 * 24 + 4 * 24


@pytest.mark.parametrize("wrong", [0.5, 2.0])
def test_weights_that_are_no_codes_are_not_sold_as_such(small, wrong):
    small.fc3.weight.data = small.fc3.weight.sign()
    layer_surgery.mark_quantised(small.fc3, torch.ones(10), bits=2)
    measure.layers(small)
    small.fc3.weight.data[3, 4] = wrong
    with pytest.raises(InputError, match="marked as quantised to 2 bits holds other weights; quantise after all else"):
        measure.layers(small)


def test_quantised_layers_are_shared_only_by_layers_with_the_same_steps(small):
    """The same weights, once as floats and once as codes, cost different bytes: they are not one part."""
    small.fc3.weight.data = small.fc3.weight.sign()
    other = copy.deepcopy(small)
    layer_surgery.mark_quantised(other.fc3, torch.ones(10), bits=2)
    before, after = chains(small), chains(other)
    assert [name for name in before if before[name] == after[name]] == ["conv1", "conv2", "fc1", "fc2"]
    assert chains(copy.deepcopy(other)) == after


def test_densities_count_weights_and_biases(small):
    small.fc3.weight.data[:5] = 0
    assert measure.densities(small) == {"conv1": 1, "conv2": 1, "fc1": 1, "fc2": 1, "fc3": (250 - 5 * 24) / 250}


# Chains


def test_equal_networks_have_equal_chains(small):
    assert chains(small) == chains(copy.deepcopy(small))
    assert len(set(chains(small).values())) == 5


@pytest.mark.parametrize("changed", ["conv1", "conv2", "fc1", "fc2", "fc3"])
@pytest.mark.parametrize("part", ["weight", "bias"])
def test_a_changed_layer_changes_its_chain_and_all_behind_it(small, changed, part):
    other = copy.deepcopy(small)
    tensor = other.get_parameter(f"{changed}.{part}").data.flatten()
    tensor[-1] = torch.nextafter(tensor[-1], torch.tensor(9.0))
    before, after = chains(small), chains(other)
    names = list(before)
    kept = names[: names.index(changed)]
    assert [name for name in names if before[name] == after[name]] == kept


def test_what_lies_between_layers_belongs_to_the_chain(small):
    other = copy.deepcopy(small)
    other.pool1 = nn.AvgPool2d(2)
    before, after = chains(small), chains(other)
    assert before["conv1"] == after["conv1"]
    assert before["conv2"] != after["conv2"]


def test_how_images_are_prepared_belongs_to_the_chain(small):
    other = copy.deepcopy(small)
    other.preparation = Scaled((1, 8, 8), largest=15)
    assert not set(chains(small).values()) & set(chains(other).values())


def test_dropout_does_not_belong_to_the_chain(small):
    other = copy.deepcopy(small)
    other.fc1_dropout.p = 0.5
    assert chains(small) == chains(other)


# Latency


def test_latency_is_the_median_in_one_thread_without_the_first_runs():
    seen = []

    class Slow(nn.Module):
        def forward(self, images):
            seen.append(torch.get_num_threads())
            time.sleep(0.01)  # does not count
            end = time.thread_time() + (0.02 if len(seen) <= 5 else 0.002)
            while time.thread_time() < end:
                pass
            return images

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        latency = measure.latency_ms(Slow(), torch.zeros(1), repeats=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert seen == [1] * 8
    assert 2 <= latency < 10


def test_latencies_of_layers_add_up_to_that_of_the_network(small, monkeypatch):
    """Every module is in one part: time is counted in calls of modules."""
    calls = []
    for kind in {type(module) for module in small.children()}:

        def counted(self, values, kind=kind, forward=kind.forward):
            calls.append(kind)
            return forward(self, values)

        monkeypatch.setattr(kind, "forward", counted)
    monkeypatch.setattr(measure.time, "thread_time", lambda: float(len(calls)))
    found = measure.layer_latencies(small, measure.Latency(repeats=3), {})
    assert list(found) == [layer["chain"] for layer in measure.layers(small)]
    n_modules = sum(not isinstance(module, torch.nn.Dropout) for module in small.children())
    assert sum(found.values()) == 1000 * n_modules
    first, *others = found
    again = measure.layer_latencies(small, measure.Latency(repeats=3), {first: 0.5})
    assert again == {first: 0.5, **{chain: found[chain] for chain in others}}


@pytest.mark.parametrize("setting", ["batch", "repeats"])
def test_a_latency_that_nothing_measures_is_refused(setting):
    with pytest.raises(InputError, match=f"{setting} is 0; it must be 1 or more"):
        measure.Latency(**{setting: 0})
