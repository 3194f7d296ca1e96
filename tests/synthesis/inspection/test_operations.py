"""What is recorded of a network, against counts by hand and against what the network does."""

import copy

import pytest
import torch
from oracles.architectures import ARCHITECTURES, N_CLASSES, architecture, as_network
from torch import nn
from torch.nn import functional

from evo_ensyth.synthesis import SharedTrunkEnsemble, measure, networks
from evo_ensyth.synthesis.inspection import operations
from evo_ensyth.synthesis.inspection.layers import layer_uses
from evo_ensyth.synthesis.layer_surgery import mark_quantised
from evo_ensyth.synthesis.trees import mapped

pytestmark = pytest.mark.usefixtures("one_thread")


def record(network):
    return operations.record(network, network.example())


def costs(network):
    return {layer["name"]: layer["costs"] for layer in measure.layers(network)}


def chains(network):
    return {layer["name"]: layer["chain"] for layer in measure.layers(network)}


# Multiplications


def test_multiplications_of_attention_and_recurrence_by_hand():
    """Six tokens of width 8, two heads; five steps of an LSTM from 3 to 6."""
    found = costs(architecture("transformer")[0])
    first = "encoder.layers.0"
    assert found[f"{first}.self_attn"]["macs"] == 6 * 8 * 24 + 2 * (2 * 6 * 6 * 4)
    assert found[f"{first}.self_attn.out_proj"]["macs"] == 6 * 8 * 8
    assert found[f"{first}.linear1"]["macs"] == found[f"{first}.linear2"]["macs"] == 6 * 8 * 16
    assert found["embedding"] == {"parameters": 72, "bytes": 288, "macs": 0, "sparse_macs": 0}
    assert found[f"{first}.norm1"]["parameters"] == 8  # biases start at zero
    assert costs(architecture("recurrent")[0])["lstm"]["macs"] == 5 * 4 * 6 * (3 + 6)


def test_multiplications_of_convolutions_by_hand():
    found = costs(architecture("inverted residual")[0])
    assert [found[name]["macs"] for name in ("0", "3", "6", "9")] == [64 * 20, 36 * 9 * 10, 36 * 60, 6 * N_CLASSES]
    assert found["4"] == {"parameters": 20, "bytes": 160, "macs": 0, "sparse_macs": 0}


def test_every_parameter_counts_once():
    for name in ARCHITECTURES:
        network = architecture(name)[0]
        nonzero = sum(int(parameter.count_nonzero()) for parameter in network.parameters())
        assert sum(cost["parameters"] for cost in costs(network).values()) == nonzero
        assert len(set(chains(network).values())) == len(chains(network))


def test_zeros_cost_no_sparse_multiplication():
    network = architecture("transformer")[0]
    network.get_submodule("encoder.layers.0.self_attn").in_proj_weight.data[:6] = 0
    found = costs(network)["encoder.layers.0.self_attn"]
    assert found["macs"] - found["sparse_macs"] == 6 * 6 * 8


def test_networks_of_this_package_cost_the_same_as_anybodys():
    cifar = networks.build("cifar", 10, seed=1)
    as_ours, as_theirs = costs(cifar), costs(as_network(nn.Sequential(*cifar.children()), cifar.example()))
    assert list(as_ours.values()) == list(as_theirs.values())


# What is drawn, what follows


def test_what_draws_is_noticed():
    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(x) + torch.randn(1)

    assert record(as_network(Noisy(3, 2), torch.ones(1, 3))).draws
    assert not any(record(architecture(name)[0]).draws for name in ARCHITECTURES)


@pytest.mark.parametrize(
    ("name", "layer", "batch_norm", "relu"),
    [
        ("chain", "0", None, True),
        ("chain", "9", None, False),
        ("residual", "0", "1", True),
        ("residual", "3.conv1", "3.bn1", True),
        ("residual", "3.conv2", "3.bn2", False),
        ("residual", "4.shortcut.0", "4.shortcut.1", False),
        ("inverted residual", "0", "1", False),
        ("dense", "first", None, False),
        ("shuffle", "mixed", None, True),
        ("squeeze-excite", "3.down", None, True),
        ("series", "body.0", "body.1", False),
        ("table", "5", None, True),
        ("transformer", "encoder.layers.0.linear1", None, True),
        ("counting", "a", None, True),
        ("added images", "a", None, False),
    ],
)
def test_what_follows_a_layer_directly(name, layer, batch_norm, relu):
    network = architecture(name)[0]
    use = layer_uses(network, record(network))[layer]
    assert (use.why_not, use.batch_norm, use.relu) == (None, batch_norm, relu)


def test_layers_come_in_the_order_of_computation():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.last, self.first = nn.Linear(2, 2), nn.Linear(3, 2), nn.Linear(4, 3)

        def forward(self, x):
            return self.last(self.first(x))

    network = as_network(Backwards(), torch.ones(1, 4))
    assert list(layer_uses(network, record(network))) == ["first", "last", "unused"]
    assert list(costs(network)) == ["unused", "first", "last"]


# Digests


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_equal_networks_have_equal_digests_and_changed_ones_differ_from_there_on(name):
    network = architecture(name)[0]
    before = [call.digest for call in record(network).calls]
    assert [call.digest for call in record(copy.deepcopy(network)).calls] == before
    *_, (last, parameter) = network.named_parameters()
    parameter.data += 1
    after = record(network)
    assert after.calls[0].digest != before[0]
    owner = last.rpartition(".")[0]
    for call, digest in zip(after.calls, before, strict=True):
        if call.name == owner:
            assert call.digest != digest


def test_what_is_written_in_place_changes_what_shares_its_memory():
    class InPlace(nn.Module):
        def __init__(self, change):
            super().__init__()
            self.layer, self.change = nn.Linear(3, 4), change

        def forward(self, x):
            y = self.layer(x)
            view = y.view(2, -1)
            self.change(view)
            return y

    def digest(change):
        torch.manual_seed(1)
        return record(as_network(InPlace(change), torch.ones(1, 3))).calls[0].digest

    assert digest(torch.relu_) == digest(functional.relu_)
    assert len({digest(torch.relu_), digest(torch.sigmoid_), digest(lambda view: view)}) == 3


def test_layers_marked_as_quantised_are_not_those_that_are_not():
    network = architecture("table")[0]
    layer = network.get_submodule("5")
    layer.weight.data = layer.weight.sign()
    other = copy.deepcopy(network)
    mark_quantised(other.get_submodule("5"), torch.ones(6), bits=2)
    before, after = chains(network), chains(other)
    assert [name for name in before if before[name] != after[name]] == ["5"]


# Together


@pytest.fixture
def calls(monkeypatch):
    """How often a layer of each type is called."""
    calls = {nn.Conv2d: 0, nn.Conv1d: 0, nn.Linear: 0, nn.LSTM: 0}
    for kind in calls:

        def counted(self, *values, kind=kind, forward=kind.forward):
            calls[kind] += 1
            return forward(self, *values)

        monkeypatch.setattr(kind, "forward", counted)
    return calls


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_members_of_any_kind_share_what_is_equal(name, calls):
    """Members with other heads, one of them there twice, answer as alone, and their trunk is computed once."""
    network, inputs = architecture(name)
    members = [network]
    for _ in range(2):
        other = copy.deepcopy(network)
        list(other.parameters())[-1].data += torch.rand(N_CLASSES)
        members.append(other)
    members.append(copy.deepcopy(network))
    with torch.no_grad():
        rounds = [inputs, mapped(lambda tensor: tensor.flip(0), inputs)]  # nothing is left from one to the next
        alone = [torch.stack([member(given) for member in members]) for given in rounds]
        together = SharedTrunkEnsemble(members)
        for kind in calls:
            calls[kind] = 0
        assert all(torch.equal(together(given), wanted) for given, wanted in zip(rounds, alone, strict=True))
        spent = sum(calls.values())
        for kind in calls:
            calls[kind] = 0
        network(inputs)
        network(inputs)
    # The last parameter is of a head. What is called twice in a network is not shared.
    assert spent <= sum(calls.values()) + 2 * 2 + (2 * 4 if name == "tied" else 0)
    assert all("forward" not in vars(module) for module in network.modules())


def test_a_module_that_a_row_has_twice_stays_there_twice():
    curve = nn.Softsign()
    layers = [nn.Linear(3, 4), curve, nn.Dropout(0.5), nn.Linear(4, 4), curve, nn.Linear(4, 2)]
    members = [as_network(nn.Sequential(nn.Sequential(*layers[:5]), layers[5]), torch.ones(1, 3))]
    members.append(copy.deepcopy(members[0]))
    members[1].get_parameter("1.weight").data += 1
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = SharedTrunkEnsemble(members)(inputs)
        assert all(torch.equal(logits, member(inputs)) for logits, member in zip(together, members, strict=True))


def test_parts_of_a_row_that_are_called_one_by_one_stay_apart():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.row, self.head = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)), nn.Linear(3, 2)

        def forward(self, x):
            return self.head(sum(layer(x) for layer in self.row))

    members = [as_network(Sum(), torch.ones(1, 3))]
    members.append(copy.deepcopy(members[0]))
    members[1].get_parameter("head.weight").data += 1
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = SharedTrunkEnsemble(members)(inputs)
        assert all(torch.equal(logits, member(inputs)) for logits, member in zip(together, members, strict=True))


def test_what_a_reader_overwrites_is_computed_for_each():
    shared = nn.Linear(3, 4)
    members = [
        as_network(nn.Sequential(copy.deepcopy(shared), behind), torch.ones(1, 3))
        for behind in (nn.ReLU(inplace=True), nn.Sigmoid(), nn.Hardtanh(inplace=True))
    ]
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = SharedTrunkEnsemble(members)(inputs)
        assert all(torch.equal(logits, member(inputs)) for logits, member in zip(together, members, strict=True))
