"""How much of their weights that are not zero members of a pool have in common, method by method.

Two numbers for two weight masks: Jaccard, what both have of what either has; and overlap, what both have of what the
smaller one has. Beside each stands what it would be by chance, with as many weights in every layer but anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from evo_ensyth.io.weight_masks import WeightMasks


@dataclass(frozen=True)
class Likeness:
    """Shares, from 0 to 1, averaged over pairs of members.

    Attributes
    ----------
    n_pairs : int
        1 or more.
    jaccard, jaccard_by_chance, overlap, overlap_by_chance : float
    """

    n_pairs: int
    jaccard: float
    jaccard_by_chance: float
    overlap: float
    overlap_by_chance: float


@dataclass(frozen=True)
class WeightMaskFacts:
    """What there is to say of the weight masks of a pool.

    Attributes
    ----------
    between : mapping of (str, str) to Likeness
        Pairs of members of two methods, or of one, where there are such whose weights have the same shapes.
    n_left_out : int
        Pairs that cannot be compared: their weights have unlike shapes, or one of them has only zeros.
    """

    between: dict[tuple[str, str], Likeness]
    n_left_out: int

    @classmethod
    def of(cls, weight_masks: WeightMasks, methods: Sequence[str]) -> "WeightMaskFacts":
        """Average over pairs of members, given the method of each."""
        first, second = np.triu_indices(len(methods), 1)
        values = np.array(
            [
                share(shared)[first, second]
                for share in (weight_masks.jaccard, weight_masks.overlap)
                for shared in (weight_masks.shared, weight_masks.expected)
            ]
        )
        known = np.isfinite(values).all(axis=0)
        names = np.array(methods)
        between = {}
        for one, other in combinations_with_replacement(dict.fromkeys(methods), 2):
            ours = (names[first] == one) & (names[second] == other) | (names[first] == other) & (names[second] == one)
            if (ours & known).any():
                means = values[:, ours & known].mean(axis=1).tolist()
                between[one, other] = Likeness(int((ours & known).sum()), *means)
        return cls(between, int((~known).sum()))

    def with_others(self, method: str) -> Likeness | None:
        """Average over all pairs of which one member is of a method and the other is not, if there are any."""
        parts = [part for pair, part in self.between.items() if method in pair and pair[0] != pair[1]]
        n_pairs = sum(part.n_pairs for part in parts)
        if n_pairs == 0:
            return None
        names = ("jaccard", "jaccard_by_chance", "overlap", "overlap_by_chance")
        means = [sum(part.n_pairs * getattr(part, name) for part in parts) / n_pairs for name in names]
        return Likeness(n_pairs, *means)

    def summary(self) -> dict[str, Any]:
        """All of it as JSON values."""
        pairs = [{"methods": list(methods), **vars(part)} for methods, part in self.between.items()]
        return {"pairs": pairs, "n_pairs_left_out": self.n_left_out}
