"""Compare an ensemble with simpler baselines, and say where its gain does not hold on unseen samples.

Everything follows from the discordant samples of each ensemble and baseline: those that only one of them gets wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine import Ensembles
from evo_ensyth.pool import Parent
from evo_ensyth.pool.memory import room
from evo_ensyth.results.statistics import LEVEL, design_effect, holm, mcnemar, paired_interval

# In the order in which they are reported. The k best members, k being the size of the ensemble, are what backward
# elimination leaves at that size.
BASELINES = ("best_k", "single_best", "whole_pool", "parent")
# Ensembles whose predictions are held at a time, and those of as many of the k best.
TOGETHER = 24


@dataclass(frozen=True)
class Discordant:
    """Samples that only one of an ensemble and a baseline gets wrong.

    Attributes
    ----------
    search, test : (int, int)
        How many only the ensemble gets wrong, and how many only the baseline; ``test`` is None without a test split.
    design_effect : float
        How many samples of the test split tell as much about the difference as one independent sample; above 1 where
        samples of a group are alike.
    """

    search: tuple[int, int]
    test: tuple[int, int] | None
    design_effect: float = 1.0


@dataclass(frozen=True)
class Comparison:
    """An ensemble beside one baseline. Below 0, the ensemble is better.

    Attributes
    ----------
    on_search : float
        Its error minus that of the baseline on the search split.
    on_test : float, optional
        The same on the test split.
    interval : (float, float), optional
        Tango's 95 % interval for ``on_test``, as if this were the only comparison.
    p_value, corrected : float, optional
        McNemar's exact test; and corrected by Holm for all ensembles of the front that have this baseline.

    Notes
    -----
    Where samples come in groups, counts are divided by the design effect before interval and test.
    """

    on_search: float
    on_test: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    corrected: float | None = None

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``open``, or ``unknown`` without a test split.

        Interval and corrected exact test must both exclude that there is no difference: of few samples, the test is the
        stricter.
        """
        if self.interval is None or self.corrected is None:
            return "unknown"
        if self.corrected >= 1 - LEVEL:
            return "open"
        return "better" if self.interval[1] < 0 else "worse" if self.interval[0] > 0 else "open"

    def __str__(self) -> str:
        """Give the difference on the test split in percentage points, with its interval."""
        if self.on_test is None or self.interval is None:
            return "-"
        low, high = self.interval
        return f"{100 * self.on_test:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


@dataclass(frozen=True)
class Caution:
    """Something to know before trusting an ensemble.

    Attributes
    ----------
    code : str
        Stable across versions.
    text : str
    baseline : str, optional
        One of `BASELINES`, where it concerns one.
    """

    code: str
    text: str
    baseline: str | None = None


def baseline_name(baseline: str, size: int) -> str:
    """Name a baseline of an ensemble of some size in words."""
    if baseline == "best_k" and size > 1:
        return f"the best {size} members"
    return {"parent": "the parent", "whole_pool": "the whole pool"}.get(baseline, "the best single member")


def count_discordant(search: Ensembles, test: Ensembles | None, parent: Parent | None) -> list[dict[str, Discordant]]:
    """Count, for every ensemble and baseline, the samples that only one of the two gets wrong.

    Parameters
    ----------
    search, test : Ensembles
        The same ensembles on both splits.
    parent : Parent, optional

    Returns
    -------
    list of mappings of baseline to Discordant, one for each ensemble
        Without a baseline that is the ensemble itself, or whose predictions are not known.
    """
    splits = {ensembles.votes.split for ensembles in (search, test) if ensembles}
    parent = parent if parent and splits <= set(parent.y_pred) else None
    on_search = _counted(search, search.votes.member_errors, parent)
    if test is None:
        return [{name: Discordant(pair, None) for name, (pair, _) in counts.items()} for counts in on_search]
    on_test = _counted(test, search.votes.member_errors, parent)
    return [
        {name: Discordant(pair, *tested[name]) for name, (pair, _) in counts.items()}
        for counts, tested in zip(on_search, on_test, strict=True)
    ]


def compare(rows: Sequence[Mapping[str, Discordant]], n_search: int, n_test: int | None) -> list[dict[str, Comparison]]:
    """Compare each ensemble of a front with its baselines.

    Parameters
    ----------
    rows : sequence of mappings of baseline to Discordant
        One for each ensemble of the front.
    n_search, n_test : int
        Samples of both splits.
    """
    found: list[dict[str, Comparison]] = [{} for _ in rows]
    for baseline in BASELINES:
        having = [(i, row[baseline]) for i, row in enumerate(rows) if baseline in row]
        p_values = np.array([_p_value(counts.test, counts.design_effect) for _, counts in having if counts.test])
        corrected = holm(p_values)
        for place, (i, counts) in enumerate(having):
            on_search = (counts.search[0] - counts.search[1]) / n_search
            if counts.test is None or not n_test:
                found[i][baseline] = Comparison(on_search)
                continue
            found[i][baseline] = Comparison(
                on_search,
                on_test=(counts.test[0] - counts.test[1]) / n_test,
                interval=paired_interval(*(n / counts.design_effect for n in (*counts.test, n_test))),
                p_value=float(p_values[place]),
                corrected=float(corrected[place]),
            )
    return found


def cautions(
    size: int, is_single_best: bool, comparisons: Mapping[str, Comparison], *, tested: bool
) -> tuple[Caution, ...]:
    """Collect what to know before trusting an ensemble.

    Parameters
    ----------
    size : int
        Its number of members.
    is_single_best : bool
        Whether it is the member with the fewest errors on the search split, alone.
    comparisons : mapping of baseline to Comparison
    tested : bool
        Whether there is a test split.
    """
    found = []
    if not tested:
        found.append(Caution("no_test_split", "There is no test split: how much of this is luck is unknown."))
    if is_single_best:
        found.append(Caution("single_best_is_all", "This is the best single member, which needs no search."))
    elif not comparisons:
        text = "The run was written by an earlier version, which compared it with nothing."
        found.append(Caution("not_compared", text))
    elif "best_k" not in comparisons:
        found.append(Caution("best_k_is_all", f"These are {baseline_name('best_k', size)}, which need no search."))
    for baseline, comparison in comparisons.items():
        if size > 1 or baseline != "best_k":  # the best one is the best single member
            found += _doubts(baseline, baseline_name(baseline, size), comparison)
    return tuple(found)


def _p_value(counts: tuple[int, int], design_effect: float) -> float:
    """McNemar's test of as many independent samples as tell as much."""
    first_only, second_only = (round(n / design_effect) for n in counts)
    return mcnemar(first_only, second_only)


def _doubts(baseline: str, name: str, comparison: Comparison) -> list[Caution]:
    gain = f"{100 * comparison.on_search:+.2f} points on the search split, {comparison} points on the test split"
    if comparison.verdict == "better":
        return []
    if comparison.on_search >= 0:
        # A parent may be better: that is the price of compression. What needs no search may not.
        text = f"Not even on the search split is it better than {name}."
        return [] if baseline == "parent" else [Caution("no_gain", text, baseline)]
    if comparison.verdict == "worse":
        return [Caution("gain_reversed", f"The gain over {name} turns into a loss: {gain}.", baseline)]
    if comparison.verdict == "open":
        return [Caution("gain_not_confirmed", f"The gain over {name} may be luck: {gain}.", baseline)]
    return []


def _counted(
    ensembles: Ensembles, member_errors: np.ndarray, parent: Parent | None
) -> list[dict[str, tuple[tuple[int, int], float]]]:
    """Samples (only ours wrong, only theirs wrong), and the design effect, by ensemble and baseline, on one split."""
    votes = ensembles.votes
    best_first = np.argsort(member_errors, kind="stable")
    rank = np.argsort(best_first, kind="stable")
    simple = {"single_best": rank < 1, "whole_pool": np.ones_like(rank, bool)}
    wrong = dict(zip(simple, _wrong(ensembles, list(simple.values())), strict=True))
    if parent:
        wrong["parent"] = parent.y_pred[votes.split] != votes.y_true
    found: list[dict[str, tuple[tuple[int, int], float]]] = []
    for first in range(0, len(ensembles), TOGETHER):
        some = slice(first, first + TOGETHER)
        found += _counted_together(ensembles, some, rank, simple, wrong)
    return found


def _counted_together(
    ensembles: Ensembles,
    some: slice,
    rank: np.ndarray,
    simple: Mapping[str, np.ndarray],
    wrong: Mapping[str, np.ndarray],
) -> list[dict[str, tuple[tuple[int, int], float]]]:
    """See `_counted`, for some of the ensembles; what the baselines of all of them get wrong is given."""
    subsets, sizes = ensembles.subsets[some], ensembles.sizes[some].tolist()
    best_k = {size: rank < size for size in sizes}
    ours = _wrong(ensembles, [*subsets, *best_k.values()])
    wrong_best_k = dict(zip(best_k, ours[len(subsets) :], strict=True))
    found = []
    for subset, size, our in zip(subsets, sizes, ours, strict=False):
        rivals = {"best_k": best_k[size], **simple}
        theirs = {"best_k": wrong_best_k[size], **wrong}
        others = [name for name in theirs if name not in rivals or not np.array_equal(subset, rivals[name])]
        found.append({name: _beside(our, theirs[name], ensembles.votes.groups) for name in others})
    return found


def _wrong(ensembles: Ensembles, subsets: Sequence[np.ndarray]) -> np.ndarray:
    """Which samples some subsets get wrong: bool, (n_subsets, n_samples)."""
    answers = ensembles.tally.predictions(np.array(subsets))
    wrong = room("which samples are wrong", answers.shape, bool)
    for of_one, given in zip(wrong, answers, strict=True):
        np.not_equal(given, ensembles.votes.y_true, out=of_one)
    return wrong


def _beside(ours: np.ndarray, theirs: np.ndarray, groups: np.ndarray | None) -> tuple[tuple[int, int], float]:
    """Count the samples that only one of two gets wrong; with the design effect of the difference."""
    pair = (int(np.count_nonzero(ours & ~theirs)), int(np.count_nonzero(theirs & ~ours)))
    effect = 1.0 if groups is None else design_effect(ours.astype(np.int64) - theirs, groups)
    return pair, effect
