"""Quantisation-aware fine-tuning: the network computes with rounded weights while weights and steps are trained.

In the style of Esser, McKinstry, Bablani, Appuswamy, Modha, "Learned Step Size Quantization", ICLR 2020 (arXiv
1902.08153), whose rules were taken from other implementations, not from the paper; gradients pass through the rounding
unchanged (Bengio, Leonard, Courville, arXiv 1308.3432).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import CompressionInputs, Descents, Report, Variant, Work, silent
from evo_ensyth.synthesis.compression.quantisation import Quantisation
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import FineTuning

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network


@dataclass(frozen=True)
class QuantisationAware:
    """One variant per number of bits, in the order given, each fine-tuned under quantisation.

    Attributes
    ----------
    tuning : FineTuning
        Without L2, which would act on the unrounded weights.
    bits : tuple of int
        Of a weight, 2 to 8, as in `Quantisation`.

    Raises
    ------
    InputError
        A setting is out of its range.

    Notes
    -----
    LSQ has one step for each layer and one level more below zero than above; here each output has its own step, and
    levels are symmetric. Steps start from those of least squared error, and their logarithm is trained, which keeps
    them positive and suits any optimiser.
    """

    tuning: FineTuning
    bits: tuple[int, ...] = (4, 3, 2)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", Quantisation(self.bits).bits)
        if self.tuning.l2:
            raise InputError("tuning has l2 terms; quantisation-aware tuning works without.")

    def names(self) -> tuple[str, ...]:
        """Names of the variants, such as ``quantisation_aware-4``."""
        return tuple(f"quantisation_aware-{bits}" for bits in self.bits)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """One fine-tuning for each variant."""
        return Work((Descents(self.tuning, len(self.bits)),))

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per number of bits; zeros of the parent stay zero.

        Raises
        ------
        InputError
            The parent is quantised already.
        """
        from evo_ensyth.synthesis.compression._scratch import made_once
        from evo_ensyth.synthesis.network import quantisable_layers, untied_layers, weight_matrices, weighted_layers

        tied = weighted_layers(parent).keys() - untied_layers(parent).keys()
        others = weight_matrices(parent).keys() - quantisable_layers(parent).keys()
        left = dict.fromkeys(sorted(tied), "its weights are used elsewhere too")
        left |= dict.fromkeys(sorted(others), "it is one of several matrices of its layer")
        for name, bits in zip(self.names(), self.bits, strict=True):
            progress(name)
            learn = partial(self._tuned, parent, bits, inputs, derived_seed(seed, name))
            model = made_once(scratch, name, parent, learn)
            origin = {"method": "quantisation_aware", "bits": bits, "tuning": self.tuning.name}
            yield Variant(name, origin, model, {"left": left} if left else {})

    def _tuned(self, parent: Network, bits: int, inputs: CompressionInputs, seed: int) -> Network:
        from evo_ensyth.synthesis.compression._learned_steps import learning_steps, settled
        from evo_ensyth.synthesis.descent import fine_tune
        from evo_ensyth.synthesis.network import quantisable_layers

        begin = learning_steps(parent, dict.fromkeys(quantisable_layers(parent), bits))
        return settled(fine_tune(begin, inputs.train, self.tuning, seed=seed, device=inputs.device), parent)
