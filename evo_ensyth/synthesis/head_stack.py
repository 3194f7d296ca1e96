"""Heads in stacks: the heads of several networks behind one frozen trunk, trained together in one step.

A head keeps its own seed, and with it its order of images and its dropout; its zeros stay zero. It is trained as it
would be alone, but for the rounding of sums (on a card, dropout also draws in another way). A head whose training
diverges leaves the others as they are.

This saves launching operations one by one, which on a card takes longer than their work for one head. On a processor
only very small heads gain.
"""

import copy
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.files import sha256
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.descent import (
    STEPS_BETWEEN_REPORTS,
    check_trainable,
    divergence,
    fine_tune,
    freeze_convolutions,
)
from evo_ensyth.synthesis.devices import CPU, has_bfloat16
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures, trunk_and_head
from evo_ensyth.synthesis.gradient_step import GradientStep
from evo_ensyth.synthesis.layer_surgery import zeros_of
from evo_ensyth.synthesis.network import Network, weighted_layers
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import FineTuning, OwnFineTuning
from evo_ensyth.synthesis.trees import Tree, taken

STACKED = (nn.Linear, nn.ReLU, nn.Dropout)  # of which a head may consist


def fine_tune_together(
    networks: Sequence[Network],
    data: Split,
    settings: FineTuning,
    *,
    seeds: Sequence[int],
    device: torch.device = CPU,
    graph: bool = True,
    features: TrunkFeatures | None = None,
) -> list[Network | EvoEnsythError]:
    """Return fine-tuned copies of several networks, trained in stacks where ``settings.stack`` is more than 1.

    Networks are stacked if their convolutions, which are not trained, are equal, images are not varied at random, and
    what follows is a row of dense layers, ReLU and dropout of the same sizes. Others are trained one by one.

    Parameters
    ----------
    networks : sequence of Network
        Not changed. Their order decides which are stacked together.
    data : Split
    settings : FineTuning
    seeds : sequence of int
        One for each network.
    device, graph, features
        As for `fine_tune`.

    Returns
    -------
    list
        For each network its copy, or why it could not be trained.

    Raises
    ------
    InputError
        As for `fine_tune`.
    """
    features = features or TrunkFeatures()
    trained: dict[int, Network | EvoEnsythError] = {}
    for places in _stacks(networks, data, settings):
        members, own = [networks[place] for place in places], [seeds[place] for place in places]
        if len(places) > 1:
            found = _Stack(members, data, settings, own, device, graph, features).trained()
        else:
            found = [_alone(members[0], data, settings, own[0], device, graph, features)]
        trained |= zip(places, found, strict=True)
    return [trained[place] for place in range(len(networks))]


def _alone(
    network: Network,
    data: Split,
    settings: FineTuning,
    seed: int,
    device: torch.device,
    graph: bool,
    features: TrunkFeatures,
) -> Network | EvoEnsythError:
    try:
        return fine_tune(network, data, settings, seed=seed, device=device, graph=graph, features=features)
    except InputError:
        raise
    except EvoEnsythError as error:
        return error


def _stacks(networks: Sequence[Network], data: Split, settings: FineTuning) -> list[list[int]]:
    """Positions of networks that are trained together; some of them stand alone."""
    can_stack = settings.stack > 1 and not isinstance(settings, OwnFineTuning) and not callable(settings.optimiser)
    alike: dict[object, list[int]] = {}
    for place, network in enumerate(networks):
        what = _trunk_and_sizes(network, data) if can_stack else None
        alike.setdefault(place if what is None else what, []).append(place)
    return [
        places[start : start + settings.stack]
        for places in alike.values()
        for start in range(0, len(places), settings.stack)
    ]


def _trunk_and_sizes(network: Network, data: Split) -> tuple[str, ...] | None:
    """What networks of one stack have in common; None for a network that cannot be stacked."""
    network = copy.deepcopy(network)
    freeze_convolutions(network)
    parts = trunk_and_head(network, data)
    if parts is None:
        return None
    trunk, head = parts
    parameters = list(head.named_parameters(remove_duplicate=False))
    if (
        not all(type(layer) in STACKED for layer in head)
        or not all(parameter.requires_grad for _, parameter in parameters)
        or len({id(parameter) for _, parameter in parameters}) < len(parameters)  # tied
        or any(True for _ in head.buffers())
        or trunk(network.example()).ndim != 2
    ):
        return None
    weights = b"".join(tensor.numpy().tobytes() for tensor in trunk.state_dict().values())
    return repr(network.preparation), repr(trunk), sha256(weights), repr(head)


class _Heads(nn.Module):
    """Heads of the same sizes as one module, whose parameters have the heads as their first axis."""

    def __init__(self, heads: Sequence[nn.Sequential], keep: float) -> None:
        super().__init__()
        self.layers = [layer for layer in heads[0] if keep < 1 or not isinstance(layer, nn.Dropout)]
        self.stacked = nn.ParameterList(
            torch.stack([parameter.detach() for parameter in parameters])
            for parameters in zip(*(head.parameters() for head in heads), strict=True)
        )
        self.keep = keep

    def forward(self, inputs: torch.Tensor, dropped: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits, (n_heads, n_samples, n_classes), of features (n_heads, n_samples, n_features)."""
        parameters, factors = iter(self.stacked), iter(dropped)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                # Weights first, so that their slopes are laid out as they are themselves.
                weight, rows = next(parameters), inputs.mT
                bias = None if layer.bias is None else next(parameters)[..., None]
                inputs = (weight @ rows if bias is None else torch.baddbmm(bias, weight, rows)).mT
            elif isinstance(layer, nn.Dropout):
                inputs = inputs * next(factors).to(inputs.dtype)
            else:
                inputs = inputs.relu()
        return inputs

    def drawn(self, shape: torch.Size, rngs: Sequence[torch.Generator]) -> list[torch.Tensor]:
        """Factors by which dropout multiplies, drawn for each head as for one alone; ``shape`` is that of features."""
        _, n_samples, width = shape
        factors = []
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                width = layer.out_features
            elif isinstance(layer, nn.Dropout):
                kept = torch.empty(len(rngs), n_samples, width, device=self.stacked[0].device)
                for head, rng in zip(kept, rngs, strict=True):
                    head.bernoulli_(self.keep, generator=rng)
                factors.append(kept.div_(self.keep))
        return factors


class _Stack:
    """The training of some networks whose heads can be stacked; arguments are those of `fine_tune_together`."""

    def __init__(
        self,
        networks: Sequence[Network],
        data: Split,
        settings: FineTuning,
        seeds: Sequence[int],
        device: torch.device,
        graph: bool,
        features: TrunkFeatures,
    ) -> None:
        self.settings, self.seeds, self.device = settings, seeds, device
        self.autocast = settings.bfloat16 and has_bfloat16(device)
        self.networks = [copy.deepcopy(network).to(device) for network in networks]
        self.frozen = [parameter for network in self.networks for parameter in freeze_convolutions(network)]
        self.heads = []
        for network in self.networks:
            check_trainable(network, settings)
            behind = features.of(network, data, batch=settings.batch, autocast=self.autocast)
            assert behind is not None
            self.features, head = behind
            self.heads.append(head)
        self.together = _Heads(self.heads, settings.keep)
        stacked: dict[torch.Tensor, nn.Parameter] = dict(
            zip(self.heads[0].parameters(), self.together.stacked, strict=True)
        )
        layers = weighted_layers(self.networks[0])
        penalised = [(layers[name].weight, strength) for name, strength in settings.l2]
        self.penalties = [(stacked[weight], strength) for weight, strength in penalised if weight in stacked]
        self.y_true = torch.tensor(data.y_true, dtype=torch.long).to(device)
        self.step = GradientStep(self.together, self._losses, data, settings, device, zeros=self._zeros(), graph=graph)
        self.failed: dict[int, EvoEnsythError] = {}

    def trained(self) -> list[Network | EvoEnsythError]:
        """Train, and return the networks in evaluation mode, or why they could not be trained."""
        for epoch in range(self.settings.epochs):
            self._run_epoch(epoch)
        with torch.no_grad():
            for place, head in enumerate(self.heads):
                for parameter, stacked in zip(head.parameters(), self.together.stacked, strict=True):
                    parameter.copy_(stacked[place])
        for parameter in self.frozen:
            parameter.requires_grad_(True)
        return [self.failed.get(place) or network.eval().to(CPU) for place, network in enumerate(self.networks)]

    def _run_epoch(self, epoch: int) -> None:
        orders = torch.stack(
            [torch.randperm(len(self.y_true), generator=_generator(CPU, seed, "images", epoch)) for seed in self.seeds]
        ).to(self.device)
        rngs = [_generator(self.device, seed, "dropout", epoch) for seed in self.seeds]
        for index in range(self.step.per_epoch):
            samples = orders[:, index * self.settings.batch : (index + 1) * self.settings.batch]
            inputs = taken(self.features, samples).to(self.device)
            number = epoch * self.step.per_epoch + index
            losses = self.step(number, (inputs, self.together.drawn(inputs.shape, rngs)), self.y_true[samples])
            if index % STEPS_BETWEEN_REPORTS == 0 or index == self.step.per_epoch - 1:
                for place, loss in enumerate(losses.tolist()):
                    if not math.isfinite(loss):
                        self.failed.setdefault(place, divergence(epoch, loss))

    def _losses(self, inputs: Tree, labels: torch.Tensor) -> torch.Tensor:
        """Loss of every head, (n_heads,)."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            logits = self.together(*inputs).float()
        if self.settings.loss is None:
            each = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
            losses = each.view(labels.shape).mean(1)
        else:
            losses = torch.stack(list(map(self.settings.loss, logits, labels)))
        for weights, strength in self.penalties:
            losses = losses + 0.5 * strength * weights.square().flatten(1).sum(1)
        return losses

    def _zeros(self) -> dict[torch.Tensor, torch.Tensor]:
        """Masks of what was pruned in any head, stacked."""
        zeros = [zeros_of(network) for network in self.networks]
        masks = {}
        columns = zip(*(head.parameters() for head in self.heads), strict=True)
        for stacked, parameters in zip(self.together.stacked, columns, strict=True):
            if any(parameter in own for parameter, own in zip(parameters, zeros, strict=True)):
                masks[stacked] = torch.stack(
                    [
                        own.get(parameter, torch.zeros_like(parameter, dtype=torch.bool))
                        for parameter, own in zip(parameters, zeros, strict=True)
                    ]
                )
        return masks


def _generator(device: torch.device, seed: int, purpose: str, epoch: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(derived_seed(seed, purpose, epoch))
