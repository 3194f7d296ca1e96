"""What tables, pictures and pages show, worked out once and without drawing anything."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo_ensyth.results.comparison import BASELINES, baseline_name
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.front import Front
from evo_ensyth.results.run import Run
from evo_ensyth.selection.archive import dominates


@dataclass(frozen=True)
class Line:
    """One front, as it is compared with the others.

    Attributes
    ----------
    label : str
    run : Run
        The run that it belongs to.
    front : Front
    recommended : Ensemble, optional
        Where this is the run's own front.
    dominated : mapping of split to (int, int)
        How many of its ensembles the first line's front dominates, and how many it has; not for the first line itself.
    """

    label: str
    run: Run
    front: Front
    recommended: Ensemble | None
    dominated: dict[str, tuple[int, int]]

    def values(self, split: str) -> np.ndarray:
        """float64, (n_ensembles, n_objectives): values on a split."""
        return _values(self.run, self.front, split)


@dataclass(frozen=True)
class Facts:
    """Everything that a report on one problem says.

    Attributes
    ----------
    problem : str
    lines : tuple of Line
        The first one is what the report is about.
    references : mapping of str to Ensemble
        The best single member and the whole pool, by their names in words.
    splits : tuple of str
    axes : tuple of str
        The two objectives that are drawn: horizontally, vertically.
    parent : mapping of split to float
        Error of the network that the members were made from, where its answers are known.
    """

    problem: str
    lines: tuple[Line, ...]
    references: dict[str, Ensemble]
    splits: tuple[str, ...]
    axes: tuple[str, str]
    parent: dict[str, float]

    @property
    def main(self) -> Run:
        """The run that the report is about."""
        return self.lines[0].run


def gather(runs: Sequence[Run]) -> Facts:
    """Collect what a report on one run, or on several runs of one problem, shows; see `RunComparison`."""
    first = runs[0]
    pairs = [(run, front) for run in runs for front in (run.fronts if run is first else (run.front,))]
    labels = [front.selector for _, front in pairs]
    lines: list[Line] = []
    for run, front in pairs:
        label = front.selector
        if labels.count(label) > 1:
            label += f", seed {run.seed}"
        recommended = run.recommended if front is run.front else None
        dominated = {} if not lines else _dominated(first, run, front)
        lines.append(Line(label, run, front, recommended, dominated))
    names = first.objectives
    upwards = "error" if "error" in names else names[0]
    axes = (next((name for name in names if name != upwards), upwards), upwards)
    splits = ("search", "test") if first.n_test else ("search",)
    parent = {split: error for split in splits if (error := _parent_error(first, split)) is not None}
    references = {"best single member": first.single_best, "whole pool": first.whole_pool}
    return Facts(first.problem, tuple(lines), references, splits, axes, parent)


def headline(run: Run, ensemble: Ensemble) -> tuple[str, ...]:
    """Say how good an ensemble is on unseen samples, whether it is worth the search, and what it costs.

    Parameters
    ----------
    run : Run
    ensemble : Ensemble
        Of its front.

    Returns
    -------
    tuple of str
        Sentences in plain text.
    """
    interval = ensemble.interval("test")
    if interval is None:
        return ("Its error on unseen samples is unknown: there is no test split.", *_costs(run, ensemble))
    error, optimism, comparisons = ensemble.error("test"), ensemble.optimism, ensemble.comparisons
    quality = (
        f"On unseen samples its error is {100 * error:.2f} % (95 % interval: {100 * interval[0]:.2f} to "
        f"{100 * interval[1]:.2f}), {100 * abs(optimism):.2f} points {'less' if optimism < 0 else 'more'} than on the "
        "search split."
    )
    shown = [name for name in BASELINES if name in comparisons and (ensemble.size > 1 or name != "best_k")]
    itself = ensemble.is_single_best or (comparisons and "best_k" not in comparisons)
    verdicts = [f"It is {baseline_name('best_k', ensemble.size)}."] if itself else []
    for baseline in shown:
        comparison, name = comparisons[baseline], baseline_name(baseline, ensemble.size)
        words = {
            "better": f"It beats {name}",
            "worse": f"It is worse than {name}",
            "open": f"Whether it beats {name} is open",
        }
        verdicts.append(f"{words[comparison.verdict]}: {comparison} points, p {p_value(comparison.p_value)}.")
    return (quality, *verdicts, *_costs(run, ensemble))


def recommended_because(run: Run) -> str:
    """Say by which rule the recommended ensemble was chosen."""
    if run.recommend_by == "lowest_error":
        return "the one with the lowest error on the search split; of equals, the smallest"
    return (
        "the smallest that keeps all but a twentieth of what the front gains over its smallest ensemble, by an error "
        "that counts narrow votes in part"
    )


def p_value(p: float | None) -> str:
    """Write a p-value with as many digits as are of use."""
    return "-" if p is None else "below 0.001" if p < 0.001 else f"{p:.2g}"


def ranges(sizes: Sequence[int]) -> str:
    """Sizes in words: 1 to 5, 7."""
    parts: list[list[int]] = []
    for size in sorted(sizes):
        if parts and size == parts[-1][-1] + 1:
            parts[-1].append(size)
        else:
            parts.append([size])
    return ", ".join(f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def _costs(run: Run, ensemble: Ensemble) -> tuple[str, ...]:
    both = [name for name in ensemble.costs if run.parent_costs.get(name, 0) > 0]
    if not both:
        return ()
    times = ", ".join(f"{ensemble.costs[name] / run.parent_costs[name]:.2f} times the {name}" for name in both)
    return (f"Compared with the parent it has {times}.",)


def _parent_error(run: Run, split: str) -> float | None:
    """Work out the parent's error from any ensemble's errors and the samples that only one of the two gets wrong."""
    n_samples = run.n_search if split == "search" else run.n_test
    for ensemble in run.front:
        discordant = ensemble.discordant.get("parent")
        counts = discordant and (discordant.search if split == "search" else discordant.test)
        if counts and n_samples:
            return ensemble.error(split) + (counts[1] - counts[0]) / n_samples
    return None


def _dominated(first: Run, run: Run, front: Front) -> dict[str, tuple[int, int]]:
    counts = {}
    for split in ("search", "test") if first.n_test else ("search",):
        ours, theirs = _values(first, first.front, split), _values(run, front, split)
        counts[split] = int(dominates(ours, theirs).sum()), len(theirs)
    return counts


def _values(run: Run, front: Front, split: str) -> np.ndarray:
    rows = [ensemble.search if split == "search" else (ensemble.test or {}) for ensemble in front]
    return np.array([[row[goal] for goal in run.objectives] for row in rows])
