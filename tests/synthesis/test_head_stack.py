"""Stacks of heads: each is trained as it would be alone, keeps its zeros, and fails alone."""

import copy
from dataclasses import dataclass, field, replace

import pytest
import torch
from digests import contents
from safetensors.torch import load_file
from test_build import RECIPE, Smallest
from test_frozen_trunk import FROZEN, assert_same_bits, drawn_split
from torch.nn import functional

from evo_ensyth.errors import EvoEnsythError, InputError, UnfinishedError
from evo_ensyth.io import read_pool
from evo_ensyth.synthesis import (
    BuildFolder,
    Magnitude,
    Quantisation,
    Route,
    Training,
    build_pool,
    builder,
    descent,
    frozen_trunk,
    head_stack,
    networks,
)
from evo_ensyth.synthesis.compression import silent
from evo_ensyth.synthesis.descent import fine_tune
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures
from evo_ensyth.synthesis.head_stack import fine_tune_together
from evo_ensyth.synthesis.settings import as_json
from evo_ensyth.synthesis.training import FineTuning

pytestmark = pytest.mark.usefixtures("one_thread")

STACKED = replace(FROZEN, stack=4, l2=(("fc1", 0.1), ("fc2", 0.05)))
SEEDS = (5, 3, 4)


@pytest.fixture
def data():
    return drawn_split((1, 8, 8))


def pruned(name="small"):
    """Copies of one network with no zeros, and with others in each of two layers, biases included."""
    network = networks.build(name, 10, seed=1)
    copies = [network, copy.deepcopy(network), copy.deepcopy(network)]
    for place, layer in ((1, "fc1"), (2, "fc2")):
        dense = copies[place].get_submodule(layer)
        dense.weight.data[::2] = 0
        dense.bias.data[:3] = 0
    return copies


@pytest.fixture
def widths(monkeypatch):
    """Numbers of heads of the stacks that are trained."""
    found, real = [], head_stack._Stack.trained

    def noted(self):
        found.append(len(self.networks))
        return real(self)

    monkeypatch.setattr(head_stack._Stack, "trained", noted)
    return found


def squared(logits, labels):
    return (logits.softmax(1) - functional.one_hot(labels, 10)).square().mean()


@pytest.mark.parametrize("n_steps", [1, 3])  # the last batch is smaller
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"keep": 1.0},
        {"optimiser": "adam", "learning_rate": 1e-3},
        {"loss": squared, "learning_rate": 0.5},
        {"bfloat16": True},
    ],
)
def test_a_stacked_head_is_trained_as_it_would_be_alone(monkeypatch, widths, change, n_steps):
    for module in (descent, head_stack):
        monkeypatch.setattr(module, "has_bfloat16", lambda _: True)
    data = drawn_split((1, 8, 8), 20 if n_steps == 1 else 50)
    settings = replace(STACKED, epochs=1, **change)
    copies = pruned()
    stacked = fine_tune_together(copies, data, settings, seeds=SEEDS)
    assert widths == [3]
    for network, seed, found in zip(copies, SEEDS, stacked, strict=True):
        alone = fine_tune(network, data, settings, seed=seed).state_dict()
        for name, tensor in found.state_dict().items():
            torch.testing.assert_close(tensor, alone[name], rtol=1e-5, atol=1e-6)
        assert all(parameter.requires_grad for parameter in found.parameters())
        assert not found.training
        moved = (alone["fc3.weight"] - network.fc3.weight).abs().max()
        assert moved > 1e-4


def test_lenets_heads_with_dropout_are_trained_as_they_would_be_alone(widths):
    data, copies = drawn_split((1, 28, 28)), pruned("lenet")
    settings = replace(STACKED, epochs=1)
    for network, seed, found in zip(
        copies, SEEDS, fine_tune_together(copies, data, settings, seeds=SEEDS), strict=True
    ):
        alone = fine_tune(network, data, settings, seed=seed).state_dict()
        for name, tensor in found.state_dict().items():
            torch.testing.assert_close(tensor, alone[name], rtol=1e-4, atol=1e-5)
    assert widths == [3]


def test_zeros_of_every_head_stay_zero_and_no_others_appear(data):
    copies = pruned()
    for network, found in zip(copies, fine_tune_together(copies, data, STACKED, seeds=SEEDS), strict=True):
        for name, before in network.named_parameters():
            after = found.get_parameter(name)
            if not (before == 0).any():
                assert after.all(), name
            elif name.startswith("fc"):
                assert torch.equal(after == 0, before == 0), name


def test_a_head_that_diverges_leaves_the_others_as_they_are(data):
    copies = pruned()
    sound = fine_tune_together(copies, data, STACKED, seeds=SEEDS)
    copies[1].fc3.weight.data[0, 0] = float("inf")
    first, second, third = fine_tune_together(copies, data, STACKED, seeds=SEEDS)
    assert isinstance(second, EvoEnsythError)
    assert str(second) == "training diverged in epoch 1 (loss nan); use a lower learning rate."
    assert_same_bits(first, sound[0])
    assert_same_bits(third, sound[2])


def test_only_heads_of_one_trunk_and_of_the_same_sizes_are_stacked(widths, data):
    copies = [copy.deepcopy(network) for network in pruned() for _ in range(2)]
    copies[1].conv2.weight.data *= 2
    copies[3].fc1, copies[3].fc2 = torch.nn.Linear(256, 40), torch.nn.Linear(40, 24)
    tied = copy.deepcopy(copies[0])
    tied.fc2, tied.fc3 = torch.nn.Linear(48, 48), torch.nn.Linear(48, 48)
    tied.fc3.weight = tied.fc2.weight
    fine_tune_together([*copies, tied, tied], data, STACKED, seeds=range(8))
    assert widths == [4]  # the first, the third and the last two of the six
    fine_tune_together(pruned(), data, replace(STACKED, stack=2), seeds=SEEDS)
    assert widths == [4, 2]


def test_what_cannot_be_stacked_is_trained_alone(widths, data):
    """Without a stack, by an optimiser of one's own, and where crops are drawn."""
    cifar, images = networks.build("cifar", 10, seed=1), drawn_split((3, 32, 32))
    own = replace(STACKED, optimiser=lambda parameters: torch.optim.SGD(parameters, lr=0.01), l2=())
    for network, shown, settings in (
        (pruned()[1], data, FROZEN),
        (pruned()[1], data, own),
        (cifar, images, replace(STACKED, epochs=1)),
    ):
        for seed, found in zip((1, 2), fine_tune_together([network] * 2, shown, settings, seeds=(1, 2)), strict=True):
            assert_same_bits(found, fine_tune(network, shown, settings, seed=seed))
    assert widths == []


def test_a_layer_with_l2_must_be_there(data):
    with pytest.raises(InputError, match="l2 names the layer 'fc9'"):
        fine_tune_together(pruned(), data, replace(STACKED, l2=(("fc9", 0.1),)), seeds=SEEDS)


def test_features_of_a_stack_are_mapped_where_they_are_large(data, monkeypatch, tmp_path):
    expected = fine_tune_together(pruned(), data, STACKED, seeds=SEEDS)
    monkeypatch.setattr(frozen_trunk, "MOST_IN_MEMORY", 1000)
    features = TrunkFeatures(tmp_path)
    for one, other in zip(
        fine_tune_together(pruned(), data, STACKED, seeds=SEEDS, features=features), expected, strict=True
    ):
        assert_same_bits(one, other)


# Recipes and pools


def test_a_stack_belongs_to_the_recipe_and_earlier_recipes_do_not_name_it():
    assert "stack" not in as_json(FROZEN)
    assert as_json(STACKED)["stack"] == 4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"stack": 0}, "stack is 0; it must be 1 or more"),
        ({"convolutions": True}, "stack is 4, but only members that share their convolutions"),
    ],
)
def test_a_stack_that_makes_no_sense_is_refused(change, complaint):
    with pytest.raises(InputError, match=complaint):
        replace(STACKED, **change)


TUNED = FineTuning(name="tuned", epochs=1, batch=50, keep=0.5, convolutions=False, stack=4)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
NAMES = [f"smallest-{share}-tuned" for share in SHARES]


def recipe(*routes):
    return replace(
        RECIPE, training=Training(epochs=1, batch=50), compressors=routes, fine_tunings=(TUNED,), controls=()
    )


STACKS = recipe(Route(Smallest(SHARES), (TUNED,), then=(Quantisation((4,)),)))  # a stack of four, and one of one


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pool"
    build_pool(STACKS, folder, problem="tiny")
    return folder


def test_members_of_a_stack_are_those_made_alone_but_for_rounding(whole, tmp_path):
    alone = replace(TUNED, stack=1)
    build_pool(recipe(Route(Smallest(SHARES), (alone,))), tmp_path / "pool", problem="tiny")
    stacked = read_pool(whole)
    assert [name for name in stacked.pool.names if name.endswith("tuned")] == NAMES
    for name in NAMES:
        one, other = (networks_of(folder, name) for folder in (whole, tmp_path / "pool"))
        for key, tensor in one.items():
            torch.testing.assert_close(tensor, other[key], rtol=1e-4, atol=1e-5)


def networks_of(folder, name):
    return load_file(folder / "members" / name / "weights.safetensors")


def test_a_stack_that_was_interrupted_gives_the_same_bytes(whole, tmp_path, monkeypatch, widths):
    """After two of four members are written."""
    real, written = builder.write_member, []

    def interrupting(folder, name, **content):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(name)
        real(folder, name, **content)

    monkeypatch.setattr(builder, "write_member", interrupting)
    with pytest.raises(KeyboardInterrupt):
        build_pool(STACKS, tmp_path / "pool", problem="tiny")
    monkeypatch.setattr(builder, "write_member", real)
    assert written == NAMES[:2]
    assert BuildFolder(tmp_path / "pool", STACKS, "tiny").status().made == tuple(written)
    done = []
    build_pool(STACKS, tmp_path / "pool", problem="tiny", progress=lambda *what: done.append(what[0]))
    assert contents(tmp_path / "pool") == contents(whole)
    assert widths == [4, 4]
    assert (min(done), max(done)) == (2, 10)


@dataclass(frozen=True)
class Faulty:
    """Copies of which one cannot be trained, and which end before the last."""

    of: Smallest = field(default_factory=lambda: Smallest((0.1, 0.2, 0.3, 0.4), "faulty"))

    def names(self):
        return self.of.names()

    def variants(self, parent, inputs, *, seed, scratch=None, progress=silent):
        for number, variant in enumerate(self.of.variants(parent, inputs, seed=seed, scratch=scratch)):
            if number == 1:
                variant.model.fc3.weight.data[0, 0] = float("inf")
            if number == 3:
                raise EvoEnsythError("nothing comes of it")
            yield variant


def test_what_is_wrong_with_one_member_of_a_stack_costs_that_member_and_what_needs_it(tmp_path):
    faulty = recipe(Route(Faulty(), (TUNED,), then=(Quantisation((4,)),)))
    messages = []
    with pytest.raises(UnfinishedError):
        build_pool(faulty, tmp_path / "pool", problem="tiny", progress=lambda *what: messages.append(what))
    status = BuildFolder(tmp_path / "pool", faulty, "tiny").status()
    good = [f"faulty-{share}-tuned" for share in (0.1, 0.3)]
    assert {name for name in status.made if name.endswith("tuned")} == set(good)
    assert len(status.made) == 4
    assert status.failed["faulty-0.2-tuned"].startswith("training diverged in epoch 1")
    assert "nothing comes of it" in status.failed["faulty-0.4-tuned"]
    assert len(status.failed) == 4
    assert messages[-1][:2] == (3, 8)


def test_variants_with_trunks_of_their_own_are_made_alone(tmp_path, widths):
    build_pool(recipe(Route(Magnitude((0.5, 0.8)), (TUNED,))), tmp_path / "pool", problem="tiny")
    assert widths == []
    assert len(read_pool(tmp_path / "pool").pool) == 2
