"""Members that are computed together, against each on its own."""

import copy

import pytest
import torch

from evo_ensyth.synthesis import SharedTrunkEnsemble, networks


def head(network, seed):
    """A copy of a network with other weights in its dense layers."""
    other, network = networks.build("small", 10, seed), copy.deepcopy(network)
    for name in ("fc1", "fc2", "fc3"):
        network.get_submodule(name).load_state_dict(other.get_submodule(name).state_dict())
    return network


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


@pytest.fixture
def calls(monkeypatch):
    """How often a layer of each type is called."""
    calls = {torch.nn.Conv2d: 0, torch.nn.Linear: 0}
    for kind in calls:

        def counted(self, values, kind=kind, forward=kind.forward):
            calls[kind] += 1
            return forward(self, values)

        monkeypatch.setattr(kind, "forward", counted)
    return calls


def calls_of(together, calls):
    """Calls for one image, without those that were needed to see what the members share."""
    calls.update(dict.fromkeys(calls, 0))
    together(torch.rand(1, 1, 8, 8))
    return calls


def test_answers_are_those_of_the_members_alone(small):
    strangers = [networks.build("small", 10, seed) for seed in (2, 3)]
    members = [small, head(small, 5), strangers[0], head(small, 6), strangers[1], copy.deepcopy(small)]
    images = torch.rand(7, *small.preparation.shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = SharedTrunkEnsemble(members)(images)
        assert together.shape == (6, 7, 10)
        for member, logits in zip(members, together, strict=True):
            torch.testing.assert_close(logits, member(images), rtol=0, atol=0)


@pytest.mark.parametrize(("shared", "n_convolutions", "n_dense"), [(True, 2, 24), (False, 16, 24)])
def test_what_is_shared_is_computed_once(small, calls, shared, n_convolutions, n_dense):
    members = [head(small, seed) if shared else networks.build("small", 10, seed) for seed in range(2, 10)]
    assert calls_of(SharedTrunkEnsemble(members), calls) == {torch.nn.Conv2d: n_convolutions, torch.nn.Linear: n_dense}


def test_members_that_part_early_share_what_lies_before(small, calls):
    other = copy.deepcopy(small)
    other.conv2.bias.data[0] += 1
    assert calls_of(SharedTrunkEnsemble([small, other, small]), calls) == {torch.nn.Conv2d: 3, torch.nn.Linear: 6}
