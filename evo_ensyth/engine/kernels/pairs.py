"""Counts and sums over pairs of members."""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled


@compiled
def agreements(rows):
    """For each pair of rows, count the columns in which they are equal: int64, (n_rows, n_rows)."""
    n_rows, n_columns = rows.shape
    equal = np.empty((n_rows, n_rows), np.int64)
    for first in range(n_rows):
        for second in range(first + 1):
            count = 0
            for column in range(n_columns):
                count += rows[first, column] == rows[second, column]
            equal[first, second] = equal[second, first] = count
    return equal


@compiled
def pair_sums(table, subsets):
    """Sum of ``table[i, j]`` over the pairs i > j of each subset, (n_subsets,), always added in the same order."""
    n_subsets, n_members = subsets.shape
    sums = np.zeros(n_subsets, table.dtype)
    members = np.empty(n_members, np.int64)
    for subset in range(n_subsets):
        total = sums[subset]
        n = 0
        for member in range(n_members):
            if subsets[subset, member]:
                row = table[member]
                for i in range(n):
                    total += row[members[i]]
                members[n] = member
                n += 1
        sums[subset] = total
    return sums
