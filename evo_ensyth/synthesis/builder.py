"""The steps from a recipe to a pool, and the workshop that does them, in whichever process.

A step leaves its products as files that are there whole or not at all, and draws from a seed of its own. So the pool
depends neither on where it was interrupted nor on who did what when. For the steps a pool's folder has a folder
``work``, which is removed at the end::

    work/parent.safetensors            checkpoint of the parent's training
    work/parents/NAME-DIGEST.safetensors          of another parent's
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
from evo_ensyth.io.manifest import SPLITS
from evo_ensyth.io.pool_folder import amend_member, read_member, write_member, write_parent_labels, write_truth
from evo_ensyth.synthesis import datasets, measure, networks
from evo_ensyth.synthesis.compression import Compressor, Material
from evo_ensyth.synthesis.layer_surgery import saved, with_state
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
    parent : str, optional
        To be trained, if it is another than the pool's.
    """

    kind: str
    name: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    member: Planned | None = None
    parent: str | None = None


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
        label = label_of(recipe, member)
        if label not in compressions:
            of = f"{member.place}/{member.of}"
            needs = [_told(member.parent), *([of] if of in left else ())]
            # Who finds in a scratch folder what another method has finished waits for it.
            scratch = scratch_of(recipe, member)
            needs += [scratches[scratch]] if scratch in scratches else []
            scratches[scratch] = label
            variants = (f"{label}/{variant}" for variant in member.compressor.names())
            compressions[label] = Step("compress", label, tuple(needs), (*variants, label), member)
    early = [step for step in compressions.values() if step.member is not None and step.member.of is None]
    parents = (None, *(parent.name for parent in recipe.parents))
    steps = [Step("train", _told(parent), (), (_told(parent),), parent=parent) for parent in parents]
    steps += early
    begun = {step.name for step in early}
    for member in missing:
        label = label_of(recipe, member)
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
        self._untrained: dict[str | None, Network] = {}
        self._untrained[None] = networks.build(recipe.network, self.n_classes, self._seed("weights"))
        for parent in recipe.parents:
            self._untrained[parent.name] = networks.build(
                parent.network, self.n_classes, self._seed("weights", parent.name)
            )
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
            self._train(step.parent, progress)
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

    def parent(self, name: str | None = None) -> Network:
        """Return the trained parent, or another one by its name."""
        return self._read_network(self._parent_path(self.folder, name), name)

    def is_trained(self, name: str | None) -> bool:
        """Whether the parent, or another one, is there."""
        return self._parent_path(self.folder, name).exists()

    def untrained(self, name: str | None) -> Network:
        """Return the parent, or another one, as its training begins."""
        return self._untrained[name]

    def variants_left(self, member: Planned) -> list[str]:
        """Names of those variants of a member's method that are still to be made."""
        return [name for name in member.compressor.names() if not (self._shelf(member) / f"{name}.json").exists()]

    def accuracies(self, network: Network) -> dict[str, float]:
        """Share of right labels on the search and the test split."""
        return {
            split: measure.accuracy(measure.answers(network, self.splits[split]), self.splits[split])
            for split in SPLITS
        }

    def measure_latencies(self, how: Latency, progress: Progress) -> None:
        """Measure all members that are there and were not measured in this way yet; nothing else should be at work."""
        runtime, known, unmeasured = how.runtime(), dict[str, float](), []
        parents = {member.name: member.parent for member in self.recipe.members()}
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
            network = self._read_network(self.folder / "members" / name / "weights.safetensors", parents[name])
            known |= measure.layer_latencies(network, how, known)
            layers = with_latencies(member["layers"], known)
            amend_member(self.folder, name, layers=layers, report={**member["report"], "latency": runtime})

    def _train(self, name: str | None, progress: Progress) -> None:
        path = self._parent_path(self.folder, name)
        if not path.exists():
            training = self.recipe.training if name is None else self.recipe.other_parent(name).training
            path.parent.mkdir(exist_ok=True)
            checkpoint = self._parent_path(self.work, name)
            checkpoint.parent.mkdir(exist_ok=True)
            trained = train(
                self._untrained[name],
                self.splits["train"],
                training,
                seed=self._seed("training", *_names(name)),
                checkpoint=checkpoint,
                progress=lambda done, total, text: progress(done, total, f"{_told(name).removeprefix('the ')}, {text}"),
            )
            write_whole(path, saved(trained))
        if name is not None or (self.folder / f"parent.{SPLITS[-1]}.labels.npy").exists():
            return
        for split in SPLITS:
            write_truth(self.folder, split, self.splits[split].y_true)
            write_parent_labels(self.folder, split, measure.answers(self.parent(), self.splits[split]).y_pred)

    def _parent_path(self, folder: Path, name: str | None) -> Path:
        """Where a parent lies below a folder: another one by a digest of its settings, too, for these may change."""
        if name is None:
            return folder / "parent.safetensors"
        return folder / "parents" / f"{name}-{digest(self.recipe.other_parent(name))}.safetensors"

    def _compress(self, member: Planned, give: Callable[[str], None], progress: Progress) -> None:
        """Make all variants of the method that a member comes from."""
        compressor, label = member.compressor, label_of(self.recipe, member)
        shelf, scratch = self._shelf(member), self.work / scratch_of(self.recipe, member)
        names = list(compressor.names())
        if not self.variants_left(member):
            return
        for folder in (shelf, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        source, origin = self._source(member)
        made: list[str] = []
        progress(0, 0, label)
        variants = compressor.variants(
            source,
            Material(self._calibration(member.parent), self.splits["train"], self._untrained[member.parent]),
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
                accuracies = self.accuracies(self._read_network(weights, member.parent))
                content = {"origin": {**variant.origin, **origin}, "report": variant.report, "accuracy": accuracies}
                write_json(described, content)
            give(f"{label}/{variant.name}")
        if made != names:
            raise InputError(f"{label} made {made}; its function 'names' says {compressor.names()}.")

    def _source(self, member: Planned) -> tuple[Network, dict[str, Any]]:
        """What is compressed, and what the origin of the outcome says of it: nothing if it is the pool's parent."""
        named = {} if member.parent is None else {"parent": member.parent}
        if member.of is None:
            return self.parent(member.parent), named
        place = (self.folder / member.place).parent
        origin = (read_member(place, member.of) or {})["origin"]
        network = self._read_network(place / "members" / member.of / "weights.safetensors", member.parent)
        return network, {"of": origin, **named}

    def _make(self, member: Planned) -> None:
        described = self._shelf(member) / f"{member.variant}.json"
        variant = read_json(described)
        network = self._read_network(described.with_suffix(".safetensors"), member.parent)
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

    def _calibration(self, parent: str | None) -> torch.Tensor:
        """Images drawn from the training split, as the training of a parent sees them."""
        rng = np.random.default_rng(self._seed("calibration"))
        train_images = self.splits["train"].images
        images = train_images[rng.choice(len(train_images), self.recipe.n_calibration, replace=False)]
        augmenting = torch.Generator().manual_seed(self._seed("calibration"))
        return self._untrained[parent].augment(torch.from_numpy(images), augmenting)

    def _read_network(self, path: Path, parent: str | None) -> Network:
        """Read weights of a parent, or of what became of it."""
        return with_state(self._untrained[parent], load_file(path))

    def _shelf(self, member: Planned) -> Path:
        return self.work / "variants" / label_of(self.recipe, member)

    def _seed(self, *purpose: str) -> int:
        return derived_seed(self.recipe.seed, *purpose)

    def _check_sizes(self) -> None:
        images = torch.from_numpy(self.splits["test"].images[:1].copy())
        for name, network in self._untrained.items():
            expected = network.preparation.shape
            if tuple(network.prepare(images).shape[1:]) != expected:
                called = self.recipe.network if name is None else self.recipe.other_parent(name).network
                raise InputError(
                    f"the network '{called}' sees images of shape {expected}; "
                    f"those of '{self.recipe.dataset}' have {tuple(images.shape[1:])}."
                )
        n_train = len(self.splits["train"])
        if self.recipe.n_calibration > n_train:
            raise InputError(f"n_calibration is {self.recipe.n_calibration}; there are {n_train} training samples.")


def with_latencies(layers: Sequence[Mapping[str, Any]], known: Mapping[str, float]) -> list[dict[str, Any]]:
    """Layers as the manifest has them, with one cost more, which is known of their chains."""
    return [{**layer, "costs": {**layer["costs"], "latency_ms": known[layer["chain"]]}} for layer in layers]


def label_of(recipe: Recipe, member: Planned) -> str:
    """Name of a member's compression, for its files: the method, and a digest of its settings."""
    return _labelled(recipe, member, member.compressor)


def scratch_of(recipe: Recipe, member: Planned) -> str:
    """Name of the scratch folder: a control asks another method anew, and finds there what that one has finished."""
    return _labelled(recipe, member, getattr(member.compressor, "of", member.compressor))


def digest(*settings: object) -> str:
    """Short digest of a compressor's settings, and of others that decide what it makes."""
    told = [plain(setting) for setting in settings]
    return fingerprint(told[0] if len(told) == 1 else told)[:12]


def _labelled(recipe: Recipe, member: Planned, compressor: Compressor) -> str:
    method = type(compressor).__module__.rpartition(".")[2]
    of = "" if member.of is None else f"{member.of}-"
    if member.parent is None:
        return f"{of}{method}-{digest(compressor)}"
    # The name of what is compressed begins with the parent's already.
    return f"{of or member.parent + '-'}{method}-{digest(compressor, recipe.other_parent(member.parent))}"


def _told(parent: str | None) -> str:
    return PARENT if parent is None else f"{PARENT} {parent}"


def _names(parent: str | None) -> tuple[str, ...]:
    return () if parent is None else (parent,)
