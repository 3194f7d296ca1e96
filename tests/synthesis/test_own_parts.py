"""What the pipeline does for modules of users: zeros under any loop, batch normalisation, files, claims, commands."""

import copy
import functools
import sys
from dataclasses import replace

import numpy as np
import own_networks
import pytest
import torch
from torch import nn

import evo_ensyth as ee
from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.files import read_json
from evo_ensyth.io import read_pool
from evo_ensyth.synthesis import (
    BuildFolder,
    FineTuning,
    OtherParent,
    OwnData,
    OwnFineTuning,
    OwnNetwork,
    Quantisation,
    Recipe,
    Route,
    Training,
    build_pool,
    consent,
    load_member,
)
from evo_ensyth.synthesis.batch_norm import norms_of_convolutions, re_estimated
from evo_ensyth.synthesis.default_recipe import GRIDS, default_recipe, without_refused
from evo_ensyth.synthesis.descent import fine_tune
from evo_ensyth.synthesis.layer_surgery import as_safetensors, read_network
from evo_ensyth.synthesis.wrapped_module import OwnPreparation, WrappedModule

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 3
DATA = OwnData(train=(X, Y), search=(X[:20], Y[:20]), test=(X[:20], Y[:20]))


class Small(nn.Module):
    """Two layers and dropout."""

    def __init__(self):
        super().__init__()
        self.first, self.dropout, self.last = nn.Linear(6, 5), nn.Dropout(0.25), nn.Linear(5, 3)

    def forward(self, inputs):
        return self.last(self.dropout(self.first(inputs).relu()))


class Other(Small):
    """Computes something else with the same weights."""

    def forward(self, inputs):
        return self.last(self.first(inputs).tanh())


class Tied(nn.Module):
    """Reads with the weights that it writes with."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(9, 4), nn.Linear(4, 9, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.embedding(tokens).mean(dim=1))


def wrapped(module, example=None):
    return WrappedModule(module.eval(), OwnPreparation(torch.zeros(1, 6) if example is None else example))


def pruned():
    network = wrapped(Small())
    with torch.no_grad():
        network.first.weight[torch.rand_like(network.first.weight) < 0.5] = 0
    return network


def shaken(module, samples):
    """A loop that moves every weight, gradient or none."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.randn_like(parameter)


def bared(module, samples):
    """A loop that takes off what keeps the zeros."""
    nn.utils.parametrize.remove_parametrizations(module.first, "weight")


class Shaking(torch.optim.SGD):
    """Moves every weight, as optimisers do that mix gradients."""

    def step(self, closure=None):
        shaken(self, None)

    def parameters(self):
        return [parameter for group in self.param_groups for parameter in group["params"]]


def shaking(parameters):
    return Shaking(parameters, lr=0.1)


@pytest.mark.parametrize(
    "settings",
    [OwnFineTuning(name="own", fine_tune=shaken), FineTuning(name="tuned", epochs=2, batch=9, optimiser=shaking)],
)
def test_zeros_stay_zero_under_any_loop_and_optimiser(settings):
    begin = pruned()
    tuned, again = (fine_tune(begin, DATA.given["train"], settings, seed=3) for _ in range(2))
    zero = begin.first.weight == 0
    assert (tuned.first.weight[zero] == 0).all()
    assert (tuned.first.weight[~zero] != begin.first.weight[~zero]).all()
    assert not any("parametrizations" in name for name in tuned.state_dict())
    assert as_safetensors(tuned) == as_safetensors(again)
    assert tuned.dropout.p == 0.25


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (lambda module, samples: 1 / 0, r"fine_tune\(\) fails: ZeroDivisionError: division by zero"),
        (bared, "took off"),
        (lambda module, samples: nn.Linear(6, 3), r"fine_tune\(\) returned another module: "),
        (
            lambda module, samples: module.last.bias.data.fill_(torch.nan),
            "returned 'last.bias' with values that are not",
        ),
    ],
)
def test_a_loop_that_spoils_the_module_is_refused(loop, message):
    with pytest.raises(EvoEnsythError, match=message):
        fine_tune(pruned(), DATA.given["train"], OwnFineTuning(name="own", fine_tune=loop), seed=0)


def test_a_loop_computes_with_the_zeros_whatever_it_does():
    begin, seen = pruned(), []

    def loop(module, samples):
        shaken(module, samples)
        seen.append(module.first.weight == 0)

    fine_tune(begin, DATA.given["train"], OwnFineTuning(name="own", fine_tune=loop), seed=3)
    assert torch.equal(seen[0], begin.first.weight == 0)


def test_a_loop_sees_the_samples_of_the_user():
    seen = []
    loop = OwnFineTuning(name="own", fine_tune=lambda module, samples: seen.extend(samples))
    fine_tune(pruned(), DATA.given["train"].take(np.array([3, 1])), loop, seed=0)
    assert [label for _, label in seen] == [0, 1]
    np.testing.assert_array_equal(seen[1][0], X[1])


def test_an_own_loss_is_minimised():
    settings = FineTuning(name="tuned", epochs=3, batch=9, loss=lambda logits, labels: (logits - 7).square().mean())
    tuned = fine_tune(wrapped(Small()), DATA.given["train"], replace(settings, learning_rate=0.1), seed=0)
    assert tuned(torch.tensor(X)).mean() > 5


def test_batch_normalisation_is_estimated_from_the_data():
    torch.manual_seed(0)
    network = WrappedModule(own_networks.Residual(), OwnPreparation(torch.zeros(1, 1, 8, 8), own_networks.pixels))
    train = own_networks.image_data().given["train"]
    with torch.no_grad():
        network.bn.running_mean += 100
    found = re_estimated(network, train, seed=1)
    behind_stem = network.stem(network.prepare(train.stored()))
    torch.testing.assert_close(found.bn.running_mean, behind_stem.mean(dim=(0, 2, 3)), rtol=0.05, atol=0.01)
    torch.testing.assert_close(found.bn.running_var, behind_stem.var(dim=(0, 2, 3)), rtol=0.1, atol=0.01)
    assert as_safetensors(found) == as_safetensors(re_estimated(network, train, seed=1))
    assert (found.bn.momentum, found.training) == (0.1, False)
    kept = re_estimated(network, train, seed=1, kept=norms_of_convolutions(network))
    assert torch.equal(kept.bn.running_mean, network.bn.running_mean)
    plain = wrapped(Small())
    assert re_estimated(plain, DATA.given["train"], seed=1) is plain


def test_frozen_convolutions_keep_their_normalisation():
    network = WrappedModule(
        own_networks.Residual(), OwnPreparation(torch.zeros(1, 1, 8, 8), own_networks.pixels)
    ).eval()
    settings = FineTuning(name="tuned", epochs=1, batch=100, convolutions=False)
    tuned = fine_tune(network, own_networks.image_data().given["train"], settings, seed=0)
    for name, tensor in tuned.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]) == (not name.startswith("fc")), name
    assert all(parameter.requires_grad for parameter in tuned.parameters())


def test_tied_weights_are_stored_once_and_stay_tied():
    network = wrapped(Tied(), torch.zeros(1, 3, dtype=torch.long))
    content = as_safetensors(network)
    again = read_network(wrapped(Tied(), torch.zeros(1, 3, dtype=torch.long)), content)
    assert b"head.weight" not in content
    assert again.head.weight is again.embedding.weight
    assert torch.equal(again.head.weight, network.head.weight)


def test_a_file_holds_what_was_changed_and_nothing_else():
    network = wrapped(Small())
    smaller = copy.deepcopy(network)
    smaller.first.weight, smaller.first.bias = (nn.Parameter(part[:2]) for part in smaller.first.parameters())
    smaller.last.weight = nn.Parameter(smaller.last.weight[:, :2])
    smaller.first.out_features = smaller.last.in_features = 2
    assert smaller.changes() == {"first": {"out_features": 2}, "last": {"in_features": 2}}
    again = read_network(network, as_safetensors(smaller))
    assert repr(again) == repr(smaller)
    assert torch.equal(again(torch.tensor(X)), smaller(torch.tensor(X)))
    with pytest.raises(InputError, match=r"only one of them has 'embedding.weight'"):
        read_network(wrapped(Tied(), torch.zeros(1, 3, dtype=torch.long)), as_safetensors(smaller))


class InPlace(Small):
    """Changes its inputs."""

    def forward(self, inputs):
        return super().forward(inputs.add_(1))


def recipe(network=Small, data=DATA, bits=(4,), **settings):
    routes = tuple(Route(Quantisation(bits=(each,))) for each in bits)
    network = OwnNetwork(network, **settings)
    return Recipe(dataset=data, network=network, compressors=routes, fine_tunings=(), n_calibration=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "pool"
    build_pool(recipe(), folder, problem="own")
    return folder


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            lambda: nn.Sequential(Small()),
            "is no longer built as it was: layers, or names or shapes of weights, are others",
        ),
        (Other, "is no longer built as it was"),
        (OwnNetwork(Small, forward=lambda module, inputs: 2 * module(inputs)), "no longer answers as it did"),
        (lambda: 7, "the network is a int; expected a torch.nn.Module"),
    ],
)
def test_a_member_is_not_loaded_into_another_network(network, message, folder):
    stored = read_pool(folder)
    with pytest.raises(InputError, match=message):
        load_member(stored, "quantisation-4", network=network)
    assert load_member(stored, "quantisation-4").first.weight.unique().numel() <= 15 * 5


def test_what_a_pool_names_runs_if_the_user_said_so(folder, monkeypatch):
    stored, name = read_pool(folder), "quantisation-4"
    monkeypatch.setattr(consent, "_HANDED_OVER", set())  # as in another process
    refused = r"pool\.json: field 'about\.own\.build' names 'test_own_parts\.Small', and loading .* with --trust"
    with pytest.raises(InputError, match=refused):
        load_member(stored, name)
    assert load_member(stored, name, network=Small) is not None  # the network is the user's own word
    assert load_member(stored, name, trust=True) is not None
    assert ee.stored_members(folder, trust=True)[name](X[:2]).shape == (2, 3)
    about = {**stored.about, "own": {**stored.about["own"], "forward": "os.abort", "prepare": "os.abort"}}
    with pytest.raises(InputError, match=r"field 'about\.own\.forward' names 'os\.abort'"):
        load_member(replace(stored, about=about), name, network=Small)
    with pytest.raises(InputError, match=r"field 'about\.own\.prepare' names 'os\.abort'"):
        load_member(replace(stored, about=about), name, network=OwnNetwork(Small))
    with pytest.raises(InputError, match=r"pool\.json: field 'about\.own' must be a mapping of names"):
        load_member(replace(stored, about={**about, "own": ["os.abort"]}), name)


def test_a_module_may_work_in_place(tmp_path):
    network = wrapped(InPlace())
    network(network.example())
    assert not network.example().any()
    build_pool(recipe(InPlace), tmp_path / "pool", problem="own")
    stored = read_pool(tmp_path / "pool")
    scores = ee.stored_members(tmp_path / "pool")["quantisation-4"](X[:20])
    assert np.array_equal(scores, np.load(stored.folder / "members" / "quantisation-4" / "test.scores.npy"))


def test_parents_of_both_kinds_go_together(tmp_path):
    images = RNG.integers(0, 17, (40, 1, 8, 8), dtype=np.uint8)
    data = OwnData(train=(images, Y), search=(images, Y), test=(images, Y), prepare=own_networks.pixels)
    other = OtherParent(name="mine", network=OwnNetwork(functools.partial(own_networks.Residual, 3)))
    routes = (Route(Quantisation(bits=(4,))), Route(Quantisation(bits=(4,)), parent="mine"))
    both = Recipe(
        dataset=data,
        network="small",
        training=Training(epochs=0),
        parents=(other,),
        compressors=routes,
        fine_tunings=(),
        n_calibration=4,
    )
    build_pool(both, tmp_path / "pool", problem="both")
    stored = read_pool(tmp_path / "pool")
    assert load_member(stored, "quantisation-4").fc3.weight.shape == (3, 24)
    assert load_member(stored, "mine-quantisation-4", network=other.network).fc.weight.shape == (3, 8)


def test_a_function_without_a_name_is_asked_for(tmp_path):
    made = recipe(forward=lambda module, inputs: module(inputs))
    build_pool(made, tmp_path / "pool", problem="own")
    stored = read_pool(tmp_path / "pool")
    with pytest.raises(
        InputError, match=r"the forward of this pool's parent had no name .* network=OwnNetwork\(..., forw"
    ):
        load_member(stored, "quantisation-4")
    assert load_member(stored, "quantisation-4", network=made.network) is not None


def test_a_pool_is_continued_with_the_same_network_and_data_only(tmp_path, folder):
    again = tmp_path / "pool"
    build_pool(recipe(), again, problem="own")
    build_pool(recipe(bits=(4, 3)), again, problem="own")
    assert len(read_pool(again).pool.names) == 2
    for other in (
        recipe(Other, bits=(4, 3)),
        recipe(data=replace(DATA, test=(X[:20] + 1, Y[:20])), bits=(4, 3)),
        recipe(data=replace(DATA, train=(X, Y[::-1])), bits=(4, 3)),
        recipe(data=replace(DATA, prepare=torch.abs), bits=(4, 3)),
        recipe(forward=lambda module, inputs: module(inputs), bits=(4, 3)),
    ):
        with pytest.raises(InputError, match="was begun with another recipe"):
            BuildFolder(again, other, "own").check_claim()


def test_a_pool_is_not_continued_where_the_code_computes_something_else(tmp_path, monkeypatch):
    build_pool(recipe(), tmp_path / "pool", problem="own")
    monkeypatch.setattr(Small, "forward", Other.forward)
    with pytest.raises(InputError, match="the parent: the network no longer answers as it did"):
        build_pool(recipe(bits=(4, 3)), tmp_path / "pool", problem="own")


def test_a_damaged_probe_is_named_and_made_again(tmp_path):
    build_pool(recipe(), tmp_path / "pool", problem="own")
    stored = read_pool(tmp_path / "pool")
    path = tmp_path / "pool" / "probe.safetensors"
    whole = path.read_bytes()
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"probe\.safetensors is not the file that the manifest lists"):
        load_member(stored, "quantisation-4")
    path.unlink()
    with pytest.raises(InputError, match=r"probe\.safetensors does not exist; 'pool build --repair' makes it again"):
        load_member(stored, "quantisation-4")
    build_pool(recipe(), tmp_path / "pool", problem="own", repair=True)
    assert path.read_bytes() == whole


def test_the_default_recipe_has_forty_members_by_five_methods_in_twenty_epochs():
    many = OwnData(train=(np.repeat(X, 200, axis=0), np.repeat(Y, 200)), test=(X, Y))
    whole = default_recipe(OwnNetwork(Small), many)
    assert (len(whole.members()), len(whole.compressors), whole.n_search) == (40, 5, 1600)
    assert sum(map(len, GRIDS.values())) == 19
    half = default_recipe(OwnNetwork(Small), many, epochs=10)
    assert 20 <= len(half.members()) <= 24
    few = default_recipe(OwnNetwork(Small), DATA, methods=["magnitude"], epochs=2, n_search=0)
    (route,) = few.compressors
    assert route.compressor.sparsities == (0.5, 0.8)
    assert route.fine_tunings[0].epochs == 100
    with pytest.raises(InputError, match=r"no compression method called 'magnitud'\. Did you mean 'magnitude'\?"):
        default_recipe(OwnNetwork(Small), DATA, methods=["magnitud"])


def test_methods_that_can_do_nothing_are_left_out():
    single = OwnNetwork(lambda: nn.Sequential(nn.Linear(6, 3)))
    left_out = without_refused(default_recipe(single, DATA))
    assert "the parent has no units that can be removed" in left_out[1]["dropnet"]
    assert len(left_out[0].compressors) == 4


def test_a_search_split_that_the_module_has_seen_is_mentioned(tmp_path):
    with pytest.warns(ee.InputWarning, match="search is taken from the training samples, which the module has seen"):
        pool = ee.compress(Small(), train=(X, Y), test=(X, Y), methods=["quantisation"], out=tmp_path / "pool")
    assert (len(pool), pool.search.n_samples) == (5, 8)


def test_a_dry_run_says_what_nobody_knows(tmp_path):
    splits = {"train": (X, Y), "search": (X, Y), "test": (X, Y)}
    found = ee.compress(
        Small(), **splits, methods=["magnitude"], epochs=2, fine_tune=shaken, out=tmp_path / "pool", dry_run=True
    )
    assert found.unknown == ("magnitude-global-0.5-tuned", "magnitude-global-0.8-tuned")
    assert (found.n_planned, found.left) == (4, {})
    assert found.memory_bytes > 1e8
    assert not (tmp_path / "pool").exists()


MINE = """
import numpy as np, torch
from torch import nn
from evo_ensyth import OwnData, OwnNetwork

rng = np.random.default_rng(0)
X, y = rng.normal(size=(60, 6)), np.arange(60) % 2
X[:, 0] += 3 * y
data = OwnData(train=(X, y), search=(X[:30], y[:30]), test=(X[30:], y[30:]))

def build():
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))

network = OwnNetwork(build)
"""


RECIPE = """
from evo_ensyth.synthesis import FineTuning, Magnitude, Quantisation, Recipe, Route

def recipe():
    tuned = FineTuning(name="tuned", epochs=1, loss=lambda logits, labels: nn.functional.cross_entropy(logits, labels))
    routes = (Route(Quantisation(bits=(8, 4))), Route(Magnitude((0.5,)), (tuned,)))
    return Recipe(dataset=data, network=network, compressors=routes, fine_tunings=(), n_calibration=5)
"""


def test_a_problem_module_needs_a_network_and_data_only(call, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)
    plan = call("pool", "build", "mine.py", "--dry-run", "--json").json
    assert plan["n_members"] == 40
    assert plan["estimate"]["memory_bytes"] > 1e8
    (tmp_path / "mine.py").write_text(MINE + RECIPE)
    made = call("pool", "build", "mine.py", "--workers", "1", "--json", "--quiet").json  # reads the recipe itself
    assert made["members"] == ["quantisation-8", "quantisation-4", "magnitude-global-0.5-tuned"]
    assert made["about"]["network"] == "problems.mine.build"
    monkeypatch.delitem(sys.modules, "problems.mine", raising=False)
    assert load_member(read_pool("runs/mine/pool"), "quantisation-4") is not None  # found in the current folder
    assert call("pool", "status", "mine.py", "--json").json["closed"]
    assert call("search", "mine.py", "--json", "--quiet", "--budget", "100").json["front"]["hypervolume"] > 0


def test_a_manifest_names_functions_and_holds_no_code(folder):
    about = read_json(folder / "pool.json")["about"]
    assert (about["network"], about["own"]["build"]) == ("test_own_parts.Small", "test_own_parts.Small")
    assert about["own"]["forward"] is None
    assert set(about["own"]) == {"kind", "build", "forward", "structure", "state", "prepare"}
