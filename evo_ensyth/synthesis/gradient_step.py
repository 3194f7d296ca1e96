"""A step of gradient descent: its rate, its zeros, and on a CUDA card its graph."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import nn

from evo_ensyth.synthesis.cuda_graph import CapturedStep
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.training import Training
from evo_ensyth.synthesis.trees import Tree

FEWEST_STEPS = 20  # of a training worth capturing as a CUDA graph


class GradientStep:
    """A step of one training, to be called for each of its batches.

    Parameters
    ----------
    network : Module
        On the device. What of it requires a gradient is trained.
    losses : callable
        Loss of a batch, given inputs and labels: a number, or one for each of several networks that step together.
    data : Split
        Of which batches consist.
    settings : Training
    device : torch.device
    zeros : mapping of parameter to mask
        What is true stays zero.
    graph : bool
        Replay a step that was captured once, on a CUDA card and if there are enough of them.

    Attributes
    ----------
    optimiser : Optimizer
    captured : CapturedStep, optional
    """

    def __init__(
        self,
        network: nn.Module,
        losses: Callable[[Tree, torch.Tensor], torch.Tensor],
        data: Split,
        settings: Training,
        device: torch.device,
        *,
        zeros: Mapping[torch.Tensor, torch.Tensor],
        graph: bool,
    ) -> None:
        self.network = network
        self.captured: CapturedStep | None = None
        self._losses, self._settings, self._zeros = losses, settings, zeros
        self._kept = {pruned: _kept(pruned, mask) for pruned, mask in zeros.items()}
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._has_own_optimiser = callable(settings.optimiser)
        self.optimiser = _optimiser(self._parameters, settings, device)
        self.per_epoch = math.ceil(len(data) / settings.batch)
        can_replay = device.type == "cuda" and not self._has_own_optimiser
        self._graph = graph and can_replay and settings.epochs * (len(data) // settings.batch) >= FEWEST_STEPS

    def __call__(self, number: int, inputs: Tree, labels: torch.Tensor) -> torch.Tensor:
        """Take the step of this number, counted over all epochs, and return the losses."""
        rate = self._settings.learning_rate * self._settings.decay ** (number // self._settings.decay_steps)
        for group in () if self._has_own_optimiser else self.optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        if self._graph and labels.shape[-1] == self._settings.batch:
            if self.captured is None:
                self.captured = CapturedStep(self._descend, self.network, self.optimiser, inputs, labels)
            if self.captured.failure is None and self.captured.takes(inputs):
                return self.captured(inputs, labels)
        return self._descend(inputs, labels)

    def _descend(self, inputs: Tree, labels: torch.Tensor) -> torch.Tensor:
        losses = self._losses(inputs, labels)
        for parameter in self._parameters:
            parameter.grad = None  # As `zero_grad`, without its profiler hooks, which slow small networks down.
        losses.backward(torch.ones_like(losses))  # type: ignore[no-untyped-call]
        for pruned, kept in self._kept.items():
            if pruned.grad is not None:  # No gradient, no momentum, no step: zero stays zero.
                pruned.grad.view(kept.dtype).bitwise_and_(kept)
        self.optimiser.step()
        if self._has_own_optimiser:  # It may move weights without a gradient.
            with torch.no_grad():
                for pruned, zeros in self._zeros.items():
                    pruned.masked_fill_(zeros, 0.0)
        return losses.detach()


def _kept(pruned: torch.Tensor, zeros: torch.Tensor) -> torch.Tensor:
    """Integers as wide as the weights: all bits where a weight may change, none where it stays zero.

    On a processor, masking bits is several times faster than filling by truth values.
    """
    widths = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return zeros.logical_not().to(widths[pruned.element_size()]).neg_()


def _optimiser(parameters: list[nn.Parameter], settings: Training, device: torch.device) -> torch.optim.Optimizer:
    """Optimiser of a training; on a CUDA card in a form that a graph can replay, with its rate as a tensor."""
    if callable(settings.optimiser):
        return settings.optimiser(parameters)
    rate, is_card = settings.learning_rate, device.type == "cuda"
    start = torch.tensor(rate, device=device) if is_card else rate
    fused = True if is_card else None
    if settings.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=start, fused=fused, capturable=is_card)
    return torch.optim.SGD(parameters, lr=start, fused=fused)
