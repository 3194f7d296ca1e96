"""The steps from a recipe to a pool, and the workshop that does them, in whichever process.

A step leaves its products as files that are there whole or not at all, and draws from a seed of its own. So the pool
depends neither on where it was interrupted nor on who did what when. For the steps a pool's folder has a folder
``work``, which is removed at the end::

    work/parent.safetensors            checkpoint of the parent's training
    work/METHOD-DIGEST/                scratch of a compression method
    work/variants/METHOD-DIGEST/       what it made: NAME.json, origin and report, written after NAME.safetensors
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint, read_json, write_json, write_whole
from evo_ensyth.pool.manifest import SPLITS
from evo_ensyth.pool.store import amend_member, read_member, write_member, write_parent_labels, write_truth
from evo_ensyth.synthesis import datasets, measure, networks
from evo_ensyth.synthesis.compression import Compressor, Material
from evo_ensyth.synthesis.forms import saved, with_state
from evo_ensyth.synthesis.measure import Latency
from evo_ensyth.synthesis.networks import Network
from evo_ensyth.synthesis.recipe import Planned, Recipe, plain
from evo_ensyth.synthesis.training import Progress, derived_seed, fine_tune, train

PARENT = "the parent"


@dataclass(frozen=True)
class Step:
    """What one process does in one go.

    Attributes
    ----------
    kind : str
        ``train``, ``compress`` or ``make``.
    name : str
        For the reader.
    needs, gives : tuple of str
        Products. What a step gives is there when it ends, or before.
    member : Planned, optional
        To be made; of a compression one of those whose variants it makes.
    """

    kind: str
    name: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    member: Planned | None = None


def planned(recipe: Recipe) -> tuple[Planned, ...]:
    """Members and controls of a recipe."""
    return (*recipe.members(), *recipe.planned_controls())


def is_made(folder: Path, member: Planned) -> bool:
    """Whether a member, or a control, lies in a pool's folder."""
    return read_member((folder / member.place).parent, member.name) is not None


def steps_left(recipe: Recipe, folder: Path) -> list[Step]:
    """What is still to be done for a pool, in the order in which one process does it."""
    missing = [member for member in planned(recipe) if not is_made(folder, member)]
    left = {member.path for member in missing}
    compressions: dict[str, Step] = {}
    scratches: dict[str, str] = {}  # who used a scratch folder last
    for member in missing:
        label = _label(member)
        if label not in compressions:
            of = f"{member.place}/{member.of}"
            needs = [PARENT, *([of] if of in left else ())]
            # Who finds in a scratch folder what another method has finished waits for it.
            scratch = _scratch(member)
            needs += [scratches[scratch]] if scratch in scratches else []
            scratches[scratch] = label
            variants = (f"{label}/{variant}" for variant in member.compressor.names())
            compressions[label] = Step("compress", label, tuple(needs), (*variants, label), member)
    early = [step for step in compressions.values() if step.member is not None and step.member.of is None]
    steps = [Step("train", PARENT, (), (PARENT,)), *early]
    begun = {step.name for step in early}
    for member in missing:
        label = _label(member)
        if label not in begun:
            begun.add(label)
            steps.append(compressions[label])
        steps.append(Step("make", member.name, (f"{label}/{member.variant}",), (member.path,), member))
    return steps


class Workshop:
    """Where the steps of one recipe are done.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        The pool's.

    Raises
    ------
    InputError
        The recipe cannot be followed with this data set and this network.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.work = folder / "work"
        dataset = datasets.load(recipe.dataset)
        self.n_classes = len(dataset.classes)
        self.splits = datasets.splits(dataset, recipe.n_search, self._seed("splits"))
        self.untrained = networks.build(recipe.network, self.n_classes, self._seed("weights"))
        self._check_sizes()

    def do(self, step: Step, give: Callable[[str], None], progress: Progress) -> None:
        """Do a step, unless its products are there already.

        Parameters
        ----------
        step : Step
        give : function of str
            Called with every product as soon as it is there.
        progress : function of (done, total, text)
            Told how much of this step is done.
        """
        if step.kind == "train":
            self._train(progress)
        elif step.kind == "compress":
            assert step.member is not None
            self._compress(step.member, give, progress)
        else:
            assert step.member is not None
            if not is_made(self.folder, step.member):
                progress(0, 0, step.name)
                self._make(step.member)
        for product in step.gives:
            give(product)

    def parent(self) -> Network:
        """Return the trained parent."""
        return self._read_network(self.folder / "parent.safetensors")

    def accuracies(self, network: Network) -> dict[str, float]:
        """Share of right labels on the search and the test split."""
        return {
            split: measure.accuracy(measure.answers(network, self.splits[split]), self.splits[split])
            for split in SPLITS
        }

    def measure_latencies(self, how: Latency, progress: Progress) -> None:
        """Measure all members that are there and were not measured in this way yet; nothing else should be at work."""
        runtime, known, unmeasured = how.runtime(), dict[str, float](), []
        for planned_member in self.recipe.members():
            member = read_member(self.folder, planned_member.name)
            if member is None:
                continue
            if member["report"].get("latency") == runtime:
                known |= {layer["chain"]: layer["costs"]["latency_ms"] for layer in member["layers"]}
            else:
                unmeasured.append(member)
        for done, member in enumerate(unmeasured):
            name = member["name"]
            progress(done, len(unmeasured), f"measuring {name}")
            network = self._read_network(self.folder / "members" / name / "weights.safetensors")
            known |= measure.layer_latencies(network, how, known)
            layers = with_latencies(member["layers"], known)
            amend_member(self.folder, name, layers=layers, report={**member["report"], "latency": runtime})

    def _train(self, progress: Progress) -> None:
        path = self.folder / "parent.safetensors"
        if not path.exists():
            parent = train(
                self.untrained,
                self.splits["train"],
                self.recipe.training,
                seed=self._seed("training"),
                checkpoint=self.work / "parent.safetensors",
                progress=lambda done, total, text: progress(done, total, f"parent, {text}"),
            )
            write_whole(path, saved(parent))
        if (self.folder / f"parent.{SPLITS[-1]}.labels.npy").exists():
            return
        for split in SPLITS:
            write_truth(self.folder, split, self.splits[split].labels)
            write_parent_labels(self.folder, split, measure.answers(self.parent(), self.splits[split]).labels)

    def _compress(self, member: Planned, give: Callable[[str], None], progress: Progress) -> None:
        """Make all variants of the method that a member comes from."""
        compressor, label = member.compressor, _label(member)
        shelf, scratch = self._shelf(member), self.work / _scratch(member)
        names = list(compressor.names())
        if all((shelf / f"{name}.json").exists() for name in names):
            return
        for folder in (shelf, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        source, origin = self._source(member)
        made: list[str] = []
        progress(0, 0, label)
        variants = compressor.variants(
            source,
            Material(self._calibration(), self.splits["train"], self.untrained),
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
                write_whole(weights, saved(variant.model))
                accuracies = self.accuracies(self._read_network(weights))
                content = {"origin": {**variant.origin, **origin}, "report": variant.report, "accuracy": accuracies}
                write_json(described, content)
            give(f"{label}/{variant.name}")
        if made != names:
            raise InputError(f"{label} made {made}; its function 'names' says {compressor.names()}.")

    def _source(self, member: Planned) -> tuple[Network, dict[str, Any]]:
        """What is compressed, and what the origin of the outcome says of it: nothing if it is the parent."""
        if member.of is None:
            return self.parent(), {}
        place = (self.folder / member.place).parent
        origin = (read_member(place, member.of) or {})["origin"]
        return self._read_network(place / "members" / member.of / "weights.safetensors"), {"of": origin}

    def _make(self, member: Planned) -> None:
        described = self._shelf(member) / f"{member.variant}.json"
        variant, network = read_json(described), self._read_network(described.with_suffix(".safetensors"))
        origin = variant["origin"]
        if member.fine_tuning is not None:
            network = fine_tune(network, self.splits["train"], member.fine_tuning, seed=self._seed(member.name))
            origin = {**origin, "fine_tuning": member.fine_tuning.name}
        answers = {split: measure.answers(network, self.splits[split]) for split in SPLITS}
        write_member(
            (self.folder / member.place).parent,
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
            weights=saved(network),
        )

    def _calibration(self) -> torch.Tensor:
        """Images drawn from the training split, as training sees them."""
        rng = np.random.default_rng(self._seed("calibration"))
        train_images = self.splits["train"].images
        images = train_images[rng.choice(len(train_images), self.recipe.n_calibration, replace=False)]
        augmenting = torch.Generator().manual_seed(self._seed("calibration"))
        return self.untrained.augment(torch.from_numpy(images), augmenting)

    def _read_network(self, path: Path) -> Network:
        return with_state(self.untrained, load_file(path))

    def _shelf(self, member: Planned) -> Path:
        return self.work / "variants" / _label(member)

    def _seed(self, purpose: str) -> int:
        return derived_seed(self.recipe.seed, purpose)

    def _check_sizes(self) -> None:
        expected, images = self.untrained.preparation.shape, torch.from_numpy(self.splits["test"].images[:1].copy())
        if tuple(self.untrained.prepare(images).shape[1:]) != expected:
            raise InputError(
                f"the network '{self.recipe.network}' sees images of shape {expected}; "
                f"those of '{self.recipe.dataset}' have {tuple(images.shape[1:])}."
            )
        n_train = len(self.splits["train"])
        if self.recipe.n_calibration > n_train:
            raise InputError(f"n_calibration is {self.recipe.n_calibration}; there are {n_train} training samples.")


def with_latencies(layers: Sequence[Mapping[str, Any]], known: Mapping[str, float]) -> list[dict[str, Any]]:
    """Layers as the manifest has them, with one cost more, which is known of their chains."""
    return [{**layer, "costs": {**layer["costs"], "latency_ms": known[layer["chain"]]}} for layer in layers]


def _label(member: Planned) -> str:
    """Name of a member's compression, for its files: the method, and a digest of its settings."""
    return _labelled(member, member.compressor)


def _scratch(member: Planned) -> str:
    """Name of the scratch folder: a control asks another method anew, and finds there what that one has finished."""
    return _labelled(member, getattr(member.compressor, "of", member.compressor))


def _labelled(member: Planned, compressor: Compressor) -> str:
    method = type(compressor).__module__.rpartition(".")[2]
    of = "" if member.of is None else f"{member.of}-"
    return f"{of}{method}-{fingerprint(plain(compressor))[:12]}"
