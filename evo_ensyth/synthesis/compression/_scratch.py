"""Networks that a method has finished, in its scratch folder."""

from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file

from evo_ensyth.files import write_whole
from evo_ensyth.synthesis.layer_surgery import saved, with_state
from evo_ensyth.synthesis.networks import Network


def made_once(scratch: Path | None, name: str, like: Network, make: Callable[[], Network]) -> Network:
    """Return what ``make`` returns, from the scratch folder if it was made before.

    Parameters
    ----------
    scratch : Path, optional
        Of one method with one setting, parent and seed: what lies there is not checked.
    name : str
        Of the file.
    like : Network
        With the same layers as what is made, of any form.
    make : function of nothing
        Its network is in evaluation mode.
    """
    if scratch is None:
        return make()
    path = scratch / f"{name}.safetensors"
    if not path.exists():
        write_whole(path, saved(make()))
    return with_state(like, load_file(path))
