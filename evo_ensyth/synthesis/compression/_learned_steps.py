"""Layers that round their weights while they are trained, and learn the steps of the rounding."""

import copy
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.utils import parametrize

from evo_ensyth.synthesis.compression._rounding import largest_code, quantise, rounded_up
from evo_ensyth.synthesis.layer_surgery import mark_quantised
from evo_ensyth.synthesis.network import Network, quantisable_layers, untied_layers, weighted_layers


def learning_steps(network: Network, bits: Mapping[str, int]) -> Network:
    """Return a copy in which some layers round their weights, to the given bits, with steps that are trained.

    Layers that share their weights do not: each would round them in its own way.
    """
    network = copy.deepcopy(network)
    tied = weighted_layers(network).keys() - untied_layers(network).keys()
    for name, (layer, part) in quantisable_layers(network).items():
        if name in bits and name not in tied:
            rounding = LearnedSteps(layer.get_parameter(part).detach(), bits[name])
            parametrize.register_parametrization(layer, part, rounding)
    return network


@torch.no_grad()
def settled(learned: Network, like: Network) -> Network:
    """Return a network from `learning_steps` in stored form: codes times steps, or plain weights without steps.

    Parameters
    ----------
    learned : Network
    like : Network
        With the same layers, none of which is being quantised.
    """
    model, layers = copy.deepcopy(like), quantisable_layers(learned)
    learned_state = learned.state_dict()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if name in learned_state:  # The weights of layers that round are there by another name.
            tensor.copy_(learned_state[name])
    for name, (layer, part) in quantisable_layers(model).items():
        rounding, _ = layers[name]
        if parametrize.is_parametrized(rounding, part):
            weight, steps, bits = _codes(rounding, part)
            mark_quantised(layer, steps, bits)
            layer.get_parameter(part).copy_(weight)
    return model


class LearnedSteps(nn.Module):
    """Rounds weights, (n_outputs, ...), to integer multiples of the step of their output, as LSQ does.

    For the result v and codes from -L to L, dv/dw is 1 where |w / s| is at most L, and 0 beyond; dv/ds is
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
        """Round the weights; gradients pass through."""
        steps = self.logarithms.exp()
        steps = self.pace * steps + (1 - self.pace) * steps.detach()  # the same value with a smaller gradient
        quotients = (weight.flatten(1) / steps[:, None]).clamp(-self.largest, self.largest)
        codes = quotients + (quotients.round() - quotients).detach()
        rounded: torch.Tensor = codes * steps[:, None]
        return rounded.view_as(weight)


def _codes(layer: nn.Module, part: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Weights, steps and bits of a layer in stored form: exact multiples, see `rounded_up`."""
    rounding = layer.get_submodule(f"parametrizations.{part}.0")
    assert isinstance(rounding, LearnedSteps)
    weight, steps = layer.get_parameter(f"parametrizations.{part}.original"), rounded_up(rounding.logarithms.exp())
    codes = (weight.flatten(1) / steps[:, None]).round().clamp(-rounding.largest, rounding.largest)
    return (codes * steps[:, None] + 0.0).view_as(weight), steps, rounding.bits
