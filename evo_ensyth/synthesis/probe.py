"""The probe of a pool: inputs of two samples, with which a network that is built again is compared with the stored one.

The file of a user's network says how it was built and what it answers to the probe. So code that no longer builds the
same network, or computes something else, is noticed when a member is loaded.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from evo_ensyth.errors import InputError
from evo_ensyth.files import write_whole
from evo_ensyth.io.pool_folder import PROBE
from evo_ensyth.io.weights_file import read_weights
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.own_network import structure
from evo_ensyth.synthesis.trees import Tree, flattened, mapped, restored
from evo_ensyth.synthesis.wrapped_module import WrappedModule

CLOSE = 1e-3  # of the largest logit, beyond which answers differ; between versions and machines, last bits do


def write_probe(folder: Path, inputs: Tree) -> None:
    """Write prepared inputs of some samples to a pool's folder."""
    layout, tensors = flattened(inputs)
    stored = {str(place): tensor.contiguous() for place, tensor in enumerate(tensors)}
    write_whole(folder / PROBE, save(stored, {"layout": json.dumps(layout)}))


def read_probe(folder: Path, digest: str) -> Tree:
    """Read the inputs from a file with a known SHA-256.

    Raises
    ------
    InputError
        There is none, or another one.
    """
    path = folder / PROBE
    if not path.exists():
        raise InputError(f"{path} does not exist; 'pool build --repair' makes it again.")
    found: Tree = read_weights(path, digest, _parsed)
    return found


def _parsed(content: bytes) -> Tree:
    tensors = load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    layout = json.loads(header["__metadata__"]["layout"])
    return restored(layout, [tensors[str(place)] for place in range(len(tensors))])


def description(network: Network, untrained: Network, probe: Tree) -> dict[str, Any]:
    """What the file of a user's network says of it; nothing for a network of this package."""
    if not isinstance(network, WrappedModule) or not isinstance(untrained, WrappedModule):
        return {}
    with torch.inference_mode():
        return {"structure": structure(untrained.wrapped), "answers": network(mapped(torch.clone, probe)).tolist()}


def check_built(untrained: Network, about: Mapping[str, Any], where: str) -> None:
    """Check that a module is built as the stored one was.

    Raises
    ------
    InputError
        It is not.
    """
    if not isinstance(untrained, WrappedModule) or about.get("structure") != structure(untrained.wrapped):
        raise InputError(
            f"{where}: the network is no longer built as it was: layers, or names or shapes of weights, are others."
        )


def check_answers_again(network: Network, about: Mapping[str, Any], probe: Tree, where: str) -> None:
    """Check that a network answers to the probe what it did.

    Raises
    ------
    InputError
        It does not.
    """
    expected = torch.tensor(about.get("answers", []))
    with torch.inference_mode():
        found = network(mapped(torch.clone, probe))  # A module may work in place.
    if found.shape != expected.shape or (found - expected).abs().max() > CLOSE * expected.abs().max():
        raise InputError(f"{where}: the network no longer answers as it did; its code computes something else.")
