"""Compiled walks by the smoothed error: each step sums the losses of all neighbours of a subset."""

import math

import numpy as np

from evo_ensyth.engine.kernels.bits import WORDS
from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.margins import neighbour_losses
from evo_ensyth.selection.selectors.evolutionary._metropolis_kernel import HOPELESS, REST, draw_boltzmann


@compiled
def losses_after(words, first_slot, subset, movers, leaves, losses, others):
    """Sum of the losses after each of the movers joins or leaves a subset: int64, (n_movers,).

    ``losses[size]`` are the losses of each margin, and ``others[size]`` those of the samples without planes.
    """
    n_members = subset.size
    members = np.flatnonzero(subset)
    size = members.size
    sums = neighbour_losses(
        words, first_slot, 0, first_slot.size - 1, members * WORDS, movers * WORDS, leaves, n_members,
        losses[size + 1], losses[size - 1],
    )  # fmt: skip
    for i in range(movers.size):
        sums[i] += others[size - 1] if leaves[i] else others[size + 1]
    return sums


@compiled
def tabu_walk(words, first_slot, subset, losses, others, rests, repeats, joining, most, path):
    """Write the subsets of a tabu walk to ``path``, (n_steps, n_members); return the numbers of steps and neighbours.

    See `_tabu_walk.tabu_walk`. The walk ends before it considers more than ``most`` neighbours.
    """
    n_members = subset.size
    rests_until = np.zeros(n_members, np.int64)
    size, counted = np.int64(np.count_nonzero(subset)), np.int64(0)
    for step in range(rests.size):
        joining = (joining or size == 1) and size < n_members
        movers = np.flatnonzero((subset != joining) & (rests_until <= step))
        if movers.size == 0:
            movers = np.flatnonzero(subset != joining)
        if counted + movers.size > most:
            return step, counted
        counted += movers.size
        leaves = np.full(movers.size, not joining)
        member = movers[losses_after(words, first_slot, subset, movers, leaves, losses, others).argmin()]
        subset[member] = joining
        size += 1 if joining else -1
        rests_until[member] = step + 1 + rests[step]
        path[step] = subset
        joining ^= not repeats[step]
    return rests.size, counted


@compiled
def metropolis_walk(
    words, first_slot, subset, losses, others, whole, penalty, temperature, chances, most, lowest, reached
):
    """Let members join or leave ``subset`` one by one, each drawn by the value that its move would lead to.

    As `_metropolis_kernel.metropolis_walk`, by losses instead of errors; ``whole`` is the loss that makes a value of 1.
    Writes the lowest value met at each size from 0 on to ``lowest``, (n_members + 1,), and the subsets with these to
    ``reached``. Returns the number of steps, the number of neighbours, and the sum of the standard deviations.
    """
    n_members = subset.size
    size, counted, deviations = np.int64(np.count_nonzero(subset)), np.int64(0), 0.0
    movers = np.arange(n_members)
    for step in range(chances.size):
        if step % REST == 0:
            movers = np.arange(n_members)
        if counted + movers.size > most:
            return step, counted, deviations
        counted += movers.size
        leaves = subset[movers]
        values = losses_after(words, first_slot, subset, movers, leaves, losses, others) / whole
        penalised = np.empty(movers.size)
        low_joining, low_leaving = np.inf, np.inf
        n_leaving, mean, squares = 0, 0.0, 0.0
        for i in range(movers.size):
            if leaves[i] and size == 1:
                values[i] = np.inf
            size_then = size - 1 if leaves[i] else size + 1
            penalised[i] = values[i] + penalty[size_then]
            if values[i] < lowest[size_then] and penalty[size_then] < np.inf:
                lowest[size_then] = values[i]
                reached[size_then] = subset
                reached[size_then, movers[i]] = not leaves[i]
            if leaves[i]:
                low_leaving = min(low_leaving, values[i])
                n_leaving += 1
                deviation = values[i] - mean
                mean += deviation / n_leaving
                squares += deviation * (values[i] - mean)
            else:
                low_joining = min(low_joining, values[i])
        if step % REST == 0 and size > 1:
            deviations += math.sqrt(squares / n_leaving)
        chosen = draw_boltzmann(penalised, temperature, chances[step])
        member, joins = movers[chosen], not leaves[chosen]
        hope = HOPELESS * temperature
        kept = np.zeros(movers.size, np.bool_)
        for i in range(movers.size):
            kept[i] = i == chosen or values[i] <= (low_leaving if leaves[i] else low_joining) + hope
        movers = movers[kept]
        subset[member] = joins
        size += 1 if joins else -1
    return chances.size, counted, deviations
