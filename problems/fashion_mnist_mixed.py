"""Fashion-MNIST, mixed: EnSyth's 36 Net-Trim copies, and 105 others by ten methods and from three parents."""

from dataclasses import replace

from evo_ensyth.synthesis import (
    APoZ,
    CloneAndPrune,
    DropNet,
    FineTuning,
    Gradual,
    HceStyle,
    Magnitude,
    MagnitudeControl,
    NetTrim,
    OtherParent,
    Quantisation,
    QuantisationAware,
    Recipe,
    Route,
    SparseEvolution,
    StrategicSynthesis,
    Training,
    ensyth_regimes,
)
from evo_ensyth.workspace import Problem, stored_problem


def recipe() -> Recipe:
    """How the pool is built: as that of ``fashion_mnist``, with one thread for each process, and with more members."""
    net_trim = NetTrim()
    training = Training(epochs=15, keep=0.5, bfloat16=True)
    plain = FineTuning(name="plain", epochs=1, learning_rate=0.01, bfloat16=True)
    regimes = ensyth_regimes(plain, dense=("fc1", "fc2"))
    frozen = replace(plain, name="frozen", convolutions=False)
    tuned = replace(plain, name="tuned", optimiser="adam", learning_rate=1e-3, decay=0.9, decay_steps=50)
    event = Training(epochs=1, bfloat16=True)
    cycle = Training(epochs=2, bfloat16=True)
    in_4_bits = (Quantisation(bits=(4,)),)
    sparsities = (0.5, 0.8, 0.9, 0.95, 0.98)
    return Recipe(
        dataset="fashion_mnist",
        n_search=5_000,
        network="lenet",
        training=training,
        compressors=(
            Route(net_trim, (*regimes, frozen, tuned)),
            Route(Quantisation(bits=(8, 4, 3, 2))),
            Route(QuantisationAware(tuned)),
            Route(Magnitude(sparsities), (tuned,), then=in_4_bits),
            Route(Magnitude(sparsities, scope="layer"), (tuned,), then=in_4_bits),
            Route(Magnitude((0.95, 0.98), gradual=Gradual(tuned, n_steps=4))),
            Route(DropNet("minimum_layer", n_cycles=6, start="continue", training=cycle, patience=2)),
            Route(DropNet("random_layer", n_cycles=6, start="continue", training=cycle, patience=2)),
            Route(APoZ(tuned)),
            Route(CloneAndPrune(n_clones=8), (tuned,), then=in_4_bits),
            Route(StrategicSynthesis(event, capacities=(0.1,), growth_share=0.2)),
            Route(StrategicSynthesis(event, capacities=(0.1,), growth_share=0.2, start="pruned")),
            Route(StrategicSynthesis(event, capacities=(0.1,), growth_share=0.2, growth="random")),
            Route(SparseEvolution(event, densities=(0.1,), n_events=4)),
            Route(HceStyle(tuned, strengths=(0.3,))),
            Route(HceStyle(tuned, diversity="together")),
            Route(Quantisation(bits=(8, 4)), parent="second"),
            Route(Magnitude((0.8, 0.95)), (tuned,), then=in_4_bits, parent="second"),
            Route(Quantisation(bits=(8, 4)), parent="tiny"),
            Route(Magnitude((0.5, 0.8)), (tuned,), then=in_4_bits, parent="tiny"),
        ),
        fine_tunings=regimes,
        n_calibration=5_000,
        controls=(MagnitudeControl(of=net_trim),),
        parents=(
            OtherParent(name="second", network="lenet", training=training),
            OtherParent(name="tiny", network="dropnet_b", training=training),
        ),
    )


def problem() -> Problem:
    """Trade the error off against the number of members."""
    return stored_problem(__name__)
