"""Points that a front does not dominate yet."""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled


@compiled
def not_covered(front, values):
    """Rows of ``values`` that no row of ``front`` equals or dominates: bool, (n,)."""
    n, n_objectives = values.shape
    open_rows = np.ones(n, np.bool_)
    for row in range(n):
        for other in range(front.shape[0]):
            covers = True
            for column in range(n_objectives):
                if front[other, column] > values[row, column]:
                    covers = False
                    break
            if covers:
                open_rows[row] = False
                break
    return open_rows
