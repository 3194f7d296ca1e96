"""Weights of a vote, in loops."""

import math


def samme_weights(votes, rounds):
    """SAMME as the paper writes it, in loops: the sum of each member's votes."""
    n, k = votes.n_samples, votes.n_classes
    heavy, total = [1 / n] * n, [0.0] * votes.n_members
    for _ in range(rounds):
        errors = []
        for member in votes.y_pred:
            lost = sum(h for h, a, y in zip(heavy, member, votes.y_true, strict=True) if a != y)
            errors.append(lost / sum(heavy))
        best = errors.index(min(errors))
        if errors[best] >= 1 - 1 / k:
            break
        alpha = math.log((1 - errors[best]) / errors[best]) + math.log(k - 1)
        total[best] += alpha
        heavy = [
            h * math.exp(alpha * (a != y)) for h, a, y in zip(heavy, votes.y_pred[best], votes.y_true, strict=True)
        ]
    return total
