"""Features behind a frozen trunk: what layers that are not trained make of each image, computed once for all heads."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import torch
from torch import nn

from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.network import Network, SequentialNetwork

# Modules that draw nothing and remember nothing, so that an image has the same features in any batch, bit for bit.
PLAIN = (nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten)
MOST_IN_MEMORY = 2**30  # bytes of features; more are kept in a file


class TrunkFeatures:
    """Features of training images behind one trunk, kept for the next network that has the same.

    Parameters
    ----------
    folder : Path, optional
        Where features beyond `MOST_IN_MEMORY` go, in a file without a name. By default they stay in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._data: Split | None = None
        self._about: tuple[object, ...] = ()
        self._weights: list[torch.Tensor] = []
        self._features = torch.empty(0)

    def of(
        self, network: Network, data: Split, *, batch: int, autocast: bool
    ) -> tuple[torch.Tensor, nn.Sequential] | None:
        """Features of all images in order, and the layers that remain to be trained on them.

        Parameters
        ----------
        network : Network
            On the device on which to compute. Parameters that are not trained require no gradient.
        data : Split
        batch : int
            Images at a time.
        autocast : bool
            Whether to compute in bfloat16.

        Returns
        -------
        (n_samples, ...) and Sequential, or None
            Features are on the device, or mapped from a file. There are none if no leading convolution is frozen, or if
            images are varied at random.
        """
        parts = trunk_and_head(network, data)
        if parts is None:
            return None
        trunk, head = parts
        weights = list(trunk.state_dict().values())
        about = (repr(network.preparation), repr(trunk), batch, autocast, weights[0].device)
        if self._data is not data or self._about != about or not all(map(torch.equal, self._weights, weights)):
            self._data, self._features = None, torch.empty(0)  # Frees them before others are computed.
            self._features = _kept(_batches(network, trunk, data, batch, autocast), len(data), self._folder)
            self._data, self._about, self._weights = data, about, [tensor.clone() for tensor in weights]
        return self._features, head


def trunk_and_head(network: Network, data: Split) -> tuple[nn.Sequential, nn.Sequential] | None:
    """Leading layers that are not trained, and those that follow.

    None if no convolution is among the former, or if training varies images at random. Both hold the network's own
    modules. Only torch's plain modules belong to a trunk: of others, nobody knows whether they draw or remember.
    """
    if not isinstance(network, SequentialNetwork):
        return None
    named = list(network.named_children())
    trunk = []
    for name, module in named:
        if type(module) not in PLAIN or any(parameter.requires_grad for parameter in module.parameters()):
            break
        trunk.append((name, module))
    if not any(isinstance(module, nn.Conv2d) for _, module in trunk) or _draws(network, data):
        return None
    return nn.Sequential(OrderedDict(trunk)), nn.Sequential(OrderedDict(named[len(trunk) :]))


def _draws(network: Network, data: Split) -> bool:
    """Whether training shows an image differently every time."""
    rng = torch.Generator()
    before = rng.get_state()
    network.augment(data.stored(slice(1)), rng)
    return not torch.equal(rng.get_state(), before)


@torch.no_grad()
def _batches(network: Network, trunk: nn.Sequential, data: Split, batch: int, autocast: bool) -> Iterator[torch.Tensor]:
    device = next(trunk.parameters()).device
    rng = torch.Generator(device)
    for start in range(0, len(data), batch):
        images = data.stored(slice(start, start + batch)).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            yield trunk(network.augment(images, rng))


def _kept(batches: Iterator[torch.Tensor], n_samples: int, folder: Path | None) -> torch.Tensor:
    first = next(batches)
    shape = (n_samples, *first.shape[1:])
    if folder is None or n_samples * first[0].nbytes <= MOST_IN_MEMORY:
        features, start = first.new_empty(shape), 0
        for batch in chain((first,), batches):
            features[start : start + len(batch)] = batch
            start += len(batch)
        return features
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder) as file:
        for batch in chain((first,), batches):
            file.write(batch.cpu().contiguous().view(torch.uint8).numpy().tobytes())
        stored = np.memmap(file, np.uint8, mode="c")  # Stays mapped after the file is closed.
    return torch.from_numpy(stored).view(first.dtype).view(shape)
