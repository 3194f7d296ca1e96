'''Network architectures, one file each: what a parent looks like before it is trained.

A file of this folder opens with its source and has one function, ``build(n_classes, rng)``, which returns an untrained
`Network` whose weights are drawn from ``rng`` alone. The file's name is the network's name. For example::

    """Two dense layers for images of 8 x 8 grey values."""

    import torch

    from evo_ensyth.synthesis.network import Network, Scaled
    from evo_ensyth.synthesis.networks._layers import dense_head, glorot_uniform

    def build(n_classes: int, rng: torch.Generator) -> Network:
        """Return the untrained network."""
        return glorot_uniform(dense_head((64, 32, n_classes)), Scaled((1, 8, 8), largest=16), rng)
'''

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evo_ensyth import plugins
from evo_ensyth.errors import InputError, build_extra

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network


def names() -> tuple[str, ...]:
    """Names of the networks that come with the package, sorted."""
    return plugins.names(__name__)


def build(wanted: str | Callable[..., Network], n_classes: int, seed: int) -> Network:
    """Return an untrained network, in evaluation mode.

    Parameters
    ----------
    wanted : str or function
        One of `names`, the dotted name of a module with a function ``build`` or of a function, or such a function.
    n_classes : int
    seed : int
        Determines the initial weights.

    Raises
    ------
    InputError
        There is no such network, it is not a `Network`, or torch is not installed.
    """
    with build_extra():
        import torch

        from evo_ensyth.synthesis.network import Network

    found = wanted if callable(wanted) else plugins.load(__name__, wanted, "network")
    make = plugins.function(found, "build", "network")
    network = make(n_classes, torch.Generator().manual_seed(seed))
    if not isinstance(network, Network):
        raise InputError(
            f"network '{plugins.name_of(wanted, 'network')}' made a {type(network).__name__}; expected a Network."
        )
    return network.eval()
