"""Gradient descent: training a parent, and fine-tuning a compressed copy of it under the mask of its zeros.

Settings follow the public code of Net-Trim, from which EnSyth's networks come: Adam at 0.001 for a parent, plain
gradient descent at 0.01 for fine-tuning, the rate times 0.98 every 500 steps, L2 terms 0.5 lambda ||W||^2 in the loss
(so that with Adam they are part of the gradient it rescales), without biases.

On one machine, with one number of threads, a seed fixes every bit of the result: what an epoch draws depends on the
seed and the epoch's number alone.
"""

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from evo_ensyth.synthesis.networks import Network, weighted_layers

Progress = Callable[[int, int, str], None]
"""Told what is done, of how much (0 while that is not known), and what is going on."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Mean loss over a batch, of what a network answers in float32 and the labels, (n_samples,)."""

STEPS_BETWEEN_REPORTS = 25
OPTIMISERS = ("adam", "sgd")


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to descend.

    Attributes
    ----------
    epochs, batch : int
    optimiser : str
        ``adam`` or ``sgd``.
    learning_rate : float
        At the first step.
    decay : float
    decay_steps : int
        The rate is multiplied by ``decay`` after every ``decay_steps`` steps.
    l2 : tuple of (str, float)
        Names of layers and the lambda of each.
    keep : float
        Probability that dropout keeps an input of a dense layer.
    bfloat16 : bool
        Compute layers in bfloat16 where the processor can; weights and loss stay float32.

    Raises
    ------
    InputError
        A setting out of its range.
    """

    epochs: int
    batch: int = 100
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    decay: float = 0.98
    decay_steps: int = 500
    l2: tuple[tuple[str, float], ...] = ()
    keep: float = 1.0
    bfloat16: bool = False

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch", 1), ("decay_steps", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be {least} or more.")
        if self.optimiser not in OPTIMISERS:
            raise InputError(f"optimiser is '{self.optimiser}'; there is {', '.join(OPTIMISERS)}.")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}; it must be a positive number.")
        for name in ("keep", "decay"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0 and at most 1.")


@dataclass(frozen=True, kw_only=True)
class FineTuning(Training):
    """How to descend from a compressed copy, and what members made this way are called.

    Attributes
    ----------
    name : str
        Ends the name of a member.
    convolutions : bool
        Whether they are trained too. If not, members keep the convolutions that their method left them, bit for bit.
        Of a method that leaves those of the parent alone, as Net-Trim does, all members share this trunk, and an
        ensemble pays for it once. A method that prunes, drops or quantises convolutions leaves each variant its own.
    """

    name: str
    optimiser: str = "sgd"
    learning_rate: float = 0.01
    convolutions: bool = True


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
        Left as it is.
    data : Split
    settings : Training
    seed : int
    checkpoint : Path, optional
        Written after every epoch, and where training goes on if it is there: with the same result as in one go.
    stop : function of the network, optional
        Asked after every epoch whether that was the last one.
    progress : callable, optional

    Raises
    ------
    InputError
        The checkpoint belongs to other settings, ``l2`` names no layer, or the network is quantised.
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
    """Return a fine-tuned copy of a compressed network, in evaluation mode; what is zero in it stays exactly zero.

    Parameters and errors as in `train`.
    """
    network = copy.deepcopy(network)
    frozen = [] if settings.convolutions else [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for layer in frozen:
        layer.requires_grad_(False)
    descent = _Descent(network, data, settings, seed, zeros=_zeros(network), loss=loss, progress=progress)
    for epoch in range(settings.epochs):
        descent.run_epoch(epoch)
    return network.requires_grad_(True).eval()


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Compute with so many threads and with algorithms that always give the same bits; afterwards as before."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])


def derived_seed(seed: int, *what: str | int) -> int:
    """Seed for one purpose out of many, which does not depend on what else is drawn, or in what order."""
    digest = hashlib.sha256(repr((seed, *what)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes 63 bits.


def _zeros(network: Network) -> dict[nn.Parameter, torch.Tensor]:
    """Mark what was pruned: the zeros, biases included, of every layer that has a zero weight."""
    pruned = [layer for layer in weighted_layers(network).values() if (layer.weight == 0).any()]
    return {parameter: parameter.detach() == 0 for layer in pruned for parameter in layer.parameters()}


@dataclass
class _Descent:
    """A network on its way down: everything that changes between two steps is here."""

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
        """Show every image once, in an order of this epoch's own."""
        self.network.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(self.seed, "dropout", epoch))  # Dropout knows only the global generator.
            rng = torch.Generator().manual_seed(derived_seed(self.seed, "images", epoch))
            order = torch.randperm(len(self.data), generator=rng)
            for index in range(self.steps_per_epoch):
                samples = order[index * self.settings.batch : (index + 1) * self.settings.batch]
                step = epoch * self.steps_per_epoch + index
                # Not `index_select`: it lays images out in another way, and convolutions then have other last bits.
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
            parameter.grad = None  # What `zero_grad` does, without what it notes for profilers: small networks feel it.
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter, zeros in self.zeros.items():
            if parameter.grad is not None:
                parameter.grad.masked_fill_(zeros, 0.0)  # No gradient, no momentum, no step: zero stays zero.
        self.optimiser.step()
        return loss.detach()

    def _report(self, epoch: int, steps: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise EvoEnsythError(f"training diverged in epoch {epoch + 1} (loss {loss}); take a lower learning rate.")
        if self.progress is not None:
            epochs = self.settings.epochs
            self.progress(steps, epochs * self.steps_per_epoch, f"epoch {epoch + 1} of {epochs}, loss {loss:.3f}")


def _has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16 itself; where it does not, bfloat16 is slower than float32."""
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _keep(path: Path, descent: _Descent, epochs_done: int) -> None:
    """Write weights and the optimiser's state as one safetensors file, whose header says what they belong to."""
    state = descent.optimiser.state_dict()["state"]
    tensors = {f"network.{name}": tensor for name, tensor in descent.network.state_dict().items()}
    tensors |= {f"optimiser.{index}.{key}": value for index, kept in state.items() for key, value in kept.items()}
    write_whole(path, save(tensors, metadata={"epochs_done": str(epochs_done), "settings": _signature(descent)}))


def _resumed(path: Path, descent: _Descent) -> int:
    """Epochs that a checkpoint has behind it, put back into the descent; 0 if there is none."""
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (the file is no mapping)
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
