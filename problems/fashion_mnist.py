"""Fashion-MNIST: 36 compressed copies of EnSyth's LeNet, with 1,663,370 parameters."""

from evo_ensyth.synthesis import FineTuning, MagnitudeControl, NetTrim, Recipe, Training, ensyth_regimes
from evo_ensyth.workspace import Problem, stored_problem


def recipe() -> Recipe:
    """How the pool is built. The published parent reaches an accuracy of 90.3 % on the test images."""
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
    """Trade the error off against the number of members."""
    return stored_problem(__name__)
