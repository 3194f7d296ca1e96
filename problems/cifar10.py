"""CIFAR-10: EnSyth's 36 copies of a convolutional network with 1,068,298 parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evo_ensyth.workspace import Problem, stored_problem

if TYPE_CHECKING:
    from evo_ensyth.synthesis import Recipe


def recipe() -> Recipe:
    """How the pool is made. Training stops after 40 epochs of the up to 500 of the code it follows."""
    from evo_ensyth.synthesis import FineTuning, NetTrim, Recipe, Training, ensyth_regimes

    plain = FineTuning(name="plain", epochs=1, learning_rate=0.005, bfloat16=True)
    return Recipe(
        dataset="cifar10",
        n_search=5_000,
        network="cifar",
        training=Training(epochs=40, batch=200, bfloat16=True),
        compressors=(NetTrim(),),
        fine_tunings=ensyth_regimes(plain, dense=("fc1", "fc2", "fc3")),
        n_calibration=5_000,
        threads=2,
    )


def problem() -> Problem:
    """Error against the number of members."""
    return stored_problem(__name__)
