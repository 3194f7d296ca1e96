"""Clone and prune: copies of the parent that each keep other weights, drawn as unlike the copies before as can be.

In the style of Whitaker, Whitley, "Prune and Tune Ensembles: Low-Cost Ensemble Learning With Sparse Independent
Subnetworks", AAAI 2022 (arXiv 2202.11782), of which only the abstract was at hand. A mask is anti-random, in the sense
of Malaiya's tests, if its distance from all masks before it is as large as possible.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import Material, Told, Variant, Work, silent
from evo_ensyth.synthesis.networks import Network, weighted_layers
from evo_ensyth.synthesis.training import derived_seed

MASKS = ("anti_random", "random")


@dataclass(frozen=True)
class CloneAndPrune:
    """One variant per clone; weights of all layers are pruned, biases are not. Tuning the clones is the route's part.

    Attributes
    ----------
    n_clones : int
    sparsity : float
        Share of a layer's weights that become zero.
    masks : str
        ``anti_random``: of the weights that fewest clones before it have kept, each keeps as many as it may. At a
        sparsity of a half, clones 1 and 2, 3 and 4, and so on share no weight; at three quarters, four in a row.
        ``random``: whatever the others keep, as a control.

    Raises
    ------
    InputError
        A setting out of its range.
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
        """Name the variants, such as ``clone_and_prune-0.5-1``, or ``clone_and_prune-random-0.5-1``."""
        kind = "" if self.masks == "anti_random" else f"{self.masks}-"
        return tuple(f"clone_and_prune-{kind}{self.sparsity:g}-{clone}" for clone in range(1, self.n_clones + 1))

    def work(self, parent: Network, n_calibration: int) -> Work:
        """Tell what it will do: no training."""
        return Work()

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per clone. Looks at no data; the report tells what a clone shares with those before it."""
        sizes = [layer.weight.numel() for layer in weighted_layers(parent).values()]
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
            for layer, mask in zip(weighted_layers(model).values(), masks, strict=True):
                layer.weight.data.view(-1)[torch.from_numpy(~mask)] = 0
            origin = {"method": "clone_and_prune", "masks": self.masks, "sparsity": self.sparsity, "clone": clone}
            shared = [jaccard(np.concatenate(masks), np.concatenate(before)) for before in earlier]
            yield Variant(name, origin, model, {"jaccard": shared})
            earlier.append(masks)


def farthest_mask(earlier: Sequence[np.ndarray], size: int, n_kept: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one of the masks whose Hamming distances from some others have the largest sum.

    Parameters
    ----------
    earlier : sequence of bool, (size,)
    size, n_kept : int
    rng : Generator

    Returns
    -------
    bool, (size,), of which ``n_kept`` are true
    """
    # The sum is the less, the more masks have kept what this one keeps; nothing else in it depends on the choice.
    times_kept = np.zeros(size, dtype=np.int64)
    for mask in earlier:
        times_kept += mask
    drawn = rng.permutation(size)
    kept = np.zeros(size, dtype=bool)
    kept[drawn[np.argsort(times_kept[drawn], kind="stable")][:n_kept]] = True
    return kept


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Of what either of two masks keeps, the share that both keep."""
    return int((one & other).sum()) / int((one | other).sum())
