"""Strategic synthesis: where edges may come, how many there are, and that growing alone changes no answer."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.compression._edge_training import train_edges
from evo_ensyth.synthesis.compression._edges import drawn_edges, smallest_edges
from evo_ensyth.synthesis.compression.magnitude import Magnitude
from evo_ensyth.synthesis.compression.magnitude_control import MagnitudeControl
from evo_ensyth.synthesis.compression.strategic_synthesis import StrategicSynthesis, _impacts, strategic_edges
from evo_ensyth.synthesis.settings import as_json
from evo_ensyth.synthesis.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")

UNTRAINED = Training(epochs=0)
SHORT = Training(epochs=1, batch=50)
DENSE = ("fc1", "fc2", "fc3")


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


def drawn_layer(seed, shape=(12, 9), density=0.3):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < density
    mask[0, 0] = True
    return np.where(mask, rng.normal(0.1, 1, shape), 0).astype(np.float32), mask


def assert_same_networks(one, other):
    for name, tensor in one.state_dict().items():
        np.testing.assert_array_equal(tensor, other.state_dict()[name])


# Where edges come


@pytest.mark.parametrize("seed", range(5))
def test_new_edges_come_where_none_was_and_begin_at_the_inputs_of_targets(seed):
    weights, mask = drawn_layer(seed)
    new = strategic_edges(weights, mask, 8, 0.2, np.random.default_rng(seed))
    assert new.sum() == 8
    assert not (new & mask).any()
    sizes = np.abs(weights[mask])
    largest = np.sort(sizes)[-int(0.2 * len(sizes)) :]
    room = ~mask.all(axis=0)
    assert room.all()
    targets = mask & (np.abs(weights) >= largest[0])
    assert set(np.flatnonzero(new.any(axis=0))) <= set(np.flatnonzero(targets.any(axis=0)))


def test_a_single_dominant_weight_draws_all_edges_to_its_input():
    weights, mask = drawn_layer(0)
    mask[:, 4] = False
    mask[3, 4], weights[3, 4] = True, -50.0
    new = strategic_edges(np.where(mask, weights, 0), mask, 7, 0.01, np.random.default_rng(0))
    assert new[:, 4].sum() == 7
    everything_else = strategic_edges(weights, mask, 15, 0.01, np.random.default_rng(0))
    assert everything_else[:, 4].sum() == 11  # All there is room for; the others begin at the next target's input.
    assert np.count_nonzero(everything_else.any(axis=0)) == 2


def test_origins_are_drawn_by_the_sum_of_their_targets_magnitudes():
    weights = np.zeros((400, 3), dtype=np.float32)
    weights[:2] = [[2.0, -1.0, 0.1], [-1.0, 1.0, 0.1]]
    np.testing.assert_allclose(_impacts(np.abs(weights), 0.7), [3.0, 2.0, 0.0])  # Four targets out of six.
    new = strategic_edges(weights, weights != 0, 300, 0.7, np.random.default_rng(0))
    # Binomial with p = 0.6: 180 with a standard deviation of 8.5.
    assert 150 < new[:, 0].sum() < 210
    assert new[:, 2].sum() == 0


def test_an_edge_ends_where_the_mean_incoming_weight_is_nearest_to_the_draw():
    """With one weight for all edges the Gaussian is that weight, and so is the draw."""
    mask = np.zeros((6, 5), dtype=bool)
    mask[0, 0] = mask[4, 1] = True
    weights = np.where(mask, np.float32(0.5), 0)
    weights[4, 1] += 1e-6  # The largest weight: edges begin at input 1.
    new = strategic_edges(weights, mask, 1, 0.1, np.random.default_rng(0))
    assert np.argwhere(new).tolist() == [[0, 1]]  # Others have no incoming weight, which counts as 0.


def test_strong_endpoints_are_one_deviation_above_the_mean_and_then_any():
    """Sums of magnitudes 8, 6, and six times 1: mean 2.5, standard deviation 2.6; only two outputs are above 5.1."""
    weights = np.zeros((8, 30), dtype=np.float32)
    weights[:, 0] = [-7.0, 5.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]
    weights[:2, 1] = [-1.0, 1.0]
    mask = weights != 0
    ends = [
        strategic_edges(np.where(mask, weights, 0), mask, 6, 1.0, np.random.default_rng(seed), "strong")
        for seed in range(20)
    ]
    for new in ends:  # Input 0 reaches all outputs and input 1 the strong ones: any of the other six.
        np.testing.assert_array_equal(np.flatnonzero(new.any(axis=1)), range(2, 8))
    mask[:2, 1] = False
    mask[2, 1], weights[2, 1] = True, 0.5
    drawn = [
        strategic_edges(np.where(mask, weights, 0), mask, 1, 1.0, np.random.default_rng(s), "strong") for s in range(60)
    ]
    counts = sum(new.astype(int) for new in drawn)
    assert counts.sum() == counts[:2, 1].sum() == 60
    # Binomial with p = 0.5: 30 with a standard deviation of 3.9.
    assert 15 < counts[0, 1] < 45


@pytest.mark.parametrize("seed", range(5))
def test_strong_endpoints_are_those_that_a_count_finds(seed):
    weights, mask = drawn_layer(seed, (40, 60), 0.1)
    new = strategic_edges(weights, mask, 12, 0.2, np.random.default_rng(seed), "strong")
    sums = [
        sum(abs(float(w)) for w, edge in zip(*rows, strict=True) if edge) for rows in zip(weights, mask, strict=True)
    ]
    strong = {i for i in range(40) if (sums[i] - np.mean(sums)) / np.std(sums) > 1}
    assert new.sum() == 12
    assert not (new & mask).any()
    assert 0 < len(strong) < 40
    for end, origin in np.argwhere(new):
        assert end in strong or (mask | new)[sorted(strong), origin].all()
    assert len(strong & set(np.flatnonzero(new.any(axis=1)))) > 1


def test_where_no_edge_weighs_anything_or_has_room_they_come_anywhere():
    mask = np.zeros((4, 5), dtype=bool)
    mask[:, 0] = True
    new = strategic_edges(np.zeros((4, 5), dtype=np.float32), mask, 16, 0.1, np.random.default_rng(0))
    np.testing.assert_array_equal(new, ~mask)
    drawn = {
        tuple(np.argwhere(strategic_edges(mask * 1.0, mask, 1, 0.1, np.random.default_rng(s)))[0]) for s in range(200)
    }
    assert len(drawn) == 16


def test_the_smallest_edges_are_those_and_no_others():
    weights, mask = drawn_layer(1)
    marked = smallest_edges(weights, mask, 10)
    assert marked.sum() == 10
    assert not (marked & ~mask).any()
    assert np.abs(weights[marked]).max() <= np.abs(weights[mask & ~marked]).min()


def test_edges_drawn_anywhere_come_everywhere_alike():
    vacant = np.arange(20).reshape(4, 5) % 2 == 0
    counts = sum(drawn_edges(vacant, 3, np.random.default_rng(seed)).astype(int) for seed in range(1000))
    assert counts[~vacant].sum() == 0
    # Binomial with p = 0.3: 300 with a standard deviation of 14.
    assert 240 < counts[vacant].min() <= counts[vacant].max() < 360


@pytest.mark.parametrize("growth", ["strategic", "random"])
@pytest.mark.parametrize("density", [0.3, 0.97])
def test_pruning_as_many_as_are_grown_conserves_the_number_and_new_ones_weigh_nothing(growth, density):
    """Where there is hardly any room besides, what was pruned comes back, without its weight."""
    weights, mask = drawn_layer(2, density=density)
    method = StrategicSynthesis(UNTRAINED, growth=growth)
    after, rewired = method._rewired(weights, mask, 6, 6, np.random.default_rng(0))
    assert rewired.sum() == mask.sum()
    left = mask & ~smallest_edges(weights, mask, 6)
    assert (rewired | ~left).all()
    assert (rewired & mask & ~left).any() or density < 0.9
    np.testing.assert_array_equal(after, np.where(left, weights, 0))


# Edges under training


def test_only_edges_are_trained_and_those_that_weigh_nothing_learn(small, digits):
    masks = {"fc1": np.zeros((48, 256), dtype=bool), "fc3": np.ones((10, 24), dtype=bool)}
    masks["fc1"][:, ::3] = True
    small.fc1.weight.data[:, ::6] = 0
    trained = train_edges(small, masks, digits, SHORT, seed=0, device=torch.device("cpu"))
    weights = trained.fc1.weight.detach().numpy()
    assert (weights[~masks["fc1"]] == 0).all()
    assert np.count_nonzero(weights[:, ::6]) > weights[:, ::6].size / 2  # The others are of silent units.
    assert not np.array_equal(trained.conv1.weight.detach(), small.conv1.weight.detach())
    assert list(trained.state_dict()) == list(small.state_dict())


# The whole way


@pytest.mark.parametrize("start", ["sparse", "pruned"])
@pytest.mark.parametrize("pruned_share", [0.0, 0.15])
def test_density_rises_to_each_capacity_and_never_beyond(small, inputs_of, start, pruned_share):
    settings = {"capacities": (0.06, 0.1, 0.2), "start": start, "growth_share": 0.25, "pruned_share": pruned_share}
    method = StrategicSynthesis(SHORT, **settings)
    counts = []
    for variant, capacity in zip(method.variants(small, inputs_of(small), seed=0), method.capacities, strict=True):
        for name in DENSE:
            weight = variant.model.get_submodule(name).weight
            layer = variant.report["layers"][name]
            assert layer["edges"] == max(1, int(capacity * weight.numel()))
            assert layer["density"] == layer["edges"] / weight.numel() <= capacity
            assert 0 < layer["nonzeros"] == int(weight.count_nonzero()) <= layer["edges"]
        assert not (variant.model.conv2.weight == 0).any()
        counts.append(variant.report["events"])
    assert counts == sorted(set(counts))


def test_no_event_loses_an_edge_where_nothing_is_pruned(small):
    for growth in ("strategic", "random"):
        method = StrategicSynthesis(UNTRAINED, growth=growth)
        model, masks = method._first_edges(small, small, seed=0)
        most = {name: int(0.2 * mask.size) for name, mask in masks.items()}
        rng, steps = np.random.default_rng(0), [masks]
        while any(mask.sum() < most[name] for name, mask in masks.items()):
            model, masks = method._grown(model, masks, most, rng)
            steps.append(masks)
        for before, after in pairwise(steps):
            for name in DENSE:
                assert (after[name] | ~before[name]).all()
                grown = int(after[name].sum() - before[name].sum())
                assert grown == min(max(1, round(0.1 * before[name].sum())), most[name] - before[name].sum())
        assert len(steps) > 10


def test_growing_alone_changes_no_answer(small, inputs_of):
    images = inputs_of(small).calibration
    at_once = next(Magnitude((0.95,), scope="layer").variants(small, inputs_of(small), seed=0)).model
    for name in ("conv1", "conv2"):
        at_once.get_submodule(name).load_state_dict(small.get_submodule(name).state_dict())
    method = StrategicSynthesis(UNTRAINED, (0.1, 0.3), start="pruned")
    with torch.inference_mode():
        expected = at_once(images)
        for variant in method.variants(small, inputs_of(small), seed=0):
            np.testing.assert_array_equal(variant.model(images), expected)


def test_a_sparse_start_has_the_untrained_weights_enlarged(small, inputs_of):
    untrained = networks.build("small", 10, seed=9)
    model, masks = StrategicSynthesis(UNTRAINED, start_density=0.04)._first_edges(small, untrained, seed=0)
    for name in DENSE:
        assert masks[name].sum() == round(0.04 * masks[name].size)
        weight, own = model.get_submodule(name).weight.detach(), untrained.get_submodule(name).weight.detach()
        np.testing.assert_allclose(weight, 5 * own, rtol=1e-6)
    np.testing.assert_array_equal(model.conv2.weight.detach(), untrained.conv2.weight.detach())


def test_more_capacities_do_not_change_the_first_and_the_parent_stays(small, inputs_of):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    one, two = (
        next(StrategicSynthesis(SHORT, capacities, start="pruned").variants(small, inputs_of(small), seed=0)).model
        for capacities in ((0.07,), (0.07, 0.09))
    )
    assert_same_networks(one, two)
    for name, tensor in small.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])


def test_magnitude_can_be_its_control_at_equal_density(small, inputs_of):
    method = StrategicSynthesis(SHORT, (0.1,), start="pruned")
    (variant,) = method.variants(small, inputs_of(small), seed=0)
    (control,) = MagnitudeControl(of=method).variants(small, inputs_of(small), seed=0)
    for name in DENSE:
        counts = [
            sum(int(part.count_nonzero()) for part in v.model.get_submodule(name).parameters())
            for v in (variant, control)
        ]
        assert counts[0] == counts[1]


# What is reported, and what is refused


def test_pools_that_were_begun_before_endpoints_could_be_chosen_are_known_again():
    assert "endpoints" not in as_json(StrategicSynthesis(SHORT))
    assert as_json(StrategicSynthesis(SHORT, endpoints="strong"))["endpoints"] == "strong"


def test_names_hold_growth_start_and_capacity(small, inputs_of):
    assert StrategicSynthesis(SHORT, (0.1, 0.25)).names() == (
        "strategic_synthesis-sparse-0.1",
        "strategic_synthesis-sparse-0.25",
    )
    (variant,) = StrategicSynthesis(UNTRAINED, (0.1,), "pruned", growth="random").variants(
        small, inputs_of(small), seed=0
    )
    assert variant.name == "strategic_synthesis-random-pruned-0.1"
    assert "endpoints" not in variant.origin
    (strong,) = StrategicSynthesis(UNTRAINED, (0.1,), endpoints="strong").variants(small, inputs_of(small), seed=0)
    assert (strong.name, strong.origin["endpoints"]) == ("strategic_synthesis-strong-sparse-0.1", "strong")
    (usual,) = StrategicSynthesis(UNTRAINED, (0.1,)).variants(small, inputs_of(small), seed=0)
    assert not np.array_equal(strong.model.fc1.weight.detach() != 0, usual.model.fc1.weight.detach() != 0)
    assert variant.origin["method"] == "strategic_synthesis"
    assert (variant.origin["growth"], variant.origin["start"], variant.origin["capacity"]) == ("random", "pruned", 0.1)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"capacities": ()}, r"capacities are \(\); expected at least one capacity"),
        ({"capacities": (0.3, 0.2)}, "shares that increase from above 0 to below 1"),
        ({"capacities": (1.0,)}, "shares that increase"),
        ({"start_density": 0.2}, r"start_density is 0\.2"),
        ({"start_density": 0.0}, r"start_density is 0\.0"),
        ({"start": "random"}, "start is 'random'; there is sparse, pruned"),
        ({"endpoints": "weak"}, "endpoints is 'weak'; there is gaussian, strong"),
        ({"endpoints": "strong", "growth": "random"}, "endpoints is 'strong', which random growth does not use"),
        ({"growth": "fast"}, "growth is 'fast'; there is strategic, random"),
        ({"pruned_share": 0.1}, r"pruned_share is 0\.1 and growth_share 0\.1"),
        ({"target_share": 0.0}, r"target_share is 0\.0; it must be above 0 and at most 1"),
        ({"training": Training(epochs=1, l2=(("fc1", 0.1),))}, "training has l2 terms"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        StrategicSynthesis(**{"training": SHORT} | settings)
