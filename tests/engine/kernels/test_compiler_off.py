"""Kernels answer the same without the compiler, in Python."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from oracles import votes as naive

from evo_ensyth.engine import Ballots, BitPlanes, Diversity, PluralityVotes
from evo_ensyth.engine.kernels.counting import count_errors
from evo_ensyth.engine.kernels.predictions import fill_predictions
from evo_ensyth.engine.second_sums import SecondSum
from evo_ensyth.pool import Scores, Votes
from evo_ensyth.selection.dominance import not_covered
from evo_ensyth.selection.exact.pairwise_margins import LAST, PairwiseMargins, Subtree
from evo_ensyth.selection.exact.tree_search import TreeSearch
from evo_ensyth.selection.selectors.evolutionary._breeding import breed
from evo_ensyth.selection.selectors.evolutionary._metropolis_kernel import metropolis_walk


def answers() -> dict[str, list]:
    """What the kernels say of a small pool."""
    n_members, n_classes = 18, 4
    rng = np.random.default_rng(0)
    y_pred, y_true = naive.random_votes(rng, n_members, 90, n_classes, 0.35)
    votes = Votes(y_pred, y_true, n_classes, "search")
    subsets = rng.random((6, n_members)) < 0.4
    subsets[:, 3] = True
    planes = BitPlanes.of(votes)
    values = rng.integers(0, 9, (n_members, 90, n_classes)) / 8
    scores = Scores(values, y_true, "search")
    half = Votes(y_pred, y_true, n_classes, "search", lambda: scores)
    ballots = Ballots.of(half, np.full(n_members, 0.5), np.full(n_members, 0.5), np.linspace(1, 3, n_members))
    flips = subsets[:1] ^ np.eye(n_members, dtype=bool)[:4]
    predictions = np.empty((6, 90), votes.y_pred.dtype)
    fill_predictions(votes.y_pred, subsets, n_classes, 0, votes.n_samples, predictions)
    tied = PluralityVotes.of(votes, planes, SecondSum(np.arange(n_members) % 5))
    found = {
        "words": planes.words,
        "errors": planes.errors(subsets),
        "errors by class": planes.errors_by(y_true.astype(np.int64), n_classes, subsets),
        "margins": planes.margin_counts(subsets),
        "losses": planes.neighbour_losses(subsets[0], np.arange(4), lambda size: np.arange(2 * n_members + 1) * size),
        "smoothed losses": planes.smoothed_losses(subsets),
        "errors without ties": tied.errors(subsets),
        "neighbours without ties": tied.neighbour_errors(subsets[0]),
        "swaps without ties": tied.swap_errors(subsets[0]),
        "predictions without ties": tied.predictions(subsets),
        "neighbours": planes.neighbour_errors(subsets[0]),
        "swaps": planes.swap_errors(subsets[0]),
        "multisets": planes.multiset_errors(2 * subsets + 1),
        "predictions": predictions,
        "pairs": Diversity.of(votes).likeness("kohavi_wolpert", subsets),
        "ballots": ballots.units.ballots,
        "errors of ballots": ballots.errors(subsets),
        "errors of ballots by class": ballots.errors_by(y_true.astype(np.int64), n_classes, subsets),
        "predictions of ballots": ballots.predictions(subsets),
        "smoothed": ballots.smoothed_losses(subsets),
        "smoothed neighbours": ballots.smoothed_losses(flips, around=subsets[0]),
        "spherical": ballots.spherical_losses(subsets),
        "spherical neighbours": ballots.spherical_losses(flips, around=subsets[0]),
        "Brier of ballots": ballots.brier_losses(subsets),
        "neighbours of ballots": ballots.neighbour_errors(subsets[0]),
        "swaps of ballots": ballots.swap_errors(subsets[0]),
        "outcomes of ballots": np.concatenate([np.array(one) for one in ballots.outcomes(subsets)], axis=1),
        "dominance": not_covered(rng.random((3, 2)), rng.random((9, 2))),
    }
    subset, lowest, reached = subsets[1].copy(), np.full(n_members, 91), np.zeros((n_members, n_members), bool)
    penalty = np.where(np.arange(n_members + 1) > 0, 0.0, np.inf)
    laid_out = (planes.words, planes.ties, planes.leads, planes.first_slot, planes.closest, planes.lost, 90)
    metropolis_walk(*laid_out, subset, penalty, 0.01, rng.random(40), np.inf, lowest, reached)
    found |= {"walk": subset, "walk's lowest": lowest}
    population, children = np.arange(1, 9, dtype=np.uint64)[:, None], np.zeros((20, 1), np.uint64)
    young, old, flips = np.zeros((64, 2), np.uint64), np.zeros((64, 2), np.uint64), np.array([2**63], np.uint64)
    ranks, queue = np.arange(8), np.arange(8)
    parents = (population, ranks, rng.random(8), np.uint64(2**63), flips, n_members, young, old, 10)
    breed(np.array([5], np.uint64), queue, np.array([8]), *parents, children)
    found["children"] = children
    margins, limits = PairwiseMargins(votes), np.full(n_members + 1, 91)
    last = Subtree(1, 1, n_members - LAST)
    for name, part, sizes in (("one size", Subtree(0, 0, 10), range(3, 4)), ("several", last, range(14, 17))):
        search = margins.search(part, sizes, limits)
        found[name] = np.array([[best.errors, *np.flatnonzero(best.subset)[:3]] for best in search.better])
    tree = TreeSearch(votes, margins, 3)
    (triples,) = tree.subtrees(range(3, 4), 10**9)
    (best,) = tree.search(triples, range(3, 4), limits).better
    found["by a tree"] = np.array([best.errors, *np.flatnonzero(best.subset)])
    return {name: np.asarray(values).tolist() for name, values in found.items()}


@pytest.mark.skipif(isinstance(count_errors, type(naive.errors)), reason="the compiler is off here too")
def test_kernels_answer_the_same_with_the_compiler_off():
    process = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        capture_output=True,
        text=True,
    )
    compiled, python = answers(), json.loads(process.stdout)
    assert python.keys() == compiled.keys()
    for name, values in compiled.items():
        assert python[name] == values, name


if __name__ == "__main__":
    print(json.dumps(answers()))
