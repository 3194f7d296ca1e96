"""Networks that a method has finished, stored in its scratch folder."""

from collections.abc import Callable
from pathlib import Path

from evo_ensyth.files import write_whole
from evo_ensyth.synthesis.layer_surgery import as_safetensors, read_network
from evo_ensyth.synthesis.network import Network


def made_once(scratch: Path | None, name: str, like: Network, make: Callable[[], Network]) -> Network:
    """Return what ``make`` returns, or read it from the scratch folder if it was made before.

    Parameters
    ----------
    scratch : Path, optional
        Belongs to one method with its settings, parent and seed: its content is not checked.
    name : str
        Of the file, without suffix.
    like : Network
        With the same layers as the result, of any width.
    make : callable
        Called without arguments; returns a network in evaluation mode.
    """
    if scratch is None:
        return make()
    path = scratch / f"{name}.safetensors"
    if not path.exists():
        write_whole(path, as_safetensors(make()))
    return read_network(like, path.read_bytes())
