"""Net-Trim as a method: its grid, its two schemes, what it promises of a whole network, and resuming."""

import copy
import itertools
import math
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from oracles.networks import windows
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import CompressionInputs, _layer_inputs
from evo_ensyth.synthesis.compression._convex_program import relu_program
from evo_ensyth.synthesis.compression._layer_inputs import unfolded
from evo_ensyth.synthesis.compression._layer_walk import default_tolerance
from evo_ensyth.synthesis.compression.magnitude_control import MagnitudeControl
from evo_ensyth.synthesis.compression.net_trim import EPSILONS, NetTrim

pytestmark = pytest.mark.usefixtures("one_thread")

GRID = (0.05, 0.1, 0.3)


def network(*, bias=True, seed=0):
    torch.manual_seed(seed)
    layers = [
        ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(16, 12, bias=bias)),
        ("relu1", nn.ReLU()),
        ("dropout", nn.Dropout(0.5)),
        ("fc2", nn.Linear(12, 8, bias=bias)),
        ("relu2", nn.ReLU()),
        ("fc3", nn.Linear(8, 3, bias=bias)),
    ]
    return nn.Sequential(OrderedDict(layers)).eval()


def images(n_samples=120, seed=1):
    return torch.randn(n_samples, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def all_variants(settings, parent=None, calibration=None, **options):
    parent = network() if parent is None else parent
    calibration = images() if calibration is None else calibration
    return list(settings.variants(parent, CompressionInputs(calibration, None, None), seed=0, **options))


def stacked(layer):
    return torch.cat([layer.weight.detach().T, layer.bias.detach()[None]]).double()


def linked(parent):
    """The parent with every layer's absolute sum brought to one; biases shrink along, so that its ReLUs open alike."""
    parent = copy.deepcopy(parent)
    before = 1.0
    with torch.no_grad():
        for layer in (parent.fc1, parent.fc2, parent.fc3):
            layer.bias /= before
            size = float(layer.weight.abs().sum() + layer.bias.abs().sum())
            layer.weight /= size
            layer.bias /= size
            before *= size
    return parent


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_state(one, other):
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_there_is_one_variant_per_epsilon_in_the_order_of_the_grid():
    assert [variant.name for variant in all_variants(NetTrim(epsilons=(0.1, 0.25)))] == [
        "net_trim-0.1",
        "net_trim-0.25",
    ]


def test_progress_names_layer_epsilon_and_how_far_it_is():
    messages = []
    all_variants(NetTrim(epsilons=(0.1, 0.3)), progress=messages.append)
    assert messages[0] == "net_trim-0.1, fc1"
    assert re.fullmatch(r"net_trim-0.1, fc1: 25 iterations, gap [-0-9.]+%, beyond the ball [0-9.]+%", messages[1])
    assert [text for text in messages if ":" not in text] == [
        f"net_trim-{epsilon}, {layer}" for epsilon in ("0.1", "0.3") for layer in ("fc1", "fc2", "fc3")
    ]


def test_a_large_layer_is_solved_less_finely_by_default():
    few, many = (relu_program(torch.ones(n, 1000), torch.ones(1000, 200)) for n in (10, 6000))
    assert [default_tolerance(program) for program in (few, many)] == [1e-4, 1e-2]


def test_the_default_grid_is_the_papers():
    assert NetTrim().epsilons == EPSILONS == (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.mark.parametrize("scheme", ["parallel", "cascade"])
def test_the_origin_names_the_settings(scheme):
    for variant in all_variants(NetTrim(epsilons=GRID, scheme=scheme, layers=("fc1", "fc3"))):
        assert variant.origin["method"] == "net_trim"
        assert set(variant.report["layers"]) == {"fc1", "fc3"}


def test_the_report_counts_what_the_model_holds():
    for variant in all_variants(NetTrim(epsilons=GRID)):
        for name, layer in variant.report["layers"].items():
            weights = stacked(variant.model.get_submodule(name))
            assert layer["nonzeros"] == int(weights.count_nonzero())
            assert layer["density"] == layer["nonzeros"] / weights.numel()
            assert layer["objective"] == pytest.approx(float(weights.abs().sum()))
            assert layer["lower_bound"] <= layer["objective"] * (1 + 1e-4)
            assert layer["neuron_error"]["min"] <= layer["neuron_error"]["median"] <= layer["neuron_error"]["max"]


def test_non_zeros_fall_along_the_grid():
    counts = [
        sum(layer["nonzeros"] for layer in variant.report["layers"].values())
        for variant in all_variants(NetTrim(epsilons=(0.01, 0.05, 0.1, 0.2, 0.4, 0.7), tolerance=1e-5))
    ]
    assert all(more > fewer for more, fewer in itertools.pairwise(counts))


def test_every_layer_meets_its_ball_and_costs_no_more_than_the_parents():
    parent = network()
    for variant in all_variants(NetTrim(epsilons=GRID), parent):
        for name, layer in variant.report["layers"].items():
            assert layer["converged"]
            assert layer["gap"] <= 1e-4
            assert layer["ball"] <= 1 + 1e-4
            assert layer["overshoot"] <= 1e-3
            assert layer["objective"] <= float(stacked(parent.get_submodule(name)).abs().sum())


def test_the_radius_is_epsilon_times_the_norm_of_the_layers_outputs():
    parent = network()
    hidden = parent[:3](images()).detach().double().norm()
    (variant,) = all_variants(NetTrim(epsilons=(0.1,)), parent)
    assert variant.report["layers"]["fc1"]["radius"] == pytest.approx(0.1 * float(hidden), rel=1e-6)


def test_the_parent_stays_as_it_is():
    parent = network()
    before = state_of(parent)
    all_variants(NetTrim(epsilons=GRID, scheme="cascade"), parent)
    assert_same_state(state_of(parent), before)
    assert not any(module._forward_pre_hooks for module in parent.modules())


def test_layers_that_are_not_named_stay_as_they_are():
    parent = network()
    (variant,) = all_variants(NetTrim(epsilons=(0.3,), layers=("fc2",)), parent)
    for name in ("fc1", "fc3"):
        np.testing.assert_array_equal(stacked(variant.model.get_submodule(name)), stacked(parent.get_submodule(name)))
    assert int(variant.model.fc2.weight.count_nonzero()) < parent.fc2.weight.numel()


def test_a_layer_without_bias_gets_none():
    for scheme in ("parallel", "cascade"):
        (variant,) = all_variants(NetTrim(epsilons=(0.2,), scheme=scheme), network(bias=False))
        assert variant.model.fc1.bias is None
        assert variant.report["layers"]["fc1"]["ball"] <= 1 + 1e-4


def test_a_whole_net_with_unit_layers_misses_no_more_than_the_sum_of_radii():
    parent, calibration = linked(network()), images()
    for variant in all_variants(NetTrim(epsilons=GRID), parent, calibration):
        with torch.no_grad():
            missed = (variant.model(calibration).double() - parent(calibration).double()).norm()
        radii = [layer["radius"] for layer in variant.report["layers"].values()]
        assert float(missed) <= sum(radii) * (1 + 1e-4)


def test_a_cascade_of_unit_layers_misses_no_more_than_the_first_radius_times_the_slacks():
    parent, calibration = linked(network()), images()
    for variant in all_variants(NetTrim(epsilons=GRID, scheme="cascade", gamma=1.2), parent, calibration):
        with torch.no_grad():
            missed = (variant.model(calibration).double() - parent(calibration).double()).norm()
        assert float(missed) <= variant.report["layers"]["fc1"]["radius"] * 1.2 * (1 + 1e-4)  # sqrt(1.2 * 1.2)


def test_in_a_cascade_the_parents_weights_are_feasible_at_every_layer():
    parent, calibration, gamma = network(), images(), 1.1
    for variant in all_variants(
        NetTrim(epsilons=GRID, scheme="cascade", gamma=gamma, max_iterations=20_000), parent, calibration
    ):
        model = variant.model
        with torch.no_grad():
            for depth, name in ((4, "fc2"), (6, "fc3")):
                seen, own = model[:depth](calibration).double(), parent[:depth](calibration).double()
                weights = stacked(parent.get_submodule(name))
                with_ones = [torch.cat([part, part.new_ones(len(part), 1)], dim=1) @ weights for part in (seen, own)]
                met = with_ones[1] > 0 if name == "fc2" else torch.ones_like(with_ones[1], dtype=torch.bool)
                target = with_ones[1].clamp(min=0) if name == "fc2" else with_ones[1]
                missed = float((with_ones[0] - target)[met].norm())
                layer = variant.report["layers"][name]
                assert layer["radius"] == pytest.approx(math.sqrt(gamma) * missed, rel=1e-5)
                assert layer["objective"] <= float(weights.abs().sum()) * (1 + 1e-4)
                assert layer["ball"] <= 1 + 2e-4


def test_a_cascade_starts_with_the_first_pruned_layer_whatever_lies_before():
    """The published script keys on layer 0, so that epsilon was without effect behind convolutions."""
    parallel = all_variants(NetTrim(epsilons=(0.3,), layers=("fc2", "fc3")))[0]
    cascade = all_variants(NetTrim(epsilons=(0.3,), layers=("fc2", "fc3"), scheme="cascade"))[0]
    np.testing.assert_array_equal(stacked(parallel.model.fc2), stacked(cascade.model.fc2))
    assert cascade.report["layers"]["fc3"]["radius"] > 0


def test_cvxpy_solves_the_same_programs():
    settings = {"epsilons": (0.1, 0.4), "layers": ("fc1", "fc3")}
    for ours, reference in zip(
        all_variants(NetTrim(**settings)), all_variants(NetTrim(**settings, solver="cvxpy")), strict=True
    ):
        for name in ("fc1", "fc3"):
            expected = reference.report["layers"][name]["objective"]
            assert ours.report["layers"][name]["objective"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scheme", ["parallel", "cascade"])
@pytest.mark.parametrize("finished", [1, 3])
def test_a_resumed_run_gives_the_same_bits(tmp_path, scheme, finished):
    settings = NetTrim(epsilons=GRID, scheme=scheme, tolerance=1e-3)
    whole = all_variants(settings)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    list(
        itertools.islice(
            settings.variants(network(), CompressionInputs(images(), None, None), seed=0, scratch=scratch), finished
        )
    )
    assert len(list(scratch.iterdir())) == finished
    resumed = all_variants(settings, scratch=scratch)
    for one, other in zip(whole, resumed, strict=True):
        assert_same_state(state_of(one.model), state_of(other.model))
        assert one.name == other.name
        assert one.origin == other.origin


def test_scratch_of_another_parent_is_refused(tmp_path):
    settings = NetTrim(epsilons=(0.3,))
    all_variants(settings, scratch=tmp_path)
    with pytest.raises(InputError, match="another parent, calibration or setting; remove the folder"):
        all_variants(settings, network(seed=5), scratch=tmp_path)


# Convolutions


def convolutional(*, bias=True, stride=1, seed=0):
    torch.manual_seed(seed)
    layers = [
        ("conv1", nn.Conv2d(1, 3, 3, padding=1, bias=bias)),
        ("conv1_relu", nn.ReLU()),
        ("conv2", nn.Conv2d(3, 4, (2, 3), padding=(0, 1), stride=stride, bias=bias)),
        ("conv2_relu", nn.ReLU()),
        ("flatten", nn.Flatten()),
        ("fc1", nn.LazyLinear(5)),
    ]
    network = nn.Sequential(OrderedDict(layers)).eval()
    network(images(1))
    return network


@pytest.mark.parametrize(("name", "depth", "stride"), [("conv1", 0, 1), ("conv2", 2, 1), ("conv2", 2, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_is_pruned_like_a_dense_layer_that_sees_what_its_filters_see(name, depth, stride, bias):
    parent = convolutional(bias=bias, stride=stride)
    layer = parent.get_submodule(name)
    with torch.no_grad():
        rows = windows(parent[:depth](images()), layer)
    filters = nn.Linear(rows.shape[1], layer.out_channels, bias=bias)
    filters.weight.data = layer.weight.detach().flatten(1).clone()
    if bias:
        filters.bias.data = layer.bias.detach().clone()
    # A last layer would be met everywhere; this one is followed by ReLU.
    layers = [("fc0", filters), ("relu", nn.ReLU()), ("fc1", nn.Linear(layer.out_channels, 2))]
    dense = nn.Sequential(OrderedDict(layers))
    grid = (0.1, 0.4)
    found = all_variants(NetTrim(epsilons=grid, layers=(name,)), parent)
    expected = all_variants(NetTrim(epsilons=grid, layers=("fc0",)), dense.eval(), rows)
    for one, other in zip(found, expected, strict=True):
        pruned, reference = one.model.get_submodule(name), other.model.fc0
        np.testing.assert_array_equal(pruned.weight.detach().flatten(1), reference.weight.detach())
        if bias:
            np.testing.assert_array_equal(pruned.bias.detach(), reference.bias.detach())
        report = {key: value for key, value in one.report["layers"][name].items() if key != "seconds"}
        assert report == {key: value for key, value in other.report["layers"]["fc0"].items() if key != "seconds"}
        for untouched in {"conv1", "conv2", "fc1"} - {name}:
            assert_same_state(state_of(one.model.get_submodule(untouched)), state_of(parent.get_submodule(untouched)))
    assert 0 < int((pruned.weight == 0).sum()) < pruned.weight.numel()


def test_of_images_with_many_positions_as_many_of_each_are_drawn_and_the_same_every_time():
    layer, rng = nn.Conv2d(2, 3, 3, padding=1), torch.Generator()
    values = torch.rand(6, 2, 5, 5)
    everything = windows(values, layer)
    np.testing.assert_array_equal(unfolded(values, layer, 25, rng), everything)
    one, other = (unfolded(values, layer, 4, rng.manual_seed(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    # All rows differ, so that a row shows its position.
    places = [
        [position for row in rows for position in range(25) if torch.equal(row, known[position])]
        for rows, known in zip(one.reshape(6, 4, -1), everything.reshape(6, 25, -1), strict=True)
    ]
    assert all(len(set(drawn)) == 4 for drawn in places)
    assert len({tuple(sorted(drawn)) for drawn in places}) > 1


def test_with_fewer_positions_the_program_is_smaller_and_answers_alike(monkeypatch):
    parent = convolutional()
    (whole,) = all_variants(NetTrim(epsilons=(0.1,), layers=("conv1",)), parent)
    monkeypatch.setattr(_layer_inputs, "MOST_ROWS", 8 * 120)  # half of the positions
    (half,) = all_variants(NetTrim(epsilons=(0.1,), layers=("conv1",)), parent)
    radii = [variant.report["layers"]["conv1"]["radius"] for variant in (whole, half)]
    assert radii[1] == pytest.approx(radii[0] / 2**0.5, rel=0.05)
    with torch.no_grad():
        missed = (half.model[:2](images()) - parent[:2](images())).norm() / parent[:2](images()).norm()
    assert float(missed) < 0.12


@pytest.mark.parametrize("scheme", ["parallel", "cascade"])
def test_convolutions_and_dense_layers_are_pruned_together(scheme):
    settings = {"epsilons": (0.2,), "layers": ("fc1", "conv2", "conv1"), "scheme": scheme}
    (variant,) = all_variants(NetTrim(**settings), convolutional())
    assert variant.name == "net_trim-fc1-conv2-conv1-0.2"
    assert list(variant.report["layers"]) == ["conv1", "conv2", "fc1"]
    for layer in variant.report["layers"].values():
        assert layer["ball"] <= 1 + 2e-4
        assert layer["density"] < 1


def test_magnitude_is_its_control_in_convolutions_too():
    parent, method = convolutional(), NetTrim(epsilons=(0.4,), layers=("conv1", "fc1"))
    (variant,), (control,) = (all_variants(one, parent) for one in (method, MagnitudeControl(of=method)))
    for name in ("conv1", "conv2", "fc1"):
        parts = [list(one.model.get_submodule(name).parameters()) for one in (variant, control)]
        counts = [sum(int(part.count_nonzero()) for part in both) for both in parts]
        assert counts[0] == counts[1]
    assert int((control.model.conv1.weight == 0).sum()) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epsilons": ()}, r"epsilons are \(\); expected at least one"),
        ({"epsilons": (0.2, 0.1)}, r"epsilons are \(0.2, 0.1\); expected at least one, above 0 and increasing"),
        ({"epsilons": (0.0, 0.1)}, "above 0"),
        ({"epsilons": (0.1, math.inf)}, "above 0"),
        ({"epsilons": (0.1, math.nan)}, "above 0"),
        ({"epsilons": (0.1, 0.1 + 1e-9)}, "agree in the six digits"),
        ({"scheme": "series"}, "scheme is 'series'; there is parallel, cascade"),
        ({"solver": "osqp"}, "solver is 'osqp'; there is admm, cvxpy"),
        ({"precision": "float16"}, "precision is 'float16'; there is float32, float64"),
        ({"gamma": 0.9}, "gamma is 0.9; it must be 1 or more"),
        ({"tolerance": 0.0}, "tolerance is 0.0; it must lie between 0 and 1"),
        ({"max_iterations": 0}, "max_iterations is 0; it must be 1 or more"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        NetTrim(**settings)


def test_a_layer_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="layers names 'fc9'; the parent's layers are fc1, fc2, fc3"):
        all_variants(NetTrim(layers=("fc9",)))


def test_a_parent_without_dense_layers_is_refused():
    with pytest.raises(InputError, match="no dense layer"):
        all_variants(NetTrim(), nn.Sequential(nn.Flatten()))
