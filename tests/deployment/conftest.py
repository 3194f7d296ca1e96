"""A pool of real networks for digits, of every stored form, and a run on it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import evo_ensyth as ee
from evo_ensyth import voting
from evo_ensyth.deployment.graph import add_output, finished, new_graph
from evo_ensyth.deployment.verify import session_of
from evo_ensyth.io.pool_folder import read_pool, write_manifest, write_member, write_parent_labels, write_truth
from evo_ensyth.results.run import Run
from evo_ensyth.synthesis import Training, datasets, measure, networks
from evo_ensyth.synthesis.compression._rounding import quantise
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.layer_surgery import as_safetensors, mark_quantised
from evo_ensyth.synthesis.network import Network, weighted_layers
from evo_ensyth.voting import VoteRule


def pruned(network: Network, share: float) -> None:
    """Set the smallest weights of the dense layers to zero, in place."""
    for name, layer in weighted_layers(network).items():
        if name.startswith("fc"):
            weight = layer.weight.data
            weight[weight.abs() <= weight.abs().quantile(share)] = 0


def quantised(network: Network, bits: int) -> None:
    """Quantise the dense layers, in place."""
    for name, layer in weighted_layers(network).items():
        if name.startswith("fc"):
            layer.weight.data, step = quantise(layer.weight.data, bits, "whole")
            mark_quantised(layer, step, bits)


@dataclass(frozen=True)
class Stored:
    """A pool folder and a run on it, beside each other as under ``runs/PROBLEM``."""

    pool: Path
    run: Path


@pytest.fixture(autouse=True)
def _few_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long anything takes does not matter here."""
    monkeypatch.setattr("evo_ensyth.deployment.timing.ROUNDS", 3)
    monkeypatch.setattr("evo_ensyth.deployment.timing.LEAST", 1e-6)


@pytest.fixture(scope="session")
def networks_of_all_forms() -> dict[str, Network]:
    """Eight networks by what is stored of them; ``dense``, ``pruned`` and those of ``-bits`` have one trunk."""
    found = {}
    data = datasets.load("digits").train.take(slice(300))
    for name, seed in {"dense": 1, "other": 2, "third": 3}.items():
        settings = Training(epochs=1, batch=8, learning_rate=3e-3)
        found[name] = train(networks.build("small", 10, seed), data, settings, seed=seed)
    forms = {"pruned": [partial(pruned, share=0.9)], "pruned-4-bits": [partial(pruned, share=0.8)]}
    forms |= {f"{bits}-bits": [] for bits in (8, 4, 2)}
    for name, steps in forms.items():
        found[name] = copy.deepcopy(found["dense"])
        for step in steps:
            step(found[name])
        if name.endswith("-bits"):
            quantised(found[name], int(name.split("-")[-2]))
    return found


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory, networks_of_all_forms: dict[str, Network]) -> Stored:
    """The pool of all forms, and a run of one ensemble with everybody."""
    root = tmp_path_factory.mktemp("digits")
    pool, digits = root / "pool", datasets.load("digits")
    pool.mkdir()
    splits = {"search": digits.train.take(slice(300, 500)), "test": digits.test}
    for name, network in networks_of_all_forms.items():
        answers = {split: measure.predict(network, data) for split, data in splits.items()}
        layers, weights = measure.layers(network), as_safetensors(network)
        origin = {"method": "hand"}
        write_member(pool, name, origin=origin, layers=layers, report={}, answers=answers, weights=weights)
    for split, data in splits.items():
        write_truth(pool, split, data.y_true)
        write_parent_labels(pool, split, data.y_true)
    (pool / "parent.safetensors").write_bytes(b"not read")
    about = {"dataset": "digits", "network": "small"}
    write_manifest(pool, list(networks_of_all_forms), problem="digits", n_classes=10, about=about)
    run = ee.search(ee.load(pool), ["error", "n_members"], selector="forward_greedy", baselines=(), n_folds=0)
    return Stored(pool, run.save(root / "run"))


@pytest.fixture
def run_of(stored: Stored) -> Callable[..., Run]:
    """The run with one ensemble in its front: some members by their positions, voting by a rule."""

    def run_of(members: Sequence[int], rule: str | VoteRule = "plurality") -> Run:
        pool, subset = read_pool(stored.pool).pool, np.zeros(8, bool)
        subset[members] = True
        vote = voting.fit(voting.load(rule), pool.search).of(subset)
        n_errors = int((vote.predict(pool.test.part(np.array(members))) != pool.test.y_true).sum())
        found = ee.read_run(stored.run)
        names = tuple(pool.names[i] for i in members)
        ensemble = replace(found.recommended, indices=tuple(members), members=names, voting=vote, test_errors=n_errors)
        ensemble = replace(ensemble, discordant={})
        return replace(found, front=replace(found.front, ensembles=(ensemble,)), recommended_index=0)

    return run_of


@pytest.fixture
def computed() -> Callable[..., np.ndarray]:
    """What a graph computes, float32 (n_samples, *shape), whose nodes a function of its tape and its input adds."""

    def computed(add, given: np.ndarray, shape: Sequence[int], *, opset: int = 21) -> np.ndarray:
        tape, value = new_graph(given.dtype, given.shape[1:], opset)
        add_output(tape, "found", add(tape, value), ir.DataType.FLOAT, shape)
        content = ir.to_proto(finished(tape)).SerializeToString()
        return session_of(content, "graph").run(None, {"input": given})[0]

    return computed
