"""What an ensemble is worth beside what is simpler to have, and where its gain does not hold on unseen samples.

Everything follows from a few counts of each ensemble and rival: the samples that only one of the two gets wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine import Ensembles
from evo_ensyth.engine.kernels.predictions import fill_predictions
from evo_ensyth.pool import Parent, Votes
from evo_ensyth.results.statistics import LEVEL, holm, mcnemar, paired_interval

# By which name the counts are kept, in the order in which they are told: the k best members, k being the size of the
# ensemble, are what backward elimination leaves of the pool at that size.
RIVALS = ("best_k", "single_best", "parent")


@dataclass(frozen=True)
class Versus:
    """How an ensemble and a rival differ.

    Attributes
    ----------
    search, test : (int, int)
        Samples that only the ensemble, and only the rival, gets wrong; ``test`` is None where there is no test split.
    """

    search: tuple[int, int]
    test: tuple[int, int] | None


@dataclass(frozen=True)
class Comparison:
    """What the counts of one ensemble and one rival say. Below 0, the ensemble is better.

    Attributes
    ----------
    on_search : float
        Its error minus that of the rival on the search split.
    on_test : float, optional
        The same on the test split.
    interval : (float, float), optional
        Tango's 95 % interval for ``on_test``, as if this were the only comparison.
    p_value, corrected : float, optional
        Exact test of McNemar; and corrected, by Holm, for all points of the front that have this rival.
    """

    on_search: float
    on_test: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    corrected: float | None = None

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``open``, or ``unknown`` without a test split.

        Interval and exact test must both exclude that there is no difference: of few samples, the test is the stricter.
        """
        if self.interval is None or self.p_value is None:
            return "unknown"
        if self.p_value >= 1 - LEVEL:
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
    """Something that a reader must know before trusting an ensemble.

    Attributes
    ----------
    code : str
        Stays the same from version to version.
    text : str
    rival : str, optional
        One of `RIVALS`, where it is about one.
    """

    code: str
    text: str
    rival: str | None = None


def rival_name(rival: str, size: int) -> str:
    """Name a rival of an ensemble of some size in words."""
    if rival == "best_k" and size > 1:
        return f"the best {size} members"
    return "the parent" if rival == "parent" else "the best single member"


def beside_rivals(search: Ensembles, test: Ensembles | None, parent: Parent | None) -> list[dict[str, Versus]]:
    """Count, for every ensemble and rival, where only one of the two is wrong.

    Parameters
    ----------
    search, test : Ensembles
        The same ensembles on both splits.
    parent : Parent, optional

    Returns
    -------
    list of mappings of rival to Versus, one for each ensemble
        Without a rival that is the ensemble itself, or whose answers are not known.
    """
    splits = {ensembles.votes.split for ensembles in (search, test) if ensembles}
    parent = parent if parent and splits <= set(parent.y_pred) else None
    on_search = _counted(search, search.votes.member_errors, parent)
    on_test = _counted(test, search.votes.member_errors, parent) if test else None
    return [
        {rival: Versus(pair, on_test[row][rival] if on_test else None) for rival, pair in counts.items()}
        for row, counts in enumerate(on_search)
    ]


def compared(rows: Sequence[Mapping[str, Versus]], n_search: int, n_test: int | None) -> list[dict[str, Comparison]]:
    """Work out what the counts of a whole front say.

    Parameters
    ----------
    rows : sequence of mappings of rival to Versus
        One for each ensemble of the front.
    n_search, n_test : int
        Samples of both splits.
    """
    told: list[dict[str, Comparison]] = [{} for _ in rows]
    for rival in RIVALS:
        having = [(i, row[rival]) for i, row in enumerate(rows) if rival in row]
        p_values = np.array([mcnemar(*versus.test) for _, versus in having if versus.test])
        corrected = holm(p_values)
        for place, (i, versus) in enumerate(having):
            on_search = (versus.search[0] - versus.search[1]) / n_search
            if versus.test is None or not n_test:
                told[i][rival] = Comparison(on_search)
                continue
            told[i][rival] = Comparison(
                on_search,
                on_test=(versus.test[0] - versus.test[1]) / n_test,
                interval=paired_interval(*versus.test, n_test),
                p_value=float(p_values[place]),
                corrected=float(corrected[place]),
            )
    return told


def cautions(size: int, is_single_best: bool, beside: Mapping[str, Comparison], *, tested: bool) -> tuple[Caution, ...]:
    """What must be known of an ensemble before it is trusted.

    Parameters
    ----------
    size : int
        Its number of members.
    is_single_best : bool
        Whether it is the member with the fewest errors on the search split, alone.
    beside : mapping of rival to Comparison
    tested : bool
        Whether there is a test split.
    """
    found = []
    if not tested:
        found.append(Caution("no_test_split", "There is no test split: nobody knows how much of this is luck."))
    if is_single_best:
        found.append(Caution("single_best_is_all", "This is the best single member, which needs no search."))
    elif not beside:
        text = "The run was written by an earlier version, which compared it with nothing."
        found.append(Caution("not_compared", text))
    elif "best_k" not in beside:
        found.append(Caution("best_k_is_all", f"These are {rival_name('best_k', size)}, which need no search."))
    for rival, comparison in beside.items():
        if size > 1 or rival != "best_k":  # the best one is the best single member
            found += _doubts(rival, rival_name(rival, size), comparison)
    return tuple(found)


def _doubts(rival: str, name: str, comparison: Comparison) -> list[Caution]:
    gain = f"{100 * comparison.on_search:+.2f} points on the search split, {comparison} points on the test split"
    if comparison.verdict == "better":
        return []
    if comparison.on_search >= 0:
        # A parent may be better: that is the price of compression. What needs no search may not.
        text = f"Not even on the search split is it better than {name}."
        return [] if rival == "parent" else [Caution("no_gain", text, rival)]
    if comparison.verdict == "worse":
        return [Caution("gain_reversed", f"The gain over {name} turns into a loss: {gain}.", rival)]
    if comparison.verdict == "open":
        return [Caution("gain_not_confirmed", f"The gain over {name} may be luck: {gain}.", rival)]
    return []


def _counted(
    ensembles: Ensembles, member_errors: np.ndarray, parent: Parent | None
) -> list[dict[str, tuple[int, int]]]:
    """Samples (only ours wrong, only theirs wrong) for every ensemble and rival, on one split."""
    votes = ensembles.votes
    best_first = np.argsort(member_errors, kind="stable")
    rank = np.argsort(best_first, kind="stable")
    single_best = rank < 1
    wrong_single = _wrong(votes, single_best)
    wrong_parent = parent.y_pred[votes.split] != votes.y_true if parent else None
    counts: list[dict[str, tuple[int, int]]] = [{} for _ in range(len(ensembles))]
    for size in np.unique(ensembles.sizes):
        best_k = rank < size
        wrong_best = _wrong(votes, best_k)
        for row in np.flatnonzero(ensembles.sizes == size):
            subset = ensembles.subsets[row]
            ours = _wrong(votes, subset)
            for rival, rival_subset, theirs in (
                ("best_k", best_k, wrong_best),
                ("single_best", single_best, wrong_single),
                ("parent", None, wrong_parent),
            ):
                itself = rival_subset is not None and np.array_equal(subset, rival_subset)
                if theirs is not None and not itself:
                    pair = np.count_nonzero(ours & ~theirs), np.count_nonzero(theirs & ~ours)
                    counts[row][rival] = int(pair[0]), int(pair[1])
    return counts


def _wrong(votes: Votes, subset: np.ndarray) -> np.ndarray:
    """Bool, (n_samples,): where the vote of one subset is wrong."""
    labels = votes.y_pred[subset]
    labels.setflags(write=False)  # like the labels of a whole pool, for which the kernel is compiled
    answers = np.empty((1, votes.n_samples), labels.dtype)
    fill_predictions(labels, np.ones((1, len(labels)), bool), votes.n_classes, answers)
    return np.asarray(answers[0] != votes.y_true)
