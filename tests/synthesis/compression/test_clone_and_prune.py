"""Clone and prune: masks as far from each other as enumeration finds them, and clones of the parent's own weights."""

import itertools
from collections import Counter

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.compression.clone_and_prune import CloneAndPrune, farthest_mask, jaccard
from evo_ensyth.synthesis.network import weighted_layers

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


def masks(variants):
    """Which weights each clone has, by layer."""
    return [
        {name: layer.weight.detach().numpy() != 0 for name, layer in weighted_layers(v.model).items()} for v in variants
    ]


# Masks


@pytest.mark.parametrize("n_kept", [1, 3, 4, 6])
@pytest.mark.parametrize("seed", range(5))
def test_a_mask_is_as_far_from_those_before_as_any_of_its_size(n_kept, seed):
    size, rng, masks = 8, np.random.default_rng(seed), []
    every = [np.isin(np.arange(size), kept) for kept in itertools.combinations(range(size), n_kept)]
    for _ in range(5):
        mask = farthest_mask(masks, size, n_kept, rng)
        assert mask.sum() == n_kept
        distances = [sum(int((one != before).sum()) for before in masks) for one in (mask, *every)]
        assert distances[0] == max(distances)
        masks.append(mask)


def test_of_masks_equally_far_each_is_drawn_as_often():
    before = np.array([True, True, False, False, False])
    drawn = Counter(tuple(farthest_mask([before], 5, 2, np.random.default_rng(seed))) for seed in range(900))
    assert len(drawn) == 3
    # Binomial with p = 1/3: a standard deviation of 14.
    assert 240 < min(drawn.values()) <= max(drawn.values()) < 360


def test_jaccard_is_shared_over_all():
    assert jaccard(np.array([True, True, False, False]), np.array([True, False, True, False])) == 1 / 3


# Clones


def test_at_a_sparsity_of_a_half_every_second_clone_is_the_opposite_of_the_one_before(small, inputs_of):
    found = masks(CloneAndPrune(n_clones=4).variants(small, inputs_of(small), seed=0))
    for name in found[0]:
        np.testing.assert_array_equal(found[1][name], ~found[0][name])
        np.testing.assert_array_equal(found[3][name], ~found[2][name])
        assert not np.array_equal(found[2][name], found[0][name])


def test_at_a_sparsity_of_three_quarters_four_clones_share_the_parents_weights_out(small, inputs_of):
    found = masks(CloneAndPrune(n_clones=4, sparsity=0.75).variants(small, inputs_of(small), seed=0))
    for name in found[0]:
        np.testing.assert_array_equal(sum(mask[name].astype(int) for mask in found), 1)


@pytest.mark.parametrize("masks", ["anti_random", "random"])
@pytest.mark.parametrize("sparsity", [0.3, 0.8])
def test_every_layer_has_its_share_of_zeros_and_otherwise_the_parents_weights(small, inputs_of, masks, sparsity):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    for variant in CloneAndPrune(3, sparsity, masks).variants(small, inputs_of(small), seed=0):
        for name, tensor in variant.model.state_dict().items():
            kept = tensor != 0
            np.testing.assert_array_equal(tensor[kept], before[name][kept])
            if name.endswith("weight"):
                assert int((~kept).sum()) == round(sparsity * tensor.numel())
            else:
                np.testing.assert_array_equal(tensor, before[name])
    for name, tensor in small.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])


def test_the_report_says_what_is_shared_and_random_clones_share_what_chance_gives(small, inputs_of):
    """Of two masks of density d, drawn alike, Jaccard is d / (2 - d)."""
    variants = list(CloneAndPrune(3, 0.6, masks="random").variants(small, inputs_of(small), seed=0))
    for number, variant in enumerate(variants):
        own, *others = (
            np.concatenate([part.ravel() for part in mask.values()]) for mask in masks(variants[number::-1])
        )
        assert variant.report["jaccard"] == [jaccard(own, other) for other in reversed(others)]
        # 14,904 weights: 0.25 with a standard deviation of about 0.004.
        np.testing.assert_allclose(variant.report["jaccard"], 0.4 / 1.6, atol=0.02)
    unlike = list(CloneAndPrune(3, 0.6).variants(small, inputs_of(small), seed=0))
    assert unlike[1].report["jaccard"] == [0.0]
    assert max(unlike[2].report["jaccard"]) < 0.45


def test_the_same_seed_gives_the_same_clones_and_more_clones_do_not_change_the_first(small, inputs_of):
    few, many, others = (
        masks(CloneAndPrune(n_clones=count).variants(small, inputs_of(small), seed=seed))
        for count, seed in ((2, 0), (4, 0), (2, 1))
    )
    for name in few[0]:
        np.testing.assert_array_equal(few[0][name], many[0][name])
        np.testing.assert_array_equal(few[1][name], many[1][name])
        assert not np.array_equal(few[0][name], others[0][name])


def test_names_hold_masks_sparsity_and_clone(small, inputs_of):
    assert CloneAndPrune(n_clones=2).names() == ("clone_and_prune-0.5-1", "clone_and_prune-0.5-2")
    (variant,) = CloneAndPrune(1, 0.25, "random").variants(small, inputs_of(small), seed=0)
    assert variant.name == "clone_and_prune-random-0.25-1"
    assert variant.origin == {"method": "clone_and_prune", "masks": "random", "sparsity": 0.25, "clone": 1}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"n_clones": 0}, "n_clones is 0; it must be 1 or more"),
        ({"sparsity": 1.0}, r"sparsity is 1\.0; it must lie between 0 and 1"),
        ({"sparsity": float("nan")}, "sparsity is nan"),
        ({"masks": "opposite"}, "masks is 'opposite'; there is anti_random, random"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        CloneAndPrune(**settings)
