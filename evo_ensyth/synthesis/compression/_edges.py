"""Edges of sparse dense layers: which to remove, and where new ones may be.

Masks, bool, (n_outputs, n_inputs), mark the edges: an edge exists whatever its weight, which is zero when it is new.
"""

import numpy as np


def drawn_edges(vacant: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Mask of ``count`` vacant places drawn at random, all equally likely: bool, like ``vacant``."""
    drawn: np.ndarray = np.zeros(vacant.shape, dtype=bool)
    drawn.flat[rng.choice(np.flatnonzero(vacant), count, replace=False)] = True
    return drawn


def smallest_edges(weights: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    """Mask of the ``count`` edges whose weights are nearest to zero; of equal ones the earlier: bool, like ``mask``."""
    places = np.flatnonzero(mask)
    marked = np.zeros(mask.shape, dtype=bool)
    marked.flat[places[np.argsort(np.abs(weights.flat[places]), kind="stable")[:count]]] = True
    return marked
