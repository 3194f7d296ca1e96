"""Fronts by the definition of dominance."""

from collections.abc import Sequence


def non_dominated(values: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """Distinct points that no other point dominates, sorted."""
    points = sorted({tuple(v) for v in values})
    return [p for p in points if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in points)]
