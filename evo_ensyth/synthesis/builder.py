"""The builder, which does the steps from a recipe to a pool, in whichever process.

A step writes its products as files that appear whole or not at all, and draws from a seed of its own. So the pool
depends neither on where a build was interrupted nor on which process did what, and when.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json, write_json, write_whole
from evo_ensyth.io.manifest import SPLITS
from evo_ensyth.io.pool_folder import Answers, amend_member, write_member, write_parent_labels, write_truth
from evo_ensyth.synthesis import datasets, measure, networks
from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.compression import CompressionInputs
from evo_ensyth.synthesis.descent import fine_tune, train
from evo_ensyth.synthesis.devices import CPU, memory_reported
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures
from evo_ensyth.synthesis.layer_surgery import as_safetensors, with_state
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.progress import Progress
from evo_ensyth.synthesis.recipe import Latency, Planned
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.steps import Step, parent_title
from evo_ensyth.synthesis.trees import Tree


class Builder:
    """Does the steps of one recipe.

    Parameters
    ----------
    folder : BuildFolder
    device : torch.device
        Where networks are trained and run.

    Raises
    ------
    InputError
        The recipe cannot be followed with this data set and these networks.
    """

    def __init__(self, folder: BuildFolder, device: torch.device = CPU) -> None:
        self.folder, self.recipe, self.device = folder, folder.recipe, device
        self._features = TrunkFeatures(folder.work)
        dataset = datasets.load(self.recipe.dataset)
        self.n_classes = len(dataset.classes)
        self.splits = datasets.splits(dataset, self.recipe.n_search, self._seed("splits"))
        architectures: dict[str | None, Any] = {None: self.recipe.network}
        architectures |= {parent.name: parent.network for parent in self.recipe.parents}
        self._untrained = {
            name: networks.build(architecture, self.n_classes, self._seed("weights", *_words(name)))
            for name, architecture in architectures.items()
        }
        self._check_sizes(architectures)

    def do(self, step: Step, give: Callable[[str], None], progress: Progress) -> None:
        """Do a step, unless its products exist already.

        Parameters
        ----------
        step : Step
        give : callable
            Called with every product as soon as it exists.
        progress : Progress
            Called with how much of this step is done.

        Raises
        ------
        EvoEnsythError
            The step cannot be done, for instance because the card has too little memory.
        """
        with memory_reported(self.device):
            self._do(step, give, progress)

    def _do(self, step: Step, give: Callable[[str], None], progress: Progress) -> None:
        if step.kind == "train":
            self._train(step.parent, progress)
        elif step.kind == "compress":
            assert step.member is not None
            self._compress(step.member, give, progress)
        else:
            assert step.member is not None
            if not self.folder.is_made(step.member):
                progress(0, 0, step.name)
                self._make(step.member)
        for product in step.gives:
            give(product)

    def parent(self, name: str | None = None) -> Network:
        """Return the trained parent of the pool, or another one by its name."""
        return with_state(self._untrained[name], load_file(self.folder.parent_weights(name)))

    def is_trained(self, name: str | None) -> bool:
        """Whether a parent is trained."""
        return self.folder.parent_weights(name).exists()

    def untrained(self, name: str | None) -> Network:
        """Return a parent before its training."""
        return self._untrained[name]

    def accuracies(self, network: Network) -> dict[str, float]:
        """Share of correct labels on the search and the test split."""
        return {split: measure.accuracy(self._predict(network, split), self.splits[split]) for split in SPLITS}

    def measure_latencies(self, how: Latency, progress: Progress) -> None:
        """Measure the members that were not measured in this way yet; nothing else should be running."""
        runtime, known, unmeasured = measure.runtime(how), dict[str, float](), []
        for planned in self.recipe.members():
            member = self.folder.read(planned)
            if member is None:
                continue
            if member["report"].get("latency") == runtime:
                known |= {layer["chain"]: layer["costs"]["latency_ms"] for layer in member["layers"]}
            else:
                unmeasured.append((planned, member))
        for done, (planned, member) in enumerate(unmeasured):
            progress(done, len(unmeasured), f"measuring {planned.name}")
            network = self._member(planned)
            known |= measure.layer_latencies(network, how, known)
            report = {**member["report"], "latency": runtime}
            layers = with_latencies(member["layers"], known)
            amend_member(self.folder.member_root(planned), planned.name, layers=layers, report=report)

    def _train(self, name: str | None, progress: Progress) -> None:
        path, checkpoint = self.folder.parent_weights(name), self.folder.parent_checkpoint(name)
        if not path.exists():
            training = self.recipe.training if name is None else self.recipe.other_parent(name).training
            title = parent_title(name).removeprefix("the ")
            path.parent.mkdir(exist_ok=True)
            checkpoint.parent.mkdir(exist_ok=True)
            trained = train(
                self._untrained[name],
                self.splits["train"],
                training,
                seed=self._seed("training", *_words(name)),
                device=self.device,
                checkpoint=checkpoint,
                progress=lambda done, total, text: progress(done, total, f"{title}, {text}"),
            )
            write_whole(path, as_safetensors(trained))
        if name is not None or self.folder.has_parent_predictions():
            return
        for split in SPLITS:
            write_truth(self.folder.path, split, self.splits[split].y_true)
            write_parent_labels(self.folder.path, split, self._predict(self.parent(), split).y_pred)

    def _compress(self, member: Planned, give: Callable[[str], None], progress: Progress) -> None:
        """Make all variants of the method that a member comes from."""
        if not self.folder.variants_left(member):
            return
        compressor, label = member.compressor, self.folder.label(member)
        shelf, scratch = self.folder.variants(member), self.folder.scratch(member)
        for folder in (shelf, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        source, origin = self._source(member)
        made: list[str] = []
        progress(0, 0, label)
        calibration, untrained = self._calibration(member.parent), self._untrained[member.parent]
        inputs = CompressionInputs(calibration, self.splits["train"], untrained, self.device)
        variants = compressor.variants(
            source,
            inputs,
            seed=self._seed("compression"),
            scratch=scratch,
            progress=lambda text: progress(len(made), 0, text),
        )
        for variant in variants:
            made.append(variant.name)
            progress(len(made), 0, variant.name)
            described = shelf / f"{variant.name}.json"
            if not described.exists():
                weights = described.with_suffix(".safetensors")
                write_whole(weights, as_safetensors(variant.model))
                accuracies = self.accuracies(with_state(self._untrained[member.parent], load_file(weights)))
                content = {"origin": {**variant.origin, **origin}, "report": variant.report, "accuracy": accuracies}
                write_json(described, content)
            give(f"{label}/{variant.name}")
        if made != list(compressor.names()):
            raise InputError(f"{label} made {made}; its function 'names' says {compressor.names()}.")

    def _source(self, member: Planned) -> tuple[Network, dict[str, Any]]:
        """Network to compress, and what its variants' origin says of it: nothing if it is the pool's parent."""
        named = {} if member.parent is None else {"parent": member.parent}
        source = member.source
        if source is None:
            return self.parent(member.parent), named
        return self._member(source), {"of": (self.folder.read(source) or {})["origin"], **named}

    def _make(self, member: Planned) -> None:
        described = self.folder.variant(member)
        variant = read_json(described)
        network = with_state(self._untrained[member.parent], load_file(described.with_suffix(".safetensors")))
        origin = variant["origin"]
        if member.fine_tuning is not None:
            network = fine_tune(
                network,
                self.splits["train"],
                member.fine_tuning,
                seed=self._seed(member.name),
                device=self.device,
                features=self._features,
            )
            origin = {**origin, "fine_tuning": member.fine_tuning.name}
        answers = {split: self._predict(network, split) for split in SPLITS}
        write_member(
            self.folder.member_root(member),
            member.name,
            origin=origin,
            layers=measure.layers(network),
            report={
                "accuracy": {split: measure.accuracy(answers[split], self.splits[split]) for split in SPLITS},
                "accuracy_before_fine_tuning": variant["accuracy"],
                "density": measure.densities(network),
                "compression": variant["report"],
            },
            answers=answers,
            weights=as_safetensors(network),
        )

    def _predict(self, network: Network, split: str) -> Answers:
        return measure.predict(network, self.splits[split], self.device)

    def _member(self, member: Planned) -> Network:
        return with_state(self._untrained[member.parent], load_file(self.folder.weights(member)))

    def _calibration(self, parent: str | None) -> Tree:
        """Images drawn from the training split, prepared as for the training of a parent."""
        rng = np.random.default_rng(self._seed("calibration"))
        train = self.splits["train"]
        drawn = rng.choice(len(train), self.recipe.n_calibration, replace=False)
        augmenting = torch.Generator().manual_seed(self._seed("calibration"))
        return self._untrained[parent].augment(train.stored(drawn), augmenting)

    def _seed(self, *purpose: str) -> int:
        return derived_seed(self.recipe.seed, *purpose)

    def _check_sizes(self, architectures: Mapping[str | None, Any]) -> None:
        images = self.splits["test"].stored(slice(1))
        for name, network in self._untrained.items():
            expected = network.preparation.shape
            if tuple(network.prepare(images).shape[1:]) != expected:
                raise InputError(
                    f"the network '{architectures[name]}' sees images of shape {expected}; "
                    f"those of '{datasets.name_of(self.recipe.dataset)}' have {tuple(images.shape[1:])}."
                )
        n_train = len(self.splits["train"])
        if self.recipe.n_calibration > n_train:
            raise InputError(f"n_calibration is {self.recipe.n_calibration}; there are {n_train} training samples.")


def with_latencies(layers: Sequence[Mapping[str, Any]], known: Mapping[str, float]) -> list[dict[str, Any]]:
    """Layers in the manifest's form with the additional cost ``latency_ms``, given the latency of each chain."""
    return [{**layer, "costs": {**layer["costs"], "latency_ms": known[layer["chain"]]}} for layer in layers]


def _words(parent: str | None) -> tuple[str, ...]:
    return () if parent is None else (parent,)
