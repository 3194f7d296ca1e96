"""Quantisation-aware fine-tuning: gradients against the paper's formulas, and what is promised of the outcome."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import layer_surgery, networks
from evo_ensyth.synthesis.compression._learned_steps import LearnedSteps
from evo_ensyth.synthesis.compression.magnitude import Magnitude
from evo_ensyth.synthesis.compression.quantisation import Quantisation
from evo_ensyth.synthesis.compression.quantisation_aware import QuantisationAware
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.network import weighted_layers
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.training import FineTuning, Training

pytestmark = pytest.mark.usefixtures("one_thread")

TUNING = FineTuning(name="aware", epochs=8, batch=25, optimiser="adam", learning_rate=3e-3)


@pytest.fixture(scope="module")
def parent(digits):
    """Trained until it knows the hundred digits by heart."""
    training = Training(epochs=40, batch=25, learning_rate=3e-3)
    with reproducible(threads=1):
        return train(networks.build("small", 10, seed=1), digits, training, seed=1)


def loss(network, data):
    images, labels = network.prepare(torch.from_numpy(data.images)), torch.tensor(data.y_true, dtype=torch.long)
    with torch.inference_mode():
        return float(functional.cross_entropy(network(images), labels))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gradients_are_those_of_the_paper(bits):
    weight = torch.randn(3, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
    layer = LearnedSteps(weight.detach(), bits)
    layer.logarithms.data -= 0.3  # So that some weights lie beyond the levels.
    slope = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))
    out = layer(weight)
    out.backward(slope)
    largest, steps = 2 ** (bits - 1) - 1, layer.logarithms.detach().exp()[:, None]
    quotient = weight.detach() / steps
    inside = quotient.abs() <= largest
    assert not inside.all()
    np.testing.assert_allclose(out.detach(), quotient.clamp(-largest, largest).round() * steps, rtol=1e-5)
    np.testing.assert_allclose(weight.grad, slope * inside, rtol=1e-5)
    by_step = torch.where(inside, quotient.round() - quotient, largest * quotient.sign())
    expected = (slope * by_step).sum(dim=1) / (40 * largest) ** 0.5
    np.testing.assert_allclose(layer.logarithms.grad, expected * steps[:, 0], rtol=1e-3, atol=1e-6)


def test_without_epochs_it_is_quantisation_after_training(parent, inputs_of):
    tuning = FineTuning(name="none", epochs=0)
    aware = QuantisationAware(tuning, bits=(4, 2)).variants(parent, inputs_of(parent), seed=0)
    after = Quantisation(bits=(4, 2)).variants(parent, inputs_of(parent), seed=0)
    for one, other in zip(aware, after, strict=True):
        for name, tensor in other.model.state_dict().items():
            # The logarithm of a step and back may move its last of 16 binary digits.
            np.testing.assert_allclose(one.model.state_dict()[name], tensor, rtol=2**-14)


def test_with_few_bits_it_loses_less_than_quantisation_after_training(parent, inputs_of, digits):
    (aware,) = QuantisationAware(TUNING, bits=(2,)).variants(parent, inputs_of(parent), seed=0)
    (after,) = Quantisation(bits=(2,)).variants(parent, inputs_of(parent), seed=0)
    assert loss(aware.model, digits) < 0.3 * loss(after.model, digits)


def test_the_outcome_has_the_form_of_its_bits_and_the_parent_stays(parent, inputs_of):
    before = copy.deepcopy(parent.state_dict())
    method = QuantisationAware(TUNING, bits=(3,))
    (variant,) = method.variants(parent, inputs_of(parent), seed=0)
    assert (variant.name,) == method.names() == ("quantisation_aware-3",)
    assert variant.origin == {"method": "quantisation_aware", "bits": 3, "tuning": "aware"}
    assert not variant.model.training
    for name, layer in weighted_layers(variant.model).items():
        assert layer_surgery.quantised_bits(layer) == 3
        assert not torch.equal(layer.bias, parent.get_submodule(name).bias)
        assert type(layer) is type(parent.get_submodule(name))
    assert variant.model.state_dict().keys() - before.keys() == {
        f"{name}.{part}" for name in weighted_layers(parent) for part in ("step", "bits")
    }
    for name, tensor in parent.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])


def test_what_was_pruned_stays_zero_and_what_was_only_rounded_to_zero_may_return(parent, inputs_of):
    (pruned,) = Magnitude((0.2,)).variants(parent, inputs_of(parent), seed=0)
    (after,) = Quantisation(bits=(2,)).variants(pruned.model, inputs_of(parent), seed=0)
    (aware,) = QuantisationAware(TUNING, bits=(2,)).variants(pruned.model, inputs_of(parent), seed=0)
    returned = 0
    for name, layer in weighted_layers(aware.model).items():
        assert (layer.weight[pruned.model.get_submodule(name).weight == 0] == 0).all()
        returned += int(((layer.weight != 0) & (after.model.get_submodule(name).weight == 0)).sum())
    assert returned > 0


def test_settings_that_make_no_sense_are_refused(parent, inputs_of):
    with pytest.raises(InputError, match=r"bits are \(1,\); expected at least one, from 2 to 8"):
        QuantisationAware(TUNING, bits=(1,))
    with pytest.raises(InputError, match="tuning has l2 terms"):
        QuantisationAware(FineTuning(name="x", epochs=1, l2=(("fc1", 0.1),)))
    (coded,) = Quantisation(bits=(8,)).variants(parent, inputs_of(parent), seed=0)
    with pytest.raises(InputError, match="quantised weights cannot be trained"):
        next(QuantisationAware(TUNING).variants(coded.model, inputs_of(parent), seed=0))
