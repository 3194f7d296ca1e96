"""Magnitude pruning: the largest stay, in every scope and at every pace; and the control of another method."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.compression import CompressionInputs, Variant
from evo_ensyth.synthesis.compression._largest_weights import keep_largest
from evo_ensyth.synthesis.compression.magnitude import Gradual, Magnitude
from evo_ensyth.synthesis.compression.magnitude_control import MagnitudeControl
from evo_ensyth.synthesis.compression.net_trim import NetTrim
from evo_ensyth.synthesis.network import weighted_layers
from evo_ensyth.synthesis.training import FineTuning

pytestmark = pytest.mark.usefixtures("one_thread")


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()


def images_only():
    """Images for Net-Trim; nothing is trained on."""
    return CompressionInputs(torch.rand(80, 1, 4, 4, generator=torch.Generator().manual_seed(1)), None, None)


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


def weights(network):
    """Weights of every layer as numpy arrays."""
    return {name: layer.weight.detach().numpy().copy() for name, layer in weighted_layers(network).items()}


# Which weights stay


@pytest.mark.parametrize("kept", [0, 1, 7, 50, 59, 60])
def test_the_largest_of_several_tensors_stay(kept):
    rng = np.random.default_rng(kept)
    values = rng.permutation(np.arange(1.0, 61)) * rng.choice([-1, 1], 60)
    tensors = [torch.tensor(values[:24]).reshape(4, 6), torch.tensor(values[24:])]
    keep_largest(tensors, kept)
    expected = np.where(np.abs(values) > 60 - kept, values, 0)
    np.testing.assert_array_equal(np.concatenate([tensor.flatten() for tensor in tensors]), expected)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.95])
def test_globally_one_threshold_parts_all_weights(small, inputs_of, sparsity):
    (variant,) = Magnitude((sparsity,)).variants(small, inputs_of(small), seed=0)
    before = np.concatenate([weight.flatten() for weight in weights(small).values()])
    after = np.concatenate([weight.flatten() for weight in weights(variant.model).values()])
    np.testing.assert_array_equal(after[after != 0], before[after != 0])
    assert np.count_nonzero(after == 0) == round(sparsity * len(after))
    assert np.abs(before[after == 0]).max() <= np.abs(after[after != 0]).min()


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.95])
def test_by_layer_every_layer_has_its_share_and_its_threshold(small, inputs_of, sparsity):
    small.fc1.weight.data *= 100  # What is large elsewhere does not matter here.
    (variant,) = Magnitude((sparsity,), scope="layer").variants(small, inputs_of(small), seed=0)
    for name, after in weights(variant.model).items():
        before = weights(small)[name]
        assert np.count_nonzero(after == 0) == round(sparsity * after.size)
        assert np.abs(before[after == 0]).max() <= np.abs(after[after != 0]).min()
        assert variant.report["layers"][name]["nonzeros"] == np.count_nonzero(after)


def test_globally_a_layer_of_large_weights_is_spared(small, inputs_of):
    small.fc2.weight.data *= 100
    (variant,) = Magnitude((0.6,)).variants(small, inputs_of(small), seed=0)
    assert np.abs(weights(small)["fc2"]).min() > 0
    assert np.count_nonzero(weights(variant.model)["fc2"]) > 0.99 * small.fc2.weight.numel()


def test_biases_and_the_parent_stay_as_they_are(small, inputs_of):
    before = copy.deepcopy(small.state_dict())
    (variant,) = Magnitude((0.9,)).variants(small, inputs_of(small), seed=0)
    for name, tensor in small.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])
        if name.endswith("bias"):
            np.testing.assert_array_equal(variant.model.state_dict()[name], tensor)


# Step by step


def test_the_schedule_is_the_cubic_one():
    """In the style of Zhu and Gupta, from no zeros: s (1 - (1 - t)^3)."""
    steps = Gradual(FineTuning(name="x", epochs=1), n_steps=4).sparsities(0.8)
    np.testing.assert_allclose(steps, [0.8 * (1 - 27 / 64), 0.8 * (1 - 8 / 64), 0.8 * (1 - 1 / 64), 0.8])


def test_a_gradual_variant_is_pruned_and_tuned_in_turn(small, inputs_of):
    tuning = FineTuning(name="x", epochs=1, batch=25, learning_rate=0.05)
    method = Magnitude((0.8,), gradual=Gradual(tuning, n_steps=3))
    messages = []
    (variant,) = method.variants(small, inputs_of(small), seed=0, progress=messages.append)
    assert messages[1:] == [f"magnitude-global-gradual-0.8, step {step} of 3" for step in (1, 2, 3)]
    after = np.concatenate([weight.flatten() for weight in weights(variant.model).values()])
    assert np.count_nonzero(after == 0) == round(0.8 * len(after))
    # Tuned, and therefore not just the largest of the parent's weights.
    (at_once,) = Magnitude((0.8,)).variants(small, inputs_of(small), seed=0)
    masks = [np.concatenate([w.flatten() != 0 for w in weights(v.model).values()]) for v in (variant, at_once)]
    assert 0 < np.count_nonzero(masks[0] != masks[1]) < 0.2 * len(after)
    assert not np.array_equal(variant.model.fc3.bias.detach(), small.fc3.bias.detach())


def test_without_epochs_little_by_little_is_at_once(small, inputs_of):
    method = Magnitude((0.5, 0.9), scope="layer", gradual=Gradual(FineTuning(name="x", epochs=0), n_steps=5))
    at_once = Magnitude((0.5, 0.9), scope="layer")
    pairs = (m.variants(small, inputs_of(small), seed=0) for m in (method, at_once))
    for one, other in zip(*pairs, strict=True):
        for name, weight in weights(one.model).items():
            np.testing.assert_array_equal(weight, weights(other.model)[name])


def test_an_interrupted_schedule_goes_on_with_the_same_result(small, inputs_of, tmp_path):
    tuning = FineTuning(name="x", epochs=1, batch=25, learning_rate=0.05)
    method = Magnitude((0.8,), gradual=Gradual(tuning, n_steps=3))
    (whole,) = method.variants(small, inputs_of(small), seed=5)

    def interrupt(text):
        if "step 3" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(method.variants(small, inputs_of(small), seed=5, scratch=tmp_path, progress=interrupt))
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(finished) == 2
    (resumed,) = method.variants(small, inputs_of(small), seed=5, scratch=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    for name, weight in weights(whole.model).items():
        np.testing.assert_array_equal(weight, weights(resumed.model)[name])
    (other,) = method.variants(small, inputs_of(small), seed=6)
    assert not np.array_equal(weights(other.model)["fc1"], weights(whole.model)["fc1"])


def test_names_hold_scope_pace_and_share(small, inputs_of):
    gradual = Gradual(FineTuning(name="slow", epochs=0), n_steps=2)
    assert Magnitude((0.5, 0.25)).names() == ("magnitude-global-0.5", "magnitude-global-0.25")
    method = Magnitude((0.5,), scope="layer", gradual=gradual)
    (variant,) = method.variants(small, inputs_of(small), seed=0)
    assert (variant.name,) == method.names() == ("magnitude-layer-gradual-0.5",)
    expected = {"method": "magnitude", "scope": "layer", "sparsity": 0.5, "n_steps": 2, "tuning": "slow"}
    assert variant.origin == expected


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"sparsities": ()}, r"sparsities are \(\); expected at least one, all above 0 and below 1"),
        ({"sparsities": (0.5, 1.0)}, r"sparsities are \(0\.5, 1\.0\)"),
        ({"sparsities": (0.0,)}, r"sparsities are \(0\.0,\)"),
        ({"sparsities": (float("nan"),)}, r"sparsities are \(nan,\)"),
        ({"scope": "filter"}, "scope is 'filter'; there is global, layer"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        Magnitude(**settings)


def test_a_schedule_without_steps_is_refused():
    with pytest.raises(InputError, match="n_steps is 0; it must be 1 or more"):
        Gradual(FineTuning(name="x", epochs=1), n_steps=0)


# The control


def parameters_of(layer):
    return torch.cat([layer.weight.detach().flatten(), layer.bias.detach()])


def test_each_control_keeps_the_largest_of_each_layer_and_as_many_as_the_variant():
    parent, method = network(), NetTrim(epsilons=(0.1, 0.4))
    variants = list(method.variants(parent, images_only(), seed=0))
    controls = list(MagnitudeControl(of=method).variants(parent, images_only(), seed=0))
    assert MagnitudeControl(of=method).names() == tuple(control.name for control in controls)
    assert [control.name for control in controls] == [f"magnitude-like-{variant.name}" for variant in variants]
    for variant, control in zip(variants, controls, strict=True):
        for place in ("2", "4"):
            own, kept = parameters_of(parent.get_submodule(place)), parameters_of(control.model.get_submodule(place))
            count = int(parameters_of(variant.model.get_submodule(place)).count_nonzero())
            assert int(kept.count_nonzero()) == count
            np.testing.assert_array_equal(kept[kept != 0], own[kept != 0])
            assert kept[kept != 0].abs().min() >= own[kept == 0].abs().max()


def test_layers_that_are_not_dense_and_the_parent_stay_as_they_are():
    parent = network()
    before = {name: tensor.clone() for name, tensor in parent.state_dict().items()}
    (control,) = MagnitudeControl(of=NetTrim(epsilons=(0.4,))).variants(parent, images_only(), seed=0)
    np.testing.assert_array_equal(control.model[0].weight.detach(), before["0.weight"])
    for name, tensor in parent.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])


def test_of_equal_weights_the_earlier_stays():
    class Half:
        def variants(self, parent, inputs_of, *, seed, scratch=None, progress=None):
            model = nn.Sequential(nn.Linear(4, 1))
            model[0].weight.data = torch.tensor([[0.0, 0.0, 5.0, 5.0]])
            model[0].bias.data.zero_()
            yield Variant("half", {"method": "half"}, model, {})

    parent = nn.Sequential(nn.Linear(4, 1))
    parent[0].weight.data = torch.tensor([[1.0, -1.0, 1.0, 1.0]])
    parent[0].bias.data.zero_()
    (control,) = MagnitudeControl(of=Half()).variants(parent, images_only(), seed=0)
    np.testing.assert_array_equal(control.model[0].weight.detach(), [[1.0, -1.0, 0.0, 0.0]])


def test_the_scratch_folder_is_handed_on(tmp_path):
    method = NetTrim(epsilons=(0.4,))
    list(MagnitudeControl(of=method).variants(network(), images_only(), seed=0, scratch=tmp_path))
    files = sorted(tmp_path.iterdir())
    assert files
    times = [file.stat().st_mtime_ns for file in files]
    list(method.variants(network(), images_only(), seed=0, scratch=tmp_path))
    assert [file.stat().st_mtime_ns for file in files] == times


def test_the_origin_names_the_settings():
    (control,) = MagnitudeControl(of=NetTrim(epsilons=(0.4,))).variants(network(), images_only(), seed=0)
    assert control.origin["method"] == "magnitude"
    assert control.origin["like"]["epsilon"] == 0.4
