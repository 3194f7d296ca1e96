"""Numbers in words, as tables and pages write them."""

from collections.abc import Mapping, Sequence
from typing import Any


def p_value(p: float | None) -> str:
    """Write a p-value with as many digits as are of use."""
    return "-" if p is None else "below 0.001" if p < 0.001 else f"{p:.2g}"


def short_p_value(p: float | None) -> str:
    """Write a p-value for a narrow column."""
    return p_value(p).replace("below ", "<")


def ranges(sizes: Sequence[int]) -> str:
    """Sizes in words: 1 to 5, 7."""
    parts: list[list[int]] = []
    for size in sorted(sizes):
        if parts and size == parts[-1][-1] + 1:
            parts[-1].append(size)
        else:
            parts.append([size])
    return ", ".join(f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def shown_value(number: float) -> str:
    """Write the value of an objective: large ones as whole numbers, others with four digits."""
    return f"{number:,.0f}" if 1_000 <= abs(number) < 1e12 else f"{number:.4g}"


def exact_value(number: float) -> str:
    """Write a number with all digits that are of use in a table: six, or those before the point."""
    return f"{number:,.6g}" if abs(number) < 1e6 else f"{number:,.0f}" if abs(number) < 1e15 else f"{number:.6g}"


def about_splits(splits: Sequence[Mapping[str, Any]]) -> str:
    """Say what was recommended on several random splits, as the ``splits`` of a run's source have it."""
    errors = [100 * split["test_error"] for split in splits]
    members = [set(split["members"]) for split in splits]
    always = [name for name in splits[0]["members"] if all(name in each for each in members)]
    seeds = f"split seeds {splits[0]['split_seed']} to {splits[-1]['split_seed']}"
    sizes = ranges(sorted(set(map(len, members))))
    mean = sum(errors) / len(errors)
    return (
        f"On {len(splits)} random splits ({seeds}): recommended sizes {sizes}; test error {mean:.2f} % on average, "
        f"from {min(errors):.2f} to {max(errors):.2f}; members on all splits: {', '.join(always) or 'none'}."
    )


def duration(seconds: float) -> str:
    """Tell a time in a unit of which there are not too many."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{max(1, round(seconds))} s"
