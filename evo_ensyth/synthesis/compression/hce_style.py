"""HCE-style: pruned and quantised copies of one parent, trained together so that their errors differ.

In the style of Zhang, Yang, Li, "HCE: Improving Performance and Efficiency with Heterogeneously Compressed Neural
Network Ensemble", arXiv 2301.07794, of which only the abstract was available to us: objective, schedule and settings
are our own, and their results are not HCE's. Among the diversity terms, ``variance`` is negative correlation in the
style of Liu, Yao (Neural Networks 12, 1999), and ``log_determinant`` follows Pang et al. (ICML 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import (
    CompressionInputs,
    Compressor,
    Descents,
    Report,
    Variant,
    Work,
    find,
    silent,
    work_of,
)
from evo_ensyth.synthesis.compression.magnitude import Magnitude
from evo_ensyth.synthesis.compression.quantisation import Quantisation
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import FineTuning

if TYPE_CHECKING:
    from evo_ensyth.synthesis.compression._joint_training import JointNetwork
    from evo_ensyth.synthesis.network import Network

TERMS = ("variance", "log_determinant", "hard_samples")
CONTROLS = ("together", "alone")


@dataclass(frozen=True)
class HceStyle:
    """For each strength one variant per partner, in the order given; training keeps their zeros and numbers of bits.

    Attributes
    ----------
    tuning : FineTuning
        Of all partners together, see `_joint_training.joint_loss`. Without L2.
    partners : tuple of Compressor or str
        Each of their variants is a partner: pruned ones, as by `Magnitude`, and quantised ones, which start from the
        parent's unrounded weights and learn their steps as in `quantisation_aware`. One of each by default; as
        controls, two of one kind.
    diversity : str
        Term in the loss: ``variance``, ``log_determinant`` or ``hard_samples``. Or a control: ``together`` without a
        term, or ``alone``, every partner by itself.
    strengths : tuple of float
        Factors of the term. Without effect on controls.
    warm_up : FineTuning, optional
        Before the joint training, every partner by itself.
    own, teacher : float
        Factors of the partners' own cross entropy, and of their divergence from the parent.

    Raises
    ------
    InputError
        A setting is out of its range.

    Notes
    -----
    The search over the pool decides which strength is best.
    """

    tuning: FineTuning
    partners: tuple[Compressor | str, ...] = (Magnitude((0.8,)), Quantisation((3,)))
    diversity: str = "variance"
    strengths: tuple[float, ...] = (0.1,)
    warm_up: FineTuning | None = None
    own: float = 1.0
    teacher: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "partners", tuple(find(partner) for partner in self.partners))
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
        """Names of the variants, such as ``hce_style-variance-0.1-quantisation-3``."""
        return tuple(f"{training}-{partner}" for training, _ in self._trainings() for partner in self._partners())

    def _methods(self) -> tuple[Compressor, ...]:
        return tuple(find(partner) for partner in self.partners)

    def _partners(self) -> tuple[str, ...]:
        return tuple(name for compressor in self._methods() for name in compressor.names())

    def _trainings(self) -> tuple[tuple[str, float], ...]:
        """Name and strength of each joint training."""
        if self.diversity in CONTROLS:
            return ((f"hce_style-{self.diversity}", 0.0),)
        return tuple((f"hce_style-{self.diversity}-{strength:g}", strength) for strength in self.strengths)

    def work(self, parent: Network, n_calibration: int) -> Work | None:
        """What the partners' methods do, and joint trainings of all partners with the parent."""
        works = [work_of(partner, parent, n_calibration) for partner in self._methods()]
        if any(work is None for work in works):
            return None
        trainings = [(self.tuning, len(self._trainings())), *([] if self.warm_up is None else [(self.warm_up, 1)])]
        n_networks = 1 + len(self._partners())
        joint = [Descents(settings, times, networks=n_networks) for settings, times in trainings]
        return Work((*(part for work in works if work for part in work.descents), *joint))

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield the partners of each strength, trained.

        Raises
        ------
        InputError
            The parent is quantised already.
        """
        from evo_ensyth.synthesis.compression import _joint_training as joint
        from evo_ensyth.synthesis.compression._scratch import made_once

        partners = [
            variant
            for compressor in self._methods()
            for variant in compressor.variants(parent, inputs, seed=seed, scratch=scratch, progress=progress)
        ]

        def warmed_up() -> JointNetwork:
            network = joint.JointNetwork(parent, [joint.trainable(parent, partner) for partner in partners])
            if self.warm_up is None:
                return network
            warm_up_seed = derived_seed(seed, "hce_style-warm_up")
            return joint.tuned(network, inputs, self.warm_up, warm_up_seed, joint.separate_loss)

        def trained(name: str, strength: float, warmed: Callable[[], JointNetwork]) -> JointNetwork:
            loss = partial(
                joint.joint_loss, diversity=self.diversity, strength=strength, own=self.own, teacher=self.teacher
            )
            return joint.tuned(warmed(), inputs, self.tuning, derived_seed(seed, name), loss)

        warmed = cache(warmed_up)
        for training, strength in self._trainings():
            progress(training)
            result = cache(partial(trained, training, strength, warmed))
            for place, partner in enumerate(partners):
                name = f"{training}-{partner.name}"
                model = made_once(scratch, name, parent, partial(joint.settled_partner, result, place, parent))
                origin = {"method": "hce_style", "diversity": self.diversity, "partner": dict(partner.origin)}
                settings = {"strength": strength, "own": self.own, "teacher": self.teacher, "tuning": self.tuning.name}
                yield Variant(name, {**origin, **settings}, model, {"partners": [other.name for other in partners]})
