"""CIFAR-5: the birds, cats, deer, dogs and frogs of CIFAR-10, chosen by EnSyth and relabelled from 0.

Alhalabi, Gaber, Basurra, "EnSyth: A Pruning Approach to Synthesis of Deep Learning Ensembles", IEEE SMC 2019.
"""

import numpy as np

from evo_ensyth.synthesis.datasets import Dataset, Split, cifar10

CLASSES = ("bird", "cat", "deer", "dog", "frog")
ORIGINAL_LABELS = [cifar10.CLASSES.index(name) for name in CLASSES]


def load() -> Dataset:
    """25,000 samples for training and search, 5,000 for test."""
    whole = cifar10.load()
    return Dataset("cifar5", CLASSES, _five_classes(whole.train), _five_classes(whole.test))


def _five_classes(split: Split) -> Split:
    part = split.take(np.isin(split.y_true, ORIGINAL_LABELS))
    return Split(part.images, np.searchsorted(ORIGINAL_LABELS, part.y_true).astype(np.uint8))
