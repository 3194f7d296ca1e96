"""What tables, pictures and pages show, worked out once and without drawing anything."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.results.comparison import RIVALS, rival_name
from evo_ensyth.results.run import Entry, Run, Selection
from evo_ensyth.search.archive import dominates

MARKS = {"single_best": "best single member", "whole_pool": "whole pool"}


@dataclass(frozen=True)
class Line:
    """One selector's front, as it is compared with the others.

    Attributes
    ----------
    label : str
    run : Run
        The run that it belongs to.
    selection : Selection
    chosen : Entry, optional
        The recommended ensemble, where this is what the run was about.
    dominated : mapping of split to (int, int)
        How many of its points the first line's front dominates, and how many it has; not for the first line itself.
    """

    label: str
    run: Run
    selection: Selection
    chosen: Entry | None
    dominated: dict[str, tuple[int, int]]

    def values(self, split: str) -> np.ndarray:
        """float64, (n_entries, n_objectives): values on a split."""
        return _values(self.run, self.selection.entries, split)


@dataclass(frozen=True)
class Facts:
    """Everything that a report on one problem says.

    Attributes
    ----------
    problem : str
    lines : tuple of Line
        The first one is what the report is about.
    marks : mapping of str to Entry
        Best single member and whole pool.
    splits : tuple of str
    axes : tuple of str
        The two objectives that are drawn: horizontally, vertically.
    parent : mapping of split to float
        Error of the network that the members were made from, where its answers are known.
    """

    problem: str
    lines: tuple[Line, ...]
    marks: dict[str, Entry]
    splits: tuple[str, ...]
    axes: tuple[str, str]
    parent: dict[str, float]

    @property
    def main(self) -> Run:
        """The run that the report is about."""
        return self.lines[0].run


def gather(runs: Sequence[Run]) -> Facts:
    """Put together what one run, or several runs of one problem, have to tell.

    Raises
    ------
    InputError
        The runs looked at other votes or had other objectives.
    """
    first = runs[0]
    for other in runs[1:]:
        for what in ("problem", "fingerprints", "objectives", "reference"):
            if getattr(other, what) != getattr(first, what):
                raise InputError(
                    f"the runs of '{first.problem}' and '{other.problem}' cannot be compared: field '{what}' of their "
                    "run.json differs."
                )
    pairs = [(run, selection) for run in runs for selection in (run.selections if run is first else (run.found,))]
    labels = [selection.selector for _, selection in pairs]
    lines: list[Line] = []
    for run, selection in pairs:
        label = selection.selector
        if labels.count(label) > 1:
            label += f", seed {run.seed}"
        chosen = selection.entries[run.chosen] if selection is run.found else None
        dominated = {} if not lines else _dominated(first, run, selection)
        lines.append(Line(label, run, selection, chosen, dominated))
    names = first.objectives
    upwards = "error" if "error" in names else names[0]
    axes = (next((name for name in names if name != upwards), upwards), upwards)
    splits = ("search", "test") if first.n_test else ("search",)
    parent = {split: error for split in splits if (error := _parent_error(first, split)) is not None}
    return Facts(first.problem, tuple(lines), dict(first.marks), splits, axes, parent)


def headline(run: Run, index: int) -> tuple[str, ...]:
    """Say of one ensemble how good it is on unseen samples, whether it is worth the search, and what it costs.

    Parameters
    ----------
    run : Run
    index : int
        Of an entry of ``run.found``.

    Returns
    -------
    tuple of str
        Sentences in plain text.
    """
    entry, beside = run.found.entries[index], run.comparisons[index]
    interval = run.test_interval(entry)
    if interval is None:
        return ("Nobody knows how good it is on unseen samples: there is no test split.", *_costs(run, entry))
    error, optimism = run.error(entry, "test"), run.optimism(entry)
    quality = (
        f"On unseen samples it errs on {100 * error:.2f} % (95 % interval: {100 * interval[0]:.2f} to "
        f"{100 * interval[1]:.2f}), {100 * abs(optimism):.2f} points {'less' if optimism < 0 else 'more'} than on the "
        "search split."
    )
    rivals = [rival for rival in RIVALS if rival in beside and (entry.size > 1 or rival != "best_k")]
    itself = run.is_single_best(entry) or (beside and "best_k" not in beside)
    verdicts = [f"It is simply {rival_name('best_k', entry.size)}."] if itself else []
    for rival in rivals:
        comparison, name = beside[rival], rival_name(rival, entry.size)
        words = {
            "better": f"It beats {name}",
            "worse": f"It is worse than {name}",
            "open": f"Whether it beats {name} is open",
        }
        verdicts.append(f"{words[comparison.verdict]}: {comparison} points, p {p_value(comparison.p_value)}.")
    return (quality, *verdicts, *_costs(run, entry))


def leading(run: Run) -> str:
    """Say what led the search, where it was not the error that is shown; else nothing."""
    criterion = run.found.criterion
    if criterion == "error" or "error" not in run.objectives:
        return ""
    return (
        f"The search was led by {criterion} in the place of the error, for the lowest errors found on a search split "
        f"owe much to luck: every ensemble shown has the lowest {criterion} up to its size, and its error may be above "
        "that of a smaller one. The plain front: --criterion error."
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


def _costs(run: Run, entry: Entry) -> tuple[str, ...]:
    both = [name for name in entry.costs if run.parent_costs.get(name, 0) > 0]
    if not both:
        return ()
    times = ", ".join(f"{entry.costs[name] / run.parent_costs[name]:.2f} times the {name}" for name in both)
    return (f"Beside the parent it has {times}.",)


def _parent_error(run: Run, split: str) -> float | None:
    """Follows from any entry's errors and the samples on which only one of the two is wrong."""
    n_samples = run.n_search if split == "search" else run.n_test
    for entry in run.found.entries:
        versus = entry.versus.get("parent")
        counts = versus and (versus.search if split == "search" else versus.test)
        if counts and n_samples:
            return run.error(entry, split) + (counts[1] - counts[0]) / n_samples
    return None


def _dominated(first: Run, run: Run, selection: Selection) -> dict[str, tuple[int, int]]:
    counts = {}
    for split in ("search", "test") if first.n_test else ("search",):
        ours = _values(first, first.found.entries, split)
        theirs = _values(run, selection.entries, split)
        counts[split] = int(dominates(ours, theirs).sum()), len(theirs)
    return counts


def _values(run: Run, entries: Sequence[Entry], split: str) -> np.ndarray:
    rows = [entry.search if split == "search" else (entry.test or {}) for entry in entries]
    return np.array([[row[goal] for goal in run.objectives] for row in rows])
