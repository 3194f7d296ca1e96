"""Prove sizes of a front: no subset of that size makes fewer errors than the front does up to that size.

Sizes are proven in ascending order. Of members that are alike, a tree is searched, size by size. Otherwise subsets are
enumerated: small sizes one by one and the rest in a single pass. A pass is split into parts, which are searched in a
fixed random order, in rounds: on all cores, or by an executor. A round uses only what was known before it started, so
the result depends neither on the number of threads or workers nor on where a proof was interrupted.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from evo_ensyth.engine.threads import threads
from evo_ensyth.errors import InputError
from evo_ensyth.executors import Executor
from evo_ensyth.executors.tasks import number_of_workers
from evo_ensyth.pool import Votes
from evo_ensyth.selection.exact.card_search import CardSearch
from evo_ensyth.selection.exact.pairwise_margins import Best, PairwiseMargins, Searched, Subtree
from evo_ensyth.selection.exact.rounds import DividedRounds, Inputs, Round, lower
from evo_ensyth.selection.exact.sizes import largest_size, passes, subsets_of, words_of
from evo_ensyth.selection.exact.tree_search import LARGEST_SIZE, Part, TreeSearch

# Objectives, in any order.
PROVABLE = {"errors", "members"}
# Subsets in a part: enough to be worth a task, which takes longer to set up in large pools, and few enough for a quick
# response to Ctrl-C.
SMALLEST_PART, LARGEST_PART = 2**14, 2**22
PARTS_OF_A_PASS = 64
ROUND = 8
# A pass of more subsets than this, divided by the number of words of 64 members, is out of reach: it would take weeks
# on a few cores. The number of parts is limited so that a list of them stays small.
MOST_SUBSETS, MOST_PARTS = 2**45, 2**17
# A tree is searched if there are enough subsets for it to pay, and if it takes so few splits for each: a split takes
# about ten times as long as the enumeration of a subset.
LEAST_BY_TREE, SPLITS_PER_SUBSET = 2**22, 0.1
MOST_TREE_BYTES = 250_000_000
# Memory that `prove_some` may use for pairwise margins; the walk of each thread takes about five times as much again.
MOST_BYTES = 40_000_000
SECONDS_OF_SAMPLING = 2.0
SECONDS_BETWEEN_QUESTIONS = 0.05  # interval at which a search asks whether to keep going
SAMPLED_PASSES = 5
SAMPLED_PARTS = 2  # per thread
PARTS_OF_A_TREE = 8  # times as many are sampled: they differ more


@dataclass(frozen=True)
class Estimate:
    """Estimated time of a proof, from a sample of its parts.

    Attributes
    ----------
    n_subsets : int
        Number of subsets still to be covered.
    seconds, least, most : float
        Time on all cores, or workers; the range is that of the sampled parts.
    """

    n_subsets: int
    seconds: float
    least: float
    most: float


class Proof:
    """Search of all subsets up to a size, pass by pass, as far as they are within reach.

    Parameters
    ----------
    votes : Votes
        The search split.
    max_size : int, optional
        All sizes by default.
    by_tree : bool, optional
        Whether to search a tree of members, or to enumerate; by default what a sample shows to be faster.
    executor : Executor, optional
        Who searches; by default all cores that this process may use.
    device : str
        ``cuda`` enumerates passes over many sizes on a card.

    Attributes
    ----------
    reach : int
        Largest size that can be proven, at most ``max_size``.
    proven : list of int
        Sizes of which no subset makes fewer errors than its limit.
    limits : int64, (n_members + 1,)
        Errors of the best known ensemble with up to that many members; n_samples + 1 where none is known.
    counted : int
        Number of subsets whose errors were counted.
    covered : int
        Number of subsets whose errors were counted or that were cut off by a bound.

    Raises
    ------
    InputError
        ``max_size`` is not between 1 and the number of members; or the card cannot do it.
    """

    def __init__(
        self,
        votes: Votes,
        max_size: int | None = None,
        by_tree: bool | None = None,
        executor: Executor | None = None,
        device: str = "cpu",
    ) -> None:
        n_members, on_card = votes.n_members, device == "cuda"
        self.n_members, self._votes = n_members, votes
        most = MOST_SUBSETS // words_of(n_members)
        all_passes = passes(n_members, largest_size(max_size, n_members), on_card=on_card)
        self._enumerated = list(itertools.takewhile(lambda sizes: subsets_of(n_members, sizes) <= most, all_passes))
        self.reach = self._enumerated[-1][-1]
        self.limits = np.full(n_members + 1, votes.n_samples + 1, np.int64)
        self.proven: list[int] = []
        self.counted = self.covered = 0
        self._margins = PairwiseMargins(votes)
        self._enumerator = CardSearch.of(self._margins, self._enumerated, executor) if on_card else self._margins
        self._searcher: PairwiseMargins | CardSearch | TreeSearch | None = None
        if by_tree is not None or on_card:
            self._searcher = TreeSearch(votes, self._margins, self.reach) if by_tree else self._enumerator
        self._parts_done = 0
        self._executor = executor
        self._divided: DividedRounds | None = None

    @property
    def n_subsets(self) -> int:
        """Number of subsets of all sizes that can be proven."""
        return subsets_of(self.n_members, range(1, self.reach + 1))

    @property
    def searcher(self) -> PairwiseMargins | CardSearch | TreeSearch:
        """What searches parts, chosen when it is first asked for, by the limits that are known then."""
        if self._searcher is None:
            self._searcher = self._tree_if_faster() or self._enumerator
        return self._searcher

    def _tree_if_faster(self) -> TreeSearch | None:
        too_large = TreeSearch.bytes_of(self._margins, self.reach) > MOST_TREE_BYTES
        if self.n_subsets < LEAST_BY_TREE or self.reach > LARGEST_SIZE or too_large:
            return None
        tree = TreeSearch(self._votes, self._margins, self.reach)
        size = min(self.reach, self.n_members // 2)  # of which there are most subsets
        return tree if tree.splits_per_subset(size, int(self.limits[size])) < SPLITS_PER_SUBSET else None

    @property
    def _passes(self) -> list[range]:
        if isinstance(self.searcher, TreeSearch):
            return [range(size, size + 1) for size in range(1, self.reach + 1)]
        return self._enumerated

    @property
    def next_pass(self) -> range | None:
        """Sizes that the next pass will prove; None if all sizes within reach are proven."""
        return next((sizes for sizes in self._passes if sizes[-1] not in self.proven), None)

    def rounds(self, keep_going: Callable[[], bool] = lambda: True) -> Iterator[list[Best]]:
        """Search the next pass round by round, yielding the improved subsets of each round.

        Parameters
        ----------
        keep_going : function
            Called repeatedly. When it returns False, the current round is abandoned and the iterator ends.
        """
        sizes = self.next_pass
        if sizes is None:
            return
        searched = self._here(sizes, keep_going) if self._executor is None else self._elsewhere(sizes, keep_going)
        for each, answers in searched:
            self.counted += sum(answer.judged for answer in answers)
            found = lower(self.limits, answers)
            self._parts_done += len(each.parts)
            share = subsets_of(self.n_members, sizes) * self._parts_done // each.n_parts
            self.covered = subsets_of(self.n_members, range(1, sizes[0])) + share
            if self._parts_done == each.n_parts:
                self.proven.extend(sizes)
                self._parts_done = 0
            yield found
            if sizes[-1] in self.proven:
                return

    def stop(self) -> None:
        """Give up what an executor searches ahead of the rounds."""
        if self._divided is not None:
            self._divided.stop()

    def _here(self, sizes: range, keep_going: Callable[[], bool]) -> Iterator[tuple[Round, list[Searched]]]:
        """Search the rest of a pass on the cores of this process."""
        with ThreadPoolExecutor(threads()) as workers:
            for each in self._rounds_of(sizes, self._parts_done):
                answers, through = self._search(workers, each.parts, sizes, keep_going)
                if not through:
                    return
                yield each, [answer for answer, _ in answers]

    def _elsewhere(self, sizes: range, keep_going: Callable[[], bool]) -> Iterator[tuple[Round, list[Searched]]]:
        """Let the executor search the rest of a pass, and begin with those after it."""
        if self._divided is None:
            assert self._executor is not None
            inputs = Inputs.of(self._votes, self.reach, isinstance(self.searcher, TreeSearch))
            self._divided = DividedRounds(
                self._executor, inputs, self._rounds_left(sizes, self._parts_done), self.n_subsets - self.covered
            )
        while found := self._divided.next(self.limits, keep_going):
            yield found

    def _rounds_left(self, sizes: range, done: int) -> Iterator[Round]:
        for each in self._passes:
            if each[0] >= sizes[0]:
                yield from self._rounds_of(each, done if each == sizes else 0)

    def _rounds_of(self, sizes: range, done: int) -> Iterator[Round]:
        parts = self._parts(sizes)
        return (
            Round(sizes, first, parts[first : first + ROUND], len(parts)) for first in range(done, len(parts), ROUND)
        )

    def lowest_errors(self) -> np.ndarray:
        """Lower bound on the errors of all subsets of a size: int64, (n_members + 1,), by size."""
        lowest = self._margins.fewest_errors()
        # The limit of a proven size may come from a smaller one, but is a lower bound all the same.
        lowest[self.proven] = self.limits[self.proven]
        return lowest

    def _search(
        self, workers: ThreadPoolExecutor, parts: Sequence[Any], sizes: range, keep_going: Callable[[], bool]
    ) -> tuple[list[tuple[Searched, float]], bool]:
        """Search parts on all cores; return the result and seconds of each, and whether all parts were completed.

        They are not if ``keep_going`` returns False before. Parts not yet started are then left out, except for the
        first, and the others have covered only some of their subsets.
        """
        limits, halted = self.limits.copy(), np.zeros(1, np.bool_)

        searcher: Any = self.searcher

        def search(part: Subtree | Part) -> tuple[Searched, float]:
            start = time.perf_counter()
            return searcher.search(part, sizes, limits, halted), time.perf_counter() - start

        tasks = [workers.submit(search, part) for part in parts]
        through = False
        try:
            while not through and keep_going():
                through = not wait(tasks, SECONDS_BETWEEN_QUESTIONS).not_done
        finally:  # also where Ctrl-C interrupts the wait
            begun = tasks[:1] + [task for task in tasks[1:] if not task.cancel()]
            halted[0] = True
        return [task.result() for task in begun], through

    def estimate(self, keep_going: Callable[[], bool] = lambda: True) -> Estimate:
        """Estimate the remaining time from a search of a few parts here, and of either half of them.

        Parameters
        ----------
        keep_going : function
            Called repeatedly. When it returns False, the estimate is made from the parts searched so far.
        """
        left = [sizes for sizes in self._passes if sizes[-1] not in self.proven]
        searcher: Any = self.searcher
        single = next(searcher.subtrees(range(1, 2), 1))
        searcher.search(single, range(1, 2), self.limits)  # compile, or load from cache
        n_sampled = SAMPLED_PARTS * threads() * (PARTS_OF_A_TREE if isinstance(searcher, TreeSearch) else 1)
        costs: dict[int, list[float]] = {}  # seconds per subset, by the last size of a pass
        end = time.perf_counter() + SECONDS_OF_SAMPLING

        def in_time() -> bool:
            return time.perf_counter() < end and keep_going()

        with ThreadPoolExecutor(threads()) as workers:  # as in the proof: cores that share a cache slow each other down
            places = np.unique(np.linspace(0, len(left) - 1, SAMPLED_PASSES).round().astype(int))
            # Those of which there are most subsets matter most.
            for sizes in sorted((left[i] for i in places), key=partial(subsets_of, self.n_members), reverse=True):
                parts = self._parts(sizes)
                mean = subsets_of(self.n_members, sizes) / len(parts)
                searched, _ = self._search(workers, parts[:n_sampled], sizes, in_time)
                known = [
                    # Parts are drawn alike, so they count alike, however many subsets they have.
                    (seconds, mean * answer.covered / part.n_subsets if isinstance(part, Part) else answer.covered)
                    for part, (answer, seconds) in zip(parts, searched, strict=False)
                ]
                halves = (known, known[::2], known[1::2])
                costs[sizes[-1]] = [np.divide(*np.sum(some, axis=0)) for some in halves if some]
                if not in_time():
                    break
        ends = sorted(costs)
        n_cores = threads() if self._executor is None else number_of_workers(self._executor)
        seconds = []
        for pick in (lambda rates: rates[0], min, max):
            logs = np.log([pick(costs[end]) for end in ends])
            rates = (math.exp(np.interp(sizes[-1], ends, logs)) for sizes in left)
            each = (rate * subsets_of(self.n_members, sizes) for rate, sizes in zip(rates, left, strict=True))
            seconds.append(float(sum(each)) / n_cores)
        return Estimate(sum(subsets_of(self.n_members, sizes) for sizes in left), *seconds)

    def lower_limits(self, limits: np.ndarray) -> None:
        """Lower the limits to errors found elsewhere, so that more subsets are cut off."""
        self.limits = np.minimum.accumulate(np.minimum(self.limits, limits))

    def state(self) -> dict[str, Any]:
        """State for `resume`, without the limits, as plain JSON values."""
        return {
            "by_tree": isinstance(self.searcher, TreeSearch),
            "proven": list(self.proven),
            "parts_done": self._parts_done,
            "counted": self.counted,
            "covered": self.covered,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a proof of the same votes and sizes; pass its results to `lower_limits`.

        Raises
        ------
        InputError
            The state cannot come from such a proof.
        """
        proven, done = state["proven"], int(state["parts_done"])
        by_tree = state["by_tree"] is True
        self._searcher = TreeSearch(self._votes, self._margins, self.reach) if by_tree else self._enumerator
        ends = [size for sizes in self._passes for size in sizes]
        if not any(proven == ends[:n] for n in (0, *np.cumsum([len(sizes) for sizes in self._passes]))):
            raise InputError("field 'proven' is not that of a proof of these sizes.")
        self.proven, self._parts_done = list(proven), done
        self.counted, self.covered = int(state["counted"]), int(state["covered"])
        sizes = self.next_pass
        if not 0 <= done < (len(self._parts(sizes)) if sizes else 1):
            raise InputError(f"field 'parts_done' is {done}; the pass has fewer parts.")

    def _parts(self, sizes: range) -> list[Any]:
        n_subsets = subsets_of(self.n_members, sizes)
        smallest = SMALLEST_PART * words_of(self.n_members) ** 2
        most = min(max(n_subsets // PARTS_OF_A_PASS, smallest), max(LARGEST_PART, n_subsets // MOST_PARTS))
        while len(parts := list(itertools.islice(self.searcher.subtrees(sizes, most), MOST_PARTS + 1))) > MOST_PARTS:
            most *= 2
        # In random order, so that the share of parts done is roughly the share of the time.
        return [parts[i] for i in np.random.default_rng(0).permutation(len(parts))]


def limits_of(subsets: np.ndarray, errors: np.ndarray, n_samples: int) -> np.ndarray:
    """Fewest errors among some ensembles with up to a number of members: int64, (n_members + 1,), by that number.

    Parameters
    ----------
    subsets : bool, (n_subsets, n_members)
    errors : int, (n_subsets,)
    n_samples : int
    """
    limits = np.full(subsets.shape[1] + 1, n_samples + 1, np.int64)
    np.minimum.at(limits, np.count_nonzero(subsets, axis=1), errors)
    return np.minimum.accumulate(limits)


def prove_some(
    votes: Votes,
    limits: np.ndarray,
    most: int,
    proven: Sequence[int] = (),
    *,
    keep_going: Callable[[], bool] = lambda: True,
) -> "Proof | None":
    """Prove sizes from the smallest up, covering at most ``most`` subsets.

    Parameters
    ----------
    votes : Votes
    limits : int64, (n_members + 1,)
        See `limits_of`.
    most : int
    proven : sequence of int
        Sizes that are already proven.
    keep_going : function
        Called repeatedly; the proof ends when it returns False.

    Returns
    -------
    Proof, optional
        None if the pairwise margins alone would take too much memory.
    """
    if PairwiseMargins.bytes_of(votes) > MOST_BYTES:
        return None
    largest = 1
    while largest < votes.n_members and subsets_of(votes.n_members, range(1, largest + 2)) <= most:
        largest += 1
    proof = Proof(votes, largest)
    proof.lower_limits(limits)
    proof.proven.extend(proven)
    while (sizes := proof.next_pass) is not None and proof.covered + subsets_of(votes.n_members, sizes) <= most:
        for _ in proof.rounds(keep_going):
            pass
        if proof.next_pass == sizes:
            break  # `keep_going` returned False
    return proof
