"""Steps of walks from subset to subset, by loops."""

import numpy as np

from evo_ensyth.pool.labels import signed_labels
from oracles import votes as naive


def flip_errors(votes, subset, movers):
    """Errors of the subsets that differ in one of the movers, by mover; empty subsets have none."""
    neighbours = {member: naive.flips(subset)[member] for member in movers}
    return {
        member: naive.errors(neighbour, votes.y_pred, votes.y_true, votes.n_classes)
        for member, neighbour in neighbours.items()
        if neighbour.any()
    }


def tabu_errors(votes, subset, joins, resting):
    """Fewest errors that a member who joins, or leaves, can reach; if all of them rest, none does."""
    movers = np.flatnonzero(subset != joins).tolist()
    awake = [member for member in movers if member not in resting]
    return min(flip_errors(votes, subset, awake or movers).values())


def pareto_pruning_flip(votes, subset, untouched):
    """Member that a walk of Pareto ensemble pruning flips: fewest errors, then fewest members, then the first."""
    errors = flip_errors(votes, subset, untouched)
    return min(errors, key=lambda member: (errors[member], -int(subset[member]), member))


def metropolis_walk(votes, subset, penalty, temperature, chances, *, rest, hopeless_above):
    """Where a walk ends, the best of each size, mean deviation, neighbours counted, and whether any was hopeless.

    All members move again after ``rest`` steps; until then, who is more than ``hopeless_above`` temperatures above
    the best stays where it is.
    """
    n, labels = votes.n_samples, signed_labels(votes.y_pred, votes.n_classes)
    best, deviations, counted, hopeless_ever = {}, [], 0, False
    for step, chance in enumerate(chances):
        if step % rest == 0:
            movers = list(range(len(subset)))
        counted += len(movers)
        flips = naive.flips(subset)
        neighbours = {i: flips[i] for i in movers}
        errors = {
            i: naive.errors(one, labels, votes.y_true, votes.n_classes) / n if one.any() else np.inf
            for i, one in neighbours.items()
        }
        for i, one in neighbours.items():
            if np.isfinite(penalty[one.sum()]) and errors[i] < best.get(one.sum(), (2.0,))[0]:
                best[one.sum()] = errors[i], one
        if step % rest == 0:
            leaving = [errors[i] for i in movers if subset[i]]
            deviations.append(np.std(leaving) if len(leaving) > 1 else 0.0)
        penalised = np.array([errors[i] + penalty[neighbours[i].sum()] for i in movers])
        weights = np.exp((penalised.min() - penalised) / temperature)
        chosen = movers[np.count_nonzero(np.cumsum(weights) / weights.sum() < chance)]
        fewest = {kind: min([errors[i] for i in movers if subset[i] == kind], default=0.0) for kind in (False, True)}
        hopeless = {i for i in movers if errors[i] > fewest[bool(subset[i])] + hopeless_above * temperature}
        hopeless -= {chosen}
        hopeless_ever |= len(hopeless) > 0
        movers = [i for i in movers if i not in hopeless]
        subset = neighbours[chosen]
    return subset, best, np.mean(deviations), counted, hopeless_ever


def moves_to_a_tie(votes, loses, most):
    """Largest power of two below ``most`` that is less than the fewest moves that can change who wins.

    ``votes`` begins with those of the truth; ``loses`` says to which classes the truth loses a tie.
    """
    ahead = votes[0] - votes[1:] - loses[1:]  # below 0: this class beats the truth
    is_wrong = (ahead < 0).any()
    # the worst that k moves can do: against the truth if it leads, for it if it is beaten
    lasting = np.min(ahead) + 1 if not is_wrong else -np.min(ahead)
    moves = 1
    while moves * 2 < lasting and moves * 2 < most:
        moves *= 2
    return moves
