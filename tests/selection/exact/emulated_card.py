"""Proofs by the kernel for graphics cards, emulated by numba: run it with ``NUMBA_ENABLE_CUDASIM=1``.

Prints, as one JSON document, what the kernel finds; `test_card_search` compares it.
"""

import json

import numpy as np
from oracles.votes import random_votes

from evo_ensyth.pool import Votes
from evo_ensyth.selection.exact import card_search, pairwise_margins, proof, sizes
from evo_ensyth.selection.exact.card_search import CardSearch
from evo_ensyth.selection.exact.pairwise_margins import PairwiseMargins, Subtree
from evo_ensyth.selection.exact.proof import Proof

LIMIT = 21  # errors, below which subsets are asked for
N_ROUNDS = 2  # after which a proof is interrupted
LANES = 2  # so that little has to be emulated; a card has 32, and walks over the last 15 members


def pools() -> dict[str, Votes]:
    """Small pools of 6 members."""

    def drawn(seed, n_samples, n_classes, skill, holes=0.0):
        rng = np.random.default_rng(seed)
        labels, truth = random_votes(rng, 6, n_samples, n_classes, skill)
        return Votes(np.where(rng.random(labels.shape) < holes, -1, labels.astype(int)), truth, n_classes, "search")

    alike = np.zeros((6, 10), int)
    return {
        "many classes": drawn(1, 75, 4, 0.4),
        "ties": drawn(2, 40, 2, 0.5),
        "holes": drawn(3, 40, 3, 0.5, holes=0.3),
        "good members": drawn(4, 60, 3, 0.9),
        "all wrong": Votes(alike, alike[0] + 1, 3, "search"),
    }


def searched(votes: Votes, limit: int | None = None) -> dict[str, object]:
    """What is found in all subsets, as a whole and in a part, below a limit.

    With one last member, nearly all margins are cut.
    """
    search = CardSearch(PairwiseMargins(votes), 1, LANES)
    limits = np.full(7, votes.n_samples + 1 if limit is None else limit)
    parts = [Subtree(0, 0, 0), Subtree(0b110, 2, 3)]
    found = [search.search(part, range(2, 6), limits) for part in parts]
    return {
        "order": search._margins.order.tolist(),
        "found": [[(best.errors, best.subset.tolist()) for best in one.better] for one in found],
        "judged": [one.judged for one in found],
        "covered": [one.covered for one in found],
    }


def proven(interrupted_after: int | None = None) -> dict[str, object]:
    """A proof of all sizes of 7 members in several parts and rounds, interrupted and resumed."""
    card_search.LAST, card_search.LANES, card_search.SUBSETS_OF_A_LAUNCH = 3, LANES, 16
    sizes.LAST = pairwise_margins.LAST = 3
    proof.SMALLEST_PART, proof.ROUND = 16, 2
    votes = Votes(*random_votes(np.random.default_rng(5), 7, 40, 3, 0.6), 3, "search")
    one = Proof(votes, device="cuda")
    found, n = [], 0
    while one.next_pass is not None:
        for better in one.rounds():
            found += better
            n += 1
            if n == interrupted_after:
                limits, state = one.limits, one.state()
                one = Proof(votes, device="cuda")
                one.resume(json.loads(json.dumps(state)))
                one.lower_limits(limits)
                break
    return {
        "limits": one.limits.tolist(),
        "proven": one.proven,
        "state": one.state(),
        "passes": [list(sizes) for sizes in one._passes],
        "n_rounds": n,
        "found": [(best.errors, best.subset.tolist()) for best in found],
    }


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "searched": {name: searched(votes) for name, votes in pools().items()},
                "limited": searched(pools()["many classes"], LIMIT),
                "proven": [proven(), proven(N_ROUNDS)],
            }
        )
    )
