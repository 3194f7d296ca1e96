"""Members of a pool folder as graphs."""

from functools import partial

import numpy as np
import torch
from torch import nn

from evo_ensyth.deployment.graph import new_graph
from evo_ensyth.deployment.member_graph import MemberGraph
from evo_ensyth.deployment.network_graph import UnknownLayerError, add_network
from evo_ensyth.deployment.other_members import Wanted, graph_of, of_module
from evo_ensyth.errors import InputError
from evo_ensyth.io import StoredPool
from evo_ensyth.io.pool_folder import read_member
from evo_ensyth.synthesis import load_member
from evo_ensyth.synthesis.network import ImageNetwork, Network
from evo_ensyth.synthesis.trees import shapes


def stored_member(stored: StoredPool, name: str, wanted: Wanted, *, trust: bool = False) -> MemberGraph:
    """Return the graph of a member by its stored weights.

    Networks with other layers than those of this package go through torch's exporter.

    Raises
    ------
    InputError
        As for `load_member`, or the member does not take these images.
    """
    network = load_member(stored, name, trust=trust)
    _check_images(name, network, wanted.inputs)
    about = read_member(stored.folder, name)
    assert about is not None
    try:
        tape, images = new_graph(wanted.inputs.dtype, wanted.inputs.shape[1:], wanted.opset)
        add_network(tape, images, "plain", network=network)
    except UnknownLayerError:
        return graph_of(name, of_module(name, _Whole(network), wanted), wanted)
    return MemberGraph(name, "logits", about["files"]["weights.safetensors"], partial(add_network, network=network))


class _Whole(nn.Module):
    """A network with its preparation of images, up to probabilities."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities, (n_samples, n_classes), of stored images."""
        logits: torch.Tensor = self.network(self.network.prepare(images))
        return logits.softmax(dim=1)


def _check_images(name: str, network: Network, images: np.ndarray) -> None:
    if not isinstance(network, ImageNetwork):
        wanted = shapes(network.example())
        if (given := shapes(network.prepare(torch.tensor(images[:1])))) != wanted:
            raise InputError(f"member '{name}' takes {wanted} once prepared; the samples are {given}.")
        return
    wanted = network.preparation.shape
    found = images.shape[1:]
    if images.dtype == np.uint8 and images.ndim == 4:
        found = tuple(network.prepare(torch.tensor(images[:1])).shape[1:])
    if found != wanted or images.dtype != np.uint8:
        raise InputError(
            f"member '{name}' takes images of 8-bit integers, {wanted} once prepared; the samples are "
            f"{images.dtype.name}, {images.shape[1:]}."
        )
