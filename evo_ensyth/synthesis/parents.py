"""The parents of a recipe as networks: those of this package by name, and modules of users."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import datasets, networks
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.module_checks import check_answers
from evo_ensyth.synthesis.network import ImageNetwork, Network
from evo_ensyth.synthesis.own_data import OwnData
from evo_ensyth.synthesis.own_network import OwnNetwork
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.trees import Tree, n_samples, taken
from evo_ensyth.synthesis.wrapped_module import OwnPreparation, WrappedModule

if TYPE_CHECKING:
    from evo_ensyth.synthesis.recipe import OtherParent, Recipe

CHECKED = 4  # samples to look at what a module of a user's answers
PROBED = 2  # samples of a pool's probe


def of_recipe(recipe: "Recipe") -> "dict[str | None, Recipe | OtherParent]":
    """What a recipe says of each parent, by name; the pool's has none."""
    return {None: recipe, **{parent.name: parent for parent in recipe.parents}}


def untrained_networks(recipe: "Recipe", splits: Mapping[str, Split]) -> dict[str | None, Network]:
    """Build the parents of a recipe, and check that they can take the samples.

    Raises
    ------
    InputError
        One cannot be built, or is not what the data ask for.
    """
    source = datasets.source(recipe.dataset)
    found: dict[str | None, Network] = {}
    for name, parent in of_recipe(recipe).items():
        seed = derived_seed(recipe.seed, "weights", *(() if name is None else (name,)))
        if isinstance(parent.network, OwnNetwork):
            module = parent.network.built(seed)
            found[name] = WrappedModule(module, _preparation(source, splits["search"]), parent.network.forward)
            start = started(found[name], parent.network)
            check_answers(start, splits["search"].stored(slice(CHECKED)), source.n_classes)
        else:
            found[name] = networks.build(parent.network, source.n_classes, seed)
            _check_sizes(found[name], str(parent.network), source.name, splits["test"])
    return found


def started(untrained: Network, network: object) -> Network:
    """Return a parent as its training finds it: with the weights of its file, if it has one."""
    if not isinstance(untrained, WrappedModule) or not isinstance(network, OwnNetwork) or network.weights is None:
        return untrained
    return WrappedModule(network.loaded(untrained.wrapped), untrained.preparation, network.forward)


def probe(untrained: Mapping[str | None, Network], splits: Mapping[str, Split]) -> Tree | None:
    """Prepared inputs of two samples, if a parent is a module of a user's."""
    own = next((network for network in untrained.values() if isinstance(network, WrappedModule)), None)
    return None if own is None else own.prepare(splits["search"].stored(slice(PROBED)))


def _preparation(source: datasets.Source, split: Split) -> OwnPreparation:
    functions = (source.prepare, source.augment) if isinstance(source, OwnData) else (None, None)
    preparation = OwnPreparation(None, *functions)
    try:
        inputs = WrappedModule(torch.nn.Identity(), preparation).prepare(split.stored(slice(PROBED)))
        if n_samples(inputs) != min(PROBED, len(split)):
            raise InputError(f"prepare() made {n_samples(inputs)} inputs of {min(PROBED, len(split))} samples.")
    except InputError:
        raise
    except Exception as error:  # a user's function may raise anything
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise InputError(f"prepare() fails: {type(error).__name__}: {first}.") from error
    return OwnPreparation(taken(inputs, slice(1)), *functions)


def _check_sizes(network: Network, name: str, dataset: str, split: Split) -> None:
    """Check that a network of images sees those of the data set in the shape that it expects."""
    if not isinstance(network, ImageNetwork):
        return
    images = split.stored(slice(1))
    expected = network.preparation.shape
    if not isinstance(images, torch.Tensor) or images.ndim != 4 or tuple(network.prepare(images).shape[1:]) != expected:
        raise InputError(
            f"the network '{name}' sees images of shape {expected}; those of '{dataset}' have "
            f"{tuple(images.shape[1:]) if isinstance(images, torch.Tensor) else 'several parts'}."
        )
