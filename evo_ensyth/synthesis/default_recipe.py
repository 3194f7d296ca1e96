"""The recipe for a network that nobody has written one for: about 40 members by five methods, in about 20 epochs.

Each tuned copy is trained for an epoch at least. Settings that an epoch may not repair are left out, such as pruning
layer by layer at 0.8, or clones that share no weight.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import ModuleType

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import unknown
from evo_ensyth.synthesis import compression
from evo_ensyth.synthesis.compression import Compressor
from evo_ensyth.synthesis.compression.dropnet import DropNet
from evo_ensyth.synthesis.compression.magnitude import Magnitude
from evo_ensyth.synthesis.compression.net_trim import NetTrim
from evo_ensyth.synthesis.compression.quantisation import Quantisation
from evo_ensyth.synthesis.compression.quantisation_aware import QuantisationAware
from evo_ensyth.synthesis.own_data import OwnData
from evo_ensyth.synthesis.own_network import OwnNetwork
from evo_ensyth.synthesis.recipe import Recipe, Route
from evo_ensyth.synthesis.training import FineTuning, OwnFineTuning, Training

# Settings by method, the most useful first; each is tuned once, but for plain quantisation.
GRIDS: Mapping[str, tuple[float, ...]] = {
    "magnitude": (0.5, 0.8, 0.7, 0.9, 0.6, 0.75, 0.4, 0.85),
    "net_trim": (0.1, 0.2, 0.05, 0.3),
    "dropnet": (1, 2, 3, 4),  # cycles
    "quantisation_aware": (3, 2, 4),
}
METHODS = ("quantisation", *GRIDS)
BITS = (8, 6, 5, 4, 3)
IN_4_BITS = (Quantisation(bits=(4,)),)
EPOCHS = 20
LEARNING_RATE = 3e-3
FALL, FALLS = 0.85, 20  # The rate of an Adam is multiplied by this so many times.
MOST_MULTIPLICATIONS = 1e14  # of a method, besides training: an hour or so
FEWEST_STEPS = 100  # of tuning a copy: of few samples, it takes several epochs
MOST_SEARCH, MOST_CALIBRATION = 5_000, 1_000


def default_recipe(
    network: OwnNetwork,
    data: OwnData,
    *,
    methods: Sequence[str | Compressor] | None = None,
    epochs: int = EPOCHS,
    fine_tuning: FineTuning | None = None,
    training: Training | None = None,
    n_search: int | None = None,
    batch: int = 64,
    seed: int = 1,
) -> Recipe:
    """Return a recipe for a network of yours.

    Parameters
    ----------
    network : OwnNetwork
    data : OwnData
    methods : sequence of str or Compressor, optional
        Some of `METHODS`; other methods, or such with settings, are taken as they are, and their variants tuned unless
        the method trains them.
    epochs : int
        Of fine-tuning, all members together. Each copy is tuned for one at least, and for `FEWEST_STEPS` steps.
    fine_tuning : FineTuning, optional
        How copies are tuned; by default by Adam at `LEARNING_RATE`, which falls. A loop of your own is an
        `OwnFineTuning`.
    training : Training, optional
        Of the parent; by default it is trained already.
    n_search : int, optional
        Training samples to set aside for the search; by default a fifth, where the data have no search split.
    batch, seed : int

    Raises
    ------
    InputError
        A method has no such name, or the data cannot be used.
    """
    wanted = list(METHODS) if methods is None else list(methods)
    named = [method for method in wanted if method in GRIDS]
    for method in wanted:
        if isinstance(method, str) and "." not in method and method not in (*METHODS, *compression.names()):
            raise unknown("compression method", method, (*METHODS, *compression.names()))
    given = len(data.given["train"])
    n_search = 0 if "search" in data.given else min(given // 5, MOST_SEARCH) if n_search is None else n_search
    n_train = given - n_search
    grids = _within(epochs, {method: GRIDS[method] for method in GRIDS if method in named})
    n_tuned = sum(map(len, grids.values())) + sum(len(_names(method)) for method in wanted if method not in METHODS)
    each = max(1, epochs // max(1, n_tuned), -(-FEWEST_STEPS // -(-n_train // batch)))
    tuned = fine_tuning or _falling(each, batch, n_train)
    routes: list[Route] = []
    for method in wanted:
        if method == "quantisation":
            routes.append(Route(Quantisation(BITS)))
        elif isinstance(method, str) and method in GRIDS:
            routes += _route(method, grids.get(method, ()), tuned)
        else:
            trains_itself = any(hasattr(compression.find(method), part) for part in ("tuning", "training"))
            routes.append(Route(method, () if trains_itself else (tuned,)))
    return Recipe(
        dataset=data,
        n_search=n_search,
        network=network,
        training=training,
        compressors=tuple(routes),
        fine_tunings=(),
        n_calibration=min(n_train, MOST_CALIBRATION),
        seed=seed,
    )


def recipe_of(module: ModuleType, name: str, left: Collection[str] | None = None) -> tuple[Recipe, dict[str, str]]:
    """Return the default recipe of a module with an `OwnNetwork` called ``network`` and `OwnData` called ``data``.

    Parameters
    ----------
    module : module
    name : str
        Of the problem, for the reader.
    left : collection of str, optional
        Methods to leave out; by default those that the network refuses, which are returned with the reasons.

    Raises
    ------
    InputError
        The module has no such objects, or they cannot be used.
    """
    network, data = (getattr(module, part, None) for part in ("network", "data"))
    if not isinstance(network, OwnNetwork) or not isinstance(data, OwnData):
        raise InputError(
            f"{name} has no function 'recipe', nor an OwnNetwork called 'network' and OwnData called 'data'; without "
            "them its pool cannot be made."
        )
    recipe = default_recipe(network, data, methods=[method for method in METHODS if method not in (left or ())])
    return without_refused(recipe) if left is None else (recipe, {})


def without_refused(recipe: Recipe) -> tuple[Recipe, dict[str, str]]:
    """Leave out the methods that can do nothing with a recipe's parent.

    Returns
    -------
    recipe : Recipe
    left : mapping of str to str
        Methods that are left out, and layers that others leave alone, each with the reason.

    Raises
    ------
    InputError
        No method is left, or the parent cannot be built.
    """
    from evo_ensyth.synthesis import datasets
    from evo_ensyth.synthesis.parents import untrained_networks

    splits = datasets.source(recipe.dataset).splits(recipe.n_search, recipe.seed)
    parent = untrained_networks(recipe, splits)[None]
    kept: list[Route] = []
    left: dict[str, str] = {}
    for route in recipe.compressors:
        assert isinstance(route, Route)
        method = compression.find(route.compressor)
        name = type(method).__module__.rpartition(".")[2]
        try:
            layers = compression.left_by(method, parent)
        except InputError as error:
            left[name] = str(error)
            continue
        work = compression.work_of(method, parent, recipe.n_calibration)
        if work is not None and work.multiplications[1] > MOST_MULTIPLICATIONS:
            left[name] = "it might take hours; a recipe of your own may give it fewer samples or layers"
            continue
        kept.append(route)
        left |= {f"{name} of {layer}": reason for layer, reason in layers.items()}
    if not kept:
        raise InputError(f"no method can do anything with the network: {'; '.join(left.values())}")
    return replace(recipe, compressors=tuple(kept)), left


def _within(epochs: int, grids: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
    """First settings of each grid, in turns, as many as there are epochs; at least one of each."""
    turns = [(place, method) for method, grid in grids.items() for place in range(len(grid))]
    taken = sorted(turns, key=lambda turn: turn[0])[: max(epochs, len(grids))]
    return {method: grids[method][: sum(other == method for _, other in taken)] for method in grids}


def _route(method: str, grid: tuple[float, ...], tuned: FineTuning) -> list[Route]:
    if method == "magnitude":
        return [Route(Magnitude(tuple(sorted(grid))), (tuned,), then=IN_4_BITS)]
    if method == "net_trim":
        return [Route(NetTrim(epsilons=tuple(sorted(grid)), convolutions=True), (tuned,), then=IN_4_BITS)]
    if method == "quantisation_aware":
        return [Route(QuantisationAware(tuned, bits=tuple(sorted(map(int, grid), reverse=True))))]
    cycle = Training(
        epochs=max(1, tuned.epochs),
        batch=tuned.batch,
        optimiser=tuned.optimiser if not isinstance(tuned, OwnFineTuning) else "adam",
        learning_rate=tuned.learning_rate,
        decay=tuned.decay,
        decay_steps=tuned.decay_steps,
        loss=tuned.loss,
    )
    dropnet = DropNet("minimum_layer", n_cycles=len(grid), start="continue", training=cycle)
    return [Route(dropnet, then=IN_4_BITS)]


def _falling(epochs: int, batch: int, n_train: int) -> FineTuning:
    steps = epochs * -(-n_train // batch)
    return FineTuning(
        name="tuned",
        epochs=epochs,
        batch=batch,
        optimiser="adam",
        learning_rate=LEARNING_RATE,
        decay=FALL,
        decay_steps=max(1, steps // FALLS),
    )


def _names(method: str | Compressor) -> tuple[str, ...]:
    return compression.find(method).names()
