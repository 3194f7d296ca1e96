"""Data of your own: torch data sets, or arrays of any type and shape, and what turns their samples into inputs."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.files import sha256
from evo_ensyth.synthesis.datasets import Source, Split, divided

if TYPE_CHECKING:
    import torch
    from torch.utils.data import Dataset as TorchDataset

    from evo_ensyth.synthesis.trees import Tree

AT_ONCE = 256  # samples of a torch data set to read together
READ_AGAIN = 64  # training samples whose labels are read twice; of search and test, all are
LABEL_KEYS = ("labels", "label")
UNSIGNED = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64}  # which torch hardly computes with


@dataclass(frozen=True, eq=False, kw_only=True)
class OwnData(Source):
    """Data of your own, for a recipe.

    A split is a torch ``Dataset`` whose samples are pairs of inputs and label, or mappings with a ``label``; or a pair
    of inputs and labels, the inputs being an array, a tensor, or a tuple, list or mapping of them, or a ``Dataset``
    without labels. Labels are whole numbers from 0 on.

    Attributes
    ----------
    train, test : Dataset, or pair of inputs and labels
    search : Dataset, or pair of inputs and labels, optional
        By default ``n_search`` samples of the recipe are set aside from ``train``.
    prepare : callable, optional
        From a batch of samples to the network's inputs, tensors or trees of them; by default inputs are the samples,
        with 64-bit floats as 32-bit ones.
    augment : callable, optional
        From a batch of samples and a torch ``Generator`` to the inputs of a training step; by default as ``prepare``.
    collate : callable, optional
        From a list of samples of a ``Dataset`` to a batch, with labels as the samples have them; by default torch's.
    classes : tuple of str, optional
        What the labels 0, 1, ... stand for; by default their numbers, as far as they occur.
    name : str

    Raises
    ------
    InputError
        When the data are used: something is wrong with them.
    """

    train: Any
    test: Any
    search: Any = None
    prepare: "Callable[[Tree], Tree] | None" = None
    augment: "Callable[[Tree, torch.Generator], Tree] | None" = None
    collate: Callable[[list[Any]], Any] | None = None
    classes: tuple[str, ...] = ()
    name: str = "own data"

    @cached_property
    def given(self) -> "dict[str, OwnSplit]":
        """The splits as they were given, by name; errors as above."""
        named = {"train": self.train, "search": self.search, "test": self.test}
        found = {
            where: _split(given, f"{self.name}, {where}", self.collate, is_read_again=where != "train")
            for where, given in named.items()
            if given is not None or where != "search"
        }
        highest = {where: int(split.y_true.max()) for where, split in found.items()}
        n_classes = len(self.classes) or max(highest.values()) + 1
        for where, label in highest.items():
            if label >= n_classes:
                raise InputError(f"{self.name}, {where}: a label is {label}; there are {n_classes} classes.")
        if n_classes < 2:
            raise InputError(f"{self.name}: all labels are 0; expected two classes or more.")
        if self.collate is None:  # Otherwise samples may differ, such as texts.
            _check_alike(self.name, found)
        kind = np.uint8 if n_classes <= 256 else np.uint16
        return {where: replace(split, y_true=split.y_true.astype(kind)) for where, split in found.items()}

    @property
    def n_classes(self) -> int:  # type: ignore[override]
        """Number of the classes."""
        return len(self.classes) or max(int(split.y_true.max()) for split in self.given.values()) + 1

    def splits(self, n_search: int, seed: int) -> dict[str, Split]:
        """Return the splits ``train``, ``search`` and ``test``; see `Source.splits`."""
        if "search" not in self.given:
            return {**divided(self.name, self.given["train"], n_search, seed), "test": self.given["test"]}
        if n_search:
            raise InputError(f"n_search is {n_search}, and {self.name} has a search split; leave one of them out.")
        return dict(self.given)

    def claim(self) -> dict[str, Any]:
        """What identifies the data: digests of all labels, and of inputs that come the same twice; see `as_json`."""
        functions = {"prepare": self.prepare, "augment": self.augment, "collate": self.collate}
        splits = {where: split.fingerprint for where, split in self.given.items()}
        return {"kind": "OwnData", "name": self.name, "classes": list(self.classes), **splits, **functions}


@dataclass(frozen=True, eq=False)
class OwnSplit(Split):
    """Samples of `OwnData`; ``images`` holds them all, as a tree of tensors or a torch ``Dataset``.

    Attributes
    ----------
    positions : int, (n_samples,)
        Of these samples in ``images``.
    collate : callable, optional
        Makes a batch of samples of a ``Dataset``, without labels.
    fingerprint : mapping
        Digests of the split as it was given.
    """

    images: Any
    positions: np.ndarray
    collate: Callable[[list[Any]], Any] | None
    fingerprint: Mapping[str, Any]

    @property
    def in_memory(self) -> bool:
        """Whether all samples are there as tensors."""
        return self.collate is None

    def stored(self, samples: np.ndarray | slice = slice(None)) -> "Tree":
        """Return some samples without their labels; see `Split.stored`."""
        import torch

        from evo_ensyth.synthesis.trees import taken

        wanted = self.positions[samples]
        if self.collate is None:
            return taken(self.images, torch.from_numpy(wanted))
        return self.collate([self.images[int(place)] for place in wanted])

    def take(self, samples: np.ndarray) -> "OwnSplit":
        """Return some samples, in order; see `Split.take`."""
        positions, labels = self.positions[samples], self.y_true[samples]
        return OwnSplit(self.images, labels, positions, self.collate, self.fingerprint)

    def own(self) -> "TorchDataset[Any] | None":
        """Return these samples of the user's own data set, with their labels; None where arrays were given."""
        from torch.utils.data import Subset

        return Subset(self.images, self.positions.tolist()) if isinstance(self.collate, _WithoutLabels) else None


def unlabelled(samples: Any) -> OwnSplit:
    """Return samples as a split without labels: an array, a tensor, a tuple or mapping of them, or a torch ``Dataset``.

    Labels of a ``Dataset`` are left out. Errors are those of `OwnData`.
    """
    from torch.utils.data import Dataset, default_collate

    from evo_ensyth.synthesis.trees import n_samples

    if isinstance(samples, Dataset):
        positions = np.arange(len(samples))  # type: ignore[arg-type]
        return OwnSplit(samples, np.zeros(len(positions), np.uint8), positions, _WithoutLabels(default_collate), {})
    tensors = _tensors(samples, "samples")
    positions = np.arange(n_samples(tensors))
    return OwnSplit(tensors, np.zeros(len(positions), np.uint8), positions, None, {})


@dataclass(frozen=True)
class _WithoutLabels:
    """Collates samples that have a label, and leaves it out."""

    collate: Callable[[list[Any]], Any]

    def __call__(self, samples: list[Any]) -> "Tree":
        return _parted(self.collate(samples))[0]


def _split(given: Any, where: str, collate: Callable[[list[Any]], Any] | None, *, is_read_again: bool) -> OwnSplit:
    from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

    if isinstance(given, DataLoader):
        raise InputError(f"{where} is a DataLoader; give its dataset, and its collate_fn as collate=.")
    if isinstance(given, IterableDataset):
        raise InputError(f"{where} is an IterableDataset; expected one whose samples have positions.")
    collate = collate or default_collate
    if isinstance(given, Dataset):
        return _labelled(given, where, collate, is_read_again=is_read_again)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(f"{where} is a {type(given).__name__}; expected a torch Dataset, or inputs and labels.")
    inputs, labels = given
    y_true = _checked_labels(labels, where)
    if isinstance(inputs, Dataset):
        _check_lengths(where, len(inputs), len(y_true))  # type: ignore[arg-type]
        first = _digest(_read(inputs, where, range(min(len(y_true), READ_AGAIN)), collate))
        fingerprint = {"labels": sha256(y_true.tobytes()), **({"first": first} if is_read_again else {})}
        return OwnSplit(inputs, y_true, np.arange(len(y_true)), collate, fingerprint)
    from evo_ensyth.synthesis.trees import n_samples

    tensors = _tensors(inputs, where)
    _check_lengths(where, n_samples(tensors), len(y_true))
    fingerprint = {"labels": sha256(y_true.tobytes()), "inputs": _digest([tensors])}
    return OwnSplit(tensors, y_true, np.arange(len(y_true)), None, fingerprint)


def _labelled(
    dataset: "TorchDataset[Any]", where: str, collate: Callable[[list[Any]], Any], *, is_read_again: bool
) -> OwnSplit:
    """Read the labels of a data set once, and again, with the inputs of all splits that are not trained on."""
    if not hasattr(dataset, "__len__"):
        raise InputError(f"{where}: the Dataset has no length.")
    n_samples = len(dataset)

    def read(n_read: int) -> tuple[np.ndarray, str]:
        digest, labels = hashlib.sha256(), []
        for batch in _read(dataset, where, range(n_read), collate):
            inputs, found = _parted(batch, where)
            labels.append(_checked_labels(found, where))
            if is_read_again:
                digest.update(_digest([inputs]).encode())
        if not labels:
            raise InputError(f"{where} has no samples.")
        return np.concatenate(labels), digest.hexdigest()

    y_true, first = read(n_samples)
    again, second = read(n_samples if is_read_again else min(n_samples, READ_AGAIN))
    if len(y_true) != n_samples:
        raise InputError(f"{where}: {n_samples} samples gave {len(y_true)} labels; collate= must keep all of them.")
    if not np.array_equal(again, y_true[: len(again)]):
        raise InputError(f"{where} gives other labels the second time; the order of its samples must not change.")
    if first != second:
        raise InputError(f"{where} gives other inputs the second time; vary samples at random in train only.")
    fingerprint = {"labels": sha256(y_true.tobytes()), **({"inputs": first} if is_read_again else {})}
    return OwnSplit(dataset, y_true, np.arange(n_samples), _WithoutLabels(collate), fingerprint)


def _read(
    dataset: "TorchDataset[Any]", where: str, places: Sequence[int], collate: Callable[[list[Any]], Any]
) -> Iterator[Any]:
    for start in range(0, len(places), AT_ONCE):
        try:
            yield collate([dataset[place] for place in places[start : start + AT_ONCE]])
        except Exception as error:  # a user's data set may raise anything
            end = min(start + AT_ONCE, len(places)) - 1
            shown = str(error).strip().partition("\n")[0]
            raise InputError(
                f"{where}: samples {start} to {end} cannot be read: {type(error).__name__}: {shown}."
            ) from error


def _parted(batch: Any, where: str = "") -> tuple["Tree", Any]:
    """Inputs and labels of a batch."""
    if isinstance(batch, Mapping):
        key = next((key for key in LABEL_KEYS if key in batch), None)
        if key is not None and len(batch) > 1:
            return {name: part for name, part in batch.items() if name != key}, batch[key]
    elif isinstance(batch, tuple | list) and len(batch) >= 2:
        *inputs, labels = batch
        return (inputs[0] if len(inputs) == 1 else tuple(inputs)), labels
    raise InputError(
        f"{where}: a batch is a {type(batch).__name__}; expected inputs and labels, or a mapping with both."
    )


def _tensors(inputs: Any, where: str) -> "Tree":
    import torch

    if isinstance(inputs, Mapping):
        return {str(name): _tensors(part, where) for name, part in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(_tensors(part, where) for part in inputs)
    if isinstance(inputs, torch.Tensor):
        tensor = inputs.detach().cpu()
    else:
        try:
            array = np.asarray(inputs)
        except ValueError as error:
            raise InputError(f"{where}: inputs have different shapes; give a torch Dataset and collate=.") from error
        if array.dtype.kind not in "biufc":
            raise InputError(f"{where}: inputs have type {array.dtype}; expected numbers.")
        tensor = torch.from_numpy(np.array(array, dtype=UNSIGNED.get(array.dtype.name)))
    if tensor.is_complex():
        raise InputError(f"{where}: inputs are complex; expected real numbers.")
    if tensor.ndim == 0 or len(tensor) == 0:
        raise InputError(f"{where} has no samples.")
    finite = torch.isfinite(tensor).reshape(len(tensor), -1).all(dim=1)
    if not finite.all():
        sample = int((~finite).nonzero()[0])
        raise InputError(f"{where}: inputs of sample {sample} are not finite; fill in what is missing.")
    return tensor


def _checked_labels(labels: Any, where: str) -> np.ndarray:
    """Labels as int64, (n_samples,)."""
    found = np.asarray(labels.cpu() if hasattr(labels, "cpu") else labels)
    if found.ndim != 1:
        raise InputError(f"{where}: labels have shape {found.shape}; expected one class for each sample, not one-hot.")
    if len(found) == 0:
        raise InputError(f"{where} has no samples.")
    if found.dtype.kind not in "iub":
        raise InputError(
            f"{where}: labels have type {found.dtype}, such as {found[0]!r:.40}; expected whole numbers: members vote "
            "for classes."
        )
    if found.min() < 0:
        raise InputError(f"{where}: a label is {found.min()}; leave out samples without a class.")
    return found.astype(np.int64)


def _check_alike(name: str, splits: "Mapping[str, OwnSplit]") -> None:
    from evo_ensyth.synthesis.trees import mapped, shapes

    one = {where: shapes(mapped(lambda tensor: tensor[0], split.stored(slice(1)))) for where, split in splits.items()}
    for where, found in one.items():
        if found != one["train"]:
            raise InputError(f"{name}: a sample of train is {one['train']}, one of {where} is {found}.")


def _check_lengths(where: str, n_inputs: int, n_labels: int) -> None:
    if n_inputs != n_labels:
        raise InputError(f"{where} has {n_inputs} inputs and {n_labels} labels.")


def _digest(trees: "Iterable[Tree]") -> str:
    """SHA-256 of types, shapes and values of trees."""
    from evo_ensyth.synthesis.trees import leaves, shapes

    digest = hashlib.sha256()
    for tree in trees:
        digest.update(shapes(tree).encode())
        for tensor in leaves(tree):
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
