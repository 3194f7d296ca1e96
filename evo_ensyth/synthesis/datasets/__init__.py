"""Data sets, one file each: images, labels and class names as published, and the three splits drawn from them.

A file of this folder has one function, ``load() -> Dataset``. Whatever it reads is checked first: by the published
checksum where there is one, by size and range of labels where there is none. Files are looked for under
``$EVO_ENSYTH_DATA``, then in the cache folder, and downloaded when they are in neither.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth import plugins
from evo_ensyth.errors import InputError


@dataclass(frozen=True)
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

    def take(self, samples: np.ndarray) -> "Split":
        """Return the samples with these numbers, or with these marks, in order."""
        return Split(self.images[samples], self.y_true[samples])


@dataclass(frozen=True)
class Dataset:
    """A data set as it is published.

    Attributes
    ----------
    name : str
    classes : tuple of str
        What the labels 0, 1, ... stand for.
    train, test : Split
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split


def load(name: str) -> Dataset:
    """Read a data set, downloading it when it is not there.

    Parameters
    ----------
    name : str
        ``digits``, ``fashion_mnist``, ``mnist``, ``cifar10``, ``cifar5``, or the dotted name of a module with ``load``.

    Raises
    ------
    InputError
        No such data set, a file that is not the published one, or one that is missing and cannot be downloaded.
    """
    dataset: Dataset = plugins.load(__name__, name, "data set").load()
    return dataset


def splits(dataset: Dataset, n_search: int, seed: int) -> dict[str, Split]:
    """Return disjoint ``train``, ``search`` and ``test``.

    Search is drawn from the training samples, each class with its share to within one sample. Test is left as it is.

    Raises
    ------
    InputError
        Nothing would be left to search or to train on.
    """
    n_samples = len(dataset.train)
    if not 0 < n_search < n_samples:
        raise InputError(f"n_search is {n_search}; {dataset.name} has {n_samples} training samples to share out.")
    drawn = stratified(dataset.train.y_true, n_search, np.random.default_rng(seed))
    return {"train": dataset.train.take(~drawn), "search": dataset.train.take(drawn), "test": dataset.test}


def stratified(labels: np.ndarray, n_drawn: int, rng: np.random.Generator) -> np.ndarray:
    """bool, (n_samples,): marks ``n_drawn`` samples drawn at random, each class with its share to within one sample."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    drawn = np.zeros(len(labels), dtype=bool)
    drawn[order[np.arange(n_drawn) * len(labels) // n_drawn]] = True
    return drawn
