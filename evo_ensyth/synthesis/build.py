"""From a recipe to a pool folder, step by step; whatever interrupts it, running it again goes on where it was.

A step leaves its product as a file that is there whole or not at all, and draws from a seed of its own, so that the
pool does not depend on where it was interrupted. Besides what `pool.store` describes, the folder holds::

    recipe.json                   what the folder was begun with; stays
    controls/members/NAME/        like the members; the manifest tells of them under ``about``
    work/                         removed at the end
        parent.safetensors        checkpoint of the parent's training
        METHOD-DIGEST/            scratch of a compression method
        METHOD-DIGEST.json        names of its variants, once there are all of them
        variants/NAME.json        origin and report, written after NAME.safetensors
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from evo_ensyth import __version__
from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint, read_json, write_json, write_whole
from evo_ensyth.pool.manifest import SPLITS
from evo_ensyth.pool.store import (
    read_member,
    write_manifest,
    write_member,
    write_parent_labels,
    write_truth,
)
from evo_ensyth.synthesis import datasets, measure, networks
from evo_ensyth.synthesis.compression import Compressor, Material
from evo_ensyth.synthesis.forms import saved, with_state
from evo_ensyth.synthesis.networks import Network
from evo_ensyth.synthesis.recipe import Planned, Recipe, plain
from evo_ensyth.synthesis.training import Progress, derived_seed, fine_tune, reproducible, train


def build(recipe: Recipe, folder: Path | str, *, problem: str, progress: Progress | None = None) -> None:
    """Make a pool, or finish one that was begun.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Nothing is done if it holds this pool already.
    problem : str
        Name of the problem that the pool is for.
    progress : callable, optional
        Told how much of the present stage is done: training the parent, compressing, making members.

    Raises
    ------
    InputError
        The folder holds something else or was begun with another recipe, or the recipe cannot be followed.
    """
    folder = Path(folder)
    _check_begun(folder, _claim(recipe, problem))
    if not (folder / "pool.json").exists():
        with reproducible(recipe.threads):
            _Build(recipe, folder, progress or _silent).run(problem)
    _tidy(folder)


class _Build:
    """One recipe being followed: what its steps share, and the steps in their order."""

    def __init__(self, recipe: Recipe, folder: Path, progress: Progress) -> None:
        self.recipe, self.folder, self.progress = recipe, folder, progress
        self.work = folder / "work"
        self.members, self.controls = recipe.members(), recipe.planned_controls()
        dataset = datasets.load(recipe.dataset)
        self.n_classes = len(dataset.classes)
        self.splits = datasets.splits(dataset, recipe.n_search, self._seed("splits"))
        self.untrained = networks.build(recipe.network, self.n_classes, self._seed("weights"))
        self._check_sizes()

    def run(self, problem: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "recipe.json", _claim(self.recipe, problem))
        (self.work / "variants").mkdir(parents=True, exist_ok=True)
        parent = self._parent()
        for split in SPLITS:
            write_truth(self.folder, split, self.splits[split].labels)
            write_parent_labels(self.folder, split, measure.answers(parent, self.splits[split]).labels)
        placed = [(self.folder, member) for member in self.members]
        placed += [(self.folder / "controls", control) for control in self.controls]
        for folder, member in placed:
            if member.of is None:
                self._make_variants(folder, member)
        for done, (folder, member) in enumerate(placed):
            self.progress(done, len(placed), member.name)
            if read_member(folder, member.name) is None:
                if member.of is not None:
                    self._make_variants(folder, member)
                self._make(folder, member)
        self.progress(len(placed), len(placed), "all members")
        names = [member.name for member in self.members]
        write_manifest(self.folder, names, problem=problem, n_classes=self.n_classes, about=self._about())

    def _parent(self) -> Network:
        path = self.folder / "parent.safetensors"
        if path.exists():
            return self._read_network(path)
        parent = train(
            self.untrained,
            self.splits["train"],
            self.recipe.training,
            seed=self._seed("training"),
            checkpoint=self.work / "parent.safetensors",
            progress=lambda done, total, text: self.progress(done, total, f"parent, {text}"),
        )
        write_whole(path, saved(parent))
        return parent

    def _make_variants(self, folder: Path, member: Planned) -> None:
        """Have all variants of a member's method in the work folder by then."""
        compressor, prefix = member.compressor, "" if member.of is None else f"{member.of}-"
        finished = self.work / f"{prefix}{_label(compressor)}.json"
        if finished.exists():
            return
        # A control asks another method anew; in the same scratch folder that one finds what it has finished.
        scratch = self.work / f"{prefix}{_label(getattr(compressor, 'of', compressor))}"
        scratch.mkdir(exist_ok=True)
        source, origin = self._source(folder, member.of)
        names: list[str] = []
        self.progress(0, 0, _label(compressor))
        variants = compressor.variants(
            source,
            Material(self._calibration(), self.splits["train"], self.untrained),
            seed=self._seed("compression"),
            scratch=scratch,
            progress=lambda text: self.progress(len(names), 0, text),
        )
        for variant in variants:
            names.append(variant.name)
            self.progress(len(names), 0, variant.name)
            described = self._variant_file(f"{prefix}{variant.name}", "json")
            if not described.exists():
                weights = self._variant_file(f"{prefix}{variant.name}", "safetensors")
                write_whole(weights, saved(variant.model))
                accuracies = self._accuracies(self._read_network(weights))
                content = {"origin": {**variant.origin, **origin}, "report": variant.report, "accuracy": accuracies}
                write_json(described, content)
        if tuple(names) != compressor.names():
            raise InputError(f"{_label(compressor)} made {names}; its function 'names' says {compressor.names()}.")
        write_json(finished, names)

    def _source(self, folder: Path, of: str | None) -> tuple[Network, dict[str, Any]]:
        """What is compressed, and what the origin of the outcome says of it: nothing if it is the parent."""
        if of is None:
            return self._parent(), {}
        member = read_member(folder, of) or {}
        return self._read_network(folder / "members" / of / "weights.safetensors"), {"of": member["origin"]}

    def _make(self, folder: Path, member: Planned) -> None:
        variant = read_json(self._variant_file(member.variant, "json"))
        network, origin = self._read_network(self._variant_file(member.variant, "safetensors")), variant["origin"]
        if member.fine_tuning is not None:
            network = fine_tune(network, self.splits["train"], member.fine_tuning, seed=self._seed(member.name))
            origin = {**origin, "fine_tuning": member.fine_tuning.name}
        answers = {split: measure.answers(network, self.splits[split]) for split in SPLITS}
        write_member(
            folder,
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

    def _about(self) -> dict[str, Any]:
        """Tell in the manifest where a pool comes from and what it may be compared with."""
        parent = self._parent()
        return {
            "dataset": self.recipe.dataset,
            "network": self.recipe.network,
            "samples": {split: len(data) for split, data in self.splits.items()},
            "recipe": plain(self.recipe),
            "parent": {"accuracy": self._accuracies(parent), **_total_costs(measure.layers(parent))},
            "controls": [_described(self.folder / "controls", control) for control in self.controls],
            "versions": {"evo_ensyth": __version__, "numpy": np.__version__, "torch": str(torch.__version__)},
        }

    def _calibration(self) -> torch.Tensor:
        """Images drawn from the training split, as training sees them."""
        rng = np.random.default_rng(self._seed("calibration"))
        train_images = self.splits["train"].images
        images = train_images[rng.choice(len(train_images), self.recipe.n_calibration, replace=False)]
        augmenting = torch.Generator().manual_seed(self._seed("calibration"))
        return self.untrained.augment(torch.from_numpy(images), augmenting)

    def _accuracies(self, network: Network) -> dict[str, float]:
        return {
            split: measure.accuracy(measure.answers(network, self.splits[split]), self.splits[split])
            for split in SPLITS
        }

    def _read_network(self, path: Path) -> Network:
        return with_state(self.untrained, load_file(path))

    def _variant_file(self, variant: str, ending: str) -> Path:
        return self.work / "variants" / f"{variant}.{ending}"

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


def _claim(recipe: Recipe, problem: str) -> dict[str, Any]:
    return {"problem": problem, "recipe": plain(recipe)}


def _check_begun(folder: Path, claim: dict[str, Any]) -> None:
    """Refuse a folder that is neither empty nor begun in just this way."""
    path = folder / "recipe.json"
    if path.exists():
        if read_json(path) != claim:
            raise InputError(f"{folder} was begun with another recipe; remove it, or name another folder.")
    elif folder.exists() and any(entry.name[0] != "." for entry in folder.iterdir()):
        raise InputError(f"{folder} has files in it but no recipe.json: it is no pool; name another folder.")


def _tidy(folder: Path) -> None:
    """Remove what only the making needed, and what a kill left half written."""
    if (folder / "work").exists():
        shutil.rmtree(folder / "work")
    for place in (folder, folder / "members", folder / "controls" / "members"):
        for part in place.glob(".*.part"):
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()


def _label(compressor: Compressor) -> str:
    """Name of a method and a digest of its settings, for its files."""
    method = type(compressor).__module__.rpartition(".")[2]
    return f"{method}-{fingerprint(plain(compressor))[:12]}"


def _described(folder: Path, control: Planned) -> dict[str, Any]:
    member = read_member(folder, control.name) or {}
    return {
        "name": control.name,
        "origin": member["origin"],
        "accuracy": member["report"]["accuracy"],
        **_total_costs(member["layers"]),
    }


def _total_costs(layers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {cost: sum(layer["costs"][cost] for layer in layers) for cost in layers[0]["costs"]}


def _silent(done: int, total: int, text: str) -> None:
    """Tell nobody."""
