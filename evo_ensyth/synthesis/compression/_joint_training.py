"""Partners of one parent, trained together on a loss that rewards diversity."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch.nn import functional
from torch.nn.utils import parametrize

from evo_ensyth.synthesis.compression import CompressionInputs, Variant
from evo_ensyth.synthesis.compression._learned_steps import learning_steps, settled
from evo_ensyth.synthesis.descent import fine_tune
from evo_ensyth.synthesis.layer_surgery import quantised_bits
from evo_ensyth.synthesis.network import Network, quantisable_layers
from evo_ensyth.synthesis.training import FineTuning
from evo_ensyth.synthesis.trees import Tree

JITTER = 1e-3  # keeps the determinant of partners that agree above zero


class JointNetwork(Network):
    """A teacher, which is not trained, and partners; returns the logits of them all.

    Inputs of n samples give logits (n_samples, 1 + n_partners, n_classes), the teacher's first.
    """

    def __init__(self, teacher: Network, partners: Sequence[Network]) -> None:
        super().__init__()
        self.preparation = teacher.preparation
        self.teacher = copy.deepcopy(teacher).requires_grad_(False)
        for place, partner in enumerate(partners):
            self.add_module(f"partner{place}", partner)

    def forward(self, inputs: Tree) -> torch.Tensor:
        """Logits of every network."""
        return torch.stack([network(inputs) for network in self.children()], dim=1)

    def prepare(self, stored: Tree) -> Tree:
        """Inputs as all of them see them when they predict."""
        return self.teacher.prepare(stored)

    def augment(self, stored: Tree, rng: torch.Generator) -> Tree:
        """Inputs as all of them see them in training."""
        return self.teacher.augment(stored, rng)

    def example(self) -> Tree:
        """Inputs of one sample."""
        return self.teacher.example()

    def train(self, mode: bool = True) -> Self:
        """Set the partners' mode; the teacher stays in evaluation mode."""
        super().train(mode)
        self.get_submodule("teacher").eval()
        return self

    def partner(self, place: int) -> Network:
        """Return one of the partners."""
        partner = self.get_submodule(f"partner{place}")
        assert isinstance(partner, Network)
        return partner


def joint_loss(
    logits: torch.Tensor, labels: torch.Tensor, *, diversity: str, strength: float, own: float, teacher: float
) -> torch.Tensor:
    """Cross entropy of the mean and of each partner, plus divergence of each from the teacher, minus a diversity term.

    With probabilities p_i of k partners, their mean p and the teacher's t, the mean over samples of
    CE(p, y) + own mean_i CE(p_i, y) + teacher mean_i KL(t || p_i) - strength D. For ``alone``, the middle two terms.

    Parameters
    ----------
    logits : float, (n_samples, 1 + k, n_classes)
        The teacher's first.
    labels : int64, (n_samples,)
    diversity : str
        Name of D, or one of `hce_style.CONTROLS`.
    strength, own, teacher : float
    """
    taught = logits[:, 0].log_softmax(dim=1)[:, None]
    logs = logits[:, 1:].log_softmax(dim=2)
    divergence = (taught.exp() * (taught - logs)).sum(dim=2)
    apart = own * _surprise(logs, labels).mean() + teacher * divergence.mean()
    if diversity == "alone":
        return apart
    mean = logs.logsumexp(dim=1) - math.log(logs.shape[1])
    joint = functional.nll_loss(mean, labels) + apart
    return joint - strength * TERMS[diversity](logs, labels) if diversity in TERMS else joint


def separate_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum of the partners' cross entropies, which trains each as if by itself; parameters as in `joint_loss`."""
    return _surprise(logits[:, 1:].log_softmax(dim=2), labels).sum(dim=1).mean()


def variance(logs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over samples and partners of ||p_i - p||^2, from log probabilities (n_samples, k, n_classes)."""
    probabilities = logs.exp()
    return (probabilities - probabilities.mean(dim=1, keepdim=True)).square().sum(dim=2).mean()


def log_determinant(logs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over samples of log det U^T U, where u_i is p_i without the true class, scaled to length 1.

    It is 0 where they are orthogonal. A small number on the diagonal keeps it finite where they agree.
    """
    right = functional.one_hot(labels, logs.shape[2])[:, None].bool()
    wrong = functional.normalize(logs.masked_fill(right, -torch.inf).softmax(dim=2), dim=2)
    products = wrong @ wrong.transpose(1, 2)
    identity = torch.eye(products.shape[1], dtype=products.dtype, device=products.device)
    logarithms: torch.Tensor = torch.linalg.slogdet((products + JITTER * identity) / (1 + JITTER)).logabsdet
    return logarithms.mean()


def hard_samples(logs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Minus the mean of the partners' cross entropies, weighted by the share of the other partners that are wrong."""
    misled = (logs.argmax(dim=2) != labels[:, None]).to(logs.dtype)
    others = (misled.sum(dim=1, keepdim=True) - misled) / max(1, logs.shape[1] - 1)
    return -(others * _surprise(logs, labels)).mean()


TERMS = {"variance": variance, "log_determinant": log_determinant, "hard_samples": hard_samples}


def _surprise(logs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy of every sample and partner, (n_samples, k)."""
    return -logs.gather(2, labels[:, None, None].expand(-1, logs.shape[1], 1))[:, :, 0]


def trainable(parent: Network, variant: Variant) -> Network:
    """Return a partner in the form in which it is trained: pruned, or with weights that are rounded on the way."""
    assert isinstance(variant.model, Network)
    found = {name: quantised_bits(layer) for name, (layer, _) in quantisable_layers(variant.model).items()}
    bits = {name: count for name, count in found.items() if count is not None}
    return learning_steps(parent, bits) if bits else copy.deepcopy(variant.model)


def tuned(
    network: JointNetwork,
    inputs: CompressionInputs,
    settings: FineTuning,
    seed: int,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> JointNetwork:
    """Return a fine-tuned copy, with the teacher still frozen."""
    result = fine_tune(network, inputs.train, settings, seed=seed, device=inputs.device, loss=loss)
    assert isinstance(result, JointNetwork)
    result.get_submodule("teacher").requires_grad_(False)  # Fine-tuning unfreezes all parameters at its end.
    return result


def settled_partner(trained: Callable[[], JointNetwork], place: int, parent: Network) -> Network:
    """Return one partner in its stored form."""
    partner = trained().partner(place)
    rounds = any(parametrize.is_parametrized(layer) for layer, _ in quantisable_layers(partner).values())
    return settled(partner, parent) if rounds else partner
