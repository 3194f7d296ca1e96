"""The benchmark of DropNet: published numbers of units, a small run as a whole, and its table by hand."""

import csv
from dataclasses import replace

import dropnet
import numpy as np
import pytest
from dropnet import MODELS, FullNetwork, Model, Result

from evo_ensyth.synthesis import DropNet, Training, build_pool, networks
from evo_ensyth.synthesis.network import weighted_layers

SHORT = Training(epochs=1, batch=32, optimiser="sgd", learning_rate=0.1, decay=1.0)
DIGITS = Model("small", "digits", ("fc1", "fc2"), n_units=72, n_cycles=2)
# Test accuracies of two seeds, after no cycle and after one; one seed's full network is better by a point.
MADE_UP = {
    "minimum": ((0.96, 0.97), (0.95, 0.97)),
    "maximum": ((0.96, 0.97), (0.5, 0.7)),
    "random": ((0.96, 0.97),) * 2,
}


@pytest.fixture
def found():
    return [
        Result(seed, metric, cycle, units, MADE_UP[metric][cycle][seed - 1])
        for seed in (1, 2)
        for metric in dropnet.METRICS
        for cycle, units in enumerate(((6, 4), (5, 3)))
    ]


def test_units_become_fewer_as_published():
    # Model A by the published rule; model C as the published code's cached results have it.
    assert dropnet.units_left(80, 12) == (80, 64, 52, 42, 34, 28, 23, 19, 16, 13, 11, 9, 8)
    assert dropnet.units_left(384, 11) == (384, 308, 247, 198, 159, 128, 103, 83, 67, 54, 44, 36)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_as_many_units_as_it_says_and_ends_at_a_tenth_of_them(name):
    model = MODELS[name]
    layers = weighted_layers(networks.build(model.network, 10, seed=1))
    assert sum(len(layers[layer].weight) for layer in model.layers) == model.n_units
    *before, last = dropnet.units_left(model.n_units, model.n_cycles)
    assert last <= model.n_units / 10 < before[-1]


def test_a_small_run_reports_units_and_accuracies_of_every_network(tmp_path):
    plan = dropnet.recipe(DIGITS, seed=1, training=SHORT)
    build_pool(plan, tmp_path / "pool", problem="dropnet")
    found = dropnet.results(plan, tmp_path / "pool", DIGITS)
    assert [(result.metric, sum(result.units)) for result in found] == [
        (metric, units) for metric in dropnet.METRICS for units in (72, 58, 47)
    ]
    assert len({result.accuracy for result in found if result.cycle == 0}) == 1
    assert len({result.accuracy for result in found}) > 3
    build_pool(plan, tmp_path / "pool", problem="dropnet")
    assert dropnet.results(plan, tmp_path / "pool", DIGITS) == found
    with pytest.raises(AssertionError, match="full has 72 units, the published rule leaves 80"):
        dropnet.results(plan, tmp_path / "pool", replace(DIGITS, n_units=80))


def test_the_full_network_begins_with_the_initial_weights(inputs_of):
    untrained, parent = (networks.build("small", 10, seed) for seed in (1, 2))
    method = FullNetwork(DropNet(training=Training(epochs=0)))
    (variant,) = method.variants(parent, inputs_of(untrained), seed=1)
    np.testing.assert_array_equal(variant.model.fc1.weight.detach(), untrained.fc1.weight.detach())


def test_the_interval_of_a_mean_is_the_published_one():
    values = np.array([[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0]])
    # Squared deviations from 3 are 4, 1, 0 and 9, so sd^2 = 14 / 3.
    np.testing.assert_allclose(dropnet.half_widths(values), [1.96 * np.sqrt(14 / 3) / 2, 0])
    assert np.isnan(dropnet.half_widths(values[:, :1])).all()


def test_the_table_has_means_and_differences_seed_by_seed(found):
    sheet = dropnet.sheet(found, "made up")
    full, dropped = sheet.rows
    # Two seeds: sd / sqrt(2) is half the difference, so intervals are 1.96 or, for t at one degree, 12.71 times that.
    assert full == ("10", "100", *["96.50 ± 0.98"] * 3, "", "", "")
    assert dropped[:5] == ("8", "80", "96.00 ± 1.96", "60.00 ± 19.60", "96.50 ± 0.98")
    assert dropped[5:] == ("-0.50 ± 6.35", "-0.50 ± 6.35", "+36.00 ± 114.36")


def test_results_and_picture_are_written(found, tmp_path):
    dropnet.write_results(found, tmp_path / "results.csv")
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert rows[3] == {
        "seed": "1", "metric": "maximum", "cycle": "1", "units": "8", "layers": "5+3", "test_accuracy": "0.5",
    }  # fmt: skip
    dropnet.write_picture(found, "made up", tmp_path / "errors")
    svg = (tmp_path / "errors.svg").read_text()
    assert all(metric in svg for metric in dropnet.METRICS)
