"""Compress a trained module in one call: a pool of its copies, by the default recipe."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_ensyth.errors import InputWarning, build_extra
from evo_ensyth.io import read_pool
from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.compression import Compressor
from evo_ensyth.synthesis.default_recipe import EPOCHS, default_recipe, without_refused
from evo_ensyth.synthesis.own_data import OwnData
from evo_ensyth.synthesis.own_network import OwnNetwork
from evo_ensyth.synthesis.progress import Progress, silent
from evo_ensyth.synthesis.training import FineTuning, OwnFineTuning

if TYPE_CHECKING:
    import torch
    from torch import nn

    from evo_ensyth.pool import Pool
    from evo_ensyth.synthesis.estimate import Estimate
    from evo_ensyth.synthesis.trees import Tree


SEEN = (
    "search is taken from the training samples, which the module has seen: errors on it will be too low. Give samples "
    "that it was not trained on as search=."
)


def compress(
    model: nn.Module | Callable[[], nn.Module] | OwnNetwork,
    *,
    train: Any,
    test: Any,
    out: str | Path,
    search: Any = None,
    methods: Sequence[str | Compressor] | None = None,
    epochs: int = EPOCHS,
    fine_tune: FineTuning | Callable[[nn.Module, Any], Any] | None = None,
    forward: Callable[[nn.Module, Tree], torch.Tensor] | None = None,
    prepare: Callable[[Tree], Tree] | None = None,
    augment: Callable[[Tree, torch.Generator], Tree] | None = None,
    collate: Callable[[list[Any]], Any] | None = None,
    classes: Sequence[str] = (),
    n_search: int | None = None,
    batch: int = 64,
    seed: int = 1,
    device: str = "auto",
    name: str | None = None,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> Pool | Estimate:
    """Make a pool of compressed copies of a trained module.

    A call that was interrupted continues where it stopped. Methods that can do nothing with the module are left out,
    and so are members that cannot be made.

    Parameters
    ----------
    model : Module, callable or OwnNetwork
        The trained module, which is not changed, or a function that returns it.
    train, search, test : Dataset, or pair of inputs and labels
        See `OwnData`. Without ``search``, ``n_search`` training samples are set aside, by default a fifth; better give
        samples that the module was not trained on, or its copies look better than they are.
    out : str or Path
        The pool's folder.
    methods : sequence of str or Compressor, optional
        Names of methods, or methods with their settings; by default `default_recipe.METHODS`.
    epochs : int
        Of fine-tuning, all members together; each tuned copy is tuned for one at least.
    fine_tune : FineTuning or callable, optional
        How copies are tuned; or a function of a module, which it trains in place, and a torch ``Dataset`` of the
        training samples. By default Adam, with a rate that falls from 0.003.
    forward : callable, optional
        From the module and its inputs to logits; see `OwnNetwork`.
    prepare, augment, collate, classes
        See `OwnData`.
    n_search, batch, seed : int
    device : str
        As for `build_pool`.
    name : str, optional
        Of the pool; by default the class of the module.
    dry_run : bool
        Only estimate what it would take: time, memory, disk; and which methods are left out, and why.
    on_progress : function of (done, total, text), optional

    Returns
    -------
    Pool, or Estimate for a dry run

    Raises
    ------
    InputError
        Something is wrong with the module or the data, or the folder holds something else.

    Examples
    --------
    >>> import evo_ensyth as ee
    >>> pool = ee.compress(model, train=(X, y), test=(X_test, y_test), out="runs/mine/pool")  # doctest: +SKIP
    >>> run = ee.search(pool, ["error", "bytes"])  # doctest: +SKIP
    """
    with build_extra():
        from evo_ensyth.synthesis.build import build_pool
        from evo_ensyth.synthesis.estimate import estimate_pool

    network = model if isinstance(model, OwnNetwork) else OwnNetwork(model, forward=forward)
    network = network if forward is None else replace(network, forward=forward)
    data = OwnData(
        train=train, search=search, test=test, prepare=prepare, augment=augment, collate=collate, classes=tuple(classes)
    )
    if fine_tune is None or isinstance(fine_tune, FineTuning):
        fine_tuning = fine_tune
    else:
        fine_tuning = OwnFineTuning(name="tuned", fine_tune=fine_tune)
    if search is None:
        warnings.warn(SEEN, InputWarning, stacklevel=2)
    whole = default_recipe(
        network,
        data,
        methods=methods,
        epochs=epochs,
        fine_tuning=fine_tuning,
        n_search=n_search,
        batch=batch,
        seed=seed,
    )
    recipe, left = without_refused(whole)
    problem = name or network.name.rpartition(".")[2]
    show = on_progress or silent
    if dry_run:
        estimate = estimate_pool(BuildFolder(Path(out), recipe, problem), workers=0, progress=show, device=device)
        return replace(estimate, left=left)
    build_pool(recipe, out, problem=problem, progress=show, device=device, workers=0, without_failed=True)
    return read_pool(out).pool
