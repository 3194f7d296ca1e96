"""Digits, mixed: 64 compressed copies of one small network by ten methods and their combinations.

The pool is built in about a minute. Of every pruned member there is a second copy, quantised to 4 bits.
"""

from evo_ensyth.synthesis import (
    APoZ,
    CloneAndPrune,
    DropNet,
    FineTuning,
    Gradual,
    HceStyle,
    Magnitude,
    NetTrim,
    Quantisation,
    QuantisationAware,
    Recipe,
    Route,
    SparseEvolution,
    StrategicSynthesis,
    Training,
)
from evo_ensyth.workspace import Problem, stored_problem


def recipe() -> Recipe:
    """How the pool is built."""
    tuned = FineTuning(name="tuned", epochs=8, batch=32, optimiser="adam", learning_rate=1e-2)
    between = FineTuning(name="between", epochs=3, batch=32, optimiser="adam", learning_rate=3e-3)
    in_4_bits = (Quantisation(bits=(4,)),)
    event = Training(epochs=3, batch=32, learning_rate=3e-3)
    cycle = Training(epochs=40, batch=64, learning_rate=3e-3)
    return Recipe(
        dataset="digits",
        n_search=500,
        network="small",
        training=Training(epochs=40, batch=64, learning_rate=3e-3, keep=0.8),
        compressors=(
            Route(Quantisation()),
            Route(QuantisationAware(between, bits=(3, 2))),
            Route(NetTrim(epsilons=(0.1, 0.3, 0.5)), (tuned,), then=in_4_bits),
            Route(Magnitude((0.5, 0.8, 0.9)), (tuned,), then=in_4_bits),
            Route(Magnitude((0.5, 0.8, 0.9), scope="layer"), (tuned,), then=in_4_bits),
            Route(Magnitude((0.8, 0.9), gradual=Gradual(between))),
            Route(DropNet("minimum", n_cycles=4, training=cycle)),
            Route(DropNet("minimum_layer", n_cycles=4, training=cycle)),
            Route(DropNet("random_layer", n_cycles=4, training=cycle)),
            Route(DropNet("minimum_layer", n_cycles=4, training=cycle, start="continue")),
            Route(APoZ(tuned, n_cycles=3)),
            Route(CloneAndPrune(n_clones=6), (tuned,)),
            Route(StrategicSynthesis(event, capacities=(0.1, 0.2))),
            Route(StrategicSynthesis(event, capacities=(0.1, 0.2), start="pruned")),
            Route(StrategicSynthesis(event, capacities=(0.1, 0.2), growth="random")),
            Route(SparseEvolution(event, densities=(0.2,))),
            Route(HceStyle(between, strengths=(0.3,))),
            Route(HceStyle(between, diversity="together")),
            Route(NetTrim(epsilons=(0.1, 0.3), layers=("conv2", "fc1", "fc2")), (tuned,)),
        ),
        fine_tunings=(tuned,),
        n_calibration=797,
        threads=1,
    )


def problem() -> Problem:
    """Trade the error off against the number of members."""
    return stored_problem(__name__)
