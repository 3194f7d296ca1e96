"""Digits: 36 copies of a small convolutional network, for a first look. The pool takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evo_ensyth.workspace import Problem, stored_problem

if TYPE_CHECKING:
    from evo_ensyth.synthesis import Recipe


def recipe() -> Recipe:
    """How the pool is made."""
    from evo_ensyth.synthesis import FineTuning, MagnitudeControl, NetTrim, Recipe, Training, ensyth_regimes

    plain = FineTuning(name="plain", epochs=8, batch=32, optimiser="adam", learning_rate=1e-2)
    return Recipe(
        dataset="digits",
        n_search=500,
        network="small",
        training=Training(epochs=40, batch=64, learning_rate=3e-3, keep=0.8),
        compressors=(NetTrim(),),
        fine_tunings=ensyth_regimes(plain, dense=("fc1", "fc2", "fc3")),
        n_calibration=797,
        controls=(MagnitudeControl(of=NetTrim()),),
        threads=1,
    )


def problem() -> Problem:
    """Error against the number of members."""
    return stored_problem(__name__)
