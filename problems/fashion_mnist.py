"""Fashion-MNIST: EnSyth's 36 copies of a LeNet with 1,663,370 parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evo_ensyth.workspace import Problem, stored_problem

if TYPE_CHECKING:
    from evo_ensyth.synthesis import Recipe


def recipe() -> Recipe:
    """How the pool is made. The published parent has 90.3 % on the test images."""
    from evo_ensyth.synthesis import FineTuning, MagnitudeControl, NetTrim, Recipe, Training, ensyth_regimes

    net_trim = NetTrim()
    plain = FineTuning(name="plain", epochs=1, learning_rate=0.01, bfloat16=True)
    return Recipe(
        dataset="fashion_mnist",
        n_search=5_000,
        network="lenet",
        training=Training(epochs=15, keep=0.5, bfloat16=True),
        compressors=(net_trim,),
        fine_tunings=ensyth_regimes(plain, dense=("fc1", "fc2")),
        n_calibration=5_000,
        controls=(MagnitudeControl(of=net_trim),),
        threads=2,
    )


def problem() -> Problem:
    """Error against the number of members."""
    return stored_problem(__name__)
