"""Training and fine-tuning: steps against sums written out, and promises about zeros, seeds and checkpoints."""

import contextlib
import copy
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.networks import softmax_regression
from torch import nn

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.descent import fine_tune, train
from evo_ensyth.synthesis.network import Scaled, SequentialNetwork, weighted_layers
from evo_ensyth.synthesis.reproducibility import derived_seed, reproducible
from evo_ensyth.synthesis.training import FineTuning, Training

pytestmark = pytest.mark.usefixtures("one_thread")

N_SAMPLES = 60


class InterruptionError(Exception):
    pass


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=N_SAMPLES).astype(np.uint8)
    images = rng.integers(17, size=(N_SAMPLES, 1, 8, 8)).astype(np.uint8)
    return Split(images, labels)


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


@pytest.fixture
def pruned(small):
    """A network without the smaller half of its dense weights, and without some dense biases."""
    network = copy.deepcopy(small)
    for name in ("fc1", "fc2", "fc3"):
        layer = network.get_submodule(name)
        layer.weight.data[layer.weight.abs() < layer.weight.abs().median()] = 0
        layer.bias.data[::3] = 0
    return network


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


# One step


def test_steps_of_gradient_descent_are_those_of_the_formula(data):
    """Three whole-batch steps with an L2 term on the weights and a rate that halves every second step."""
    network = SequentialNetwork(OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(64, 10)), Scaled((1, 8, 8), largest=16))
    weight, bias = (p.detach().double().numpy() for p in network.parameters())
    for rate in (0.5, 0.5, 0.25):
        weight_slope, bias_slope = softmax_regression(
            data.images.reshape(len(data), -1) / 16, data.y_true, weight, bias, l2=0.1
        )
        weight, bias = weight - rate * weight_slope, bias - rate * bias_slope
    settings = Training(
        epochs=3, batch=N_SAMPLES, optimiser="sgd", learning_rate=0.5, decay=0.5, decay_steps=2, l2=(("fc1", 0.1),)
    )
    trained = train(network, data, settings, seed=1)
    np.testing.assert_allclose(trained.fc1.weight.detach(), weight, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trained.fc1.bias.detach(), bias, rtol=1e-5, atol=1e-6)


def test_with_adam_the_l2_term_is_part_of_the_gradient_that_is_rescaled(data):
    """The first step of Adam has the length of the rate wherever the gradient, L2 included, is not zero."""
    network = SequentialNetwork(OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(64, 10)), Scaled((1, 8, 8), largest=16))
    weight, bias = (p.detach().double().numpy() for p in network.parameters())
    slope, _ = softmax_regression(data.images.reshape(len(data), -1) / 16, data.y_true, weight, bias, l2=5.0)
    settings = Training(epochs=1, batch=N_SAMPLES, learning_rate=0.01, l2=(("fc1", 5.0),))
    step = train(network, data, settings, seed=1).fc1.weight.detach().numpy() - weight
    clear = np.abs(slope) > 1e-3  # Below, Adam's epsilon of 1e-8 and rounding begin to count.
    np.testing.assert_allclose(step[clear], -0.01 * np.sign(slope[clear]), rtol=1e-3)


def test_training_learns(data, small):
    before, after = [], []
    train(small, data, Training(epochs=1), seed=1, progress=lambda done, total, text: before.append(text))
    train(
        small,
        data,
        Training(epochs=150, batch=20, learning_rate=3e-3),
        seed=1,
        progress=lambda done, total, text: after.append(text),
    )
    assert float(after[-1].split()[-1]) < 0.5 * float(before[0].split()[-1])


def test_dropout_lets_through_the_share_that_is_kept(small, data):
    tuned = fine_tune(small, data, FineTuning(name="set3", epochs=1, keep=0.7), seed=1)
    dropouts = [module for module in tuned.modules() if isinstance(module, nn.Dropout)]
    assert len(dropouts) == 3
    for dropout in dropouts:
        kept = torch.nn.functional.dropout(torch.ones(20_000), dropout.p) > 0
        assert abs(kept.float().mean().item() - 0.7) < 0.02
    assert not equal(tuned, fine_tune(small, data, FineTuning(name="set1", epochs=1), seed=1))


def test_bfloat16_stays_near_float32_and_keeps_float32_weights(small, data):
    exact = train(small, data, Training(epochs=2, batch=20), seed=1)
    coarse = train(small, data, Training(epochs=2, batch=20, bfloat16=True), seed=1)
    for one, other in zip(exact.parameters(), coarse.parameters(), strict=True):
        assert other.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=5e-3, rtol=0)


# Under the mask


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_what_is_zero_stays_exactly_zero_and_the_rest_moves(pruned, data, optimiser):
    settings = FineTuning(name="set", epochs=2, batch=20, optimiser=optimiser, l2=(("fc1", 0.1),), keep=0.5)
    tuned = fine_tune(pruned, data, settings, seed=1)
    for name, layer in weighted_layers(pruned).items():
        moved = tuned.get_submodule(name)
        assert torch.all(moved.weight[layer.weight == 0] == 0)
        assert torch.all(moved.bias[layer.bias == 0] == 0)
        assert torch.count_nonzero(moved.weight) == torch.count_nonzero(layer.weight)
        assert not torch.equal(moved.weight, layer.weight)


def test_a_bias_that_happens_to_be_zero_in_a_dense_layer_is_trained(small, data):
    network = copy.deepcopy(small)
    network.fc3.bias.data.zero_()
    tuned = fine_tune(network, data, FineTuning(name="set", epochs=1), seed=1)
    assert torch.all(tuned.fc3.bias != 0)


def test_convolutions_are_trained_unless_they_are_frozen(pruned, data):
    free = fine_tune(pruned, data, FineTuning(name="set", epochs=1), seed=1)
    frozen = fine_tune(pruned, data, FineTuning(name="set", epochs=1, convolutions=False), seed=1)
    for name in ("conv1", "conv2"):
        assert not torch.equal(free.get_submodule(name).weight, pruned.get_submodule(name).weight)
        assert torch.equal(frozen.get_submodule(name).weight, pruned.get_submodule(name).weight)
        assert torch.equal(frozen.get_submodule(name).bias, pruned.get_submodule(name).bias)
    assert not torch.equal(frozen.fc1.weight, pruned.fc1.weight)
    assert all(parameter.requires_grad for parameter in frozen.parameters())


def test_no_epoch_changes_nothing(pruned, data):
    assert equal(fine_tune(pruned, data, FineTuning(name="set", epochs=0), seed=1), pruned)


# Seeds


def test_the_seed_decides_every_bit(small, data):
    settings = Training(epochs=2, batch=16, keep=0.5)
    one = train(small, data, settings, seed=1)
    torch.manual_seed(99)  # What the rest of the program draws must not matter.
    same, other = (train(small, data, settings, seed=seed) for seed in (1, 2))
    assert equal(one, same)
    assert not equal(one, other)


def test_every_epoch_shows_every_image_once_in_an_order_of_its_own(data):
    shown = []

    class Recording(Scaled):
        def augment(self, images, rng):
            shown.extend(images.flatten(1).tolist())
            return self.prepare(images)

    network = SequentialNetwork(
        OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(64, 10)), Recording((1, 8, 8), largest=16)
    )
    train(network, data, Training(epochs=2, batch=7), seed=1)
    first, second = shown[:N_SAMPLES], shown[N_SAMPLES:]
    assert sorted(first) == sorted(second) == sorted(data.images.reshape(N_SAMPLES, -1).tolist())
    assert first != second


def test_training_leaves_network_and_random_numbers_as_they_were(small, data):
    before, state = copy.deepcopy(small), torch.get_rng_state()
    train(small, data, Training(epochs=1, keep=0.5), seed=1)
    fine_tune(small, data, FineTuning(name="set", epochs=1, keep=0.5, convolutions=False), seed=1)
    assert equal(small, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.requires_grad for parameter in small.parameters())
    assert not small.training


def test_derived_seeds_differ_by_purpose_and_fit_torch():
    seeds = [derived_seed(seed, *what) for seed in (1, 2) for what in (("a", 1), ("a", 2), ("b",), ("a1",))]
    assert len(set(seeds)) == len(seeds)
    assert derived_seed(1, "a", 1) == seeds[0]
    for seed in seeds:
        torch.Generator().manual_seed(seed)


def test_threads_and_algorithms_are_as_before_afterwards():
    before = torch.get_num_threads()
    with contextlib.suppress(InterruptionError), reproducible(threads=before + 1):
        assert torch.get_num_threads() == before + 1
        raise InterruptionError
    assert torch.get_num_threads() == before


# Checkpoints


def interrupt_in_epoch(number):
    def progress(done, total, text):
        if text.startswith(f"epoch {number} "):
            raise InterruptionError

    return progress


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("epoch", [1, 2, 5])
def test_a_training_that_was_interrupted_ends_with_the_same_bits(small, data, tmp_path, optimiser, epoch):
    settings = Training(epochs=5, batch=7, optimiser=optimiser, decay_steps=10, keep=0.8, l2=(("fc1", 0.01),))
    whole = train(small, data, settings, seed=3)
    checkpoint = tmp_path / "parent.safetensors"
    with pytest.raises(InterruptionError):
        train(small, data, settings, seed=3, checkpoint=checkpoint, progress=interrupt_in_epoch(epoch))
    assert checkpoint.exists() == (epoch > 1)
    torch.manual_seed(99)
    assert equal(train(small, data, settings, seed=3, checkpoint=checkpoint), whole)


def test_a_finished_checkpoint_is_not_trained_again(small, data, tmp_path):
    settings, messages = Training(epochs=2), []
    whole = train(small, data, settings, seed=3, checkpoint=tmp_path / "c")
    again = train(
        small, data, settings, seed=3, checkpoint=tmp_path / "c", progress=lambda *what: messages.append(what)
    )
    assert equal(whole, again)
    assert messages == []


def test_a_checkpoint_of_other_settings_is_refused(small, data, tmp_path):
    settings = Training(epochs=1)
    train(small, data, settings, seed=3, checkpoint=tmp_path / "parent.safetensors")
    for other, seed in ((replace(settings, keep=0.5), 3), (settings, 4)):
        with pytest.raises(InputError, match=r"parent\.safetensors was written under other settings; remove it"):
            train(small, data, other, seed=seed, checkpoint=tmp_path / "parent.safetensors")


# Errors


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"epochs": -1}, "epochs is -1; it must be 0 or more"),
        ({"batch": 0}, "batch is 0; it must be 1 or more"),
        ({"decay_steps": 0}, "decay_steps is 0; it must be 1 or more"),
        ({"optimiser": "lion"}, "optimiser is 'lion'; there is adam, sgd"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be a positive number"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; it must be a positive number"),
        ({"keep": 0.0}, "keep is 0.0; it must be above 0 and at most 1"),
        ({"decay": 1.5}, "decay is 1.5; it must be above 0 and at most 1"),
    ],
)
def test_a_setting_out_of_range_is_refused(change, complaint):
    with pytest.raises(InputError, match=complaint):
        replace(Training(epochs=1), **change)


def test_an_l2_term_on_a_layer_that_is_not_there_is_refused(small, data):
    with pytest.raises(InputError, match="l2 names the layer 'fc4'; the network has conv1, conv2, fc1, fc2, fc3"):
        train(small, data, Training(epochs=1, l2=(("fc4", 0.1),)), seed=1)


def test_a_training_that_diverges_stops(small, data):
    with pytest.raises(EvoEnsythError, match=r"training diverged in epoch \d+ \(loss nan\); use a lower learning rate"):
        train(small, data, Training(epochs=80, batch=10, optimiser="sgd", learning_rate=1e9), seed=1)


def test_batches_lie_in_memory_as_the_images_do():
    """Grey images may lie as if colours came last; convolutions of others have other last bits, and so do members."""
    network, batches = networks.build("small", 10, seed=0), []
    images = np.moveaxis(np.random.default_rng(0).integers(0, 17, (60, 8, 8, 1), dtype=np.uint8), 3, 1)
    data = Split(images, np.arange(60) % 10)
    assert torch.tensor(images).stride() == (64, 1, 8, 1)
    augment = network.preparation.augment

    class Watched:
        shape, prepare = network.preparation.shape, network.preparation.prepare

        def augment(self, images, rng):
            batches.append(images.stride())
            return augment(images, rng)

    network.preparation = Watched()
    train(network, data, Training(epochs=1, batch=20), seed=1)
    assert set(batches) == {(64, 1, 8, 1)}
