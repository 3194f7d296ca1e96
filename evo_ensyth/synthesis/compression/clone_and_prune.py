"""Clone and prune: copies of the parent that keep different weights, each as unlike the earlier ones as possible.

In the style of Whitaker, Whitley, "Prune and Tune Ensembles: Low-Cost Ensemble Learning With Sparse Independent
Subnetworks", AAAI 2022 (arXiv 2202.11782), of which only the abstract was available to us. A mask is anti-random, in
the sense of Malaiya's tests, if its distance from all earlier masks is as large as possible.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import CompressionInputs, Report, Variant, Work, silent
from evo_ensyth.synthesis.reproducibility import derived_seed

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network

MASKS = ("anti_random", "random")


@dataclass(frozen=True)
class CloneAndPrune:
    """One variant per clone; weights of all layers are pruned, biases are not. A route may fine-tune the clones.

    Attributes
    ----------
    n_clones : int
    sparsity : float
        Share of a layer's weights that become zero.
    masks : str
        ``anti_random``: each clone keeps the weights that the fewest earlier clones have kept. At a sparsity of one
        half, clones 1 and 2, 3 and 4, and so on share no weight; at three quarters, four in a row do not.
        ``random``: drawn independently of the others, as a control.

    Raises
    ------
    InputError
        A setting is out of its range.
    """

    n_clones: int = 8
    sparsity: float = 0.5
    masks: str = "anti_random"

    def __post_init__(self) -> None:
        if self.n_clones < 1:
            raise InputError(f"n_clones is {self.n_clones}; it must be 1 or more.")
        if not 0 < self.sparsity < 1:
            raise InputError(f"sparsity is {self.sparsity}; it must lie between 0 and 1.")
        if self.masks not in MASKS:
            raise InputError(f"masks is '{self.masks}'; there is {', '.join(MASKS)}.")

    def names(self) -> tuple[str, ...]:
        """Names of the variants, such as ``clone_and_prune-0.5-1``, or ``clone_and_prune-random-0.5-1``."""
        kind = "" if self.masks == "anti_random" else f"{self.masks}-"
        return tuple(f"clone_and_prune-{kind}{self.sparsity:g}-{clone}" for clone in range(1, self.n_clones + 1))

    def work(self, parent: Network, n_calibration: int) -> Work:
        """No training."""
        return Work()

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per clone. Uses no data; the report holds what a clone shares with the earlier ones."""
        import torch

        from evo_ensyth.synthesis.network import weight_matrices

        sizes = [weight.numel() for weight in weight_matrices(parent).values()]
        earlier: list[list[np.ndarray]] = []
        for clone, name in enumerate(self.names(), start=1):
            progress(name)
            rng = np.random.default_rng(derived_seed(seed, name))
            so_far = earlier if self.masks == "anti_random" else []
            masks = [
                farthest_mask(
                    [before[place] for before in so_far], size, max(1, size - round(self.sparsity * size)), rng
                )
                for place, size in enumerate(sizes)
            ]
            model = copy.deepcopy(parent)
            for weight, mask in zip(weight_matrices(model).values(), masks, strict=True):
                weight.data.masked_fill_(torch.from_numpy(~mask).view(weight.shape), 0)
            origin = {"method": "clone_and_prune", "masks": self.masks, "sparsity": self.sparsity, "clone": clone}
            shared = [jaccard(np.concatenate(masks), np.concatenate(before)) for before in earlier]
            yield Variant(name, origin, model, {"jaccard": shared})
            earlier.append(masks)


def farthest_mask(earlier: Sequence[np.ndarray], size: int, n_kept: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one of the masks with the largest sum of Hamming distances from the earlier ones.

    Parameters
    ----------
    earlier : sequence of bool, (size,)
    size, n_kept : int
    rng : Generator

    Returns
    -------
    bool, (size,)
        Of which ``n_kept`` are true.
    """
    # The sum falls with how often the earlier masks keep what this one keeps; nothing else in it depends on the choice.
    times_kept = np.zeros(size, dtype=np.int64)
    for mask in earlier:
        times_kept += mask
    drawn = rng.permutation(size)
    kept = np.zeros(size, dtype=bool)
    kept[drawn[np.argsort(times_kept[drawn], kind="stable")][:n_kept]] = True
    return kept


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Share of what either of two masks keeps that both keep."""
    return int((one & other).sum()) / int((one | other).sum())
