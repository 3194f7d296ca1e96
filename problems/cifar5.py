"""CIFAR-5: 36 compressed copies of EnSyth's network for the birds, cats, deer, dogs and frogs of CIFAR-10."""

from evo_ensyth.synthesis import FineTuning, NetTrim, Recipe, Training, ensyth_regimes
from evo_ensyth.workspace import Problem, stored_problem


def recipe() -> Recipe:
    """How the pool is built. Training ends after 40 epochs; the published code allows up to 500."""
    plain = FineTuning(name="plain", epochs=1, learning_rate=0.005, bfloat16=True)
    return Recipe(
        dataset="cifar5",
        n_search=2_500,
        network="cifar",
        training=Training(epochs=40, batch=200, bfloat16=True),
        compressors=(NetTrim(),),
        fine_tunings=ensyth_regimes(plain, dense=("fc1", "fc2", "fc3")),
        n_calibration=5_000,
        threads=2,
    )


def problem() -> Problem:
    """Trade the error off against the number of members."""
    return stored_problem(__name__)
