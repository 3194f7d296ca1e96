"""Which sizes of a front are proven: that no subset of that size makes fewer errors than the front does up to it.

Sizes are gone through upwards, the small ones one by one, the rest in one pass. A pass is cut into parts, which are
searched in a fixed random order, a round of them at a time, on all cores. A round starts from what was known before
it, so that the result depends neither on the number of threads nor on where a proof was interrupted.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_ensyth.engine.threads import threads
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.selection.exact.pairwise_margins import LAST, Best, PairwiseMargins, Searched, Subtree

# Objectives, in any order.
PROVABLE = {"errors", "members"}
# Subsets of a part: enough to be worth a task, which takes longer to set up in large pools, and few enough that Ctrl-C
# is heard.
SMALLEST_PART, LARGEST_PART = 2**14, 2**22
PARTS_OF_A_PASS = 64
ROUND = 8
# A pass of more subsets than these, divided by the words of 64 members, is out of reach: it takes weeks on a few cores.
# Up to there, parts of a pass are at most so many that a list of them is no burden.
MOST_SUBSETS, MOST_PARTS = 2**44, 2**17
# One pass over all larger sizes begins when those done one by one come to one in so many of the subsets.
ONE_BY_SIZE = 50
# What `prove_some` may take for pairwise margins; the walk of each thread takes about five times as much again.
MOST_BYTES = 40_000_000
SECONDS_OF_SAMPLING = 2.0
SECONDS_BETWEEN_QUESTIONS = 0.05  # whether to go on, while parts are searched
SAMPLED_PASSES = 5
SAMPLED_PARTS = 2  # for each thread


@dataclass(frozen=True)
class Estimate:
    """How long a proof will take, from a sample of its parts.

    Attributes
    ----------
    n_subsets : int
        What is to be proven.
    seconds, least, most : float
        On as many cores as there are; the range is that of the sampled parts.
    """

    n_subsets: int
    seconds: float
    least: float
    most: float


class Proof:
    """All subsets up to a size, size by size, as far as they are in reach.

    Parameters
    ----------
    votes : Votes
        The search split.
    max_size : int, optional
        All sizes if not given.

    Attributes
    ----------
    reach : int
        Largest size that can be proven, at most ``max_size``.
    certified : list of int
        Sizes of which no subset makes fewer errors than ``limits`` says.
    limits : int64, (n_members + 1,)
        Errors of the best known ensemble with up to so many members; more than there are samples where none is known.
    counted : int
        Subsets whose errors were counted.
    covered : int
        Subsets that were judged or cut off by a bound.

    Raises
    ------
    InputError
        ``max_size`` is not between 1 and the number of members.
    """

    def __init__(self, votes: Votes, max_size: int | None = None) -> None:
        n_members = votes.n_members
        self.n_members = n_members
        self._passes = list(
            itertools.takewhile(
                lambda sizes: subsets_of(n_members, sizes) <= MOST_SUBSETS // words_of(n_members),
                passes(n_members, largest_size(max_size, n_members)),
            )
        )
        self.reach = self._passes[-1][-1]
        self.limits = np.full(n_members + 1, votes.n_samples + 1, np.int64)
        self.certified: list[int] = []
        self.counted = 0
        self.covered = 0
        self._margins = PairwiseMargins(votes)
        self._parts_done = 0

    @property
    def n_subsets(self) -> int:
        """Subsets of all the sizes that can be proven."""
        return sum(subsets_of(self.n_members, sizes) for sizes in self._passes)

    @property
    def next_pass(self) -> range | None:
        """Sizes that are proven next; None when all that are in reach are."""
        return next((sizes for sizes in self._passes if sizes[-1] not in self.certified), None)

    def rounds(self, go_on: Callable[[], bool] = lambda: True) -> Iterator[list[Best]]:
        """Go on with the next pass, a round at a time: yields the better subsets that each round found.

        Parameters
        ----------
        go_on : function
            Asked all the while. When it says no, the round is broken off and forgotten, and there are no more.
        """
        sizes = self.next_pass
        if sizes is None:
            return
        parts = self._parts(sizes)
        with ThreadPoolExecutor(threads()) as workers:
            while self._parts_done < len(parts):
                batch = parts[self._parts_done : self._parts_done + ROUND]
                answers, through = self._search(workers, batch, sizes, go_on)
                if not through:
                    return
                found: dict[int, Best] = {}
                for answer, _ in answers:
                    self.counted += answer.judged
                    for best in answer.better:
                        size = int(np.count_nonzero(best.subset))
                        if best.errors < self.limits[size]:
                            self.limits[size:] = np.minimum(self.limits[size:], best.errors)
                            found[size] = best
                self._parts_done += len(batch)
                share = subsets_of(self.n_members, sizes) * self._parts_done // len(parts)
                self.covered = subsets_of(self.n_members, range(1, sizes[0])) + share
                if self._parts_done == len(parts):
                    self.certified.extend(sizes)
                    self._parts_done = 0
                yield [found[size] for size in sorted(found)]
                if sizes[-1] in self.certified:
                    return

    def lowest_errors(self) -> np.ndarray:
        """Errors that no subset of a size is below: int64, (n_members + 1,), by size."""
        lowest = self._margins.fewest_errors()
        # A certified size may hold nothing better than a smaller one; what it does hold is no better either.
        lowest[self.certified] = self.limits[self.certified]
        return lowest

    def _search(
        self, workers: ThreadPoolExecutor, parts: Sequence[Subtree], sizes: range, go_on: Callable[[], bool]
    ) -> tuple[list[tuple[Searched, float]], bool]:
        """Search parts on all cores: what each came to and in how many seconds, and whether they were gone through.

        They were not where ``go_on`` said no before. Then those that had not begun are left out, all but the first, and
        the others covered a share of their subsets.
        """
        limits, halted = self.limits.copy(), np.zeros(1, np.bool_)

        def search(part: Subtree) -> tuple[Searched, float]:
            start = time.perf_counter()
            return self._margins.search(part, sizes, limits, halted), time.perf_counter() - start

        tasks = [workers.submit(search, part) for part in parts]
        through = False
        try:
            while not through and go_on():
                through = not wait(tasks, SECONDS_BETWEEN_QUESTIONS).not_done
        finally:  # also where Ctrl-C interrupts the wait
            begun = tasks[:1] + [task for task in tasks[1:] if not task.cancel()]
            halted[0] = True
        return [task.result() for task in begun], through

    def estimate(self, go_on: Callable[[], bool] = lambda: True) -> Estimate:
        """Search a few parts, forget what they found, and reckon from their time.

        Parameters
        ----------
        go_on : function
            Asked all the while. When it says no, what was searched until then must do.
        """
        left = [sizes for sizes in self._passes if sizes[-1] not in self.certified]
        self._margins.search(Subtree(0, 0, self.n_members - 1), range(1, 2), self.limits)  # compiles, or loads
        costs: dict[int, list[float]] = {}  # by the last size of a pass: seconds for a subset
        end = time.perf_counter() + SECONDS_OF_SAMPLING

        def in_time() -> bool:
            return time.perf_counter() < end and go_on()

        with ThreadPoolExecutor(threads()) as workers:  # as later: cores that share a cache slow each other down
            places = np.unique(np.linspace(0, len(left) - 1, SAMPLED_PASSES).round().astype(int))
            for sizes in [left[place] for place in places[::-1]]:  # the largest matter most
                parts = self._parts(sizes)[: SAMPLED_PARTS * threads()]
                searched, _ = self._search(workers, parts, sizes, in_time)
                costs[sizes[-1]] = [seconds / answer.covered for answer, seconds in searched]
                if not in_time():
                    break
        ends = sorted(costs)
        seconds = []
        for pick in (np.mean, np.min, np.max):
            known = [float(pick(costs[end])) for end in ends]
            each = (np.interp(sizes[-1], ends, known) * subsets_of(self.n_members, sizes) for sizes in left)
            seconds.append(float(sum(each)) / threads())
        return Estimate(sum(subsets_of(self.n_members, sizes) for sizes in left), *seconds)

    def lower_limits(self, limits: np.ndarray) -> None:
        """Take in what others have found, so that more can be cut off."""
        self.limits = np.minimum.accumulate(np.minimum(self.limits, limits))

    def state(self) -> dict[str, Any]:
        """What `resume` needs besides the limits, as plain JSON values."""
        return {
            "certified": list(self.certified),
            "parts_done": self._parts_done,
            "counted": self.counted,
            "covered": self.covered,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where a proof of the same votes and sizes stood; what it had found is for `lower_limits`.

        Raises
        ------
        InputError
            The state cannot be that of such a proof.
        """
        certified, done = state["certified"], int(state["parts_done"])
        ends = [size for sizes in self._passes for size in sizes]
        if not any(certified == ends[:n] for n in (0, *np.cumsum([len(sizes) for sizes in self._passes]))):
            raise InputError("field 'certified' is not that of a proof of these sizes.")
        self.certified, self._parts_done = list(certified), done
        self.counted, self.covered = int(state["counted"]), int(state["covered"])
        sizes = self.next_pass
        if not 0 <= done < (len(self._parts(sizes)) if sizes else 1):
            raise InputError(f"field 'parts_done' is {done}; the pass has fewer parts.")

    def _parts(self, sizes: range) -> list[Subtree]:
        n_subsets = subsets_of(self.n_members, sizes)
        smallest = SMALLEST_PART * words_of(self.n_members) ** 2
        most = min(max(n_subsets // PARTS_OF_A_PASS, smallest), max(LARGEST_PART, n_subsets // MOST_PARTS))
        while len(parts := list(itertools.islice(self._margins.subtrees(sizes, most), MOST_PARTS + 1))) > MOST_PARTS:
            most *= 2
        # In random order, so that the share of parts done is about the share of the time.
        return [parts[i] for i in np.random.default_rng(0).permutation(len(parts))]


def limits_of(subsets: np.ndarray, errors: np.ndarray, n_samples: int) -> np.ndarray:
    """Fewest errors of some ensembles with up to so many members: int64, (n_members + 1,).

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
    certified: Sequence[int] = (),
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> tuple["Proof | None", list[np.ndarray]]:
    """Prove the smallest sizes, as far as ``most`` subsets go.

    Parameters
    ----------
    votes : Votes
    limits : int64, (n_members + 1,)
        See `limits_of`.
    most : int
    certified : sequence of int
        Sizes that are proven already.
    go_on : function
        Asked all the while; the proof ends when it says no.

    Returns
    -------
    Proof, optional
        None where the pairwise margins alone would take too much memory.
    list of bool, (n_members,)
        Subsets that are better than what was known.
    """
    if PairwiseMargins.bytes_of(votes) > MOST_BYTES:
        return None, []
    proof = Proof(votes)
    proof.lower_limits(limits)
    proof.certified.extend(certified)
    better: list[np.ndarray] = []
    while (sizes := proof.next_pass) is not None and proof.covered + subsets_of(votes.n_members, sizes) <= most:
        for found in proof.rounds(go_on):
            better.extend(best.subset for best in found)
        if proof.next_pass == sizes:
            break  # it said no
    return proof, better


def largest_size(max_size: int | None, n_members: int) -> int:
    """Largest ensembles to look at: all members, unless somebody said fewer.

    Raises
    ------
    InputError
        No ensemble has this size.
    """
    if max_size is not None and not 1 <= max_size <= n_members:
        raise InputError(f"max_size is {max_size}; with {n_members} members it lies between 1 and {n_members}.")
    return max_size or n_members


def passes(n_members: int, max_size: int) -> Iterator[range]:
    """Sizes that are proven together, in order."""
    # whole numbers throughout: of 2,000 members there are more subsets than a float can say
    counts = [1]
    for size in range(1, max_size + 1):
        counts.append(counts[-1] * (n_members - size + 1) // size)
    everything, done = sum(counts[1:]), 0
    for size in range(1, max_size + 1):
        late = ONE_BY_SIZE * (done + counts[size]) > everything
        if n_members > LAST and size < max_size and late:
            # A pass over several sizes looks at all ways to choose the last members, whatever their number.
            firsts = range(max(0, size - LAST), max_size + 1)
            looked_at = sum(math.comb(n_members - LAST, n) for n in firsts) * 2**LAST
            if looked_at < 2 * (everything - done):
                yield range(size, max_size + 1)
                return
        yield range(size, size + 1)
        done += counts[size]


def words_of(n_members: int) -> int:
    """Words of 64 members, one bit each: what it takes to look at a subset grows with them."""
    return -(-n_members // 64)


def subsets_of(n_members: int, sizes: range) -> int:
    """How many subsets have one of these sizes."""
    return sum(math.comb(n_members, size) for size in sizes)
