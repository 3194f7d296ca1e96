"""Gradient descent: training a parent, and fine-tuning a compressed copy of it while its zeros stay zero.

L2 terms are 0.5 lambda ||W||^2, without biases, and part of the loss, so that Adam rescales their gradient too.

On one machine with a fixed number of threads, a seed determines every bit of the result: what an epoch draws depends
only on the seed and the number of the epoch.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.files import write_whole
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.layer_surgery import is_quantised
from evo_ensyth.synthesis.network import Network, weighted_layers
from evo_ensyth.synthesis.progress import Progress
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import FineTuning, Training

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Mean loss over a batch, given what the network computes in float32 and the true labels, (n_samples,)."""

STEPS_BETWEEN_REPORTS = 25


def train(
    network: Network,
    data: Split,
    settings: Training,
    *,
    seed: int,
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
    checkpoint : Path, optional
        Written after every epoch. If it exists, training resumes from it, with the same result as in one go.
    stop : callable, optional
        Called with the network after every epoch; training ends once it returns true.
    progress : Progress, optional

    Raises
    ------
    InputError
        The checkpoint belongs to other settings, ``l2`` names an unknown layer, or the network is quantised.
    EvoEnsythError
        Training diverged.
    """
    network = copy.deepcopy(network)
    descent = _Descent(network, data, settings, seed, progress=progress)
    begun = 0 if checkpoint is None else _resumed(checkpoint, descent)
    for epoch in range(begun, settings.epochs):
        descent.run_epoch(epoch)
        if checkpoint is not None:
            _keep(checkpoint, descent, epoch + 1)
        if stop is not None and stop(descent.network):
            break
    return network.eval()


def fine_tune(
    network: Network,
    data: Split,
    settings: FineTuning,
    *,
    seed: int,
    loss: Loss = functional.cross_entropy,
    progress: Progress | None = None,
) -> Network:
    """Return a fine-tuned copy of a compressed network, in evaluation mode; weights that are zero stay exactly zero.

    Parameters and errors are those of `train`; ``loss`` takes the place of the cross entropy.
    """
    network = copy.deepcopy(network)
    frozen = [] if settings.convolutions else [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for layer in frozen:
        layer.requires_grad_(False)
    descent = _Descent(network, data, settings, seed, zeros=_zeros(network), loss=loss, progress=progress)
    for epoch in range(settings.epochs):
        descent.run_epoch(epoch)
    return network.requires_grad_(True).eval()


def _zeros(network: Network) -> dict[nn.Parameter, torch.Tensor]:
    """Masks of what was pruned: the zeros, biases included, of every layer with a zero weight."""
    pruned = [layer for layer in weighted_layers(network).values() if (layer.weight == 0).any()]
    return {parameter: parameter.detach() == 0 for layer in pruned for parameter in layer.parameters()}


@dataclass
class _Descent:
    """A network in training, with everything that changes from step to step."""

    network: Network
    data: Split
    settings: Training
    seed: int
    zeros: Mapping[nn.Parameter, torch.Tensor] = field(default_factory=dict)
    loss: Loss = functional.cross_entropy
    progress: Progress | None = None

    def __post_init__(self) -> None:
        layers = weighted_layers(self.network)
        for name, _ in self.settings.l2:
            if name not in layers:
                raise InputError(f"l2 names the layer '{name}'; the network has {', '.join(layers)}.")
        if coded := [name for name, layer in layers.items() if is_quantised(layer)]:
            raise InputError(f"{', '.join(coded)}: quantised weights cannot be trained; quantise after fine-tuning.")
        self.penalties = [(layers[name].weight, strength) for name, strength in self.settings.l2]
        for module in self.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 1 - self.settings.keep
        self.parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[self.settings.optimiser]
        self.optimiser: torch.optim.Optimizer = kind(self.parameters, lr=self.settings.learning_rate)
        self.images, self.y_true = torch.tensor(self.data.images), torch.tensor(self.data.y_true, dtype=torch.long)
        self.steps_per_epoch = math.ceil(len(self.data) / self.settings.batch)
        self.autocast = self.settings.bfloat16 and _has_bfloat16()

    def run_epoch(self, epoch: int) -> None:
        """Show every image once, in an order drawn for this epoch."""
        self.network.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(self.seed, "dropout", epoch))  # Dropout knows only the global generator.
            rng = torch.Generator().manual_seed(derived_seed(self.seed, "images", epoch))
            order = torch.randperm(len(self.data), generator=rng)
            for index in range(self.steps_per_epoch):
                samples = order[index * self.settings.batch : (index + 1) * self.settings.batch]
                step = epoch * self.steps_per_epoch + index
                # Not `index_select`: it lays images out differently, which changes the last bits of convolutions.
                images = self.network.augment(self.images[samples], rng)
                loss = self._step(step, images, self.y_true[samples])
                if index % STEPS_BETWEEN_REPORTS == 0 or index == self.steps_per_epoch - 1:
                    self._report(epoch, step + 1, loss.item())

    def _step(self, step: int, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        rate = self.settings.learning_rate * self.settings.decay ** (step // self.settings.decay_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.autocast):
            logits = self.network(images)
        loss = self.loss(logits.float(), labels)
        for weight, strength in self.penalties:
            loss = loss + 0.5 * strength * weight.square().sum()
        for parameter in self.parameters:
            parameter.grad = None  # As `zero_grad`, without its profiler hooks, which slow small networks down.
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter, zeros in self.zeros.items():
            if parameter.grad is not None:
                parameter.grad.masked_fill_(zeros, 0.0)  # No gradient, no momentum, no step: zero stays zero.
        self.optimiser.step()
        return loss.detach()

    def _report(self, epoch: int, steps: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise EvoEnsythError(f"training diverged in epoch {epoch + 1} (loss {loss}); use a lower learning rate.")
        if self.progress is not None:
            epochs = self.settings.epochs
            self.progress(steps, epochs * self.steps_per_epoch, f"epoch {epoch + 1} of {epochs}, loss {loss:.3f}")


def _has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16 natively; otherwise bfloat16 is slower than float32."""
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _keep(path: Path, descent: _Descent, epochs_done: int) -> None:
    """Write weights and optimiser state as one safetensors file, whose header identifies the training."""
    state = descent.optimiser.state_dict()["state"]
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
    descent.optimiser.load_state_dict({**descent.optimiser.state_dict(), "state": state})
    return int(about["epochs_done"])


def _signature(descent: _Descent) -> str:
    return f"{descent.settings} seed={descent.seed} samples={len(descent.data)}"
