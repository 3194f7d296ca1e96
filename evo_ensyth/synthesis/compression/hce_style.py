"""HCE-style: partners, one pruned and one quantised say, made of one parent and trained together to err differently.

In the style of Zhang, Yang, Li, "HCE: Improving Performance and Efficiency with Heterogeneously Compressed Neural
Network Ensemble", arXiv 2301.07794, of which only the abstract was at hand: objective, schedule and settings are our
own, and no number that comes of them is one of HCE's. Of the diversity terms ``variance`` is negative correlation, in
the style of Liu, Yao (Neural Networks 12, 1999), and ``log_determinant`` in that of Pang et al. (ICML 2019).
"""

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Self

import torch
from torch.nn import functional
from torch.nn.utils import parametrize

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import Compressor, Descents, Material, Told, Variant, Work, silent, work_of
from evo_ensyth.synthesis.compression._scratch import made_once
from evo_ensyth.synthesis.compression.magnitude import Magnitude
from evo_ensyth.synthesis.compression.quantisation import Quantisation
from evo_ensyth.synthesis.compression.quantisation_aware import learning_steps, settled
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.layer_surgery import quantised_bits
from evo_ensyth.synthesis.networks import Network, weighted_layers
from evo_ensyth.synthesis.training import FineTuning, derived_seed, fine_tune

CONTROLS = ("together", "alone")
JITTER = 1e-3  # keeps the determinant of partners that agree above zero


@dataclass(frozen=True)
class HceStyle:
    """For each strength one variant per partner, in the order given; zeros and numbers of bits stay as they were made.

    Attributes
    ----------
    tuning : FineTuning
        Of all partners together, see `joint_loss`. Without L2.
    partners : tuple of Compressor
        Each of their variants is a partner: pruned ones, such as of `Magnitude`, and quantised ones, which begin with
        the parent's weights unrounded and learn their steps as in `quantisation_aware`. One of each by default; for
        pairs of one kind, as controls, two of either.
    diversity : str
        Term in the loss: ``variance``, ``log_determinant`` or ``hard_samples``. Or a control: ``together`` without a
        term, or ``alone``, each partner for itself.
    strengths : tuple of float
        What a term is multiplied by. Without effect on controls.
    warm_up : FineTuning, optional
        Before, every partner for itself.
    own, teacher : float
        What the partners' own cross entropy, and their divergence from the parent, are multiplied by.

    Raises
    ------
    InputError
        A setting out of its range.

    Notes
    -----
    Which strength is best is left to the search over the pool.
    """

    tuning: FineTuning
    partners: tuple[Compressor, ...] = (Magnitude((0.8,)), Quantisation((3,)))
    diversity: str = "variance"
    strengths: tuple[float, ...] = (0.1,)
    warm_up: FineTuning | None = None
    own: float = 1.0
    teacher: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "partners", tuple(self.partners))
        object.__setattr__(self, "strengths", tuple(float(strength) for strength in self.strengths))
        known = (*TERMS, *CONTROLS)
        if self.diversity not in known:
            raise InputError(f"diversity is '{self.diversity}'; there is {', '.join(known)}.")
        if not self.strengths or not all(0 < strength < math.inf for strength in self.strengths):
            raise InputError(f"strengths are {self.strengths}; expected at least one, all above 0.")
        for name in ("own", "teacher"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        names = self._partners()
        if not names or len(set(names)) < len(names):
            raise InputError(f"the partners are called {', '.join(names)}; expected at least one, of different names.")
        if self.tuning.l2 or (self.warm_up is not None and self.warm_up.l2):
            raise InputError("tuning or warm_up has l2 terms; partners are trained without.")

    def names(self) -> tuple[str, ...]:
        """Name variants, such as ``hce_style-variance-0.1-quantisation-3``, or ``hce_style-alone-quantisation-3``."""
        return tuple(f"{way}-{partner}" for way, _ in self._ways() for partner in self._partners())

    def _partners(self) -> tuple[str, ...]:
        return tuple(name for compressor in self.partners for name in compressor.names())

    def _ways(self) -> tuple[tuple[str, float], ...]:
        """Name and strength of each training."""
        if self.diversity in CONTROLS:
            return ((f"hce_style-{self.diversity}", 0.0),)
        return tuple((f"hce_style-{self.diversity}-{strength:g}", strength) for strength in self.strengths)

    def work(self, parent: Network, n_calibration: int) -> Work | None:
        """Tell what it will do: the partners' own, and trainings of all of them beside the parent."""
        works = [work_of(partner, parent, n_calibration) for partner in self.partners]
        if any(work is None for work in works):
            return None
        trainings = [(self.tuning, len(self._ways())), *([] if self.warm_up is None else [(self.warm_up, 1)])]
        n_networks = 1 + len(self._partners())
        together = [Descents(settings, times, networks=n_networks) for settings, times in trainings]
        return Work((*(part for work in works if work for part in work.descents), *together))

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield the partners of each strength, trained.

        Raises
        ------
        InputError
            The parent is quantised already.
        """
        begun = [
            variant
            for compressor in self.partners
            for variant in compressor.variants(parent, material, seed=seed, scratch=scratch, progress=progress)
        ]
        warmed = cache(partial(self._warmed, parent, begun, material.train, derived_seed(seed, "hce_style-warm_up")))
        for way, strength in self._ways():
            progress(way)
            trained = cache(partial(self._trained, warmed, strength, material.train, derived_seed(seed, way)))
            for place, partner in enumerate(begun):
                name = f"{way}-{partner.name}"
                model = made_once(scratch, name, parent, partial(_settled_partner, trained, place, parent))
                origin = {"method": "hce_style", "diversity": self.diversity, "partner": dict(partner.origin)}
                settings = {"strength": strength, "own": self.own, "teacher": self.teacher, "tuning": self.tuning.name}
                yield Variant(name, {**origin, **settings}, model, {"partners": [variant.name for variant in begun]})

    def _warmed(self, parent: Network, begun: Sequence[Variant], data: Split, seed: int) -> "Together":
        together = Together(parent, [_learning(parent, variant) for variant in begun])
        if self.warm_up is None:
            return together
        return _tuned(together, data, self.warm_up, seed, separate_loss)

    def _trained(self, warmed: Callable[[], "Together"], strength: float, data: Split, seed: int) -> "Together":
        loss = partial(joint_loss, diversity=self.diversity, strength=strength, own=self.own, teacher=self.teacher)
        return _tuned(warmed(), data, self.tuning, seed, loss)


class Together(Network):
    """A teacher, which stays as it is, and partners; answers with the logits of them all.

    For images (n_samples, channels, height, width) these are (n_samples, 1 + n_partners, n_classes).
    """

    def __init__(self, teacher: Network, partners: Sequence[Network]) -> None:
        named = [("teacher", copy.deepcopy(teacher).requires_grad_(False))]
        named += [(f"partner{place}", partner) for place, partner in enumerate(partners)]
        super().__init__(OrderedDict(named), teacher.preparation)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Answer, each network by itself."""
        return torch.stack([network(images) for network in self], dim=1)

    def train(self, mode: bool = True) -> Self:
        """Let the partners train, never the teacher."""
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
    """Cross entropy of the mean of the partners, and of each; divergence of each from the teacher; less a diversity.

    With probabilities p_i of k partners, their mean p and the teacher's t, the mean over samples of
    CE(p, y) + own mean_i CE(p_i, y) + teacher mean_i KL(t || p_i) - strength D. For ``alone``, the two in the middle.

    Parameters
    ----------
    logits : float, (n_samples, 1 + k, n_classes)
        The teacher's first.
    labels : int64, (n_samples,)
    diversity : str
        Name of D, or one of `CONTROLS`.
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
    """Sum of the partners' cross entropies, whose gradients are those of each for itself; as in `joint_loss`."""
    return _surprise(logits[:, 1:].log_softmax(dim=2), labels).sum(dim=1).mean()


def variance(logs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over samples and partners of ||p_i - p||^2, from log probabilities (n_samples, k, n_classes)."""
    probabilities = logs.exp()
    return (probabilities - probabilities.mean(dim=1, keepdim=True)).square().sum(dim=2).mean()


def log_determinant(logs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over samples of log det U^T U, u_i being p_i without the right class, brought to length 1.

    It is 0 where they are orthogonal. A little is added to the diagonal, so that it stays finite where they agree.
    """
    right = functional.one_hot(labels, logs.shape[2])[:, None].bool()
    wrong = functional.normalize(logs.masked_fill(right, -torch.inf).softmax(dim=2), dim=2)
    products = wrong @ wrong.transpose(1, 2)
    identity = torch.eye(products.shape[1], dtype=products.dtype)
    logarithms: torch.Tensor = torch.linalg.slogdet((products + JITTER * identity) / (1 + JITTER)).logabsdet
    return logarithms.mean()


def hard_samples(logs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Minus the mean of the partners' cross entropies, weighed by the share of the other partners that are wrong."""
    misled = (logs.argmax(dim=2) != labels[:, None]).to(logs.dtype)
    others = (misled.sum(dim=1, keepdim=True) - misled) / max(1, logs.shape[1] - 1)
    return -(others * _surprise(logs, labels)).mean()


TERMS = {"variance": variance, "log_determinant": log_determinant, "hard_samples": hard_samples}


def _surprise(logs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy of every sample and partner, (n_samples, k)."""
    return -logs.gather(2, labels[:, None, None].expand(-1, logs.shape[1], 1))[:, :, 0]


def _learning(parent: Network, variant: Variant) -> Network:
    """Return a partner as it is trained: pruned, or about to be rounded."""
    assert isinstance(variant.model, Network)
    found = {name: quantised_bits(layer) for name, layer in weighted_layers(variant.model).items()}
    bits = {name: count for name, count in found.items() if count is not None}
    return learning_steps(parent, bits) if bits else copy.deepcopy(variant.model)


def _tuned(
    together: Together,
    data: Split,
    settings: FineTuning,
    seed: int,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> Together:
    tuned = fine_tune(together, data, settings, seed=seed, loss=loss)
    assert isinstance(tuned, Together)
    tuned.get_submodule("teacher").requires_grad_(False)  # What is fine-tuned comes back ready to be trained.
    return tuned


def _settled_partner(trained: Callable[[], Together], place: int, parent: Network) -> Network:
    """Return one partner as it is stored."""
    partner = trained().partner(place)
    rounds = any(parametrize.is_parametrized(layer) for layer in weighted_layers(partner).values())
    return settled(partner, parent) if rounds else partner
