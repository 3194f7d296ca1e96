"""Compiled survival of NSGA-II: crowding distances, and who survives.

Plain arrays, no checks. All sorts are stable, so ties break alike on every processor.
"""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled, leaf

SHORT = 8  # runs of so many are sorted by insertion


@compiled
def sort_by(numbers, order):
    """Sort ``order``, indices into ``numbers``, by these; equal ones keep their order. Merges ever longer runs."""
    merge_runs(numbers, order, np.empty_like(order))


@leaf
def merge_runs(numbers, order, room):
    """Sort as `sort_by`, with ``room`` as large as ``order`` for merging."""
    for start in range(0, order.size, SHORT):
        for end in range(start + 1, min(start + SHORT, order.size)):
            i, place = order[end], end
            while place > start and numbers[order[place - 1]] > numbers[i]:
                order[place] = order[place - 1]
                place -= 1
            order[place] = i
    run = SHORT
    while run < order.size:
        for start in range(0, order.size, 2 * run):
            middle, end = min(start + run, order.size), min(start + 2 * run, order.size)
            left, right = start, middle
            for place in range(start, end):
                if right == end or (left < middle and numbers[order[left]] <= numbers[order[right]]):
                    room[place] = order[left]
                    left += 1
                else:
                    room[place] = order[right]
                    right += 1
        for place in range(order.size):
            order[place] = room[place]
        run *= 2


@compiled
def group(numbers, order):
    """Sort ``order``, indices into whole numbers from 0 on, by these; equal ones keep their order."""
    begins = np.zeros(numbers.max() + 2, np.int64)
    for i in order:
        begins[numbers[i] + 1] += 1
    for number in range(1, begins.size):
        begins[number] += begins[number - 1]
    grouped = np.empty_like(order)
    for i in order:
        grouped[begins[numbers[i]]] = i
        begins[numbers[i]] += 1
    order[:] = grouped


@leaf
def add_gaps(values, ranks, order, distance):
    """Add the contribution of one objective to the crowding distance.

    ``order`` sorts distinct points by rank, and by this objective's ``values`` within a rank. The ends of each rank
    become infinite.
    """
    start = 0
    while start < order.size:
        end = start
        while end < order.size and ranks[order[end]] == ranks[order[start]]:
            end += 1
        first, last = order[start], order[end - 1]
        span = values[last] - values[first]
        if span > 0:
            for i in range(start + 1, end - 1):
                distance[order[i]] += (values[order[i + 1]] - values[order[i - 1]]) / span
        distance[first] = np.inf
        distance[last] = np.inf
        start = end


@compiled
def crowding_distances(values, ranks):
    """Distance between the neighbours of each point within its rank, summed over objectives: float64, (n,).

    ``values`` has shape (n, n_objectives). Infinite at both ends of each objective. Of points with equal values, all
    but the first get 0.
    """
    n, n_objectives = values.shape
    distances = np.zeros(n)
    if n == 0:
        return distances
    order = np.arange(n)
    for column in range(n_objectives - 1, -1, -1):
        sort_by(values[:, column], order)
    group(ranks, order)
    distinct, n_distinct = np.empty(n, np.int64), 0
    for place in range(n):
        differs = place == 0
        for column in range(n_objectives):
            differs |= values[order[place], column] != values[order[place - 1], column]
        if differs:
            distinct[n_distinct] = order[place]
            n_distinct += 1
    order = distinct[:n_distinct].copy()
    for column in range(n_objectives):
        if column:
            order[:] = distinct[:n_distinct]
            sort_by(values[:, column], order)
            group(ranks, order)
        add_gaps(values[:, column], ranks, order, distances)
    return distances


@compiled
def choose(ranks, crowding, n_survive):
    """Rows that survive, by rank: int64, (n_survive,). Of a last rank that does not fit whole, the least crowded do."""
    order = np.arange(ranks.size)
    group(ranks, order)
    last = ranks[order[n_survive - 1]]
    begin, end = n_survive - 1, n_survive
    while begin > 0 and ranks[order[begin - 1]] == last:
        begin -= 1
    while end < order.size and ranks[order[end]] == last:
        end += 1
    if end > n_survive:
        sort_by(-crowding, order[begin:end])
    return order[:n_survive].copy()
