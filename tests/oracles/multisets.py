"""Archives of multisets, sorted and sorted into cells one by one."""

import numpy as np


def best_of_all(judged, most):
    """The multisets with the fewest errors, then votes; ``judged`` holds (errors, multiset), oldest first."""
    return sorted(judged, key=lambda each: (each[0], each[1].sum()))[:most]


def best_of_cells(points, errors, n_votes, n_cells):
    """Rows with the fewest errors, then votes, of each cell between quantiles of the points' coordinates, sorted."""
    edges = [np.quantile(column, np.arange(1, n_cells) / n_cells) for column in points.T]
    cells = {}
    for row, point in enumerate(points):
        cell = tuple(sum(value >= edge for edge in inner) for value, inner in zip(point, edges, strict=True))
        cells.setdefault(cell, []).append((errors[row], n_votes[row], row))
    return sorted(min(rows)[2] for rows in cells.values())
