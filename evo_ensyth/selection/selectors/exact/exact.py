"""The exact front of error against size, proven by branch and bound.

Either over a tree of members, see `evo_ensyth.selection.exact.tree_search`, or by enumeration with bounds on bit-sliced
margins, see `evo_ensyth.selection.exact.pairwise_margins`.
"""

import itertools
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint, read_json, sealed, unsealed, write_json
from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.exact.card_search import check_card
from evo_ensyth.selection.exact.proof import PROVABLE, Estimate, Proof, limits_of
from evo_ensyth.selection.exact.sizes import largest_size, subsets_of
from evo_ensyth.selection.selectors.baselines.backward_elimination import BackwardElimination
from evo_ensyth.selection.selectors.greedy.backward_wrapper import BackwardWrapper
from evo_ensyth.selection.selectors.greedy.forward_greedy import ForwardGreedy
from evo_ensyth.voting import VoteRule
from evo_ensyth.voting.plurality import Plurality

SECONDS_BETWEEN_CHECKPOINTS = 10.0
FORMAT = 4
BLOCK = 4_096  # subsets per batch when all subsets are evaluated one by one


@dataclass(frozen=True)
class Exact:
    """Prove, size by size, that no better ensemble exists.

    Attributes
    ----------
    max_size : int, optional
        Size of the largest ensembles. By default all sizes, or those within reach: up to 7 for 200 members.
    device : str
        ``cuda`` enumerates all sizes of 16 to about 44 members on a graphics card; see ``docs/engine.md``.

    Notes
    -----
    It starts from the results of greedy selection: the better the known ensembles, the more subsets a bound cuts off.
    If the evaluator has a scratch folder, an interrupted search resumes from there, with the same result as an
    uninterrupted one. With a budget, a size is started only if the budget covers all of its subsets. An executor
    divides the proof among its workers, with the same result.

    Bounds apply only to the objectives error and n_members of plurality votes with ties to the lowest class, without
    constraints; this is what it searches unless the user asks for something else. Otherwise every subset is evaluated
    one by one, which is many times slower.
    """

    objectives: ClassVar[tuple[str, ...]] = ("error", "n_members")
    vote: ClassVar[VoteRule] = Plurality(ties="lowest")
    max_size: int | None = setting(None, at_least=1)
    device: str = setting("cpu", one_of=("cpu", "cuda"))

    def __post_init__(self) -> None:
        check_settings(self)
        if self.device == "cuda":
            check_card()

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate all subsets, from small to large."""
        counts = [objective.counts for objective in search.objectives]
        max_size = largest_size(self.max_size, len(search.pool))
        if set(counts) != PROVABLE or search.constraints or search.planes is None:
            if self.device == "cuda":
                raise InputError(
                    "device 'cuda' proves error and n_members of plurality votes, ties to the lowest class, without "
                    "constraints; for anything else, use device 'cpu'."
                )
            _judge_all(search, max_size)
            return
        proof = Proof(search.votes, max_size, executor=search.executor, device=self.device)
        n_members, n_samples = len(search.pool), search.votes.n_samples
        for baseline in (BackwardElimination(), ForwardGreedy(), BackwardWrapper()):
            baseline.select(search, rng)
        checkpoint = _Checkpoint(search, max_size, self.device)
        checkpoint.load(proof)
        errors = np.rint(search.archive.values[:, counts.index("errors")] * n_samples).astype(np.int64)
        proof.lower_limits(limits_of(search.archive.subsets, errors, n_samples))
        search.mark_proven(proof.proven)

        def keep_going() -> bool:
            return not search.budget.done

        estimate = in_words(proof.estimate(keep_going)) if proof.next_pass is not None else ""
        if proof.reach < max_size:
            estimate += f"; larger ensembles than of {proof.reach} are out of reach"
        search.report_progress(estimate)
        begun = proof.covered, search.budget.elapsed
        try:
            while (sizes := proof.next_pass) is not None:
                if subsets_of(n_members, sizes) > search.budget.remaining:
                    return
                counted = proof.counted
                for found in proof.rounds(keep_going):
                    best = np.array([best.subset for best in found], bool).reshape(-1, n_members)
                    search.record(proof.counted - counted, best)
                    counted = proof.counted
                    search.mark_proven(proof.proven)
                    checkpoint.save_now_and_then(proof)
                    share, spent = proof.covered / proof.n_subsets, search.budget.elapsed - begun[1]
                    left = spent * (proof.n_subsets - proof.covered) / max(proof.covered - begun[0], 1)
                    search.report_progress(f"{share:.1%} done, about {_duration(left)} left; at the start {estimate}")
                search.budget.raise_if_done()
        finally:
            proof.stop()
            checkpoint.close(proof)


def _judge_all(search: Evaluator, max_size: int) -> None:
    n_members = len(search.pool)
    for size in range(1, max_size + 1):
        combinations = itertools.combinations(range(n_members), size)
        while block := list(itertools.islice(combinations, BLOCK)):
            subsets = np.zeros((len(block), n_members), bool)
            np.put_along_axis(subsets, np.array(block), True, axis=1)
            search.evaluate(subsets)
            search.budget.gained()  # the proof has got on
        search.mark_proven(range(1, size + 1))
        search.report_progress(f"all ensembles of {size} members are evaluated")


class _Checkpoint:
    """The state of an unfinished proof, stored in the scratch folder."""

    def __init__(self, search: Evaluator, max_size: int, device: str) -> None:
        self.search = search
        # The budget is part of the key: a search without one may have counted more than it allows. So is a card, whose
        # parts are others.
        key = fingerprint(
            {"votes": search.votes.fingerprint, "max_size": max_size, "budget": search.budget.limit}
            | ({} if device == "cpu" else {"device": device})
        )
        self.path = None if search.scratch is None else search.scratch.folder / f"exact-{key[:16]}.json"
        self.last = time.monotonic()

    def load(self, proof: Proof) -> None:
        """Resume an interrupted proof, if there is one."""
        if self.path is None or not self.path.exists():
            return
        content = read_json(self.path)
        try:
            if content["format"] != FORMAT:
                raise InputError(f"field 'format' is not {FORMAT}")
            content = unsealed(self.path, content)
            proof.resume(content["proof"])
            best = np.zeros((len(content["front"]), len(self.search.pool)), bool)
            for row, members in enumerate(content["front"]):
                best[row, members] = True
            self.search.record(proof.counted, best)
        except (InputError, KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{self.path} is not a checkpoint of this search ({error}); remove it.") from error
        self.search.report_progress(f"resuming from {self.path}")

    def save_now_and_then(self, proof: Proof) -> None:
        """Write the state of the proof, unless it was written a few seconds ago."""
        if time.monotonic() - self.last > SECONDS_BETWEEN_CHECKPOINTS:
            self._save(proof)

    def close(self, proof: Proof) -> None:
        """Save the state of an unfinished proof, or of a finished one that took long, until its result is safe."""
        if self.path is None or self.search.scratch is None:
            return
        if proof.next_pass is not None and proof.counted:
            self._save(proof)
        elif proof.next_pass is None and self.path.exists():
            self._save(proof)
            self.search.scratch.finish(self.path)

    def _save(self, proof: Proof) -> None:
        if self.path is None:
            return
        self.last = time.monotonic()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        front = [np.flatnonzero(subset).tolist() for subset in self.search.archive.subsets]
        content = {"format": FORMAT, "proof": proof.state(), "front": front}
        write_json(self.path, sealed(content))


def in_words(estimate: Estimate) -> str:
    """Describe an estimate of the running time, in a suitable unit."""
    unit, _ = _unit(estimate.seconds)
    low, high = (f"{seconds / unit:,.0f}" for seconds in (estimate.least, estimate.most))
    likely = _duration(estimate.seconds)
    return f"{estimate.n_subsets:,} subsets to settle: about {likely} ({low} to {high} by a sample)"


def _duration(seconds: float) -> str:
    unit, name = _unit(seconds)
    return f"{seconds / unit:,.0f} {name}"


def _unit(seconds: float) -> tuple[int, str]:
    """The largest unit of which there are at least two."""
    units = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))
    return next((unit, name) for unit, name in units if seconds >= 2 * unit or unit == 1)
