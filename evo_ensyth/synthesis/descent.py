"""Gradient descent: training a parent, and fine-tuning a compressed copy of it while its zeros stay zero.

L2 terms are 0.5 lambda ||W||^2, without biases, and part of the loss, so that Adam rescales their gradient too.

On one kind of device, with a fixed number of threads, a seed determines every bit of the result: what an epoch draws
depends only on the seed and the number of the epoch. Networks come from the processor's memory and return to it.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.files import write_whole
from evo_ensyth.synthesis.batch_norm import batch_norms, norms_of_convolutions
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.devices import CPU, has_bfloat16
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures
from evo_ensyth.synthesis.gradient_step import GradientStep
from evo_ensyth.synthesis.layer_surgery import is_quantised, zeros_of
from evo_ensyth.synthesis.network import Network, weighted_layers
from evo_ensyth.synthesis.own_loop import tuned_by
from evo_ensyth.synthesis.progress import Progress
from evo_ensyth.synthesis.reproducibility import derived_seed, drawing
from evo_ensyth.synthesis.training import FineTuning, OwnFineTuning, Training
from evo_ensyth.synthesis.trees import Tree, moved, taken
from evo_ensyth.synthesis.wrapped_module import WrappedModule

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Mean loss over a batch, given what the network computes in float32 and the true labels, (n_samples,)."""

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
STEPS_BETWEEN_REPORTS = 25


def train(
    network: Network,
    data: Split,
    settings: Training,
    *,
    seed: int,
    device: torch.device = CPU,
    graph: bool = True,
    checkpoint: Path | None = None,
    stop: Callable[[Network], bool] | None = None,
    progress: Progress | None = None,
) -> Network:
    """Return a trained copy of a network, in evaluation mode.

    Parameters
    ----------
    network : Network
        Not changed.
    data : Split
    settings : Training
    seed : int
    device : torch.device
    graph : bool
        On a CUDA card, replay a step that was captured once, where that is possible; this does not change a bit.
    checkpoint : Path, optional
        Written after every epoch. If it exists, training resumes from it, with the same result as in one go.
    stop : callable, optional
        Called with the network, on the device, after every epoch; training ends once it returns true.
    progress : Progress, optional

    Raises
    ------
    InputError
        The checkpoint belongs to other settings, ``l2`` names an unknown layer, or the network is quantised.
    EvoEnsythError
        Training diverged.
    """
    network = copy.deepcopy(network).to(device)
    descent = _Descent(network, data, settings, seed, device, graph=graph, progress=progress)
    begun = 0 if checkpoint is None else _resumed(checkpoint, descent)
    for epoch in range(begun, settings.epochs):
        descent.run_epoch(epoch)
        if checkpoint is not None:
            _keep(checkpoint, descent, epoch + 1)
        if stop is not None and stop(descent.network):
            break
    return network.eval().to(CPU)


def fine_tune(
    network: Network,
    data: Split,
    settings: FineTuning,
    *,
    seed: int,
    device: torch.device = CPU,
    graph: bool = True,
    loss: Loss | None = None,
    features: TrunkFeatures | None = None,
    progress: Progress | None = None,
) -> Network:
    """Return a fine-tuned copy of a compressed network, in evaluation mode; weights that are zero stay exactly zero.

    Parameters and errors are those of `train`; ``loss`` replaces that of the settings. Where convolutions are
    not trained and images are not varied at random, ``features`` keeps what the convolutions make of the images for the
    next call with the same convolutions and data; on a processor, this does not change a bit.
    """
    if isinstance(settings, OwnFineTuning):
        return tuned_by(settings.fine_tune, network, data, seed=seed, device=device)
    network = copy.deepcopy(network).to(device)
    norms = {} if settings.convolutions else norms_of_convolutions(network)
    frozen = [] if settings.convolutions else freeze_convolutions(network)
    descent = _Descent(
        network,
        data,
        settings,
        seed,
        device,
        zeros=zeros_of(network),
        still=tuple(norms.values()),
        loss=loss,
        graph=graph,
        features=features,
        progress=progress,
    )
    for epoch in range(settings.epochs):
        descent.run_epoch(epoch)
    for parameter in frozen:
        parameter.requires_grad_(True)
    return network.eval().to(CPU)


def freeze_convolutions(network: Network) -> list[nn.Parameter]:
    """Let convolutions and their normalisations require no gradient; returns the parameters that did."""
    layers = [*norms_of_convolutions(network).values()]
    layers += [layer for layer in network.modules() if isinstance(layer, CONVOLUTIONS)]
    frozen = [parameter for layer in layers for parameter in layer.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    return frozen


def check_trainable(network: Network, settings: Training) -> None:
    """Check that the layers of a network can be trained, and that those with an L2 term are there.

    Raises
    ------
    InputError
        They cannot, or are not.
    """
    layers = weighted_layers(network)
    for name, _ in settings.l2:
        if name not in layers:
            raise InputError(f"l2 names the layer '{name}'; the network has {', '.join(layers)}.")
    if coded := [name for name, layer in layers.items() if is_quantised(layer)]:
        raise InputError(f"{', '.join(coded)}: quantised weights cannot be trained; quantise after fine-tuning.")


def divergence(epoch: int, loss: float) -> EvoEnsythError:
    """Error for a loss that is not finite, in an epoch counted from 0."""
    return EvoEnsythError(f"training diverged in epoch {epoch + 1} (loss {loss}); use a lower learning rate.")


@dataclass
class _Descent:
    """A network in training, with everything that changes from step to step."""

    network: Network
    data: Split
    settings: Training
    seed: int
    device: torch.device
    zeros: Mapping[torch.Tensor, torch.Tensor] = field(default_factory=dict)
    still: tuple[nn.Module, ...] = ()  # modules that stay in evaluation mode
    loss: Loss | None = None
    graph: bool = True
    features: TrunkFeatures | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        check_trainable(self.network, self.settings)
        layers = weighted_layers(self.network)
        self.penalties = [(layers[name].weight, strength) for name, strength in self.settings.l2]
        for module in self.network.modules():
            if isinstance(module, nn.Dropout) and not (
                self.settings.keep == 1 and isinstance(self.network, WrappedModule)
            ):
                module.p = 1 - self.settings.keep
        self.loss = self.loss or self.settings.loss or functional.cross_entropy
        if not any(parameter.requires_grad for parameter in self.network.parameters()):
            raise InputError("no parameter of the network requires a gradient; there is nothing to train.")
        self.has_norms = bool(batch_norms(self.network))
        self.autocast = self.settings.bfloat16 and has_bfloat16(self.device)
        behind = None
        if self.features is not None:
            batch = self.settings.batch
            behind = self.features.of(self.network, self.data, batch=batch, autocast=self.autocast)
        self.trained: nn.Module
        self.inputs: Tree = None
        self.inputs, self.trained = behind or (None, self.network)
        if self.inputs is None and self.data.in_memory:
            self.inputs = moved(self.data.stored(), self.device)
        self.augment = self.network.augment if behind is None else _as_they_are
        self.y_true = torch.tensor(self.data.y_true, dtype=torch.long).to(self.device)
        self.step = GradientStep(
            self.network, self._loss_of, self.data, self.settings, self.device, zeros=self.zeros, graph=self.graph
        )

    def run_epoch(self, epoch: int) -> None:
        """Show every sample once, in an order drawn for this epoch."""
        self.network.train()
        for module in self.still:
            module.eval()
        with drawing(derived_seed(self.seed, "dropout", epoch), self.device):
            rng = torch.Generator().manual_seed(derived_seed(self.seed, "images", epoch))
            order = torch.randperm(len(self.data), generator=rng).to(self.device)
            rng = rng if self.device == CPU else torch.Generator(self.device).manual_seed(rng.initial_seed())
            for index in range(self.step.per_epoch):
                samples = order[index * self.settings.batch : (index + 1) * self.settings.batch]
                if self.has_norms and len(samples) == 1 and index > 0:
                    continue  # One sample has no variance.
                number = epoch * self.step.per_epoch + index
                stored = self.data.stored(samples.cpu().numpy()) if self.inputs is None else taken(self.inputs, samples)
                inputs = self.augment(moved(stored, self.device), rng)
                loss = self.step(number, inputs, self.y_true[samples])
                if index % STEPS_BETWEEN_REPORTS == 0 or index == self.step.per_epoch - 1:
                    self._report(epoch, number + 1, loss.item())

    def _loss_of(self, inputs: Tree, labels: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            logits = self.trained(inputs)
        assert self.loss is not None
        loss = self.loss(logits.float(), labels)
        for weight, strength in self.penalties:
            loss = loss + 0.5 * strength * weight.square().sum()
        return loss

    def _report(self, epoch: int, steps: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise divergence(epoch, loss)
        if self.progress is not None:
            epochs = self.settings.epochs
            text = f"epoch {epoch + 1} of {epochs}, loss {loss:.3f}"
            if self.step.captured is not None and self.step.captured.failure is not None:
                text += f", without a CUDA graph ({self.step.captured.failure})"
            self.progress(steps, epochs * self.step.per_epoch, text)


def _as_they_are(features: Tree, rng: torch.Generator) -> Tree:
    return features


def _keep(path: Path, descent: _Descent, epochs_done: int) -> None:
    """Write weights and optimiser state as one safetensors file, whose header identifies the training."""
    state = descent.step.optimiser.state_dict()["state"]
    if not all(isinstance(value, torch.Tensor) for kept in state.values() for value in kept.values()):
        return  # An optimiser of a user's may remember anything; training then begins anew.
    tensors = {f"network.{name}": tensor for name, tensor in descent.network.state_dict().items()}
    tensors |= {f"optimiser.{index}.{key}": value for index, kept in state.items() for key, value in kept.items()}
    write_whole(path, save(tensors, metadata={"epochs_done": str(epochs_done), "settings": _signature(descent)}))


def _resumed(path: Path, descent: _Descent) -> int:
    """Restore a checkpoint into the descent and return how many epochs it has completed; 0 if there is none."""
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (the file is not a mapping)
    if about.get("settings") != _signature(descent):
        raise InputError(f"{path} was written under other settings; remove it to train from the start.")
    state: dict[int, dict[str, torch.Tensor]] = {}
    weights = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part == "network":
            weights[rest] = tensor
        else:
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = tensor
    descent.network.load_state_dict(weights)
    descent.step.optimiser.load_state_dict({**descent.step.optimiser.state_dict(), "state": state})
    return int(about["epochs_done"])


def _signature(descent: _Descent) -> str:
    return f"{descent.settings} seed={descent.seed} samples={len(descent.data)}"
