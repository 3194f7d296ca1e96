"""A member of a pool as a network again, to run it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.torch import load

from evo_ensyth.errors import InputError, one_line
from evo_ensyth.io.pool_folder import read_member, read_pool
from evo_ensyth.io.weights_file import read_weights
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.layer_surgery import with_state
from evo_ensyth.synthesis.measure import predict
from evo_ensyth.synthesis.network import Network

if TYPE_CHECKING:
    from evo_ensyth.io import StoredPool


def load_member(stored: "StoredPool", name: str) -> Network:
    """Return the network of one member, in evaluation mode.

    Raises
    ------
    InputError
        The pool has no such member, its weights differ from those it was listed with, or they do not fit its network.
    """
    member = read_member(stored.folder, name)
    if member is None:
        raise InputError(f"{stored.folder} has no member '{name}'.")
    architecture = _architecture(stored, member["origin"].get("parent"))
    network = networks.build(architecture, stored.pool.search.n_classes, seed=0)
    path = stored.folder / "members" / name / "weights.safetensors"
    weights = read_weights(path, str(member["files"].get(path.name)), load)
    try:
        return with_state(network, weights)
    except Exception as error:  # torch raises nearly anything for tensors of other names, shapes or types
        raise InputError(f"{path} does not fit the network '{architecture}': {one_line(str(error))[:200]}.") from error


def stored_members(
    pool: str | Path, names: Sequence[str] | None = None
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """See `evo_ensyth.stored_members`."""
    stored = read_pool(pool)
    return {name: partial(_probabilities, load_member(stored, name)) for name in names or stored.pool.names}


def _probabilities(network: Network, images: np.ndarray) -> np.ndarray:
    unlabelled = Split(np.asarray(images), np.zeros(len(images), np.uint8))
    return predict(network, unlabelled).scores if len(images) else np.zeros((0, 1), np.float32)


def _architecture(stored: "StoredPool", parent: object) -> str:
    """Name of the network that a member comes from, as the manifest gives it for the pool's parent or another one."""
    others = stored.about.get("parents")
    about = stored.about if parent is None else others.get(parent) if isinstance(others, dict) else None
    network = about.get("network") if isinstance(about, dict) else None
    if not isinstance(network, str):
        which = "the parent" if parent is None else f"the parent '{parent}'"
        raise InputError(f"{stored.folder / 'pool.json'}: field 'about' does not name the network of {which}.")
    return network
