"""What tables, pictures and pages show, worked out once and without drawing anything."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
        The two objectives that head the table and are drawn: the first cost, and what is weighed against it.
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
    splits = ("search", "test") if first.n_test else ("search",)
    parent = {split: error for split in splits if (error := _parent_error(first, split)) is not None}
    references = {"best single member": first.single_best, "whole pool": first.whole_pool}
    return Facts(first.problem, tuple(lines), references, splits, (first_cost(first), leading(first)), parent)


def leading(run: Run) -> str:
    """Name the objective that leads a run: the error if it was minimised, else the one that led the search."""
    names = run.objectives
    return "error" if "error" in names else run.front.leading if run.front.leading in names else names[0]


def first_cost(run: Run) -> str:
    """Name what a run weighs against its leading objective: the first other one, else the number of members."""
    return next((name for name in run.objectives if name != leading(run)), "n_members")


def recommended_because(run: Run) -> str:
    """Say by which rule the recommended ensemble was chosen."""
    if run.recommend_by == "lowest_error":
        return "the one with the lowest error on the search split; of equals, the smallest"
    cheapest = "the smallest" if first_cost(run) == "n_members" else f"the one of least {first_cost(run)}"
    by = run.leading_metric.name if run.leading_metric else "an error that counts narrow votes in part"
    return f"{cheapest} that keeps all but a twentieth of what the front gains over its smallest ensemble, by {by}"


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
