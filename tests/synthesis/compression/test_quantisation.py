"""Quantisation: what is promised of every weight, and steps against a search written out."""

import copy

import numpy as np
import pytest
import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import layer_surgery, measure, networks
from evo_ensyth.synthesis.compression._rounding import SHARES, quantise
from evo_ensyth.synthesis.compression.quantisation import SPANS, Quantisation
from evo_ensyth.synthesis.descent import fine_tune
from evo_ensyth.synthesis.network import weighted_layers
from evo_ensyth.synthesis.training import FineTuning

pytestmark = pytest.mark.usefixtures("one_thread")

BITS = (8, 7, 6, 5, 4, 3, 2)


@pytest.fixture
def small():
    """A network with a filter of zeros, and one output whose weights are a thousand times those of the others."""
    network = networks.build("small", 10, seed=1)
    network.conv1.weight.data[2] = 0
    network.fc1.weight.data[:, ::3] = 0
    network.fc3.weight.data[4] *= 1000
    return network


def drawn(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("shape", [(6, 50), (5, 3, 3, 3)])
def test_no_weight_moves_by_more_than_half_the_step_of_its_own_output(bits, shape):
    weight = drawn(shape) * torch.logspace(-6, 4, shape[0]).view(-1, *[1] * (len(shape) - 1))
    rounded, steps = quantise(weight, bits, "whole")
    for row in range(shape[0]):
        moved = (rounded[row] - weight[row]).abs().max()
        assert moved <= steps[row] / 2 * (1 + 1e-5)  # A quotient near one half may be rounded across it.
        # A step has 16 binary digits and is rounded up to them.
        np.testing.assert_allclose(steps[row], weight[row].abs().max() / (2 ** (bits - 1) - 1), rtol=2**-15)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("span", SPANS)
def test_there_are_at_most_so_many_levels_symmetric_about_zero(bits, span):
    rounded, steps = quantise(drawn((4, 3000)), bits, span)
    for row, step in zip(rounded, steps, strict=True):
        codes = row.double() / step.double()
        np.testing.assert_array_equal(codes, codes.round())  # Exactly: no product of step and code is rounded.
        assert codes.abs().max() == 2 ** (bits - 1) - 1
        assert len(codes.unique()) <= 2**bits - 1


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("span", SPANS)
def test_quantising_twice_is_quantising_once(bits, span):
    once, steps = quantise(drawn((40, 60)) * torch.logspace(-8, 8, 40)[:, None], bits, span)
    twice, same_steps = quantise(once, bits, span)
    np.testing.assert_array_equal(twice, once)
    np.testing.assert_array_equal(same_steps, steps)


@pytest.mark.parametrize("span", SPANS)
def test_zero_stays_zero_and_signs_mirror(span):
    weight = drawn((5, 70))
    weight[:, ::4] = 0
    weight[3] = 0
    rounded, steps = quantise(weight, 3, span)
    assert (rounded[weight == 0] == 0).all()
    assert not torch.signbit(rounded[rounded == 0]).any()
    assert steps[3] == 1  # Any step will do for a row of zeros.
    np.testing.assert_array_equal(quantise(-weight, 3, span)[0], -rounded)


def test_steps_are_an_outputs_own():
    """What one output has for weights does not show in another."""
    weight = drawn((3, 20))
    alone, _ = quantise(weight[:1], 4, "least_squares")
    weight[1:] *= 1e6
    np.testing.assert_array_equal(quantise(weight, 4, "least_squares")[0][:1], alone)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_step_of_least_squares_is_the_best_of_all_that_are_tried(bits):
    weight = drawn((3, 200), seed=bits)
    rounded, _ = quantise(weight, bits, "least_squares")
    largest = 2 ** (bits - 1) - 1
    for before, after in zip(weight.double().numpy(), rounded.double().numpy(), strict=True):
        tried = [share * np.abs(before).max() / largest for share in SHARES]
        errors = [np.square(np.clip(np.round(before / s), -largest, largest) * s - before).sum() for s in tried]
        np.testing.assert_allclose(np.square(after - before).sum(), min(errors), rtol=1e-3)
    if bits <= 4:  # Normal weights are worth clipping.
        whole, _ = quantise(weight, bits, "whole")
        assert (rounded - weight).norm() < (whole - weight).norm()


def test_variants_are_those_of_the_grid_and_leave_the_parent_alone(small, inputs_of):
    before = copy.deepcopy(small.state_dict())
    method = Quantisation(bits=(8, 2))
    variants = list(method.variants(small, inputs_of(small), seed=0))
    assert [variant.name for variant in variants] == list(method.names()) == ["quantisation-8", "quantisation-2"]
    assert Quantisation(bits=(3,), span="whole").names() == ("quantisation-whole-3",)
    for name, tensor in small.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])
    for variant, bits in zip(variants, (8, 2), strict=True):
        assert variant.origin == {"method": "quantisation", "bits": bits, "span": "least_squares"}
        for place, layer in weighted_layers(variant.model).items():
            own = small.get_submodule(place)
            expected, steps = quantise(own.weight.detach(), bits, "least_squares")
            np.testing.assert_array_equal(layer.weight.detach(), expected)
            np.testing.assert_array_equal(layer.step, steps)
            np.testing.assert_array_equal(layer.bias.detach(), own.bias.detach())
            assert layer_surgery.quantised_bits(layer) == bits
            error = (layer.weight - own.weight).norm() / own.weight.norm()
            np.testing.assert_allclose(variant.report["layers"][place]["relative_error"], error.detach(), rtol=1e-5)
            assert layer_surgery.quantised_bits(own) is None


def test_eight_bits_take_a_quarter_of_the_bytes_and_hardly_change_an_answer(inputs_of):
    parent = networks.build("small", 10, seed=1)
    (variant,) = Quantisation(bits=(8,)).variants(parent, inputs_of(parent), seed=0)
    total = sum(layer["costs"]["bytes"] for layer in measure.layers(variant.model))
    n_outputs = 8 + 16 + 48 + 24 + 10
    assert total == (15_010 - n_outputs) + 4 * n_outputs + 4 * n_outputs  # codes, biases, steps
    images = inputs_of(parent).calibration
    with torch.inference_mode():
        assert (variant.model(images) - parent(images)).norm() < 0.02 * parent(images).norm()


def test_what_is_quantised_comes_back_from_its_weights(small, inputs_of, tmp_path):
    (variant,) = Quantisation(bits=(3,)).variants(small, inputs_of(small), seed=0)
    again = layer_surgery.with_state(networks.build("small", 10, seed=2), variant.model.state_dict())
    assert measure.layers(again) == measure.layers(variant.model)


def test_what_is_quantised_cannot_be_trained(small, inputs_of, digits):
    (variant,) = Quantisation(bits=(4,)).variants(small, inputs_of(small), seed=0)
    with pytest.raises(InputError, match=r"conv1, conv2, fc1, fc2, fc3: quantised weights cannot be trained"):
        fine_tune(variant.model, digits, FineTuning(name="x", epochs=1), seed=1)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"bits": ()}, r"bits are \(\); expected at least one, from 2 to 8, each once"),
        ({"bits": (4, 1)}, r"bits are \(4, 1\)"),
        ({"bits": (9,)}, r"bits are \(9,\)"),
        ({"bits": (4, 4)}, r"bits are \(4, 4\)"),
        ({"span": "half"}, "span is 'half'; there is least_squares, whole"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        Quantisation(**settings)
