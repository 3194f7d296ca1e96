"""What holds for every network there is: a new file is tested by being there."""

import re
import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from evo_ensyth import plugins
from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.layer_surgery import as_safetensors
from evo_ensyth.synthesis.network import StandardisedCrop, weighted_layers

NAMES = networks.names()
QUICK = [name for name in NAMES if name not in ("vgg13", "vgg16", "vgg19")]  # which are made as `vgg11` is
# Those of the papers that say how dense layers are trained: with dropouts, and with ReLUs between them.
CHAINS = ("cifar", "dropnet_a", "dropnet_b", "dropnet_c", "lenet", "small")


def test_the_networks_of_the_papers_are_there():
    assert {*CHAINS, "resnet18", "vgg11", "vgg13", "vgg16", "vgg19"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_describes_itself_in_one_line(name):
    first = plugins.load("evo_ensyth.synthesis.networks", name, "network").__doc__.splitlines()[0]
    assert re.fullmatch(r"[A-Z].*: .*\d parameters\.", first)
    assert len(first) <= 117


@pytest.mark.parametrize("name", NAMES)
def test_its_line_gives_the_number_of_parameters(name):
    first = plugins.load("evo_ensyth.synthesis.networks", name, "network").__doc__.splitlines()[0]
    count = sum(parameter.numel() for parameter in networks.build(name, 10, seed=1).parameters())
    assert f"{count:,} parameters" in first


@pytest.mark.parametrize("name", QUICK)
def test_the_seed_alone_determines_the_initial_weights(name):
    one = as_safetensors(networks.build(name, 10, seed=1))
    torch.manual_seed(99)
    assert as_safetensors(networks.build(name, 10, seed=1)) == one
    assert as_safetensors(networks.build(name, 10, seed=2)) != one


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_prepared_samples_give_one_logit_per_class(name, n_classes):
    network = networks.build(name, n_classes, seed=1)
    assert not network.training
    with torch.inference_mode():
        logits = network(network.example().expand(3, *network.example().shape[1:]))
    assert logits.shape == (3, n_classes)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", QUICK)
def test_samples_are_prepared_in_the_same_way_every_time_and_augmented_by_the_generator_alone(name):
    network = networks.build(name, 10, seed=1)
    stored = torch.randint(17, (2, *network.example().shape[1:]), dtype=torch.uint8)
    if isinstance(network.preparation, StandardisedCrop):
        stored = torch.nn.functional.pad(stored, (4, 4, 4, 4))
    assert network.prepare(stored).shape == (2, *network.example().shape[1:])
    assert torch.equal(network.prepare(stored), network.prepare(stored))
    one, other = (network.augment(stored, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert one.shape == network.prepare(stored).shape


@pytest.mark.parametrize("name", CHAINS)
def test_a_dropout_precedes_every_dense_layer_and_a_relu_follows_all_but_the_last(name):
    modules = list(networks.build(name, 10, seed=1))
    dense = [position for position, module in enumerate(modules) if isinstance(module, nn.Linear)]
    assert dense
    assert all(isinstance(modules[position - 1], nn.Dropout) for position in dense)
    assert all(isinstance(modules[position + 1], nn.ReLU) for position in dense[:-1])
    assert dense[-1] == len(modules) - 1


@pytest.mark.parametrize("name", CHAINS)
def test_layers_are_children_by_names_of_their_own(name):
    network = networks.build(name, 10, seed=1)
    assert set(weighted_layers(network)) <= {child for child, _ in network.named_children()}


# By name


def test_an_unknown_network_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"no network called 'lenet5'\. Did you mean 'lenet'\?"):
        networks.build("lenet5", 10, seed=1)


def test_a_network_of_ones_own_is_found_by_its_dotted_name(tmp_path, monkeypatch):
    example = networks.__doc__.partition("For example::")[2].replace("\n    ", "\n")
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "dense.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    network = networks.build("mylab.dense", 10, seed=1)
    assert list(weighted_layers(network)) == ["fc1", "fc2"]


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (None, "mylab.net has no function 'build'; a network has one"),
        (lambda n_classes, rng: nn.Linear(2, n_classes), "network 'mylab.net' made a Linear; expected a Network"),
    ],
)
def test_what_is_no_network_is_refused(build, complaint, monkeypatch):
    module = ModuleType("mylab.net")
    if build is not None:
        module.build = build
    monkeypatch.setitem(sys.modules, "mylab.net", module)
    with pytest.raises(InputError, match=complaint):
        networks.build("mylab.net", 10, seed=1)
