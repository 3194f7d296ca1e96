"""Sparse evolutionary training: as many edges all the time, and the weakest of either sign make room."""

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.compression.sparse_evolution import (
    SparseEvolution,
    _first_edges,
    erdos_renyi_sizes,
    weakest_edges,
)
from evo_ensyth.synthesis.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")

UNTRAINED = Training(epochs=0)
SHORT = Training(epochs=1, batch=50)
DENSE = ("fc1", "fc2", "fc3")


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


def edges(network):
    return {name: network.get_submodule(name).weight.detach().numpy() != 0 for name in DENSE}


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5, 0.9])
def test_sizes_follow_erdos_renyi_and_make_the_density(density):
    shapes = {"a": (48, 256), "b": (24, 48), "c": (10, 24)}
    sizes = erdos_renyi_sizes(shapes, density)
    weights = {name: outputs * inputs for name, (outputs, inputs) in shapes.items()}
    assert abs(sum(sizes.values()) - density * sum(weights.values())) <= 1.5  # Each is rounded.
    # P = eps (n_in + n_out) / (n_in n_out), with one eps for all layers that are not full.
    paces = {sizes[name] / sum(shapes[name]) for name in shapes if sizes[name] < weights[name]}
    assert max(paces) - min(paces) < 0.03
    for name in shapes:
        assert sizes[name] <= weights[name]
        if sizes[name] == weights[name]:
            assert min(paces) * sum(shapes[name]) >= weights[name] - 1


def test_the_weakest_of_either_sign_go():
    weights = np.array([[0.1, 0.2, 0.3, 0.4], [-5.0, -6.0, -7.0, 9.0]], dtype=np.float32)
    mask = np.ones((2, 4), dtype=bool)
    assert np.argwhere(weakest_edges(weights, mask, 0.4)).tolist() == [[0, 0], [0, 1], [1, 0]]
    mask[0, 0] = False
    assert np.argwhere(weakest_edges(weights, mask, 0.5)).tolist() == [[0, 1], [0, 2], [1, 0]]


def test_an_event_replaces_the_weakest_by_as_many_that_weigh_nothing(small):
    method = SparseEvolution(UNTRAINED)
    model, masks = _first_edges(small, 0.2, np.random.default_rng(0))
    rewired_model, rewired = method._rewired(model, masks, np.random.default_rng(1))
    for name in DENSE:
        before, after = (network.get_submodule(name).weight.detach().numpy() for network in (model, rewired_model))
        weak = weakest_edges(before, masks[name], 0.3)
        assert rewired[name].sum() == masks[name].sum()
        assert (rewired[name] | weak | ~masks[name]).all()
        np.testing.assert_array_equal(after, np.where(masks[name] & ~weak, before, 0))


def test_variants_have_their_density_and_other_edges_than_they_began_with(small, inputs_of):
    method = SparseEvolution(SHORT, densities=(0.1, 0.3), n_events=2)
    variants = list(method.variants(small, inputs_of(small), seed=0))
    assert tuple(variant.name for variant in variants) == method.names()
    for variant, density in zip(variants, method.densities, strict=True):
        shapes = {name: tuple(variant.model.get_submodule(name).weight.shape) for name in DENSE}
        sizes = erdos_renyi_sizes(shapes, density)
        for name, present in edges(variant.model).items():
            assert variant.report["layers"][name]["edges"] == sizes[name]
            assert sizes[name] / 2 < variant.report["layers"][name]["nonzeros"] == present.sum() <= sizes[name]
        assert not (variant.model.conv1.weight == 0).any()
    begun = next(SparseEvolution(UNTRAINED, (0.1,), 1).variants(small, inputs_of(small), seed=0)).model
    assert (edges(variants[0].model)["fc1"] & ~edges(begun)["fc1"]).any()


def test_first_weights_are_as_large_as_few_inputs_ask(small):
    model, masks = _first_edges(small, 0.2, np.random.default_rng(0))
    for name in DENSE:
        own, weight = (network.get_submodule(name).weight.detach() for network in (small, model))
        np.testing.assert_allclose(weight, own / masks[name].mean() ** 0.5, rtol=1e-6)


def test_the_origin_names_the_settings(small, inputs_of):
    (variant,) = SparseEvolution(UNTRAINED, (0.25,), n_events=1).variants(small, inputs_of(small), seed=0)
    assert variant.name == "sparse_evolution-0.25"
    assert variant.origin == {"method": "sparse_evolution", "density": 0.25, "n_events": 1, "replaced": 0.3}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"densities": ()}, r"densities are \(\); expected at least one, all above 0 and below 1"),
        ({"densities": (1.0,)}, r"densities are \(1\.0,\)"),
        ({"n_events": 0}, "n_events is 0; it must be 1 or more"),
        ({"replaced": 1.0}, r"replaced is 1\.0; it must lie between 0 and 1"),
        ({"training": Training(epochs=1, l2=(("fc1", 0.1),))}, "training has l2 terms"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        SparseEvolution(**{"training": SHORT} | settings)
