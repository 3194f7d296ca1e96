"""Digits: 36 compressed copies of a small network for 8 x 8 handwritten digits, built in seconds.

The recipe follows EnSyth: Net-Trim at twelve strengths, each variant fine-tuned in three ways. Copy this file to begin
a problem of your own.
"""

from evo_ensyth.synthesis import FineTuning, MagnitudeControl, NetTrim, Recipe, Training, ensyth_regimes
from evo_ensyth.workspace import Problem, stored_problem


def recipe() -> Recipe:
    """How the pool is built."""
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
    """Trade the error off against the number of members."""
    return stored_problem(__name__)
