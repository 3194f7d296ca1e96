"""A member of a pool as a network again, to run it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from evo_ensyth import plugins
from evo_ensyth.errors import InputError, one_line
from evo_ensyth.io.pool_folder import read_member, read_pool
from evo_ensyth.io.weights_file import read_weights
from evo_ensyth.synthesis import consent, networks
from evo_ensyth.synthesis.layer_surgery import parsed, with_state
from evo_ensyth.synthesis.measure import predict
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.own_data import unlabelled
from evo_ensyth.synthesis.own_network import OwnNetwork
from evo_ensyth.synthesis.probe import check_answers_again, check_built, read_probe
from evo_ensyth.synthesis.trees import Tree, taken
from evo_ensyth.synthesis.wrapped_module import OwnPreparation, WrappedModule

if TYPE_CHECKING:
    from evo_ensyth.io import StoredPool


def load_member(
    stored: "StoredPool",
    name: str,
    *,
    network: OwnNetwork | nn.Module | Callable[[], nn.Module] | None = None,
    prepare: Callable[[Tree], Tree] | None = None,
    trust: bool = False,
) -> Network:
    """Return the network of one member, in evaluation mode.

    Parameters
    ----------
    stored : StoredPool
    name : str
    network : OwnNetwork, Module or callable, optional
        How the member's parent is built, where that is a module of yours. By default the function that built it, and
        the other functions, are imported by the names that the pool holds, if you allow it.
    prepare : callable, optional
        What `OwnData` had as ``prepare``.
    trust : bool
        Import and call what the pool names: the folder is yours, or you know whose it is. Networks of this package and
        functions of a recipe that this process built a pool by need no trust.

    Raises
    ------
    InputError
        The pool has no such member; its weights differ from those it was listed with, or do not fit its network; it
        names code that is not trusted; or your code no longer builds the same network.
    """
    member = read_member(stored.folder, name)
    if member is None:
        raise InputError(f"{stored.folder} has no member '{name}'.")
    about, field = _parent(stored, member["origin"].get("parent"))
    path = stored.folder / "members" / name / "weights.safetensors"
    state, header = read_weights(path, str(member["files"].get(path.name)), parsed)
    probe = read_probe(stored.folder, str(stored.about.get("probe"))) if "own" in about else None
    if probe is None:
        wanted = about["network"]
        if "." in wanted and not consent.is_free(wanted):
            found = consent.named(wanted, "network", stored.folder / "pool.json", f"{field}.network", trust=trust)
            wanted = plugins.function(found, "build", "network")
        built = networks.build(wanted, stored.pool.search.n_classes, seed=0)
    else:
        names = _Names(about["own"], stored.folder / "pool.json", f"{field}.own", trust)
        built = _own(names, probe, network, prepare)
        check_built(built, header, str(path))
    try:
        found = with_state(built, state, header.get("changes", {}))
    except Exception as error:  # torch raises nearly anything for tensors of other names, shapes or types
        shown = one_line(str(error))[:200]
        raise InputError(f"{path} does not fit the network '{about['network']}': {shown}.") from error
    if probe is not None:
        check_answers_again(found, header, probe, str(path))
    return found


def stored_members(
    pool: str | Path,
    names: Sequence[str] | None = None,
    *,
    network: OwnNetwork | nn.Module | Callable[[], nn.Module] | None = None,
    prepare: Callable[[Tree], Tree] | None = None,
    trust: bool = False,
) -> dict[str, Callable[[Any], np.ndarray]]:
    """See `evo_ensyth.stored_members`."""
    stored = read_pool(pool)
    load = partial(load_member, stored, network=network, prepare=prepare, trust=trust)
    return {name: partial(_probabilities, load(name)) for name in names or stored.pool.names}


def _probabilities(network: Network, samples: Any) -> np.ndarray:
    split = unlabelled(samples)
    return predict(network, split).scores if len(split) else np.zeros((0, 1), np.float32)


@dataclass(frozen=True)
class _Names:
    """The functions of a user's that a pool names.

    Attributes
    ----------
    names : mapping of part to name
        What has no name to import it by is described otherwise.
    path : Path
    field : str
        Where the names are.
    trust : bool
    """

    names: Mapping[str, Any]
    path: Path
    field: str
    trust: bool

    def __getitem__(self, part: str) -> Any:
        """Import a function; None if there was none."""
        name = self.names.get(part)
        if name is None or isinstance(name, str):
            field = f"{self.field}.{part}"
            return None if name is None else consent.named(name, part, self.path, field, trust=self.trust)
        argument = (
            "prepare=" if part == "prepare" else f"network=OwnNetwork({'' if part == 'build' else '..., forward='}...)"
        )
        raise InputError(f"the {part} of this pool's parent had no name to import it by; give it as {argument}.")


def _own(names: _Names, probe: Tree, network: Any, prepare: Callable[[Tree], Tree] | None) -> Network:
    """Build the module of a user's that a parent was."""
    if network is None:
        network = OwnNetwork(names["build"], forward=names["forward"])
    elif not isinstance(network, OwnNetwork):
        network = OwnNetwork(network, forward=names["forward"])
    prepare = prepare or names["prepare"]
    return WrappedModule(network.built(seed=0), OwnPreparation(taken(probe, slice(1)), prepare), network.forward)


def _parent(stored: "StoredPool", parent: object) -> tuple[Mapping[str, Any], str]:
    """What the manifest says of the parent that a member comes from, and in which field."""
    others = stored.about.get("parents")
    about = stored.about if parent is None else others.get(parent) if isinstance(others, dict) else None
    which, field = ("the parent", "about") if parent is None else (f"the parent '{parent}'", f"about.parents.{parent}")
    path = stored.folder / "pool.json"
    if not isinstance(about, dict) or not isinstance(about.get("network"), str):
        raise InputError(f"{path}: field 'about' does not name the network of {which}.")
    if not isinstance(about.get("own", {}), dict):
        raise InputError(f"{path}: field '{field}.own' must be a mapping of names.")
    return about, field
