"""APoZ: zeros counted by hand, units far above their layer's mean, and networks that are really smaller."""

import numpy as np
import pytest
import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import measure, networks
from evo_ensyth.synthesis.compression.apoz import APoZ, share_of_zeros, without_silent
from evo_ensyth.synthesis.compression.dropnet import DropNet
from evo_ensyth.synthesis.inspection.units import find_units
from evo_ensyth.synthesis.network import weighted_layers
from evo_ensyth.synthesis.training import FineTuning, Training

pytestmark = pytest.mark.usefixtures("one_thread")

LAYERS = ("conv1", "conv2", "fc1", "fc2")
UNTUNED = FineTuning(name="none", epochs=0)
SHORT = FineTuning(name="short", epochs=1, batch=50)


@pytest.fixture
def small():
    """With biases of many signs, so that some units are mostly silent."""
    network = networks.build("small", 10, seed=1)
    for layer in weighted_layers(network).values():
        layer.bias.data = torch.randn(len(layer.bias), generator=torch.Generator().manual_seed(0)) / 5
    return network


def states(variants):
    return [variant.model.state_dict() for variant in variants]


def assert_same_states(some, others):
    for one, other in zip(some, others, strict=True):
        for name, tensor in one.items():
            np.testing.assert_array_equal(tensor, other[name])


# Which units go


def test_zeros_are_counted_behind_the_relu_over_images_and_positions(small, digits):
    found = share_of_zeros(small, digits, find_units(small), torch.device("cpu"))
    values, expected = small.prepare(torch.from_numpy(digits.images)), {}
    with torch.inference_mode():
        for name, module in small.named_children():
            values = module(values)
            if name.endswith("_relu"):
                units = values.transpose(0, 1).flatten(1).numpy()
                expected[name.removesuffix("_relu")] = [np.count_nonzero(unit == 0) / unit.size for unit in units]
    assert list(found) == list(expected) == list(LAYERS)
    for name, shares in found.items():
        np.testing.assert_allclose(shares, expected[name], rtol=1e-12)


@pytest.mark.parametrize("excess", [0.0, 0.5, 1.0])
def test_units_above_mean_plus_standard_deviations_of_their_own_layer_go(excess):
    rng = np.random.default_rng(0)
    zeros = {"a": rng.random(30), "b": rng.random(50) / 100}
    for name, kept in without_silent(zeros, excess).items():
        mean = sum(zeros[name]) / len(zeros[name])
        sd = (sum((share - mean) ** 2 for share in zeros[name]) / len(zeros[name])) ** 0.5
        assert kept.tolist() == [bool(share <= mean + excess * sd) for share in zeros[name]]
        assert 0 < int(kept.sum()) < len(kept)


def test_where_no_unit_stands_out_the_most_silent_one_goes():
    kept = without_silent({"a": np.array([0.1, 0.1]), "b": np.array([0.0, 0.0, 0.7, 0.7])}, 1.0)
    assert {name: units.tolist() for name, units in kept.items()} == {"a": [True, True], "b": [True, True, False, True]}


def test_the_last_unit_of_a_layer_stays():
    assert all(units.all() for units in without_silent({"a": np.array([1.0]), "b": np.array([0.2])}, 0.0).values())
    kept = without_silent({"a": np.array([1.0]), "b": np.array([0.1, 0.1])}, 0.0)
    assert {name: int(units.sum()) for name, units in kept.items()} == {"a": 1, "b": 1}


def test_equal_shares_do_not_exceed_their_own_mean():
    shares = np.full(7, 0.1)
    assert shares.mean() < 0.1  # Rounded.
    kept = without_silent({"a": shares, "b": np.array([0.0, 1.0, 0.0, 0.0])}, 0.0)
    assert kept["a"].all()


# What becomes of the network


def test_nobody_notices_that_units_without_an_answer_are_gone(small, inputs_of):
    for name in LAYERS:
        small.get_submodule(name).bias.data[2] = -1e3
    images = inputs_of(small).calibration
    (variant,) = APoZ(UNTUNED, n_cycles=1, excess=3.0, layers=("fc1",)).variants(small, inputs_of(small), seed=0)
    assert variant.report == {"units": {"fc1": variant.model.fc1.out_features}}
    with torch.inference_mode():
        np.testing.assert_allclose(variant.model(images), small(images), atol=1e-6)


def test_every_cycle_has_fewer_units_and_multiplications_and_is_tuned(small, inputs_of):
    method = APoZ(SHORT, n_cycles=3)
    variants = list(method.variants(small, inputs_of(small), seed=0))
    assert tuple(variant.name for variant in variants) == method.names() == ("apoz-1", "apoz-2", "apoz-3")
    macs = [sum(layer["costs"]["macs"] for layer in measure.layers(v.model)) for v in (*variants,)]
    assert macs == sorted(set(macs), reverse=True)
    for variant in variants:
        assert variant.report["units"] == {name: len(variant.model.get_submodule(name).weight) for name in LAYERS}
        assert variant.model.fc3.out_features == 10
        assert not np.array_equal(variant.model.fc3.bias.detach(), small.fc3.bias.detach())
        assert not variant.model.training


def test_weights_that_are_left_are_the_parents_and_the_parent_stays(small, inputs_of):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    for variant in APoZ(UNTUNED).variants(small, inputs_of(small), seed=0):
        kept, own = ({tuple(row) for row in net.conv1.weight.flatten(1).tolist()} for net in (variant.model, small))
        assert kept <= own
    assert_same_states([before], [small.state_dict()])


def test_a_network_that_has_lost_units_already_can_lose_more(small, inputs_of):
    dropped = DropNet(n_cycles=1, training=Training(epochs=0)).variants(small, inputs_of(small), seed=0)
    narrow = next(dropped).model
    (variant,) = APoZ(UNTUNED, n_cycles=1).variants(narrow, inputs_of(small), seed=0)
    assert sum(variant.report["units"].values()) < 77


# What is reported, and what is refused


def test_the_origin_names_the_settings(small, inputs_of):
    (variant,) = APoZ(UNTUNED, n_cycles=1, excess=0.5).variants(small, inputs_of(small), seed=0)
    assert variant.origin == {"method": "apoz", "excess": 0.5, "cycle": 1, "tuning": "none"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"n_cycles": 0}, "n_cycles is 0; it must be 1 or more"),
        ({"excess": -0.1}, r"excess is -0\.1; it must be 0 or more standard deviations"),
        ({"excess": float("nan")}, "excess is nan"),
        ({"excess": float("inf")}, "excess is inf"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        APoZ(UNTUNED, **settings)


def test_what_has_no_units_to_lose_is_refused(small, inputs_of):
    with pytest.raises(
        InputError, match=r"layers names 'fc3'; layers .* from which units can be removed are conv1, conv2"
    ):
        next(APoZ(UNTUNED, layers=("fc3",)).variants(small, inputs_of(small), seed=0))
    method = APoZ(UNTUNED, n_cycles=30, excess=0.0, layers=("conv1",))
    with pytest.raises(InputError, match=r"apoz-\d+: every layer is down to one unit; use fewer cycles"):
        list(method.variants(small, inputs_of(small), seed=0))
