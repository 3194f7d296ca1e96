'''Data sets, one file each: images, labels and class names as published, and the three splits drawn from them.

A file of this folder opens with its source and has one function, ``load()``, which returns a `Dataset`. The file's name
is the data set's name. What it reads is checked first: by the published checksum where there is one, by size and range
of labels where there is none. Files are looked for under ``$EVO_ENSYTH_DATA``, then in the cache folder, and downloaded
if they are in neither. For example::

    """Noise: 600 images of random grey values, for tests."""

    import numpy as np

    from evo_ensyth.synthesis.datasets import Dataset, Split

    def load() -> Dataset:
        """500 samples for training and search, 100 for test."""
        rng = np.random.default_rng(0)
        images = rng.integers(0, 17, (600, 1, 8, 8), dtype=np.uint8)
        labels = rng.integers(0, 2, 600, dtype=np.uint8)
        return Dataset("noise", ("even", "odd"), Split(images[:500], labels[:500]), Split(images[500:], labels[500:]))
'''

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth import plugins
from evo_ensyth.errors import InputError

if TYPE_CHECKING:
    from evo_ensyth.synthesis.trees import Tree


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Attributes
    ----------
    images : uint8, (n_samples, channels, height, width)
    y_true : uint8, (n_samples,)
    """

    images: np.ndarray
    y_true: np.ndarray

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.y_true)

    @property
    def in_memory(self) -> bool:
        """Whether `stored` costs no more than a copy, so that all samples may be asked for at once."""
        return True

    def stored(self, samples: np.ndarray | slice = slice(None)) -> "Tree":
        """Return some samples without their labels, by their positions, as tensors in the processor's memory.

        Networks make inputs of them, see `Network.prepare` and `Network.augment`.
        """
        import torch

        return torch.tensor(self.images[samples])

    def take(self, samples: np.ndarray) -> "Split":
        """Return some samples, in order.

        Parameters
        ----------
        samples : int, (n_taken,), or bool, (n_samples,)
            Their positions, or a mask.
        """
        return Split(self.images[samples], self.y_true[samples])


class Source:
    """Where the splits of a pool come from: a `Dataset`, or `OwnData`.

    Attributes
    ----------
    name : str
    n_classes : int
    """

    name: str
    n_classes: int

    def splits(self, n_search: int, seed: int) -> dict[str, Split]:
        """Return disjoint splits ``train``, ``search`` and ``test``.

        The search split is drawn from the training samples, each class with its share to within one sample. The test
        split is the published one.

        Raises
        ------
        InputError
            No sample would be left to search or to train on.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Dataset(Source):
    """A data set as published, or one of your own.

    Attributes
    ----------
    name : str
    classes : tuple of str
        What the labels 0, 1, ... stand for.
    train, test : Split

    Raises
    ------
    InputError
        A split's arrays do not fit each other, the classes or the other split.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    def __post_init__(self) -> None:
        for where, split in (("train", self.train), ("test", self.test)):
            images, labels = split.images, split.y_true
            if images.dtype != np.uint8 or images.ndim != 4:
                raise InputError(
                    f"data set '{self.name}': the images of {where} have type {images.dtype} and shape {images.shape}; "
                    "expected uint8, (n_samples, channels, height, width)."
                )
            if labels.dtype != np.uint8 or labels.shape != (len(images),):
                raise InputError(
                    f"data set '{self.name}': the labels of {where} have type {labels.dtype} and shape {labels.shape}; "
                    f"expected uint8, ({len(images)},)."
                )
            if labels.max(initial=0) >= len(self.classes):
                raise InputError(
                    f"data set '{self.name}': {where} holds label {labels.max()} of {len(self.classes)} classes."
                )
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise InputError(
                f"data set '{self.name}': images of train have shape {self.train.images.shape[1:]}, "
                f"those of test {self.test.images.shape[1:]}."
            )

    @property
    def n_classes(self) -> int:  # type: ignore[override]
        """Number of the classes."""
        return len(self.classes)

    def splits(self, n_search: int, seed: int) -> dict[str, Split]:
        """Return the splits; see `Source.splits`."""
        return {**divided(self.name, self.train, n_search, seed), "test": self.test}


def names() -> tuple[str, ...]:
    """Names of the data sets that come with the package, sorted."""
    return plugins.names(__name__)


def load(wanted: "Dataset | Callable[[], Dataset] | str") -> Dataset:
    """Read a data set, downloading it if necessary; a data set is returned unchanged.

    Parameters
    ----------
    wanted : str, function or Dataset
        One of `names`, the dotted name of a module with a function ``load`` or of a function, or such a function.

    Raises
    ------
    InputError
        There is no such data set, a file differs from the published one, or one is missing and cannot be downloaded.
    """
    if isinstance(wanted, Dataset):
        return wanted
    found = wanted if callable(wanted) else plugins.load(__name__, wanted, "data set")
    dataset = plugins.function(found, "load", "data set")()
    if not isinstance(dataset, Dataset):
        raise InputError(f"data set '{name_of(wanted)}' is a {type(dataset).__name__}; expected a Dataset.")
    return dataset


def source(wanted: Source | Callable[[], Dataset] | str) -> Source:
    """Return what gives the splits: `OwnData` as they are, otherwise as `load`."""
    return wanted if isinstance(wanted, Source) else load(wanted)


def name_of(wanted: Source | Callable[[], Dataset] | str) -> str:
    """Name of a data set for the reader; parameters as for `source`."""
    return wanted.name if isinstance(wanted, Source) else plugins.name_of(wanted, "data set")


def divided(name: str, train: Split, n_search: int, seed: int) -> dict[str, Split]:
    """Divide the training samples of a data set into ``train`` and ``search``; see `Source.splits`."""
    if not 0 < n_search < len(train):
        raise InputError(f"n_search is {n_search}; {name} has {len(train)} training samples to divide.")
    drawn = stratified(train.y_true, n_search, np.random.default_rng(seed))
    return {"train": train.take(~drawn), "search": train.take(drawn)}


def stratified(labels: np.ndarray, n_drawn: int, rng: np.random.Generator) -> np.ndarray:
    """Mask of samples drawn at random, each class with its share to within one sample: bool, (n_samples,)."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    drawn = np.zeros(len(labels), dtype=bool)
    drawn[order[np.arange(n_drawn) * len(labels) // n_drawn]] = True
    return drawn
