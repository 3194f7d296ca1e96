"""Settings of gradient descent: how a parent is trained, and how a compressed copy of it is fine-tuned.

They follow the public code of Net-Trim, from which EnSyth's networks come: Adam at 0.001 for a parent, plain gradient
descent at 0.01 for fine-tuning, the rate multiplied by 0.98 every 500 steps. `descent` does the computing.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.settings import LATER

if TYPE_CHECKING:
    import torch
    from torch import nn

OPTIMISERS = ("adam", "sgd")


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained.

    Attributes
    ----------
    epochs, batch : int
    optimiser : str or callable
        ``adam`` or ``sgd``; or a function of parameters that returns a torch optimiser, whose rate stays as it is.
    learning_rate : float
        At the first step.
    decay : float
    decay_steps : int
        The rate is multiplied by ``decay`` after every ``decay_steps`` steps.
    l2 : tuple of (str, float)
        Layer names, each with the lambda of its L2 term.
    keep : float
        Probability that dropout keeps an input of a dense layer. At 1, a module of your own keeps its dropout as it is.
    bfloat16 : bool
        Compute layers in bfloat16 where the processor supports it; weights and loss stay float32.
    loss : callable, optional
        Mean loss over a batch, given logits in float32 and true labels, (n_samples,); by default the cross entropy.

    Raises
    ------
    InputError
        A setting is out of its range.
    """

    epochs: int
    batch: int = 100
    optimiser: "str | Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]" = "adam"
    learning_rate: float = 1e-3
    decay: float = 0.98
    decay_steps: int = 500
    l2: tuple[tuple[str, float], ...] = ()
    keep: float = 1.0
    bfloat16: bool = False
    loss: "Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None" = field(
        default=None, metadata=LATER, repr=False
    )

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch", 1), ("decay_steps", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be {least} or more.")
        if not callable(self.optimiser) and self.optimiser not in OPTIMISERS:
            raise InputError(f"optimiser is '{self.optimiser}'; there is {', '.join(OPTIMISERS)}, or a function.")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}; it must be a positive number.")
        for name in ("keep", "decay"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0 and at most 1.")


@dataclass(frozen=True, kw_only=True)
class FineTuning(Training):
    """How a compressed copy is trained further, and how the members made this way are named.

    Attributes
    ----------
    name : str
        Ends the name of a member.
    convolutions : bool
        Whether convolutions are trained too. If not, members keep the convolutions that their method produced, bit for
        bit. A method that leaves the parent's convolutions alone, such as Net-Trim, then gives members that share this
        trunk, and an ensemble pays for it once. A method that changes convolutions gives every variant its own.
    stack : int
        Variants of one method that are trained together, in one step, at most: those of one trunk. Each keeps its
        own seed and zeros, so that it is trained as it would be alone, but for rounding.

    Raises
    ------
    InputError
        A setting is out of its range, or there is a stack without frozen convolutions.
    """

    name: str
    optimiser: "str | Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]" = "sgd"
    learning_rate: float = 0.01
    convolutions: bool = True
    stack: int = field(default=1, metadata=LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stack < 1:
            raise InputError(f"stack is {self.stack}; it must be 1 or more.")
        if self.stack > 1 and self.convolutions:
            raise InputError(
                f"stack is {self.stack}, but only members that share their convolutions are trained together; add "
                "convolutions=False."
            )


@dataclass(frozen=True, kw_only=True)
class OwnFineTuning(FineTuning):
    """A fine-tuning by a loop of your own.

    Attributes
    ----------
    name : str
    fine_tune : callable
        Takes the module, in training mode, and the training samples as a torch ``Dataset``, and trains the module in
        place. Its pruned weights are parametrised, so that they stay zero; global generators are seeded. The samples
        are those of your own ``Dataset``, or pairs of sample and label.
    convolutions, stack
        Have no effect: the loop decides what is trained.
    """

    fine_tune: "Callable[[nn.Module, Any], Any]"
    epochs: int = 0
