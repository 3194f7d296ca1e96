"""Networks and data of users that cannot be used: one line each, which names the place and says what to do."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import BuildFolder, OwnData, OwnNetwork, Quantisation, Recipe, Route
from evo_ensyth.synthesis.builder import Builder

SPLITS = ("train", "search", "test")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 3


def plain(n_classes=3):
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, n_classes))


class Own(nn.Module):
    """A linear layer, and whatever a test does with its answer."""

    def __init__(self, change, n_classes=3):
        super().__init__()
        self.layer, self.change = nn.Linear(6, n_classes), change
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, inputs):
        return self.change(self, self.layer(inputs))


def data(train=(X, Y), search=(X[:20], Y[:20]), test=(X[:20], Y[:20]), **others):
    return OwnData(train=train, search=search, test=test, **others)


def begun(network, own, tmp_path, **settings):
    network = network if isinstance(network, OwnNetwork) else OwnNetwork(network)
    routes = (Route(Quantisation(bits=(4,))),)
    recipe = Recipe(dataset=own, network=network, compressors=routes, fine_tunings=(), n_calibration=4, **settings)
    return Builder(BuildFolder(tmp_path / "pool", recipe, "own"))


def counting(module, answer):
    module.calls += 1
    return answer


def changed(module, change):
    with torch.no_grad():
        change(module)
    return module


def transposed():
    module = plain()
    module.register_forward_hook(lambda module, inputs, answer: answer.T)
    return module


WRONG_NETWORKS = {
    "no module": (lambda: "resnet18", "is a str; expected a torch.nn.Module"),
    "a build that fails": (lambda: 1 / 0, "cannot be built: ZeroDivisionError: division by zero"),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(3)), "layer '0': weight has no shape yet; call the module once"),
    "complex": (lambda: nn.Sequential(nn.Linear(6, 3, dtype=torch.complex64)), "layer '0': weight is complex"),
    "NaN weights": (lambda: changed(plain(), lambda m: m[2].bias.fill_(torch.nan)), "'2.bias' of the network has val"),
    "no weights": (lambda: nn.Sequential(nn.Flatten()), "has no Linear, convolution, attention or recurrent layer"),
    "a bare LSTM": (lambda: nn.LSTM(6, 3), "the network LSTM is a single layer"),
    "a single layer": (
        lambda: nn.Linear(6, 3),
        "the network Linear is a single layer; put it into a torch.nn.Sequential",
    ),
    "meta": (lambda: nn.Sequential(nn.Linear(6, 3, device="meta")), "layer '0': weight is on the device 'meta'"),
    "whole numbers": (
        lambda: changed(plain(), lambda m: setattr(m[0], "weight", nn.Parameter(m[0].weight.to(torch.int8), False))),
        "layer '0': weight has type int8; give the network with floats",
    ),
    "weight norm": (
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 3))),
        "layer '0' has a parametrised weight; take that off in build()",
    ),
    "spectral norm": (
        lambda: nn.Sequential(nn.utils.spectral_norm(nn.Linear(6, 3))),
        "layer '0' has SpectralNorm; take that off in build()",
    ),
    "pruned by torch": (
        lambda: nn.Sequential(prune.random_unstructured(nn.Linear(6, 3), "weight", 0.5)),
        "layer '0' has RandomUnstructured; take that off in build()",
    ),
    "data parallel": (lambda: nn.DataParallel(plain()), "is wrapped in DataParallel; give its .module"),
    "compiled": (lambda: torch.compile(plain()), "is compiled; give the plain module"),
    "draws": (
        lambda: Own(lambda module, answer: answer + torch.rand(())),
        "answers otherwise the second time, in evaluation mode",
    ),
    "counts": (lambda: Own(counting), "changes 'calls' in evaluation mode"),
    "depends on the batch": (
        lambda: Own(lambda module, answer: answer - answer.mean(dim=0)),
        "what forward() answers to a sample depends on the others",
    ),
    "batch statistics": (
        lambda: nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3, track_running_stats=False)),
        "fails on inputs of float32 (1, 6): ValueError: Expected more than 1 value per channel",
    ),
    "too wide": (lambda: plain(7), "answers 7 logits; the data have 3 classes"),
    "too narrow": (lambda: plain(2), "answers 2 logits; the data have 3 classes"),
    "one logit": (lambda: plain(1), "answers 1 number for a sample; expected a logit for each class"),
    "a regression": (
        lambda: nn.Sequential(nn.Linear(6, 1), nn.Flatten(0)),
        "answers (4,) to 4 samples; expected logits",
    ),
    "probabilities": (lambda: nn.Sequential(plain(), nn.Softmax(dim=1)), "answers probabilities; expected logits"),
    "maps": (lambda: Own(lambda module, answer: answer[:, :, None]), "answers (4, 3, 1) to 4 samples"),
    "samples last": (transposed, "answers (3, 4) to 4 samples"),
    "whole answers": (
        lambda: Own(lambda module, answer: answer.argmax(dim=1)[:, None].repeat(1, 3)),
        "expected floats",
    ),
    "text": (lambda: Own(lambda module, answer: "cat"), "forward() answers a str; expected float logits"),
    "infinite": (lambda: Own(lambda module, answer: answer / 0), "answers numbers that are not finite"),
    "other inputs": (
        lambda: nn.Sequential(nn.Linear(8, 3)),
        "fails on inputs of float32 (4, 6): RuntimeError: mat1 and",
    ),
    "two arguments": (lambda: nn.Bilinear(6, 6, 3), "has no Linear, |fails on inputs of float32 (4, 6): TypeError"),
}


@pytest.mark.filterwarnings("ignore")  # of torch, about what is deprecated
@pytest.mark.parametrize("wrong", WRONG_NETWORKS)
def test_a_wrong_network_is_refused(wrong, tmp_path):
    build, message = WRONG_NETWORKS[wrong]
    with pytest.raises(InputError) as refused:
        begun(build, data(), tmp_path)
    assert any(part in str(refused.value) for part in message.split("|")), refused.value
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "pool").exists()


class Shuffling(TensorDataset):
    """Answers in another order every time."""

    def __getitem__(self, place):
        return super().__getitem__(int(RNG.integers(len(self))))


class Varying(TensorDataset):
    """Varies its samples at random."""

    def __getitem__(self, place):
        inputs, label = super().__getitem__(place)
        return inputs + float(RNG.normal()), label


class Broken(Dataset):
    """Fails at its tenth sample."""

    def __len__(self):
        return 20

    def __getitem__(self, place):
        if place == 10:
            raise OSError("truncated image")
        return X[place], Y[place]


class Endless(IterableDataset):
    """Has no positions."""

    def __iter__(self):
        return iter(())


def torch_data(kind=TensorDataset, n_samples=20):
    return kind(torch.tensor(X[:n_samples]), torch.tensor(Y[:n_samples]))


class Bare(Dataset):
    """Samples without labels."""

    def __len__(self):
        return 20

    def __getitem__(self, place):
        return X[place]


WRONG_DATA = {
    "a loader": ({"test": DataLoader(torch_data())}, "own data, test is a DataLoader; give its dataset"),
    "no positions": ({"train": Endless()}, "own data, train is an IterableDataset"),
    "a name": ({"train": "imagenet"}, "own data, train is a str; expected a torch Dataset, or inputs and labels"),
    "shuffled answers": ({"test": torch_data(Shuffling)}, "own data, test gives other labels the second time"),
    "shuffled training": ({"train": torch_data(Shuffling, 40)}, "own data, train gives other labels the second time"),
    "varied samples": ({"search": torch_data(Varying)}, "own data, search gives other inputs the second time"),
    "a sample that fails": ({"search": Broken()}, "search: samples 0 to 19 cannot be read: OSError: truncated image"),
    "samples without labels": ({"test": Bare()}, "own data, test: a batch is a Tensor; expected inputs and labels"),
    "a label beyond": ({"classes": ("a", "b")}, "own data, train: a label is 2; there are 2 classes"),
    "ignored label": ({"test": (X[:3], [0, 1, -100])}, "own data, test: a label is -100; leave out samples"),
    "float labels": ({"train": (X, Y / 3)}, "train: labels have type float64, such as"),
    "one-hot labels": ({"train": (X, np.eye(3)[Y])}, "labels have shape (40, 3); expected one class for each sample"),
    "text labels": ({"train": (X, np.array(["cat", "dog"])[Y % 2])}, "labels have type <U3, such as np.str_('cat')"),
    "one class": (dict.fromkeys(SPLITS, (X, 0 * Y)), "all labels are 0; expected two classes"),
    "too few labels": ({"test": (X, Y[:7])}, "own data, test has 40 inputs and 7 labels"),
    "no samples": ({"test": (X[:0], Y[:0])}, "own data, test has no samples"),
    "missing values": ({"train": (np.where(X > 2, np.nan, X), Y)}, "are not finite; fill in what is missing"),
    "complex inputs": ({"train": (X * 1j, Y)}, "own data, train: inputs are complex"),
    "text inputs": ({"train": (np.array(["a"] * 40), Y)}, "own data, train: inputs have type <U1; expected numbers"),
    "ragged inputs": ({"test": ([[1.0], [2.0, 3.0]], [0, 1])}, "test: inputs have different shapes"),
    "other columns": ({"test": (X[:, :4], Y)}, "a sample of train is float32 (6,), one of test is float32 (4,)"),
    "two searches": ({"n_search": 5}, "n_search is 5, and own data has a search split; leave one of them out"),
    "no search": ({"search": None}, "n_search is 0; own data has 40 training samples to divide"),
    "a preparation that fails": ({"prepare": lambda inputs: inputs / None}, "prepare() fails: TypeError"),
    "a preparation that draws": (
        {"prepare": lambda inputs: inputs + torch.rand(())},
        "prepare() gives other inputs the second time; what varies samples at random is augment=",
    ),
    "an augmentation that fails": ({"augment": lambda inputs, rng: inputs.flip(9)}, "augment() fails: IndexError"),
    "an augmentation of another shape": ({"augment": lambda inputs, rng: inputs[:, :3]}, "as augment() makes them"),
    "fewer inputs": ({"prepare": lambda inputs: inputs[:1]}, "prepare() made 1 inputs of 2 samples"),
    "no tensors": ({"prepare": lambda inputs: inputs.tolist()}, "inputs hold a float; expected tensors"),
}


@pytest.mark.parametrize("wrong", WRONG_DATA)
def test_wrong_data_are_refused(wrong, tmp_path):
    changes, message = WRONG_DATA[wrong]
    settings = {name: value for name, value in changes.items() if name == "n_search"}
    own = data(**{name: value for name, value in changes.items() if name != "n_search"})
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        begun(plain, own, tmp_path, **settings)
    assert "\n" not in str(refused.value)


def state_file(path, change=lambda state: state):
    torch.save(change(plain().state_dict()), path)


class NotATensor:
    """What `torch.load` runs code for."""


WRONG_WEIGHTS = {
    "missing": (lambda path: None, "does not exist; expected the trained weights"),
    "code": (lambda path: torch.save({"model": NotATensor()}, path), "cannot be read as a file of torch.save with not"),
    "damaged": (lambda path: path.write_bytes(b"PK"), "cannot be read as a file of torch.save"),
    "no state": (lambda path: torch.save([1, 2], path), "holds no state of a module"),
    "another network": (lambda path: torch.save(nn.Linear(6, 3).state_dict(), path), "has no '0.weight' of "),
    "one too many": (lambda path: state_file(path, lambda s: {**s, "x": s["0.bias"]}), "'x' is none of the parameters"),
    "another shape": (lambda path: state_file(path, lambda s: {**s, "0.bias": torch.ones(9)}), "has shape (9,); "),
    "NaN": (lambda path: state_file(path, lambda s: {**s, "0.bias": s["0.bias"] * torch.nan}), "that are not finite"),
}


@pytest.mark.parametrize("wrong", WRONG_WEIGHTS)
def test_wrong_weights_are_refused(wrong, tmp_path):
    write, message = WRONG_WEIGHTS[wrong]
    write(tmp_path / "weights.pt")
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        begun(OwnNetwork(plain, weights=tmp_path / "weights.pt"), data(), tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"epoch": 3, "state_dict": state}])
def test_weights_are_found_where_training_scripts_put_them(prefix, wrap, tmp_path):
    module = plain()
    torch.save(wrap({f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}), tmp_path / "w.pt")
    network = OwnNetwork(plain, weights=tmp_path / "w.pt")
    found = network.loaded(network.built(seed=0))
    assert all(torch.equal(found.state_dict()[name], tensor) for name, tensor in module.state_dict().items())


TAKEN = {
    "two inputs": (
        lambda: nn.ModuleDict({"a": nn.Linear(6, 3)}),
        {"forward": lambda module, inputs: module["a"](inputs["x"] + inputs["y"])},
        dict.fromkeys(SPLITS, ({"x": X, "y": X}, Y)),
    ),
    "half precision": (lambda: plain().half(), {}, {}),
    "a tuple": (lambda: Own(lambda module, answer: (answer, 7)), {}, {}),
    "log probabilities": (lambda: nn.Sequential(plain(), nn.LogSoftmax(dim=1)), {}, {}),
    "an LSTM": (lambda: nn.Sequential(nn.LSTM(6, 3)), {"forward": lambda m, x: m[0](x[None])[0][0]}, {}),
    "float64 inputs": (plain, {}, dict.fromkeys(SPLITS, (X.astype(np.float64), Y))),
    "token ids": (
        lambda: nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(24, 3)),
        {},
        dict.fromkeys(SPLITS, (np.abs(X * 2).astype(np.int64) % 9, Y)),
    ),
}


@pytest.mark.parametrize("taken", TAKEN)
def test_what_is_taken(taken, tmp_path):
    build, functions, splits = TAKEN[taken]
    assert begun(OwnNetwork(build, **functions), data(**splits), tmp_path).n_classes == 3
