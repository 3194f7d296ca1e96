"""Quantisation-aware fine-tuning: the network computes with rounded weights while weights and steps go on learning.

In the style of Esser, McKinstry, Bablani, Appuswamy, Modha, "Learned Step Size Quantization", ICLR 2020 (arXiv
1902.08153), whose rules were read in other people's code, not in the paper; gradients pass through the rounding as if
it were not there (Bengio, Leonard, Courville, arXiv 1308.3432).
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import parametrize

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import Descents, Material, Told, Variant, Work, silent
from evo_ensyth.synthesis.compression._scratch import made_once
from evo_ensyth.synthesis.compression.quantisation import Quantisation, largest_code, quantise, rounded_up
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.layer_surgery import mark_quantised
from evo_ensyth.synthesis.networks import Network, weighted_layers
from evo_ensyth.synthesis.training import FineTuning, derived_seed, fine_tune


@dataclass(frozen=True)
class QuantisationAware:
    """One variant per number of bits, in the order given, each fine-tuned while it was quantised.

    Attributes
    ----------
    tuning : FineTuning
        Without L2, which would pull at weights that are not used.
    bits : tuple of int
        Of a weight, 2 to 8, as in `Quantisation`.

    Raises
    ------
    InputError
        A setting out of its range.

    Notes
    -----
    LSQ has one step for each layer and a level more below zero than above; here each output has its own step, and
    levels are symmetric. Steps start from those of least squared error, and their logarithm is learned, which keeps
    them positive and suits any optimiser.
    """

    tuning: FineTuning
    bits: tuple[int, ...] = (4, 3, 2)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", Quantisation(self.bits).bits)
        if self.tuning.l2:
            raise InputError("tuning has l2 terms; weights that are rounded afterwards are tuned without.")

    def names(self) -> tuple[str, ...]:
        """Name the variants, such as ``quantisation_aware-4``."""
        return tuple(f"quantisation_aware-{bits}" for bits in self.bits)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """Tell what it will do: a fine-tuning for each variant."""
        return Work((Descents(self.tuning, len(self.bits)),))

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per number of bits; what is zero in the parent stays so.

        Raises
        ------
        InputError
            The parent is quantised already.
        """
        for name, bits in zip(self.names(), self.bits, strict=True):
            progress(name)
            learn = partial(self._tuned, parent, bits, material.train, derived_seed(seed, name))
            model = made_once(scratch, name, parent, learn)
            yield Variant(name, {"method": "quantisation_aware", "bits": bits, "tuning": self.tuning.name}, model, {})

    def _tuned(self, parent: Network, bits: int, data: Split, seed: int) -> Network:
        begin = learning_steps(parent, dict.fromkeys(weighted_layers(parent), bits))
        return settled(fine_tune(begin, data, self.tuning, seed=seed), parent)


def learning_steps(network: Network, bits: Mapping[str, int]) -> Network:
    """Return a copy in which some layers round their weights, to so many bits each, and learn how."""
    network = copy.deepcopy(network)
    for name, layer in weighted_layers(network).items():
        if name in bits:
            parametrize.register_parametrization(layer, "weight", LearnedSteps(layer.weight.detach(), bits[name]))
    return network


@torch.no_grad()
def settled(learned: Network, like: Network) -> Network:
    """Return what `learning_steps` began as it is stored: with codes, and with weights where no steps were learned.

    Parameters
    ----------
    learned : Network
    like : Network
        With the same layers, none of which learns steps.
    """
    model, layers = copy.deepcopy(like), weighted_layers(learned)
    for name, layer in weighted_layers(model).items():
        if parametrize.is_parametrized(layers[name], "weight"):
            weight, steps, bits = _codes(layers[name])
            mark_quantised(layer, steps, bits)
        else:
            weight = layers[name].weight
        layer.weight.copy_(weight)
        if layer.bias is not None:
            layer.bias.copy_(layers[name].get_parameter("bias"))
    return model


class LearnedSteps(nn.Module):
    """Rounds weights, (n_outputs, ...), to whole steps of their output, as LSQ does.

    Of what comes out, v, with codes from -L to L: dv/dw is 1 where |w / s| is at most L, and 0 beyond; dv/ds is
    round(w / s) - w / s there, and -L or L beyond. The latter is scaled by 1 / sqrt(L times the number of weights).
    """

    def __init__(self, weight: torch.Tensor, bits: int) -> None:
        super().__init__()
        _, steps = quantise(weight, bits, "least_squares")
        self.logarithms = nn.Parameter(steps.log())
        self.bits = bits
        self.largest = largest_code(bits)
        self.pace = (self.largest * weight[0].numel()) ** -0.5

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Round, in a way that gradients pass."""
        steps = self.logarithms.exp()
        steps = self.pace * steps + (1 - self.pace) * steps.detach()  # the same number, with less of a gradient
        quotients = (weight.flatten(1) / steps[:, None]).clamp(-self.largest, self.largest)
        codes = quotients + (quotients.round() - quotients).detach()
        rounded: torch.Tensor = codes * steps[:, None]
        return rounded.view_as(weight)


def _codes(layer: nn.Module) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Weights, steps and bits of a layer as they are stored: exact multiples, see `quantisation.rounded_up`."""
    rounding = layer.get_submodule("parametrizations.weight.0")
    assert isinstance(rounding, LearnedSteps)
    weight, steps = layer.get_parameter("parametrizations.weight.original"), rounded_up(rounding.logarithms.exp())
    codes = (weight.flatten(1) / steps[:, None]).round().clamp(-rounding.largest, rounding.largest)
    return (codes * steps[:, None] + 0.0).view_as(weight), steps, rounding.bits
