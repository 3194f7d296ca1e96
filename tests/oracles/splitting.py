"""The split of a file of predictions by its documented rule, sample by sample."""

from collections import Counter

import numpy as np


def stratified(truth: np.ndarray, share: float, seed: int) -> list[int]:
    """Test samples, ascending: shuffled, each class spread evenly over the order, and cut at the share."""
    sizes, seen = Counter(truth.tolist()), Counter()
    places = []
    for place, sample in enumerate(np.random.default_rng(seed).permutation(len(truth)).tolist()):
        of = int(truth[sample])
        places.append(((seen[of] + 0.5) / sizes[of], place, sample))
        seen[of] += 1
    return sorted(sample for _, _, sample in sorted(places)[: round(share * len(truth))])
