"""What tests of networks start from."""

import pytest
import torch

from evo_ensyth.synthesis import datasets
from evo_ensyth.synthesis.compression import Material
from evo_ensyth.synthesis.training import reproducible


@pytest.fixture(autouse=True)
def one_thread():
    with reproducible(threads=1):
        yield


@pytest.fixture(scope="session")
def digits():
    """A hundred digits."""
    return datasets.load("digits").train.take(slice(100))


@pytest.fixture
def material(digits):
    """A function that says what a method may look at, given the untrained network."""

    def material(untrained):
        return Material(untrained.prepare(torch.from_numpy(digits.images)), digits, untrained)

    return material
