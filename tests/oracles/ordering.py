"""Orders in which members join an ensemble, and sets of ensembles that survive, from the formulas in loops."""

import itertools
import math
from fractions import Fraction

import numpy as np

from oracles import diversity
from oracles import votes as naive


def signatures(votes):
    """1 where a member is right, -1 where it is wrong."""
    return [[1 if a == t else -1 for a, t in zip(row, votes.y_true, strict=True)] for row in votes.y_pred]


def _dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def _subset(votes, members):
    return np.isin(np.arange(votes.n_members), members)


def _errors(votes, members):
    return naive.errors(_subset(votes, members), votes.y_pred, votes.y_true, votes.n_classes)


def _outside(votes, members):
    return [i for i in range(votes.n_members) if i not in members]


def orientation_order(votes):
    """Members by their angle to the reference vector, and those of them whose angle is below 90 degrees."""
    c, m = signatures(votes), votes.n_members
    c_ens = [Fraction(sum(column), m) for column in zip(*c, strict=True)]
    slope = -sum(c_ens) / _dot(c_ens, c_ens)
    c_ref = [1 + slope * x for x in c_ens]
    assert _dot(c_ref, c_ens) == 0
    cosines = [_dot(row, c_ref) for row in c]  # times the lengths, which are the same for all
    order = sorted(range(m), key=lambda i: (-cosines[i], votes.member_errors[i], i))
    return order, [i for i in order if cosines[i] > 0]


def margin_distance_order(votes, points):
    """The next member brings the mean signature nearest to the points, by distances in fractions."""
    c, m = signatures(votes), votes.n_members
    order = []
    while len(order) < m:

        def distance(joining):
            mean = [Fraction(sum(c[i][n] for i in [*order, joining]), m) for n in range(votes.n_samples)]
            return sum((p - x) ** 2 for p, x in zip(points, mean, strict=True))

        order.append(min(_outside(votes, order), key=distance))
    return order


def complementarity_order(votes):
    """The next member is right most often where the ensemble is wrong."""
    order = []
    while len(order) < votes.n_members:
        wrong = np.ones(votes.n_samples, bool)
        if order:
            wrong = naive.wrong(_subset(votes, order), votes.y_pred, votes.y_true, votes.n_classes)
        helps = [sum(w and a == t for w, a, t in zip(wrong, row, votes.y_true, strict=True)) for row in votes.y_pred]
        order.append(min(_outside(votes, order), key=lambda i: (-helps[i], votes.member_errors[i])))
    return order


def drep_order(votes, rho):
    """Of the share ``rho`` that differs most from the ensemble, the next member leaves the fewest errors."""
    order = [int(votes.member_errors.argmin())]
    while len(order) < votes.n_members:
        answers = naive.plurality(_subset(votes, order), votes.y_pred, votes.n_classes)
        outside = _outside(votes, order)
        outside.sort(key=lambda i: (sum(a == b for a, b in zip(votes.y_pred[i], answers, strict=True)), i))
        different = outside[: math.ceil(rho * len(outside))]
        order.append(min(sorted(different), key=lambda i: _errors(votes, [*order, i])))
    return order


def back_fitted(votes, max_size, rounds):
    """Members at each size of greedy growth with back-fitting, and how many replacements were looked at."""
    members, settled, looked_at = [], [], 0
    for size in range(1, max_size + 1):
        outside = _outside(votes, members)
        members.append(min(outside, key=lambda i: _errors(votes, [*members, i])))
        looked_at += len(outside) if size > 1 else 0
        for _ in range(rounds if size > 1 else 0):
            before = list(members)
            for place in range(size):
                others = members[:place] + members[place + 1 :]
                outside = _outside(votes, others)
                outside.sort(key=lambda i: (_errors(votes, [*others, i]), i != members[place], i))
                members[place] = outside[0]
                looked_at += len(outside)
            if members == before:
                break
        settled.append(sorted(members))
    return settled, looked_at


def caruana_multisets(votes, rounds):
    """Greedy growth with replacement: the multiset after each round."""
    multiset = np.zeros(votes.n_members, int)
    multiset[votes.member_errors.argmin()] = 1
    multisets = [multiset]
    while len(multisets) < rounds:
        grown = [multiset + (np.arange(votes.n_members) == member) for member in range(votes.n_members)]
        errors = [naive.multiset_errors(each, votes.y_pred, votes.y_true, votes.n_classes) for each in grown]
        own = votes.member_errors
        multiset = grown[min(range(len(grown)), key=lambda i: (errors[i], multiset[i] > 0, own[i], i))]
        multisets.append(multiset)
    return multisets


def kappa_order(votes):
    """Members by the first pair that they are in, pairs of the least kappa first."""
    best_first = sorted(range(votes.n_members), key=lambda i: (votes.member_errors[i], i))
    order = []
    for pair in sorted(itertools.combinations(best_first, 2), key=lambda p: diversity.kappa(*votes.y_pred[list(p)])):
        order += [member for member in pair if member not in order]
    return order


def label_distances(votes):
    """Samples on which two members differ, for every two."""
    return [[sum(x != y for x, y in zip(a, b, strict=True)) for b in votes.y_pred] for a in votes.y_pred]


def distance_to_medoids(distances, medoids):
    """Sum over all members of the distance to the nearest medoid."""
    return sum(min(row[i] for i in medoids) for row in distances)


def best_of_clusters(votes, medoids):
    """The member with the fewest errors of each cluster; no member may be equally near to two medoids."""
    distances = label_distances(votes)
    clusters = {int(i): [] for i in medoids}
    for member in range(votes.n_members):
        ranked = sorted((distances[member][i], i) for i in clusters)
        assert len(ranked) == 1 or ranked[0][0] < ranked[1][0]  # else which cluster is not said
        clusters[ranked[0][1]].append(member)
    return sorted(min(members, key=lambda i: votes.member_errors[i]) for members in clusters.values())


def hierarchy(votes, likeness, beta, max_size):
    """Ensembles that survive hierarchical pruning and those that die, by the rule as it is written."""
    n_members, errors = votes.n_members, votes.member_errors
    place = {member: i for i, member in enumerate(sorted(range(n_members), key=lambda i: (errors[i], i)))}
    survivors, dead = {frozenset([i]) for i in range(n_members)}, set()
    for size in range(2, max_size + 1):
        teams = (frozenset(team) for team in itertools.combinations(range(n_members), size))
        alive = [team for team in teams if not any(gone <= team for gone in dead)]
        # least diverse first; then more errors first; then the one with the worst members
        key = {t: (likeness(t), sum(errors[i] for i in t), sorted(place[i] for i in t)) for t in alive}
        dying = sorted(alive, key=key.get, reverse=True)[: int(beta * len(alive))]
        dead |= set(dying)
        survivors |= set(alive) - set(dying)
    return survivors, dead


def focal_likeness(votes):
    """Focal generalised diversity of a team with its sign changed, for ``hierarchy``."""

    def likeness(team):
        return -diversity.focal(diversity.generalised_diversity, votes.y_pred[sorted(team)], votes.y_true)

    return likeness
