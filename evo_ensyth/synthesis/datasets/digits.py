"""Digits of scikit-learn: 1,797 handwritten digits, 8 x 8 pixels with grey values from 0 to 16.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998 (its test
part, which scikit-learn includes).
"""

import numpy as np

from evo_ensyth.errors import build_extra
from evo_ensyth.synthesis.datasets import Dataset, Split, stratified

TEST_SAMPLES = 500
TEST_SEED = 0  # There is no official test split here; this fixes one for every recipe.


def load() -> Dataset:
    """1,297 samples for training and search, 500 for test."""
    with build_extra():
        from sklearn.datasets import load_digits

    bunch = load_digits()
    samples = Split(bunch.images.astype(np.uint8)[:, None], bunch.target.astype(np.uint8))
    test = stratified(samples.y_true, TEST_SAMPLES, np.random.default_rng(TEST_SEED))
    return Dataset("digits", tuple("0123456789"), samples.take(~test), samples.take(test))
