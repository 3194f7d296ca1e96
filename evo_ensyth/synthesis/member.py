"""A member of a pool as a network again, to run it."""

from typing import TYPE_CHECKING

from safetensors.torch import load

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_checked
from evo_ensyth.io.pool_folder import read_member
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.layer_surgery import with_state
from evo_ensyth.synthesis.network import Network

if TYPE_CHECKING:
    from evo_ensyth.io import StoredPool


def load_member(stored: "StoredPool", name: str) -> Network:
    """Return the network of one member, in evaluation mode.

    Raises
    ------
    InputError
        The pool has no such member, or its weights differ from those it was listed with.
    """
    member = read_member(stored.folder, name)
    if member is None:
        raise InputError(f"{stored.folder} has no member '{name}'.")
    architecture = _architecture(stored, member["origin"].get("parent"))
    network = networks.build(architecture, stored.pool.search.n_classes, seed=0)
    path = stored.folder / "members" / name / "weights.safetensors"
    return with_state(network, read_checked(path, member["files"]["weights.safetensors"], load))


def _architecture(stored: "StoredPool", parent: object) -> str:
    """Name of the network that a member comes from, as the manifest gives it for the pool's parent or another one."""
    others = stored.about.get("parents")
    about = stored.about if parent is None else others.get(parent) if isinstance(others, dict) else None
    network = about.get("network") if isinstance(about, dict) else None
    if not isinstance(network, str):
        which = "the parent" if parent is None else f"the parent '{parent}'"
        raise InputError(f"{stored.folder / 'pool.json'}: field 'about' does not name the network of {which}.")
    return network
