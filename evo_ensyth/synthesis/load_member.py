"""A member of a stored pool as a network again, for whoever wants to run it."""

from safetensors.torch import load

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_checked
from evo_ensyth.io import StoredPool
from evo_ensyth.io.pool_folder import read_member
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.layer_surgery import with_state
from evo_ensyth.synthesis.networks import Network


def member_network(stored: StoredPool, name: str) -> Network:
    """Return the network of one member, in evaluation mode.

    Raises
    ------
    InputError
        The pool has no such member, or its weights are not those that it was listed with.
    """
    member = read_member(stored.folder, name)
    if member is None:
        raise InputError(f"{stored.folder} has no member '{name}'.")
    network = networks.build(
        _architecture(stored, member["origin"].get("parent")), stored.pool.search.n_classes, seed=0
    )
    path = stored.folder / "members" / name / "weights.safetensors"
    return with_state(network, read_checked(path, member["files"]["weights.safetensors"], load))


def _architecture(stored: StoredPool, parent: object) -> str:
    """Name of the network that a member comes from, as the manifest tells it of the pool's parent and of others."""
    others = stored.about.get("parents")
    told = stored.about if parent is None else others.get(parent) if isinstance(others, dict) else None
    network = told.get("network") if isinstance(told, dict) else None
    if not isinstance(network, str):
        which = "the parent" if parent is None else f"the parent '{parent}'"
        raise InputError(f"{stored.folder / 'pool.json'}: field 'about' does not tell the network of {which}.")
    return network
