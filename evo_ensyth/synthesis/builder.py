"""The builder, which does the steps from a recipe to a pool, in whichever process.

A step writes its products as files that appear whole or not at all, and draws from a seed of its own. So the pool
depends neither on where a build was interrupted nor on which process did what, and when.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.files import read_json, write_json, write_whole
from evo_ensyth.io.manifest import SPLITS
from evo_ensyth.io.pool_folder import Answers, amend_member, write_member, write_parent_labels, write_truth
from evo_ensyth.synthesis import datasets, measure, parents, probe
from evo_ensyth.synthesis.batch_norm import norms_of_convolutions, re_estimated
from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.compression import CompressionInputs
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.devices import CPU, memory_reported
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures
from evo_ensyth.synthesis.head_stack import fine_tune_together
from evo_ensyth.synthesis.layer_surgery import as_safetensors, parsed, read_network, with_state
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.progress import Progress
from evo_ensyth.synthesis.recipe import Latency, Planned
from evo_ensyth.synthesis.reproducibility import derived_seed, drawing
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
        source = datasets.source(self.recipe.dataset)
        self.n_classes = source.n_classes
        self.splits = source.splits(self.recipe.n_search, self._seed("splits"))
        self._untrained = parents.untrained_networks(self.recipe, self.splits)
        self._probe = parents.probe(self._untrained, self.splits)
        self._check_parents()
        n_train = len(self.splits["train"])
        if self.recipe.n_calibration > n_train:
            raise InputError(f"n_calibration is {self.recipe.n_calibration}; there are {n_train} training samples.")

    def do(self, step: Step, give: Callable[[str], None], progress: Progress) -> dict[str, str]:
        """Do a step, unless its products exist already.

        Parameters
        ----------
        step : Step
        give : callable
            Called with every product as soon as it exists.
        progress : Progress
            Called with how much of this step is done.

        Returns
        -------
        dict of str to str
            Why members of the step could not be made, by their titles; the others are made.

        Raises
        ------
        EvoEnsythError
            The step cannot be done, for instance because the card has too little memory.
        """
        with memory_reported(self.device):
            return self._do(step, give, progress)

    def _do(self, step: Step, give: Callable[[str], None], progress: Progress) -> dict[str, str]:
        if step.kind == "make":
            return self._make(step, give, progress)
        if step.kind == "train":
            self._train(step.parent, progress)
        else:
            self._compress(step.members[0], give, progress)
        for product in step.gives:
            give(product)
        return {}

    def parent(self, name: str | None = None) -> Network:
        """Return the trained parent of the pool, or another one by its name."""
        return self._read(name, self.folder.parent_weights(name))

    def is_trained(self, name: str | None) -> bool:
        """Whether a parent is trained."""
        return self.folder.parent_weights(name).exists()

    @property
    def has_probe(self) -> bool:
        """Whether a parent is a module of a user's, so that the pool has a probe."""
        return self._probe is not None

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
            about = parents.of_recipe(self.recipe)[name]
            title = parent_title(name).removeprefix("the ")
            path.parent.mkdir(exist_ok=True)
            checkpoint.parent.mkdir(exist_ok=True)
            network = parents.started(self._untrained[name], about.network)
            if about.training is not None:
                network = train(
                    network,
                    self.splits["train"],
                    about.training,
                    seed=self._seed("training", *_words(name)),
                    device=self.device,
                    checkpoint=checkpoint,
                    progress=lambda done, total, text: progress(done, total, f"{title}, {text}"),
                )
            write_whole(path, self._content(self._re_estimated(network), name))
        if self._probe is not None:
            probe.write_probe(self.folder.path, self._probe)
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
                assert isinstance(variant.model, Network)
                write_whole(weights, as_safetensors(self._re_estimated(variant.model)))
                accuracies = self.accuracies(self._read(member.parent, weights))
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

    def _make(self, step: Step, give: Callable[[str], None], progress: Progress) -> dict[str, str]:
        """Make members that are not made yet; returns why others cannot be made."""
        left = {member.title for member in step.members if not self.folder.is_made(member)}
        tuned: dict[str, Network | EvoEnsythError] = {}
        failed: dict[str, str] = {}
        if left:
            progress(0, 0, step.name)
            tuned = self._tuned(step.members)
        for member in step.members:
            try:
                if member.title in left:
                    self._write(member, tuned[member.title])
            except InputError:
                raise
            except EvoEnsythError as error:
                failed[member.title] = str(error)
            else:
                give(member.title)
        return failed

    def _tuned(self, members: Sequence[Planned]) -> dict[str, Network | EvoEnsythError]:
        """Networks of members that are trained together, by their titles, or why there is none."""
        weights = [self.folder.variant(member).with_suffix(".safetensors") for member in members]
        tuned: Sequence[Network | EvoEnsythError]
        tuned = networks = [self._read(member.parent, path) for member, path in zip(members, weights, strict=True)]
        if members[0].fine_tuning is not None:
            tuned = fine_tune_together(
                networks,
                self.splits["train"],
                members[0].fine_tuning,
                seeds=[self._seed(member.name) for member in members],
                device=self.device,
                features=self._features,
            )
        return {member.title: network for member, network in zip(members, tuned, strict=True)}

    def _write(self, member: Planned, network: Network | EvoEnsythError) -> None:
        if isinstance(network, EvoEnsythError):
            raise network
        variant = read_json(self.folder.variant(member))
        origin = variant["origin"]
        if member.fine_tuning is not None:
            origin = {**origin, "fine_tuning": member.fine_tuning.name}
            kept = () if member.fine_tuning.convolutions else tuple(norms_of_convolutions(network))
            network = self._re_estimated(network, kept)
        weights = self._content(network, member.parent)
        network = self._checked(network, weights, member)
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
            weights=weights,
        )

    def _predict(self, network: Network, split: str) -> Answers:
        return measure.predict(network, self.splits[split], self.device)

    def _member(self, member: Planned) -> Network:
        return self._read(member.parent, self.folder.weights(member))

    def _read(self, parent: str | None, path: Path) -> Network:
        """Network of a file, built as a parent."""
        return read_network(self._untrained[parent], path.read_bytes())

    def _content(self, network: Network, parent: str | None) -> bytes:
        """Content of the file of a network."""
        return as_safetensors(network, probe.description(network, self._untrained[parent], self._probe))

    def _check_parents(self) -> None:
        """Check that modules of users that are trained already still answer as they did."""
        for name in self._untrained:
            if self._probe is not None and self.is_trained(name):
                state, header = parsed(self.folder.parent_weights(name).read_bytes())
                if header:
                    network = with_state(self._untrained[name], state, header["changes"])
                    probe.check_answers_again(network, header, self._probe, parent_title(name))

    def _checked(self, network: Network, content: bytes, member: Planned) -> Network:
        """Network as its file gives it back, which must be the same; those of this package are not read again."""
        state, header = parsed(content)
        if not header:
            return network
        try:
            again = with_state(self._untrained[member.parent], state, header["changes"])
            probe.check_answers_again(again, header, self._probe, "its file")
        except InputError as error:  # It is this member alone that cannot be made.
            raise EvoEnsythError(str(error)) from error
        before = network.state_dict()
        for name, tensor in again.state_dict().items():
            if not torch.equal(tensor, before[name]):
                raise EvoEnsythError(f"its file does not give back '{name}' as it was.")
        return again

    def _re_estimated(self, network: Network, kept: Collection[str] = ()) -> Network:
        seed = self._seed("batch normalisation")
        return re_estimated(network, self.splits["train"], seed=seed, device=self.device, kept=kept)

    def _calibration(self, parent: str | None) -> Tree:
        """Samples drawn from the training split, prepared as for the training of a parent."""
        rng = np.random.default_rng(self._seed("calibration"))
        train = self.splits["train"]
        drawn = rng.choice(len(train), self.recipe.n_calibration, replace=False)
        augmenting = torch.Generator().manual_seed(self._seed("calibration"))
        with drawing(self._seed("calibration")):
            return self._untrained[parent].augment(train.stored(drawn), augmenting)

    def _seed(self, *purpose: str) -> int:
        return derived_seed(self.recipe.seed, *purpose)


def with_latencies(layers: Sequence[Mapping[str, Any]], known: Mapping[str, float]) -> list[dict[str, Any]]:
    """Layers in the manifest's form with the additional cost ``latency_ms``, given the latency of each chain."""
    return [{**layer, "costs": {**layer["costs"], "latency_ms": known[layer["chain"]]}} for layer in layers]


def _words(parent: str | None) -> tuple[str, ...]:
    return () if parent is None else (parent,)
